// @ts-check
// Markdown of foreign texts as templates. What looks like HTML is shown as it was written.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { LONGEST, blocks, spans } from './blocks.js';

/** @typedef {import('./blocks.js').Block} Block */
/** @typedef {import('./blocks.js').Span} Span */

/** @param {Span} span */
function inline(span) {
  if (span.kind === 'code') return html`<code>${span.text}</code>`;
  if (span.kind === 'strong') return html`<b>${span.text}</b>`;
  if (span.kind === 'em') return html`<em>${span.text}</em>`;
  // The address is seen before it is followed.
  if (span.kind === 'link') return html`<a .href=${span.href} .title=${span.href} target="_blank" rel="noopener noreferrer nofollow">${span.text}</a>`;
  return span.text;
}

/** @param {string} text */
const line = (text) => spans(text).map(inline);

/** @param {Block} one */
function view(one) {
  if (one.kind === 'heading') return one.level <= 2 ? html`<h4>${line(one.text)}</h4>` : html`<h5>${line(one.text)}</h5>`;
  if (one.kind === 'code') return html`<pre class="md-code"><code>${one.text}</code></pre>`;
  if (one.kind === 'quote') return html`<blockquote>${line(one.text)}</blockquote>`;
  if (one.kind === 'rule') return html`<hr />`;
  if (one.kind === 'list') {
    const items = one.items.map((item) => html`<li>${checked(item)}</li>`);
    return one.ordered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
  }
  return html`<p>${line(one.text)}</p>`;
}

/** @param {string} item */
function checked(item) {
  const box = /^\[([ xX])\]\s+/.exec(item);
  if (!box) return line(item);
  return html`<span class="md-box" role="img" aria-label=${box[1] === ' ' ? 'open' : 'done'}>${box[1] === ' ' ? '☐' : '☑'}</span>${line(item.slice(box[0].length))}`;
}

/** @param {unknown} text */
export function markdown(text) {
  if (typeof text !== 'string' || text.trim() === '') return nothing;
  return html`<div class="md" dir="auto">
    ${blocks(text).map(view)} ${text.length > LONGEST ? html`<p class="muted">The rest is in the file.</p>` : nothing}
  </div>`;
}

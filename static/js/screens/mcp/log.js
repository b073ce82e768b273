// @ts-check
// The end of a server's error stream: colours of the terminal, looked at again every two seconds while it is followed.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { guard } from '../../../vendor/lit-html/directives/guard.js';
import { ref } from '../../../vendor/lit-html/directives/ref.js';
import { Ansi } from '../../ansi.js';
import { clean, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { copyButton } from '../../views/parts.js';
import { fetchLog, follow, model } from './model.js';

/** Characters of one line that are shown. */
const LONGEST = 8_192;

/** @param {import('../../screen.js').Ctx} ctx */
export function logTab(ctx) {
  const { log } = model;
  if (log.status === 'idle') queueMicrotask(() => model.log.status === 'idle' && void fetchLog());
  return html`<div class="server-log">
    <div class="output-bar">
      <label class="switch"><input type="checkbox" .checked=${log.follow} @change=${(/** @type {any} */ event) => follow(event.target.checked)} />Follow</label>
      <span class="muted">${log.lines.length > 0 ? `last ${whole(log.lines.length)} lines` : ''}</span>
      <span class="output-space"></span>
      ${log.path ? html`<code class="log-path muted" .title=${clean(log.path, 500)}><bdi>${clean(log.path, 300)}</bdi></code>${copyButton(ctx, log.path, 'the path of the log')}` : nothing}
      <button class="button" type="button" ?disabled=${log.status === 'loading'} @click=${() => void fetchLog()}>${icon('retrying')}<span>Refresh</span></button>
    </div>
    ${log.status === 'failed' ? html`<p class="banner tone-red" role="alert">${icon('error')}<span>${log.error}${log.hint ? html` <code>${log.hint}</code>` : nothing}</span></p>` : nothing}
    ${log.lines.length === 0
      ? html`<div class="empty"><p class="empty-title">${log.status === 'ready' ? 'Nothing on its error stream yet' : log.status === 'failed' ? 'The log cannot be read' : 'Loading…'}</p></div>`
      : html`<div class="log" tabindex="0" role="group" aria-label="Log" ${ref((/** @type {Element|undefined} */ element) => stickToEnd(element))}>${guard([log.lines], () => lines(log.lines))}</div>`}
  </div>`;
}

/**
 * Stays at the end unless somebody scrolled away from it. Called at each drawing: a directive that is given the same
 * function again would not call it.
 * @param {any} element
 */
function stickToEnd(element) {
  if (!(element instanceof HTMLElement)) return;
  const away = element.dataset.away === 'true';
  if (element.dataset.watched === undefined) {
    element.dataset.watched = 'true';
    element.addEventListener('scroll', () => {
      element.dataset.away = String(element.scrollHeight - element.scrollTop - element.clientHeight > 24);
    });
  }
  // The lines are drawn after this element is known.
  if (!away) queueMicrotask(() => (element.scrollTop = element.scrollHeight));
}

/** @param {string[]} list */
function lines(list) {
  const reader = new Ansi();
  return html`<div class="log-lines">${list.map((line) => {
    const tokens = reader.read(`${line.slice(0, LONGEST)}\n`);
    reader.reset();
    return html`<div class="line">${tokens.map((token) =>
      token.kind === 'text' ? (token.classes === '' ? token.text : html`<span class=${token.classes}>${token.text}</span>`) : nothing,
    )}</div>`;
  })}</div>`;
}

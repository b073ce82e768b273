// @ts-check
// Why this model: every decision with every candidate and its reasons.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { clean, counted, label } from '../format.js';
import { verdictLook } from '../states.js';

/** @param {import('./pane.js').Extra} extra */
export function routingTab(extra) {
  if (extra.status === 'loading') return html`<p class="sheet muted">Loading…</p>`;
  if (extra.routing.length === 0) return html`<p class="sheet muted">No routing decision was recorded.</p>`;
  return html`<div class="sheet">${[...extra.routing].reverse().map(decision)}</div>`;
}

/** @param {any} d */
function decision(d) {
  const asked = Object.entries(d.requested ?? {}).filter(([, value]) => value !== null && value !== '' && !(Array.isArray(value) && value.length === 0));
  const took = Number(d.decided_us);
  return html`<section class="decision">
    <h3>
      Attempt ${Number(d.attempt) || 1}
      <span class="muted">${d.trigger === 'submit' ? 'on submission' : `after ${clean(d.trigger, 60)}`}${Number.isFinite(took) ? `, decided in ${(took / 1_000).toFixed(1)} ms` : ''}</span>
    </h3>
    ${asked.length > 0
      ? html`<p class="asked"><span class="muted">Asked for</span> ${asked.map(([key, value]) => html`<span class="ask"><span class="muted">${label(clean(key, 40))}</span> <bdi>${clean(Array.isArray(value) ? value.join(', ') : value, 120)}</bdi></span>`)}</p>`
      : nothing}
    ${d.selected
      ? html`<p class="decided"><b><bdi>${clean(name(d.selected), 200)}</bdi></b> <bdi>${clean(d.selected.reason, 500)}</bdi></p>`
      : html`<p class="decided tone-red"><b>No candidate was left</b></p>`}
    <ol class="candidates">
      ${(Array.isArray(d.candidates) ? d.candidates : []).map(candidate)}
    </ol>
    ${d.omitted > 0 ? html`<p class="muted">and ${counted(Number(d.omitted), 'further candidate')}</p>` : nothing}
  </section>`;
}

/** @param {any} pair */
const name = (pair) => [pair.tool, pair.model].filter(Boolean).join(' : ');

/** @param {any} c */
function candidate(c) {
  const look = verdictLook(c.verdict);
  return html`<li class="candidate verdict-${look.tone}">
    <div class="candidate-line">
      <span class="candidate-name"><b><bdi>${clean(name(c), 200)}</bdi></b>
      <span class="muted">${[c.provider, c.source && label(c.source)].filter(Boolean).map((part) => html`<span class="sep">${clean(part, 60)}</span>`)}</span></span>
      <span class="tag tone-${look.tone}">${look.label}</span>
    </div>
    <ul class="reasons">
      ${(Array.isArray(c.reasons) ? c.reasons : []).map((/** @type {any} */ r) => html`<li><code>${clean(r?.code, 60)}</code> <bdi>${clean(r?.text, 500)}</bdi></li>`)}
    </ul>
  </li>`;
}

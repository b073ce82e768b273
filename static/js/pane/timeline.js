// @ts-check
// What happened to the operation, newest first, each with the time since the beginning.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { guard } from '../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { brief, clock, dateTime, timeOfDay, whole } from '../format.js';
import { icon } from '../icons.js';
import { describe } from './events.js';
import { EVENTS_KEPT } from './recorded.js';

/** @param {import('./pane.js').Pane} pane @param {import('../state.js').Operation} op */
export function timelineTab(pane, op) {
  const { status, error, value } = pane.events;
  if (status === 'failed') return html`<p class="sheet tone-red tone-text">${error}</p>`;
  const list = value ?? [];
  if (list.length === 0) return html`<p class="sheet muted">${status === 'ready' ? 'No event is stored for this operation.' : 'Loading…'}</p>`;
  const newest = [...list].reverse();
  return html`<div class="timeline-wrap">
    ${list.length >= EVENTS_KEPT ? html`<p class="timeline-note muted">The newest ${whole(EVENTS_KEPT)}; <code>llmctl events</code> has all.</p>` : nothing}
    <ol class="timeline">
      ${repeat(newest, (/** @type {any} */ e) => e.seq, (/** @type {any} */ e) => guard([e], () => eventRow(e, op)))}
    </ol>
  </div>`;
}

/** @param {any} e @param {import('../state.js').Operation} op */
function eventRow(e, op) {
  const told = describe(String(e.type), e.data);
  const since = Date.parse(e.at) - Date.parse(op.submitted_at);
  return html`<li class="event">
    <time class="event-time num" .dateTime=${String(e.at)} .title=${dateTime(e.at)}>${timeOfDay(e.at)}</time>
    <span class="event-since num muted">${since >= 0 ? `+${since < 1_000 ? brief(since) : clock(since)}` : ''}</span>
    <span class="event-mark tone-${told.tone}">${icon(told.icon)}</span>
    <span class="event-text"><b><bdi>${told.title}</bdi></b> <bdi class="muted">${told.text}</bdi></span>
  </li>`;
}

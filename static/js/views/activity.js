// @ts-check
// What an operation is doing and what it used, as short texts that lists and the detail share.

import { html, nothing, svg } from '../../vendor/lit-html/lit-html.js';
import { bytes, clean, clock, compact, cost, counted, whole } from '../format.js';
import { icon } from '../icons.js';
import { isFinal, totalTokens } from '../state.js';
import { phaseLook, placeText, stopText } from '../states.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {import('../store.js').Store} Store */

/** Silence that is worth a word. */
const QUIET_MS = 15_000;

/** What it is doing, or how it ended, in one line. @param {Operation} op */
export function activity(op) {
  if ((op.state === 'error' || op.state === 'refused') && op.error) {
    const text = `${op.error.class}: ${op.error.message}`;
    return html`<span class="act tone-red" .title=${clean(text, 500)}><b>${clean(op.error.class, 40)}</b> <bdi>${clean(op.error.message, 300)}</bdi></span>`;
  }
  if (op.state === 'stopped' && op.stopped) {
    const text = op.stopped.reason ?? stopText(op.stopped);
    return html`<span class="act" .title=${clean(text, 500)}><bdi>${clean(text, 200)}</bdi></span>`;
  }
  if (op.state === 'lost') return html`<span class="act"><span>Its runner ended without a word</span></span>`;
  if (op.state === 'complete') {
    const calls = op.calls > 0 ? ` · ${counted(op.calls, 'tool call')}` : '';
    return html`<span class="act"><span>${bytes(op.stdout_bytes)} output${calls}</span></span>`;
  }
  if (op.state === 'submitted') return html`<span class="act"><span>Waiting to start</span></span>`;
  if (op.state === 'queued') {
    const text = op.queue ? placeText(op.queue) : 'Waiting for a place';
    return html`<span class="act" .title=${clean(text, 200)}><bdi>${clean(text, 120)}</bdi></span>`;
  }
  if (op.state === 'paused') return html`<span class="act"><span>Suspended</span></span>`;
  if (op.state === 'detached') return html`<span class="act"><span>No link to its runner; it goes on</span></span>`;
  return running(op);
}

/** @param {Operation} op */
function running(op) {
  const quiet = op.idle_ms >= QUIET_MS ? html`<span class="sep quiet-for">quiet for ${clock(op.idle_ms)}</span>` : nothing;
  if (op.open_call !== null) {
    return html`<span class="act"
      >${icon('tool', 'act-icon')}<code .title=${clean(op.open_call)}>${clean(op.open_call, 80)}</code>${quiet}</span
    >`;
  }
  const look = phaseLook(op.phase);
  if (!look) return html`<span class="act">${quiet}</span>`;
  return html`<span class="act">${icon(look.icon, `act-icon phase-${look.icon}`)}<span>${look.label}</span>${quiet}</span>`;
}

/** @param {Operation} op */
export function costCell(op) {
  if (op.cost_nano_usd !== null) return cost(op.cost_nano_usd);
  if (op.started_at === null && !isFinal(op.state)) return html`<span class="muted">–</span>`;
  return html`<span class="muted unknown">${cost(null)}</span>`;
}

/** The classes of a total, for the pointer. @param {Operation} op */
export function tokenTitle(op) {
  const t = op.tokens;
  return [
    `${whole(totalTokens(t))} tokens`,
    `input ${whole(t.input)}`,
    `cache read ${whole(t.cache_read)}`,
    `cache write ${whole(t.cache_write_5m + t.cache_write_1h)}`,
    `output ${whole(t.output)}`,
    `of which reasoning ${whole(t.reasoning)}`,
  ].join('\n');
}

/** @param {Store} store @param {string} id */
export function rateText(store, id) {
  const rate = store.rates.of(id);
  if (!rate) return null;
  return rate.unit === 'tok/s' ? `${compact(Math.round(rate.value))} tok/s` : `${bytes(Math.round(rate.value))}/s`;
}

/** @param {number[]} heights */
export function sparkline(heights) {
  if (heights.length < 3) return nothing;
  const step = 48 / (heights.length - 1);
  const points = heights.map((h, i) => `${(i * step).toFixed(1)},${(15 - h * 13).toFixed(1)}`).join(' ');
  return html`<svg class="spark" viewBox="0 0 48 16" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<polygon points=${`0,16 ${points} 48,16`} /><polyline points=${points} />`}
  </svg>`;
}

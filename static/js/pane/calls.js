// @ts-check
// The tool's own tool calls, newest first.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { brief, bytes, clean } from '../format.js';
import { icon } from '../icons.js';

/** @param {import('./pane.js').Extra} extra */
export function callsTab(extra) {
  if (extra.status === 'loading') return html`<p class="sheet muted">Loading…</p>`;
  if (extra.calls.length === 0) return html`<p class="sheet muted">No tool was called.</p>`;
  const newest = [...extra.calls].reverse();
  return html`<ol class="calls">
    ${repeat(newest, (/** @type {any} */ call) => String(call.call_id), callView)}
  </ol>`;
}

/** @param {any} call */
function callView(call) {
  const open = call.ok === null || call.ok === undefined;
  const tone = open ? 'blue' : call.ok ? 'green' : 'red';
  const text = open ? 'Running' : call.ok ? 'Done' : 'Failed';
  const exit = typeof call.exit_code === 'number' && call.exit_code !== 0 ? `exit ${call.exit_code}` : '';
  return html`<li class="call">
    <span class="call-mark tone-${tone}" .title=${text}>${icon(open ? 'running' : call.ok ? 'check' : 'close')}<span class="visually-hidden">${text}</span></span>
    <span class="call-name"><code>${clean(call.name, 100)}</code>${call.server_name ? html`<span class="muted sep">${clean(call.server_name, 60)}</span>` : nothing}</span>
    <span class="call-summary" .title=${clean(call.summary, 512)}><bdi>${clean(call.summary, 512)}</bdi></span>
    <span class="call-end num muted">${exit ? html`<span class="tone-red tone-text">${exit}</span>` : nothing}<span>${call.output_bytes ? bytes(Number(call.output_bytes)) : ''}</span><span>${open ? 'running' : brief(call.duration_ms)}</span></span>
  </li>`;
}

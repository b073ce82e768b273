// @ts-check
// The tool's own tool calls, newest first.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { brief, bytes, clean } from '../format.js';
import { icon } from '../icons.js';
import { fact } from '../views/parts.js';

/** @param {import('./pane.js').Extra} extra */
export function callsTab(extra) {
  if (extra.status === 'loading') return html`<p class="sheet muted">Loading…</p>`;
  if (extra.calls.length === 0) return html`<p class="sheet muted">No tool was called.</p>`;
  const newest = [...extra.calls].reverse();
  return html`<ol class="calls">
    ${repeat(newest, (/** @type {any} */ call) => String(call.call_id), callView)}
  </ol>`;
}

/** What is recorded of a call is its summary and its sizes; its words stay in the journal. @param {any} call */
function callView(call) {
  const open = call.ok === null || call.ok === undefined;
  const tone = open ? 'blue' : call.ok ? 'green' : 'red';
  const text = open ? 'Running' : call.ok ? 'Done' : 'Failed';
  const exit = typeof call.exit_code === 'number' && call.exit_code !== 0 ? `exit ${call.exit_code}` : '';
  return html`<li><details class="call-more">
    <summary class="call">
      <span class="call-mark tone-${tone}" .title=${text}>${icon(open ? 'running' : call.ok ? 'check' : 'close')}<span class="visually-hidden">${text}</span></span>
      <span class="call-name"><code>${clean(call.name, 100)}</code>${call.server_name ? html`<span class="muted sep">${clean(call.server_name, 60)}</span>` : nothing}</span>
      <span class="call-summary" .title=${clean(call.summary, 512)}><bdi>${clean(call.summary, 512)}</bdi></span>
      <span class="call-end num muted">${exit ? html`<span class="tone-red tone-text">${exit}</span>` : nothing}<span>${call.output_bytes ? bytes(Number(call.output_bytes)) : ''}</span><span>${open ? 'running' : brief(call.duration_ms)}</span></span>
    </summary>
    <dl class="facts call-facts">
      ${fact('Arguments', call.summary ? html`<code class="call-words"><bdi>${clean(call.summary, 4_096)}</bdi></code>` : html`<span class="muted">none were recorded</span>`)}
      ${fact('Argument size', call.input_bytes === null || call.input_bytes === undefined ? '' : bytes(Number(call.input_bytes)))}
      ${fact('Result', open ? 'not yet' : `${text}${exit ? `, ${exit}` : ''}${call.output_bytes ? `, ${bytes(Number(call.output_bytes))}` : ''}`)}
      ${fact('Duration', open ? '' : brief(call.duration_ms))}
      ${fact('Kind', call.kind && clean(call.kind, 60))} ${fact('Server', call.server_name && clean(call.server_name, 100))}
      ${fact('Call', call.call_id && html`<code>${clean(call.call_id, 120)}</code>`)}
    </dl>
  </details></li>`;
}

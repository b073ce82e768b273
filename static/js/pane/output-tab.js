// @ts-check
// The frame around the streamed output; the lines themselves are drawn by `Output`, outside the templates.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { outputPath } from '../api.js';
import { bytes } from '../format.js';
import { icon } from '../icons.js';
import { isFinal } from '../state.js';

/** @param {import('./pane.js').Pane} pane @param {import('../state.js').Operation} op */
export function outputTab(pane, op) {
  const { output, stderr, wrapped } = pane;
  const empty = output === null || output.empty;
  return html`<div class="output ${stderr ? '' : 'without-stderr'} ${wrapped ? '' : 'unwrapped'}">
    <div class="output-bar">
      <label class="switch"><input type="checkbox" .checked=${stderr} @change=${() => pane.toggleStderr()} /><span>stderr</span>${op.stderr_bytes > 0 ? html`<span class="muted">${bytes(op.stderr_bytes)}</span>` : nothing}</label>
      <label class="switch"><input type="checkbox" .checked=${wrapped} @change=${() => pane.toggleWrap()} /><span>Wrap lines</span></label>
      <span class="output-space"></span>
      <a class="button quiet" target="_blank" rel="noopener noreferrer" .href=${outputPath(op.operation_id, 'stdout')}>${icon('open')}<span class="button-text">Whole output</span></a>
    </div>
    <div class="log">
      ${output ? output.view : nothing}
      ${empty ? html`<p class="log-empty">${emptyText(op, stderr)}</p>` : nothing}
      ${output && !output.atEnd ? html`<button class="button to-end" type="button" @click=${() => output.toEnd()}>${icon('down')}<span>Newest</span></button>` : nothing}
    </div>
  </div>`;
}

/** @param {import('../state.js').Operation} op @param {boolean} stderr whether it is shown */
function emptyText(op, stderr) {
  const text = isFinal(op.state) ? 'No output was recorded' : 'No output yet';
  return op.stderr_bytes > 0 && !stderr ? `${text}; there is some on stderr` : text;
}

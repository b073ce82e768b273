// @ts-check
// The frame around the streamed output; the lines themselves are drawn by `Output`, outside the templates.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { outputPath } from '../api.js';
import { bytes, whole } from '../format.js';
import { icon } from '../icons.js';
import { isFinal } from '../state.js';
import { COUNTED } from './find.js';

/** @param {import('../screen.js').Ctx} ctx @param {import('./pane.js').Pane} pane @param {import('../state.js').Operation} op */
export function outputTab(ctx, pane, op) {
  const { output, stderr, wrapped } = pane;
  const empty = output === null || output.empty;
  return html`<div class="output ${stderr ? '' : 'without-stderr'} ${wrapped ? '' : 'unwrapped'}">
    <div class="output-bar">
      ${findBox(ctx, pane)}
      <label class="switch"><input type="checkbox" .checked=${stderr} @change=${() => pane.toggleStderr()} /><span>stderr</span>${op.stderr_bytes > 0 ? html`<span class="muted">${bytes(op.stderr_bytes)}</span>` : nothing}</label>
      <label class="switch"><input type="checkbox" .checked=${wrapped} @change=${() => pane.toggleWrap()} /><span>Wrap</span></label>
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

/** Looks for a text in the lines that are shown. @param {import('../screen.js').Ctx} ctx @param {import('./pane.js').Pane} pane */
function findBox(ctx, pane) {
  const { search } = pane;
  const { length } = search.found;
  const many = length >= COUNTED ? `${whole(COUNTED)}+` : whole(length);
  return html`<div class="find" role="search" aria-label="Search in the output">
    ${icon('search')}
    <input
      id="find"
      type="search"
      placeholder="Search output"
      aria-label="Search in the output"
      autocomplete="off"
      spellcheck="false"
      .value=${search.text}
      @input=${(/** @type {any} */ event) => ctx.navigate(pane.place.findPath(event.target.value.slice(0, 200)), { replace: true })}
      @keydown=${(/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'Enter') search.step(event.shiftKey ? -1 : 1);
      }}
    />
    ${search.text === ''
      ? nothing
      : html`<span class="find-count num" role="status">${length === 0 ? 'None' : search.at < 0 ? `${many} found` : `${whole(search.at + 1)} of ${many}`}</span>
          <button class="icon-button" type="button" title="Previous (Shift+Enter)" aria-label="Previous" ?disabled=${length === 0} @click=${() => search.step(-1)}>${icon('up')}</button>
          <button class="icon-button" type="button" title="Next (Enter)" aria-label="Next" ?disabled=${length === 0} @click=${() => search.step(1)}>${icon('down')}</button>`}
  </div>`;
}

// @ts-check
// Small pieces that several views share.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { icon } from '../icons.js';
import { stateLook } from '../states.js';

/** Icon, text and colour of a state. @param {string} state */
export function statePill(state) {
  const look = stateLook(state);
  return html`<span class="pill tone-${look.tone} state-${look.icon}">${icon(look.icon)}<span>${look.label}</span></span>`;
}

/**
 * A button that copies a text and says so.
 * @param {{copy: (text: string, what: string) => unknown}} ctx
 * @param {string} text
 * @param {string} what
 */
export function copyButton(ctx, text, what) {
  return html`<button
    class="icon-button"
    type="button"
    .title=${`Copy ${what}`}
    .ariaLabel=${`Copy ${what}`}
    @click=${(/** @type {Event} */ event) => {
      event.stopPropagation();
      ctx.copy(text, what);
    }}
  >
    ${icon('copy')}
  </button>`;
}

/**
 * A term and what it is.
 * @param {string} term
 * @param {unknown} value nothing is shown for null and empty
 * @param {string} [extra] class names from our own code
 */
export function fact(term, value, extra = '') {
  if (value === null || value === undefined || value === '') return nothing;
  return html`<div class="fact ${extra}">
    <dt>${term}</dt>
    <dd>${value}</dd>
  </div>`;
}

/** The address of an operation in this page. @param {string} id */
export const operationHref = (id) => `#/operations/${encodeURIComponent(id)}`;

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

/** The longest text that is searched for, in characters. */
const LONGEST_SEARCH = 200;

/**
 * The field above a list that narrows it down; `/` goes to it by its id.
 * @param {string} text what it says now
 * @param {string} placeholder
 * @param {string} label for those who do not see it
 * @param {(text: string) => void} onText at each change
 */
export function filterField(text, placeholder, label, onText) {
  return html`<div class="filter">
    ${icon('search')}
    <input
      id="filter"
      type="search"
      .placeholder=${placeholder}
      .ariaLabel=${label}
      autocomplete="off"
      spellcheck="false"
      .value=${text}
      @input=${(/** @type {any} */ event) => onText(event.target.value.slice(0, LONGEST_SEARCH))}
    />
    <kbd aria-hidden="true">/</kbd>
  </div>`;
}

/** Puts the cursor into that field. */
export function toFilter() {
  const field = document.getElementById('filter');
  if (!(field instanceof HTMLInputElement)) return;
  field.focus();
  field.select();
}

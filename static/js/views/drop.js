// @ts-check
// A button that opens a small panel below it: closed by Escape, by leaving it, and by whatever in it says so.

import { html } from '../../vendor/lit-html/lit-html.js';

/**
 * @param {string} name control's name, for the focus
 * @param {unknown} face what the button shows
 * @param {string} label
 * @param {unknown} panel
 * @param {string} [extra] class names from our own code
 */
export function drop(name, face, label, panel, extra = '') {
  return html`<details class="drop ${extra}" @keydown=${escape} @focusout=${leave} @click=${done}>
    <summary class="button quiet" data-control=${name} .ariaLabel=${label} .title=${label}>${face}</summary>
    <div class="drop-panel">${panel}</div>
  </details>`;
}

/** @param {KeyboardEvent} event */
function escape(event) {
  const details = event.currentTarget;
  if (event.key !== 'Escape' || !(details instanceof HTMLDetailsElement) || !details.open) return;
  event.stopPropagation();
  event.preventDefault();
  details.open = false;
  details.querySelector('summary')?.focus();
}

/** @param {FocusEvent} event */
function leave(event) {
  const details = event.currentTarget;
  const to = event.relatedTarget;
  if (details instanceof HTMLDetailsElement && to instanceof Node && !details.contains(to)) details.open = false;
}

/** What is marked so closes the panel when it was used. @param {Event} event */
function done(event) {
  const details = event.currentTarget;
  const target = event.target;
  if (details instanceof HTMLDetailsElement && target instanceof Element && target.closest('[data-closes]')) details.open = false;
}

/** Closes every open panel when something elsewhere is pressed. */
export function closeDropsOutside() {
  document.addEventListener('pointerdown', (event) => {
    for (const details of document.querySelectorAll('details.drop[open]')) {
      if (details instanceof HTMLDetailsElement && event.target instanceof Node && !details.contains(event.target)) details.open = false;
    }
  });
}

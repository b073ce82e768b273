// @ts-check
// One question at a time, with a yes and a no. A question that replaces another answers it with no.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { ref } from '../../vendor/lit-html/directives/ref.js';

/** @typedef {import('../screen.js').Question} Question */

export class Confirm {
  /** @param {() => void} schedule */
  constructor(schedule) {
    this.schedule = schedule;
    /** @type {Question|null} */ this.question = null;
    /** @type {((yes: boolean) => void)|null} */ this.resolve = null;
  }

  /** @param {Question} question @returns {Promise<boolean>} */
  ask(question) {
    this.answer(false);
    this.question = question;
    this.schedule();
    return new Promise((resolve) => (this.resolve = resolve));
  }

  /** @param {boolean} yes */
  answer(yes) {
    const resolve = this.resolve;
    this.resolve = null;
    if (this.question === null) return;
    this.question = null;
    this.schedule();
    resolve?.(yes);
  }

  get open() {
    return this.question !== null;
  }

  view() {
    const q = this.question;
    return html`<dialog
      class="dialog"
      aria-labelledby="confirm-title"
      @close=${() => this.answer(false)}
      ${ref((/** @type {any} */ element) => showDialog(element, this.open))}
    >
      ${q === null
        ? nothing
        : html`<h2 id="confirm-title">${q.title}</h2>
            <p>${q.body}</p>
            <div class="dialog-buttons">
              <button class="button" type="button" @click=${() => this.answer(false)}>Cancel</button>
              <button class="button ${q.danger ? 'danger' : 'primary'}" type="button" @click=${() => this.answer(true)}>${q.action}</button>
            </div>`}
    </dialog>`;
  }
}

/** Brings a dialog to the state it should have. @param {HTMLDialogElement|undefined} dialog @param {boolean} open */
export function showDialog(dialog, open) {
  if (!dialog || dialog.open === open) return;
  if (!open) dialog.close();
  // The element has to be in the document first.
  else queueMicrotask(() => dialog.isConnected && !dialog.open && dialog.showModal());
}

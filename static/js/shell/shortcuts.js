// @ts-check
// The list of all shortcuts: those of the page, and those of the screen that is shown.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { ref } from '../../vendor/lit-html/directives/ref.js';
import { screens } from '../screens.js';
import { showDialog } from './confirm.js';

/** @type {[string, string][]} */
const PAGE = [
  ['Ctrl K', 'Commands'],
  ['?', 'This list'],
  ['Esc', 'Close what is open'],
];

export class Shortcuts {
  /** @param {() => void} schedule @param {() => import('../screen.js').Head} screen */
  constructor(schedule, screen) {
    this.schedule = schedule;
    this.screen = screen;
    this.open = false;
  }

  /** @param {boolean} open */
  set(open) {
    if (this.open === open) return;
    this.open = open;
    this.schedule();
  }

  view() {
    const screen = this.screen();
    const keys = screen.body.value?.keys;
    return html`<dialog class="dialog shortcuts" aria-labelledby="shortcuts-title" @close=${() => this.set(false)} ${ref((/** @type {any} */ element) => showDialog(element, this.open))}>
      ${this.open
        ? html`<h2 id="shortcuts-title">Shortcuts</h2>
            <div class="shortcut-columns">
              ${list('Everywhere', PAGE)} ${list('Go to', screens.map((one) => [`g ${one.key}`, one.title]))}
              ${keys ? list(screen.title, keys.filter((key) => key.key !== 'Escape').map((key) => [key.key, key.label])) : nothing}
            </div>
            <div class="dialog-buttons"><button class="button" type="button" autofocus @click=${() => this.set(false)}>Close</button></div>`
        : nothing}
    </dialog>`;
  }
}

/** @param {string} title @param {[string, string][]} entries */
const list = (title, entries) => html`<section>
  <h3>${title}</h3>
  <dl>
    ${entries.map(([key, label]) => html`<div><dt>${key.split(' ').map((one) => html`<kbd>${one}</kbd>`)}</dt><dd>${label}</dd></div>`)}
  </dl>
</section>`;

// @ts-check
// The command palette: every screen, every action, by a few letters. Opened with Ctrl+K or from the head of the page.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { ref } from '../../vendor/lit-html/directives/ref.js';
import { clean } from '../format.js';
import { icon } from '../icons.js';
import { screens } from '../screens.js';
import { isFinal } from '../state.js';
import { canPause, canResume } from '../states.js';
import { showDialog } from './confirm.js';
import { best } from './fuzzy.js';
import { hrefOf } from './nav.js';

/** @typedef {import('../screen.js').Ctx} Ctx */
/** @typedef {{label: string, hint: string, run: () => void}} Entry */

/** Entries that are shown, and that are looked through. */
const SHOWN = 12;
const MOST = 5_000;
/** Operations that are offered, the newest. */
const OPERATIONS = 1_000;

export class Palette {
  /** @param {Ctx} ctx @param {() => import('../screen.js').Screen|null} screen @param {() => Entry[]} own of the shell */
  constructor(ctx, screen, own) {
    this.ctx = ctx;
    this.screen = screen;
    this.own = own;
    this.open = false;
    this.text = '';
    this.chosen = 0;
    this.closing = false;
    /** @type {Entry[]} */ this.entries = [];
    /** What fits the text, found when that changes. @type {Entry[]} */ this.found = [];
  }

  show() {
    if (this.open) return;
    Object.assign(this, { open: true, entries: this.all() });
    this.type('');
  }

  hide() {
    if (!this.open) return;
    // The browser tells of it later; by then it may have been opened again.
    this.closing = document.querySelector('dialog.palette[open]') !== null;
    this.forget();
  }

  /** The dialog was closed, by us or by the browser. */
  closed() {
    if (this.closing) this.closing = false;
    else this.forget();
  }

  forget() {
    Object.assign(this, { open: false, entries: [], found: [] });
    this.ctx.schedule();
  }

  /** @returns {Entry[]} */
  all() {
    const { ctx } = this;
    const shown = this.screen();
    const goes = screens.map((screen) => ({ label: `Go to ${screen.title}`, hint: `g ${screen.key}`, run: () => ctx.navigate(hrefOf(screen).slice(1)) }));
    const keys = (shown?.keys ?? []).filter((key) => key.key !== 'Escape').map((key) => ({ label: key.label, hint: key.key, run: () => key.run(ctx) }));
    const commands = (shown?.commands?.(ctx) ?? []).map((one) => ({ label: one.label, hint: one.hint ?? '', run: () => one.run(ctx) }));
    // Newest first, whatever order they came in.
    const newest = [...ctx.store.model.data.operations.values()].sort((a, b) => (a.operation_id < b.operation_id ? 1 : -1));
    const running = newest.slice(0, OPERATIONS).flatMap((op) => {
      const name = `${clean(op.model ?? op.tool ?? 'operation', 40)} ${op.operation_id}`;
      const open = { label: `Open ${name}`, hint: op.state, run: () => ctx.navigate(`/operations/${op.operation_id}`) };
      if (isFinal(op.state)) return [open];
      const entries = [open, { label: `Stop ${name}`, hint: op.state, run: () => void ctx.verbs.stop(op.operation_id, false) }];
      const verb = canPause(op) ? 'pause' : canResume(op) ? 'resume' : null;
      if (verb !== null) entries.push({ label: `${verb === 'pause' ? 'Pause' : 'Resume'} ${name}`, hint: op.state, run: () => void ctx.verbs.change(op.operation_id, verb) });
      const place = op.queue;
      if (place) entries.push({ label: `${place.held ? 'Release' : 'Hold'} ${name}`, hint: op.state, run: () => void ctx.verbs.changeQueue(op.operation_id, { held: !place.held }) });
      return entries;
    });
    return [...goes, ...keys, ...this.own(), ...commands, ...running].slice(0, MOST);
  }

  /** @param {Entry|undefined} entry */
  run(entry) {
    if (!entry) return;
    this.hide();
    // The dialog gives the focus back first.
    requestAnimationFrame(() => requestAnimationFrame(() => entry.run()));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.isComposing) return;
    const { found } = this;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.hide();
      return;
    }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) this.chosen = (this.chosen + by + found.length) % Math.max(1, found.length);
    else if (event.key === 'Home' && event.ctrlKey) this.chosen = 0;
    else if (event.key === 'Enter') this.run(found[this.chosen]);
    else return;
    event.preventDefault();
    this.ctx.schedule();
    // Drawn in the frame that has just been asked for.
    requestAnimationFrame(() => document.getElementById(`palette-${this.chosen}`)?.scrollIntoView({ block: 'nearest' }));
  }

  /** @param {string} text */
  type(text) {
    const cut = text.slice(0, 100);
    Object.assign(this, { text: cut, chosen: 0, found: best(this.entries, cut, SHOWN) });
    this.ctx.schedule();
  }

  view() {
    const { found } = this;
    return html`<dialog class="dialog palette" aria-label="Commands" @close=${() => this.closed()} @click=${(/** @type {MouseEvent} */ e) => e.target === e.currentTarget && this.hide()} ${ref((/** @type {any} */ element) => showDialog(element, this.open))}>
      ${this.open
        ? html`<div class="palette-field">
              ${icon('search')}
              <input
                id="palette"
                role="combobox"
                aria-label="Command"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-activedescendant=${found.length > 0 ? `palette-${this.chosen}` : nothing}
                aria-autocomplete="list"
                autocomplete="off"
                spellcheck="false"
                placeholder="Go to a screen, do something, open an operation"
                autofocus
                .value=${this.text}
                @input=${(/** @type {any} */ e) => this.type(e.target.value)}
                @keydown=${(/** @type {KeyboardEvent} */ e) => this.key(e)}
              />
            </div>
            <ul class="palette-list" id="palette-list" role="listbox" aria-label="Commands">
              ${found.map(
                (entry, n) => html`<li id="palette-${n}" role="option" aria-selected=${n === this.chosen ? 'true' : 'false'} class=${n === this.chosen ? 'is-chosen' : ''} @click=${() => this.run(entry)}>
                  <bdi>${clean(entry.label, 120)}</bdi>${entry.hint ? html`<kbd>${clean(entry.hint, 24)}</kbd>` : nothing}
                </li>`,
              )}
            </ul>
            ${found.length === 0 ? html`<p class="palette-none">Nothing is called so</p>` : nothing}`
        : nothing}
    </dialog>`;
  }
}

// @ts-check
// What the page knows, and when it is drawn: any number of changes give one drawing in the next animation frame.
// The events of a burst are folded in together. Nothing is drawn while the tab is hidden, nothing grows then.

import { applyAll, applySnapshot, initial } from './state.js';
import { Rates } from './rates.js';

/** Events folded in at once, also when no frame comes because the tab is hidden. */
const BURST = 512;
/** Notices shown together. */
const NOTICES = 4;

/**
 * @typedef {import('./state.js').State} State
 * @typedef {import('./state.js').Operation} Operation
 * @typedef {{kind: 'starting'|'open'|'none'|'refused', message: string}} Session
 * @typedef {{id: number, text: string, hint: string, tone: 'error'|'info'}} Notice
 * @typedef {object} Model
 * @property {State} data
 * @property {boolean} loaded a snapshot has been seen
 * @property {Session} session
 * @property {import('./link.js').Status} link
 * @property {number} clockOffsetMs daemon's clock minus this machine's
 * @property {ReadonlyMap<string, string>} pending action under way, by operation
 * @property {ReadonlySet<string>} asked operations that were asked to stop from this page
 * @property {Notice[]} notices
 */

export class Store {
  /** @param {(store: Store) => void} draw */
  constructor(draw) {
    this.draw = draw;
    this.frame = 0;
    /** @type {any[]} */ this.queue = [];
    this.rates = new Rates();
    this.nextNotice = 1;
    /** @type {((before: State, after: State) => void)|null} */ this.onChange = null;
    /** @type {Model} */
    this.model = {
      data: initial(),
      loaded: false,
      session: { kind: 'starting', message: '' },
      link: { phase: 'connecting', lastHeardMs: 0, retryAtMs: 0, version: '', transport: 'socket' },
      clockOffsetMs: 0,
      pending: new Map(),
      asked: new Set(),
      notices: [],
    };
  }

  /** The daemon's time; it stands still while there is no connection, as the figures do. */
  now() {
    const { link, clockOffsetMs } = this.model;
    const here = link.phase === 'live' || link.lastHeardMs === 0 ? Date.now() : link.lastHeardMs;
    return here + clockOffsetMs;
  }

  /** @param {Partial<Model>} change */
  set(change) {
    this.model = { ...this.model, ...change };
    this.schedule();
  }

  /** Asks for a drawing in the next frame. */
  schedule() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    this.fold();
    this.draw(this);
  }

  /** @param {any} envelope */
  event(envelope) {
    this.queue.push(envelope);
    if (this.queue.length >= BURST) this.fold();
    this.schedule();
  }

  /** Folds the waiting events in. */
  fold() {
    if (this.queue.length === 0) return;
    const burst = this.queue;
    this.queue = [];
    for (const envelope of burst) {
      if (envelope.type === 'execution.progress') this.rates.sample(envelope.data);
    }
    this.replace(applyAll(this.model.data, burst));
  }

  /** @param {any} message */
  snapshot(message) {
    this.queue = [];
    const loaded = this.model.loaded;
    this.replace(applySnapshot(this.model.data, message), !loaded);
    this.set({ loaded: true });
  }

  /** @param {State} data @param {boolean} [quiet] */
  replace(data, quiet = false) {
    const before = this.model.data;
    if (data === before) return;
    const pending = new Map(this.model.pending);
    for (const id of pending.keys()) {
      if (before.operations.get(id)?.state !== data.operations.get(id)?.state) pending.delete(id);
    }
    this.model = { ...this.model, data, pending };
    this.rates.keepOnly(data.operations);
    if (!quiet) this.onChange?.(before, data);
  }

  /** @param {string} id @param {string|null} action */
  setPending(id, action) {
    const pending = new Map(this.model.pending);
    if (action === null) pending.delete(id);
    else pending.set(id, action);
    this.set({ pending });
  }

  /** @param {string} text @param {string} [hint] @param {'error'|'info'} [tone] */
  notify(text, hint = '', tone = 'error') {
    const notice = { id: this.nextNotice++, text, hint, tone };
    this.set({ notices: [...this.model.notices, notice].slice(-NOTICES) });
    setTimeout(() => this.dismiss(notice.id), tone === 'error' ? 12_000 : 4_000);
  }

  /** @param {number} id */
  dismiss(id) {
    if (this.model.notices.some((n) => n.id === id)) {
      this.set({ notices: this.model.notices.filter((n) => n.id !== id) });
    }
  }
}

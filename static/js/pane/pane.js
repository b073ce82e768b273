// @ts-check
// One operation as it is looked at: follows its output, fetches what only the daemon's store has, keeps both up to
// date. One pane for the page; a screen opens it and says where closing leads.

import * as api from '../api.js';
import { Output } from '../output.js';
import { isOperationId } from '../state.js';
import { idle, mergeEvents, read } from './recorded.js';
import { Search } from './search.js';

/** A row that is only passed over with the keyboard is not followed. */
const FOLLOW_AFTER_MS = 120;
/** Tool calls kept. */
const CALLS_KEPT = 200;

/**
 * @typedef {import('../screen.js').Ctx} Ctx
 * @typedef {import('../state.js').Operation} Operation
 * @typedef {object} Extra What only `GET /api/operations/{id}` gives.
 * @property {'loading'|'ready'|'missing'|'failed'} status
 * @property {any[]} routing
 * @property {any[]} calls
 * @property {Operation|null} operation as fetched, for one that is no longer in the projection
 *
 * @typedef {object} Place Where the pane is shown.
 * @property {string} closeHref
 * @property {(tab: string) => string} tabPath path of the same operation with another tab
 * @property {string|null} fullHref page of its own; null when it is one already
 * @property {(text: string) => string} findPath path with a text that is looked for in the output
 */

/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** @returns {Extra} */
const empty = () => ({ status: 'loading', routing: [], calls: [], operation: null });

export class Pane {
  constructor() {
    /** @type {Ctx|null} */ this.ctx = null;
    /** @type {string|null} */ this.id = null;
    /** @type {Output|null} */ this.output = null;
    /** @type {Extra} */ this.extra = empty();
    this.tab = 'output';
    this.stderr = false;
    this.wrapped = true;
    this.timer = 0;
    /** Whose details are on their way. @type {string|null} */ this.fetching = null;
    /** @type {Place} */ this.place = { closeHref: '#/', tabPath: () => '/', fullHref: null, findPath: () => '/' };
    /** @type {import('./recorded.js').Asked<any>} */ this.events = idle();
    /** @type {import('./recorded.js').Asked<any>} */ this.cost = idle();
    this.search = new Search(this);
  }

  /** @param {Ctx} ctx @param {string|null} id @param {{tab: string, find: string}} view @param {Place} place */
  show(ctx, id, { tab, find }, place) {
    this.ctx = ctx;
    this.place = place;
    this.tab = tab;
    if (id !== this.id) this.open(ctx, id);
    this.search.set(tab === 'output' ? find : '');
    this.ask();
  }

  /** @param {Ctx} ctx @param {string|null} id */
  open(ctx, id) {
    this.hide();
    if (id === null) return;
    this.id = id;
    this.output = new Output(ctx.link, id, () => {
      this.search.again();
      ctx.schedule();
    });
    this.timer = window.setTimeout(() => {
      void this.output?.follow('stdout');
      // Asked for already where the connection came up meanwhile.
      if (this.extra.status === 'loading') void this.fetch();
    }, FOLLOW_AFTER_MS);
  }

  hide() {
    clearTimeout(this.timer);
    this.output?.close();
    this.output = null;
    this.id = null;
    this.extra = empty();
    this.events = idle();
    this.cost = idle();
    this.stderr = false;
    this.search.clear();
    this.ctx?.schedule();
  }

  /** The connection is new. */
  hello() {
    this.output?.resume();
    // What does not exist does not begin to because the connection is new.
    if (this.extra.status !== 'missing') void this.fetch();
    this.ask(true);
  }

  /** Asks for what the tab shows. @param {boolean} [again] */
  ask(again = false) {
    const { tab, id } = this;
    if (id === null) return;
    if (tab === 'timeline' && (again || this.events.status === 'idle')) {
      this.events = { ...this.events, status: this.events.status === 'ready' ? 'ready' : 'loading' };
      void read('timeline', id, this.events).then((events) => {
        // What arrived while it was on its way is in the present list only.
        if (this.id === id) this.events = { ...events, value: mergeEvents(events.value ?? [], this.events.value ?? []) };
        this.ctx?.schedule();
      });
    } else if (tab === 'usage' && (again || this.cost.status === 'idle')) {
      this.cost = { ...this.cost, status: this.cost.status === 'ready' ? 'ready' : 'loading' };
      void read('usage', id, this.cost).then((cost) => {
        if (this.id === id) this.cost = cost;
        this.ctx?.schedule();
      });
    }
  }

  /** From the projection, or as fetched. @returns {Operation|null} */
  operation() {
    if (this.id === null || this.ctx === null) return null;
    return this.ctx.store.model.data.operations.get(this.id) ?? this.extra.operation;
  }

  /** @param {Extra} extra */
  set(extra) {
    this.extra = extra;
    this.ctx?.schedule();
  }

  async fetch() {
    const id = this.id;
    if (id === null || this.fetching === id) return;
    this.fetching = id;
    const answer = await api.getOperation(id);
    if (this.fetching === id) this.fetching = null;
    if (this.id !== id) return;
    if (!answer.ok) {
      this.set({ ...this.extra, status: answer.status === 404 ? 'missing' : 'failed' });
      return;
    }
    const value = answer.value ?? {};
    const operation = isOperationId(value.operation_id) ? value : null;
    const calls = mergeCalls(list(value.calls), this.extra.calls);
    this.set({ status: 'ready', operation, routing: list(value.routing), calls });
  }

  /** @param {any} envelope */
  event(envelope) {
    const { type, data } = envelope;
    if (type === 'execution.output') {
      this.output?.event(data);
      return;
    }
    if (this.id === null || data?.operation_id !== this.id) return;
    const { extra, events } = this;
    if (events.status !== 'idle') this.events = { ...events, value: mergeEvents(events.value ?? [], [envelope]) };
    if (type === 'cost.recorded') this.ask(true);
    if (type === 'routing.decision') {
      this.set({ ...extra, routing: extra.routing.filter((d) => d.attempt !== data.attempt).concat(data) });
    } else if (type === 'tool.invoked') {
      const calls = extra.calls.filter((c) => c.call_id !== data.call_id).concat({ ...data, ok: null });
      this.set({ ...extra, calls: calls.slice(-CALLS_KEPT) });
    } else if (type === 'tool.response') {
      this.set({ ...extra, calls: extra.calls.map((c) => (c.call_id === data.call_id ? { ...c, ...data } : c)) });
    }
  }

  toggleWrap() {
    this.wrapped = !this.wrapped;
    this.ctx?.schedule();
  }

  toggleStderr() {
    this.stderr = !this.stderr;
    if (this.stderr) void this.output?.follow('stderr');
    this.search.again();
    this.ctx?.schedule();
  }
}

/** What was fetched, and what arrived while it was on its way. @param {any[]} fetched @param {any[]} live */
function mergeCalls(fetched, live) {
  const calls = new Map(fetched.map((call) => [call.call_id, call]));
  for (const call of live) {
    const known = calls.get(call.call_id);
    if (!known || ((known.ok === null || known.ok === undefined) && call.ok !== null)) calls.set(call.call_id, call);
  }
  return [...calls.values()].slice(-CALLS_KEPT);
}

/** The pane of this page. */
export const pane = new Pane();

// @ts-check
// The events that are known: a ring of what happened live, what was fetched of the past, and what of both is shown.
// Pure but for its own state: no DOM, no clock, no I/O. Both parts are bounded at 5,000.

import { hasType } from './look.js';

/** @typedef {import('./types.js').Entry} Entry */
/** @typedef {{types: readonly string[], operation: string, text: string, output: boolean}} Filter */

/** Events kept of the stream, and as many of the past. */
export const KEPT = 5_000;
/** The ring is cut when it is so much too long, not at each event. */
const SLACK = 500;

/** @param {any} envelope @returns {Entry|null} */
export function entryOf(envelope) {
  const { epoch, seq, at, type, data } = envelope ?? {};
  if (typeof type !== 'string' || typeof epoch !== 'string' || !Number.isSafeInteger(seq)) return null;
  // Pieces of output have the number of the event before them.
  const place = type === 'execution.output' ? `-${data?.stream}-${data?.offset}` : '';
  return { key: `${epoch}-${seq}${place}`, epoch, seq, at: String(at), type, data: data ?? null, text: null };
}

/** @param {Entry} entry @param {Filter} filter */
export function wanted(entry, filter) {
  if (entry.type === 'execution.output' && !filter.output) return false;
  if (!hasType(entry.type, filter.types)) return false;
  if (filter.operation !== '' && entry.data?.operation_id !== filter.operation) return false;
  if (filter.text === '') return true;
  entry.text ??= `${entry.type}\n${JSON.stringify(entry.data) ?? ''}`.toLowerCase();
  const all = entry.text;
  return filter.text.split(' ').every((word) => all.includes(word));
}

export class EventLog {
  constructor() {
    /** @type {Entry[]} oldest first */ this.ring = [];
    /** @type {Entry[]} newest first, all before the ring */ this.past = [];
    /** @type {Filter} */ this.filter = { types: [], operation: '', text: '', output: false };
    /** @type {Entry[]} of the ring, oldest first */ this.found = [];
    /** Pieces of output that are not listed. */
    this.outputs = 0;
    /** Events that left the ring. */
    this.dropped = 0;
    /** Events since the beginning. */
    this.seen = 0;
  }

  /** @param {Filter} filter */
  choose(filter) {
    this.filter = filter;
    this.found = this.ring.filter((entry) => wanted(entry, filter));
  }

  /** Adds what happened, oldest first; gives how many of it are wanted. @param {readonly Entry[]} entries */
  add(entries) {
    let count = 0;
    for (const entry of entries) {
      this.seen += 1;
      if (entry.type === 'execution.output' && !this.filter.output) {
        this.outputs += 1;
        continue;
      }
      this.ring.push(entry);
      if (!wanted(entry, this.filter)) continue;
      this.found.push(entry);
      count += 1;
    }
    if (this.ring.length > KEPT + SLACK) this.cut();
    return count;
  }

  cut() {
    const gone = this.ring.length - KEPT;
    this.dropped += gone;
    this.ring = this.ring.slice(gone);
    const first = this.ring[0];
    const from = this.found.findIndex((entry) => newer(entry, first) >= 0);
    this.found = from < 0 ? [] : this.found.slice(from);
    // What was fetched before the ring no longer joins it.
    this.past = [];
  }

  /**
   * Joins the newest stored facts with the ring: what is missing is put in its place.
   * @param {readonly Entry[]} facts newest first
   */
  join(facts) {
    const known = new Set(this.ring.map((entry) => entry.key));
    const missing = facts.filter((fact) => !known.has(fact.key));
    if (missing.length === 0) return;
    this.ring = [...this.ring, ...missing].sort(newer).slice(-KEPT);
    this.choose(this.filter);
  }

  /** Whether a fact of these is known. @param {readonly Entry[]} facts */
  knows(facts) {
    const known = new Set(this.ring.map((entry) => entry.key));
    return facts.some((fact) => known.has(fact.key));
  }

  /** Begins anew with the newest facts: between them and what was known something is missing. @param {readonly Entry[]} facts newest first */
  restart(facts) {
    this.dropped += this.ring.length;
    this.ring = [...facts].reverse();
    this.past = [];
    this.choose(this.filter);
  }

  /** @param {readonly Entry[]} facts newest first, all before what is known */
  addPast(facts) {
    this.past = [...this.past, ...facts].slice(0, KEPT);
  }

  /** Forgets what was fetched of the past: under another filter it has holes. */
  forgetPast() {
    this.past = [];
  }

  /** Whether no more of the past is taken. */
  get isFull() {
    return this.past.length >= KEPT;
  }

  /** The cursor before which the past begins. */
  get edge() {
    const last = this.ring[0];
    return last === undefined ? '' : `${last.epoch}-${last.seq}`;
  }

  /** What is shown, newest first. */
  get shown() {
    return this.found.length + this.past.length;
  }

  /** @param {number} i @returns {Entry|undefined} */
  at(i) {
    return i < this.found.length ? this.found[this.found.length - 1 - i] : this.past[i - this.found.length];
  }

  /** A picture that stays while events arrive, newest first. @returns {Entry[]} */
  picture() {
    return [...this.found].reverse().concat(this.past);
  }
}

/** Order of two events: within a life of the daemon by number, between lives by time. @param {Entry} a @param {Entry} b */
export function newer(a, b) {
  if (a.epoch === b.epoch) return a.seq - b.seq;
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

/**
 * Which rows are drawn of a list of equal rows of which one may be open.
 * @param {{count: number, row: number, open: number, openHeight: number, top: number, height: number}} list `open`: the
 * index of the open row, -1 for none; `openHeight`: what it has beside its own height
 * @returns {{from: number, to: number, before: number, after: number}} `before` and `after` in pixels
 */
export function windowOf({ count, row, open, openHeight, top, height }) {
  const spare = 8;
  const extra = open >= 0 ? openHeight : 0;
  const end = open >= 0 ? (open + 1) * row : Infinity;
  // A place below the open row is that much further down.
  const index = (/** @type {number} */ y) => Math.floor((y < end ? y : Math.max(end - 1, y - extra)) / row);
  const from = Math.max(0, Math.min(count, index(Math.max(0, top)) - spare));
  const to = Math.min(count, index(Math.max(0, top) + height) + 1 + spare);
  const has = open >= from && open < to;
  const above = open >= 0 && open < from ? extra : 0;
  const before = from * row + above;
  const all = count * row + (open >= 0 && open < count ? extra : 0);
  return { from, to, before, after: Math.max(0, all - before - (to - from) * row - (has ? extra : 0)) };
}

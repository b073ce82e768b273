// @ts-check
// What the screen of activity has: the log of events, whether it is held still, and the way back into the past.

import { clean } from '../../format.js';
import { cursorOf, older } from '../../api/activity.js';
import { EventLog, KEPT, entryOf, wanted } from './log.js';
import { typesOf } from './look.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./types.js').Entry} Entry */

export const model = {
  log: new EventLog(),
  /** @type {Entry[]|null} what is looked at while it is held still, newest first */ held: null,
  /** Events since it was held. */ waiting: 0,
  /** @type {string|null} key of the event that is open */ open: null,
  /** @type {'idle'|'loading'|'ready'|'failed'|'end'} */ past: 'idle',
  error: '',
  /** @type {string|null} before which the past goes on */ cursor: null,
  /** Counts lists that begin anew, and so at the top. */ begun: 0,
};

/** @type {Ctx|null} */
let ctx = null;
let asked = '';
/** Events that have come since the last drawing. @type {Entry[]} */
let arrived = [];
/** How many had left the ring when the past was last joined to it. */
let joined = 0;

/** @param {Ctx} given @param {import('./address.js').Address} address */
export function enter(given, address) {
  const first = ctx === null;
  ctx = given;
  const wants = JSON.stringify([address.group, address.operation, address.text]);
  if (!first && wants === asked) return;
  asked = wants;
  model.log.choose({ types: typesOf(address.group), operation: address.operation, text: address.text.toLowerCase().trim(), output: address.group === 'output' });
  model.log.forgetPast();
  if (model.held !== null) model.held = model.log.picture();
  Object.assign(model, { past: 'idle', cursor: null, error: '', waiting: 0 });
  model.begun += 1;
  void fetchPast();
}

export function leave() {
  ctx = null;
  asked = '';
  arrived = [];
  joined = 0;
  Object.assign(model, { log: new EventLog(), held: null, waiting: 0, open: null, past: 'idle', cursor: null, error: '' });
}

/** The connection is new: what is stored tells what was missed. */
export async function again() {
  const wants = asked;
  const answer = await older(wish());
  if (ctx === null || wants !== asked || !answer.ok) return;
  settle();
  const facts = entries(answer.value);
  const more = cursorOf(answer.next);
  // More was missed than one page tells: a list with a hole would not say so.
  if (more !== null && model.log.ring.length > 0 && !model.log.knows(facts)) model.log.restart(facts);
  else model.log.join(facts);
  rejoin();
  ctx.schedule();
}

/** What of an answer is wanted: the daemon looks for one word, and in the whole envelope. @param {any} value @returns {Entry[]} */
const entries = (value) => {
  const all = (Array.isArray(value) ? value : []).map(entryOf).filter((/** @type {Entry|null} */ one) => one !== null);
  return all.filter((/** @type {Entry} */ one) => wanted(one, model.log.filter));
};

function wish() {
  const { types, operation, text } = model.log.filter;
  const longest = text.split(' ').reduce((a, b) => (b.length > a.length ? b : a), '');
  return { types, operation, text: longest };
}

/** What has left the ring since the past was joined to it would be a hole: the past is fetched anew from its edge. */
function rejoin() {
  if (joined === model.log.dropped || model.held !== null) return;
  joined = model.log.dropped;
  model.cursor = null;
  if (model.past === 'end') model.past = 'ready';
}

/** Fetches what was before the oldest that is known. */
export async function fetchPast() {
  if (ctx === null || model.past === 'loading' || model.past === 'end' || model.log.isFull) return;
  if (model.held !== null && model.held.length >= 3 * KEPT) return;
  const first = model.past === 'idle' || (model.cursor === null && model.log.edge === '');
  const before = first ? '' : (model.cursor ?? model.log.edge);
  model.past = 'loading';
  const wants = asked;
  const left = model.log.dropped;
  ctx.schedule();
  const answer = await older({ ...wish(), before });
  if (ctx === null || wants !== asked) return;
  const facts = answer.ok ? entries(answer.value) : [];
  // What is held still grows at its end only.
  if (!answer.ok) Object.assign(model, { past: 'failed', error: clean(answer.error, 300) });
  else if (!first && left !== model.log.dropped && model.held === null) model.past = 'ready';
  else {
    if (first) model.log.join(facts);
    else if (left === model.log.dropped && joined === left) model.log.addPast(facts);
    model.cursor = cursorOf(answer.next);
    model.past = model.cursor === null ? 'end' : 'ready';
    if (model.held !== null) model.held = first ? model.log.picture() : [...model.held, ...facts];
  }
  ctx.schedule();
}

/** @param {any} envelope */
export function event(envelope) {
  const entry = entryOf(envelope);
  if (entry === null || ctx === null) return;
  arrived.push(entry);
  ctx.schedule();
}

/** Takes over what has come; once for each drawing. */
export function settle() {
  if (arrived.length === 0) return;
  const count = model.log.add(arrived);
  arrived = [];
  if (model.held !== null) model.waiting += count;
  rejoin();
}

/** Holds the list still, or lets it go on. */
export function hold() {
  settle();
  model.held = model.held === null ? model.log.picture() : null;
  model.waiting = 0;
  rejoin();
  ctx?.schedule();
}

/** @param {string} key */
export function toggle(key) {
  model.open = model.open === key ? null : key;
  ctx?.schedule();
}

export const count = () => (model.held === null ? model.log.shown : model.held.length);
/** @param {number} n @returns {Entry|undefined} */
export const at = (n) => (model.held === null ? model.log.at(n) : model.held[n]);

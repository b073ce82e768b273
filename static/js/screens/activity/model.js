// @ts-check
// What the screen of activity has: the log of events, whether it is held still, and the way back into the past.

import { clean } from '../../format.js';
import { cursorOf, older } from '../../api/activity.js';
import { EventLog, entryOf } from './log.js';
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
};

/** @type {Ctx|null} */
let ctx = null;
let asked = '';
/** Events that have come since the last drawing. @type {Entry[]} */
let arrived = [];

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
  Object.assign(model, { past: 'idle', cursor: null, error: '' });
  void fetchPast();
}

export function leave() {
  ctx = null;
  asked = '';
  arrived = [];
  Object.assign(model, { log: new EventLog(), held: null, waiting: 0, open: null, past: 'idle', cursor: null, error: '' });
}

/** The connection is new: what is stored tells what was missed. */
export async function again() {
  const wants = asked;
  const answer = await older(wish());
  if (ctx === null || wants !== asked || !answer.ok) return;
  model.log.join(entries(answer.value));
  ctx.schedule();
}

/** @param {any} value @returns {Entry[]} */
const entries = (value) => (Array.isArray(value) ? value : []).map(entryOf).filter((/** @type {Entry|null} */ one) => one !== null);

function wish() {
  const { filter } = model.log;
  return { types: filter.types, operation: filter.operation, text: filter.text };
}

/** Fetches what was before the oldest that is known. */
export async function fetchPast() {
  if (ctx === null || model.past === 'loading' || model.past === 'end' || model.log.isFull) return;
  const first = model.past === 'idle';
  const before = first ? '' : (model.cursor ?? model.log.edge);
  model.past = 'loading';
  const wants = asked;
  ctx.schedule();
  const answer = await older({ ...wish(), before });
  if (ctx === null || wants !== asked) return;
  if (answer.ok) {
    if (first) model.log.join(entries(answer.value));
    else model.log.addPast(entries(answer.value));
    model.cursor = cursorOf(answer.next);
    model.past = model.cursor === null ? 'end' : 'ready';
    if (model.held !== null) model.held = model.log.picture();
  } else Object.assign(model, { past: 'failed', error: clean(answer.error, 300) });
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
  const before = model.log.found.length;
  model.log.add(arrived);
  arrived = [];
  if (model.held !== null) model.waiting += Math.max(0, model.log.found.length - before);
}

/** Holds the list still, or lets it go on. */
export function hold() {
  settle();
  model.held = model.held === null ? model.log.picture() : null;
  model.waiting = 0;
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

// @ts-check
// What the screen of history has fetched, page by page, and what has ended since. No template.
// Bounded: at most 10,000 operations are kept; what is older is reached by an earlier end of the range.

import { call } from '../../api.js';
import { clean } from '../../format.js';
import { isFinal } from '../../state.js';
import { matches } from './matches.js';

/** Operations of a page, and kept in all. */
const PAGE = 200;
export const MOST = 10_000;

/**
 * @typedef {import('../../screen.js').Ctx} Ctx
 * @typedef {import('../../state.js').Operation} Operation
 * @typedef {'idle'|'loading'|'ready'|'failed'} Status
 */

export const model = {
  /** @type {Status} */ status: 'idle',
  error: '',
  hint: '',
  /** @type {Operation[]} in the order of the daemon */ rows: [],
  /** What is shown is not what was asked for last. */ turning: false,
  /** Counts changes of the rows. */ revision: 0,
  /** Counts lists that begin anew, and so at the top. */ begun: 0,
  /** @type {string|null} where older ones are */ next: null,
  /** Ended since the first page was fetched, asked for and not in the list. */ news: 0,
  /** @type {string} what was asked for */ asked: '',
};

/** @type {Ctx|null} */
let ctx = null;
/** Counts first pages that were asked for: what is on its way for an earlier one would leave a hole. */
let run = 0;
/** Whether it was a later page that could not be had. */
let failedMore = false;
/** @type {import('./address.js').Address|null} */
let address = null;
/** Operations that have ended; the store folds that in before the next drawing. @type {Set<string>} */
const ended = new Set();
/** Those of them that the list lacks. @type {Set<string>} */
const news = new Set();

/** What the daemon is asked, by the filters and the order of an address. @param {import('./address.js').Address} address */
export function question(address) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (address.state !== '') query.set('state', address.state);
  for (const name of /** @type {const} */ (['tool', 'model', 'agent', 'since', 'until'])) if (address[name] !== '') query.set(name, address[name]);
  if (address.text !== '') query.set('q', address.text);
  if (address.sort !== '') query.set('sort', address.sort);
  return `/api/operations?${query}`;
}

let timer = 0;
let text = '';

/** @param {Ctx} given @param {import('./address.js').Address} wanted */
export function enter(given, wanted) {
  const first = ctx === null;
  ctx = given;
  address = wanted;
  const asks = question(wanted);
  if (!first && asks === model.asked) return;
  const typed = !first && model.rows.length > 0 && wanted.text !== text;
  text = wanted.text;
  model.asked = asks;
  model.turning = !first;
  clearTimeout(timer);
  // What is typed is asked for when it rests.
  if (typed) timer = window.setTimeout(() => void fetchFirst(), 250);
  else void fetchFirst();
}

export function leave() {
  clearTimeout(timer);
  ctx = null;
  run += 1;
  ended.clear();
  news.clear();
  Object.assign(model, { status: 'idle', rows: [], next: null, news: 0, asked: '', error: '', hint: '', turning: false });
  model.revision += 1;
}

/** @param {any} value @returns {Operation[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** The first page. @param {{keep?: boolean}} [wish] `keep`: the later ones stay, where they go on from these */
export async function fetchFirst({ keep = false } = {}) {
  const { asked } = model;
  if (ctx === null || asked === '') return;
  run += 1;
  const own = run;
  model.status = 'loading';
  ctx.schedule();
  const answer = await call(asked);
  if (ctx === null || run !== own) return;
  if (answer.ok) {
    const fresh = list(answer.value);
    const last = fresh[fresh.length - 1]?.operation_id;
    const at = keep ? model.rows.findIndex((op) => op.operation_id === last) : -1;
    if (at >= 0) {
      const there = new Set(fresh.map((op) => op.operation_id));
      model.rows = [...fresh, ...model.rows.slice(at + 1).filter((op) => !there.has(op.operation_id))];
    } else {
      Object.assign(model, { rows: fresh, next: answer.next ?? null });
      model.begun += 1;
    }
    news.clear();
    Object.assign(model, { status: 'ready', news: 0, error: '', hint: '', turning: false });
    model.revision += 1;
  } else failed(answer, false);
  ctx.schedule();
}

export async function fetchMore() {
  const { next } = model;
  if (ctx === null || next === null || model.status === 'loading' || model.rows.length >= MOST) return;
  const own = run;
  model.status = 'loading';
  ctx.schedule();
  const answer = await call(next);
  if (ctx === null || run !== own) return;
  if (answer.ok) {
    const known = new Set(model.rows.map((op) => op.operation_id));
    const more = list(answer.value).filter((op) => !known.has(op.operation_id));
    Object.assign(model, { status: 'ready', rows: [...model.rows, ...more], next: answer.next ?? null, error: '', hint: '' });
    model.revision += 1;
  } else failed(answer, true);
  ctx.schedule();
}

/** Asks once more for what could not be had. */
export const tryAgain = () => void (failedMore ? fetchMore() : fetchFirst({ keep: true }));

/** @param {import('../../api.js').Bad} answer @param {boolean} more */
function failed(answer, more) {
  failedMore = more;
  Object.assign(model, { status: 'failed', error: clean(answer.error, 400), hint: clean(answer.hint, 200) });
}

/** @param {any} envelope */
export function event({ type, data }) {
  if (!['execution.complete', 'execution.error', 'execution.stopped', 'execution.lost', 'budget.refused'].includes(type)) return;
  ended.add(String(data?.operation_id));
  ctx?.schedule();
}

/** Takes the ends over that the store knows by now: into their rows, or as news when they are asked for. */
function settle() {
  const known = ctx?.store.model.data.operations;
  if (ended.size === 0 || known === undefined || address === null) return;
  const listed = new Set(model.rows.map((op) => op.operation_id));
  /** @type {Map<string, Operation>} */
  const now = new Map();
  for (const id of ended) {
    const op = known.get(id);
    if (op !== undefined && !isFinal(op.state)) continue;
    ended.delete(id);
    if (op === undefined) continue;
    if (listed.has(id)) now.set(id, op);
    else if (news.size < MOST && matches(op, address, ctx?.now() ?? Date.now())) news.add(id);
  }
  model.news = news.size;
  if (now.size === 0) return;
  model.rows = model.rows.map((op) => now.get(op.operation_id) ?? op);
  model.revision += 1;
}

/** The rows as they are known now; the same list until something changes. */
export function rows() {
  settle();
  return model.rows;
}

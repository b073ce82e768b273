// @ts-check
// What the screen of history has fetched, page by page, and what has ended since. No template.
// Bounded: at most 10,000 operations are kept; what is older is reached by an earlier end of the range.

import { call } from '../../api.js';
import { clean } from '../../format.js';

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
  /** @type {Operation[]} newest first */ rows: [],
  /** Counts changes of the rows. */ revision: 0,
  /** @type {string|null} where older ones are */ next: null,
  /** Ended since the first page was fetched, and not in the list. */ news: 0,
  /** @type {string} what was asked for */ asked: '',
};

/** @type {Ctx|null} */
let ctx = null;

/** What the daemon is asked, by the filters of an address. @param {import('./address.js').Address} address */
export function question(address) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (address.state !== '') query.set('state', address.state);
  for (const name of /** @type {const} */ (['tool', 'model', 'agent', 'since', 'until'])) if (address[name] !== '') query.set(name, address[name]);
  if (address.text !== '') query.set('q', address.text);
  return `/api/operations?${query}`;
}

let timer = 0;

/** @param {Ctx} given @param {import('./address.js').Address} address */
export function enter(given, address) {
  const first = ctx === null;
  ctx = given;
  const asks = question(address);
  if (!first && asks === model.asked) return;
  const typed = !first && model.rows.length > 0;
  model.asked = asks;
  clearTimeout(timer);
  // What is typed is asked for when it rests.
  if (typed) timer = window.setTimeout(() => void fetchFirst(), 250);
  else void fetchFirst();
}

export function leave() {
  clearTimeout(timer);
  ctx = null;
  Object.assign(model, { status: 'idle', rows: [], next: null, news: 0, asked: '', error: '', hint: '' });
  model.revision += 1;
}

export async function fetchFirst() {
  const asked = model.asked;
  if (ctx === null || asked === '') return;
  model.status = 'loading';
  ctx.schedule();
  const answer = await call(asked);
  if (ctx === null || model.asked !== asked) return;
  if (answer.ok) {
    Object.assign(model, { status: 'ready', rows: Array.isArray(answer.value) ? answer.value : [], next: answer.next ?? null, news: 0, error: '', hint: '' });
    model.revision += 1;
  } else failed(answer);
  ctx.schedule();
}

export async function fetchMore() {
  const { next, asked } = model;
  if (ctx === null || next === null || model.status === 'loading' || model.rows.length >= MOST) return;
  model.status = 'loading';
  ctx.schedule();
  const answer = await call(next);
  if (ctx === null || model.asked !== asked) return;
  if (answer.ok) {
    const known = new Set(model.rows.map((op) => op.operation_id));
    const more = (Array.isArray(answer.value) ? answer.value : []).filter((/** @type {Operation} */ op) => !known.has(op.operation_id));
    Object.assign(model, { status: 'ready', rows: [...model.rows, ...more], next: answer.next ?? null });
    model.revision += 1;
  } else failed(answer);
  ctx.schedule();
}

/** @param {import('../../api.js').Bad} answer */
function failed(answer) {
  Object.assign(model, { status: 'failed', error: clean(answer.error, 400), hint: clean(answer.hint, 200) });
}

/** @param {any} envelope */
export function event({ type, data }) {
  if (!['execution.complete', 'execution.error', 'execution.stopped', 'execution.lost', 'budget.refused'].includes(type)) return;
  const id = data?.operation_id;
  const at = model.rows.findIndex((op) => op.operation_id === id);
  const now = ctx?.store.model.data.operations.get(id);
  if (at >= 0) {
    if (now) {
      model.rows = model.rows.with?.(at, now) ?? [...model.rows.slice(0, at), now, ...model.rows.slice(at + 1)];
      model.revision += 1;
    }
  } else model.news += 1;
  ctx?.schedule();
}

/** @type {Record<string, (op: Operation) => number>} */
const SORTS = {
  duration: (op) => op.elapsed_ms ?? 0,
  tokens: (op) => Object.values(op.tokens ?? {}).reduce((sum, n) => sum + (typeof n === 'number' ? n : 0), 0),
  cost: (op) => op.cost_nano_usd ?? -1,
};

/** @type {{revision: number, sort: string, rows: Operation[]}} */
let arranged = { revision: -1, sort: '', rows: [] };

/** The rows in the order that is wanted; the same list until something changes. @param {string} sort */
export function rows(sort) {
  if (arranged.revision === model.revision && arranged.sort === sort) return arranged.rows;
  const by = SORTS[sort];
  arranged = { revision: model.revision, sort, rows: by ? [...model.rows].sort((a, b) => by(b) - by(a)) : model.rows };
  return arranged.rows;
}

// @ts-check
// The screen Models: fetches figures and prices, again when operations have ended, and searches while one types.

import { getModels } from '../../api/cost.js';
import { changed, path } from '../../router.js';
import { toFilter } from '../../views/parts.js';
import { asked } from './data.js';
import { modelsView } from './view.js';

/** The figures move with each operation that ends; they are fetched at most so often. */
const FETCH_EVERY_MS = 10_000;
/** A pause in typing after which is searched. */
const TYPED_MS = 250;
const ENDS = new Set(['execution.complete', 'execution.error', 'execution.stopped', 'execution.lost', 'budget.refused', 'config.reloaded']);

/**
 * @typedef {object} ModelsModel
 * @property {ReturnType<typeof asked>} asked
 * @property {import('./data.js').Models|null} answer
 * @property {{error: string, hint: string}|null} failed
 * @property {number} nowMs
 */

/** @returns {ModelsModel} */
const fresh = () => ({ asked: asked(new URLSearchParams()), answer: null, failed: null, nowMs: 0 });
let model = fresh();
/** @type {import('../../screen.js').Ctx|null} */
let ctx = null;
let wanted = '';
let fetchedAt = 0;
let timer = 0;
let typing = 0;

async function load() {
  clearTimeout(timer);
  timer = 0;
  const of = wanted;
  fetchedAt = Date.now();
  const { since, q } = model.asked;
  const answer = await getModels({ since: since === 'all' ? '' : since, q });
  if (ctx === null || of !== wanted) return;
  if (answer.ok) {
    model.answer = answer.value;
    model.failed = null;
  } else {
    model.failed = answer;
  }
  ctx.schedule();
}

const actions = {
  /** @param {string} text */
  search(text) {
    clearTimeout(typing);
    typing = window.setTimeout(() => {
      if (ctx === null) return;
      ctx.navigate(path(['models'], changed(ctx.route().query, { q: text.slice(0, 200), model: null })), { replace: true });
    }, TYPED_MS);
  },
};

/** @typedef {typeof actions} Actions */

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(given, route) {
    ctx = given;
    model.asked = asked(route.query);
    // The default of a tool has no name; an address has to have something.
    if (model.asked.open === '-') model.asked.open = '';
    const key = JSON.stringify([model.asked.since, model.asked.q]);
    if (key === wanted && model.answer !== null) return;
    wanted = key;
    void load();
  },
  leave() {
    clearTimeout(timer);
    clearTimeout(typing);
    timer = 0;
    ctx = null;
    wanted = '';
    model = fresh();
  },
  event({ type, data }) {
    if (ctx === null || !ENDS.has(type) || (type === 'execution.error' && data?.final === false) || timer !== 0) return;
    timer = window.setTimeout(() => void load(), Math.max(1_000, fetchedAt + FETCH_EVERY_MS - Date.now()));
  },
  hello() {
    if (ctx !== null) void load();
  },
  view(given, route) {
    model.nowMs = given.now();
    return modelsView(model, route, actions);
  },
  keys: [{ key: '/', label: 'Search models', run: toFilter }],
};

// @ts-check
// The screen Cost: fetches the sums an address asks for, keeps them up to date from the stream, saves them as files.

import { getBudgets, getCosts } from '../../api/cost.js';
import { cost, costExact, compact, whole } from '../../format.js';
import { changed, path } from '../../router.js';
import { csv, decimal, save } from '../../table-file.js';
import { merged } from './budgets.js';
import { asked, buckets, bucketOf, parameters, placeOf, recorded, series, shares, slots } from './data.js';
import { costView } from './view.js';

/** New records are added at once; the daemon's own sums are fetched at most so often. */
const FETCH_EVERY_MS = 5_000;

/** @typedef {import('../../screen.js').Ctx} Ctx */
/**
 * @typedef {object} CostModel
 * @property {import('./data.js').Asked} asked
 * @property {import('./data.js').Costs|null} costs
 * @property {import('./budgets.js').Budget[]|null} budgets
 * @property {import('../../chart-data.js').ChartData|null} chart
 * @property {Map<string|null, number>} slots colour of each group
 * @property {{error: string, hint: string}|null} failed
 * @property {number} nowMs
 */

const fresh = () => ({
  asked: asked(new URLSearchParams()), costs: null, budgets: null, chart: null, slots: new Map(), failed: null, nowMs: 0,
});
/** @type {CostModel} */
let model = fresh();
/** @type {Ctx|null} */
let ctx = null;
let wanted = '';
let fetchedAt = 0;
let timer = 0;
let picture = '';
/** What the picture was made of. @type {unknown} */
let pictured = null;

async function load() {
  clearTimeout(timer);
  timer = 0;
  const of = wanted;
  fetchedAt = Date.now();
  const [costs, budgets] = await Promise.all([getCosts(parameters(model.asked)), getBudgets()]);
  if (ctx === null || of !== wanted) return;
  if (costs.ok) {
    model.costs = { ...costs.value, groups: costs.value.groups ?? costs.value.rows };
    model.failed = null;
  } else {
    model.failed = costs;
  }
  if (budgets.ok) model.budgets = budgets.value;
  ctx.schedule();
}

/** Fetches again, but not at once after the last time. */
function loadSoon() {
  if (timer !== 0) return;
  timer = window.setTimeout(() => void load(), Math.max(0, fetchedAt + FETCH_EVERY_MS - Date.now()));
}

/** Makes the chart's data anew only where something has changed: the chart compares identities. */
function draw() {
  const { costs, asked: a } = model;
  if (costs === null) return;
  const names = buckets(costs, a.bucket, model.nowMs, a.range);
  const key = JSON.stringify([a, names.length, names.at(-1)]);
  if (key === picture && pictured === costs) return;
  picture = key;
  pictured = costs;
  const field = a.metric === 'cost' ? 'cost_nano_usd' : 'tokens_total';
  model.slots = slots(costs.groups, field, model.slots);
  const names_ = { hour: 'Hour', day: 'Day', month: 'Month' };
  model.chart = {
    title: a.metric === 'cost' ? 'Cost' : 'Tokens',
    kind: 'bars',
    stacked: true,
    places: names.map(placeOf),
    xName: names_[a.bucket],
    unit: a.metric === 'cost' ? 'US dollars' : 'tokens',
    series: series(costs, names, model.slots, field, a.by),
    format: a.metric === 'cost' ? cost : whole,
    short: a.metric === 'cost' ? (value) => costExact(Math.round(value)) : compact,
  };
}

const actions = {
  /** @param {'from'|'to'} name @param {string} value */
  date(name, value) {
    if (ctx === null) return;
    const change = { [name]: value || null, range: null, bucket: null };
    ctx.navigate(path(['cost'], changed(ctx.route().query, change)), { replace: true });
  },
  /** @param {'csv'|'json'} format */
  save(format) {
    const { costs, asked: a } = model;
    if (costs === null) return;
    const name = `llmctl-cost-by-${a.by}-${bucketOf(model.nowMs, costs.timezone, 'day')}.${format}`;
    if (format === 'csv') save(name, 'text/csv;charset=utf-8', asCsv(costs, a));
    else save(name, 'application/json', `${JSON.stringify(asJson(costs, a), null, 2)}\n`);
    ctx?.announce(`${name} is being saved`);
  },
};

/** @typedef {typeof actions} Actions */

/** @param {import('./data.js').Costs} costs @param {import('./data.js').Asked} a */
export function asCsv(costs, a) {
  const classes = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output', 'reasoning'];
  const parts = shares(costs.groups.map((row) => row.cost_nano_usd));
  const line = (/** @type {import('./data.js').Sum} */ row, /** @type {string} */ name, /** @type {number|null} */ part) => [
    name, row.cost_nano_usd, decimal(row.cost_nano_usd), part === null ? '' : (part / 10).toFixed(1), row.operations, row.tokens_total,
    ...classes.map((c) => row.tokens[c] ?? 0), row.unknown,
  ];
  const header = [a.by, 'cost_nano_usd', 'cost_usd', 'share_percent', 'operations', 'tokens', ...classes, 'unknown'];
  const rows = costs.groups.map((row, i) => line(row, row.key ?? '', parts[i]));
  return csv(header, [...rows, line(costs.total, 'Total', parts.length > 0 ? 1_000 : null)]);
}

/** @param {import('./data.js').Costs} costs @param {import('./data.js').Asked} a */
export function asJson(costs, a) {
  const { from, to, timezone, groups, rows, total } = costs;
  return { by: a.by, bucket: a.bucket, range: a.range, from, to, timezone, groups, rows, total };
}

/** @param {any} envelope */
function event({ type, data }) {
  if (ctx === null || model.costs === null) return;
  if (type === 'cost.recorded') {
    model.costs = recorded(model.costs, data, model.asked);
    loadSoon();
  } else if (type === 'cost.update') {
    const { budgets, ...now } = data;
    model.costs = { ...model.costs, now: { ...model.costs.now, ...now } };
    if (Array.isArray(budgets)) model.budgets = merged(model.budgets ?? [], budgets);
    // After midnight today is another day.
    const day = (/** @type {number} */ ms) => bucketOf(ms, model.costs?.timezone ?? 'UTC', 'day');
    if (day(fetchedAt) !== day(Date.now())) loadSoon();
  } else return;
  ctx.schedule();
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(given, route) {
    ctx = given;
    const next = asked(route.query);
    const key = JSON.stringify(parameters(next));
    if (next.by !== model.asked.by || next.metric !== model.asked.metric) model.slots = new Map();
    model.asked = next;
    if (key === wanted && model.costs !== null) return;
    // What was fetched for another address stays until the new answer is there, but never under another grouping.
    if (JSON.parse(wanted || '{}').by !== next.by || JSON.parse(wanted || '{}').bucket !== next.bucket) model.costs = null;
    wanted = key;
    void load();
  },
  leave() {
    clearTimeout(timer);
    timer = 0;
    ctx = null;
    wanted = '';
    picture = '';
    pictured = null;
    model = fresh();
  },
  event,
  hello() {
    if (ctx !== null) void load();
  },
  view(given, route) {
    model.nowMs = given.now();
    draw();
    return costView(model, route, actions);
  },
  keys: [
    { key: 'e', label: 'Save the table as CSV', run: () => actions.save('csv') },
  ],
  commands: () => [
    { label: 'Save the costs as CSV', run: () => actions.save('csv') },
    { label: 'Save the costs as JSON', run: () => actions.save('json') },
  ],
};

// @ts-check
// What the screen Cost works out: which time and bucket an address asks for, places of the time axis, rows with shares
// that add up, and what a new record of the ledger changes. Pure: the time is passed in, money stays whole numbers.

import { SLOTS } from '../../chart-data.js';
import { clean } from '../../format.js';

/** @typedef {'hour'|'day'|'month'} Bucket */
/** @typedef {'model'|'tool'|'agent'|'project'|'provider'} By */
/**
 * @typedef {object} Sum A line of `GET /api/costs`.
 * @property {string|null} bucket
 * @property {string|null} key
 * @property {number} operations
 * @property {Record<string, number>} tokens
 * @property {number} tokens_total
 * @property {number} cost_nano_usd
 * @property {number} rows of the ledger
 * @property {number} unknown of which nobody knows the cost
 * @property {number} derived
 * @property {number} inexact
 *
 * @typedef {object} Costs
 * @property {Sum[]} rows by bucket and key
 * @property {Sum[]} groups by key
 * @property {Sum} total
 * @property {string} timezone
 * @property {string|null} from
 * @property {string|null} to
 * @property {any[]} unknown_rows
 * @property {any} now
 *
 * @typedef {object} Asked
 * @property {'today'|'week'|'month'|'total'|'custom'} range
 * @property {string} from a date, or empty
 * @property {string} to a date, included, or empty
 * @property {Bucket} bucket
 * @property {By} by
 * @property {'cost'|'tokens'} metric
 */

export const RANGES = /** @type {const} */ (['today', 'week', 'month', 'total']);
export const BYS = /** @type {const} */ (['model', 'tool', 'agent', 'project', 'provider']);
export const BUCKETS = /** @type {const} */ (['hour', 'day', 'month']);
/** Places of the time axis; a longer time shows only those with something in them. */
const MOST_PLACES = 1_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** @template {string} T @param {readonly T[]} list @param {string|null} value @param {T} other @returns {T} */
const oneOf = (list, value, other) => list.find((item) => item === value) ?? other;

/** What an address asks for. @param {URLSearchParams} query @returns {Asked} */
export function asked(query) {
  const date = (/** @type {string} */ name) => {
    const text = query.get(name) ?? '';
    return DATE.test(text) && !Number.isNaN(Date.parse(text)) ? text : '';
  };
  const [from, to] = [date('from'), date('to')];
  const range = from || to ? 'custom' : oneOf(RANGES, query.get('range'), 'month');
  const days = from && to ? (Date.parse(to) - Date.parse(from)) / 86_400_000 : Infinity;
  const usual = { today: 'hour', week: 'day', month: 'day', total: 'month', custom: days < 3 ? 'hour' : days < 130 ? 'day' : 'month' };
  return {
    range, from, to,
    bucket: oneOf(BUCKETS, query.get('bucket'), /** @type {Bucket} */ (usual[range])),
    by: oneOf(BYS, query.get('by'), 'model'),
    metric: oneOf(/** @type {const} */ (['cost', 'tokens']), query.get('metric'), 'cost'),
  };
}

/** The same as parameters of `GET /api/costs`; its end is not included, ours is. @param {Asked} a */
export function parameters(a) {
  const span = a.range === 'custom' ? { from: a.from, to: a.to && nextDay(a.to) } : { range: a.range };
  return { ...span, bucket: a.bucket, by: a.by };
}

/** @param {string} date */
export const nextDay = (date) => new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);

/** @type {Map<string, Intl.DateTimeFormat>} */
const clocks = new Map();

/** A moment on the clocks of a zone: `2026-11-23T09:30`. @param {number} ms @param {string} zone */
export function wallClock(ms, zone) {
  let clock = clocks.get(zone);
  if (!clock) {
    const parts = /** @type {const} */ ({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    try {
      clock = new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: zone });
    } catch {
      clock = new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: 'UTC' });
    }
    clocks.set(zone, clock);
  }
  /** @type {Record<string, string>} */ const at = {};
  for (const { type, value } of clock.formatToParts(ms)) at[type] = value;
  return `${at.year}-${at.month}-${at.day}T${at.hour}:${at.minute}`;
}

const LENGTHS = { hour: 13, day: 10, month: 7 };

/** The bucket a moment is in. @param {number} ms @param {string} zone @param {Bucket} bucket */
export const bucketOf = (ms, zone, bucket) => wallClock(ms, zone).slice(0, LENGTHS[bucket]);

/** @param {string} name */
function following(name) {
  const [day, hour] = name.split('T');
  const [y, m, d] = day.split('-').map(Number);
  if (hour !== undefined) return new Date(Date.UTC(y, m - 1, d, Number(hour) + 1)).toISOString().slice(0, 13);
  if (d !== undefined) return new Date(Date.UTC(y, m - 1, d + 1)).toISOString().slice(0, 10);
  return new Date(Date.UTC(y, m, 1)).toISOString().slice(0, 7);
}

/** The last day of a range that is under way; what is still to come is part of the picture. @param {Asked['range']} range @param {string} first */
function lastDay(range, first) {
  const [y, m, d] = first.split('-').map(Number);
  const day = { today: Date.UTC(y, m - 1, d), week: Date.UTC(y, m - 1, d + 6), month: Date.UTC(y, m, 0), total: NaN, custom: NaN }[range];
  return Number.isNaN(day) ? '' : new Date(day).toISOString().slice(0, 10);
}

/**
 * All buckets from the first to the last, those without anything too.
 * @param {Costs} costs
 * @param {Bucket} bucket
 * @param {number} nowMs
 * @param {Asked['range']} [range]
 */
export function buckets(costs, bucket, nowMs, range = 'custom') {
  const there = [...new Set(costs.rows.map((row) => row.bucket ?? ''))].filter(Boolean).sort();
  const begin = costs.from === null ? there[0] : bucketOf(Date.parse(costs.from), costs.timezone, bucket);
  // The end of a span is the first moment that is not in it.
  const lastMs = Math.min(nowMs, costs.to === null ? Infinity : Date.parse(costs.to) - 1);
  const ahead = costs.from === null ? '' : lastDay(range, wallClock(Date.parse(costs.from), costs.timezone).slice(0, 10));
  const end = ahead === '' ? bucketOf(lastMs, costs.timezone, bucket) : `${ahead}T23`.slice(0, LENGTHS[bucket]);
  if (begin === undefined) return [];
  const all = [];
  for (let name = begin; name <= end; name = following(name)) {
    all.push(name);
    if (all.length > MOST_PLACES) return there;
  }
  // A clock that is ahead has put something behind the end.
  return [...all, ...there.filter((name) => name > end)];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A bucket at the axis and in full. @param {string} name */
export function placeOf(name) {
  const [day, hour] = name.split('T');
  const [year, month, date] = day.split('-');
  const word = MONTHS[Number(month) - 1] ?? month;
  if (hour !== undefined) {
    return { label: hour === '00' ? `${word} ${Number(date)}` : `${hour}:00`, long: `${day} ${hour}:00–${hour}:59` };
  }
  if (date !== undefined) return { label: `${word} ${Number(date)}`, long: day };
  return { label: `${word} ${year}`, long: `${word} ${year}` };
}

/** What a group without a name is called. @param {string|null} key @param {By} by */
export const keyName = (key, by) => (key === null ? `no ${by}` : clean(key, 200));

/**
 * Who has which colour: the dearest first, and whoever has one keeps it, so that a picture does not change its colours
 * while it grows.
 * @param {readonly Sum[]} groups
 * @param {'cost_nano_usd'|'tokens_total'} field
 * @param {Map<string|null, number>} before
 */
export function slots(groups, field, before) {
  const order = [...groups].sort((a, b) => b[field] - a[field]).map((group) => group.key);
  const top = new Set(order.slice(0, order.length > SLOTS ? SLOTS - 1 : SLOTS));
  const kept = new Map([...before].filter(([key]) => top.has(key)));
  const free = Array.from({ length: SLOTS }, (_, i) => i + 1).filter((slot) => ![...kept.values()].includes(slot));
  for (const key of order) {
    if (top.has(key) && !kept.has(key)) kept.set(key, free.shift() ?? 0);
  }
  return kept;
}

/**
 * What the chart shows: a series for each group that has a colour, and one for all others.
 * @param {Costs} costs
 * @param {readonly string[]} places
 * @param {ReadonlyMap<string|null, number>} colours
 * @param {'cost_nano_usd'|'tokens_total'} field
 * @param {By} by
 */
export function series(costs, places, colours, field, by) {
  const index = new Map(places.map((name, i) => [name, i]));
  /** @type {Map<string|null|undefined, number[]>} */ const values = new Map();
  for (const row of costs.rows) {
    const at = index.get(row.bucket ?? '');
    if (at === undefined) continue;
    const key = colours.has(row.key) ? row.key : undefined;
    const list = values.get(key) ?? new Array(places.length).fill(0);
    list[at] += row[field];
    values.set(key, list);
  }
  const sum = (/** @type {number[]} */ list) => list.reduce((a, b) => a + b, 0);
  const named = [...colours].filter(([key]) => values.has(key) && sum(values.get(key) ?? []) > 0).sort((a, b) => sum(values.get(b[0]) ?? []) - sum(values.get(a[0]) ?? []));
  const list = named.map(([key, slot]) => ({ label: keyName(key, by), slot, values: values.get(key) ?? [] }));
  const rest = values.get(undefined);
  if (rest && sum(rest) > 0) list.push({ label: `${costs.groups.length - colours.size} others`, slot: 0, values: rest });
  return list;
}

/**
 * Parts of a whole in thousandths that add up to a thousand; none of nothing.
 * @param {readonly number[]} amounts
 */
export function shares(amounts) {
  const sum = amounts.reduce((total, amount) => total + BigInt(amount), 0n);
  if (sum <= 0n) return amounts.map(() => null);
  const parts = amounts.map((amount, i) => ({ i, down: (BigInt(amount) * 1_000n) / sum, rest: (BigInt(amount) * 1_000n) % sum }));
  let left = Number(1_000n - parts.reduce((total, part) => total + part.down, 0n));
  const up = new Set([...parts].sort((a, b) => (a.rest < b.rest ? 1 : a.rest > b.rest ? -1 : a.i - b.i)).slice(0, Math.max(0, left)).map((part) => part.i));
  return parts.map((part) => Number(part.down) + (up.has(part.i) ? 1 : 0));
}

/** Pico-dollars as nano-dollars, half to even. @param {number} pico */
export function nano(pico) {
  const value = BigInt(pico);
  const [whole, rest] = [value / 1_000n, value % 1_000n];
  return Number(rest > 500n || (rest === 500n && whole % 2n === 1n) ? whole + 1n : whole);
}

/** The group a row of a record belongs to. @param {any} record @param {any} row @param {By} by @returns {string|null} */
function keyOf(record, row, by) {
  if (by === 'model') return row.model || null;
  if (by === 'provider') return row.provider ?? record.provider ?? null;
  return record[by] || null;
}

/** @param {string|null} bucket @param {string|null} key @returns {Sum} */
const nothing = (bucket, key) => ({ bucket, key, operations: 0, tokens: {}, tokens_total: 0, cost_nano_usd: 0, rows: 0, unknown: 0, derived: 0, inexact: 0 });

/**
 * The sums with a new record of the ledger in them, until they are fetched again. The same amount is added to the row,
 * the group and the total, so that they go on adding up. Operations are not counted again: they may be in already.
 * @param {Costs} costs
 * @param {any} record payload of `cost.recorded`
 * @param {Asked} a
 */
export function recorded(costs, record, a) {
  const at = Date.parse(record.recorded_at);
  const rows = Array.isArray(record.rows) ? record.rows : [];
  const within = !(costs.from && at < Date.parse(costs.from)) && !(costs.to && at >= Date.parse(costs.to));
  if (Number.isNaN(at) || !within || rows.length === 0) return costs;
  const bucket = bucketOf(at, costs.timezone, a.bucket);
  const next = { ...costs, rows: [...costs.rows], groups: [...costs.groups], total: costs.total, unknown_rows: costs.unknown_rows };
  for (const row of rows) {
    const key = keyOf(record, row, a.by);
    const t = row.tokens ?? {};
    const tokens = (t.input ?? 0) + (t.cache_read ?? 0) + (t.cache_write_5m ?? 0) + (t.cache_write_1h ?? 0) + (t.output ?? 0);
    const known = Number.isSafeInteger(row.cost_pico_usd);
    const add = (/** @type {Sum} */ sum) => ({
      ...sum,
      tokens_total: sum.tokens_total + tokens,
      cost_nano_usd: sum.cost_nano_usd + (known ? nano(row.cost_pico_usd) : 0),
      rows: sum.rows + 1,
      unknown: sum.unknown + (known ? 0 : 1),
    });
    const put = (/** @type {Sum[]} */ list, /** @type {string|null} */ name) => {
      const i = list.findIndex((sum) => sum.key === key && sum.bucket === name);
      if (i < 0) list.push({ ...add(nothing(name, key)), operations: 1 });
      else list[i] = add(list[i]);
    };
    put(next.rows, bucket);
    put(next.groups, null);
    next.total = add(next.total);
    if (!known) next.unknown_rows = [...next.unknown_rows, { ...record, rows: undefined, model: row.model || null, tokens_total: tokens }].slice(-100);
  }
  return next;
}

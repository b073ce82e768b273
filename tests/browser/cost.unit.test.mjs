// What the screens Cost and Models and the charts work out, without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ceiling, labelled, reading, spoken, stack, summary, timeLabel, totals } from '../../static/js/chart-data.js';
import { beginning, merged, projection, stateOf } from '../../static/js/screens/cost/budgets.js';
import { asked, buckets, bucketOf, nano, parameters, placeOf, recorded, series, shares, slots, wallClock } from '../../static/js/screens/cost/data.js';
import { asked as askedModels, origin, percent, perMillion, rate, sorted } from '../../static/js/screens/models/data.js';
import { cell, csv, decimal } from '../../static/js/table-file.js';
import { budget, model, record } from './standin/cost.mjs';

const query = (text) => new URLSearchParams(text);
const at = (text) => Date.parse(text);
const group = (key, cost, more = {}) => ({ bucket: null, key, operations: 1, tokens: {}, tokens_total: cost, cost_nano_usd: cost, rows: 1, unknown: 0, derived: 0, inexact: 0, ...more });

test('what a spreadsheet would compute is text, and money is exact', () => {
  assert.equal(cell('plain'), 'plain');
  assert.equal(cell('a,b'), '"a,b"');
  assert.equal(cell('say "x"'), '"say ""x"""');
  for (const formula of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1']) assert.equal(cell(formula), `"'${formula}"`);
  assert.equal(cell(-12), '-12', 'a number is no text');
  assert.equal(cell(null), '');
  assert.equal(csv(['a', 'b'], [['=x', 1]]), 'a,b\r\n"\'=x",1\r\n');
  assert.equal(decimal(42_135_000), '0.042135000');
  assert.equal(decimal(-1_500_000_001n), '-1.500000001');
});

test('stacks, steps and labels of a chart', () => {
  assert.deepEqual(stack([[1, null, 2], [1, 1, 1]]), [[1, 0, 2], [2, 1, 3]]);
  assert.equal(ceiling(null), 1);
  assert.equal(ceiling(0), 1);
  for (const most of [1, 3, 999, 1_234_567, 2_310_000_000]) {
    const top = ceiling(most);
    assert.ok(top >= most && top <= most * 1.6 + 1, `${most} ${top}`);
  }
  assert.deepEqual(labelled(24, 240, 60), [5, 11, 17, 23]);
  assert.deepEqual(labelled(2, 1_000, 60), [0, 1]);
  assert.deepEqual(labelled(5, 0, 60), []);
  const data = {
    title: 'Cost', kind: 'bars', stacked: true, places: ['a', 'b'].map((label) => ({ label, long: `${label}${label}` })), xName: 'Day', unit: 'US dollars',
    series: [{ label: 'one', slot: 1, values: [1, 0] }, { label: 'two', slot: 2, values: [2, 5] }], format: String, short: String,
  };
  assert.deepEqual(totals(data), [3, 5]);
  assert.deepEqual(reading(data, 1), { name: 'bb', rows: [{ label: 'two', slot: 2, value: 5 }], total: 5 });
  assert.equal(spoken(data, 0), 'aa: 3, two 2, one 1');
  assert.match(summary(data), /^Cost, US dollars, aa to bb\. Highest: 5 at bb\.$/);
  assert.equal(summary({ ...data, places: [] }), 'Cost: nothing to show');
});

test('a time axis is labelled as finely as its steps', () => {
  const noon = new Date(2026, 10, 23, 12, 5, 9).getTime();
  assert.equal(timeLabel(noon, 1_000), '12:05:09');
  assert.equal(timeLabel(noon, 60_000), '12:05');
  assert.equal(timeLabel(noon, 86_400_000), '2026-11-23');
});

test('an address says what is asked for, whatever stands in it', () => {
  const a = asked(query('range=week&by=agent&metric=tokens'));
  assert.deepEqual([a.range, a.bucket, a.by, a.metric], ['week', 'day', 'agent', 'tokens']);
  assert.deepEqual(parameters(a), { range: 'week', bucket: 'day', by: 'agent' });
  assert.deepEqual(asked(query('range=evil&by=__proto__&bucket=week&from=x')), { range: 'month', from: '', to: '', bucket: 'day', by: 'model', metric: 'cost' });
  const days = asked(query('from=2026-11-01&to=2026-11-30'));
  assert.deepEqual(parameters(days), { from: '2026-11-01', to: '2026-12-01', bucket: 'day', by: 'model' });
  assert.equal(asked(query('from=2026-11-01&to=2026-11-02')).bucket, 'hour');
  assert.equal(asked(query('from=2020-01-01')).bucket, 'month');
});

test('buckets are those of the zone, without holes, to the end of what is under way', () => {
  const zone = 'Europe/Zurich';
  assert.equal(wallClock(at('2026-11-22T23:30:00Z'), zone), '2026-11-23T00:30');
  assert.equal(bucketOf(at('2026-03-29T01:30:00Z'), zone, 'hour'), '2026-03-29T03');
  assert.equal(wallClock(0, 'No/Where'), '1970-01-01T00:00');
  const costs = { rows: [group('a', 1, { bucket: '2026-11-21' }), group('a', 1, { bucket: '2026-11-23' })], groups: [], timezone: zone, from: null, to: null };
  assert.deepEqual(buckets(costs, 'day', at('2026-11-24T12:00:00Z')), ['2026-11-21', '2026-11-22', '2026-11-23', '2026-11-24']);
  const week = { ...costs, from: '2026-11-22T23:00:00.000Z' };
  assert.equal(buckets(week, 'day', at('2026-11-23T12:00:00Z'), 'week').length, 7);
  assert.equal(buckets({ ...costs, from: '2026-01-31T23:00:00.000Z' }, 'day', at('2026-02-03T12:00:00Z'), 'month').at(-2), '2026-11-21', 'what lies ahead is kept');
  assert.equal(buckets({ ...week, rows: [] }, 'hour', at('2026-11-23T12:00:00Z'), 'today').length, 24);
  const months = { ...costs, rows: [group('a', 1, { bucket: '2025-11' })] };
  assert.deepEqual(buckets(months, 'month', at('2026-02-03T12:00:00Z')), ['2025-11', '2025-12', '2026-01', '2026-02']);
  const long = { ...costs, rows: [group('a', 1, { bucket: '1970-01-01T00' }), group('a', 1, { bucket: '2026-01-01T00' })] };
  assert.equal(buckets(long, 'hour', at('2026-11-24T12:00:00Z')).length, 2, 'a long time shows what is there');
  assert.deepEqual(placeOf('2026-11-23T00'), { label: 'Nov 23', long: '2026-11-23 00:00–00:59' });
  assert.deepEqual(placeOf('2026-11'), { label: 'Nov 2026', long: 'Nov 2026' });
});

test('shares add up to the whole', () => {
  for (const amounts of [[1, 1, 1], [0, 0, 5], [7], [1, 2, 3, 4, 5, 6, 7], Array.from({ length: 150 }, (_, i) => i * i + 1), [Number.MAX_SAFE_INTEGER, 1]]) {
    assert.equal(shares(amounts).reduce((a, b) => a + b, 0), 1_000, String(amounts));
  }
  assert.deepEqual(shares([0, 0]), [null, null]);
  assert.deepEqual(shares([]), []);
});

test('colours stay with whom they were given to', () => {
  const before = slots([group('a', 9), group('b', 5)], 'cost_nano_usd', new Map());
  assert.deepEqual([...before], [['a', 1], ['b', 2]]);
  const after = slots([group('a', 9), group('b', 50), group('c', 7)], 'cost_nano_usd', before);
  assert.deepEqual([...after], [['a', 1], ['b', 2], ['c', 3]]);
  const many = Array.from({ length: 12 }, (_, i) => group(`g${i}`, 100 - i));
  const top = slots(many, 'cost_nano_usd', new Map());
  assert.equal(top.size, 7, 'the last colour is for all others');
  const rows = many.map((g) => ({ ...g, bucket: '2026-11-23' }));
  const drawn = series({ rows, groups: many }, ['2026-11-23'], top, 'cost_nano_usd', 'model');
  assert.equal(drawn.length, 8);
  assert.deepEqual([drawn.at(-1).label, drawn.at(-1).slot], ['5 others', 0]);
  assert.equal(drawn.reduce((sum, s) => sum + s.values[0], 0), many.reduce((sum, g) => sum + g.cost_nano_usd, 0));
});

test('half a nano-dollar goes to the even one', () => {
  assert.deepEqual([500, 1_500, 501, 2_499, 0].map(nano), [0, 2, 1, 2, 0]);
});

test('a new record is in every sum, and they go on adding up', () => {
  const a = asked(query('range=month&by=agent'));
  const costs = {
    rows: [group('dev', 5, { bucket: '2026-11-22' })], groups: [group('dev', 5)], total: group(null, 5), timezone: 'UTC',
    from: '2026-11-01T00:00:00.000Z', to: null, unknown_rows: [], now: {},
  };
  const who = { model: 'm', tool: 't', provider: 'p', pico: 1_000_000 };
  let next = costs;
  for (let n = 0; n < 9; n += 1) next = recorded(next, record(n, at('2026-11-23T10:00:00Z'), who), a);
  next = recorded(next, record(5, at('2026-11-23T10:00:00Z'), { ...who, pico: null }), a);
  const sum = (list) => list.reduce((total, row) => total + row.cost_nano_usd, 0);
  assert.equal(sum(next.rows), next.total.cost_nano_usd);
  assert.equal(sum(next.groups), next.total.cost_nano_usd);
  assert.deepEqual(new Set(next.groups.map((g) => g.key)), new Set(['dev', 'reviewer', 'docs', null]));
  assert.deepEqual([next.total.unknown, next.unknown_rows.length, next.unknown_rows[0].model], [1, 1, 'm']);
  assert.equal(costs.groups.length, 1, 'what was is as it was');
  assert.equal(recorded(next, record(1, at('2026-10-31T10:00:00Z'), who), a), next, 'before the range');
  assert.equal(recorded(next, { rows: 'no' }, a), next);
});

test('a projection is a straight line to the end of the period, in its zone', () => {
  assert.equal(new Date(beginning('2026-03-30', 'Europe/Zurich')).toISOString(), '2026-03-29T22:00:00.000Z');
  assert.equal(new Date(beginning('2026-03-29', 'Europe/Zurich')).toISOString(), '2026-03-28T23:00:00.000Z');
  const day = budget({ period: 'day', reserved_nano_usd: 0, spent_nano_usd: 1_000, limit_nano_usd: 3_000, used_percent: 33, timezone: 'UTC', resets_at: '2026-11-24T00:00:00.000Z' });
  assert.deepEqual(projection(day, at('2026-11-23T06:00:00Z')), { nano: 4_000, permille: 250 });
  assert.equal(projection(day, at('2026-11-23T00:10:00Z')), null, 'too early');
  assert.deepEqual(projection({ ...day, reserved_nano_usd: 9_000 }, at('2026-11-23T06:00:00Z')), { nano: 10_000, permille: 250 }, 'never below what is spent and held');
  assert.equal(projection({ ...day, period: 'operation', resets_at: null }, 0), null);
  // The day the clocks went forward has 23 hours.
  const short = { ...day, timezone: 'Europe/Zurich', resets_at: '2026-03-29T22:00:00.000Z' };
  assert.deepEqual(projection(short, at('2026-03-29T10:30:00Z')), { nano: 2_000, permille: 500 });
  const month = { ...day, period: 'month', resets_at: '2026-12-01T00:00:00.000Z' };
  assert.deepEqual(projection(month, at('2026-11-16T00:00:00Z')), { nano: 2_000, permille: 500 });
  assert.equal(stateOf(day, at('2026-11-23T06:00:00Z')).text, 'On course to pass');
  assert.equal(stateOf({ ...day, used_percent: 85 }, 0).text, 'Near its limit');
  assert.equal(stateOf({ ...day, used_percent: 100, type: 'hard' }, 0).text, 'Used up: refuses');
  assert.equal(stateOf({ ...day, used_percent: 100, type: 'soft' }, 0).tone, 'orange');
  assert.equal(merged([day, month], [{ ...day, spent_nano_usd: 7 }]).find((b) => b.period === 'day').spent_nano_usd, 7);
});

test('models are sorted with what nobody measured at the end', () => {
  const stats = (operations, p50) => ({ operations, p50_ms: p50, cost_nano_usd: 0, tokens: 0 });
  const list = [model('b', 'x', { stats: stats(1, 50) }), model('a', 'x'), model('c', 'x', { stats: stats(9, null) })];
  const names = (sort, up) => sorted(list, sort, up).map((m) => m.model).join('');
  assert.equal(names('share', false), 'cba');
  assert.equal(names('share', true), 'bca');
  assert.equal(names('p50', true), 'bac');
  assert.equal(names('name', false), 'abc');
  assert.equal(names('name', true), 'cba');
  assert.deepEqual(askedModels(query('sort=-p95&since=7d&model=')), { since: '7d', q: '', sort: 'p95', up: true, open: '' });
  assert.equal(askedModels(query('sort=__proto__')).sort, 'share');
  assert.equal(perMillion(3_000_000), 3_000_000_000n);
  assert.equal(perMillion(null), null);
  assert.equal(percent(952), '95.2 %');
  assert.deepEqual([rate(48_210), rate(142_900), rate(22_857_000), rate(null)], ['48.2', '143', '22\u202f857', '–']);
  assert.equal(origin({ source: 'catalogue', table: 'genai-prices 0.2.1' }), 'the built-in table, genai-prices 0.2.1');
});

// @ts-check
// What the screen Models works out: order and filter of models, prices per million tokens, words for reasons. Pure.

import { whole } from '../../format.js';

/**
 * @typedef {object} Rates Pico-dollars for a token.
 * @property {number|null} input_pico_usd
 * @property {number|null} output_pico_usd
 * @property {number|null} cache_read_pico_usd
 * @property {number|null} cache_write_5m_pico_usd
 * @property {number|null} cache_write_1h_pico_usd
 * @property {number|null} reasoning_pico_usd
 *
 * @typedef {object} Price
 * @property {string} id
 * @property {'override'|'imported'|'catalogue'} source
 * @property {string|null} table
 * @property {string|null} provider
 * @property {string} model
 * @property {string|null} valid_from
 * @property {string|null} valid_to
 * @property {{start_ms: number, end_ms: number}|null} hours
 * @property {Rates} rates
 * @property {{above_input_tokens: number, applies_to: 'request'|'excess', rates: Rates}[]} tiers
 * @property {number|null} web_search_pico_usd
 * @property {number|null} request_pico_usd
 * @property {string[]} modes
 * @property {string|null} note
 *
 * @typedef {object} Stats
 * @property {number} operations
 * @property {number|null} selected_permille
 * @property {number} complete
 * @property {number} failed
 * @property {number} stopped
 * @property {number|null} success_permille
 * @property {number|null} p50_ms
 * @property {number|null} p95_ms
 * @property {number|null} first_output_p50_ms
 * @property {number|null} tokens_per_s_milli
 * @property {number} tokens
 * @property {number} cost_nano_usd
 * @property {number|null} cost_each_nano_usd
 * @property {number} cost_unknown
 * @property {number} retries
 * @property {number} fallbacks_from
 * @property {number} fallbacks_to
 *
 * @typedef {object} Model A line of `GET /api/models`.
 * @property {string|null} model none: the tool's own default
 * @property {string|null} provider
 * @property {boolean} configured
 * @property {string[]|null} aliases
 * @property {number|null} context_window
 * @property {boolean} deprecated
 * @property {string|null} superseded_by
 * @property {boolean} retired
 * @property {string|null} broken
 * @property {string|null} note
 * @property {Price|null} price
 * @property {'no_row_today'|'unknown_model'|null} price_missing
 * @property {{tool: string, configured: boolean, operations: number, reason: string|null}[]} offered_by
 * @property {Stats|null} stats
 * @property {{code: string, count: number}[]} reasons
 * @property {string|null} last_used_at
 *
 * @typedef {object} Models `GET /api/models`
 * @property {string|null} since
 * @property {number} operations
 * @property {boolean} truncated
 * @property {string} price_table
 * @property {number} omitted
 * @property {Model[]} models
 *
 * @typedef {'share'|'success'|'p50'|'p95'|'first'|'rate'|'each'|'cost'|'tokens'|'used'|'name'} Sort
 */

export const SPANS = /** @type {const} */ (['24h', '7d', '30d', 'all']);
export const SPAN_NAMES = { '24h': '24 hours', '7d': '7 days', '30d': '30 days', all: 'All time' };

/** What a model is sorted by; larger is first, none is last. @type {Record<Sort, (model: Model) => number|string|null>} */
const KEYS = {
  share: (m) => m.stats?.operations ?? null,
  success: (m) => m.stats?.success_permille ?? null,
  p50: (m) => m.stats?.p50_ms ?? null,
  p95: (m) => m.stats?.p95_ms ?? null,
  first: (m) => m.stats?.first_output_p50_ms ?? null,
  rate: (m) => m.stats?.tokens_per_s_milli ?? null,
  each: (m) => m.stats?.cost_each_nano_usd ?? null,
  cost: (m) => (m.stats === null ? null : m.stats.cost_nano_usd),
  tokens: (m) => m.stats?.tokens ?? null,
  used: (m) => m.last_used_at,
  name: (m) => m.model ?? '',
};

/** @param {URLSearchParams} query */
export function asked(query) {
  const sort = query.get('sort') ?? '';
  const up = sort.startsWith('-');
  const key = /** @type {Sort} */ (up ? sort.slice(1) : sort);
  return {
    since: SPANS.find((span) => span === query.get('since')) ?? '30d',
    q: (query.get('q') ?? '').slice(0, 200),
    sort: Object.hasOwn(KEYS, key) ? key : /** @type {Sort} */ ('share'),
    /** The smallest first. */
    up,
    open: query.has('model') ? query.get('model') : undefined,
  };
}

/** @param {readonly Model[]} models @param {Sort} sort @param {boolean} up */
export function sorted(models, sort, up) {
  const of = KEYS[sort];
  const turn = (sort === 'name') === up ? -1 : 1;
  return [...models].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    return x === y ? 0 : (x < y ? -1 : 1) * turn;
  });
}

/** Nano-dollars for a million tokens. @param {number|null|undefined} pico for one */
export const perMillion = (pico) => (pico === null || pico === undefined ? null : BigInt(pico) * 1_000n);

export const CLASSES = /** @type {const} */ ([
  ['input_pico_usd', 'Input'], ['output_pico_usd', 'Output'], ['cache_read_pico_usd', 'Cache read'],
  ['cache_write_5m_pico_usd', 'Cache write, 5 min'], ['cache_write_1h_pico_usd', 'Cache write, 1 h'], ['reasoning_pico_usd', 'Reasoning'],
]);

/** Where a price is from. @param {Price} price */
export function origin(price) {
  const of = { override: 'your configuration', imported: 'a table you imported', catalogue: 'the built-in table' }[price.source] ?? price.source;
  return price.table ? `${of}, ${price.table}` : of;
}

/** One decimal of thousandths: `95.2 %`. @param {number|null|undefined} permille */
export const percent = (permille) => (permille === null || permille === undefined ? '–' : `${(permille / 10).toFixed(1)} %`);

/** Tokens a second. @param {number|null|undefined} milli */
export function rate(milli) {
  if (milli === null || milli === undefined) return '–';
  return milli < 100_000 ? (milli / 1_000).toFixed(1) : whole(Math.round(milli / 1_000));
}

/** What an address names a model: nothing for the default of tools. @param {Model} model */
export const idOf = (model) => model.model ?? '';

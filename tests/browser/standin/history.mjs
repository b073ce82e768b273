// What has run long ago: the list of operations in pages as daemon/src/web/listing.rs gives it, the projection first and
// then a past that is made while it is read, and the address of exports.

import { HEADERS } from '../standin.mjs';

/** Rows one request looks at, as the daemon does; a page may be short, its link goes on behind them. */
const MOST_LOOKED_AT = 20_000;
const AGES = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MONTH = 29 * AGES.d;
const STATES = ['complete', 'complete', 'complete', 'error', 'complete', 'stopped', 'complete', 'refused', 'complete', 'lost'];
const KNOWN_STATES = new Set([...STATES, 'queued', 'starting', 'running', 'paused', 'stopping']);
const MODELS = [
  ['claude-code', 'claude-opus-4-6', 'anthropic'], ['codex', 'gpt-5.2-codex', 'openai'], ['gemini', 'gemini-3-pro', 'google'],
  ['claude-code', 'claude-haiku-4-5', 'anthropic'], ['aider', 'deepseek-v3.2', 'deepseek'],
];

/** Ids of the past sort by time, before all of `scenes.mjs`. */
export const pastId = (n) => `exec-05${String(n).padStart(14, '0')}`;

/** Operation `n` of `count`, of which the last is the newest. */
export function pastOperation(n, count, now) {
  const at = now - Math.round(((count - n) * MONTH) / Math.max(count, 1_000)) - 60_000;
  const state = STATES[n % STATES.length];
  const [tool, model, provider] = MODELS[n % MODELS.length];
  const ran = state !== 'refused';
  const took = ran ? 1_000 + ((n * 7_919) % 600_000) : 0;
  const unknown = n % 17 === 0;
  const iso = (ms) => new Date(ms).toISOString();
  return {
    operation_id: pastId(n), state, tool, model, provider, mode: 'cli', agent: n % 4 ? `agent-${n % 13}` : null, task_type: null, cwd: '/home/dev/src', command: [tool, '-p'],
    reason: 'first usable candidate', attempt: 1, phase: null, submitted_at: iso(at), started_at: ran ? iso(at + 80) : null, ended_at: iso(at + 80 + took),
    elapsed_ms: took, idle_ms: 0, first_output_ms: ran ? 900 : null,
    tokens: { input: n % 5_000, cache_read: (n * 31) % 90_000, cache_write_5m: 0, cache_write_1h: 0, output: n % 900, reasoning: (n % 7) * 100_000, web_searches: 0 },
    usage_source: 'reported', cost_nano_usd: unknown ? null : (n * 104_729) % 900_000_000, cost_basis: unknown ? 'unknown' : 'computed', reported_cost_nano_usd: null,
    max_cost_nano_usd: null, prompt: { bytes: 3_412, sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c', file: '/home/dev/prompts/review.md' },
    stdout_bytes: 0, stderr_bytes: 0, calls: 0, open_call: null, exit_code: state === 'complete' ? 0 : null, signal: null,
    error: state === 'error' ? { class: 'rate_limit', message: `The provider answered 429 to request ${n}`, hint: null, retryable: true } : null,
    stopped: null, partial: null, session_id: null, resume_command: null, retry_of: null, retried_by: null, project: '/home/dev/src', policy: 'default', task_id: null,
    reason_code: 'explicit', reservation_nano_usd: null, queue: null, attempts: [], drift: false,
  };
}

/** `count` operations of the last month; `change(operation, n)` makes some of them another. */
export function withHistory(s, count, change = (op) => op) {
  const now = Date.now();
  s.past = { count, make: (n) => change(pastOperation(n, count, now), n) };
  s.orders = {};
}

export function begin(s) {
  s.past = { count: 0, make: () => null };
  /** Places of the past by figure, made when first asked for. */
  s.orders = {};
  /** What lists of operations were asked with. @type {string[]} */
  s.pagesAsked = [];
  /** Addresses of exports that were read. @type {string[]} */
  s.exported = [];
  /** How an answer is refused: `{status, body}`. */
  s.historyFails = null;
  /** Waits before a page is given. @type {((search: URLSearchParams) => Promise<void>)|null} */
  s.pageGate = null;
}

const pastNumber = (id) => Number(/^exec-05(\d{14})$/.exec(id ?? '')?.[1] ?? NaN);

const FIGURES = {
  cost: (op) => (op.cost_nano_usd === null ? 0 : op.cost_nano_usd + 1),
  duration: (op) => op.elapsed_ms,
  tokens: ({ tokens: t }) => t.input + t.cache_read + t.cache_write_5m + t.cache_write_1h + t.output,
};

/** Places of all operations in the order of a figure, the greatest first; of equal ones the newer. */
function order(s, sort) {
  const place = (op, n) => ({ value: FIGURES[sort](op), id: op.operation_id, n });
  s.orders[sort] ??= Array.from({ length: s.past.count }, (_, n) => place(s.past.make(n), n));
  const known = [...s.state.operations.values()].map((op) => place(op, -1));
  return [...known, ...s.orders[sort]].sort((a, b) => b.value - a.value || (a.id < b.id ? 1 : -1));
}

/** Operations behind a place in the order of a figure. */
function* ordered(s, sort, after) {
  const [value, id] = after === null ? [Infinity, ''] : [Number(after.slice(0, after.indexOf('-'))), after.slice(after.indexOf('-') + 1)];
  for (const at of order(s, sort)) {
    if (at.value > value || (at.value === value && at.id >= id)) continue;
    yield [`${at.value}-${at.id}`, at.n < 0 ? s.state.operations.get(at.id) : s.past.make(at.n)];
  }
}

/** Newest first behind an id, those of the projection before those of the past. */
function* newest(s, after) {
  const known = [...s.state.operations.values()].sort((a, b) => (a.operation_id < b.operation_id ? 1 : -1));
  yield* known.filter((op) => after === null || op.operation_id < after).map((op) => [op.operation_id, op]);
  const from = pastNumber(after);
  for (let n = Number.isNaN(from) ? s.past.count - 1 : from - 1; n >= 0; n -= 1) {
    const op = s.past.make(n);
    yield [op.operation_id, op];
  }
}

/** A time, or how long ago it was; null for what is neither. */
function moment(text, now) {
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return Date.parse(text);
  const age = /^(\d+)([smhd])$/.exec(text);
  return age ? now - Number(age[1]) * AGES[age[2]] : null;
}

const bad = (text) => ({ error: text, code: 'invalid_value' });

function page(s, query) {
  const now = Date.now();
  const limit = Number(query.get('limit') ?? 50);
  if (!(limit >= 1 && limit <= 500)) return { refused: bad('limit must be a number from 1 to 500.') };
  const [since, until] = ['since', 'until'].map((name) => (query.has(name) ? moment(query.get(name), now) : undefined));
  if (since === null || until === null) return { refused: bad('since must be a time such as 2026-11-23T00:00:00Z, or an age such as 30m, 12h or 7d.') };
  const state = query.get('state');
  if (state !== null && !KNOWN_STATES.has(state)) return { refused: bad(`There is no state "${state}".`) };
  const text = query.get('q')?.toLowerCase() ?? '';
  const is = (name, value) => !query.has(name) || query.get(name) === value;
  const mentions = (op) => [op.operation_id, op.agent, op.error?.message, op.error?.class].some((one) => one?.toLowerCase().includes(text));
  const wants = (op) =>
    is('state', op.state) && is('tool', op.tool) && is('model', op.model) && is('agent', op.agent) && (text === '' || mentions(op)) &&
    (since === undefined || Date.parse(op.submitted_at) >= since) && (until === undefined || Date.parse(op.submitted_at) < until);
  const after = query.get('after');
  const found = [];
  let [lookedAt, last] = [0, null];
  const sort = query.get('sort') ?? 'started';
  if (sort !== 'started' && !(sort in FIGURES)) return { refused: bad('sort must be started, cost, duration or tokens; each begins with the greatest.') };
  const rows = sort === 'started' ? newest(s, after) : ordered(s, sort, after);
  for (const [cursor, op] of rows) {
    if (found.length === limit || lookedAt >= MOST_LOOKED_AT) return { found, next: last, since, until };
    lookedAt += 1;
    last = cursor;
    if (wants(op)) found.push(op);
  }
  return { found, next: null };
}

async function list(s, response, query) {
  // The cheapest question, whether there is a session, is no list.
  if (query.get('limit') !== '1') {
    s.pagesAsked.push(String(query));
    await s.pageGate?.(query);
    if (s.historyFails) return s.json(response, s.historyFails.status, s.historyFails.body);
  }
  const { refused, found, next, since, until } = page(s, query);
  if (refused) return s.json(response, 400, refused);
  if (next === null) return s.json(response, 200, found);
  const again = new URLSearchParams({ limit: query.get('limit') ?? '50', after: next });
  for (const name of ['sort', 'state', 'tool', 'model', 'agent']) if (query.has(name)) again.set(name, query.get(name));
  for (const [name, at] of Object.entries({ since, until })) if (at !== undefined) again.set(name, new Date(at).toISOString());
  if (query.has('q')) again.set('q', query.get('q'));
  return s.json(response, 200, found, { Link: `</api/operations?${again}>; rel="next"` });
}

export function handle(s, { request, response, url }) {
  if (request.method !== 'GET') return false;
  if (url.pathname === '/api/export') {
    s.exported.push(url.search);
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/csv; charset=utf-8', 'Content-Disposition': 'attachment; filename="llmctl-operations-2026-11-23.csv"' });
    response.end('operation_id,state\r\n');
    return true;
  }
  const [, , what, id, verb] = url.pathname.split('/').map(decodeURIComponent);
  if (what !== 'operations') return false;
  if (!id) {
    void list(s, response, url.searchParams);
    return true;
  }
  const n = pastNumber(id);
  if (!(n < s.past.count)) return false;
  if (!verb) s.json(response, 200, { ...s.past.make(n), routing: [], calls: [] });
  else if (verb === 'output') s.recorded(request, response, id, url.searchParams.get('stream') ?? 'stdout');
  else return false;
  return true;
}

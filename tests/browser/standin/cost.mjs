// What the screens Cost and Models ask for: sums over a made-up ledger, worked out as the daemon does, and models.
// Shapes: daemon/src/web/costs.rs, daemon/src/web/models.rs, proto/src/event/cost.rs.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LENGTHS = { hour: 13, day: 10, month: 7 };
const CLASSES = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output', 'reasoning', 'web_searches'];
const WHO = [
  { model: 'claude-opus-4-6', tool: 'claude', provider: 'anthropic', pico: 25_000_000 },
  { model: 'gpt-5.2-codex', tool: 'codex', provider: 'openai', pico: 14_000_000 },
  { model: 'gemini-3-pro', tool: 'gemini', provider: 'google', pico: 12_000_000 },
  { model: 'claude-haiku-4-5', tool: 'claude', provider: 'anthropic', pico: 5_000_000 },
  { model: 'local-llama', tool: 'ollama', provider: 'ollama', pico: null },
];
const AGENTS = ['reviewer', 'dev', 'docs', null];
const PROJECTS = ['/home/dev/src/billing', '/home/dev/src/site', null];

/** Numbers that look random and are the same each time. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const usage = (input, cacheRead, output) => ({ input, cache_read: cacheRead, cache_write_5m: 0, cache_write_1h: 0, output, reasoning: Math.floor(output / 5), web_searches: 0 });

/** A record of the ledger: payload of `cost.recorded`. */
export function record(n, at, who, more = {}) {
  const tokens = more.tokens ?? usage(2_000, 30_000, 900);
  const pico = who.pico === null ? null : tokens.output * who.pico + tokens.input * Math.floor(who.pico / 5) + tokens.cache_read * Math.floor(who.pico / 50) + (n % 7) * 137;
  const row = {
    model: who.model, provider: who.provider, tokens, usage_source: 'reported', cost_pico_usd: pico, basis: pico === null ? 'unknown' : 'computed',
    source: pico === null ? 'none' : 'catalogue', computed_pico_usd: null, reported_pico_usd: null, price_row: null, price_valid_from: null, lines: [],
  };
  return {
    operation_id: `exec-07kq${String(n).padStart(6, '0')}w8`, attempt: 1, tool: who.tool, provider: who.provider, agent: AGENTS[n % 4],
    project: PROJECTS[n % 3], task_type: null, task_id: null, policy: 'default', started_at: new Date(at - 60_000).toISOString(),
    recorded_at: new Date(at).toISOString(), rows: [row], cost_nano_usd: pico === null ? null : Math.round(pico / 1_000), drift: null, ...more.about,
  };
}

/** Forty days of work, more in the day than at night. */
function ledger(now) {
  const next = numbers(7);
  const list = [];
  for (let n = 0; n < 700; n += 1) {
    const day = Math.floor(next() * 40);
    const at = now - day * DAY - Math.floor(next() * 10 * HOUR);
    const pick = next();
    const who = WHO[pick < 0.4 ? 0 : pick < 0.65 ? 1 : pick < 0.8 ? 2 : pick < 0.985 ? 3 : 4];
    list.push(record(n, at, who, { tokens: usage(Math.floor(next() * 9_000), Math.floor(next() * 160_000), Math.floor(next() * 6_000)) }));
  }
  return list.sort((a, b) => (a.recorded_at < b.recorded_at ? -1 : 1));
}

/** Publishes a record, as the hub does when an attempt has ended. */
export function spend(s, entry) {
  s.attempts.push(entry);
  s.publish('cost.recorded', entry);
  s.publish('cost.update', { ...overview(s), budgets: s.budgets.slice(0, 1).map((b) => ({ ...b, spent_nano_usd: (b.spent_nano_usd += entry.cost_nano_usd ?? 0) })) });
}

const halfEven = (pico) => {
  const [q, r] = [pico / 1_000n, pico % 1_000n];
  return Number(r > 500n || (r === 500n && q % 2n === 1n) ? q + 1n : q);
};

function sumOf(records) {
  const sum = { ids: new Set(), pico: 0n, tokens: Object.fromEntries(CLASSES.map((c) => [c, 0])), rows: 0, unknown: 0 };
  for (const [entry, row] of records) {
    sum.ids.add(entry.operation_id);
    sum.rows += 1;
    for (const c of CLASSES) sum.tokens[c] += row.tokens[c];
    if (row.cost_pico_usd === null) sum.unknown += 1;
    else sum.pico += BigInt(row.cost_pico_usd);
  }
  return sum;
}

const shape = (sum, bucket, key, nano) => ({
  operations: sum.ids.size, tokens: sum.tokens,
  tokens_total: sum.tokens.input + sum.tokens.cache_read + sum.tokens.cache_write_5m + sum.tokens.cache_write_1h + sum.tokens.output,
  cost_nano_usd: nano, cost_usd: (Number(sum.pico) / 1e12).toFixed(12), reported_cost_nano_usd: 0, rows: sum.rows, unknown: sum.unknown, derived: 0,
  inexact: 0, drifted: 0, bucket, key,
});

const keyOf = (by) => (entry, row) => (by === 'model' ? row.model || null : by === 'provider' ? row.provider : entry[by] ?? null);

function table(records, by, bucket) {
  const groups = new Map();
  for (const pair of records) {
    const name = bucket === 'all' ? null : pair[0].recorded_at.slice(0, LENGTHS[bucket]);
    const key = keyOf(by)(...pair);
    const id = JSON.stringify([name, key]);
    const group = groups.get(id) ?? { name, key, records: [] };
    group.records.push(pair);
    groups.set(id, group);
  }
  const lines = [...groups.values()].map((group) => ({ ...group, sum: sumOf(group.records) }));
  lines.sort((a, b) => (a.name === b.name ? Number(b.sum.pico - a.sum.pico) : (a.name ?? '') < (b.name ?? '') ? -1 : 1));
  let [running, shown] = [0n, 0];
  return lines.map((line) => {
    running += line.sum.pico;
    const nano = halfEven(running) - shown;
    shown += nano;
    return shape(line.sum, line.name, line.key, nano);
  });
}

function starts(now) {
  const day = Math.floor(now / DAY) * DAY;
  const d = new Date(now);
  return { today: day, week: day - ((d.getUTCDay() + 6) % 7) * DAY, month: Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), 1) };
}

function overview(s) {
  const begin = starts(Date.now());
  const nano = (from) => halfEven(sumOf(s.attempts.filter((e) => Date.parse(e.recorded_at) >= from).flatMap((e) => e.rows.map((r) => [e, r]))).pico);
  return {
    today_nano_usd: nano(begin.today), month_nano_usd: nano(begin.month), total_nano_usd: nano(0), reserved_nano_usd: 1_250_000_000,
    live_nano_usd: 412_351_250, timezone: 'UTC',
  };
}

function costs(s, query) {
  const begin = starts(Date.now());
  const date = (name) => (query.get(name) ? Date.parse(query.get(name)) : null);
  const range = query.get('range');
  const from = range ? (begin[range] ?? null) : date('from');
  const to = range ? null : date('to');
  const [by, bucket] = [query.get('by') ?? 'model', query.get('bucket') ?? 'all'];
  const within = s.attempts.filter((e) => (from === null || Date.parse(e.recorded_at) >= from) && (to === null || Date.parse(e.recorded_at) < to));
  const records = within.flatMap((entry) => entry.rows.map((row) => [entry, row]));
  const sum = sumOf(records);
  const { bucket: _b, key: _k, ...total } = shape(sum, null, null, halfEven(sum.pico));
  const unknown = records.filter(([, row]) => row.cost_pico_usd === null).slice(-100);
  const answer = {
    rows: table(records, by, bucket), total, timezone: 'UTC', from: from === null ? null : new Date(from).toISOString(),
    to: to === null ? null : new Date(to).toISOString(), now: overview(s),
    unknown_rows: unknown.map(([e, row]) => ({
      operation_id: e.operation_id, attempt: e.attempt, tool: e.tool, model: row.model || null, provider: row.provider, agent: e.agent,
      tokens_total: row.tokens.input + row.tokens.cache_read + row.tokens.output, recorded_at: e.recorded_at,
    })),
  };
  if (bucket !== 'all') answer.groups = table(records, by, 'all');
  return answer;
}

/** A budget as `GET /api/budgets` has it. */
export function budget(more = {}) {
  const now = new Date();
  const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
  return {
    scope: 'all', name: null, period: 'month', type: 'hard', limit_nano_usd: 60_000_000_000, spent_nano_usd: 31_204_118_220, reserved_nano_usd: 1_250_000_000,
    used_percent: 54, threshold_percent: 80, policy: 'default', timezone: 'UTC', setting: 'policies.default.budgets[0]', resets_at: new Date(end).toISOString(), ...more,
  };
}

const rates = (input, output, cacheRead = null) => ({
  input_pico_usd: input, cache_read_pico_usd: cacheRead, cache_write_5m_pico_usd: null, cache_write_1h_pico_usd: null, output_pico_usd: output, reasoning_pico_usd: null,
});

const price = (model, provider, input, output, more = {}) => ({
  id: `catalogue:${provider}:${model}:2026-01-01:0123456789ab`, source: 'catalogue', table: 'genai-prices 0.2.1', provider, model,
  valid_from: '2026-02-05T00:00:00.000Z', valid_to: null, hours: null, rates: rates(input, output, input / 10), tiers: [], web_search_pico_usd: null,
  request_pico_usd: null, modes: [], note: null, ...more,
});

const stats = (operations, all, more = {}) => ({
  operations, selected_permille: Math.floor((operations * 1_000) / all), complete: operations - 3, failed: 2, stopped: 1,
  success_permille: Math.floor(((operations - 3) * 1_000) / (operations - 1)), p50_ms: 184_200, p95_ms: 911_000, first_output_p50_ms: 2_140,
  tokens_per_s_milli: 48_210, tokens: 18_204_331, cost_nano_usd: 21_408_221_004, cost_each_nano_usd: 152_915_864, cost_unknown: 0, retries: 4,
  fallbacks_from: 3, fallbacks_to: 1, ...more,
});

/** A model as `GET /api/models` has it. */
export const model = (name, provider, more = {}) => ({
  model: name, provider, configured: false, aliases: null, context_window: 200_000, deprecated: false, superseded_by: null, retired: false, broken: null,
  note: null, price: null, price_missing: 'unknown_model', offered_by: [], stats: null, reasons: [], last_used_at: null, ...more,
});

function models() {
  const ago = (ms) => new Date(Date.now() - ms).toISOString();
  return [
    model('claude-opus-4-6', 'anthropic', {
      configured: true, aliases: ['opus'], context_window: 1_000_000, price_missing: null,
      price: price('claude-opus-4-6', 'anthropic', 5_000_000, 25_000_000, {
        tiers: [{ above_input_tokens: 200_000, applies_to: 'request', rates: rates(10_000_000, 37_500_000) }], web_search_pico_usd: 10_000_000_000, modes: ['batch', 'priority'],
      }),
      offered_by: [{ tool: 'claude', configured: true, operations: 140, reason: null }, { tool: 'old-wrapper', configured: true, operations: 0, reason: 'deprecated' }],
      stats: stats(140, 311), reasons: [{ code: 'preferred', count: 97 }, { code: 'first_installed', count: 31 }, { code: 'requested', count: 12 }], last_used_at: ago(40_000),
    }),
    model('gpt-5.2-codex', 'openai', {
      price: price('gpt-5.2-codex', 'openai', 1_750_000, 14_000_000), price_missing: null, context_window: 400_000,
      offered_by: [{ tool: 'codex', configured: false, operations: 102, reason: null }],
      stats: stats(102, 311, { failed: 14, complete: 86, stopped: 2, success_permille: 860, p50_ms: 92_400, p95_ms: 402_000, first_output_p50_ms: 1_204, tokens_per_s_milli: 71_030, cost_nano_usd: 9_220_118_400, cost_each_nano_usd: 90_393_317, tokens: 9_120_004 }),
      reasons: [{ code: 'fallback', count: 60 }, { code: 'cheaper', count: 42 }], last_used_at: ago(12 * 60_000),
    }),
    model('claude-haiku-4-5', 'anthropic', {
      price: price('claude-haiku-4-5', 'anthropic', 1_000_000, 5_000_000), price_missing: null,
      offered_by: [{ tool: 'claude', configured: true, operations: 64, reason: null }],
      stats: stats(64, 311, { p50_ms: 18_200, p95_ms: 61_000, first_output_p50_ms: 640, tokens_per_s_milli: 142_900, cost_nano_usd: 402_118_400, cost_each_nano_usd: 6_283_100, tokens: 2_120_004 }),
      reasons: [{ code: 'small_prompt', count: 64 }], last_used_at: ago(3 * HOUR),
    }),
    model(null, 'ollama', { context_window: null, price_missing: 'unknown_model', offered_by: [{ tool: 'ollama', configured: false, operations: 5, reason: null }], stats: stats(5, 311, { cost_nano_usd: 0, cost_each_nano_usd: null, cost_unknown: 5, first_output_p50_ms: null, tokens_per_s_milli: null }), last_used_at: ago(2 * DAY) }),
    model('gpt-4o', 'openai', { configured: true, retired: true, superseded_by: 'gpt-5.2-codex', price: price('gpt-4o', 'openai', 2_500_000, 10_000_000), price_missing: null, offered_by: [{ tool: 'codex', configured: true, operations: 0, reason: null }] }),
  ];
}

/** @param {any} s the stand-in */
export function begin(s) {
  s.attempts = ledger(Date.now());
  s.models = models();
}

export function handle(s, { request, response, url }) {
  if (request.method !== 'GET') return false;
  if (url.pathname === '/api/costs') {
    if (s.costsFail) s.json(response, s.costsFail.status, s.costsFail);
    else s.json(response, 200, costs(s, url.searchParams));
  } else if (url.pathname === '/api/models') {
    const q = (url.searchParams.get('q') ?? '').toLowerCase();
    s.modelsAsked = url.searchParams.toString();
    const found = s.models.filter((m) => (m.model ?? '').toLowerCase().includes(q));
    s.json(response, 200, { since: null, now: new Date().toISOString(), operations: s.models.length === 0 ? 0 : 311, truncated: false, price_table: 'genai-prices 0.2.1', omitted: 0, models: found });
  } else return false;
  return true;
}

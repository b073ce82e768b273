// What the Live screen and the detail of an operation ask for, beside the operations themselves.

const COUNTS = { inbox: 0, assigned: 0, done: 0, total: 0, in_progress: 0, blocked: 0, error: 0, invalid: 0, drift: 0, archived: 0, frozen: 0 };

/** A budget as the daemon tells it. */
export const budget = (more) => ({
  scope: 'all', name: null, period: 'day', type: 'soft', limit_nano_usd: 10_000_000_000, spent_nano_usd: 0, reserved_nano_usd: 0,
  used_percent: 0, threshold_percent: 80, policy: 'default', timezone: 'UTC', setting: 'policies.default.budgets.0', resets_at: null, ...more,
});

/** A server in short, as the daemon tells it. */
export const server = (name, state, more) => ({
  name, state, health: state === 'running' ? 'healthy' : 'unknown', reasons: [], transport: 'stdio', target: `npx ${name}`, package: null, note: null,
  tags: [], auto_start: true, desired: 'configured', pid: null, started_at: null, uptime_ms: null, restarts: 0, next_start_at: null, tools_count: 0,
  context_tokens_estimate: 0, last_error: null, last_check: null, usage: null, ...more,
});

/** One row of the ledger as the daemon tells it. */
export const ledgerRow = (more) => ({
  model: 'claude-opus-4-6', provider: 'anthropic', tokens: {}, usage_source: 'reported', cost_pico_usd: 412_351_250_000, basis: 'computed',
  source: 'catalogue', computed_pico_usd: 412_351_250_000, reported_pico_usd: null, price_row: 'anthropic/claude-opus-4-6', price_valid_from: '2026-02-05T00:00:00.000Z',
  lines: [
    { class: 'input', count: 2_310, price_pico_usd: 5_000_000, tier_above: null, factor: null, amount_pico_usd: 11_550_000_000, derived: false },
    { class: 'cache_read', count: 148_220, price_pico_usd: 500_000, tier_above: null, factor: null, amount_pico_usd: 74_110_000_000, derived: false },
    { class: 'cache_write_5m', count: 21_904, price_pico_usd: 6_250_000, tier_above: 200_000, factor: 'batch 0.5', amount_pico_usd: 136_900_000_000, derived: true },
    { class: 'output', count: 7_591, price_pico_usd: 25_000_000, tier_above: null, factor: null, amount_pico_usd: 189_775_000_000, derived: false },
    { class: 'web_search', count: 2, price_pico_usd: 10_000_000_000, tier_above: null, factor: null, amount_pico_usd: 20_000_000_000, derived: false },
  ],
  ...more,
});

/** What `GET /api/operations/{id}/cost` answers. */
export const explained = (id, rows, more) => ({
  operation_id: id,
  attempts: [{
    operation_id: id, attempt: 1, tool: 'claude', provider: 'anthropic', agent: 'reviewer', project: null, task_type: null, task_id: null, policy: 'default',
    started_at: new Date().toISOString(), recorded_at: new Date().toISOString(), rows, cost_nano_usd: 412_351_250, drift: null, ...more,
  }],
  cost_pico_usd: rows.reduce((sum, row) => sum + (row.cost_pico_usd ?? 0), 0),
  cost_nano_usd: 412_351_250,
  unknown: rows.some((row) => row.cost_pico_usd === null),
});

/** Figures for the demo scene. */
export function demo(s, id) {
  s.costs = { ...s.costs, today_nano_usd: 7_914_204_800, month_nano_usd: 142_310_442_000, total_nano_usd: 812_004_113_250 };
  s.budgets = [
    budget({ spent_nano_usd: 7_914_204_800, reserved_nano_usd: 450_000_000, used_percent: 83 }),
    budget({ period: 'month', limit_nano_usd: 200_000_000_000, spent_nano_usd: 142_310_442_000, used_percent: 71 }),
    budget({ scope: 'agent', name: 'reviewer', type: 'hard', limit_nano_usd: 2_000_000_000, spent_nano_usd: 2_004_000_000, used_percent: 100 }),
  ];
  s.taskCounts = { ...COUNTS, inbox: 6, assigned: 9, done: 31, total: 46, in_progress: 4, blocked: 2, archived: 120 };
  s.servers = [
    server('github', 'running', { tools_count: 41 }), server('jira', 'crash_loop', { last_error: 'exited with 1 three times in 60 s' }),
    server('postgres', 'needs_authentication'), server('docs', 'running', { tools_count: 4 }),
  ];
  s.ledger.set(id, explained(id, [ledgerRow(), ledgerRow({ model: 'claude-haiku-4-5', cost_pico_usd: null, usage_source: 'estimated', basis: 'unknown', source: 'none', price_row: null, price_valid_from: null, lines: [] })], { drift: { ours_pico_usd: 412_351_250_000, theirs_pico_usd: 413_555_250_000 } }));
}

export function begin(s) {
  s.budgets = [];
  s.costs = { today: 0, month: 0, total: 0, today_nano_usd: 0, month_nano_usd: 0, total_nano_usd: 0, timezone: 'UTC' };
  s.taskCounts = { ...COUNTS };
  s.servers = [];
  s.ledger = new Map();
  s.retries = [];
}

export function handle(s, { request, response, url, message }) {
  const [, , what, id, verb] = url.pathname.split('/').map(decodeURIComponent);
  const get = request.method === 'GET';
  if (get && url.pathname === '/api/budgets') s.json(response, 200, s.budgets);
  else if (get && url.pathname === '/api/stats') s.json(response, 200, { tasks: s.taskCounts, costs: s.costs, timestamp: new Date().toISOString() });
  else if (get && url.pathname === '/api/mcp/servers') s.json(response, 200, { servers: s.servers, summary: {} });
  else if (what === 'operations' && get && verb === 'events') s.json(response, 200, s.facts(id));
  else if (what === 'operations' && get && verb === 'cost') s.json(response, 200, s.ledger.get(id) ?? none(id));
  else if (what === 'operations' && !get && verb === 'budget') setBudget(s, response, id, message);
  else if (what === 'operations' && !get && verb === 'queue') changeQueue(s, response, id, message);
  else if (what === 'operations' && !get && verb === 'retry') retry(s, response, id, message);
  else return false;
  return true;
}

const none = (id) => ({ operation_id: id, attempts: [], cost_pico_usd: 0, cost_nano_usd: 0, unknown: false });

function setBudget(s, response, id, { max_cost_nano_usd: limit }) {
  const op = s.state.operations.get(id);
  if (!op?.ended_at && op) {
    if (limit === 1_000_000) return s.json(response, 409, { error: 'the day budget does not carry it', code: 'budget_refused' });
    s.publish('budget.changed', { operation_id: id, max_cost_nano_usd: limit });
    return s.json(response, 200, s.state.operations.get(id));
  }
  return s.json(response, 409, { error: `operation ${id} has already ended`, code: 'operation_ended' });
}

/** As `llmctl retry` does it: a prompt that is in no file has to be given. */
function retry(s, response, id, { model = null, prompt = null }) {
  const op = s.state.operations.get(id);
  if (!op) return s.json(response, 404, { error: `there is no operation ${id}`, code: 'operation_not_found' });
  if (model === 'nothing-like-it') {
    return s.json(response, 422, { error: 'no candidate can take it', code: 'no_candidate', hint: 'llmctl models' });
  }
  if (op.prompt.file === null && prompt === null) {
    return s.json(response, 400, { error: 'its prompt did not come from a file, and prompts are not kept', code: 'invalid_value', hint: 'give it again with --prompt' });
  }
  s.retries.push({ id, model, prompt });
  const again = `exec-06kz${String(s.retries.length).padStart(4, '0')}tz4m8wq2`;
  const { tool, provider, agent, cwd } = op;
  s.publish('execution.start', {
    operation_id: again, attempt: 1, tool, model: model ?? op.model, provider, mode: 'cli', agent, task_type: null, cwd, pid: 41_000,
    prompt: op.prompt, command: [tool], max_cost_nano_usd: null, retry_of: id, started_at: new Date().toISOString(),
  });
  return s.json(response, 202, { success: true, operation_id: again });
}

function changeQueue(s, response, id, { priority = null, held = null }) {
  const op = s.state.operations.get(id);
  if (!op?.queue) return s.json(response, 409, { error: `operation ${id} is not queued`, code: 'wrong_state' });
  const place = { ...op.queue, priority: priority ?? op.queue.priority, held: held ?? op.queue.held };
  s.publish('execution.queued', { operation_id: id, ...place, reason: place.held ? 'held' : 'concurrency' });
  return s.json(response, 200, s.state.operations.get(id));
}

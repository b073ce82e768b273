// MCP servers of the stand-in: the answers and events of proto/src/mcp.rs and proto/src/event/mcp.rs, from a small life
// of each server. Scenes: `withServers(s)` has one server in each state, `withMany(s, n)` so many that run.

const MINUTE = 60_000;
const iso = (ms) => new Date(ms).toISOString();

const SCHEMA = {
  type: 'object',
  properties: {
    repository: { type: 'string', description: 'Path of the repository, below the roots that are allowed.' },
    max_count: { type: 'integer', minimum: 1, default: 10, description: 'Commits to give.' },
    format: { enum: ['short', 'full'], description: 'How each is written.' },
    filter: { $ref: '#/$defs/filter' },
  },
  required: ['repository', 'max_count', 'filter'],
  $defs: { filter: { type: 'object', properties: { author: { type: 'string' }, since: { type: ['string', 'null'] } }, required: ['author'] } },
};

export const tool = (name, more = {}) => ({
  name, title: null, description: `What ${name} does, in the server's words.`, input_schema: SCHEMA,
  context_tokens_estimate: 312, calls: 0, errors: 0, total_ms: 0, max_ms: 0, last_error: null, ...more,
});

export function server(name, more = {}) {
  const now = Date.now();
  const state = more.state ?? 'running';
  const open = ['running', 'degraded', 'unhealthy'].includes(state);
  const tools = more.tools ?? (open ? [tool('log'), tool('diff'), tool('status')] : []);
  return {
    name, state, health: state === 'running' ? 'healthy' : open ? state : 'unknown', reasons: [], transport: 'stdio',
    target: `npx -y @example/mcp-${name}`, package: `@example/mcp-${name}`, note: null, tags: [], auto_start: true, desired: 'configured',
    pid: open ? 41_000 + name.length : null, started_at: open ? iso(now - 3 * 60 * MINUTE) : null, uptime_ms: open ? 3 * 60 * MINUTE - 800 : null,
    restarts: 0, next_start_at: null, tools_count: tools.length, context_tokens_estimate: tools.reduce((sum, t) => sum + t.context_tokens_estimate, 0),
    last_error: null,
    last_check: open ? { at: iso(now - 12_000), method: 'ping', ok: state !== 'unhealthy', latency_ms: state === 'unhealthy' ? null : 3.2, failures_in_row: state === 'unhealthy' ? 3 : 0, error: null } : null,
    usage: open ? { at: iso(now - 4_000), cpu_percent: 0.4, rss_bytes: 61_000_000, processes: 2 } : null,
    era: open ? 'legacy' : null, protocol_version: open ? '2025-06-18' : null, server_info: open ? { name: `example-${name}`, version: '1.4.2' } : null,
    capabilities: open ? ['tools', 'resources', 'prompts', 'logging'] : [], instructions: open ? 'Ask for the status first.\nPaths are relative to the roots.' : null,
    tools, resources: open ? [{ uri: 'file:///srv/notes.md', name: 'notes', description: 'What was agreed.', mime_type: 'text/markdown' }] : [],
    prompts: open ? [{ name: 'review', description: 'Reviews a change.', arguments: ['diff', 'style'] }] : [],
    discovered_at: open ? iso(now - 2 * MINUTE) : null, startup_ms: open ? 840 : null, required_tools_missing: [],
    traffic: {
      requests: 412, errors: 3, rx_messages: 420, rx_bytes: 1_204_112, tx_messages: 412, tx_bytes: 88_204, noise_lines: open ? 2 : 0,
      noise_samples: open ? ['npm notice New version available', 'Server listening'] : [], too_long: 0, declined: 1, stderr_bytes: 8_112, stderr_dropped: 0,
    },
    history: [], config: { command: ['npx', '-y', `@example/mcp-${name}`], env: { GIT_TOKEN: '${GIT_TOKEN}' }, auto_start: true },
    origin: '~/.config/llmctl/mcp.yaml:12', log_path: `~/.local/state/llmctl/mcp/${name}.log`, ...more, ...(more.tools ? {} : { tools }),
  };
}

const DETAIL_ONLY = [
  'era', 'protocol_version', 'server_info', 'capabilities', 'instructions', 'tools', 'resources', 'prompts', 'discovered_at', 'startup_ms',
  'required_tools_missing', 'traffic', 'history', 'config', 'origin', 'log_path',
];
export const summary = (full) => Object.fromEntries(Object.entries(full).filter(([key]) => !DETAIL_ONLY.includes(key)));

const TAIL = "\u001b[31mError\u001b[0m: Cannot find module '/srv/mcp/index.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)\n";
export const restart = (more = {}) => ({
  at: iso(Date.now() - 4 * MINUTE), cause: 'exited', message: 'It ended with exit code 1', exit_code: 1, signal: null, uptime_ms: 1_204, era: 'legacy',
  stderr_tail: TAIL, backoff_ms: 2_000, ...more,
});

/** One in each state. */
export function withServers(s) {
  const now = Date.now();
  s.mcp.set('git', server('git', { tools: [tool('log', { calls: 41, errors: 2, total_ms: 4_100, max_ms: 812, last_error: 'not a repository' }), tool('diff', { title: 'Show a difference' }), tool('status'), tool('blame')] }));
  s.mcp.set('filesystem', server('filesystem', { usage: { at: iso(now), cpu_percent: 12.4, rss_bytes: 212_000_000, processes: 3 } }));
  s.mcp.set('jira', server('jira', { state: 'degraded', transport: 'http', target: 'https://mcp.example.com/jira', package: null, pid: null, reasons: ['required tool create_issue is missing', 'its tools/list answers in 4.1 s'], required_tools_missing: ['create_issue'] }));
  s.mcp.set('postgres', server('postgres', { state: 'unhealthy', last_error: 'no answer to ping within 5 s', restarts: 2 }));
  s.mcp.set('browser', server('browser', { state: 'backing_off', next_start_at: iso(now + 14_500), restarts: 3, last_error: 'It ended with exit code 1', history: [restart(), restart({ at: iso(now - 9 * MINUTE), backoff_ms: 1_000 })] }));
  s.mcp.set('slack', server('slack', { state: 'crash_loop', restarts: 5, last_error: 'It ended 5 times within 10 minutes: exit code 1', history: [restart({ backoff_ms: null }), restart({ signal: 9, exit_code: null, cause: 'limit', message: 'Over 512 MB of memory', uptime_ms: 92_000 })] }));
  s.mcp.set('linear', server('linear', { state: 'needs_authentication', transport: 'http', target: 'https://mcp.example.com/linear', package: null, last_error: 'the server answered 401 and wants a bearer token' }));
  s.mcp.set('sentry', server('sentry', { state: 'failed', last_error: 'the program "sentry-mcp" is not there' }));
  s.mcp.set('memory', server('memory', { state: 'manual', auto_start: false, note: 'Only for long sessions' }));
  s.mcp.set('puppeteer', server('puppeteer', { state: 'stopped', desired: 'stopped' }));
  s.mcp.set('time', server('time', { state: 'starting' }));
}

export function withMany(s, count) {
  for (let i = 0; i < count; i += 1) s.mcp.set(`server-${String(i).padStart(3, '0')}`, server(`server-${String(i).padStart(3, '0')}`));
}

const EVERY_STATE = ['running', 'degraded', 'unhealthy', 'backing_off', 'crash_loop', 'needs_authentication', 'failed', 'manual', 'stopped', 'starting', 'stopping'];

/** So many, of every state in turn. */
export function withEveryState(s, count) {
  for (let i = 0; i < count; i += 1) {
    const state = EVERY_STATE[i % EVERY_STATE.length];
    const name = `server-${String(i).padStart(3, '0')}`;
    const wrong = { degraded: { reasons: ['required tool create_issue is missing'] }, backing_off: { next_start_at: iso(Date.now() + 3_600_000) } }[state] ?? {};
    s.mcp.set(name, server(name, { state, auto_start: i % 3 !== 0, last_error: ['crash_loop', 'failed', 'needs_authentication'].includes(state) ? `what happened to ${i}` : null, ...wrong }));
  }
}

export function begin(s) {
  /** @type {Map<string, any>} */ s.mcp = new Map();
  /** What a verb waits for before it is done. @type {(() => Promise<void>)|null} */ s.mcpGate = null;
  s.mcpLogs = new Map();
  s.mcpRefuse = new Map();
  s.mcpWaitMs = 60;
  s.calls_made = [];
}

const OPEN = ['running', 'degraded', 'unhealthy'];
/** Ends that the details of a server tell; `restarts` has all that are kept. */
const TOLD = 20;

const sums = (all) => {
  const open = all.filter((one) => OPEN.includes(one.state));
  return {
    healthy: all.filter((one) => one.state === 'running').length, total: all.length, auto_managed: all.filter((one) => one.auto_start).length,
    total_tools: open.reduce((sum, one) => sum + one.tools_count, 0),
    attention: all.filter((one) => ['degraded', 'unhealthy', 'crash_loop', 'needs_authentication', 'failed'].includes(one.state)).length,
  };
};

function act(s, one, verb) {
  const name = one.name;
  const started = () => {
    const next = { ...server(name), auto_start: one.auto_start, note: one.note, uptime_ms: 0, started_at: iso(Date.now()) };
    s.mcp.set(name, next);
    s.publish('mcp.server.starting', { server_name: name, trigger: 'user', attempt: 1, by: 'page' });
    s.publish('mcp.server.started', { server_name: name, pid: next.pid, transport: next.transport, protocol_version: '2025-06-18', server_info: next.server_info, capabilities: next.capabilities, startup_ms: 812, tools_count: 3, state: 'running' });
  };
  const stopped = () => {
    s.mcp.set(name, server(name, { state: 'stopped', desired: 'stopped', auto_start: one.auto_start, note: one.note }));
    s.publish('mcp.server.stopped', { server_name: name, reason: 'user', exit_code: 0, uptime_ms: 12_000 });
  };
  if (verb === 'stop') stopped();
  else if (verb === 'start') started();
  else if (verb === 'restart') {
    stopped();
    started();
  } else s.publish('mcp.tools.discovered', { server_name: name, tools: [], tools_count: one.tools_count, added: [], removed: [], changed: [] });
}

export function handle(s, { request, response, url, message }) {
  const [, root, area, what, rawName, verb] = url.pathname.split('/').map(decodeURIComponent);
  if (root !== 'api' || area !== 'mcp') return false;
  if (what === 'servers') {
    const all = [...s.mcp.values()];
    s.json(response, 200, { servers: all.map(summary), summary: sums(all) });
    return true;
  }
  const one = s.mcp.get(rawName);
  if (what !== 'server' || !one) {
    s.json(response, 404, { error: `no MCP server is called "${rawName}"`, code: 'server_not_found' });
    return true;
  }
  if (verb === undefined) s.json(response, 200, { ...one, history: one.history.slice(0, TOLD) });
  else if (verb === 'log') s.json(response, 200, { lines: (s.mcpLogs.get(rawName) ?? []).slice(-Number(url.searchParams.get('tail') ?? 500)), path: one.log_path });
  else if (verb === 'restarts') s.json(response, 200, { restarts: one.history });
  else if (request.method !== 'POST') s.json(response, 405, { error: 'Use POST', code: 'method_not_allowed' });
  else void change(s, response, one, verb, message);
  return true;
}

/** A verb, answered when its result is known. */
async function change(s, response, one, verb, message) {
  await (s.mcpGate ? s.mcpGate() : new Promise((done) => setTimeout(done, s.mcpWaitMs)));
  const refusal = s.mcpRefuse.get(`${one.name}/${verb}`);
  if (refusal) return s.json(response, refusal.status ?? 500, refusal.body);
  if (['discover', 'call'].includes(verb) && !OPEN.includes(one.state)) {
    const hint = `start it with \`llmctl mcp start ${one.name}\``;
    return s.json(response, 409, { error: `MCP server "${one.name}" is ${one.state}; ${hint}`, code: 'wrong_state', hint, detail: { state: one.state } });
  }
  if (verb === 'call') return call(s, response, one, message);
  act(s, one, verb);
  const now = s.mcp.get(one.name);
  if (verb !== 'discover') return s.json(response, 200, { status: 'ok', server: summary(now) });
  const { tools, resources, prompts, discovered_at, protocol_version } = now;
  return s.json(response, 200, { server_name: one.name, tools, resources, prompts, discovered_at, protocol_version });
}

function call(s, response, one, message) {
  s.calls_made.push({ server: one.name, ...message });
  if (!one.tools.some((known) => known.name === message.tool)) return s.json(response, 400, { error: `MCP server "${one.name}" has no tool "${message.tool}"`, code: 'bad_tool' });
  const text = `called ${message.tool}`;
  const answer = s.mcpAnswer ?? { is_error: false, text, result: { content: [{ type: 'text', text }] }, duration_ms: 42 };
  return s.json(response, 200, answer);
}

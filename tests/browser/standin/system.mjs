// The daemon about itself, its configuration and its stored facts, as daemon/src/health.rs, web/system.rs and
// web/events.rs tell them.

const LIVE_ONLY = new Set(['execution.progress', 'execution.output', 'cost.update', 'mcp.server.usage']);

const value = (path, text, layer, name, line, about, overridden = []) => ({ path, value: text, origin: { layer, name, line, column: 3 }, overridden, about });

/** Facts of long ago, one a minute, before all that is published. */
export function withPast(s, count, make = (n) => ({ type: 'task.updated', data: { project: 'shop', task_id: `card-${n}`, lane: 'assigned', changed: ['priority'], card: { title: `Card ${n}`, agent: 'dev' } } })) {
  const from = Date.now() - (count + 1) * 60_000;
  for (let n = 1; n <= count; n += 1) s.stored.push({ v: 1, epoch: s.epoch, seq: n, at: new Date(from + n * 60_000).toISOString(), ...make(n) });
  s.seq = count;
}

export function begin(s) {
  /** What the store has, oldest first; the ring forgets sooner. @type {any[]} */ s.stored = [];
  /** What was asked of it. @type {string[]} */ s.eventsAsked = [];
  const publish = s.publish.bind(s);
  s.publish = (...about) => {
    const envelope = publish(...about);
    if (!LIVE_ONLY.has(envelope.type)) s.stored.push(envelope);
    return envelope;
  };
  s.system = {
    status: 'healthy', degraded: [], version: '0.1.0', protocol: 1, pid: 4_711, epoch: s.epoch,
    started_at: new Date(Date.now() - 26 * 3_600_000).toISOString(), uptime_ms: 26 * 3_600_000, memory_bytes: 24_600_000, http_addr: '127.0.0.1:8080',
    gateway: {
      http_addr: '127.0.0.1:8080', sessions: 2, connections: 3, connections_limit: 64, sockets: 2, sockets_limit: 50, resyncs: 1, dropped_frames: 0, shed: 0, refused: 4,
    },
    operations: { running: 3, attached: 3, totals: {} },
    hub: { last_seq: 10_293, published: 10_293, duplicates: 12, waiting: 0, followers: 3 },
    mcp: { healthy: 4, total: 6, auto_managed: 5, total_tools: 41, attention: 1 },
    queues: [
      { name: 'events to the hub', depth: 3, limit: 1_024, dropped: null, when_full: 'the sender waits' },
      { name: 'facts to the store', depth: 0, limit: 1_024, dropped: null, when_full: 'the hub waits' },
      { name: 'frames to browsers', depth: 118, limit: 4_096, dropped: 0, when_full: 'a slow browser starts over' },
    ],
    tasks: {
      state: 'ok', counts: {},
      roots: [
        { project: 'ledger', path: 'work/collaboration', files: 118, state: 'ok', reason: null, last_scan_at: new Date(Date.now() - 40_000).toISOString(), last_scan_us: 4_120, scans: 12, last_event_at: new Date(Date.now() - 50_000).toISOString(), overflows: 0, failures: 0 },
      ],
    },
    store: { state: 'ok', committed: 9_120, commits: 804, failed_commits: 0, waiting: 0, size_bytes: 48_200_000 },
  };
  s.config = {
    values: [
      value('daemon.autostart', 'true', 'catalogue', 'default', 0, 'The first command that wants the daemon starts it.'),
      value('daemon.concurrency.total', '4', 'user', '~/.config/llmctl/daemon.yaml', 7, 'Operations at once, in all.'),
      value('daemon.http.port', '8080', 'catalogue', 'default', 0, 'Its port.'),
      value('daemon.retention.events_days', '14', 'env', 'LLMCTL_DAEMON__RETENTION__EVENTS_DAYS', 0, 'Days events are kept; 0 for ever.', [{ value: '30', origin: { layer: 'user', name: '~/.config/llmctl/daemon.yaml', line: 3, column: 5 } }]),
      value('mcp_servers.git.command', '[npx, -y, "@example/mcp-git"]', 'user', '~/.config/llmctl/mcp.yaml', 3, 'Program and arguments, for stdio.'),
      value('mcp_servers.git.env.GIT_TOKEN', '${GIT_TOKEN}', 'user', '~/.config/llmctl/mcp.yaml', 5, null),
      value('mcp_servers.git.env.OTHER', '(hidden)', 'user', '~/.config/llmctl/mcp.yaml', 6, null),
      value('policies.default.daily_budget_usd', '20.00', 'user', '~/.config/llmctl/policies.yaml', 4, 'Dollars in a day.'),
    ],
    findings: [{ severity: 'warning', code: 'group_writable', path: 'mcp_servers', message: '~/.config/llmctl/mcp.yaml can be written by its group', hint: 'chmod g-w', origin: { layer: 'user', name: '~/.config/llmctl/mcp.yaml', line: 0, column: 0 } }],
    omitted: 0, files: 3,
  };
}

/** Facts one request looks at, as the daemon does; a page may be short, its link goes on behind them. */
const MOST_LOOKED_AT = 20_000;

/** Stored facts before a cursor, newest first. */
function events(s, response, url) {
  s.eventsAsked.push(url.search);
  if (s.eventsFail) return s.json(response, 503, { error: 'The history cannot be read now.', code: 'store_unavailable' });
  const limit = Number(url.searchParams.get('limit') ?? 200);
  const types = (url.searchParams.get('types') ?? '').split(',').filter(Boolean);
  const [operation, text, before] = ['operation', 'q', 'before'].map((name) => url.searchParams.get(name) ?? '');
  const end = before === '' ? Infinity : Number(before.split('-')[1]);
  const wants = (event) =>
    (types.length === 0 || types.some((t) => t === event.type || (t.endsWith('.') && event.type.startsWith(t)))) &&
    (operation === '' || event.data.operation_id === operation) &&
    (text === '' || JSON.stringify(event).toLowerCase().includes(text.toLowerCase()));
  const page = [];
  let [last, lookedAt] = [null, 0];
  for (let n = s.stored.length - 1; n >= 0; n -= 1) {
    const event = s.stored[n];
    if (event.seq >= end) continue;
    if (page.length === limit || lookedAt >= MOST_LOOKED_AT) {
      const more = new URLSearchParams({ limit: String(limit), before: `${last.epoch}-${last.seq}` });
      for (const name of ['types', 'operation', 'q']) if (url.searchParams.has(name)) more.set(name, url.searchParams.get(name));
      return s.json(response, 200, page, { Link: `</api/events?${more}>; rel="next"` });
    }
    lookedAt += 1;
    last = event;
    if (wants(event)) page.push(event);
  }
  return s.json(response, 200, page);
}

export function handle(s, { request, response, url }) {
  if (request.method !== 'GET') return false;
  if (url.pathname === '/api/system') {
    if (s.systemFails) s.json(response, 503, { error: 'The daemon is stopping.', code: 'stopping' });
    else s.json(response, 200, s.system);
  } else if (url.pathname === '/api/config') {
    if (s.configFails) s.json(response, 503, { error: 'The daemon is stopping.', code: 'stopping' });
    else s.json(response, 200, s.config);
  } else if (url.pathname === '/api/events') events(s, response, url);
  else return false;
  return true;
}

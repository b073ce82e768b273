// The daemon about itself, its configuration and its stored facts, as daemon/src/health.rs, web/system.rs and
// web/events.rs tell them.

const LIVE_ONLY = new Set(['execution.progress', 'execution.output', 'cost.update', 'mcp.server.usage']);

const value = (path, text, layer, name, line, about, overridden = []) => ({ path, value: text, origin: { layer, name, line, column: 3 }, overridden, about });

export function begin(s) {
  s.system = {
    status: 'healthy', degraded: [], version: '0.1.0', protocol: 1, pid: 4_711, epoch: s.epoch,
    started_at: new Date(Date.now() - 26 * 3_600_000).toISOString(), uptime_ms: 26 * 3_600_000, memory_bytes: 24_600_000, http_addr: '127.0.0.1:8080',
    gateway: {
      http_addr: '127.0.0.1:8080', sessions: 2, connections: 3, connections_limit: 64, sockets: 2, sockets_limit: 50, resyncs: 1, dropped_frames: 0, shed: 0, refused: 4,
    },
    operations: { running: 3, attached: 3, totals: {} },
    hub: { last_seq: 10_293, published: 10_293, duplicates: 12, waiting: 0, followers: 3 },
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

/** Stored facts before a cursor, newest first. */
function events(s, response, url) {
  const limit = Number(url.searchParams.get('limit') ?? 200);
  const types = (url.searchParams.get('types') ?? '').split(',').filter(Boolean);
  const [operation, text, before] = ['operation', 'q', 'before'].map((name) => url.searchParams.get(name) ?? '');
  const end = before === '' ? Infinity : Number(before.split('-')[1]);
  const facts = (s.older ?? []).concat(s.ring.map((frame) => JSON.parse(frame.json))).filter((event) => !LIVE_ONLY.has(event.type) && event.seq < end).reverse();
  const found = facts.filter(
    (event) =>
      (types.length === 0 || types.some((t) => t === event.type || (t.endsWith('.') && event.type.startsWith(t)))) &&
      (operation === '' || event.data.operation_id === operation) &&
      (text === '' || JSON.stringify(event).toLowerCase().includes(text)),
  );
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const headers = found.length > limit ? { Link: `</api/events?limit=${limit}&before=${last.epoch}-${last.seq}${types.length ? `&types=${types.join(',')}` : ''}>; rel="next"` } : {};
  s.json(response, 200, page, headers);
}

export function handle(s, { request, response, url }) {
  if (request.method !== 'GET') return false;
  if (url.pathname === '/api/system') {
    if (s.systemFails) s.json(response, 503, { error: 'The daemon is stopping.', code: 'stopping' });
    else s.json(response, 200, s.system);
  } else if (url.pathname === '/api/config') s.json(response, 200, s.config);
  else if (url.pathname === '/api/events') events(s, response, url);
  else return false;
  return true;
}

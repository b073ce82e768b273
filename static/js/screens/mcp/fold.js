// @ts-check
// What events change in a list of servers, how it is filtered and sorted, and its sums. Pure: the time is passed in.
// An event says less than the daemon's answer: what it does not say stays until the list is fetched anew.

import { needsAttention } from '../../states.js';
import { isOpen, stateLook } from './states.js';

/** @typedef {import('./types.js').Server} Server */

/** @param {unknown} value @param {any} other */
const or = (value, other) => (value === undefined || value === null ? other : value);
/** @param {unknown} value @returns {string[]} */
const texts = (value) => (Array.isArray(value) ? value.filter((v) => typeof v === 'string') : []);

/**
 * A server as the daemon tells it, with nothing left out.
 * @param {any} raw
 * @param {number} now
 * @returns {Server}
 */
export function read(raw, now) {
  return {
    name: String(raw.name),
    state: String(or(raw.state, 'stopped')),
    health: String(or(raw.health, 'unknown')),
    reasons: texts(raw.reasons),
    transport: String(or(raw.transport, '')),
    target: String(or(raw.target, '')),
    package: or(raw.package, null),
    note: or(raw.note, null),
    tags: texts(raw.tags),
    auto_start: raw.auto_start === true,
    desired: or(raw.desired, 'configured'),
    pid: or(raw.pid, null),
    started_at: or(raw.started_at, null),
    uptime_ms: or(raw.uptime_ms, null),
    restarts: or(raw.restarts, 0),
    next_start_at: or(raw.next_start_at, null),
    tools_count: or(raw.tools_count, 0),
    context_tokens_estimate: or(raw.context_tokens_estimate, 0),
    last_error: or(raw.last_error, null),
    last_check: or(raw.last_check, null),
    usage: or(raw.usage, null),
    readyAt: typeof raw.uptime_ms === 'number' ? now - raw.uptime_ms : null,
  };
}

const ENDED = { pid: null, started_at: null, uptime_ms: null, readyAt: null, usage: null, health: 'unknown', reasons: [] };

/** @type {Record<string, (server: Server, data: any, at: string) => Partial<Server>>} */
const CHANGES = {
  'mcp.server.starting': () => ({ ...ENDED, state: 'starting', next_start_at: null }),
  'mcp.server.started': (_server, data, at) => ({
    state: String(data.state),
    health: data.state === 'degraded' ? 'degraded' : 'unknown',
    reasons: texts(data.reasons),
    pid: or(data.pid, null),
    started_at: at,
    readyAt: Date.parse(at),
    uptime_ms: 0,
    next_start_at: null,
    last_error: null,
    tools_count: or(data.tools_count, 0),
  }),
  'mcp.server.stopped': () => ({ ...ENDED, state: 'stopped', next_start_at: null }),
  'mcp.server.health_check': (_server, data, at) => ({
    state: String(data.state),
    health: String(data.status),
    reasons: texts(data.reasons),
    last_check: {
      at,
      method: String(data.method),
      ok: data.failures_in_row === 0,
      latency_ms: or(data.latency_ms, null),
      failures_in_row: or(data.failures_in_row, 0),
      error: or(data.error, null),
    },
  }),
  'mcp.server.restarting': (_server, data) => ({ ...ENDED, state: 'backing_off', next_start_at: or(data.next_at, null) }),
  'mcp.server.failed': (_server, data) => ({
    ...ENDED,
    state: String(data.state),
    next_start_at: null,
    last_error: String(or(data.message, '')),
  }),
  'mcp.tools.discovered': (_server, data) => ({ tools_count: or(data.tools_count, 0) }),
  'mcp.server.usage': (_server, data, at) => ({
    pid: or(data.pid, null),
    usage: { at, cpu_percent: data.cpu_percent, rss_bytes: data.rss_bytes, processes: data.processes },
    readyAt: Date.parse(at) - or(data.uptime_ms, 0),
  }),
};

/** Events after which the daemon knows more than they say. @param {string} type */
export const tellsTooLittle = (type) => type !== 'mcp.server.usage' && type !== 'mcp.server.health_check';

/**
 * The servers after an event; the same map when it changes none of them.
 * @param {ReadonlyMap<string, Server>} servers
 * @param {{type: string, at: string, data: any}} envelope
 */
export function apply(servers, envelope) {
  const name = envelope.data?.server_name;
  const server = servers.get(name);
  if (!server || !Object.hasOwn(CHANGES, envelope.type)) return servers;
  return new Map(servers).set(name, { ...server, ...CHANGES[envelope.type](server, envelope.data, envelope.at) });
}

/** Sums, as the daemon adds them up. @param {Iterable<Server>} servers */
export function sums(servers) {
  const sum = { total: 0, healthy: 0, auto: 0, attention: 0, tools: 0, tokens: 0, open: 0 };
  for (const server of servers) {
    sum.total += 1;
    if (server.state === 'running') sum.healthy += 1;
    if (server.auto_start) sum.auto += 1;
    if (needsAttention(server.state)) sum.attention += 1;
    if (!isOpen(server.state)) continue;
    sum.open += 1;
    sum.tools += server.tools_count;
    sum.tokens += server.context_tokens_estimate;
  }
  return sum;
}

/** @type {Record<string, (server: Server) => boolean>} */
const GROUPS = {
  attention: (server) => needsAttention(server.state),
  running: (server) => isOpen(server.state),
  starting: (server) => ['starting', 'backing_off', 'stopping'].includes(server.state),
  stopped: (server) => ['stopped', 'manual', 'failed', 'crash_loop', 'needs_authentication'].includes(server.state),
};

/** @param {Server} server @param {string} group */
export const inGroup = (server, group) => !Object.hasOwn(GROUPS, group) || GROUPS[group](server);

/** Whether every word is somewhere in it. @param {Server} server @param {string} text */
export function matches(server, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const all = [server.name, server.state, stateLook(server.state).label, server.transport, server.target, server.package, server.note]
    .concat(server.tags, server.reasons, server.last_error)
    .join('\n')
    .toLowerCase();
  return words.every((word) => all.includes(word));
}

/** @type {Record<string, (server: Server) => number|string>} */
export const SORTS = {
  name: (server) => server.name,
  state: (server) => stateLook(server.state).rank,
  tools: (server) => -server.tools_count,
  context: (server) => -server.context_tokens_estimate,
  memory: (server) => -(server.usage?.rss_bytes ?? -1),
  cpu: (server) => -(server.usage?.cpu_percent ?? -1),
  uptime: (server) => server.readyAt ?? Infinity,
  check: (server) => -(server.last_check?.latency_ms ?? -1),
};

/** What is shown, in its order. @param {Iterable<Server>} servers @param {{text: string, group: string, sort: string}} wish */
export function arranged(servers, { text, group, sort }) {
  const key = Object.hasOwn(SORTS, sort) ? SORTS[sort] : SORTS.state;
  const found = [...servers].filter((server) => matches(server, text));
  const shown = found.filter((server) => inGroup(server, group));
  const byName = (/** @type {Server} */ a, /** @type {Server} */ b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  shown.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : byName(a, b);
  });
  return { found, shown };
}

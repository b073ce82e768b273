// @ts-check
// What an event is called, to which group it belongs, what it says in one line and where it leads. Pure: every text it
// takes from an event is cleaned where it is shown.

import { brief, bytes, compact, cost, counted, duration, label, whole } from '../../format.js';
import { isOperationId } from '../../state.js';

/** @typedef {{tone: string, icon: string}} Look */

/** @type {{group: string, label: string, types: string[]}[]} */
export const GROUPS = [
  { group: 'all', label: 'All', types: [] },
  { group: 'operations', label: 'Operations', types: ['execution.', 'routing.', 'model.', 'tool.'] },
  { group: 'costs', label: 'Costs', types: ['cost.', 'budget.'] },
  { group: 'tasks', label: 'Tasks', types: ['task.', 'watcher.'] },
  { group: 'mcp', label: 'MCP', types: ['mcp.'] },
  { group: 'daemon', label: 'Daemon', types: ['daemon.', 'config.'] },
];

/** @param {string} group */
export const typesOf = (group) => GROUPS.find((known) => known.group === group)?.types ?? [];

/** @param {string} type @param {readonly string[]} types */
export const hasType = (type, types) => types.length === 0 || types.some((one) => (one.endsWith('.') ? type.startsWith(one) : type === one));

const BAD = new Set(['execution.error', 'execution.lost', 'task.failed', 'task.invalid', 'mcp.server.failed', 'budget.refused']);
const WARNING = new Set(['execution.stopped', 'execution.detached', 'cost.warning', 'watcher.degraded', 'mcp.server.restarting', 'daemon.stopping']);
const GOOD = new Set(['execution.complete', 'task.completed', 'mcp.server.started', 'daemon.started']);
const QUIET = new Set(['execution.progress', 'execution.output', 'cost.update', 'mcp.server.usage', 'mcp.server.health_check']);

/** @param {string} type @param {any} data @returns {string} */
export function tone(type, data) {
  if (type === 'tool.response') return data?.ok === false ? 'red' : 'slate';
  if (type === 'config.reloaded' && data?.applied === false) return 'red';
  if (type === 'watcher.degraded' && data?.recovered === true) return 'green';
  if (type === 'mcp.server.health_check' && data?.status !== 'healthy') return 'amber';
  if (BAD.has(type)) return 'red';
  if (WARNING.has(type)) return 'amber';
  if (GOOD.has(type)) return 'green';
  return QUIET.has(type) ? 'slate' : 'blue';
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '');
/** @param {...unknown} parts */
const line = (...parts) => parts.map(text).filter((part) => part !== '').join(' · ');
/** @param {unknown} n */
const number = (n) => (typeof n === 'number' && Number.isFinite(n) ? n : 0);
/** @param {any} tokens */
const total = (tokens) => number(tokens?.input) + number(tokens?.cache_read) + number(tokens?.cache_write_5m) + number(tokens?.cache_write_1h) + number(tokens?.output);
/** @param {any} data */
const spent = (data) => (data.cost_nano_usd === undefined ? '' : cost(data.cost_nano_usd));

/** @type {Record<string, (data: any) => string>} */
const SAYS = {
  'routing.decision': (d) => line(d.selected ? `${text(d.selected.tool)}:${text(d.selected.model) || 'default'}` : 'nothing usable', d.selected?.reason ?? d.reason),
  'model.selected': (d) => line(d.tool, d.model, d.reason),
  'execution.queued': (d) => line(d.position === undefined ? '' : `place ${number(d.position)}`, label(text(d.reason)), d.limit),
  'execution.start': (d) => line(d.tool, d.model, d.agent, d.attempt > 1 ? `attempt ${number(d.attempt)}` : ''),
  'execution.progress': (d) => line(label(text(d.state)), label(text(d.phase)), `${compact(total(d.tokens))} tokens`, spent(d), duration(d.elapsed_ms)),
  'execution.output': (d) => line(d.stream, bytes(number(d.bytes)), text(d.text).slice(0, 200)),
  'execution.complete': (d) => line(duration(d.duration_ms), `${compact(total(d.tokens))} tokens`, spent(d)),
  'execution.error': (d) => line(d.class, d.message),
  'execution.stopped': (d) => line(`by ${text(d.by)}`, d.reason, spent(d)),
  'execution.detached': (d) => label(text(d.reason)),
  'execution.lost': (d) => label(text(d.reason)),
  'tool.invoked': (d) => line(d.name, d.summary),
  'tool.response': (d) => line(d.ok === false ? 'failed' : 'done', brief(d.duration_ms), d.output_bytes === undefined ? '' : bytes(number(d.output_bytes))),
  'cost.recorded': (d) => line(d.tool, d.model, spent(d)),
  'cost.update': (d) => line(d.today_nano_usd === undefined ? '' : `today ${cost(d.today_nano_usd)}`, d.delta_nano_usd === undefined ? '' : `+${cost(d.delta_nano_usd)}`),
  'cost.warning': (d) => line(d.name, d.scope, label(text(d.level)), d.used_percent === undefined ? '' : `${number(d.used_percent)}% used`),
  'budget.refused': (d) => line(d.name, d.action),
  'budget.changed': (d) => line(d.max_cost_nano_usd === null ? 'no limit' : d.max_cost_nano_usd === undefined ? '' : `limit ${cost(d.max_cost_nano_usd)}`),
  'mcp.server.starting': (d) => line(d.server_name, label(text(d.trigger)), d.attempt > 1 ? `attempt ${number(d.attempt)}` : ''),
  'mcp.server.started': (d) => line(d.server_name, `ready after ${brief(number(d.startup_ms))}`, counted(number(d.tools_count), 'tool')),
  'mcp.server.stopped': (d) => line(d.server_name, label(text(d.reason)), d.exit_code === undefined ? '' : `exit ${number(d.exit_code)}`),
  'mcp.server.health_check': (d) => line(d.server_name, label(text(d.status)), d.latency_ms === undefined ? '' : brief(d.latency_ms), d.error),
  'mcp.server.restarting': (d) => line(d.server_name, label(text(d.cause)), `attempt ${number(d.attempt)} of ${number(d.max_attempts)}`, `in ${brief(number(d.backoff_ms))}`),
  'mcp.server.failed': (d) => line(d.server_name, label(text(d.cause)), d.message),
  'mcp.tools.discovered': (d) => line(d.server_name, counted(number(d.tools_count), 'tool'), d.added?.length > 0 ? `${d.added.length} new` : '', d.removed?.length > 0 ? `${d.removed.length} gone` : ''),
  'mcp.server.usage': (d) => line(d.server_name, bytes(number(d.rss_bytes)), `${number(d.cpu_percent).toFixed(1)}%`),
  'config.reloaded': (d) => line(d.applied ? 'in force' : 'refused', d.changed?.length > 0 ? counted(d.changed.length, 'change') : 'no change', d.errors?.length > 0 ? counted(d.errors.length, 'error') : ''),
  'daemon.started': (d) => line(d.version, `pid ${number(d.pid)}`, `ready after ${brief(number(d.startup_ms))}`, d.previous_end === 'crash' ? 'after a crash' : ''),
  'daemon.stopping': (d) => line(label(text(d.reason)), d.operations_running > 0 ? `${whole(number(d.operations_running))} go on` : ''),
  'watcher.started': (d) => line(d.project, counted(number(d.files), 'file')),
  'watcher.stopped': (d) => line(d.project),
  'watcher.degraded': (d) => line(d.project, d.recovered ? 'as it should be again' : label(text(d.reason)), d.mode, d.message),
};

/** What an event says in one line. @param {string} type @param {any} data */
export function says(type, data) {
  if (data === null || typeof data !== 'object') return '';
  if (Object.hasOwn(SAYS, type)) return SAYS[type](data);
  if (type.startsWith('task.')) {
    const changed = Array.isArray(data.changed) ? data.changed.filter((/** @type {unknown} */ key) => typeof key === 'string').join(', ') : '';
    return line(data.card?.title ?? data.task_id, data.card?.agent, data.lane, data.error ?? data.summary ?? data.message ?? data.problem, changed);
  }
  return '';
}

/**
 * Where an event leads in this page.
 * @param {any} data
 * @returns {{href: string, text: string}|null}
 */
export function target(data) {
  if (data === null || typeof data !== 'object') return null;
  if (isOperationId(data.operation_id)) return { href: `#/operations/${encodeURIComponent(data.operation_id)}`, text: data.operation_id };
  if (typeof data.server_name === 'string') return { href: `#/mcp/${encodeURIComponent(data.server_name)}`, text: data.server_name };
  if (typeof data.task_id === 'string') return { href: `#/tasks/${encodeURIComponent(data.task_id)}`, text: data.task_id };
  return null;
}

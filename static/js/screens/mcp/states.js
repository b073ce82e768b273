// @ts-check
// How states, health and causes of MCP servers are called and coloured, and what may be done in each. Pure.
// Class names come from these tables, never from data.

import { needsAttention } from '../../states.js';

/**
 * @typedef {import('./types.js').Server} Server
 * @typedef {{label: string, tone: string, icon: string, rank: number}} Look `rank`: what needs somebody comes first
 */

/** @type {Record<string, Look>} */
const STATES = {
  failed: { label: 'Failed', tone: 'red', icon: 'error', rank: 0 },
  crash_loop: { label: 'Crash loop', tone: 'red', icon: 'retrying', rank: 0 },
  needs_authentication: { label: 'Needs credentials', tone: 'rose', icon: 'key', rank: 0 },
  unhealthy: { label: 'Unhealthy', tone: 'orange', icon: 'error', rank: 1 },
  degraded: { label: 'Degraded', tone: 'amber', icon: 'error', rank: 1 },
  backing_off: { label: 'Backing off', tone: 'amber', icon: 'queued', rank: 2 },
  starting: { label: 'Starting', tone: 'blue', icon: 'starting', rank: 3 },
  stopping: { label: 'Stopping', tone: 'orange', icon: 'stopping', rank: 3 },
  running: { label: 'Running', tone: 'green', icon: 'running', rank: 4 },
  stopped: { label: 'Stopped', tone: 'grey', icon: 'stopped', rank: 5 },
  manual: { label: 'Manual', tone: 'slate', icon: 'pause', rank: 5 },
};

/** @param {string} state @returns {Look} */
export const stateLook = (state) =>
  Object.hasOwn(STATES, state) ? STATES[state] : { label: 'Unknown', tone: 'slate', icon: 'lost', rank: 6 };

/** @type {Record<string, {label: string, tone: string}>} */
const HEALTH = {
  healthy: { label: 'Healthy', tone: 'green' },
  degraded: { label: 'Degraded', tone: 'amber' },
  unhealthy: { label: 'Unhealthy', tone: 'red' },
  unknown: { label: 'Not asked', tone: 'slate' },
};

/** @param {string} health */
export const healthLook = (health) => (Object.hasOwn(HEALTH, health) ? HEALTH[health] : HEALTH.unknown);

/** @type {Record<string, string>} */
const CAUSES = {
  exited: 'Ended by itself',
  unhealthy: 'Did not answer',
  limit: 'Over its limit',
  user: 'By hand',
  config: 'Configuration changed',
  handshake: 'No handshake',
  session_lost: 'Session lost',
  spawn: 'Could not be started',
  shutdown: 'Daemon stopped',
  daemon_died: 'Daemon died',
  crash_loop: 'Ended too often',
  command_missing: 'Program not found',
  configuration: 'Configuration',
  authentication: 'Credentials',
};

/** @param {string} cause */
export const causeText = (cause) => (Object.hasOwn(CAUSES, cause) ? CAUSES[cause] : 'Unknown cause');

const OPEN = new Set(['running', 'degraded', 'unhealthy']);

/** Whether it can be asked something. @param {string} state */
export const isOpen = (state) => OPEN.has(state);

/** Actions that make sense now. @param {string} state @returns {('start'|'stop'|'restart'|'discover')[]} */
export function actionsOf(state) {
  if (isOpen(state)) return ['stop', 'restart', 'discover'];
  if (state === 'starting' || state === 'backing_off') return ['stop', 'restart'];
  if (state === 'stopping') return [];
  return ['start'];
}

/** @type {Record<string, {label: string, doing: string, icon: string}>} */
export const ACTIONS = {
  start: { label: 'Start', doing: 'Starting…', icon: 'play' },
  stop: { label: 'Stop', doing: 'Stopping…', icon: 'stop' },
  restart: { label: 'Restart', doing: 'Restarting…', icon: 'retrying' },
  discover: { label: 'Discover', doing: 'Asking…', icon: 'search' },
};

/** In one line what is wrong, or what it waits for. @param {Server} server */
export function trouble(server) {
  if (server.reasons.length > 0) return server.reasons.join('; ');
  if (needsAttention(server.state) || server.state === 'backing_off') return server.last_error ?? '';
  return '';
}

// @ts-check
// What is asked for when its tab is opened: the events of an operation and its cost line by line.

import { getCost, getEvents } from '../api/operations.js';

/** Events of one operation that are kept; the daemon gives no more. */
export const EVENTS_KEPT = 1_000;

/** Types that are no events of a timeline. */
const LIVE = new Set(['execution.progress', 'execution.output']);

/**
 * @template T
 * @typedef {{status: 'idle'|'loading'|'ready'|'failed', error: string, value: T|null}} Asked
 */

/** @returns {Asked<any>} */
export const idle = () => ({ status: 'idle', error: '', value: null });

/**
 * What was fetched and what arrived meanwhile, by number.
 * @param {any[]} fetched @param {any[]} live
 */
export function mergeEvents(fetched, live) {
  const all = new Map();
  for (const event of fetched.concat(live)) {
    if (Number.isSafeInteger(event?.seq) && typeof event.type === 'string' && !LIVE.has(event.type)) all.set(event.seq, event);
  }
  return [...all.values()].sort((a, b) => a.seq - b.seq).slice(-EVENTS_KEPT);
}

/**
 * @param {'timeline'|'usage'} what
 * @param {string} id
 * @param {Asked<any>} before
 * @returns {Promise<Asked<any>>}
 */
export async function read(what, id, before) {
  const answer = await (what === 'timeline' ? getEvents(id) : getCost(id));
  if (!answer.ok) {
    // An older daemon has no such address.
    const error = answer.status === 404 ? 'This daemon does not tell it.' : answer.error;
    return before.status === 'ready' ? before : { status: 'failed', error, value: before.value };
  }
  if (what === 'usage') return { status: 'ready', error: '', value: answer.value };
  return { status: 'ready', error: '', value: mergeEvents(Array.isArray(answer.value) ? answer.value : [], before.value ?? []) };
}

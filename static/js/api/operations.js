// @ts-check
// What is asked of one operation beyond its state: its events, its cost line by line, its limit, its place in the queue.

import { call, post } from '../api.js';

/** The daemon says after half of a minute that it does not know. */
const START_WITHIN_MS = 35_000;

/** @param {string} id */
const at = (id) => `/api/operations/${encodeURIComponent(id)}`;

/** The newest stored events, oldest first. @param {string} id */
export const getEvents = (id) => call(`${at(id)}/events`);

/** Every attempt with its rows and their arithmetic. @param {string} id */
export const getCost = (id) => call(`${at(id)}/cost`);

/** @param {string} id @param {number|null} nano null takes the limit away */
export const setBudget = (id, nano) => post(`${at(id)}/budget`, { max_cost_nano_usd: nano });

/** @param {string} id @param {{priority?: number, held?: boolean}} change */
export const changeQueue = (id, change) => post(`${at(id)}/queue`, change);

/** Runs its request again, as a new operation. @param {string} id @param {{model?: string, prompt?: string}} change */
export const retry = (id, change) => post(`${at(id)}/retry`, change, { signal: AbortSignal.timeout(START_WITHIN_MS) });

/** A file of a partial result. @param {string} id @param {string} name */
export const partialPath = (id, name) => `${at(id)}/partial/${encodeURIComponent(name)}`;

/** Files of a partial result that the daemon gives; the prompt is never among them. */
export const GIVEN = new Set(['journal.jsonl', 'output.txt', 'raw.jsonl', 'stderr.txt']);

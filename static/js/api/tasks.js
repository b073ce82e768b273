// @ts-check
// The calls about task files. Answers as `call` of api.js gives them; nothing here throws or touches the page.

import { call, post } from '../api.js';

/** A start of an operation is answered when it is known to have begun, at the latest after 30 s. */
const RUN_MS = 40_000;

/** @param {string} id @param {string} project @param {string} [verb] */
const task = (id, project, verb = '') =>
  `/api/tasks/${encodeURIComponent(id)}${verb === '' ? '' : `/${verb}`}?project=${encodeURIComponent(project)}`;

/** The version that was seen: whoever changes another one is refused. @param {string|null} rev @returns {HeadersInit} */
const seen = (rev) => ({ 'Content-Type': 'application/json', ...(rev === null ? {} : { 'If-Match': `"${rev}"` }) });

/** The whole board, as cards. */
export const board = () => call('/api/tasks?fields=card');

/** One task with its file. @param {string} id @param {string} project */
export const one = (id, project) => call(task(id, project));

/** What is stored of what happened to it, oldest first. @param {string} id @param {string} project */
export const history = (id, project) => call(task(id, project, 'history'));

/**
 * @param {string} id
 * @param {string} project
 * @param {string} verb `claim`, `start`, `complete` and so on
 * @param {object} body
 * @param {string|null} rev
 */
export const act = (id, project, verb, body, rev) => post(task(id, project, verb), body, { headers: seen(rev) });

/** @param {string} id @param {string} project @param {string} priority @param {string|null} rev */
export const setPriority = (id, project, priority, rev) =>
  call(task(id, project, 'priority'), { method: 'PATCH', headers: seen(rev), body: JSON.stringify({ priority }) });

/** @param {string} id @param {string} project @param {object} body @param {string|null} rev */
export const run = (id, project, body, rev) =>
  post(task(id, project, 'run'), body, { headers: seen(rev), signal: AbortSignal.timeout(RUN_MS) });

/** @param {string|null} project @param {object} body */
export const create = (project, body) => post(`/api/tasks${project === null ? '' : `?project=${encodeURIComponent(project)}`}`, body);

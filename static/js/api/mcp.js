// @ts-check
// The calls about MCP servers. Answers as `call` of api.js gives them; nothing here throws or touches the page.

import { call, post } from '../api.js';

/** A start may take the longest configured time, and a stop of what ran before it. */
const ACTION_MS = 130_000;
/** What the daemon needs beside the time a tool may take. */
const SPARE_MS = 10_000;

/** @param {string} name */
const server = (name) => `/api/mcp/server/${encodeURIComponent(name)}`;

/** @param {number} ms @returns {RequestInit} */
const within = (ms) => ({ signal: AbortSignal.timeout(ms) });

/** All servers in short, and their sums. */
export const list = () => call('/api/mcp/servers');

/** One server in full. @param {string} name */
export const detail = (name) => call(server(name));

/** @param {string} name @param {'start'|'stop'|'restart'|'discover'} verb */
export const act = (name, verb) => post(`${server(name)}/${verb}`, {}, within(ACTION_MS));

/** The newest lines of its error stream. @param {string} name @param {number} lines */
export const log = (name, lines) => call(`${server(name)}/log?tail=${lines}`);

/** Ends and restarts, newest first. @param {string} name */
export const restarts = (name) => call(`${server(name)}/restarts`);

/** @param {string} name @param {string} tool @param {object} args @param {number} timeoutMs */
export const callTool = (name, tool, args, timeoutMs) =>
  post(`${server(name)}/call`, { tool, arguments: args, timeout_ms: timeoutMs }, within(timeoutMs + SPARE_MS));

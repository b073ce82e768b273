// @ts-check
// What the screen of MCP servers knows and does: fetching, folding events in, actions with their outcome. No template.
// Bounded: details and log of one server, outcomes of actions until the next one, one call of a tool.

import * as api from '../../api/mcp.js';
import { block, withoutSequences } from '../../plain.js';
import { clean } from '../../format.js';
import { apply, read, tellsTooLittle } from './fold.js';
import { ACTIONS, stateLook } from './states.js';
import { readArguments, skeleton } from './schema.js';

/** What happens in a burst is fetched once. */
const FETCH_AFTER_MS = 1_000;
/** Between two looks at a log that is followed. */
const FOLLOW_MS = 2_000;
/** Lines of a log that are shown. */
export const LOG_LINES = 500;
/** Longest time a tool may be given, in seconds. */
export const LONGEST_CALL_S = 600;

/**
 * @typedef {import('../../screen.js').Ctx} Ctx
 * @typedef {import('./types.js').Server} Server
 * @typedef {import('./types.js').Detail} Detail
 * @typedef {'start'|'stop'|'restart'|'discover'} Verb
 * @typedef {{status: 'idle'|'loading'|'ready'|'failed', error: string, hint: string}} Fetching
 * @typedef {{verb: Verb, error: string, hint: string, tail: string}} Outcome
 * @typedef {object} Call
 * @property {string} tool
 * @property {string} text arguments as typed
 * @property {number} seconds
 * @property {string} problem
 * @property {'idle'|'running'|'done'|'failed'} status
 * @property {any} answer
 * @property {{error: string, hint: string, tail: string}|null} failure
 */

/** @returns {Fetching} */
const idle = () => ({ status: 'idle', error: '', hint: '' });

const noLog = () => ({ ...idle(), lines: /** @type {string[]} */ ([]), path: '', follow: false });

/** Everything that is shown. */
export const model = {
  list: idle(),
  /** @type {ReadonlyMap<string, Server>} */ servers: new Map(),
  /** @type {string|null} */ name: null,
  about: idle(),
  /** @type {Detail|null} */ detail: null,
  /** @type {import('./types.js').Restart[]|null} all that are kept; the details have the newest 20 */ restarts: null,
  log: noLog(),
  /** @type {ReadonlyMap<string, Verb>} */ pending: new Map(),
  /** @type {ReadonlyMap<string, Outcome>} */ outcomes: new Map(),
  /** @type {ReadonlySet<string>} tools whose schema is open */ open: new Set(),
  /** @type {Call|null} */ call: null,
};

/** @type {Ctx|null} */
let ctx = null;
let listTimer = 0;
let detailTimer = 0;
let followTimer = 0;
let tickTimer = 0;

const draw = () => ctx?.schedule();
const now = () => ctx?.now() ?? Date.now();

/** A text of the daemon for a notice or an outcome. @param {unknown} text */
export const words = (text) => block(withoutSequences(text), 4_096);

/** @param {any} answer @returns {{error: string, hint: string, tail: string}} */
const failureOf = (answer) => ({
  error: words(answer.error),
  hint: clean(answer.hint, 300),
  tail: words(answer.value?.stderr_tail ?? answer.value?.detail?.stderr_tail ?? ''),
});

/** @param {Ctx} given @param {string|null} name */
export function enter(given, name) {
  const first = ctx === null;
  ctx = given;
  if (first) {
    void fetchList();
    tick();
  }
  if (name !== model.name) select(name);
}

export function leave() {
  ctx = null;
  [listTimer, detailTimer, followTimer, tickTimer].forEach(clearTimeout);
  listTimer = detailTimer = followTimer = tickTimer = 0;
  Object.assign(model, { name: null, detail: null, restarts: null, about: idle(), open: new Set(), call: null, outcomes: new Map() });
  // What happens from now on is not seen: the next look begins anew.
  model.list = idle();
  model.log = noLog();
}

/** @param {string|null} name */
function select(name) {
  clearTimeout(detailTimer);
  clearTimeout(followTimer);
  detailTimer = followTimer = 0;
  Object.assign(model, { name, detail: null, restarts: null, about: idle(), open: new Set(), call: null });
  model.log = noLog();
  if (name !== null) void fetchDetail();
}

/** Fetches everything that is shown, anew. */
export function again() {
  void fetchList();
  if (model.name !== null) void fetchDetail();
  if (model.restarts !== null) void fetchRestarts();
}

async function fetchList() {
  clearTimeout(listTimer);
  listTimer = 0;
  if (model.list.status !== 'ready') model.list = { ...idle(), status: 'loading' };
  const asked = ctx;
  const answer = await api.list();
  if (ctx === null || ctx !== asked) return;
  if (!answer.ok) model.list = { status: 'failed', error: words(answer.error), hint: clean(answer.hint, 200) };
  else {
    const raw = Array.isArray(answer.value?.servers) ? answer.value.servers : [];
    const at = now();
    model.servers = new Map(raw.map((/** @type {any} */ one) => [String(one.name), read(one, at)]));
    model.list = { ...idle(), status: 'ready' };
  }
  draw();
}

async function fetchDetail() {
  clearTimeout(detailTimer);
  detailTimer = 0;
  const name = model.name;
  if (name === null) return;
  if (model.detail === null) model.about = { ...idle(), status: 'loading' };
  const answer = await api.detail(name);
  if (ctx === null || model.name !== name) return;
  if (!answer.ok) {
    const status = answer.status === 404 ? `There is no server ${clean(name, 100)}` : words(answer.error);
    model.about = { status: 'failed', error: status, hint: clean(answer.hint, 200) };
    if (answer.status === 404) model.detail = null;
  } else {
    model.detail = answer.value;
    model.about = { ...idle(), status: 'ready' };
    model.servers = new Map(model.servers).set(name, read(answer.value, now()));
  }
  draw();
}

export async function fetchRestarts() {
  const name = model.name;
  if (name === null) return;
  const answer = await api.restarts(name);
  if (ctx === null || model.name !== name) return;
  if (answer.ok) model.restarts = Array.isArray(answer.value?.restarts) ? answer.value.restarts : [];
  else ctx.notify(words(answer.error), clean(answer.hint, 200));
  draw();
}

/** @param {any} envelope */
export function event(envelope) {
  if (envelope.type === 'config.reloaded') soon();
  if (!envelope.type.startsWith('mcp.')) return;
  const known = model.servers.has(envelope.data?.server_name);
  const before = model.servers;
  model.servers = apply(before, envelope);
  if (tellsTooLittle(envelope.type) || !known) soon();
  const own = envelope.data?.server_name === model.name;
  if (own && envelope.type === 'mcp.server.usage' && model.detail) {
    const { requests, errors } = envelope.data;
    model.detail = { ...model.detail, traffic: { ...model.detail.traffic, requests, errors } };
  }
  if (own && tellsTooLittle(envelope.type)) soonDetail();
  if (model.servers !== before) {
    tell(before.get(envelope.data.server_name), model.servers.get(envelope.data.server_name));
    tick();
    draw();
  }
}

/** A change of state, for a screen reader. @param {Server|undefined} before @param {Server|undefined} after */
function tell(before, after) {
  if (before && after && before.state !== after.state) ctx?.announce(`${clean(after.name, 60)}: ${stateLook(after.state).label}`);
}

function soon() {
  if (listTimer === 0) listTimer = window.setTimeout(() => void fetchList(), FETCH_AFTER_MS);
}

function soonDetail() {
  if (detailTimer === 0) detailTimer = window.setTimeout(() => void fetchDetail(), FETCH_AFTER_MS);
}

/** Draws each second while something counts down, else every 15 seconds for the ages. */
function tick() {
  clearTimeout(tickTimer);
  if (ctx === null) return;
  const counts = [...model.servers.values()].some((server) => server.state === 'backing_off' && server.next_start_at !== null);
  tickTimer = window.setTimeout(() => {
    if (document.visibilityState === 'visible') draw();
    tick();
  }, counts || model.call?.status === 'running' ? 1_000 : 15_000);
}

/** @param {string} name @param {Verb} verb */
export async function act(name, verb) {
  if (model.pending.has(name)) return;
  model.pending = new Map(model.pending).set(name, verb);
  model.outcomes = without(model.outcomes, name);
  draw();
  const answer = await api.act(name, verb);
  model.pending = without(model.pending, name);
  if (ctx === null) return;
  if (answer.ok) {
    const server = answer.value?.server;
    if (server?.name === name) model.servers = new Map(model.servers).set(name, read(server, now()));
    ctx.announce(`${clean(name, 60)}: ${ACTIONS[verb].label} done`);
    soon();
    if (model.name === name) void fetchDetail();
  } else {
    const failure = failureOf(answer);
    model.outcomes = new Map(model.outcomes).set(name, { verb, ...failure });
    ctx.notify(`${ACTIONS[verb].label} ${clean(name, 60)}: ${clean(failure.error, 300)}`, failure.hint);
    soon();
    if (model.name === name) soonDetail();
  }
  draw();
}

/** @param {string} name */
export function dismiss(name) {
  model.outcomes = without(model.outcomes, name);
  draw();
}

/** @template V @param {ReadonlyMap<string, V>} map @param {string} key */
function without(map, key) {
  const next = new Map(map);
  next.delete(key);
  return next;
}

/** @param {string} tool */
export function toggle(tool) {
  const open = new Set(model.open);
  if (!open.delete(tool)) open.add(tool);
  model.open = open;
  draw();
}

// --- log ---

export async function fetchLog() {
  clearTimeout(followTimer);
  followTimer = 0;
  const name = model.name;
  if (name === null) return;
  if (model.log.status === 'idle') model.log = { ...model.log, status: 'loading' };
  const answer = await api.log(name, LOG_LINES);
  if (ctx === null || model.name !== name) return;
  if (!answer.ok) model.log = { ...model.log, status: 'failed', error: words(answer.error), hint: clean(answer.hint, 200) };
  else {
    /** @type {string[]} */
    const lines = Array.isArray(answer.value?.lines) ? answer.value.lines.map(String).slice(-LOG_LINES) : [];
    const same = lines.length === model.log.lines.length && lines.every((line, i) => line === model.log.lines[i]);
    model.log = { ...model.log, ...idle(), status: 'ready', lines: same ? model.log.lines : lines, path: String(answer.value?.path ?? '') };
  }
  if (model.log.follow) followTimer = window.setTimeout(look, FOLLOW_MS);
  draw();
}

/** Nobody sees a hidden tab: the look is put off, not taken. */
function look() {
  if (!model.log.follow || ctx === null) return;
  if (document.visibilityState === 'visible') void fetchLog();
  else followTimer = window.setTimeout(look, FOLLOW_MS);
}

/** @param {boolean} on */
export function follow(on) {
  if (model.log.follow === on) return;
  model.log = { ...model.log, follow: on };
  clearTimeout(followTimer);
  followTimer = 0;
  if (on) void fetchLog();
  draw();
}

// --- calling a tool ---

/** @param {import('./types.js').Tool|null} tool */
export function offerCall(tool) {
  model.call = tool && {
    tool: tool.name,
    text: skeleton(tool.input_schema),
    seconds: 30,
    problem: '',
    status: 'idle',
    answer: null,
    failure: null,
  };
  draw();
}

/** @param {Partial<Call>} change */
export function editCall(change) {
  if (!model.call) return;
  const tool = toolOf(model.call.tool);
  const next = { ...model.call, ...change };
  const checked = readArguments(next.text, tool?.input_schema);
  model.call = { ...next, problem: checked.ok ? '' : clean(checked.problem, 300) };
  draw();
}

/** @param {string} name */
const toolOf = (name) => model.detail?.tools.find((tool) => tool.name === name) ?? null;

export async function runCall() {
  const { call, name } = model;
  if (!call || name === null || call.status === 'running') return;
  const checked = readArguments(call.text, toolOf(call.tool)?.input_schema);
  if (!checked.ok) {
    editCall({});
    return;
  }
  const started = { ...call, problem: '', status: /** @type {const} */ ('running'), answer: null, failure: null };
  model.call = started;
  draw();
  const ms = Math.min(LONGEST_CALL_S, Math.max(1, call.seconds || 30)) * 1_000;
  const answer = await api.callTool(name, call.tool, checked.value, ms);
  if (ctx === null || model.name !== name || model.call?.tool !== call.tool) return;
  model.call = answer.ok
    ? { ...model.call, status: 'done', answer: answer.value }
    : { ...model.call, status: 'failed', failure: failureOf(answer) };
  ctx.announce(answer.ok ? (answer.value?.is_error ? 'The tool reports an error' : 'The tool has answered') : 'The call failed');
  soonDetail();
  draw();
}

// @ts-check
// How states, phases and verdicts are called and coloured. Class names come from these tables, never from data.

import { brief, clock } from './format.js';
import { isFinal } from './state.js';

/** @typedef {import('./state.js').Operation} Operation */

/** @type {Record<string, {label: string, tone: string, icon: string}>} */
const STATES = {
  submitted: { label: 'Submitted', tone: 'slate', icon: 'submitted' },
  queued: { label: 'Queued', tone: 'slate', icon: 'queued' },
  running: { label: 'Running', tone: 'blue', icon: 'running' },
  paused: { label: 'Paused', tone: 'amber', icon: 'paused' },
  stopping: { label: 'Stopping', tone: 'orange', icon: 'stopping' },
  detached: { label: 'Detached', tone: 'violet', icon: 'detached' },
  complete: { label: 'Complete', tone: 'green', icon: 'complete' },
  error: { label: 'Error', tone: 'red', icon: 'error' },
  stopped: { label: 'Stopped', tone: 'grey', icon: 'stopped' },
  refused: { label: 'Refused', tone: 'orange', icon: 'stopped' },
  lost: { label: 'Lost', tone: 'rose', icon: 'lost' },
};

/** @param {string} state */
export const stateLook = (state) => STATES[state] ?? { label: 'Unknown', tone: 'slate', icon: 'lost' };

/** @type {Record<string, {label: string, icon: string}>} */
const PHASES = {
  starting: { label: 'Starting', icon: 'starting' },
  thinking: { label: 'Thinking', icon: 'thinking' },
  streaming: { label: 'Streaming', icon: 'streaming' },
  tool: { label: 'Using a tool', icon: 'tool' },
  waiting_network: { label: 'Waiting for the network', icon: 'network' },
  retrying: { label: 'Retrying', icon: 'retrying' },
};

/** @param {string|null} phase */
export const phaseLook = (phase) => (phase === null ? null : (PHASES[phase] ?? null));

/** @type {Record<string, {label: string, tone: string}>} */
const VERDICTS = {
  selected: { label: 'Selected', tone: 'green' },
  standby: { label: 'Standby', tone: 'slate' },
  rejected: { label: 'Rejected', tone: 'red' },
};

/** @param {string} verdict */
export const verdictLook = (verdict) => VERDICTS[verdict] ?? { label: 'Unknown', tone: 'slate' };

/** @type {Record<string, string>} */
const BASES = {
  computed: 'Priced by llmctl from the token counts',
  derived: 'Priced by llmctl; the price of one class was derived from another',
  reported: 'As the tool reported it; llmctl has no price for this model',
  unknown: 'Nobody knows: no price, and the tool reported none',
};

/** Why an operation waits, for people. @type {Record<string, string>} */
const WAITS = {
  concurrency: 'all places are taken',
  rate_limit: 'a rate limit is reached',
  held: 'held back',
};

/** Its place in the queue and why it waits. @param {NonNullable<Operation['queue']>} place */
export function placeText(place) {
  const why = WAITS[place.reason] ?? place.reason;
  const limit = place.limit === null ? '' : ` (${place.limit})`;
  return `Place ${place.position}: ${why}${limit}`;
}

/** @param {string} basis */
export const basisText = (basis) => BASES[basis] ?? BASES.unknown;

/** Whether it ended before anything was started, so that it cost nothing. @param {Operation} op */
export const neverRan = (op) => isFinal(op.state) && op.state !== 'lost' && op.started_at === null && op.cost_nano_usd === 0;

/** Where the cost of an operation comes from. @param {Operation} op */
export const costText = (op) => (neverRan(op) ? 'It never ran, and cost nothing' : basisText(op.cost_basis));

/** @type {Record<string, string>} */
const SOURCES = {
  none: 'No counts yet',
  estimated: 'Estimated from the text',
  partial: 'Reported in part',
  reported: 'Reported by the tool',
};

/** @param {string} source */
export const sourceText = (source) => SOURCES[source] ?? SOURCES.none;

/** @type {Record<string, string>} */
const MODES = { cli: 'A program of this machine', http: 'A request to a provider', practice: 'The built-in practice model' };

/** @param {string|null} mode */
export const modeText = (mode) => (mode === null ? '' : (MODES[mode] ?? ''));

/** @type {Record<string, string>} */
const BY = { user: 'the user', budget: 'a cost limit', timeout: 'the time limit', signal: 'a signal' };
/** @type {Record<string, string>} */
const VIA = {
  page: 'from the dashboard',
  cli: 'with llmctl stop',
  terminal: 'at its terminal',
  api: 'over the API',
  runner: 'by its runner',
};
/** @type {Record<string, string>} */
const STEP = {
  interrupt: 'ended on the interrupt',
  terminate: 'ended on the terminate signal',
  kill: 'had to be killed',
};

/** Who stopped it, through what, and how it ended. @param {NonNullable<Operation['stopped']>} stopped */
export function stopText(stopped) {
  const who = BY[stopped.by] ?? 'somebody';
  const via = stopped.by === 'user' ? ` ${VIA[stopped.via] ?? ''}` : '';
  return `Stopped by ${who}${via}; it ${STEP[stopped.step] ?? 'ended'}`;
}

/** @param {Operation} op */
export const canStop = (op) => !isFinal(op.state);
/** @param {Operation} op */
export const canPause = (op) => op.state === 'running';
/** @param {Operation} op */
export const canResume = (op) => op.state === 'paused';

/** @param {Operation} op @param {number} now */
export function elapsedText(op, now) {
  if (!isFinal(op.state)) return clock(elapsedNow(op, now));
  // An operation that was lost before its first report has no duration.
  return op.elapsed_ms === 0 ? '–' : brief(op.elapsed_ms);
}

/** Elapsed time now: what runs goes on between two words from its runner. @param {Operation} op @param {number} now */
export function elapsedNow(op, now) {
  if (isFinal(op.state)) return op.elapsed_ms;
  if (op.started_at === null) return Math.max(0, now - Date.parse(op.submitted_at));
  return Math.max(op.elapsed_ms, now - Date.parse(op.started_at));
}

/** States of an MCP server that somebody should look at, as the daemon counts them: one that backs off helps itself. */
const ATTENTION = new Set(['degraded', 'unhealthy', 'crash_loop', 'needs_authentication', 'failed']);

/** Whether somebody should look at an MCP server. @param {string} state */
export const needsAttention = (state) => ATTENTION.has(state);

// @ts-check
// What the screen of the daemon itself knows: its last word of itself, and its configuration. Looks again every five
// seconds while it is shown and the tab is visible. No template.

import * as api from '../../api/system.js';
import { clean } from '../../format.js';

/** Between two looks. */
export const AGAIN_MS = 5_000;

/** @typedef {{error: string, hint: string}|null} Failure */

const fresh = () => ({
  /** @type {import('./types.js').System|null} */ system: null,
  /** When it was told, by the daemon's clock. */ at: 0,
  /** @type {Failure} */ failed: null,
  /** @type {import('./types.js').Config|null} */ config: null,
  /** @type {Failure} */ configFailed: null,
});

export const model = fresh();

/** @type {import('../../screen.js').Ctx|null} */
let ctx = null;
let timer = 0;
/** Only the last of several looks counts. */
let turn = 0;

/** @param {any} answer @returns {Failure} */
const failure = (answer) => ({ error: clean(answer.error, 300), hint: clean(answer.hint, 200) });

/** @param {import('../../screen.js').Ctx} given */
export function enter(given) {
  if (ctx !== null) return;
  ctx = given;
  again();
}

export function leave() {
  clearTimeout(timer);
  ctx = null;
  turn += 1;
  Object.assign(model, fresh());
}

/** Fetches everything anew. */
export function again() {
  void look();
  void readConfig();
}

async function look() {
  clearTimeout(timer);
  turn += 1;
  const mine = turn;
  const answer = await api.system();
  if (ctx === null || mine !== turn) return;
  if (answer.ok) Object.assign(model, { system: answer.value, at: ctx.now(), failed: null });
  else model.failed = failure(answer);
  timer = window.setTimeout(later, AGAIN_MS);
  ctx.schedule();
}

/** Nobody sees a hidden tab: the look is put off, not taken. */
function later() {
  if (document.visibilityState === 'visible') void look();
  else timer = window.setTimeout(later, AGAIN_MS);
}

async function readConfig() {
  const asked = ctx;
  const answer = await api.config();
  if (ctx === null || ctx !== asked) return;
  if (answer.ok) Object.assign(model, { config: answer.value, configFailed: null });
  else model.configFailed = failure(answer);
  ctx.schedule();
}

/** @param {any} envelope */
export function event(envelope) {
  if (envelope.type === 'config.reloaded') void readConfig();
}

// @ts-check
// What the screen of tasks knows and does: fetching, events, actions with their outcome, the selected card. No template.
// Bounded: one board, the details of one task, one outcome of an action for each card until the next one, at most 50.

import * as api from '../../api/tasks.js';
import { clean } from '../../format.js';
import { block, withoutSequences } from '../../plain.js';
import { apply, keyOf, read, worked } from './fold.js';
import { VERBS } from './verbs.js';

/** What only the whole board tells (stalled, dangling, costs) is fetched again after this, longer for large boards. */
const AGAIN_MS = 3_000;
const AGAIN_LARGE_MS = 20_000;
const LARGE = 2_000;
const DETAIL_MS = 400;
const MAX_OUTCOMES = 50;

/**
 * @typedef {import('../../screen.js').Ctx} Ctx
 * @typedef {import('./fold.js').Board} Board
 * @typedef {import('./fold.js').Card} Card
 * @typedef {{status: 'idle'|'loading'|'ready'|'failed', error: string, hint: string}} Fetching
 * @typedef {{verb: string, error: string, hint: string, values: {key: string, current: string, wanted: string}[]}} Outcome
 * @typedef {{id: string, project: string}} Open
 */

/** @returns {Fetching} */
const idle = () => ({ status: 'idle', error: '', hint: '' });
/** @returns {Board} */
const nothing = () => ({ cards: new Map(), invalid: new Map() });

export const model = {
  list: idle(),
  board: nothing(),
  /** Counts changes of the board, so that columns are arranged only then. */ revision: 0,
  /** @type {Open|null} */ open: null,
  about: idle(),
  /** @type {any} the open task as the daemon gives it */ detail: null,
  /** @type {any[]|null} */ events: null,
  /** @type {string|null} key of the card that keys act on */ selected: null,
  /** @type {string|null} key of the card that is dragged */ dragged: null,
  /** @type {ReadonlyMap<string, string>} verb under way, by key */ pending: new Map(),
  /** @type {ReadonlyMap<string, Outcome>} */ outcomes: new Map(),
};

/** @type {Ctx|null} */
let ctx = null;
let boardTimer = 0;
let detailTimer = 0;
let tickTimer = 0;

const draw = () => ctx?.schedule();
const words = (/** @type {unknown} */ text) => block(withoutSequences(text), 2_048);

/** @param {Board} board */
function keep(board) {
  if (board === model.board) return;
  model.board = board;
  model.revision += 1;
  draw();
}

/** @param {Ctx} given @param {Open|null} open */
export function enter(given, open) {
  const first = ctx === null;
  ctx = given;
  if (first) {
    void fetchBoard();
    tick();
  }
  if (open?.id !== model.open?.id || open?.project !== model.open?.project) select(open);
}

export function leave() {
  ctx = null;
  [boardTimer, detailTimer, tickTimer].forEach(clearTimeout);
  boardTimer = detailTimer = tickTimer = 0;
  Object.assign(model, { board: nothing(), list: idle(), open: null, detail: null, events: null, about: idle(), outcomes: new Map(), dragged: null });
  model.revision += 1;
}

/** Ages go on without an event. */
function tick() {
  tickTimer = window.setTimeout(() => {
    draw();
    tick();
  }, 30_000);
}

/** @param {Open|null} open */
function select(open) {
  clearTimeout(detailTimer);
  detailTimer = 0;
  Object.assign(model, { open, detail: null, events: null, about: idle() });
  if (open === null) return;
  const entry = cardOf(open);
  if (entry) model.selected = entry[0];
  void fetchDetail();
}

/** The card of an address. @param {Open} open @returns {[string, Card]|undefined} */
export const cardOf = (open) => [...model.board.cards].find(([, card]) => card.id === open.id && (open.project === '' || card.project === open.project));

/** Fetches everything that is shown, anew. */
export function again() {
  void fetchBoard();
  if (model.open !== null) void fetchDetail();
}

export async function fetchBoard() {
  clearTimeout(boardTimer);
  boardTimer = 0;
  if (model.list.status !== 'ready') model.list = { ...idle(), status: 'loading' };
  const asked = ctx;
  const before = model.revision;
  const answer = await api.board();
  if (ctx === null || ctx !== asked) return;
  if (!answer.ok) model.list = { status: 'failed', error: words(answer.error), hint: clean(answer.hint, 200) };
  else {
    model.list = { ...idle(), status: 'ready' };
    // What events told meanwhile may be newer than the answer: it is asked once more.
    if (model.revision !== before && model.board.cards.size > 0) soon();
    else keep(read(answer.value));
    if (model.open !== null && model.selected === null) model.selected = cardOf(model.open)?.[0] ?? null;
  }
  draw();
}

async function fetchDetail() {
  clearTimeout(detailTimer);
  detailTimer = 0;
  const open = model.open;
  if (open === null) return;
  if (model.detail === null) model.about = { ...idle(), status: 'loading' };
  const answer = await api.one(open.id, open.project);
  if (ctx === null || model.open !== open) return;
  if (answer.ok) {
    model.detail = answer.value;
    model.about = { ...idle(), status: 'ready' };
  } else {
    model.about = { status: 'failed', error: words(answer.error), hint: clean(answer.hint, 200) };
    if (answer.status === 404) model.detail = null;
  }
  if (model.events !== null) void fetchEvents();
  draw();
}

export async function fetchEvents() {
  const open = model.open;
  if (open === null) return;
  const answer = await api.history(open.id, open.project);
  if (ctx === null || model.open !== open) return;
  model.events = answer.ok && Array.isArray(answer.value?.events) ? answer.value.events : [];
  draw();
}

function soon() {
  const wait = model.board.cards.size > LARGE ? AGAIN_LARGE_MS : AGAIN_MS;
  if (boardTimer === 0) boardTimer = window.setTimeout(() => void fetchBoard(), wait);
}

/** @param {any} envelope */
export function event(envelope) {
  const { type, data } = envelope;
  if (type.startsWith('execution.') && typeof data?.task_id === 'string') {
    keep(worked(model.board, data.task_id, String(data.operation_id), type === 'execution.started' || type === 'execution.submitted'));
    soon();
  }
  if (type === 'watcher.degraded' || type === 'watcher.recovered' || type === 'config.reloaded') soon();
  if (!type.startsWith('task.')) return;
  const before = model.board;
  keep(apply(before, envelope));
  if (before !== model.board && typeof data.from_path === 'string' && model.selected === keyOf(data.project, data.from_path)) {
    model.selected = keyOf(data.project, data.path);
  }
  soon();
  if (model.open !== null && (data.task_id === model.open.id || data.from_task_id === model.open.id) && detailTimer === 0) {
    detailTimer = window.setTimeout(() => void fetchDetail(), DETAIL_MS);
  }
}

/** @param {string} key */
export function dismiss(key) {
  const outcomes = new Map(model.outcomes);
  outcomes.delete(key);
  model.outcomes = outcomes;
  draw();
}

/** @param {string} key @param {string} verb @param {any} answer */
function failed(key, verb, answer) {
  const changed = Array.isArray(answer.value?.detail?.values) ? answer.value.detail.values : [];
  const values = changed.slice(0, 8).map((/** @type {any} */ one) => ({ key: clean(one.key, 60), current: clean(one.current, 200), wanted: clean(one.wanted, 200) }));
  const outcomes = new Map(model.outcomes);
  outcomes.delete(key);
  outcomes.set(key, { verb, error: words(answer.error), hint: clean(answer.hint, 300), values });
  while (outcomes.size > MAX_OUTCOMES) outcomes.delete([...outcomes.keys()][0]);
  model.outcomes = outcomes;
  const text = `${VERBS[verb]?.label ?? verb}: ${words(answer.error)}`;
  if (model.open === null || keyOf(cardOf(model.open)?.[1].project ?? '', cardOf(model.open)?.[1].path ?? '') !== key) ctx?.notify(text, clean(answer.hint, 200));
  ctx?.announce(text);
}

/**
 * Does something to a card, as it was seen: whoever changed it meanwhile is not overwritten.
 * @param {string} key
 * @param {string} verb
 * @param {Record<string, unknown>} body
 */
export async function act(key, verb, body = {}) {
  const card = model.board.cards.get(key);
  if (!card || model.pending.has(key)) return;
  model.pending = new Map(model.pending).set(key, verb);
  dismiss(key);
  // The details are younger than the card when somebody looked at them last.
  const own = model.open?.id === card.id && model.detail?._llmctl?.path === card.path ? model.detail._llmctl.rev : card.rev;
  const rev = typeof own === 'string' && own !== '' ? own : null;
  const answer =
    verb === 'run' ? await api.run(card.id, card.project, body, rev)
    : verb === 'priority' ? await api.setPriority(card.id, card.project, String(body.priority), rev)
    : await api.act(card.id, card.project, verb, body, rev);
  const pending = new Map(model.pending);
  pending.delete(key);
  model.pending = pending;
  if (ctx === null) return;
  if (answer.ok) {
    ctx.announce(`${VERBS[verb]?.label ?? verb}: done`);
    if (verb === 'run') ctx.notify(`${clean(card.title, 80)} has begun`, '', 'info');
  } else {
    failed(key, verb, answer);
    // The card may not be what is shown.
    if (answer.status === 409 || answer.status === 412 || answer.status === 404) void fetchBoard();
  }
  if (model.open?.id === card.id) void fetchDetail();
  draw();
}

/** @param {string|null} project @param {Record<string, unknown>} body @returns {Promise<string|null>} what was wrong */
export async function create(project, body) {
  const answer = await api.create(project, body);
  if (!answer.ok) return `${words(answer.error)}${answer.hint === '' ? '' : ` (${clean(answer.hint, 200)})`}`;
  ctx?.announce('New task');
  return null;
}

// @ts-check
// The board as the page knows it: cards by project and path, changed by events. Pure.

/**
 * @typedef {object} Card a card as the daemon tells it
 * @property {string} id
 * @property {string} project
 * @property {string} path below the project's root of tasks
 * @property {string} title
 * @property {string|null} agent
 * @property {string} lane `inbox`, `assigned` or `done`
 * @property {string} state
 * @property {string|null} status as written in the file
 * @property {string|null} priority as written
 * @property {number} priority_rank 4 critical to 1 low
 * @property {string|null} created
 * @property {string} modified
 * @property {string} rev version of the file
 * @property {string|null} batch
 * @property {string[]} tags
 * @property {string|null} blocked_reason
 * @property {string[]} dependencies the first six
 * @property {number} dependencies_total
 * @property {boolean} drift status and directory disagree
 * @property {string[]} problems
 * @property {number} operations
 * @property {number|null} cost_nano_usd
 * @property {string} [preview]
 * @property {string[]} running operations that work on it now
 * @property {boolean} stalled
 * @property {number} dangling dependencies nobody knows
 *
 * @typedef {object} Invalid a file that cannot be read as a task
 * @property {string} id
 * @property {string} project
 * @property {string} path
 * @property {string} lane
 * @property {string} problem
 * @property {number|null} line
 * @property {number|null} column
 * @property {string} message
 * @property {string|null} title what was recognised
 * @property {string|null} agent
 *
 * @typedef {{cards: ReadonlyMap<string, Card>, invalid: ReadonlyMap<string, Invalid>}} Board
 */

/** What tells two files apart. @param {string} project @param {string} path */
export const keyOf = (project, path) => `${project}\u0000${path}`;

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value : null);
/** @param {unknown} value @returns {string[]} */
const texts = (value) => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
/** @param {unknown} value */
const count = (value) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0);

/** A card with everything in its place, whatever came. @param {any} raw @param {string} project @param {string} path @param {Card} [before] @returns {Card} */
export function card(raw, project, path, before) {
  return {
    id: String(raw.id ?? ''),
    project,
    path,
    title: String(raw.title ?? raw.id ?? ''),
    agent: text(raw.agent),
    lane: String(raw.lane ?? ''),
    state: String(raw.state ?? ''),
    status: text(raw.status),
    priority: text(raw.priority),
    priority_rank: count(raw.priority_rank),
    created: text(raw.created),
    modified: String(raw.modified ?? ''),
    rev: String(raw.rev ?? ''),
    batch: text(raw.batch),
    tags: texts(raw.tags),
    blocked_reason: text(raw.blocked_reason),
    dependencies: texts(raw.dependencies),
    dependencies_total: count(raw.dependencies_total),
    drift: raw.drift === true,
    problems: texts(raw.problems),
    operations: Math.max(count(raw.operations), before?.operations ?? 0),
    cost_nano_usd: typeof raw.cost_nano_usd === 'number' ? raw.cost_nano_usd : (before?.cost_nano_usd ?? null),
    preview: text(raw.preview) ?? undefined,
    // What only the whole board tells is kept from it until it is fetched again.
    running: Array.isArray(raw.running) ? texts(raw.running) : (before?.running ?? []),
    stalled: typeof raw.stalled === 'boolean' ? raw.stalled : false,
    dangling: typeof raw.dangling === 'number' ? raw.dangling : (before?.dangling ?? 0),
  };
}

/** @param {any} raw @returns {Invalid} */
function invalid(raw) {
  const salvage = raw.salvage ?? raw;
  return {
    id: String(raw.id ?? raw.task_id ?? ''),
    project: String(raw.project ?? ''),
    path: String(raw.path ?? ''),
    lane: String(raw.lane ?? ''),
    problem: String(raw.problem ?? ''),
    line: typeof raw.line === 'number' ? raw.line : null,
    column: typeof raw.column === 'number' ? raw.column : null,
    message: String(raw.message ?? ''),
    title: text(salvage.title),
    agent: text(salvage.agent),
  };
}

/** The board of `/api/tasks`. @param {any} body @returns {Board} */
export function read(body) {
  const lists = [body?.inbox, ...Object.values(body?.assigned ?? {}), ...Object.values(body?.done ?? {}), ...Object.values(body?.error ?? {})];
  const cards = new Map();
  for (const raw of lists.filter(Array.isArray).flat()) {
    const one = card(raw, String(raw.project ?? ''), String(raw.path ?? ''));
    cards.set(keyOf(one.project, one.path), one);
  }
  const wrong = Array.isArray(body?.invalid) ? body.invalid.map(invalid) : [];
  return { cards, invalid: new Map(wrong.map((/** @type {Invalid} */ one) => [keyOf(one.project, one.path), one])) };
}

/** The board after an event; the same object when the event is not about it. @param {Board} board @param {any} envelope @returns {Board} */
export function apply(board, envelope) {
  const type = String(envelope?.type ?? '');
  const data = envelope?.data;
  if (!type.startsWith('task.') || typeof data?.project !== 'string' || typeof data.path !== 'string') return board;
  const cards = new Map(board.cards);
  const wrong = new Map(board.invalid);
  const key = keyOf(data.project, data.path);
  const from = typeof data.from_path === 'string' ? keyOf(data.project, data.from_path) : key;
  const before = cards.get(from) ?? cards.get(key);
  for (const old of [from, key]) {
    cards.delete(old);
    wrong.delete(old);
  }
  if (type === 'task.invalid') wrong.set(key, invalid(data));
  else if (type !== 'task.removed') {
    if (typeof data.card !== 'object' || data.card === null) return board;
    cards.set(key, card(data.card, data.project, data.path, before));
  }
  return { cards, invalid: wrong };
}

/** The board after a bit of news about an operation: which cards it works on. @param {Board} board @param {string} task @param {string} operation @param {boolean} runs @returns {Board} */
export function worked(board, task, operation, runs) {
  let cards = null;
  for (const [key, one] of board.cards) {
    if (one.id !== task || one.running.includes(operation) === runs) continue;
    cards ??= new Map(board.cards);
    const running = runs ? [...one.running, operation] : one.running.filter((id) => id !== operation);
    cards.set(key, { ...one, running });
  }
  return cards === null ? board : { ...board, cards };
}

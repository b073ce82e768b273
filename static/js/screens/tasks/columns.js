// @ts-check
// Which cards are shown, in which column and in which order. Pure.

/** @typedef {import('./fold.js').Board} Board */
/** @typedef {import('./fold.js').Card} Card */
/** @typedef {import('./fold.js').Invalid} Invalid */

/** States, in the order in which a column has them. */
export const STATES = {
  in_progress: { label: 'In progress', tone: 'blue', icon: 'running' },
  blocked: { label: 'Blocked', tone: 'amber', icon: 'paused' },
  error: { label: 'Failed', tone: 'red', icon: 'error' },
  assigned: { label: 'Assigned', tone: 'grey', icon: 'queued' },
  new: { label: 'New', tone: 'grey', icon: 'submitted' },
  done: { label: 'Done', tone: 'green', icon: 'complete' },
  cancelled: { label: 'Cancelled', tone: 'slate', icon: 'stopped' },
};
const ORDER = Object.keys(STATES);

/** @param {string} state */
export const stateLook = (state) => /** @type {Record<string, {label: string, tone: string, icon: string}>} */ (STATES)[state] ?? { label: state, tone: 'slate', icon: 'lost' };

export const LANES = [
  { lane: 'inbox', label: 'Inbox' },
  { lane: 'assigned', label: 'Assigned' },
  { lane: 'done', label: 'Done' },
];

/** What only some cards have, to look for. @type {Record<string, {label: string, has: (card: Card) => boolean}>} */
export const MARKS = {
  running: { label: 'Running', has: (card) => card.running.length > 0 },
  blocked: { label: 'Blocked', has: (card) => card.state === 'blocked' },
  stalled: { label: 'Stalled', has: (card) => card.stalled },
  drift: { label: 'Drift', has: (card) => card.drift },
  failed: { label: 'Failed', has: (card) => card.state === 'error' },
};

/**
 * @typedef {object} Wanted
 * @property {string} by `lane` or `agent`
 * @property {string} text
 * @property {string} agent empty for all
 * @property {string} project empty for all
 * @property {string} priority empty for all
 * @property {string} mark a name of `MARKS`, `invalid`, or empty
 *
 * @typedef {{kind: 'head', label: string, tone: string, count: number}|{kind: 'card', key: string, card: Card}|{kind: 'invalid', key: string, file: Invalid}} Item
 * @typedef {{key: string, label: string, count: number, items: Item[]}} Column
 */

export const PRIORITIES = ['critical', 'high', 'medium', 'normal', 'low'];

/** @param {Wanted} wanted @returns {(card: Card) => boolean} */
export function wants(wanted) {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const mark = MARKS[wanted.mark];
  return (card) => {
    if (wanted.mark === 'invalid') return false;
    if (mark && !mark.has(card)) return false;
    if (wanted.agent !== '' && card.agent !== wanted.agent) return false;
    if (wanted.project !== '' && card.project !== wanted.project) return false;
    if (wanted.priority !== '' && (card.priority ?? 'normal').toLowerCase() !== wanted.priority) return false;
    if (words.length === 0) return true;
    const all = [card.id, card.title, card.agent, card.batch, card.status, ...card.tags].join('\n').toLowerCase();
    return words.every((word) => all.includes(word));
  };
}

/** What is done: the newest first. All else: urgent first, then the oldest. @param {Card} a @param {Card} b */
function compare(a, b) {
  if (a.lane === 'done') return b.modified.localeCompare(a.modified) || a.path.localeCompare(b.path);
  return b.priority_rank - a.priority_rank || (a.created ?? '~').localeCompare(b.created ?? '~') || a.path.localeCompare(b.path);
}

/** @param {string} key @param {string} label @param {[string, Card][]} entries @param {[string, Invalid][]} wrong @returns {Column} */
function column(key, label, entries, wrong) {
  /** @type {Map<string, [string, Card][]>} */
  const groups = new Map();
  for (const entry of entries) {
    const group = groups.get(entry[1].state);
    if (group) group.push(entry);
    else groups.set(entry[1].state, [entry]);
  }
  const rank = (/** @type {string} */ state) => (ORDER.includes(state) ? ORDER.indexOf(state) : ORDER.length);
  /** @type {Item[]} */
  const items = [];
  if (wrong.length > 0) items.push({ kind: 'head', label: 'Cannot be read', tone: 'red', count: wrong.length });
  for (const [at, file] of wrong) items.push({ kind: 'invalid', key: at, file });
  for (const state of [...groups.keys()].sort((a, b) => rank(a) - rank(b))) {
    const group = groups.get(state) ?? [];
    // One state alone needs no heading.
    if (groups.size + (wrong.length > 0 ? 1 : 0) > 1) items.push({ kind: 'head', label: stateLook(state).label, tone: stateLook(state).tone, count: group.length });
    group.sort((a, b) => compare(a[1], b[1]));
    for (const [at, one] of group) items.push({ kind: 'card', key: at, card: one });
  }
  return { key, label, count: entries.length + wrong.length, items };
}

/** @param {Board} board @param {Wanted} wanted @returns {Column[]} */
export function columns(board, wanted) {
  const fits = wants(wanted);
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const wrong = [...board.invalid].filter(([, file]) => {
    if (wanted.mark !== '' && wanted.mark !== 'invalid') return false;
    if (wanted.project !== '' && file.project !== wanted.project) return false;
    if (wanted.priority !== '' || (wanted.agent !== '' && file.agent !== wanted.agent)) return false;
    const all = `${file.id}\n${file.path}\n${file.title ?? ''}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const shown = [...board.cards].filter(([, card]) => fits(card));
  if (wanted.by === 'agent') {
    /** @type {Map<string, [string, Card][]>} */
    const agents = new Map();
    for (const entry of shown) {
      // What is done is in the lanes; here is what agents have before them.
      if (entry[1].lane === 'done') continue;
      const agent = entry[1].agent ?? '';
      const list = agents.get(agent);
      if (list) list.push(entry);
      else agents.set(agent, [entry]);
    }
    const open = wrong.filter(([, file]) => file.lane !== 'done');
    for (const [, file] of open) if (!agents.has(file.agent ?? '')) agents.set(file.agent ?? '', []);
    const names = [...agents.keys()].sort((a, b) => Number(a !== '') - Number(b !== '') || a.localeCompare(b));
    return names.map((agent) =>
      column(`agent:${agent}`, agent === '' ? 'Nobody' : agent, agents.get(agent) ?? [], open.filter(([, file]) => (file.agent ?? '') === agent)),
    );
  }
  return LANES.map(({ lane, label }) =>
    column(`lane:${lane}`, label, shown.filter(([, card]) => card.lane === lane), wrong.filter(([, file]) => file.lane === lane)),
  );
}

/** Names that occur, in order. @param {Board} board @param {(card: Card) => string|null} of */
export const names = (board, of) => [...new Set([...board.cards.values()].map((card) => of(card) ?? ''))].filter((name) => name !== '').sort();

/** What a move to another column means: the verb, and what it wants to be told. @param {Card} card @param {string} to key of a column @returns {{verb: string, agent?: string, toInbox?: boolean}|null} */
export function move(card, to) {
  if (to.startsWith('agent:')) {
    const agent = to.slice(6);
    if (agent === (card.agent ?? '')) return null;
    if (agent === '') return card.lane === 'assigned' ? { verb: 'give_back' } : null;
    return { verb: 'assign', agent };
  }
  const lane = to.slice(5);
  if (lane === card.lane) return null;
  if (lane === 'inbox') return card.lane === 'done' ? { verb: 'reopen', toInbox: true } : { verb: 'give_back' };
  if (lane === 'done') return { verb: 'complete' };
  if (card.lane === 'done') return { verb: 'reopen' };
  return card.agent === null ? { verb: 'assign' } : { verb: 'assign', agent: card.agent };
}

/** Verbs that make sense for a card, the likeliest first. The daemon decides. @param {Card} card @returns {string[]} */
export function verbsOf(card) {
  switch (card.state) {
    case 'new':
      return ['assign', 'run', 'note', 'cancel', 'freeze'];
    case 'assigned':
      return ['run', 'start', 'block', 'complete', 'assign', 'give_back', 'note', 'cancel', 'freeze'];
    case 'in_progress':
      return card.running.length > 0 ? ['note', 'complete', 'fail', 'block'] : ['complete', 'fail', 'block', 'put_down', 'run', 'assign', 'note', 'cancel'];
    case 'blocked':
      return ['unblock', 'assign', 'give_back', 'note', 'cancel', 'freeze'];
    case 'error':
      return ['reopen', 'note', 'archive'];
    default:
      return ['reopen', 'note', 'archive'];
  }
}

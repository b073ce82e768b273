// Task files as the daemon tells of them: a board in memory, verbs with versions, and the events that follow.

import { createHash } from 'node:crypto';

const NOW = () => new Date().toISOString();

/** A card with everything the daemon gives. */
export const card = (id, more = {}) => {
  const one = {
    id, title: `Title of ${id}`, agent: 'dev', lane: 'assigned', state: 'assigned', status: 'assigned', priority: 'normal', priority_rank: 2,
    created: '2026-11-20T09:00:00.000Z', modified: NOW(), batch: null, tags: [], blocked_reason: null, dependencies: [], dependencies_total: 0,
    drift: false, problems: [], operations: 0, cost_nano_usd: null, project: 'shop', running: [], stalled: false, dangling: 0, text: {}, ...more,
  };
  one.path ??= `${one.lane}/${one.lane === 'inbox' ? '' : `${one.agent}/`}${id}.yaml`;
  return stamped(one);
};

const stamped = (one) => ({ ...one, rev: createHash('sha256').update(JSON.stringify({ ...one, rev: 0 })).digest('hex').slice(0, 16) });

export const invalid = (id, more = {}) => ({
  id, project: 'shop', path: `inbox/${id}.yaml`, lane: 'inbox', agent: null, agent_dir: null, problem: 'syntax', line: 33, column: 9,
  message: 'while scanning an alias, did not find expected character', title: null, priority: null, status: null, rev: '0', ...more,
});

export function begin(s) {
  s.tasks = new Map();
  s.invalidTasks = [];
  s.taskBodies = [];
}

/** Puts cards on the board without an event. */
export const put = (s, ...cards) => cards.forEach((one) => s.tasks.set(one.id, one));

/** Changes a card as somebody else would, with its event. */
export function change(s, id, more, type = 'task.updated') {
  const before = s.tasks.get(id);
  const after = stamped({ ...before, ...more, modified: NOW() });
  if (more.lane || more.agent) after.path = `${after.lane}/${after.lane === 'inbox' ? '' : `${after.agent}/`}${id}.yaml`;
  s.tasks.set(id, after);
  const moved = after.path === before.path ? {} : { from_path: before.path, from_lane: before.lane };
  const { text, running, stalled, dangling, project, path, ...plain } = after;
  s.publish(type, { project, task_id: id, path, lane: after.lane, ...moved, changed: Object.keys(more), card: plain, actor: null });
  return after;
}

/** What a verb makes of a card. */
const EFFECTS = {
  assign: (one, body) => [{ lane: 'assigned', state: 'assigned', status: 'assigned', agent: body.agent }, 'task.assigned'],
  start: () => [{ state: 'in_progress', status: 'in_progress' }, 'task.started'],
  complete: () => [{ lane: 'done', state: 'done', status: 'done' }, 'task.completed'],
  block: (one, body) => [{ state: 'blocked', status: 'blocked', blocked_reason: body.reason }, 'task.updated'],
  unblock: () => [{ state: 'assigned', status: 'assigned', blocked_reason: null }, 'task.updated'],
  give_back: () => [{ lane: 'inbox', state: 'new', status: 'new' }, 'task.updated'],
  reopen: (one, body) => [{ lane: body.to_inbox ? 'inbox' : 'assigned', state: body.to_inbox ? 'new' : 'assigned', status: 'assigned' }, 'task.assigned'],
  note: () => [{}, 'task.updated'],
  fail: () => [{ state: 'error', status: 'error' }, 'task.failed'],
};
const RANKS = { critical: 4, high: 3, medium: 2, normal: 2, low: 1 };

function detail(one) {
  const { text, ...plain } = one;
  const raw = `id: ${one.id}\ntitle: ${one.title}\nstatus: ${one.status}\n`;
  return {
    id: one.id, title: one.title, status: one.status, agent: one.agent, priority: one.priority, ...text,
    _llmctl: { card: plain, path: one.path, project: one.project, rev: one.rev, raw, operation_ids: one.running, problems: [], dependencies: [], waits_for: [] },
  };
}

export function handle(s, { request, response, url, message }) {
  const [, , what, id, verb] = url.pathname.split('/').map(decodeURIComponent);
  if (what !== 'tasks') return false;
  const get = request.method === 'GET';
  if (get && !id) s.json(response, 200, board(s));
  else if (!get && !id) create(s, response, message);
  else act(s, { request, response, message, id, verb, get });
  return true;
}

function board(s) {
  const cards = [...s.tasks.values()].map(({ text, ...plain }) => plain);
  const by = (lane) => Object.groupBy?.(cards.filter((one) => one.lane === lane), (one) => one.agent ?? '') ?? grouped(cards.filter((one) => one.lane === lane));
  return { inbox: cards.filter((one) => one.lane === 'inbox'), assigned: by('assigned'), done: by('done'), error: {}, invalid: s.invalidTasks, timestamp: NOW(), cursor: `${s.epoch}-${s.seq}` };
}

const grouped = (cards) => cards.reduce((all, one) => ({ ...all, [one.agent ?? '']: [...(all[one.agent ?? ''] ?? []), one] }), {});

function create(s, response, message) {
  s.taskBodies.push({ verb: 'create', ...message });
  const id = `new-${s.tasks.size}`;
  const one = card(id, { title: message.title, agent: message.agent, lane: 'inbox', state: 'new', status: 'new', priority: message.priority });
  put(s, one);
  change(s, id, {}, 'task.created');
  s.json(response, 201, { success: true, task: one });
}

function act(s, { request, response, message, id, verb, get }) {
  const one = s.tasks.get(id);
  if (!one) return s.json(response, 404, { error: `Task not found: ${id}`, code: 'task_not_found' });
  if (get && verb === 'history') return s.json(response, 200, { task_id: id, events: s.facts2?.(id) ?? [] });
  if (get) return s.json(response, 200, detail(one));
  const seen = request.headers['if-match']?.replaceAll('"', '');
  if (seen && seen !== one.rev) {
    return s.json(response, 412, {
      error: `${one.path} has changed: it is ${one.rev}, you saw ${seen}`, code: 'precondition_failed', hint: `llmctl task show ${id}`,
      detail: { path: one.path, seen, rev: one.rev, values: [{ key: 'status', current: one.status, wanted: 'done' }] },
    });
  }
  s.taskBodies.push({ id, verb, ...message });
  if (verb === 'priority') change(s, id, { priority: message.priority, priority_rank: RANKS[message.priority] });
  else if (verb === 'run') {
    if (s.refuseRuns) return s.json(response, 422, { error: s.refuseRuns, code: 'budget_refused', hint: 'llmctl cost today' });
    change(s, id, { state: 'in_progress', status: 'in_progress', running: ['exec-run1'] }, 'task.started');
    return s.json(response, 202, { success: true, operation_id: 'exec-run1', task: s.tasks.get(id) });
  } else {
    const [more, type] = (EFFECTS[verb] ?? EFFECTS.note)(one, message);
    change(s, id, more, type);
  }
  return s.json(response, 200, { success: true, task: s.tasks.get(id) });
}

/** A few cards of every kind. */
export function demo(s) {
  put(
    s,
    card('ship-it', { title: 'Ship the release', state: 'in_progress', status: 'in_progress', priority: 'critical', priority_rank: 4, dependencies: ['write-notes'], dependencies_total: 1, running: ['exec-7'], tags: ['release'], text: { description: '# Steps\n\n- [x] build\n- [ ] tag\n\nSee `Makefile` and [the site](https://example.org/a).' } }),
    card('write-notes', { title: 'Write the notes', priority: 'high', priority_rank: 3, agent: 'writer' }),
    card('fix-flake', { title: 'Fix the flaky test', state: 'blocked', status: 'blocked', blocked_reason: 'waits for a machine', stalled: false }),
    card('idea', { title: 'An idea', agent: null, lane: 'inbox', state: 'new', status: 'new' }),
    card('old', { title: 'Something done', lane: 'done', state: 'done', status: 'done', cost_nano_usd: 1_250_000_000 }),
    card('drifted', { title: 'Drifted', drift: true, status: 'done', problems: ['status'] }),
  );
  s.invalidTasks.push(invalid('broken-file'));
}

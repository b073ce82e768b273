// The board's pure parts: folding events, arranging columns, Markdown, the graph of dependencies.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { columns, move, verbsOf } from '../../static/js/screens/tasks/columns.js';
import { apply, keyOf, read, worked } from '../../static/js/screens/tasks/fold.js';
import { layers } from '../../static/js/screens/tasks/layers.js';
import { blocks, safeHref, spans } from '../../static/js/screens/tasks/blocks.js';
import { commandOf } from '../../static/js/screens/tasks/verbs.js';
import { card, invalid } from './standin/tasks.mjs';

const ANY = { by: 'lane', text: '', agent: '', project: '', priority: '', mark: '' };
const boardOf = (...cards) => read({ inbox: cards.filter((c) => c.lane === 'inbox'), assigned: { x: cards.filter((c) => c.lane === 'assigned') }, done: { x: cards.filter((c) => c.lane === 'done') }, error: {}, invalid: [invalid('bad')] });
const told = (type, one, more = {}) => ({ type, data: { project: one.project, task_id: one.id, path: one.path, lane: one.lane, card: one, ...more } });
const keys = (column) => column.items.filter((item) => item.kind === 'card').map((item) => item.card.id);

test('a moved card leaves its old place, an unreadable one is set aside, a removed one goes', () => {
  const one = card('a', { running: ['exec-1'], dangling: 2 });
  let board = boardOf(one);
  const moved = card('a', { lane: 'done', state: 'done' });
  delete moved.running;
  delete moved.dangling;
  board = apply(board, told('task.completed', moved, { from_path: one.path }));
  assert.equal(board.cards.size, 1);
  const now = board.cards.get(keyOf('shop', moved.path));
  assert.equal(now.lane, 'done');
  assert.deepEqual([now.running, now.dangling], [['exec-1'], 2], 'what events do not tell is kept');
  board = apply(board, { type: 'task.invalid', data: { project: 'shop', task_id: 'a', path: moved.path, lane: 'done', problem: 'syntax', line: 3, column: 1, message: 'no', salvage: { title: 'A' } } });
  assert.equal(board.cards.size, 0);
  assert.equal(board.invalid.get(keyOf('shop', moved.path)).title, 'A');
  board = apply(board, told('task.updated', moved));
  assert.deepEqual([board.cards.size, board.invalid.size], [1, 1], 'mended');
  board = apply(board, { type: 'task.removed', data: { project: 'shop', task_id: 'a', path: moved.path, lane: 'done', reason: 'deleted' } });
  assert.equal(board.cards.size, 0);
  assert.equal(apply(board, { type: 'execution.started', data: {} }), board, 'nothing of its own');
  assert.equal(apply(board, { type: 'task.updated', data: { project: 'shop', path: 'x' } }), board, 'no card, no change');
});

test('columns: the urgent before the old, states in groups, what cannot be read on top', () => {
  const board = boardOf(
    card('low', { priority_rank: 1 }), card('late', { created: '2026-11-21T00:00:00Z' }), card('early', { created: '2026-11-01T00:00:00Z' }),
    card('hot', { priority_rank: 4 }), card('going', { state: 'in_progress' }), card('inboxed', { lane: 'inbox', state: 'new', agent: null }),
    card('newer', { lane: 'done', state: 'done', modified: '2026-11-22T00:00:00Z' }), card('older', { lane: 'done', state: 'done', modified: '2026-11-02T00:00:00Z' }),
  );
  const [inbox, assigned, done] = columns(board, ANY);
  assert.deepEqual(keys(assigned), ['going', 'hot', 'early', 'late', 'low']);
  assert.deepEqual(keys(done), ['newer', 'older']);
  assert.deepEqual(inbox.items.map((item) => item.kind), ['head', 'invalid', 'head', 'card']);
  assert.equal(inbox.count, 2);
  const agents = columns(board, { ...ANY, by: 'agent' });
  assert.deepEqual(agents.map((column) => column.label), ['Nobody', 'dev']);
  assert.ok(!agents.some((column) => keys(column).includes('newer')), 'what is done is in the lanes');
  assert.deepEqual(columns(board, { ...ANY, text: 'title HOT' }).flatMap(keys), ['hot']);
  assert.deepEqual(columns(board, { ...ANY, mark: 'invalid' }).map((column) => column.count), [1, 0, 0]);
});

test('moves mean verbs, and nothing where nothing would change', () => {
  const one = card('a');
  assert.deepEqual(move(one, 'lane:done'), { verb: 'complete' });
  assert.deepEqual(move(one, 'lane:inbox'), { verb: 'give_back' });
  assert.equal(move(one, 'lane:assigned'), null);
  assert.deepEqual(move(card('b', { lane: 'inbox', agent: null }), 'lane:assigned'), { verb: 'assign' });
  assert.deepEqual(move(one, 'agent:writer'), { verb: 'assign', agent: 'writer' });
  assert.deepEqual(move(card('c', { lane: 'done', state: 'done' }), 'lane:inbox'), { verb: 'reopen', toInbox: true });
  for (const state of ['new', 'assigned', 'in_progress', 'blocked', 'done', 'error', 'cancelled', 'nonsense']) assert.ok(verbsOf({ ...one, state }).length >= 2, state);
  assert.equal(commandOf('give_back', "it's"), "llmctl task give-back 'it'\\''s'");
});

test('operations that work on a card come and go', () => {
  const board = boardOf(card('a'));
  const key = [...board.cards.keys()][0];
  const begun = worked(board, 'a', 'exec-1', true);
  assert.deepEqual(begun.cards.get(key).running, ['exec-1']);
  assert.equal(worked(begun, 'a', 'exec-1', true), begun);
  assert.deepEqual(worked(begun, 'a', 'exec-1', false).cards.get(key).running, []);
});

test('Markdown becomes blocks and spans, and never more than text', () => {
  const found = blocks('# One\ntext **bold**\n\n- a\n- [x] b\n  goes on\n1. first\n\n```js\n<b>code</b>\n# no heading\n```\n> said\n> more\n\n---\n<script>alert(1)</script>');
  assert.deepEqual(found.map((one) => one.kind), ['heading', 'text', 'list', 'list', 'code', 'quote', 'rule', 'text']);
  assert.equal(found[4].text, '<b>code</b>\n# no heading');
  assert.deepEqual(found[2].items, ['a', '[x] b\ngoes on']);
  assert.deepEqual(spans('a `b*c*` **d** [e](https://x.org/) f').map((one) => one.kind), ['text', 'code', 'text', 'strong', 'text', 'link', 'text']);
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', '/relative', 'JAVASCRIPT:alert(1)', ' javascript:1']) assert.equal(safeHref(bad), null, bad);
  assert.deepEqual(spans('[x](javascript:alert)'), [{ kind: 'text', text: '[x](javascript:alert)' }]);
  assert.ok(blocks('- x\n'.repeat(50_000)).length <= 2_000);
  const long = '*'.repeat(20_000) + '['.repeat(20_000);
  const before = Date.now();
  spans(long);
  assert.ok(Date.now() - before < 2_000, 'no pattern that never ends');
});

test('the graph has layers, is cut when it is large, and survives circles', () => {
  const list = [card('a', { dependencies: ['b', 'gone'] }), card('b', { dependencies: ['c'] }), card('c', { dependencies: ['a'] }), card('d', { dependencies: ['a'] })];
  const cards = boardOf(...list).cards;
  const centre = [...cards.values()].find((one) => one.id === 'a');
  const graph = layers(cards, centre);
  const layer = Object.fromEntries(graph.nodes.map((node) => [node.id, node.layer]));
  assert.deepEqual(layer, { a: 0, b: -1, gone: -1, c: -2, d: 1 });
  assert.equal(graph.nodes.find((node) => node.id === 'gone').card, null);
  const many = boardOf(card('hub'), ...Array.from({ length: 200 }, (_, n) => card(`n${n}`, { dependencies: ['hub'] }))).cards;
  const big = layers(many, [...many.values()].find((one) => one.id === 'hub'));
  assert.ok(big.nodes.length <= 40 && big.cut);
});

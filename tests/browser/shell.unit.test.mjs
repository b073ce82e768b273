// The shell's pure parts: what the palette finds, what is worth a notification, what the tab says.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tabTitle } from '../../static/js/shell/favicon.js';
import { best, score } from '../../static/js/shell/fuzzy.js';
import { news } from '../../static/js/shell/notifier.js';

const entries = ['Go to Live', 'Go to Tasks', 'Go to Cost', 'New task', 'Stop all operations', 'Open claude exec-06kq'].map((label) => ({ label }));
const found = (text) => best(entries, text, 3).map((entry) => entry.label);

test('a few letters find what is meant, the likeliest first', () => {
  assert.equal(found('task')[0], 'New task');
  assert.ok(found('task').includes('Go to Tasks'));
  assert.equal(found('gtc')[0], 'Go to Cost');
  assert.equal(found('stop')[0], 'Stop all operations');
  assert.deepEqual(found('zzz'), []);
  assert.equal(found('').length, 3);
  assert.ok(score('live', 'Go to Live') > score('live', 'a long invitation to leave'));
  assert.equal(score('ab', 'ba'), 0);
  assert.equal(score('oce', 'Show all keyboard helpers once, i.e. never'.slice(0, 24)), 0, 'scattered letters');
  assert.ok(score('gtl', 'Go to Live') > 0, 'first letters');
});

test('what ended or broke is worth a word, progress is not', () => {
  assert.equal(news({ type: 'execution.complete', data: { operation_id: 'exec-1', model: 'm', cost_nano_usd: 1_000_000_000 } }).body, 'm · $1.0000');
  assert.equal(news({ type: 'execution.error', data: { operation_id: 'exec-1', message: 'no\u202e\u0007 key' } }).body, 'no\ufffd key');
  assert.equal(news({ type: 'execution.stopped', data: { operation_id: 'exec-1', by: 'user' } }), null);
  assert.equal(news({ type: 'execution.stopped', data: { operation_id: 'exec-1', by: 'budget' } }).title, 'Stopped by its budget');
  assert.equal(news({ type: 'mcp.server.failed', data: { server_name: 'git', message: 'gone' } }).hash, '#/mcp/git');
  assert.match(news({ type: 'mcp.server.failed', data: { server_name: 'git', message: '401', state: 'needs_authentication' } }).title, /needs credentials/);
  const budget = { scope: 'agent', name: 'dev', period: 'day', spent_nano_usd: 2_000_000_000, limit_nano_usd: 2_000_000_000 };
  assert.equal(news({ type: 'cost.warning', data: { ...budget, level: 'threshold' } }), null);
  assert.equal(news({ type: 'cost.warning', data: { ...budget, level: 'limit' } }).title, 'The budget of the day of agent dev is used up');
  assert.equal(news({ type: 'execution.detached', data: { operation_id: 'exec-1' } }).title, 'No link to its runner');
  for (const type of ['execution.progress', 'execution.output', 'task.updated', 'nonsense']) assert.equal(news({ type, data: {} }), null);
  assert.equal(news({ type: 'execution.error', data: null }), null);
  assert.equal(news({ type: 'execution.error', data: { operation_id: 'exec-1', final: false } }), null, 'another attempt follows');
});

test('the tab says what runs and what failed', () => {
  assert.equal(tabTitle({ running: 0, failed: 0, live: true }, ''), 'llmctl');
  assert.equal(tabTitle({ running: 2, failed: 1, live: true }, 'Cost'), '(2 running · 1 failed) Cost · llmctl');
});

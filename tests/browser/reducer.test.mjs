// The page's projection, case by case. That it equals the daemon's is shown by the parity test over `reduce.mjs`.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { apply, applyAll, applySnapshot, canonical, ENDED_KEPT, initial, totalTokens } from '../../static/js/state.js';

let seq = 0;
const ID = 'exec-0000000000000001';
const AT = '2026-11-23T00:31:59.133Z';
const event = (type, data, at = AT) => ({ v: 1, epoch: '9f3a1c2e', seq: ++seq, at, type, data: { operation_id: ID, ...data } });
const fold = (...events) => applyAll(initial(), events);
const only = (state, id = ID) => state.operations.get(id);

const USAGE = { input: 10, cache_read: 20, cache_write_5m: 3, cache_write_1h: 2, output: 5, reasoning: 4, web_searches: 1 };
const SPEND = { tokens: USAGE, usage_source: 'reported', cost_nano_usd: 1_500, cost_basis: 'computed', reported_cost_nano_usd: null };
const PARTIAL = { dir_name: ID, files: [{ name: 'stdout', bytes: 7 }] };
const start = (more = {}) =>
  event('execution.start', {
    attempt: 1, tool: 'claude', model: 'opus', provider: 'anthropic', mode: 'cli', agent: 'dev', task_type: null,
    cwd: '/src', pid: 5, prompt: { bytes: 3, sha256: 'ab', file: null }, command: ['claude', '-p'],
    max_cost_nano_usd: null, retry_of: null, started_at: AT, ...more,
  });
const progress = (more = {}) =>
  event('execution.progress', {
    state: 'running', phase: 'streaming', model: null, ...SPEND, elapsed_ms: 900, idle_ms: 10, stdout_bytes: 7, stderr_bytes: 1, ...more,
  });
const complete = (more = {}) =>
  event('execution.complete', {
    exit_code: 0, model: null, duration_ms: 1_000, first_output_ms: 200, ...SPEND, stdout_bytes: 9, stderr_bytes: 0,
    calls: 2, session_id: 's', resume_command: 'claude --resume s', ...more,
  });
const lost = (more = {}) =>
  event('execution.lost', { reason: 'runner_gone', last_event_at: null, ...SPEND, stdout_bytes: 1, stderr_bytes: 2, killed_processes: 0, partial: null, ...more });
const stopped = (more = {}) =>
  event('execution.stopped', {
    by: 'user', via: 'page', reason: null, signal: 2, step: 'interrupt', killed_processes: 1, exit_code: null, model: 'm2',
    duration_ms: 700, ...SPEND, stdout_bytes: 1, stderr_bytes: 0, partial: PARTIAL, session_id: null, resume_command: null, ...more,
  });

test('an operation goes through its life', () => {
  const routed = fold(
    event('routing.decision', { attempt: 1, trigger: 'submit', requested: { agent: 'dev', task_type: 'review' }, candidates: [] }),
    event('model.selected', { attempt: 1, tool: 'claude', model: 'opus', provider: 'anthropic', reason: 'first' }),
  );
  assert.equal(only(routed).state, 'submitted');
  assert.deepEqual([only(routed).agent, only(routed).task_type, only(routed).reason], ['dev', 'review', 'first']);
  const queued = apply(routed, event('execution.queued', { position: 1, reason: 'concurrency' }));
  assert.equal(only(queued).state, 'queued');
  const running = applyAll(queued, [start(), progress(), event('tool.invoked', { call_id: 'a', name: 'Bash', kind: 'shell' })]);
  assert.equal(only(running).state, 'running');
  assert.equal(only(running).model, 'opus', 'a progress without a model keeps the one known');
  assert.deepEqual([only(running).calls, only(running).open_call], [1, 'Bash']);
  const ended = applyAll(running, [event('tool.response', { call_id: 'a', ok: true }), complete()]);
  const op = only(ended);
  assert.equal(op.state, 'complete');
  assert.deepEqual([op.phase, op.open_call, op.ended_at, op.calls, op.elapsed_ms], [null, null, AT, 2, 1_000]);
  assert.equal(totalTokens(op.tokens), 40, 'reasoning is part of the output');
  assert.deepEqual(ended.totals, { ended: 1, complete: 1, error: 0, stopped: 0, refused: 0, lost: 0, tokens: 40, cost_nano_usd: 1_500, cost_unknown: 0 });
});

test('a state is never changed in place', () => {
  const before = fold(start());
  const copy = structuredClone(canonical(before));
  const after = applyAll(before, [progress(), complete()]);
  assert.notEqual(after, before);
  assert.deepEqual(canonical(before), copy);
  assert.equal(apply(after, complete()), after, 'nothing changed: the same state');
});

test('pause, stop ladder and stop', () => {
  const paused = fold(start(), progress({ state: 'paused' }));
  assert.equal(only(paused).state, 'paused');
  const ended = applyAll(paused, [progress({ state: 'stopping' }), stopped()]);
  assert.deepEqual(only(ended).stopped, { by: 'user', via: 'page', reason: null, step: 'interrupt', killed_processes: 1 });
  assert.deepEqual(only(ended).partial, PARTIAL);
  assert.equal(only(ended).model, 'm2');
  assert.equal(ended.totals.stopped, 1);
});

test('an error keeps its class and its hint', () => {
  const state = fold(start(), event('execution.error', {
    attempt: 1, class: 'auth', message: 'no key', exit_code: 1, retryable: false, duration_ms: 5, ...SPEND, cost_nano_usd: null, stdout_bytes: 0, stderr_bytes: 4,
  }));
  assert.deepEqual(only(state).error, { class: 'auth', message: 'no key', hint: null, retryable: false });
  assert.deepEqual([state.totals.error, state.totals.cost_unknown, state.totals.cost_nano_usd], [1, 1, 0]);
});

test('what comes after an end is ignored', () => {
  const ended = fold(start(), complete());
  const after = applyAll(ended, [progress(), event('tool.invoked', { call_id: 'z', name: 'x' }), stopped(), lost(), start(), event('execution.detached', { reason: 'link_lost' })]);
  assert.deepEqual(canonical(after), canonical(ended));
});

test('lost is corrected later, and its figures are counted once', () => {
  const was = fold(start(), progress(), lost());
  assert.deepEqual([was.totals.lost, was.totals.tokens], [1, 40]);
  const more = { ...SPEND, tokens: { ...USAGE, output: 15 }, cost_nano_usd: 2_500 };
  const now = apply(was, complete(more));
  assert.equal(only(now).state, 'complete');
  assert.deepEqual(now.totals, { ended: 1, complete: 1, error: 0, stopped: 0, refused: 0, lost: 0, tokens: 50, cost_nano_usd: 2_500, cost_unknown: 0 });
});

test('lost with an unknown cost, corrected to a known one', () => {
  const now = fold(start(), lost({ cost_nano_usd: null }), complete());
  assert.deepEqual([now.totals.cost_unknown, now.totals.cost_nano_usd], [0, 1_500]);
});

test('a detached operation goes on and ends', () => {
  const state = fold(start(), event('execution.detached', { reason: 'link_lost' }));
  assert.equal(only(state).state, 'detached');
  assert.equal(only(apply(state, progress())).state, 'running');
});

test('events without an operation, of unknown types or with a bad shape change nothing', () => {
  const before = fold(start());
  const strange = [
    event('deploy.finished', { ok: true }),
    event('execution.output', { stream: 'stdout', offset: 0, text: 'x', bytes: 1 }),
    { ...event('daemon.started', {}), data: { version: '1' } },
    event('execution.progress', { operation_id: 'exec-../../x' }),
    event('execution.progress', { operation_id: '__proto__' }),
    { ...event('execution.progress', {}), data: null },
    { ...event('execution.progress', {}), at: 'yesterday' },
    event('execution.progress', { state: 'exploded' }),
    event('toString', {}),
  ];
  assert.equal(applyAll(before, strange), before);
});

test('output alone creates no operation, any other event does', () => {
  assert.equal(fold(event('execution.output', {})).operations.size, 0);
  const state = fold(event('tool.response', { call_id: 'a', ok: true }));
  assert.equal(only(state).state, 'submitted');
  assert.equal(only(state).submitted_at, AT);
});

test('missing optional fields have their defaults', () => {
  const op = only(fold(start(), event('execution.progress', { state: 'running', phase: 'thinking', elapsed_ms: 1, idle_ms: 0, stdout_bytes: 0, stderr_bytes: 0 })));
  assert.deepEqual([op.usage_source, op.cost_basis, op.cost_nano_usd, op.tokens.output], ['none', 'unknown', null, 0]);
});

test('a repeat is linked from the one it repeats', () => {
  const second = 'exec-0000000000000002';
  const state = fold(start(), complete(), start({ operation_id: second, retry_of: ID }));
  assert.equal(only(state).retried_by, second);
  assert.equal(only(state, second).retry_of, ID);
});

test('the oldest ended operations are pruned, running ones never', () => {
  const id = (n) => `exec-${String(n).padStart(16, '0')}`;
  const events = [start({ operation_id: id(0) })];
  for (let n = 1; n <= ENDED_KEPT + 20; n += 1) events.push(start({ operation_id: id(n) }), complete({ operation_id: id(n) }));
  const state = fold(...events);
  assert.equal(state.ended.length, ENDED_KEPT);
  assert.equal(state.operations.size, ENDED_KEPT + 1);
  assert.ok(state.operations.has(id(0)) && !state.operations.has(id(20)) && state.operations.has(id(21)));
  assert.equal(state.totals.ended, ENDED_KEPT + 20, 'totals never shrink');
});

test('a snapshot replaces everything, and events go on from it', () => {
  const full = fold(start(), progress(), start({ operation_id: 'exec-2' }), complete({ operation_id: 'exec-2' }));
  const { operations, totals } = canonical(full);
  const message = JSON.parse(JSON.stringify({ state: { operations: Object.values(operations).reverse(), totals } }));
  const from = applySnapshot(fold(start({ operation_id: 'exec-old' })), message);
  assert.deepEqual(canonical(from), canonical(full));
  const next = [complete(), lost({ operation_id: 'exec-3' })];
  assert.deepEqual(canonical(applyAll(from, next)), canonical(applyAll(full, next)));
});

test('an empty or odd snapshot is an empty state', () => {
  assert.deepEqual(canonical(applySnapshot(initial(), { state: {} })), canonical(initial()));
  assert.equal(applySnapshot(initial(), { state: { operations: [null, { operation_id: 5 }] } }).operations.size, 0);
});

test('times of another precision get the daemon’s form', () => {
  assert.equal(only(fold(start({ started_at: '2026-11-23T00:31:59Z' }))).started_at, '2026-11-23T00:31:59.000Z');
});

test('one burst equals one event at a time, over 10,000 events', () => {
  const events = randomEvents(10_000, 7);
  let one = initial();
  for (const each of events) one = apply(one, each);
  assert.deepEqual(canonical(applyAll(initial(), events)), canonical(one));
});

test('the command line prints the canonical state with sorted keys', () => {
  const directory = mkdtempSync(join(tmpdir(), 'llmctl-reduce-'));
  try {
    const file = join(directory, 'events.jsonl');
    writeFileSync(file, [start(), progress(), complete()].map((e) => JSON.stringify(e)).join('\n'));
    const script = fileURLToPath(new URL('./reduce.mjs', import.meta.url));
    const text = execFileSync(process.execPath, [script, file], { encoding: 'utf8' });
    const value = JSON.parse(text);
    assert.deepEqual(Object.keys(value), ['operations', 'totals']);
    assert.equal(value.operations[ID].state, 'complete');
    assert.deepEqual(Object.keys(value.operations[ID]), Object.keys(value.operations[ID]).sort());
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Reproducible events of some forty operations, in any order. */
export function randomEvents(number, seed) {
  let x = seed;
  const roll = (n) => (x = (x * 1_103_515_245 + 12_345) % 2_147_483_648) % n;
  const makers = [start, progress, progress, progress, complete, lost, stopped,
    (m) => event('tool.invoked', { call_id: 'c', name: 'Bash', ...m }), (m) => event('tool.response', { call_id: 'c', ...m }),
    (m) => event('execution.detached', m), (m) => event('execution.queued', m)];
  return Array.from({ length: number }, () => {
    const operation_id = `exec-${String(roll(900)).padStart(4, '0')}`;
    const cost = roll(3) === 0 ? null : roll(1_000_000);
    return makers[roll(makers.length)]({ operation_id, cost_nano_usd: cost, tokens: { ...USAGE, output: roll(5_000) } });
  });
}

// Scripted operations for the stand-in: one of each kind, with figures as they occur.

import { demo } from './standin/live.mjs';

const MINUTE = 60_000;

/** An id of the daemon's form that sorts by its number. */
export const opId = (n) => `exec-06kq${String(n).padStart(4, '0')}${'tz4m8wq2'}`;

const usage = (input, cacheRead, write5m, output, reasoning = 0, write1h = 0) => ({
  input, cache_read: cacheRead, cache_write_5m: write5m, cache_write_1h: write1h, output, reasoning,
});

const spend = (tokens, cost, basis = 'computed', reported = null, source = 'reported') => ({
  tokens, usage_source: source, cost_nano_usd: cost, cost_basis: basis, reported_cost_nano_usd: reported,
});

export const reason = (code, text) => ({ code, text });

/** Publishes the beginning of an operation. */
export function begin(s, n, about) {
  const id = opId(n);
  const at = Date.now() - (about.ageMs ?? MINUTE);
  const { tool, model, provider = null, agent = null, task_type = null } = about;
  s.publish('routing.decision', {
    operation_id: id, attempt: 1, trigger: 'submit',
    requested: { model: about.asked ?? 'auto', tool: null, agent, task_type },
    selected: { tool, model, provider, reason_code: 'first_installed', reason: about.why ?? 'first usable candidate of the list' },
    fallback_used: false,
    candidates: about.candidates ?? [
      { tool, model, provider, source: 'installed', verdict: 'selected', reasons: [reason('installed', 'its program is on the PATH and signed in')] },
      { tool: 'codex', model: 'gpt-5.2-codex', provider: 'openai', source: 'installed', verdict: 'standby', reasons: [reason('installed', 'its program is on the PATH')] },
      { tool: 'gemini', model: 'gemini-3-pro', provider: 'google', source: 'credentials', verdict: 'rejected', reasons: [reason('not_installed', 'no program of that name on the PATH'), reason('no_key', 'GEMINI_API_KEY is not set')] },
    ],
    omitted: 0, decided_us: 412,
  }, at - 90);
  s.publish('model.selected', { operation_id: id, attempt: 1, tool, model, provider, reason_code: 'first_installed', reason: about.why ?? 'first usable candidate of the list', standby: 1 }, at - 80);
  if (about.waits) {
    s.publish('execution.queued', { operation_id: id, position: 1, reason: 'concurrency' }, at - 70);
    return id;
  }
  s.publish('execution.start', {
    operation_id: id, attempt: 1, tool, model, provider, mode: about.mode ?? 'cli', agent, task_type,
    cwd: about.cwd ?? '/home/dev/src/billing', pid: 40_000 + n,
    prompt: { bytes: about.promptBytes ?? 3_412, sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c', file: about.file === undefined ? '/home/dev/src/billing/prompts/review.md' : about.file },
    command: about.command ?? [tool, '-p', '--output-format', 'stream-json', '--verbose', '--model', model ?? 'default'],
    max_cost_nano_usd: about.limit ?? null, retry_of: about.retryOf ?? null, started_at: new Date(at).toISOString(),
  }, at);
  return id;
}

export function progress(s, id, more) {
  const op = s.state.operations.get(id);
  const elapsed = more.elapsed_ms ?? Date.now() - Date.parse(op.started_at);
  s.publish('execution.progress', {
    operation_id: id, state: 'running', phase: 'streaming', model: op.model, ...spend(op.tokens, op.cost_nano_usd),
    elapsed_ms: elapsed, idle_ms: 0, stdout_bytes: s.outputs.get(`${id}/stdout`)?.length ?? 0,
    stderr_bytes: s.outputs.get(`${id}/stderr`)?.length ?? 0, ...more,
  });
}

export function invoke(s, id, n, name, kind, summary, answer) {
  s.publish('tool.invoked', { operation_id: id, call_id: `c${n}`, name, kind, server_name: kind === 'mcp' ? name.split('__')[1] : null, summary, input_bytes: 120 });
  if (answer) s.publish('tool.response', { operation_id: id, call_id: `c${n}`, ok: true, exit_code: kind === 'shell' ? 0 : null, output_bytes: 2_048, duration_ms: 412, ...answer });
}

export function end(s, id, type, more, agoMs) {
  const op = s.state.operations.get(id);
  s.publish(`execution.${type}`, {
    operation_id: id, exit_code: 0, model: op.model, first_output_ms: 1_812, session_id: null, resume_command: null,
    stdout_bytes: s.outputs.get(`${id}/stdout`)?.length ?? 0, stderr_bytes: s.outputs.get(`${id}/stderr`)?.length ?? 0,
    calls: op.calls, attempt: 1, ...more,
  }, Date.now() - agoMs);
}

const REVIEW = [
  '\x1b[1m## Review of `ledger/settle.rs`\x1b[0m', '',
  'I read the settlement path from `reserve` to `commit` and ran the property tests twice. Three findings, one of them serious.', '',
  '\x1b[31m1. A reservation survives a failed commit.\x1b[0m `settle()` returns early when the store is busy, and the',
  '   guard that would release the reservation is dropped *after* the early return only on the success path:', '',
  '   \x1b[2m142 |\x1b[0m   let held = self.reserve(amount)?;',
  '   \x1b[2m143 |\x1b[0m   if self.store.is_busy() {',
  '   \x1b[2m144 |\x1b[0m       \x1b[33mreturn Ok(Settled::Later);\x1b[0m   // held is forgotten here',
  '   \x1b[2m145 |\x1b[0m   }', '',
  '   With 20 concurrent settlements the test leaks between 2 and 5 reservations a run.', '',
  '\x1b[33m2. Rounding twice.\x1b[0m `price_row` rounds each class to nano-dollars before adding them up. For five classes the sum',
  '   can differ by 2 nano-dollars from rounding once at the edge.', '',
  '\x1b[36m3. Naming.\x1b[0m `amount_left` is what is *reserved*, not what is left.', '',
  'I will now fix the first one and add a regression test.', '',
  '\x1b[32mrunning 14 tests\x1b[0m', '..............', 'test result: \x1b[32mok\x1b[0m. 14 passed; 0 failed; finished in 1.92s', '',
];

const SENTENCES = [
  'The guard now releases on every path; `Settled::Later` carries it along.',
  'Checking that no caller relies on the old early return.',
  '`replay()` does: it treats Later as done. I will adjust it and say so in the commit message.',
  'Next the rounding: one conversion at the edge, pico-dollars until then.',
  'The regression test starts twenty settlements against a store that is busy every third time.',
];

function runningScene(s) {
  const id = begin(s, 940, {
    tool: 'claude', model: 'claude-opus-4-6', provider: 'anthropic', agent: 'reviewer', task_type: 'code-review',
    ageMs: 3 * MINUTE + 12_000, limit: 2_500_000_000, why: 'first usable candidate; code-review prefers it',
  });
  s.output(id, 'stdout', REVIEW.join('\n'));
  s.output(id, 'stderr', '\x1b[33mwarning\x1b[0m: MCP server "jira" took 4.1 s to start\n');
  invoke(s, id, 1, 'Read', 'read', 'ledger/settle.rs', { output_bytes: 18_220, duration_ms: 31 });
  invoke(s, id, 2, 'Grep', 'search', 'reserve\\( in ledger/', { output_bytes: 1_204, duration_ms: 88 });
  invoke(s, id, 3, 'Bash', 'shell', 'cargo test -p ledger settle -- --nocapture', { output_bytes: 6_120, duration_ms: 21_400, ok: false, exit_code: 101 });
  invoke(s, id, 4, 'mcp__jira__search', 'mcp', 'project = BILL AND text ~ "reservation leak"', { output_bytes: 3_402, duration_ms: 940 });
  invoke(s, id, 5, 'Edit', 'edit', 'ledger/settle.rs: 6 lines added, 2 removed', { output_bytes: 88, duration_ms: 12 });
  const started = Date.parse(s.state.operations.get(id).started_at);
  let output = 9_100;
  let cost = 412_351_250;
  const tick = (elapsed) => {
    output += 10 + Math.round(14 * Math.random());
    cost += 612_500;
    progress(s, id, { ...spend(usage(2_310, 148_220, 21_904, output, 3_120), cost, 'computed', cost + 1_204_000), elapsed_ms: elapsed });
  };
  for (let i = 40; i > 0; i -= 1) tick(Date.now() - started - i * 250);
  let n = 0;
  s.every(250, () => {
    if (s.state.operations.get(id).state !== 'running') return;
    tick(Date.now() - started);
    n += 1;
    if (n % 3 === 0) s.output(id, 'stdout', `${SENTENCES[(n / 3) % SENTENCES.length]}${n % 6 ? ' ' : '\n'}`);
  });
}

function otherRunning(s) {
  const think = begin(s, 939, { tool: 'codex', model: 'gpt-5.2-codex', provider: 'openai', agent: 'architect', ageMs: 48_000 });
  progress(s, think, { phase: 'thinking', ...spend(usage(18_402, 6_144, 0, 1_902, 1_788), 51_220_100), idle_ms: 22_000 });
  const tool = begin(s, 938, { tool: 'gemini', model: 'gemini-3-pro', provider: 'google', agent: 'backend-dev', task_type: 'implement', ageMs: 11 * MINUTE });
  invoke(s, tool, 1, 'run_shell_command', 'shell', 'npm run build && npm test -- --watch=false');
  progress(s, tool, { phase: 'tool', ...spend(usage(88_120, 402_118, 0, 14_880, 6_002), 388_104_500, 'derived') });
  const paused = begin(s, 937, { tool: 'claude', model: 'claude-sonnet-4-6', provider: 'anthropic', agent: 'docs', ageMs: 26 * MINUTE });
  progress(s, paused, { state: 'paused', ...spend(usage(3_100, 51_020, 8_004, 5_210), 114_920_000) });
  const stopping = begin(s, 936, { tool: 'opencode', model: 'qwen3-coder-480b', provider: 'openrouter', agent: 'fuzzer', ageMs: 7 * MINUTE });
  progress(s, stopping, { state: 'stopping', phase: 'retrying', ...spend(usage(22_000, 0, 0, 9_020), null, 'unknown') });
  const local = begin(s, 935, { tool: 'ollama', model: 'llama-4-scout', provider: 'ollama', mode: 'http', ageMs: 9_000, command: ['POST', 'http://127.0.0.1:11434/api/chat'] });
  progress(s, local, { phase: 'waiting_network', ...spend(usage(0, 0, 0, 0), 0, 'computed', null, 'none') });
  begin(s, 941, { tool: 'claude', model: 'claude-haiku-4-5', provider: 'anthropic', agent: 'triage', waits: true, ageMs: 4_000 });
  const detached = begin(s, 934, { tool: 'aider', model: 'deepseek-v3.2', provider: 'deepseek', agent: 'migrations', ageMs: 34 * MINUTE });
  progress(s, detached, { ...spend(usage(61_000, 210_400, 0, 20_144), 27_310_400) });
  s.publish('execution.detached', { operation_id: detached, reason: 'link_lost' });
}

function endedScene(s) {
  const partial = (id) => ({ dir_name: id, files: [{ name: 'stdout', bytes: 18_240 }, { name: 'stderr', bytes: 611 }, { name: 'journal.jsonl', bytes: 40_122 }] });
  const lost = begin(s, 921, { tool: 'claude', model: 'claude-sonnet-4-6', provider: 'anthropic', agent: 'nightly', ageMs: 5 * 60 * MINUTE });
  end(s, lost, 'lost', { reason: 'rebooted', last_event_at: null, ...spend(usage(9_020, 120_400, 11_000, 7_204), 241_204_800), killed_processes: 0, partial: partial(lost) }, 3 * 60 * MINUTE);
  const odd = begin(s, 922, { tool: 'copilot', model: null, provider: 'github', agent: null, ageMs: 160 * MINUTE });
  end(s, odd, 'complete', { duration_ms: 61_220, ...spend(usage(0, 0, 0, 0), null, 'unknown', null, 'none'), stdout_bytes: 4_120 }, 158 * MINUTE);
  const auth = begin(s, 923, { tool: 'gemini', model: 'gemini-3-flash', provider: 'google', agent: 'triage', ageMs: 140 * MINUTE });
  s.output(auth, 'stderr', 'Error: 401 Unauthorized: the API key is not valid\n');
  end(s, auth, 'error', { class: 'auth', message: 'The API key is not valid (401 from generativelanguage.googleapis.com)', hint: 'set GEMINI_API_KEY, or sign in with `gemini auth`', exit_code: 41, signal: null, http_status: 401, retryable: false, duration_ms: 1_904, ...spend(usage(0, 0, 0, 0), 0, 'computed'), partial: null }, 139 * MINUTE);
  const stopped = begin(s, 924, { tool: 'claude', model: 'claude-opus-4-6', provider: 'anthropic', agent: 'reviewer', task_type: 'code-review', ageMs: 96 * MINUTE });
  s.output(stopped, 'stdout', REVIEW.slice(0, 12).join('\n'));
  invoke(s, stopped, 1, 'Read', 'read', 'ledger/settle.rs', {});
  end(s, stopped, 'stopped', { by: 'user', via: 'cli', reason: 'wrong branch checked out', signal: 2, step: 'interrupt', killed_processes: 0, exit_code: 130, duration_ms: 74_300, ...spend(usage(1_204, 44_020, 12_110, 2_904, 1_204), 182_440_250, 'computed', 182_440_000), partial: partial(stopped), session_id: '7d3c0b1e-52aa', resume_command: 'claude --resume 7d3c0b1e-52aa' }, 94 * MINUTE);
  const budget = begin(s, 925, { tool: 'codex', model: 'gpt-5.2-codex', provider: 'openai', agent: 'backend-dev', ageMs: 70 * MINUTE, limit: 500_000_000 });
  end(s, budget, 'stopped', { by: 'budget', via: 'runner', reason: null, signal: 15, step: 'terminate', killed_processes: 2, exit_code: null, duration_ms: 612_000, ...spend(usage(210_000, 880_000, 0, 40_200, 22_100), 500_204_000), partial: partial(budget), session_id: null, resume_command: 'codex resume 0199-ab2f' }, 60 * MINUTE);
  const rate = begin(s, 926, { tool: 'opencode', model: 'qwen3-coder-480b', provider: 'openrouter', agent: 'fuzzer', ageMs: 52 * MINUTE });
  end(s, rate, 'error', { class: 'rate_limit', message: 'The provider answered 429 and asked to wait 40 s; no other candidate was left', hint: 'llmctl retry exec-06kq0926', exit_code: 1, signal: null, http_status: 429, retryable: true, duration_ms: 22_400, ...spend(usage(12_000, 0, 0, 804), null, 'unknown'), partial: partial(rate) }, 51 * MINUTE);
  const names = ['reviewer', 'docs', 'backend-dev', 'triage', 'release-notes', 'architect', null];
  const models = [['claude', 'claude-sonnet-4-6', 'anthropic'], ['codex', 'gpt-5.2-codex', 'openai'], ['gemini', 'gemini-3-pro', 'google'], ['claude', 'claude-haiku-4-5', 'anthropic']];
  for (let i = 0; i < 7; i += 1) {
    const [tool, model, provider] = models[i % models.length];
    const done = begin(s, 927 + i, { tool, model, provider, agent: names[i], ageMs: (46 - 5 * i) * MINUTE });
    s.output(done, 'stdout', `${REVIEW.join('\n')}\n`.repeat(1 + (i % 3)));
    for (let c = 0; c < i; c += 1) invoke(s, done, c, 'Read', 'read', `src/module_${c}.rs`, {});
    end(s, done, 'complete', { duration_ms: 31_000 + i * 47_210, ...spend(usage(4_020 * (i + 1), 31_000 * i, 9_000, 2_210 + 900 * i, 800), 61_204_250 * (i + 1), i % 3 ? 'computed' : 'reported', 60_000_000 * (i + 1)), session_id: 'a1', resume_command: tool === 'claude' ? 'claude --resume a1b2c3d4' : null }, (45 - 5 * i) * MINUTE);
  }
}

export const scenes = {
  empty() {},
  demo(s) {
    endedScene(s);
    otherRunning(s);
    runningScene(s);
    demo(s, opId(940));
  },
  many(s) {
    for (let i = 0; i < 500; i += 1) {
      const id = begin(s, i, { tool: 'claude', model: `model-${i % 7}`, agent: `agent-${i % 13}`, ageMs: (500 - i) * MINUTE });
      if (i < 450) end(s, id, 'complete', { duration_ms: 1_000 * i, ...spend(usage(i, i, 0, i), i * 1_000_000) }, (500 - i) * MINUTE);
      else progress(s, id, spend(usage(i, 0, 0, i), 1_000));
    }
  },
};

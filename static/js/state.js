// @ts-check
// The projection: what all events so far add up to. The twin of `proto/src/state.rs`, rule for rule; the same
// recorded events go through both and must end in the same state. Pure: no DOM, no clock, no I/O. A state is never
// changed in place: every function gives a new one, or the same one when nothing changed.

/**
 * @typedef {import('./types.js').Usage} Usage
 * @typedef {import('./types.js').OperationState} OperationState
 * @typedef {import('./types.js').Operation} Operation
 * @typedef {import('./types.js').Totals} Totals
 * @typedef {import('./types.js').State} State
 * @typedef {import('./types.js').Envelope} Envelope
 */

/** Ended operations a projection keeps; older ones are in the daemon's store. */
export const ENDED_KEPT = 500;

const FINAL = new Set(['complete', 'error', 'stopped', 'lost']);
const RUN_STATES = new Set(['running', 'paused', 'stopping']);
const OPERATION_ID = /^exec-[A-Za-z0-9-]{1,40}$/;
const RFC3339_MS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Types that create an operation they do not know. */
const OF_OPERATIONS = new Set([
  'routing.decision',
  'model.selected',
  'execution.queued',
  'execution.start',
  'execution.progress',
  'execution.complete',
  'execution.error',
  'execution.stopped',
  'execution.detached',
  'execution.lost',
  'tool.invoked',
  'tool.response',
]);

/** The closing events as a runner writes them; only these correct `lost`. */
const ENDS = new Set(['execution.complete', 'execution.error', 'execution.stopped']);

/** Whether nothing more will happen to it; `lost` may still be corrected. @param {string} state */
export const isFinal = (state) => FINAL.has(state);

/** Whether a text is an operation id. @param {unknown} id */
export const isOperationId = (id) => typeof id === 'string' && OPERATION_ID.test(id);

/** The five disjoint classes added up. @param {Usage} tokens */
export const totalTokens = (tokens) =>
  tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h + tokens.output;

/** @returns {Totals} */
const noTotals = () => ({
  ended: 0,
  complete: 0,
  error: 0,
  stopped: 0,
  lost: 0,
  tokens: 0,
  cost_nano_usd: 0,
  cost_unknown: 0,
});

/** The state before any event. @returns {State} */
export const initial = () => ({ operations: new Map(), totals: noTotals(), ended: [] });

/** @param {any} value */
const orNull = (value) => (value === undefined ? null : value);
/** @param {any} value */
const count = (value) => (typeof value === 'number' ? value : 0);
/** @param {any} value @returns {string[]} */
const words = (value) => (Array.isArray(value) ? value.map(String) : []);

/** Times are kept as the daemon writes them: RFC 3339, UTC, milliseconds. @param {any} text */
function time(text) {
  if (typeof text !== 'string') return null;
  if (RFC3339_MS.test(text)) return text;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/** @param {any} t @returns {Usage} */
const usage = (t) => ({
  input: count(t?.input),
  cache_read: count(t?.cache_read),
  cache_write_5m: count(t?.cache_write_5m),
  cache_write_1h: count(t?.cache_write_1h),
  output: count(t?.output),
  reasoning: count(t?.reasoning),
  web_searches: count(t?.web_searches),
});

/** The fields that `Spend` flattens into its event. @param {any} e */
const spend = (e) => ({
  tokens: usage(e.tokens),
  usage_source: e.usage_source ?? 'none',
  cost_nano_usd: orNull(e.cost_nano_usd),
  cost_basis: e.cost_basis ?? 'unknown',
  reported_cost_nano_usd: orNull(e.reported_cost_nano_usd),
});

/** @param {any} p */
const promptInfo = (p) => (p ? { bytes: count(p.bytes), sha256: String(p.sha256), file: orNull(p.file) } : null);

/** @param {any} p */
const partial = (p) =>
  p
    ? {
        dir_name: String(p.dir_name),
        files: (Array.isArray(p.files) ? p.files : []).map((/** @type {any} */ f) => ({
          name: String(f?.name),
          bytes: count(f?.bytes),
        })),
      }
    : null;

/** An operation of which only the name is known. @param {string} id @param {string} at @returns {Operation} */
const newOperation = (id, at) => ({
  operation_id: id,
  state: 'submitted',
  tool: null,
  model: null,
  provider: null,
  mode: null,
  agent: null,
  task_type: null,
  cwd: null,
  command: [],
  reason: null,
  attempt: 0,
  phase: null,
  submitted_at: at,
  started_at: null,
  ended_at: null,
  elapsed_ms: 0,
  idle_ms: 0,
  first_output_ms: null,
  ...spend({}),
  max_cost_nano_usd: null,
  prompt: null,
  stdout_bytes: 0,
  stderr_bytes: 0,
  calls: 0,
  open_call: null,
  exit_code: null,
  signal: null,
  error: null,
  stopped: null,
  partial: null,
  session_id: null,
  resume_command: null,
  retry_of: null,
  retried_by: null,
});

/** What every end leaves behind. @param {OperationState} state @param {string} at */
const end = (state, at) => ({ state, phase: null, open_call: null, ended_at: at });

/** Fields that complete, error and stopped have in common. @param {Operation} op @param {any} e */
const closing = (op, e) => ({
  ...spend(e),
  model: orNull(e.model) ?? op.model,
  elapsed_ms: count(e.duration_ms),
  stdout_bytes: count(e.stdout_bytes),
  stderr_bytes: count(e.stderr_bytes),
  exit_code: orNull(e.exit_code),
  session_id: orNull(e.session_id),
  resume_command: orNull(e.resume_command),
});

/**
 * What an event changes in its operation, by type.
 * @type {Record<string, (op: Operation, e: any, at: string) => Partial<Operation>|null>}
 */
const CHANGES = {
  'routing.decision': (_op, e) => ({
    attempt: count(e.attempt),
    agent: orNull(e.requested?.agent),
    task_type: orNull(e.requested?.task_type),
  }),
  'model.selected': (_op, e) => ({
    attempt: count(e.attempt),
    tool: orNull(e.tool),
    model: orNull(e.model),
    provider: orNull(e.provider),
    reason: orNull(e.reason),
  }),
  'execution.queued': () => ({ state: 'queued' }),
  'execution.start': (_op, e) => ({
    state: 'running',
    phase: 'starting',
    attempt: count(e.attempt),
    tool: orNull(e.tool),
    model: orNull(e.model),
    provider: orNull(e.provider),
    mode: orNull(e.mode),
    agent: orNull(e.agent),
    task_type: orNull(e.task_type),
    cwd: orNull(e.cwd),
    command: words(e.command),
    prompt: promptInfo(e.prompt),
    max_cost_nano_usd: orNull(e.max_cost_nano_usd),
    retry_of: orNull(e.retry_of),
    started_at: time(e.started_at),
  }),
  'execution.progress': (op, e) =>
    RUN_STATES.has(e.state)
      ? {
          ...spend(e),
          state: e.state,
          phase: orNull(e.phase),
          model: orNull(e.model) ?? op.model,
          elapsed_ms: count(e.elapsed_ms),
          idle_ms: count(e.idle_ms),
          stdout_bytes: count(e.stdout_bytes),
          stderr_bytes: count(e.stderr_bytes),
        }
      : null,
  'tool.invoked': (op, e) => ({ calls: op.calls + 1, open_call: orNull(e.name) }),
  'tool.response': () => ({ open_call: null }),
  'execution.complete': (op, e, at) => ({
    ...closing(op, e),
    first_output_ms: orNull(e.first_output_ms),
    calls: count(e.calls),
    ...end('complete', at),
  }),
  'execution.error': (op, e, at) => ({
    ...closing(op, e),
    signal: orNull(e.signal),
    error: {
      class: String(e.class),
      message: String(e.message),
      hint: orNull(e.hint),
      retryable: e.retryable === true,
    },
    partial: partial(e.partial),
    ...end('error', at),
  }),
  'execution.stopped': (op, e, at) => ({
    ...closing(op, e),
    signal: orNull(e.signal),
    stopped: {
      by: String(e.by),
      via: String(e.via),
      reason: orNull(e.reason),
      step: String(e.step),
      killed_processes: count(e.killed_processes),
    },
    partial: partial(e.partial),
    ...end('stopped', at),
  }),
  'execution.detached': () => ({ state: 'detached' }),
  'execution.lost': (_op, e, at) => ({
    ...spend(e),
    stdout_bytes: count(e.stdout_bytes),
    stderr_bytes: count(e.stderr_bytes),
    partial: partial(e.partial),
    ...end('lost', at),
  }),
};

/**
 * Folds one event into its operation. Nothing follows an end; only another end corrects `lost`.
 * @param {Operation} op
 * @param {Envelope} envelope
 * @param {string} at
 * @returns {Operation}
 */
function applyToOperation(op, envelope, at) {
  const corrects = op.state === 'lost' && ENDS.has(envelope.type);
  if (isFinal(op.state) && !corrects) return op;
  const change = CHANGES[envelope.type](op, envelope.data, at);
  return change ? { ...op, ...change } : op;
}

/** Where an id belongs in an ascending list. @param {string[]} ids @param {string} id */
function place(ids, id) {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle] < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A state under construction; `applyAll` copies once for a whole burst. */
class Draft {
  /** @param {State} state */
  constructor(state) {
    this.operations = new Map(state.operations);
    this.totals = { ...state.totals };
    this.ended = state.ended.slice();
    this.changed = false;
  }

  /** @param {Envelope} envelope */
  apply(envelope) {
    if (!OF_OPERATIONS.has(envelope.type)) return;
    const data = envelope.data;
    const at = time(envelope.at);
    if (!data || typeof data !== 'object' || !isOperationId(data.operation_id) || at === null) return;
    const id = data.operation_id;
    const known = this.operations.get(id);
    const before = known ?? newOperation(id, at);
    const after = applyToOperation(before, envelope, at);
    if (after !== known) {
      this.operations.set(id, after);
      this.changed = true;
    }
    if (envelope.type === 'execution.start' && data.retry_of) {
      const first = this.operations.get(data.retry_of);
      if (first && first.retried_by !== id) {
        this.operations.set(data.retry_of, { ...first, retried_by: id });
        this.changed = true;
      }
    }
    if (isFinal(after.state) && before.state !== after.state) this.countEnd(after, before);
    this.prune();
  }

  /** @param {Operation} op @param {Operation} before */
  countEnd(op, before) {
    const totals = this.totals;
    if (isFinal(before.state)) {
      // A journal found later corrects `lost`: what was counted for it then is taken back.
      totals.lost = Math.max(0, totals.lost - 1);
      totals.tokens = Math.max(0, totals.tokens - totalTokens(before.tokens));
      if (before.cost_nano_usd === null) totals.cost_unknown = Math.max(0, totals.cost_unknown - 1);
      else totals.cost_nano_usd -= before.cost_nano_usd;
    } else totals.ended += 1;
    totals.tokens += totalTokens(op.tokens);
    if (op.cost_nano_usd === null) totals.cost_unknown += 1;
    else totals.cost_nano_usd += op.cost_nano_usd;
    if (op.state === 'complete') totals.complete += 1;
    else if (op.state === 'error') totals.error += 1;
    else if (op.state === 'stopped') totals.stopped += 1;
    else totals.lost += 1;
    this.keepEnded(op.operation_id);
  }

  /** @param {string} id */
  keepEnded(id) {
    const at = place(this.ended, id);
    if (this.ended[at] !== id) this.ended.splice(at, 0, id);
  }

  prune() {
    while (this.ended.length > ENDED_KEPT) {
      const oldest = this.ended.shift();
      if (oldest !== undefined) this.operations.delete(oldest);
      this.changed = true;
    }
  }

  /** @returns {State} */
  done() {
    return { operations: this.operations, totals: this.totals, ended: this.ended };
  }
}

/**
 * Starts again from what the daemon says is there.
 * @param {State} _state replaced as a whole
 * @param {{state: {operations: Operation[], totals: Totals}}} message
 * @returns {State}
 */
export function applySnapshot(_state, message) {
  const draft = new Draft(initial());
  draft.totals = { ...noTotals(), ...(message.state?.totals ?? {}) };
  for (const op of message.state?.operations ?? []) {
    if (!isOperationId(op?.operation_id)) continue;
    draft.operations.set(op.operation_id, { ...newOperation(op.operation_id, op.submitted_at), ...op });
    if (isFinal(op.state)) draft.ended.push(op.operation_id);
  }
  draft.ended = [...new Set(draft.ended)].sort();
  draft.prune();
  return draft.done();
}

/**
 * Folds a burst of events in, in order.
 * @param {State} state
 * @param {Envelope[]} envelopes
 * @returns {State}
 */
export function applyAll(state, envelopes) {
  const draft = new Draft(state);
  for (const envelope of envelopes) draft.apply(envelope);
  return draft.changed ? draft.done() : state;
}

/**
 * Folds one event in.
 * @param {State} state
 * @param {Envelope} envelope
 */
export const apply = (state, envelope) => applyAll(state, [envelope]);

/**
 * The object whose JSON equals that of the daemon's projection.
 * @param {State} state
 * @returns {{operations: Record<string, Operation>, totals: Totals}}
 */
export function canonical(state) {
  const ids = [...state.operations.keys()].sort();
  return {
    operations: Object.fromEntries(ids.map((id) => [id, /** @type {Operation} */ (state.operations.get(id))])),
    totals: { ...state.totals },
  };
}

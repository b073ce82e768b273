// @ts-check
// What one event changes in the operation it speaks of: the inner half of the projection, whose outer half is
// `state.js`. The twin of `proto/src/state/`, rule for rule. Pure: no DOM, no clock, no I/O.

/**
 * @typedef {import('./types.js').Usage} Usage
 * @typedef {import('./types.js').OperationState} OperationState
 * @typedef {import('./types.js').Operation} Operation
 * @typedef {import('./types.js').Envelope} Envelope
 */

/** Attempts an operation lists; further ones are only counted. */
export const ATTEMPTS_KEPT = 16;

const FINAL = new Set(['complete', 'error', 'stopped', 'refused', 'lost']);
const RUN_STATES = new Set(['running', 'paused', 'stopping']);
const OPERATION_ID = /^exec-[A-Za-z0-9-]{1,40}$/;
const RFC3339_MS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Types that create an operation they do not know. */
export const OF_OPERATIONS = new Set([
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
  'cost.recorded',
  'budget.refused',
  'budget.changed',
]);

/** Whether it is the closing event as a runner writes it; only these correct `lost`. @param {Envelope} envelope */
function isEnd(envelope) {
  switch (envelope.type) {
    case 'execution.complete':
    case 'execution.stopped':
      return true;
    case 'execution.error':
      return envelope.data.final !== false;
    case 'budget.refused':
      return envelope.data.action === 'refuse';
    default:
      return false;
  }
}

/** Whether nothing more will happen to it; `lost` may still be corrected. @param {string} state */
export const isFinal = (state) => FINAL.has(state);

/** Whether a text is an operation id. @param {unknown} id */
export const isOperationId = (id) => typeof id === 'string' && OPERATION_ID.test(id);

/** @param {any} value */
const orNull = (value) => (value === undefined ? null : value);
/** @param {any} value */
const count = (value) => (typeof value === 'number' ? value : 0);
/** @param {any} value @returns {string[]} */
const words = (value) => (Array.isArray(value) ? value.map(String) : []);

/** Times are kept as the daemon writes them: RFC 3339, UTC, milliseconds. @param {any} text */
export function time(text) {
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
export const newOperation = (id, at) => ({
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
  project: null,
  policy: null,
  task_id: null,
  reason_code: null,
  reservation_nano_usd: null,
  queue: null,
  attempts: [],
  drift: false,
});

/** Ends the open attempt, if there is one. @param {Operation} op @param {string} at @param {string|null} errorClass */
function endAttempt(op, at, errorClass) {
  const last = op.attempts.at(-1);
  if (!last || last.ended_at !== null) return op.attempts;
  return [...op.attempts.slice(0, -1), { ...last, ended_at: at, error_class: errorClass }];
}

/** What every end leaves behind. @param {Operation} op @param {OperationState} state @param {string} at @param {string|null} [errorClass] */
const end = (op, state, at, errorClass = null) => ({
  state,
  phase: null,
  open_call: null,
  queue: null,
  ended_at: at,
  attempts: endAttempt(op, at, errorClass),
});

/** The attempts with the first of a number changed. @param {Operation['attempts']} attempts @param {number} number @param {object} change */
function firstWith(attempts, number, change) {
  const at = attempts.findIndex((known) => known.attempt === number);
  return at < 0 ? attempts : attempts.with(at, { ...attempts[at], ...change });
}

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
    policy: orNull(e.policy),
  }),
  'model.selected': (_op, e) => ({
    attempt: count(e.attempt),
    tool: orNull(e.tool),
    model: orNull(e.model),
    provider: orNull(e.provider),
    reason: orNull(e.reason),
    reason_code: orNull(e.reason_code),
  }),
  'execution.queued': (_op, e) => ({
    state: 'queued',
    phase: null,
    queue: {
      position: count(e.position),
      reason: String(e.reason),
      limit: orNull(e.limit),
      wait_until: time(e.wait_until),
      held: e.held === true,
      priority: count(e.priority),
    },
  }),
  'execution.start': (op, e) => ({
    state: 'running',
    queue: null,
    error: null,
    project: orNull(e.project),
    policy: orNull(e.policy),
    task_id: orNull(e.task_id),
    reservation_nano_usd: orNull(e.reservation_nano_usd),
    attempts:
      op.attempts.length < ATTEMPTS_KEPT
        ? [
            ...op.attempts,
            {
              attempt: count(e.attempt),
              tool: String(e.tool),
              model: orNull(e.model),
              started_at: time(e.started_at),
              ended_at: null,
              error_class: null,
              cost_nano_usd: null,
            },
          ]
        : op.attempts,
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
    ...end(op, 'complete', at),
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
    ...(e.final === false
      ? { phase: 'retrying', open_call: null, attempts: endAttempt(op, at, String(e.class)) }
      : end(op, 'error', at, String(e.class))),
  }),
  'cost.recorded': (op, e) => ({
    drift: op.drift || orNull(e.drift) !== null,
    attempts: firstWith(op.attempts, count(e.attempt), { cost_nano_usd: orNull(e.cost_nano_usd) }),
  }),
  'budget.changed': (_op, e) => ({ max_cost_nano_usd: orNull(e.max_cost_nano_usd) }),
  'budget.refused': (op, e, at) =>
    e.action === 'refuse'
      ? {
          error: {
            class: 'budget_refused',
            message: String(e.message),
            hint: orNull(e.hints?.[0]),
            retryable: false,
          },
          cost_nano_usd: op.cost_nano_usd === null && op.attempts.length === 0 ? 0 : op.cost_nano_usd,
          ...end(op, 'refused', at),
        }
      : null,
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
    ...end(op, 'stopped', at),
  }),
  'execution.detached': () => ({ state: 'detached' }),
  'execution.lost': (op, e, at) => ({
    ...spend(e),
    stdout_bytes: count(e.stdout_bytes),
    stderr_bytes: count(e.stderr_bytes),
    partial: partial(e.partial),
    ...end(op, 'lost', at),
  }),
};

/**
 * Folds one event into its operation. Nothing follows an end; only another end corrects `lost`.
 * @param {Operation} op
 * @param {Envelope} envelope
 * @param {string} at
 * @returns {Operation}
 */
export function applyToOperation(op, envelope, at) {
  const corrects = op.state === 'lost' && isEnd(envelope);
  if (isFinal(op.state) && !corrects) return op;
  const change = CHANGES[envelope.type](op, envelope.data, at);
  return change ? { ...op, ...change } : op;
}

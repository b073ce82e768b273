// @ts-check
// The projection: what all events so far add up to. The twin of `proto/src/state/`, rule for rule; the same
// recorded events go through both and must end in the same state. Pure: no DOM, no clock, no I/O. A state is never
// changed in place: every function gives a new one, or the same one when nothing changed.

/**
 * @typedef {import('./types.js').Usage} Usage
 * @typedef {import('./types.js').Operation} Operation
 * @typedef {import('./types.js').Totals} Totals
 * @typedef {import('./types.js').State} State
 * @typedef {import('./types.js').Envelope} Envelope
 */

import { OF_OPERATIONS, applyToOperation, isFinal, isOperationId, newOperation, time } from './operation.js';

export { ATTEMPTS_KEPT, isFinal, isOperationId } from './operation.js';

/** Ended operations a projection keeps; older ones are in the daemon's store. */
export const ENDED_KEPT = 500;

/** The five disjoint classes added up. @param {Usage} tokens */
export const totalTokens = (tokens) =>
  tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h + tokens.output;

/** @returns {Totals} */
const noTotals = () => ({
  ended: 0,
  complete: 0,
  error: 0,
  stopped: 0,
  refused: 0,
  lost: 0,
  tokens: 0,
  cost_nano_usd: 0,
  cost_unknown: 0,
});

/** The state before any event. @returns {State} */
export const initial = () => ({ operations: new Map(), totals: noTotals(), ended: [] });

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
    else if (op.state === 'refused') totals.refused += 1;
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

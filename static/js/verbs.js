// @ts-check
// What may be done to operations. Each is pending until the daemon's word, and a refusal is told with its hint.

import * as api from './api.js';
import * as operations from './api/operations.js';
import { clean, cost, counted } from './format.js';
import { isFinal, isOperationId } from './state.js';
import { sums } from './sums.js';

/** An action that nobody confirmed is offered again after this. */
const PENDING_MS = 8_000;
const REASON = 'stopped from the dashboard';

/** @param {Pick<import('./screen.js').Ctx, 'store'|'link'|'confirm'>} ctx */
export function operationVerbs({ store, link, confirm }) {
  /** @param {string} id @param {string} action */
  function mark(id, action) {
    store.setPending(id, action);
    setTimeout(() => {
      if (store.model.pending.get(id) === action) store.setPending(id, null);
    }, PENDING_MS);
  }

  /** @param {string} id @param {{error?: string, hint?: string}} answer */
  function refused(id, answer) {
    store.setPending(id, null);
    store.notify(clean(answer.error ?? 'The daemon refused', 300), clean(answer.hint, 200));
  }

  return {
    /** @param {string} id @param {boolean} force */
    async stop(id, force) {
      mark(id, force ? 'force' : 'stop');
      let answer = await link.request({ type: 'stop_operation', operation_id: id, reason: REASON, force });
      if (!answer.ok && ['offline', 'link_lost', 'unknown_type'].includes(answer.code ?? '')) {
        const posted = await api.stop(id, { force, reason: REASON });
        answer = posted.ok ? { ok: true } : posted;
      }
      if (answer.ok) store.set({ asked: new Set(store.model.asked).add(id) });
      else refused(id, answer);
    },

    /** @param {string} id @param {'pause'|'resume'} verb */
    async change(id, verb) {
      mark(id, verb);
      const answer = await api.change(id, verb);
      store.setPending(id, null);
      if (!answer.ok) refused(id, answer);
    },

    /** @param {string} id @param {number|null} nano null takes the limit away */
    async setBudget(id, nano) {
      mark(id, 'budget');
      const answer = await operations.setBudget(id, nano);
      store.setPending(id, null);
      if (!answer.ok) refused(id, answer);
      else store.notify(nano === null ? 'The operation has no cost limit any more' : `The cost limit is ${cost(nano)} now`, '', 'info');
    },

    /** @param {string} id @param {{priority?: number, held?: boolean}} change */
    async changeQueue(id, change) {
      mark(id, 'queue');
      const answer = await operations.changeQueue(id, change);
      store.setPending(id, null);
      if (!answer.ok) refused(id, answer);
      else if (change.priority !== undefined) store.notify(`Its priority is ${change.priority} now`, '', 'info');
      else store.notify(change.held ? 'It is held back until it is released' : 'It is released', '', 'info');
    },

    /** @param {string} id @param {{model?: string, prompt?: string}} change @returns {Promise<string|null>} the new operation */
    async retry(id, change) {
      // A start takes longer than an answer: it is pending until the daemon knows.
      store.setPending(id, 'retry');
      const answer = await operations.retry(id, change);
      store.setPending(id, null);
      const begun = answer.ok ? answer.value?.operation_id : null;
      if (isOperationId(begun)) return begun;
      refused(id, answer.ok ? { error: 'The daemon did not say which operation has begun' } : answer);
      return null;
    },

    async stopAll() {
      const { running, waiting } = sums(store.model.data);
      if (running + waiting === 0) return;
      const yes = await confirm({
        title: `Stop ${counted(running + waiting, 'operation')}?`,
        body: 'Each tool is interrupted first and ended if it does not react. Partial results are kept.',
        action: 'Stop all',
        danger: true,
      });
      if (!yes) return;
      for (const op of store.model.data.operations.values()) {
        if (!isFinal(op.state)) mark(op.operation_id, 'stop');
      }
      const answer = await api.stopAll();
      if (answer.ok) return;
      store.set({ pending: new Map() });
      store.notify(clean(answer.error, 300), clean(answer.hint, 200));
    },
  };
}

/** @typedef {ReturnType<typeof operationVerbs>} Verbs */

// @ts-check
// Figures over all operations: what ended and what runs, together. Pure.

import { isFinal, totalTokens } from './state.js';

/** @param {import('./state.js').State} data */
export function sums(data) {
  const { totals } = data;
  let [running, waiting, tokens, unknown] = [0, 0, totals.tokens, totals.cost_unknown];
  let nano = totals.cost_nano_usd;
  for (const op of data.operations.values()) {
    if (isFinal(op.state)) continue;
    if (op.state === 'submitted' || op.state === 'queued') waiting += 1;
    else running += 1;
    tokens += totalTokens(op.tokens);
    if (op.cost_nano_usd !== null) nano += op.cost_nano_usd;
    else if (op.started_at !== null) unknown += 1;
  }
  return { running, waiting, tokens, nano, unknown };
}

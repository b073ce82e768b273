// @ts-check
// The REST calls of the screens Cost and Models.

import { call } from '../api.js';

/** @param {Record<string, string|null|undefined>} values */
const query = (values) => {
  const kept = Object.entries(values).filter((entry) => entry[1]);
  return new URLSearchParams(/** @type {[string, string][]} */ (kept)).toString();
};

/**
 * Sums of the ledger.
 * @param {{range?: string, from?: string, to?: string, bucket: string, by: string}} asked
 */
export const getCosts = (asked) => call(`/api/costs?${query(asked)}`);

/** How far the budgets are used. */
export const getBudgets = () => call('/api/budgets');

/** Figures and prices of models. @param {{since?: string, q?: string}} asked */
export const getModels = (asked) => call(`/api/models?${query(asked)}`);

/**
 * Where a whole list can be downloaded.
 * @param {'operations'|'costs'|'events'} kind
 * @param {'csv'|'jsonl'} format
 * @param {{from?: string|null, to?: string|null}} span
 */
export const exportPath = (kind, format, { from, to }) => `/api/export?${query({ kind, format, from, to })}`;

// @ts-check
// Stored facts from the newest backwards. Answers as `call` of api.js gives them.

import { call } from '../api.js';

/** Facts of one page. */
const PAGE = 200;

/**
 * @param {{types?: readonly string[], operation?: string, text?: string, before?: string}} wish `types` are names and groups
 * such as `execution.`; `before` is a cursor, without it the newest are meant
 */
export function older({ types = [], operation = '', text = '', before = '' }) {
  const query = new URLSearchParams(before === '' ? { order: 'newest' } : { before });
  query.set('limit', String(PAGE));
  if (types.length > 0) query.set('types', types.join(','));
  if (operation !== '') query.set('operation', operation);
  if (text !== '') query.set('q', text);
  return call(`/api/events?${query}`);
}

/** What `next` of an answer is a page before. @param {string|null|undefined} next @returns {string|null} */
export const cursorOf = (next) => /[?&]before=([0-9a-f]+-\d+)/.exec(next ?? '')?.[1] ?? null;

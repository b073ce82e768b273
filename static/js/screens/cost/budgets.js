// @ts-check
// Budgets: how far each is used, what is held, where it is heading. Pure; the projection is a straight line from what
// was spent so far to the end of the period.

import { clean } from '../../format.js';
import { wallClock } from './data.js';

/**
 * @typedef {object} Budget As `GET /api/budgets` and `cost.update` have it; amounts are nano-dollars.
 * @property {'all'|'project'|'model'|'agent'|'tool'|'provider'} scope
 * @property {string|null} name
 * @property {'operation'|'day'|'month'} period
 * @property {'soft'|'hard'} type
 * @property {number} limit_nano_usd
 * @property {number} spent_nano_usd
 * @property {number} reserved_nano_usd held for operations that have not ended
 * @property {number} used_percent
 * @property {number} threshold_percent
 * @property {string} policy
 * @property {string} timezone
 * @property {string} setting
 * @property {string|null} resets_at
 */

/** A projection from less of the period than this, in thousandths, would say nothing. */
const EARLY_PERMILLE = 20;

/** @param {Budget} b */
export const budgetId = (b) => JSON.stringify([b.scope, b.name, b.period, b.policy, b.setting]);

/** Budgets with those that moved in their place. @param {readonly Budget[]} all @param {readonly Budget[]} moved */
export function merged(all, moved) {
  const byId = new Map(all.map((budget) => [budgetId(budget), budget]));
  for (const budget of moved) byId.set(budgetId(budget), budget);
  return [...byId.values()];
}

/** The first moment of a date on the clocks of a zone. @param {string} date @param {string} zone */
export function beginning(date, zone) {
  const wanted = Date.parse(`${date}T00:00Z`);
  let at = wanted;
  // Twice: the first guess may lie on the other side of a change of clocks.
  for (let i = 0; i < 2; i += 1) at += wanted - Date.parse(`${wallClock(at, zone)}Z`);
  return at;
}

/**
 * What will have been spent at the end of the period if it goes on as it did so far, at least what is spent and held, and how much of the period is over
 * in thousandths. None where a period has no end, or has only begun.
 * @param {Budget} b
 * @param {number} nowMs
 */
export function projection(b, nowMs) {
  const end = b.resets_at === null ? NaN : Date.parse(b.resets_at);
  if (Number.isNaN(end) || b.period === 'operation') return null;
  const zone = b.timezone || 'UTC';
  const last = wallClock(end - 1, zone).slice(0, 10);
  const start = beginning(b.period === 'month' ? `${last.slice(0, 7)}-01` : last, zone);
  const [over, whole] = [Math.min(nowMs, end) - start, end - start];
  if (whole <= 0 || over <= 0) return null;
  const permille = Math.floor((over * 1_000) / whole);
  if (permille < EARLY_PERMILLE) return null;
  const line = Number((BigInt(b.spent_nano_usd) * BigInt(Math.round(whole))) / BigInt(Math.round(over)));
  // What operations that run have been promised comes on top in any case.
  return { nano: Math.max(line, b.spent_nano_usd + b.reserved_nano_usd), permille };
}

/**
 * What the state of a budget is called.
 * @param {Budget} b
 * @param {number} nowMs
 * @returns {{tone: string, text: string, icon: string}}
 */
export function stateOf(b, nowMs) {
  if (b.used_percent >= 100) {
    return b.type === 'hard' ? { tone: 'red', text: 'Used up: refuses', icon: 'stopped' } : { tone: 'orange', text: 'Over: warns only', icon: 'error' };
  }
  if (b.used_percent >= b.threshold_percent) return { tone: 'amber', text: 'Near its limit', icon: 'error' };
  const ahead = projection(b, nowMs);
  if (ahead !== null && ahead.nano > b.limit_nano_usd) return { tone: 'amber', text: 'On course to pass', icon: 'error' };
  return { tone: 'green', text: 'Within', icon: 'check' };
}

const PERIODS = { operation: 'each operation', day: 'day', month: 'month' };

/** @param {Budget} b */
export function title(b) {
  const what = b.scope === 'all' ? 'Everything' : b.name ? clean(b.name, 120) : `Every ${b.scope}`;
  return { what, detail: `${b.scope === 'all' || !b.name ? '' : `${b.scope}, `}${b.period === 'operation' ? '' : 'a '}${PERIODS[b.period]}, ${b.type}` };
}

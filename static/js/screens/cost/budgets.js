// @ts-check
// Budgets: how far each is used, what is held, where it is heading. Pure but for the template at the end; the projection
// is a straight line from what was spent so far to the end of the period.

import { html, nothing, svg } from '../../../vendor/lit-html/lit-html.js';
import { clean, cost, costExact, duration } from '../../format.js';
import { icon } from '../../icons.js';
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
 * What will have been spent at the end of the period if it goes on as it did so far, and how much of the period is over
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
  const nano = Number((BigInt(b.spent_nano_usd) * BigInt(Math.round(whole))) / BigInt(Math.round(over)));
  return { nano, permille };
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

/** A part of a limit on a scale of 1,000. @param {number} part @param {number} limit */
const scaled = (part, limit) => (limit <= 0 ? (part > 0 ? 1_000 : 0) : Math.max(0, Math.min(1_000, Math.round((part / limit) * 1_000))));

/** @param {Budget} b @param {number} nowMs */
function card(b, nowMs) {
  const state = stateOf(b, nowMs);
  const { what, detail } = title(b);
  const ahead = projection(b, nowMs);
  const spent = scaled(b.spent_nano_usd, b.limit_nano_usd);
  const held = Math.min(1_000 - spent, scaled(b.reserved_nano_usd, b.limit_nano_usd));
  const left = b.limit_nano_usd - b.spent_nano_usd - b.reserved_nano_usd;
  const mark = ahead === null ? null : scaled(ahead.nano, b.limit_nano_usd);
  const how = ahead === null
    ? ''
    : `Estimated: ${costExact(b.spent_nano_usd)} were recorded in the ${(ahead.permille / 10).toFixed(1)} % of the period that is over; the same pace to its end gives ${cost(ahead.nano)}. What is held is not in it.`;
  return html`<li class="budget tone-${state.tone}">
    <div class="budget-head">
      <div class="budget-name"><bdi>${what}</bdi><span class="muted">${detail}</span></div>
      <span class="pill">${icon(state.icon)}${state.text}</span>
    </div>
    <svg class="meter" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${b.used_percent} percent of the limit used">
      <rect class="meter-ground" width="1000" height="10" />
      <rect class="meter-spent" width=${spent} height="10" />
      <rect class="meter-held" x=${spent} width=${held} height="10" />
      ${mark === null || mark >= 1_000 ? nothing : svg`<rect class="meter-mark" x=${Math.max(0, mark - 2)} width="4" height="10" />`}
    </svg>
    <dl class="budget-figures">
      <div><dt>Spent</dt><dd title=${costExact(b.spent_nano_usd)}>${cost(b.spent_nano_usd)}</dd></div>
      <div><dt>Held</dt><dd title="${costExact(b.reserved_nano_usd)} set aside for operations that have not ended">${cost(b.reserved_nano_usd)}</dd></div>
      <div><dt>Limit</dt><dd title=${costExact(b.limit_nano_usd)}>${cost(b.limit_nano_usd)}</dd></div>
      <div><dt>${left < 0 ? 'Over by' : 'Left'}</dt><dd title=${costExact(left)}>${cost(left < 0 ? -left : left)}</dd></div>
    </dl>
    <p class="budget-note muted">
      ${ahead === null
        ? b.period === 'operation' ? 'Counts each operation by itself.' : 'Too early in the period for a projection.'
        : html`<span class="help" tabindex="0" title=${how} aria-label="Projection: ${cost(ahead.nano)}. ${how}">≈ ${cost(ahead.nano)} at its end <i>estimated</i></span>`}
      ${b.resets_at ? html`<span title=${b.resets_at}>begins again in ${duration(Date.parse(b.resets_at) - nowMs)}</span>` : nothing}
    </p>
  </li>`;
}

/**
 * @param {readonly Budget[]|null} budgets none yet fetched
 * @param {number} nowMs
 */
export function budgetsView(budgets, nowMs) {
  if (budgets === null) return nothing;
  if (budgets.length === 0) {
    return html`<div class="hint">
      <p>No budget is set. A budget warns or refuses when a day or a month costs too much.</p>
      <pre class="command"><code>policies:
  default:
    budgets:
      - {scope: all, period: month, limit_usd: 50}</code></pre>
    </div>`;
  }
  const order = [...budgets].sort((a, b) => b.used_percent - a.used_percent);
  return html`<ul class="budgets">${order.map((budget) => card(budget, nowMs))}</ul>`;
}

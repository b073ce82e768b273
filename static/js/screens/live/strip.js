// @ts-check
// The strip above the list: what runs, what the day has cost, and what else needs somebody.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean, compact, cost, costExact, counted, label, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { budgetOfDay } from '../../overview.js';
import { sums } from '../../sums.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('../../overview.js').Budget} Budget */

/** Budgets told when one points at the sum of the day. */
const TOLD = 12;

/** @param {Ctx} ctx */
export function stripView(ctx) {
  const sum = sums(ctx.store.model.data);
  const { overview } = ctx;
  return html`<div class="totals" role="group" aria-label="At a glance">
    ${cell('running', 'Running', sum.running > 0 ? 'is-live' : '', html`${whole(sum.running)}${note(sum.waiting > 0, `${whole(sum.waiting)} waiting`)}`)}
    ${today(overview)}
    ${cell('tokens', 'Tokens', '', compact(sum.tokens), `${whole(sum.tokens)} tokens of all operations`)}
    ${cell('cost', 'Cost', '', html`${cost(sum.nano)}${sum.unknown > 0 ? html`<span class="total-note" .title=${`${counted(sum.unknown, 'operation')} with unknown cost`}>+ ${whole(sum.unknown)} unknown</span>` : nothing}`, `${costExact(sum.nano)} known cost of all operations`)}
    ${tasks(overview)} ${servers(overview)}
  </div>`;
}

/** @param {boolean} when @param {string} text */
const note = (when, text) => (when ? html`<span class="total-note">${text}</span>` : nothing);

/** @param {string} name @param {string} term @param {string} extra @param {unknown} value @param {string} [title] */
const cell = (name, term, extra, value, title = '') => html`<div class="total ${extra}" data-total=${name} .title=${title}>
  <span class="total-term">${term}</span>
  <span class="total-value">${value}</span>
</div>`;

/** @param {Budget} b */
export function budgetName(b) {
  const of = b.scope === 'all' ? '' : ` for ${b.scope} ${clean(b.name ?? '', 80)}`;
  return `${label(b.period)} budget${of}`;
}

/** How serious a budget is. @param {Budget} b */
export const budgetTone = (b) => (b.used_percent >= 100 ? 'red' : b.used_percent >= b.threshold_percent ? 'amber' : 'blue');

/** @param {Budget} b */
const budgetLine = (b) =>
  `${budgetName(b)}: ${costExact(b.spent_nano_usd)} spent, ${costExact(b.reserved_nano_usd)} set aside, of ${costExact(b.limit_nano_usd)} (${b.used_percent} %)`;

/** Spend of the day, against the budget of the day where there is one. @param {import('../../overview.js').Overview} overview */
function today({ spend, budgets }) {
  if (spend === null) return nothing;
  const budget = budgetOfDay(budgets);
  const others = budgets.filter((b) => b !== budget && b.used_percent >= b.threshold_percent);
  const running = spend.live > 0 ? `\n${costExact(spend.live)} more by operations that run, estimated` : '';
  const title = `${costExact(spend.today)} recorded today (${clean(spend.timezone, 60) || 'UTC'})${running}\n${budgets.slice(0, TOLD).map(budgetLine).join('\n')}`;
  const value = html`${cost(spend.today + spend.live)}${budget === null
    ? nothing
    : html`<span class="total-note">of ${cost(budget.limit_nano_usd)}</span>
        <progress class="budget-bar tone-${budgetTone(budget)}" max="100" .value=${Math.min(100, budget.used_percent)} .ariaLabel=${`${budgetName(budget)}, ${budget.used_percent} % used`}></progress>`}
  ${others.length > 0
    ? html`<a class="total-alert tone-${budgetTone(others[0])}" href="#/cost" .title=${others.slice(0, TOLD).map(budgetLine).join('\n')}>${icon('error')}<span>${counted(others.length, 'budget')} ${others.some((b) => b.used_percent >= 100) ? 'used up' : 'nearly used'}</span></a>`
    : nothing}`;
  return cell('today', 'Today', '', value, title);
}

/** @param {import('../../overview.js').Overview} overview */
function tasks({ tasks: counts }) {
  if (counts === null || !counts.total) return nothing;
  const stuck = (counts.blocked ?? 0) + (counts.error ?? 0) + (counts.invalid ?? 0);
  const title = `${whole(counts.in_progress ?? 0)} in progress\n${whole(counts.inbox ?? 0)} in the inbox\n${whole(counts.blocked ?? 0)} blocked\n${whole(counts.error ?? 0)} failed\n${whole(counts.invalid ?? 0)} cannot be read`;
  return cell('tasks', 'Tasks in motion', '', html`<a class="total-link" href="#/tasks">${whole(counts.in_progress ?? 0)}</a>${stuck > 0 ? html`<span class="total-note tone-amber tone-text">${whole(stuck)} stuck</span>` : nothing}`, title);
}

/** @param {import('../../overview.js').Overview} overview */
function servers({ servers: known }) {
  if (known === null || known.count === 0) return nothing;
  if (known.troubled === 0) return cell('servers', 'Servers', '', html`<a class="total-link" href="#/mcp">${whole(known.count)}</a>${note(true, 'all well')}`);
  const title = known.trouble.map((s) => `${clean(s.name, 80)}: ${label(clean(s.state, 40))}${s.error ? `, ${clean(s.error, 200)}` : ''}`).join('\n');
  return cell('servers', 'Servers', '', html`<a class="total-alert tone-red" href="#/mcp">${icon('error')}<span>${whole(known.troubled)} of ${whole(known.count)} need attention</span></a>`, title);
}

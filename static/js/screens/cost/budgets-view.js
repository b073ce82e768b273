// @ts-check
// How budgets look: a bar of what is spent and held, four figures, the projection and how it was worked out.

import { html, nothing, svg } from '../../../vendor/lit-html/lit-html.js';
import { cost, costExact, duration } from '../../format.js';
import { icon } from '../../icons.js';
import { projection, stateOf, title } from './budgets.js';

/** @typedef {import('./budgets.js').Budget} Budget */

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
    : `Estimated: ${costExact(b.spent_nano_usd)} were recorded in the ${(ahead.permille / 10).toFixed(1)} % of the period that is over; at the same pace to its end, and at least with what is held, it comes to ${cost(ahead.nano)}.`;
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

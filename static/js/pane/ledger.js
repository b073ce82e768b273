// @ts-check
// The cost of an operation as it was reckoned: each attempt, each model, each line of the arithmetic.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { clean, costPico, dateTime, label, perMillion, whole } from '../format.js';
import { basisText, sourceText } from '../states.js';

/** @param {import('./pane.js').Pane} pane @param {boolean} running */
export function ledgerView(pane, running) {
  const { status, error, value } = pane.cost;
  if (status === 'failed') return html`<p class="tone-red tone-text">${error}</p>`;
  if (value === null) return html`<p class="muted">Loading…</p>`;
  const attempts = Array.isArray(value.attempts) ? value.attempts : [];
  if (attempts.length === 0) {
    return html`<p class="muted">${running ? 'The arithmetic is recorded when an attempt ends; until then the figures above are estimated.' : 'Nothing was recorded.'}</p>`;
  }
  return html`${attempts.map((/** @type {any} */ a) => attemptView(a, attempts.length > 1))}
    <p class="ledger-total"><span>${value.unknown ? 'Known part of the cost' : 'Sum of all attempts'}</span> <b class="num">${costPico(value.cost_pico_usd)}</b></p>
    ${value.unknown ? html`<p class="muted">Some rows have no price; nobody knows what they cost.</p>` : nothing}`;
}

/** @param {any} attempt @param {boolean} several */
function attemptView(attempt, several) {
  const rows = Array.isArray(attempt.rows) ? attempt.rows : [];
  return html`${several ? html`<h4 class="ledger-attempt">Attempt ${Number(attempt.attempt) || 1} <span class="muted"><bdi>${clean(attempt.tool, 80)}</bdi></span></h4>` : nothing}
    ${rows.map(rowView)}
    ${attempt.drift
      ? html`<p class="ledger-drift tone-amber"><span class="tag tone-amber">Figures differ</span> ours ${costPico(attempt.drift.ours_pico_usd)}, the tool’s ${costPico(attempt.drift.theirs_pico_usd)}</p>`
      : nothing}`;
}

/** @param {any} row */
function rowView(row) {
  const lines = Array.isArray(row.lines) ? row.lines : [];
  const estimated = row.usage_source === 'estimated' || row.usage_source === 'partial';
  const about = [row.provider, row.price_row && `price ${row.price_row}`, row.price_valid_from && `valid from ${dateTime(row.price_valid_from).slice(0, 10)}`, row.source && `from the ${label(row.source).toLowerCase()}`];
  return html`<section class="ledger-row">
    <div class="ledger-head">
      <b><bdi>${row.model ? clean(row.model, 200) : 'Model not named'}</bdi></b>
      ${estimated ? html`<span class="tag tone-amber" .title=${sourceText(row.usage_source)}>estimated</span>` : nothing}
      ${row.basis === 'derived' ? html`<span class="tag tone-amber" .title=${basisText('derived')}>derived price</span>` : nothing}
      <b class="num ledger-amount">${costPico(row.cost_pico_usd)}</b>
    </div>
    <p class="ledger-about muted">${about.filter(Boolean).map((part) => html`<bdi class="sep">${clean(part, 120)}</bdi>`)}</p>
    ${lines.length > 0
      ? html`<table class="plain ledger-lines">
          <caption class="visually-hidden">Arithmetic</caption>
          <thead><tr><th scope="col">Class</th><th scope="col" class="num">Count</th><th scope="col" class="num">Price</th><th scope="col" class="num">Amount</th></tr></thead>
          <tbody>${lines.map(lineView)}</tbody>
        </table>`
      : html`<p class="muted">${basisText(row.basis)}</p>`}
  </section>`;
}

/** @param {any} line */
function lineView(line) {
  const notes = [
    typeof line.tier_above === 'number' && `tier above ${whole(line.tier_above)}`,
    line.factor && clean(line.factor, 60),
    line.derived && 'derived',
  ].filter(Boolean);
  return html`<tr>
    <th scope="row">${label(clean(line.class, 40))}${notes.map((note) => html`<span class="tag tone-slate row-about">${note}</span>`)}</th>
    <td class="num">${whole(Number(line.count) || 0)}</td>
    <td class="num">${line.class === 'web_search' ? `${costPico(line.price_pico_usd)} each` : perMillion(line.price_pico_usd)}</td>
    <td class="num">${costPico(line.amount_pico_usd)}</td>
  </tr>`;
}

// @ts-check
// Tokens by class, and what they cost.

import { html, nothing, svg } from '../../vendor/lit-html/lit-html.js';
import { cost, costExact, whole } from '../format.js';
import { isFinal, totalTokens } from '../state.js';
import { costText, sourceText } from '../states.js';
import { fact } from '../views/parts.js';
import { ledgerView } from './ledger.js';

/** @typedef {import('../state.js').Operation} Operation */

/** @param {Operation} op */
function classes(op) {
  const t = op.tokens;
  return [
    { name: 'Input', key: 'input', n: t.input, about: 'not from a cache' },
    { name: 'Cache read', key: 'read', n: t.cache_read, about: '' },
    { name: 'Cache write, 5 min', key: 'write', n: t.cache_write_5m, about: '' },
    { name: 'Cache write, 1 h', key: 'write-long', n: t.cache_write_1h, about: '' },
    { name: 'Output', key: 'output', n: t.output, about: t.reasoning > 0 ? `of which ${whole(t.reasoning)} reasoning` : '' },
  ];
}

/** @param {Operation} op @param {import('./pane.js').Pane} pane */
export function usageTab(op, pane) {
  const rows = classes(op);
  const total = totalTokens(op.tokens);
  return html`<div class="sheet">
    <h3>Tokens</h3>
    ${total > 0 ? bar(rows, total) : nothing}
    <table class="plain tokens">
      <caption class="visually-hidden">Tokens by class</caption>
      <thead><tr><th scope="col">Class</th><th scope="col" class="num">Tokens</th><th scope="col" class="num">Share</th></tr></thead>
      <tbody>
        ${rows.map((row) => html`<tr>
          <th scope="row"><i class="swatch class-${row.key}"></i>${row.name}${row.about ? html`<span class="muted row-about">${row.about}</span>` : nothing}</th>
          <td class="num">${whole(row.n)}</td>
          <td class="num muted">${total > 0 ? `${((row.n * 100) / total).toFixed(1)} %` : '–'}</td>
        </tr>`)}
      </tbody>
      <tfoot><tr><th scope="row">Total</th><td class="num">${whole(total)}</td><td></td></tr></tfoot>
    </table>
    <p class="muted">${sourceText(op.usage_source)}</p>
    <h3>Cost</h3>
    <dl class="facts">
      ${fact('Cost', html`<span class="big num">${costExact(op.cost_nano_usd)}</span>${isFinal(op.state) || op.cost_nano_usd === null ? nothing : html` <span class="tag tone-amber">estimated</span>`}`)}
      ${fact('Basis', html`${costText(op)}`)}
      ${fact('The tool’s own figure', op.reported_cost_nano_usd === null ? html`<span class="muted">none</span>` : html`<span class="num">${costExact(op.reported_cost_nano_usd)}</span>`)}
      ${fact('Limit', limit(op))}
    </dl>
    <h3>How it was reckoned</h3>
    ${ledgerView(pane, !isFinal(op.state))}
  </div>`;
}

/** @param {Operation} op */
function limit(op) {
  if (op.max_cost_nano_usd === null) return html`<span class="muted">none</span>`;
  const used = op.cost_nano_usd ?? 0;
  return html`<span class="limit"><progress max="1000" .value=${Math.min(1_000, (used * 1_000) / Math.max(1, op.max_cost_nano_usd))} aria-label="Used of the limit"></progress><span class="num">${cost(op.max_cost_nano_usd)}</span></span>`;
}

/** @param {ReturnType<typeof classes>} rows @param {number} total */
function bar(rows, total) {
  let x = 0;
  const parts = rows.filter((row) => row.n > 0).map((row) => {
    const width = (row.n * 1_000) / total;
    const part = svg`<rect class="class-${row.key}" x=${x.toFixed(2)} y="0" height="10" width=${Math.max(1, width - 2).toFixed(2)}></rect>`;
    x += width;
    return part;
  });
  return html`<svg class="class-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">${parts}</svg>`;
}

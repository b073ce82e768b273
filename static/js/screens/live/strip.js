// @ts-check
// The strip above the list: what runs, what it used, what it cost.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { compact, cost, costExact, counted, whole } from '../../format.js';
import { sums } from '../../sums.js';

/** @param {import('../../screen.js').Ctx} ctx */
export function stripView(ctx) {
  const sum = sums(ctx.store.model.data);
  return html`<dl class="totals" aria-label="Totals">
    <div class="total ${sum.running > 0 ? 'is-live' : ''}">
      <dt>Running</dt>
      <dd>${whole(sum.running)}${sum.waiting > 0 ? html`<span class="total-note">${whole(sum.waiting)} waiting</span>` : nothing}</dd>
    </div>
    <div class="total" .title=${`${whole(sum.tokens)} tokens`}>
      <dt>Tokens</dt>
      <dd>${compact(sum.tokens)}</dd>
    </div>
    <div class="total" .title=${`${costExact(sum.nano)} known cost`}>
      <dt>Cost</dt>
      <dd>
        ${cost(sum.nano)}${sum.unknown > 0
          ? html`<span class="total-note" .title=${`${counted(sum.unknown, 'operation')} with unknown cost`}>+ ${whole(sum.unknown)} unknown</span>`
          : nothing}
      </dd>
    </div>
  </dl>`;
}

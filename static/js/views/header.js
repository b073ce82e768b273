// @ts-check
// The head of the page: name, totals, connection, and what acts on everything.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { clock, compact, cost, costExact, counted, whole } from '../format.js';
import { icon } from '../icons.js';
import { isFinal, totalTokens } from '../state.js';

/**
 * What ended and what runs, together.
 * @param {import('../state.js').State} data
 */
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

/** @param {import('../store.js').Store} store @param {import('../main.js').Actions} actions */
export function headerView(store, actions) {
  const { model } = store;
  const sum = sums(model.data);
  const any = sum.running + sum.waiting > 0;
  return html`<header class="top">
    <a class="brand" href="#/" aria-label="llmctl, all operations">
      <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M8 10.5 13.5 16 8 21.5M17 22h7" />
        <circle cx="21.5" cy="12" r="3" />
      </svg>
      <span>llmctl</span>
    </a>
    <dl class="totals">
      <div class="total ${sum.running > 0 ? 'is-live' : ''}">
        <dt>Running</dt>
        <dd>
          ${whole(sum.running)}${sum.waiting > 0
            ? html`<span class="total-note">${whole(sum.waiting)} waiting</span>`
            : nothing}
        </dd>
      </div>
      <div class="total" .title=${`${whole(sum.tokens)} tokens`}>
        <dt>Tokens</dt>
        <dd>${compact(sum.tokens)}</dd>
      </div>
      <div class="total" .title=${`${costExact(sum.nano)} known cost`}>
        <dt>Cost</dt>
        <dd>
          ${cost(sum.nano)}${sum.unknown > 0
            ? html`<span class="total-note" .title=${`${counted(sum.unknown, 'operation')} with unknown cost`}
                >+ ${whole(sum.unknown)} unknown</span
              >`
            : nothing}
        </dd>
      </div>
    </dl>
    <div class="top-end">
      ${connection(store)}
      <button class="icon-button" type="button" title="Light, dark or as the system" aria-label="Change colour scheme" @click=${actions.theme}>
        ${icon('theme')}
      </button>
      <button class="button stop stop-all" type="button" ?disabled=${!any} @click=${() => actions.askStopAll(true)}>
        ${icon('stop')}<span>Stop all</span>
      </button>
    </div>
  </header>`;
}

/** @param {import('../store.js').Store} store */
function connection(store) {
  const { link } = store.model;
  if (link.phase === 'live') {
    return html`<span class="connection is-live" .title=${`Daemon ${link.version}`}><i class="dot"></i>Live</span>`;
  }
  if (link.lastHeardMs === 0) {
    return html`<span class="connection is-waiting"><i class="dot"></i>Connecting</span>`;
  }
  const age = clock(Date.now() - link.lastHeardMs);
  return html`<span class="connection is-offline" title="Shown is the last known state">
    ${icon('offline')}<span>Offline<span class="connection-age"> · as of ${age} ago</span></span>
  </span>`;
}

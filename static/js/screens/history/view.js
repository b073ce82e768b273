// @ts-check
// The table of what has run: filters, rows of which only those in sight are drawn, older ones on the way down.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { rowKeys } from '../../a11y.js';
import { exportPath } from '../../api/cost.js';
import { clean, compact, cost, costExact, counted, dateTime, label, moment, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { totalTokens } from '../../state.js';
import { elapsedText } from '../../states.js';
import { decimal, csv, save } from '../../table-file.js';
import { filterField, statePill } from '../../views/parts.js';
import { Sight, spaced } from '../../views/sight.js';
import { RANGES, STATES } from './address.js';
import { MOST, fetchFirst, fetchMore, model, rows, tryAgain } from './model.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('../../state.js').Operation} Operation */

/** Height of a row, in pixels; `history.css` has the same. */
const ROW = 48;
const SPARE = 20;

const place = new Sight();
/** The list that the place is in; another one is begun at its top. */
let placed = 0;

/** @param {Ctx} ctx @param {Address} address */
export function listView(ctx, address) {
  const all = rows();
  return html`<section class="list past" aria-label="History">
    ${toolbar(ctx, address)}
    ${model.status === 'failed'
      ? html`<p class="banner tone-red" role="alert">${icon('error')}<span>${model.error}${model.hint ? html` <code>${model.hint}</code>` : nothing}</span><button class="button" type="button" @click=${tryAgain}>Try again</button></p>`
      : nothing}
    ${model.news > 0
      ? html`<p class="banner tone-blue"><button class="button" type="button" @click=${() => void fetchFirst()}>${counted(model.news, 'operation')} ended since: show</button></p>`
      : nothing}
    ${all.length > 0 ? table(ctx, address, all) : emptyView(ctx, address)}
  </section>`;
}

/** @param {Ctx} ctx @param {Address} address */
function toolbar(ctx, address) {
  const names = (/** @type {(op: Operation) => string|null} */ of, /** @type {string} */ chosen) =>
    [...new Set([...model.rows.map(of), chosen])].filter((one) => one !== null && one !== '').sort().slice(0, 200);
  const choice = (/** @type {string} */ name, /** @type {string} */ all, /** @type {(string|null)[]} */ list, /** @type {string} */ chosen) =>
    html`<select class="choice" aria-label=${all} @change=${(/** @type {any} */ e) => address.set(ctx, { [name]: e.target.value })}>
      <option value="" .selected=${chosen === ''}>${all}</option>
      ${list.map((one) => html`<option .value=${String(one)} .selected=${one === chosen}>${name === 'state' ? label(one) : clean(one, 80)}</option>`)}
    </select>`;
  return html`<div class="toolbar">
    ${filterField(address.text, 'Search id, agent, error', 'Search in the history', (q) => address.set(ctx, { q }))}
    ${choice('state', 'All states', STATES, address.state)} ${choice('tool', 'All tools', names((op) => op.tool, address.tool), address.tool)}
    ${choice('model', 'All models', names((op) => op.model, address.model), address.model)} ${choice('agent', 'All agents', names((op) => op.agent, address.agent), address.agent)}
    <select class="choice" aria-label="Time" @change=${(/** @type {any} */ e) => address.set(ctx, { since: e.target.value, until: null })}>
      ${RANGES.map(({ since, label: text }) => html`<option value=${since} .selected=${since === address.since}>${text}</option>`)}
      ${RANGES.some(({ since }) => since === address.since) ? nothing : html`<option .value=${address.since} .selected=${true}>Since ${/T/.test(address.since) ? dateTime(address.since) : address.since}</option>`}
    </select>
    ${address.until === ''
      ? nothing
      : html`<button class="button quiet" type="button" title="Show the newest again" @click=${() => address.set(ctx, { until: null })}>${icon('close')}Before ${dateTime(address.until)}</button>`}
    <span class="toolbar-space"></span>
    <button class="button quiet" type="button" ?disabled=${model.rows.length === 0} @click=${saveCsv} title="Saves what is loaded">${icon('download')}CSV</button>
    <a class="button quiet" .href=${exportPath('operations', 'csv', address.span(ctx.now()))} download title="Every operation of this time as CSV, whatever the other filters">${icon('download')}All</a>
  </div>`;
}

function saveCsv() {
  const header = ['operation_id', 'state', 'submitted_at', 'ended_at', 'elapsed_ms', 'tool', 'model', 'agent', 'tokens', 'cost_usd'];
  const lines = rows().map((op) => [op.operation_id, op.state, op.submitted_at, op.ended_at, op.elapsed_ms, op.tool, op.model, op.agent, totalTokens(op.tokens), decimal(op.cost_nano_usd)]);
  save('operations.csv', 'text/csv', csv(header, lines));
}

/** @param {Ctx} ctx @param {Address} address */
function emptyView(ctx, address) {
  if (model.status === 'failed') return nothing;
  if (model.status !== 'ready') return html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`;
  if (address.narrows) {
    return html`<div class="empty">
      <p class="empty-title">No operation matches</p>
      ${model.next === null ? nothing : html`<p><button class="button" type="button" @click=${() => void fetchMore()}>Look further back</button></p>`}
      <p><button class="button" type="button" @click=${() => address.all(ctx)}>Show all</button></p>
    </div>`;
  }
  return html`<div class="empty">
    <div class="empty-mark">${icon('history')}</div>
    <p class="empty-title">Nothing has run yet</p>
    <p>Every operation is kept here for 30 days, with its output, its cost and why its model was chosen.</p>
    <pre class="command"><code>llmctl execute --prompt FILE --model auto</code></pre>
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {string} sort @param {string} text @param {string} first what this order begins with */
const heading = (ctx, address, sort, text, first) => html`<th role="columnheader" class="h-${sort} num" aria-sort=${address.sort === sort ? 'descending' : 'none'}>
  <button class="sort ${address.sort === sort ? 'is-on' : ''}" type="button" .title=${first} @click=${() => address.set(ctx, { sort: address.sort === sort ? null : sort })}>
    ${text}${address.sort === sort ? icon('down') : nothing}
  </button>
</th>`;

/** @param {Ctx} ctx @param {Address} address @param {Operation[]} all */
function table(ctx, address, all) {
  if (placed !== model.begun) {
    placed = model.begun;
    place.reset();
    // The scroll bar follows when the list is drawn.
    queueMicrotask(() => document.querySelector('.past .table-scroll')?.scrollTo(0, 0));
  }
  const from = Math.max(0, Math.floor(place.top / ROW) - SPARE);
  const to = Math.min(all.length, Math.ceil((place.top + place.height) / ROW) + SPARE);
  // The next page is fetched before its place is reached.
  if (to >= all.length - SPARE && model.next !== null && model.status === 'ready' && all.length < MOST) queueMicrotask(() => void fetchMore());
  const now = ctx.now();
  return html`<div class="table-scroll" @keydown=${rowKeys} @scroll=${(/** @type {any} */ e) => place.scrolled(e.currentTarget, ctx.schedule)} ${place.measured(ctx.schedule)}>
    <table role="table" aria-label="Operations" aria-rowcount=${model.next === null ? all.length + 1 : -1} aria-busy=${model.turning ? 'true' : 'false'}>
      <thead role="rowgroup">
        <tr role="row" class="hrow head">
          <th role="columnheader" class="h-state">State</th>
          <th role="columnheader" class="h-model">Model</th>
          <th role="columnheader" class="h-who">Tool, agent</th>
          <th role="columnheader" class="h-begun num" aria-sort=${address.sort === '' ? 'descending' : 'none'}>
            <button class="sort ${address.sort === '' ? 'is-on' : ''}" type="button" title="Newest first" @click=${() => address.set(ctx, { sort: null })}>Begun${address.sort === '' ? icon('down') : nothing}</button>
          </th>
          ${heading(ctx, address, 'duration', 'Duration', 'Longest first')} ${heading(ctx, address, 'tokens', 'Tokens', 'Most tokens first')} ${heading(ctx, address, 'cost', 'Cost', 'Dearest first')}
        </tr>
      </thead>
      <tbody role="rowgroup" ${spaced(from * ROW, (all.length - to) * ROW)}>
        ${repeat(
          all.slice(from, to),
          (/** @type {Operation} */ op) => op.operation_id,
          (/** @type {Operation} */ op, /** @type {number} */ n) => row(ctx, address, op, from + n + 2, now),
        )}
      </tbody>
    </table>
    <p class="list-end muted">${foot(ctx, address, all)}</p>
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Operation[]} all */
function foot(ctx, address, all) {
  if (model.status === 'loading') return model.turning ? 'Loading…' : 'Loading more…';
  const oldest = model.rows[model.rows.length - 1];
  if (model.rows.length >= MOST && model.next !== null) {
    // Another order has no place in time to go on from.
    if (address.sort !== '') return `${whole(MOST)} are shown at once: what is behind them is found by a filter.`;
    return html`${whole(MOST)} are shown at once.
      <button class="button" type="button" @click=${() => address.older(ctx, oldest.submitted_at)}>Go on with older ones</button>`;
  }
  return model.next === null ? `${counted(all.length, 'operation')}: that is all` : '';
}

/** @param {Ctx} ctx @param {Address} address @param {Operation} op @param {number} index @param {number} now */
function row(ctx, address, op, index, now) {
  const id = op.operation_id;
  const path = address.path(id);
  const total = totalTokens(op.tokens);
  const begun = op.started_at ?? op.submitted_at;
  return html`<tr
    role="row"
    aria-rowindex=${index}
    class="hrow ${address.selected === id ? 'is-selected' : ''}"
    data-operation=${id}
    @click=${(/** @type {MouseEvent} */ event) => event.target instanceof Element && !event.target.closest('a, button') && getSelection()?.type !== 'Range' && ctx.navigate(path)}
  >
    <td role="cell" class="h-state">${statePill(op.state)}</td>
    <td role="cell" class="h-model">
      <a class="row-link" data-control="open" .href=${`#${path}`} aria-current=${address.selected === id ? 'true' : 'false'}
        >${op.model === null ? html`<span class="muted">default model</span>` : html`<bdi>${clean(op.model, 200)}</bdi>`}</a
      ><span class="row-id">${id}</span>
    </td>
    <td role="cell" class="h-who">
      <bdi>${op.tool === null ? '–' : clean(op.tool, 100)}</bdi>${op.agent === null ? nothing : html`<span class="sep"><bdi>${clean(op.agent, 100)}</bdi></span>`}
      ${op.error ? html`<span class="h-error tone-red tone-text"><bdi>${clean(op.error.message, 200)}</bdi></span>` : nothing}
    </td>
    <td role="cell" class="h-begun num" .title=${dateTime(begun)}>${moment(begun, now)}</td>
    <td role="cell" class="h-duration num">${elapsedText(op, now)}</td>
    <td role="cell" class="h-tokens num">${total === 0 && op.usage_source === 'none' ? html`<span class="muted">–</span>` : compact(total)}</td>
    <td role="cell" class="h-cost num" .title=${op.cost_nano_usd === null ? 'Nobody knows the cost' : costExact(op.cost_nano_usd)}>
      ${op.cost_nano_usd === null ? html`<span class="muted unknown">unknown</span>` : cost(op.cost_nano_usd)}
    </td>
  </tr>`;
}

// @ts-check
// The list of operations: what runs first, then what has ended, newest first in both.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { guard } from '../../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { clean, compact, costExact, moment, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { isFinal, totalTokens } from '../../state.js';
import { elapsedText, stateLook } from '../../states.js';
import { operationButtons } from '../../views/actions.js';
import { activity, costCell, rateText, sparkline, tokenTitle } from '../../views/activity.js';
import { filterField, statePill } from '../../views/parts.js';
import { Sight, inSight, spaced } from '../../views/sight.js';

/** @typedef {import('../../state.js').Operation} Operation */
/** @typedef {import('../../store.js').Store} Store */
/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./address.js').Group} Group */

/** Height of a heading, as `list.css` has it. */
const HEADING = 30;
/** Height of a row before one is measured. */
const ROW = 52;

const sight = new Sight();
/** A row that gets the focus once it is drawn. @type {string|null} */
let wanted = null;

/** @type {{group: Group, label: string}[]} */
const GROUPS = [
  { group: 'all', label: 'All' },
  { group: 'active', label: 'Active' },
  { group: 'complete', label: 'Complete' },
  { group: 'error', label: 'Error' },
  { group: 'stopped', label: 'Stopped' },
  { group: 'refused', label: 'Refused' },
  { group: 'lost', label: 'Lost' },
];

/** @param {Operation} op @param {Group} group */
export const inGroup = (op, group) =>
  group === 'all' || (group === 'active' ? !isFinal(op.state) : op.state === group);

/** Whether every word of the filter is somewhere in it. @param {Operation} op @param {string[]} words */
export function matches(op, words) {
  if (words.length === 0) return true;
  const text = [op.operation_id, op.state, op.tool, op.model, op.provider, op.agent, op.task_type, op.cwd]
    .concat([op.open_call, op.phase, op.error?.class ?? null, op.error?.message ?? null])
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Newest first. @param {Operation} a @param {Operation} b */
const newest = (a, b) => (a.operation_id < b.operation_id ? 1 : -1);

/** @param {import('../../store.js').Model} model @param {Pick<Address, 'text'|'group'>} asked */
export function visible(model, { text, group }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  // Nearly newest first already, which makes sorting cheap.
  const found = [...model.data.operations.values()].reverse().filter((op) => matches(op, words));
  const shown = found.filter((op) => inGroup(op, group)).sort(newest);
  return {
    found,
    active: shown.filter((op) => !isFinal(op.state)),
    ended: shown.filter((op) => isFinal(op.state)),
  };
}

/** @param {Ctx} ctx @param {Address} address */
export function listView(ctx, address) {
  const { model } = ctx.store;
  const { found, active, ended } = visible(model, address);
  return html`<section class="list" aria-label="Operations">
    <div class="toolbar">
      ${filterField(address.text, 'Filter operations', 'Filter operations', (q) => address.set(ctx, { q }))}
      <div class="groups" role="group" aria-label="Filter by state">
        ${GROUPS.map(({ group, label }) => groupButton(ctx, address, found, group, label))}
      </div>
    </div>
    ${active.length + ended.length > 0 ? table(ctx, address, active, ended) : emptyView(ctx, address)}
  </section>`;
}

/**
 * @param {Ctx} ctx
 * @param {Address} address
 * @param {Operation[]} found
 * @param {Group} group
 * @param {string} label
 */
function groupButton(ctx, address, found, group, label) {
  const number = found.filter((op) => inGroup(op, group)).length;
  return html`<button
    type="button"
    class="group"
    aria-pressed=${address.group === group ? 'true' : 'false'}
    @click=${() => address.set(ctx, { group: group === 'all' ? null : group })}
  >
    ${label}<span class="count">${whole(number)}</span>
  </button>`;
}

/** @param {Ctx} ctx @param {Address} address */
function emptyView(ctx, address) {
  const { model } = ctx.store;
  if (!model.loaded) {
    return html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`;
  }
  if (model.data.operations.size > 0) {
    return html`<div class="empty">
      <p class="empty-title">No operation matches</p>
      <p><button class="button" type="button" @click=${() => address.set(ctx, { q: null, group: null })}>Show all</button></p>
    </div>`;
  }
  return html`<div class="empty">
    <div class="empty-mark">${icon('terminal')}</div>
    <p class="empty-title">Nothing has run yet</p>
    <p>Start an operation in a terminal. It appears here while it runs.</p>
    <pre class="command"><code>llmctl execute --prompt FILE --model auto</code></pre>
  </div>`;
}

/** @typedef {Operation|{heading: string, count: number}} Row */

/** @param {Row} row */
const heightOf = (row) => ('heading' in row ? HEADING : sight.row || ROW);

/** @param {Ctx} ctx @param {Address} address @param {Operation[]} active @param {Operation[]} ended */
function table(ctx, address, active, ended) {
  /** @type {Row[]} */
  const rows = [];
  if (active.length > 0) rows.push({ heading: 'Active', count: active.length }, ...active);
  if (ended.length > 0) rows.push({ heading: 'Recent', count: ended.length }, ...ended);
  const { drawn, before, after } = inSight(rows, heightOf, sight);
  const first = drawn.length === 0 ? 0 : rows.indexOf(drawn[0]);
  const numbers = new Map(drawn.map((row, n) => [row, first + n + 2]));
  if (wanted !== null) requestAnimationFrame(focusWanted);
  return html`<div
    class="table-scroll"
    @keydown=${(/** @type {KeyboardEvent} */ event) => keys(event, ctx, rows)}
    @scroll=${(/** @type {any} */ event) => sight.scrolled(event.currentTarget, ctx.schedule)}
    ${sight.measured(ctx.schedule, 'tbody .row')}
  >
    <table role="table" aria-label="Operations" aria-rowcount=${rows.length + 1}>
      <thead role="rowgroup">
        <tr role="row" class="row head">
          <th role="columnheader" class="c-state">State</th>
          <th role="columnheader" class="c-model">Model</th>
          <th role="columnheader" class="c-tool">Tool</th>
          <th role="columnheader" class="c-agent">Agent</th>
          <th role="columnheader" class="c-activity">Activity</th>
          <th role="columnheader" class="c-rate">Rate</th>
          <th role="columnheader" class="c-tokens">Tokens</th>
          <th role="columnheader" class="c-cost">Cost</th>
          <th role="columnheader" class="c-elapsed">Elapsed</th>
          <th role="columnheader" class="c-started">Started</th>
          <th role="columnheader" class="c-actions"><span class="visually-hidden">Actions</span></th>
        </tr>
      </thead>
      <tbody role="rowgroup" ${spaced(before, after)}>
        ${repeat(
          drawn,
          (/** @type {Row} */ row) => ('heading' in row ? row.heading : row.operation_id),
          (/** @type {Row} */ row) => ('heading' in row ? headingRow(row, numbers.get(row)) : guardedRow(ctx, address, row, numbers.get(row))),
        )}
      </tbody>
    </table>
  </div>`;
}

/** Moves between rows, of which not all are drawn. @param {KeyboardEvent} event @param {Ctx} ctx @param {Row[]} rows */
function keys(event, ctx, rows) {
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey || !(event.currentTarget instanceof HTMLElement)) return;
  const ids = rows.flatMap((row) => ('heading' in row ? [] : [row.operation_id]));
  const row = document.activeElement?.closest('[data-operation]');
  const at = row instanceof HTMLElement ? ids.indexOf(row.dataset.operation ?? '') : -1;
  const to = ids[Math.min(ids.length - 1, Math.max(0, at + step))];
  event.preventDefault();
  if (to === undefined) return;
  bring(event.currentTarget, rows, to);
  wanted = to;
  focusWanted();
  ctx.schedule();
}

/** Scrolls a row into sight, under the head of the table. @param {HTMLElement} element @param {Row[]} rows @param {string} id */
function bring(element, rows, id) {
  const at = rows.findIndex((row) => !('heading' in row) && row.operation_id === id);
  const y = rows.slice(0, at).reduce((sum, row) => sum + heightOf(row), 0);
  const head = element.querySelector('thead')?.clientHeight ?? 0;
  const least = y + heightOf(rows[at]) + head - element.clientHeight;
  // The first row shows its heading too.
  const most = at === 1 ? 0 : y;
  if (element.scrollTop > most) element.scrollTop = most;
  else if (element.scrollTop < least) element.scrollTop = least;
  sight.scrolled(element, () => {});
}

function focusWanted() {
  const row = [...document.querySelectorAll('[data-operation]')].find((one) => one instanceof HTMLElement && one.dataset.operation === wanted);
  const link = row?.querySelector('.row-link');
  if (!(link instanceof HTMLElement)) return;
  wanted = null;
  link.focus({ preventScroll: true });
}

/** @param {{heading: string, count: number}} row @param {number|undefined} number among all rows, from 1 */
const headingRow = (row, number) => html`<tr role="row" class="heading" aria-rowindex=${number}>
  <th role="rowheader" scope="rowgroup">${row.heading}<span class="count">${whole(row.count)}</span></th>
</tr>`;

/** A row is made again only when something it shows has changed. @param {Ctx} ctx @param {Address} address @param {Operation} op @param {number|undefined} number */
function guardedRow(ctx, address, op, number) {
  const { model } = ctx.store;
  const id = op.operation_id;
  const now = ctx.now();
  const ticks = isFinal(op.state) ? Math.floor(now / 86_400_000) : Math.floor(now / 1_000);
  const doing = { pending: model.pending.get(id), asked: model.asked.has(id) };
  const selected = address.selected === id;
  return guard([op, ticks, doing.pending, doing.asked, selected, address.key, number], () =>
    rowView(ctx, op, now, doing, selected, address.href(id), number),
  );
}

/**
 * @param {Ctx} ctx
 * @param {Operation} op
 * @param {number} now
 * @param {import('../../views/actions.js').Doing} doing
 * @param {boolean} selected
 * @param {string} href
 * @param {number|undefined} number among all rows, from 1
 */
function rowView(ctx, op, now, doing, selected, href, number) {
  const id = op.operation_id;
  const total = totalTokens(op.tokens);
  const begun = op.started_at ?? op.submitted_at;
  return html`<tr
    role="row"
    aria-rowindex=${number}
    class="row ${selected ? 'is-selected' : ''} ${isFinal(op.state) ? 'is-ended' : 'is-active'} edge-${stateLook(op.state).tone}"
    data-operation=${id}
    @click=${(/** @type {MouseEvent} */ event) => rowClick(ctx, event, href)}
  >
    <td role="cell" class="c-state">${statePill(op.state)}</td>
    <td role="cell" class="c-model">
      <a class="row-link" data-control="open" .href=${href} .title=${clean(op.model ?? '')} aria-current=${selected ? 'true' : 'false'}
        >${op.model === null ? html`<span class="muted">default model</span>` : html`<bdi>${clean(op.model, 200)}</bdi>`}</a
      ><span class="row-id">${id}</span>
    </td>
    <td role="cell" class="c-tool" .title=${clean(op.tool)}><bdi>${op.tool === null ? '–' : clean(op.tool, 100)}</bdi>${op.agent === null ? nothing : html`<span class="with-agent sep"><bdi>${clean(op.agent, 100)}</bdi></span>`}</td>
    <td role="cell" class="c-agent" .title=${clean(op.agent)}>
      ${op.agent === null ? html`<span class="muted">–</span>` : html`<bdi>${clean(op.agent, 100)}</bdi>`}
    </td>
    <td role="cell" class="c-activity">${activity(op)}</td>
    <td role="cell" class="c-rate">${rateCell(ctx.store, op)}</td>
    <td role="cell" class="c-tokens num" .title=${tokenTitle(op)}>${total === 0 && op.usage_source === 'none' ? html`<span class="muted">–</span>` : compact(total)}</td>
    <td role="cell" class="c-cost num" .title=${op.cost_nano_usd === null ? 'Nobody knows the cost' : costExact(op.cost_nano_usd)}>${costCell(op)}</td>
    <td role="cell" class="c-elapsed num">${elapsedText(op, now)}</td>
    <td role="cell" class="c-started num">${moment(begun, now)}</td>
    <td role="cell" class="c-actions">${operationButtons(op, doing, ctx.verbs)}</td>
  </tr>`;
}

/** Anywhere on a row opens it, unless something on it was meant. @param {Ctx} ctx @param {MouseEvent} event @param {string} href */
function rowClick(ctx, event, href) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest('a, button') || getSelection()?.type === 'Range') return;
  ctx.navigate(href.slice(1));
}

/** @param {Store} store @param {Operation} op */
function rateCell(store, op) {
  const id = html`<span class="row-id rate-id" aria-hidden="true">${op.operation_id}</span>`;
  if (op.state !== 'running' && op.state !== 'stopping') return id;
  const text = rateText(store, op.operation_id);
  if (text === null) return id;
  return html`${sparkline(store.rates.graph(op.operation_id))}<span class="rate">${text}</span>`;
}

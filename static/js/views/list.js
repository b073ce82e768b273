// @ts-check
// The list of operations: what runs first, then what has ended, newest first in both.

import { html, nothing, svg } from '../../vendor/lit-html/lit-html.js';
import { guard } from '../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { rowKeys } from '../a11y.js';
import { bytes, clean, clock, compact, cost, costExact, counted, moment, whole } from '../format.js';
import { icon } from '../icons.js';
import { isFinal, totalTokens } from '../state.js';
import { elapsedText, phaseLook, placeText, stateLook, stopText } from '../states.js';
import { operationButtons } from './actions.js';
import { operationHref, statePill } from './parts.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {import('../store.js').Store} Store */
/** @typedef {import('../store.js').Group} Group */
/** @typedef {import('../main.js').Actions} Actions */

/** Silence that is worth a word. */
const QUIET_MS = 15_000;

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

/** @param {import('../store.js').Model} model */
export function visible(model) {
  const words = model.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...model.data.operations.values()].filter((op) => matches(op, words));
  const shown = found.filter((op) => inGroup(op, model.group)).sort(newest);
  return {
    found,
    active: shown.filter((op) => !isFinal(op.state)),
    ended: shown.filter((op) => isFinal(op.state)),
  };
}

/** @param {Store} store @param {Actions} actions */
export function listView(store, actions) {
  const { model } = store;
  const { found, active, ended } = visible(model);
  return html`<section class="list" aria-label="Operations">
    <div class="toolbar">
      <div class="filter">
        ${icon('search')}
        <input
          id="filter"
          type="search"
          placeholder="Filter operations"
          aria-label="Filter operations"
          autocomplete="off"
          spellcheck="false"
          @input=${(/** @type {any} */ event) => actions.filter(event.target.value)}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <div class="groups" role="group" aria-label="Filter by state">
        ${GROUPS.map(({ group, label }) => groupButton(model, found, group, label, actions))}
      </div>
    </div>
    ${active.length + ended.length > 0 ? table(store, active, ended, actions) : emptyView(model, actions)}
  </section>`;
}

/**
 * @param {import('../store.js').Model} model
 * @param {Operation[]} found
 * @param {Group} group
 * @param {string} label
 * @param {Actions} actions
 */
function groupButton(model, found, group, label, actions) {
  const number = found.filter((op) => inGroup(op, group)).length;
  return html`<button
    type="button"
    class="group"
    aria-pressed=${model.group === group ? 'true' : 'false'}
    @click=${() => actions.group(group)}
  >
    ${label}<span class="count">${whole(number)}</span>
  </button>`;
}

/** @param {import('../store.js').Model} model @param {Actions} actions */
function emptyView(model, actions) {
  if (!model.loaded) {
    return html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`;
  }
  if (model.data.operations.size > 0) {
    return html`<div class="empty">
      <p class="empty-title">No operation matches</p>
      <p><button class="button" type="button" @click=${actions.clearFilter}>Show all</button></p>
    </div>`;
  }
  return html`<div class="empty">
    <div class="empty-mark">${icon('terminal')}</div>
    <p class="empty-title">Nothing has run yet</p>
    <p>Start an operation in a terminal. It appears here while it runs.</p>
    <pre class="command"><code>llmctl execute --prompt FILE --model auto</code></pre>
  </div>`;
}

/** @param {Store} store @param {Operation[]} active @param {Operation[]} ended @param {Actions} actions */
function table(store, active, ended, actions) {
  /** @typedef {Operation|{heading: string, count: number}} Row */
  /** @type {Row[]} */
  const rows = [];
  if (active.length > 0) rows.push({ heading: 'Active', count: active.length }, ...active);
  if (ended.length > 0) rows.push({ heading: 'Recent', count: ended.length }, ...ended);
  return html`<div class="table-scroll" @keydown=${rowKeys}>
    <table role="table" aria-label="Operations">
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
      <tbody role="rowgroup">
        ${repeat(
          rows,
          (/** @type {Row} */ row) => ('heading' in row ? row.heading : row.operation_id),
          (/** @type {Row} */ row) => ('heading' in row ? headingRow(row) : guardedRow(store, row, actions)),
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{heading: string, count: number}} row */
const headingRow = (row) => html`<tr role="row" class="heading">
  <th role="rowheader" scope="rowgroup">${row.heading}<span class="count">${whole(row.count)}</span></th>
</tr>`;

/** A row is made again only when something it shows has changed. @param {Store} store @param {Operation} op @param {Actions} actions */
function guardedRow(store, op, actions) {
  const { model } = store;
  const id = op.operation_id;
  const now = store.now();
  const ticks = isFinal(op.state) ? Math.floor(now / 86_400_000) : Math.floor(now / 1_000);
  const doing = { pending: model.pending.get(id), asked: model.asked.has(id) };
  const selected = model.selected === id;
  return guard([op, ticks, doing.pending, doing.asked, selected], () =>
    rowView(store, op, now, doing, selected, actions),
  );
}

/**
 * @param {Store} store
 * @param {Operation} op
 * @param {number} now
 * @param {import('./actions.js').Doing} doing
 * @param {boolean} selected
 * @param {Actions} actions
 */
function rowView(store, op, now, doing, selected, actions) {
  const id = op.operation_id;
  const total = totalTokens(op.tokens);
  const begun = op.started_at ?? op.submitted_at;
  return html`<tr
    role="row"
    class="row ${selected ? 'is-selected' : ''} ${isFinal(op.state) ? 'is-ended' : 'is-active'} edge-${stateLook(op.state).tone}"
    data-operation=${id}
    @click=${(/** @type {MouseEvent} */ event) => actions.rowClick(event, id)}
  >
    <td role="cell" class="c-state">${statePill(op.state)}</td>
    <td role="cell" class="c-model">
      <a class="row-link" data-control="open" .href=${operationHref(id)} .title=${clean(op.model ?? '')} aria-current=${selected ? 'true' : 'false'}
        >${op.model === null ? html`<span class="muted">default model</span>` : html`<bdi>${clean(op.model, 200)}</bdi>`}</a
      ><span class="row-id">${id}</span>
    </td>
    <td role="cell" class="c-tool" .title=${clean(op.tool)}><bdi>${op.tool === null ? '–' : clean(op.tool, 100)}</bdi>${op.agent === null ? nothing : html`<span class="with-agent sep"><bdi>${clean(op.agent, 100)}</bdi></span>`}</td>
    <td role="cell" class="c-agent" .title=${clean(op.agent)}>
      ${op.agent === null ? html`<span class="muted">–</span>` : html`<bdi>${clean(op.agent, 100)}</bdi>`}
    </td>
    <td role="cell" class="c-activity">${activity(op, now)}</td>
    <td role="cell" class="c-rate">${rateCell(store, op)}</td>
    <td role="cell" class="c-tokens num" .title=${tokenTitle(op)}>${total === 0 && op.usage_source === 'none' ? html`<span class="muted">–</span>` : compact(total)}</td>
    <td role="cell" class="c-cost num" .title=${op.cost_nano_usd === null ? 'Nobody knows the cost' : costExact(op.cost_nano_usd)}>${costCell(op)}</td>
    <td role="cell" class="c-elapsed num">${elapsedText(op, now)}</td>
    <td role="cell" class="c-started num">${moment(begun, now)}</td>
    <td role="cell" class="c-actions">${operationButtons(op, doing, actions)}</td>
  </tr>`;
}

/** What it is doing, or how it ended, in one line. @param {Operation} op @param {number} now */
export function activity(op, now) {
  if ((op.state === 'error' || op.state === 'refused') && op.error) {
    const text = `${op.error.class}: ${op.error.message}`;
    return html`<span class="act tone-red" .title=${clean(text, 500)}><b>${clean(op.error.class, 40)}</b> <bdi>${clean(op.error.message, 300)}</bdi></span>`;
  }
  if (op.state === 'stopped' && op.stopped) {
    const text = op.stopped.reason ?? stopText(op.stopped);
    return html`<span class="act" .title=${clean(text, 500)}><bdi>${clean(text, 200)}</bdi></span>`;
  }
  if (op.state === 'lost') return html`<span class="act"><span>Its runner ended without a word</span></span>`;
  if (op.state === 'complete') {
    const calls = op.calls > 0 ? ` · ${counted(op.calls, 'tool call')}` : '';
    return html`<span class="act"><span>${bytes(op.stdout_bytes)} output${calls}</span></span>`;
  }
  if (op.state === 'submitted') return html`<span class="act"><span>Waiting to start</span></span>`;
  if (op.state === 'queued') {
    const text = op.queue ? placeText(op.queue) : 'Waiting for a place';
    return html`<span class="act" .title=${clean(text, 200)}><bdi>${clean(text, 120)}</bdi></span>`;
  }
  if (op.state === 'paused') return html`<span class="act"><span>Suspended</span></span>`;
  if (op.state === 'detached') return html`<span class="act"><span>No link to its runner; it goes on</span></span>`;
  return running(op, now);
}

/** @param {Operation} op @param {number} now */
function running(op, now) {
  const quiet = op.idle_ms >= QUIET_MS ? html`<span class="sep quiet-for">quiet for ${clock(op.idle_ms)}</span>` : nothing;
  if (op.open_call !== null) {
    return html`<span class="act"
      >${icon('tool', 'act-icon')}<code .title=${clean(op.open_call)}>${clean(op.open_call, 80)}</code>${quiet}</span
    >`;
  }
  const look = phaseLook(op.phase);
  if (!look) return html`<span class="act">${quiet}</span>`;
  return html`<span class="act">${icon(look.icon, `act-icon phase-${look.icon}`)}<span>${look.label}</span>${quiet}</span>`;
}

/** @param {Operation} op */
function costCell(op) {
  if (op.cost_nano_usd !== null) return cost(op.cost_nano_usd);
  if (op.started_at === null && !isFinal(op.state)) return html`<span class="muted">–</span>`;
  return html`<span class="muted unknown">${cost(null)}</span>`;
}

/** The classes of a total, for the pointer. @param {Operation} op */
export function tokenTitle(op) {
  const t = op.tokens;
  return [
    `${whole(totalTokens(t))} tokens`,
    `input ${whole(t.input)}`,
    `cache read ${whole(t.cache_read)}`,
    `cache write ${whole(t.cache_write_5m + t.cache_write_1h)}`,
    `output ${whole(t.output)}`,
    `of which reasoning ${whole(t.reasoning)}`,
  ].join('\n');
}

/** @param {Store} store @param {Operation} op */
function rateCell(store, op) {
  const id = html`<span class="row-id rate-id" aria-hidden="true">${op.operation_id}</span>`;
  if (op.state !== 'running' && op.state !== 'stopping') return id;
  const text = rateText(store, op.operation_id);
  if (text === null) return id;
  return html`${sparkline(store.rates.graph(op.operation_id))}<span class="rate">${text}</span>`;
}

/** @param {Store} store @param {string} id */
export function rateText(store, id) {
  const rate = store.rates.of(id);
  if (!rate) return null;
  return rate.unit === 'tok/s' ? `${compact(Math.round(rate.value))} tok/s` : `${bytes(Math.round(rate.value))}/s`;
}

/** @param {number[]} heights */
export function sparkline(heights) {
  if (heights.length < 3) return nothing;
  const step = 48 / (heights.length - 1);
  const points = heights.map((h, i) => `${(i * step).toFixed(1)},${(15 - h * 13).toFixed(1)}`).join(' ');
  return html`<svg class="spark" viewBox="0 0 48 16" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<polygon points=${`0,16 ${points} 48,16`} /><polyline points=${points} />`}
  </svg>`;
}

// @ts-check
// How the screen Cost looks. Pure in what it is given; every choice is a link to the address that makes it.

import { html, nothing, svg } from '../../../vendor/lit-html/lit-html.js';
import '../../chart.js';
import { exportPath } from '../../api/cost.js';
import { clean, compact, cost, costExact, counted, dateTime, moment, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { changed, path } from '../../router.js';
import { budgetsView } from './budgets-view.js';
import { BUCKETS, bucketOf, BYS, keyName, RANGES, shares } from './data.js';

/** Rows that are shown one by one; the others are summed up in one, so that all add up. */
const ROWS = 200;

/** @typedef {import('./data.js').Sum} Sum */
/** @typedef {import('./index.js').CostModel} CostModel */
/** @typedef {import('../../screen.js').Route} Route */

const RANGE_NAMES = { today: 'Today', week: 'This week', month: 'This month', total: 'All time', custom: 'Days…' };
const BY_NAMES = { model: 'Model', tool: 'Tool', agent: 'Agent', project: 'Project', provider: 'Provider' };
const BUCKET_NAMES = { hour: 'Hour', day: 'Day', month: 'Month' };
const METRICS = { cost: 'Cost', tokens: 'Tokens' };

/** @param {Route} route @param {Record<string, string|null>} change */
const to = (route, change) => `#${path(['cost'], changed(route.query, change))}`;

/**
 * @template {string} T
 * @param {string} label
 * @param {readonly T[]} values
 * @param {string} chosen
 * @param {Record<string, string>} names
 * @param {(value: T) => string} link
 */
const segment = (label, values, chosen, names, link) => html`<nav class="segment" aria-label=${label}>
  ${values.map((value) => html`<a href=${link(value)} aria-current=${value === chosen ? 'true' : 'false'}>${names[value]}</a>`)}
</nav>`;

/** @param {CostModel} model @param {Route} route @param {import('./index.js').Actions} actions */
export function costView(model, route, actions) {
  return html`<div class="cost">
    ${toolbar(model, route, actions)}
    ${model.failed ? html`<p class="problem" role="alert">${icon('error')}<span>${clean(model.failed.error, 300)} ${clean(model.failed.hint, 200)}</span></p>` : nothing}
    ${model.costs === null ? html`<p class="loading muted">${model.failed ? '' : 'Loading…'}</p>` : content(model, route, actions)}
  </div>`;
}

/** @param {CostModel} model @param {Route} route @param {import('./index.js').Actions} actions */
function toolbar(model, route, actions) {
  const a = model.asked;
  const date = (/** @type {'from'|'to'} */ name, /** @type {string} */ label) => html`<label class="date">
    <span>${label}</span>
    <input type="date" .value=${a[name]} @change=${(/** @type {Event} */ event) => actions.date(name, /** @type {HTMLInputElement} */ (event.target).value)} />
  </label>`;
  return html`<div class="cost-bar">
    ${segment('Time', /** @type {const} */ ([...RANGES, 'custom']), a.range, RANGE_NAMES, (range) => to(route, { range, from: null, to: null, bucket: null, ...(range === 'custom' ? days(model) : {}) }))}
    ${a.range === 'custom' ? html`<div class="dates" role="group" aria-label="Days">${date('from', 'From')}${date('to', 'To')}</div>` : nothing}
    ${segment('Group by', BYS, a.by, BY_NAMES, (by) => to(route, { by }))}
  </div>`;
}

/** The days that are shown now, to begin a choice with. @param {CostModel} model */
function days(model) {
  const { asked: a, costs, nowMs } = model;
  if (a.range === 'custom') return { range: null, from: a.from, to: a.to };
  const zone = costs?.timezone ?? 'UTC';
  const from = costs?.from ? Date.parse(costs.from) : nowMs - 6 * 86_400_000;
  return { range: null, from: bucketOf(from, zone, 'day'), to: bucketOf(nowMs, zone, 'day') };
}

/** @param {CostModel} model @param {Route} route @param {import('./index.js').Actions} actions */
function content(model, route, actions) {
  const costs = /** @type {import('./data.js').Costs} */ (model.costs);
  if (costs.total.operations === 0 && (model.asked.range === 'total' || costs.now.total_nano_usd === 0)) return empty();
  return html`
    ${figures(model)}
    <section class="panel" aria-label="Over time">
      <div class="panel-tools">
        ${segment('Show', /** @type {const} */ (['cost', 'tokens']), model.asked.metric, METRICS, (metric) => to(route, { metric }))}
        ${segment('By time', BUCKETS, model.asked.bucket, BUCKET_NAMES, (bucket) => to(route, { bucket }))}
      </div>
      ${model.chart ? html`<llm-chart .data=${model.chart}></llm-chart>` : nothing}
    </section>
    <div class="cost-columns">
      <section class="panel" aria-labelledby="cost-rows">
        <div class="panel-head">
          <h2 id="cost-rows">${BY_NAMES[model.asked.by]}s</h2>
          <div class="exports">
            <button class="button quiet" @click=${() => actions.save('csv')} title="The rows of this table as CSV">${icon('download')}CSV</button>
            <button class="button quiet" @click=${() => actions.save('json')} title="The rows of this table as JSON">${icon('download')}JSON</button>
            <a class="button quiet" href=${exportPath('costs', 'csv', costs)} download title="Every record of the ledger in this time as CSV">${icon('download')}Ledger</a>
          </div>
        </div>
        ${table(model)}
      </section>
      <section class="panel" aria-labelledby="cost-budgets">
        <div class="panel-head"><h2 id="cost-budgets">Budgets</h2></div>
        ${budgetsView(model.budgets, model.nowMs)}
      </section>
    </div>
    ${unknown(model)}
    <p class="foot muted">
      Days of ${costs.timezone}. ${costs.from ? html`From ${dateTime(costs.from)} ` : nothing}${costs.to ? html`to ${dateTime(costs.to)} ` : nothing}by your clock.
      Money is computed from recorded tokens and dated prices, to the last digit.
    </p>
  `;
}

function empty() {
  return html`<div class="empty">
    <span class="empty-mark">${icon('cost')}</span>
    <h2 class="empty-title">Nothing has been spent yet</h2>
    <p>Here is what operations cost, by model, tool, agent, project and provider, and how far budgets are used.</p>
    <pre class="command"><code>llmctl execute --prompt FILE --model auto</code></pre>
  </div>`;
}

/** @param {CostModel} model */
function figures(model) {
  const costs = /** @type {import('./data.js').Costs} */ (model.costs);
  const { total, now } = costs;
  const each = total.operations > 0 ? BigInt(total.cost_nano_usd) / BigInt(total.operations) : null;
  const more = total.unknown > 0 ? ' +' : '';
  return html`<dl class="figures">
    <div class="figure is-main">
      <dt>${model.asked.range === 'custom' ? 'These days' : RANGE_NAMES[model.asked.range]}</dt>
      <dd title=${costExact(total.cost_nano_usd)}>${cost(total.cost_nano_usd)}${more}</dd>
      <dd class="figure-note">${total.unknown > 0 ? `and ${counted(total.unknown, 'part')} of unknown cost` : costExact(total.cost_nano_usd)}</dd>
    </div>
    <div class="figure"><dt>Operations</dt><dd>${whole(total.operations)}</dd><dd class="figure-note">${each === null ? '–' : html`${cost(each)} each`}</dd></div>
    <div class="figure">
      <dt>Tokens</dt>
      <dd title=${whole(total.tokens_total)}>${compact(total.tokens_total)}</dd>
      <dd class="figure-note">${compact(total.tokens.output ?? 0)} output, ${compact(total.tokens.cache_read ?? 0)} cached</dd>
    </div>
    <div class="figure"><dt>Running now</dt><dd title=${costExact(now.live_nano_usd)}>${cost(now.live_nano_usd)}</dd><dd class="figure-note">${cost(now.reserved_nano_usd)} held</dd></div>
    ${model.asked.range === 'today'
      ? html`<div class="figure"><dt>This month</dt><dd title=${costExact(now.month_nano_usd)}>${cost(now.month_nano_usd)}</dd><dd class="figure-note">all time ${cost(now.total_nano_usd)}</dd></div>`
      : html`<div class="figure"><dt>Today</dt><dd title=${costExact(now.today_nano_usd)}>${cost(now.today_nano_usd)}</dd><dd class="figure-note">all time ${cost(now.total_nano_usd)}</dd></div>`}
  </dl>`;
}

/** Texts of one column with their decimals below each other. @param {readonly (number|bigint)[]} amounts */
export function aligned(amounts) {
  const texts = amounts.map(costExact);
  const decimals = (/** @type {string} */ text) => text.length - text.indexOf('.');
  const most = Math.max(0, ...texts.map(decimals));
  return texts.map((text) => text + '\u2007'.repeat(most - decimals(text)));
}

/**
 * The rows that are shown; what is left out is one row, so that they add up to the total.
 * @param {readonly Sum[]} groups
 * @param {'cost_nano_usd'|'tokens_total'} field
 */
export function shownRows(groups, field) {
  const all = [...groups].sort((a, b) => b[field] - a[field]);
  if (all.length <= ROWS) return { rows: all, rest: null };
  const left = all.slice(ROWS - 1);
  const sum = (/** @type {(row: Sum) => number} */ of) => left.reduce((n, row) => n + of(row), 0);
  const rest = {
    ...left[0], key: null, tokens: {}, operations: sum((r) => r.operations), tokens_total: sum((r) => r.tokens_total),
    cost_nano_usd: sum((r) => r.cost_nano_usd), rows: sum((r) => r.rows), unknown: sum((r) => r.unknown), derived: 0, inexact: 0,
  };
  return { rows: all.slice(0, ROWS - 1), rest: { row: rest, count: left.length } };
}

/** @param {number|null} permille */
const percent = (permille) => (permille === null ? '–' : `${(permille / 10).toFixed(1)} %`);

/** @param {CostModel} model */
function table(model) {
  const costs = /** @type {import('./data.js').Costs} */ (model.costs);
  const { by, metric } = model.asked;
  const field = metric === 'cost' ? 'cost_nano_usd' : 'tokens_total';
  const { rows, rest } = shownRows(costs.groups, field);
  const all = rest ? [...rows, rest.row] : rows;
  if (all.length === 0) return html`<p class="chart-empty">Nothing in this time.</p>`;
  const money = aligned([...all.map((row) => row.cost_nano_usd), costs.total.cost_nano_usd]);
  const parts = shares(all.map((row) => row[field]));
  const line = (/** @type {Sum} */ row, /** @type {number} */ i) => html`<tr>
    <th scope="row">
      <span class="chart-mark slot-${model.slots.get(row.key) ?? 0}"></span>
      ${rest && i === rows.length ? html`<span class="muted">${whole(rest.count)} others</span>` : row.key === null ? html`<span class="muted">${keyName(null, by)}</span>` : html`<bdi title=${clean(row.key, 500)}>${keyName(row.key, by)}</bdi>`}
      ${row.unknown > 0 ? html`<span class="tag tone-amber" title="${counted(row.unknown, 'part')} whose cost nobody knows; not in the sum">+ ${whole(row.unknown)} unknown</span>` : nothing}
    </th>
    <td class="num c-cost">${row.unknown > 0 && row.unknown >= row.rows ? html`<span class="muted">unknown</span>` : money[i]}</td>
    <td class="num c-share"><span>${percent(parts[i])}</span>${bar(parts[i], model.slots.get(row.key) ?? 0)}</td>
    <td class="num">${whole(row.operations)}</td>
    <td class="num c-tokens" title=${tokenTitle(row)}>${compact(row.tokens_total)}</td>
  </tr>`;
  return html`<div class="rows-scroll" tabindex="0" role="region" aria-label="Costs by ${by}">
    <table class="rows">
      <thead>
        <tr>
          <th scope="col">${BY_NAMES[by]}</th>
          <th scope="col" class="num">Cost</th>
          <th scope="col" class="num">Share of ${metric}</th>
          <th scope="col" class="num">Operations</th>
          <th scope="col" class="num c-tokens">Tokens</th>
        </tr>
      </thead>
      <tbody>${all.map(line)}</tbody>
      <tfoot>
        <tr>
          <th scope="row">Total</th>
          <td class="num c-cost">${money[all.length]}</td>
          <td class="num c-share">${costs.total[field] > 0 ? '100.0 %' : '–'}</td>
          <td class="num" title="An operation that used two ${by}s counts once here">${whole(costs.total.operations)}</td>
          <td class="num c-tokens" title=${tokenTitle(costs.total)}>${compact(costs.total.tokens_total)}</td>
        </tr>
      </tfoot>
    </table>
  </div>`;
}

/** @param {Sum} row */
function tokenTitle(row) {
  const names = [['input', 'input'], ['cache_read', 'cache read'], ['cache_write_5m', 'cache write 5m'], ['cache_write_1h', 'cache write 1h'], ['output', 'output'], ['reasoning', 'of which reasoning']];
  const lines = names.filter(([key]) => (row.tokens[key] ?? 0) > 0).map(([key, name]) => `${name} ${whole(row.tokens[key])}`);
  return [`${whole(row.tokens_total)} tokens`, ...lines].join('\n');
}

/** @param {number|null} permille @param {number} slot */
const bar = (permille, slot) => html`<svg class="share slot-${slot}" viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">
  <rect class="share-ground" width="1000" height="6" />${svg`<rect class="share-part" width=${permille ?? 0} height="6" />`}
</svg>`;

/** @param {CostModel} model */
function unknown(model) {
  const costs = /** @type {import('./data.js').Costs} */ (model.costs);
  if (costs.total.unknown === 0) return nothing;
  const rows = [...costs.unknown_rows].reverse();
  const more = costs.total.unknown - rows.length;
  return html`<section class="panel" aria-labelledby="cost-unknown">
    <div class="panel-head"><h2 id="cost-unknown">Cost unknown</h2></div>
    <p class="muted">
      No price is known for these, or nobody said how many tokens they used. They are in no sum. Give the model a price under
      <code>models</code> in the configuration, or take a newer table with <code>llmctl models update</code>.
    </p>
    <div class="rows-scroll" tabindex="0" role="region" aria-label="Operations of unknown cost">
      <table class="rows">
        <thead><tr><th scope="col">Operation</th><th scope="col">Model</th><th scope="col">Tool</th><th scope="col" class="num">Tokens</th><th scope="col" class="num">Recorded</th></tr></thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr>
              <th scope="row"><a class="mono" href="#/operations/${encodeURIComponent(row.operation_id)}">${clean(row.operation_id, 60)}</a>${row.attempt > 1 ? html` <span class="muted">attempt ${row.attempt}</span>` : nothing}</th>
              <td><bdi>${row.model === null ? 'not named' : clean(row.model, 120)}</bdi></td>
              <td><bdi>${clean(row.tool, 60)}</bdi></td>
              <td class="num">${row.tokens_total > 0 ? whole(row.tokens_total) : 'unknown'}</td>
              <td class="num" title=${dateTime(row.recorded_at)}>${moment(row.recorded_at, model.nowMs)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="muted">The newest ${whole(rows.length)}; ${whole(more)} older ones are in the ledger's export.</p>` : nothing}
  </section>`;
}

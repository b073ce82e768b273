// @ts-check
// A chart: <llm-chart .data=${data}></llm-chart>. Draws with uPlot on a canvas, and gives the same to those who do not
// see it: a cursor for the keyboard that speaks, and a table. Owns the life of the canvas; knows nothing of costs.

import { html, nothing, render } from '../vendor/lit-html/lit-html.js';
import { ceiling, labelled, length, placeName, reading, SLOTS, spoken, stack, STEPS, summary, timeLabel, totals } from './chart-data.js';
import { clean } from './format.js';
import { icon } from './icons.js';

/** @typedef {import('./chart-data.js').ChartData} ChartData */

/** Room of a label of the lower axis, in pixels. */
const LABEL_PX = 62;
/** Rows of the table, the newest; it says so when there are more. */
const TABLE_ROWS = 1_000;

/** Made by vendor/uplot/uPlot.iife.min.js, which comes when the first chart is wanted. @returns {any} */
const library = () => /** @type {any} */ (globalThis).uPlot;

/** @param {string} label */
const named = (label) => clean(label, 80);

export class LlmChart extends HTMLElement {
  constructor() {
    super();
    /** @type {ChartData|null} */ this.now = null;
    /** @type {any} */ this.plot = null;
    /** What of the data made the plot: another shape needs another plot. */
    this.shape = '';
    this.place = -1;
    this.asTable = library() === undefined;
    this.frame = 0;
    /** @type {Record<string, string>} */ this.colours = {};
    this.sizes = new ResizeObserver(() => this.later());
    this.themes = new MutationObserver(() => this.recolour());
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.recolour = this.recolour.bind(this);
  }

  connectedCallback() {
    this.scheme.addEventListener('change', this.recolour);
    this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    this.later();
  }

  disconnectedCallback() {
    this.scheme.removeEventListener('change', this.recolour);
    this.themes.disconnect();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.drop();
  }

  /** @param {ChartData} data another object each time it is another picture */
  set data(data) {
    if (data === this.now) return;
    this.now = data;
    if (this.place >= length(data)) this.place = -1;
    this.later();
  }

  get data() {
    return /** @type {ChartData} */ (this.now);
  }

  /** Any number of changes give one drawing in the next animation frame. */
  later() {
    if (this.frame !== 0 || !this.isConnected) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  recolour() {
    this.colours = {};
    this.later();
  }

  draw() {
    if (!this.now) return;
    render(this.view(this.now), this);
    const box = /** @type {HTMLElement|null} */ (this.querySelector('.chart-plot'));
    if (!box || library() === undefined) return this.drop();
    this.sizes.observe(box);
    const width = Math.floor(box.clientWidth);
    const height = Math.floor(box.clientHeight);
    if (width < 40 || height < 40) return;
    if (Object.keys(this.colours).length === 0) this.readColours();
    const { kind, stacked, series, times } = this.now;
    const shape = JSON.stringify([kind, stacked, times !== undefined, series.map((s) => s.slot)]);
    if (this.plot && shape === this.shape) {
      if (this.plot.width !== width || this.plot.height !== height) this.plot.setSize({ width, height });
      this.plot.setData(this.columns(this.now));
    } else {
      this.drop();
      this.shape = shape;
      const canvas = /** @type {HTMLElement} */ (box.querySelector('.chart-canvas'));
      this.plot = new (library())(this.options(width, height), this.columns(this.now), canvas);
    }
    this.moveCursor();
  }

  drop() {
    this.plot?.destroy();
    this.plot = null;
    this.shape = '';
  }

  /** Tokens of the page as the canvas can take them. */
  readColours() {
    const probe = /** @type {HTMLElement} */ (this.querySelector('.chart-probe'));
    const read = (/** @type {string} */ name) => {
      probe.className = `chart-probe ${name}`;
      return getComputedStyle(probe).color;
    };
    for (let slot = 0; slot <= SLOTS; slot += 1) this.colours[slot] = read(`slot-${slot}`);
    for (const name of ['text', 'grid', 'ground']) this.colours[name] = read(`chart-${name}`);
    this.colours.font = `11px ${getComputedStyle(this).fontFamily}`;
  }

  /** Columns for uPlot; of a stack the highest first, so that each paints over what stands behind it. @param {ChartData} data */
  columns(data) {
    const xs = data.times ?? Array.from({ length: length(data) }, (_, i) => i);
    const rows = data.series.map((series) => series.values);
    const columns = data.stacked ? stack(rows).reverse() : rows;
    // A bar of no height would still have an edge.
    return [xs, ...(data.kind === 'bars' ? columns.map((column) => column.map((value) => value || null)) : columns)];
  }

  /** @param {number} width @param {number} height */
  options(width, height) {
    const data = this.data;
    const isTime = data.times !== undefined;
    const order = data.series.map((_, i) => (data.stacked ? data.series.length - 1 - i : i));
    const colour = (/** @type {number} */ n) => () => this.colours[this.data.series[n]?.slot ?? 0];
    const ground = () => this.colours.ground;
    const bars = data.kind === 'bars' ? library().paths.bars({ size: [0.74, 44, 1], align: 0 }) : undefined;
    const series = order.map((n) => {
      if (data.kind === 'lines') return { stroke: colour(n), width: 1.75, points: { show: false } };
      return { fill: colour(n), stroke: ground, width: 1, paths: bars, points: { show: false } };
    });
    const text = { stroke: () => this.colours.text, font: this.colours.font };
    const grid = { stroke: () => this.colours.grid, width: 1 };
    return {
      width, height, series: [{}, ...series],
      ms: 1,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      select: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: data.kind === 'lines' }, focus: { prox: -1 } },
      scales: {
        x: isTime ? { time: true } : { time: false, range: () => [-0.5, Math.max(1, length(this.data)) - 0.5] },
        y: { range: (/** @type {any} */ _u, /** @type {any} */ _min, /** @type {number|null} */ max) => [0, ceiling(max)] },
      },
      axes: [
        {
          ...text, grid: { show: false }, ticks: { ...grid, size: 4 }, size: 30, gap: 5,
          ...(isTime
            ? { space: 70, values: (/** @type {any} */ _u, /** @type {number[]} */ at, /** @type {any} */ _a, /** @type {any} */ _s, /** @type {number} */ step) => at.map((ms) => timeLabel(ms, step)) }
            : {
                splits: (/** @type {any} */ u) => labelled(length(this.data), u.bbox.width / devicePixelRatio || width, LABEL_PX),
                values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((i) => this.data.places?.[i]?.label ?? ''),
              }),
        },
        {
          ...text, grid, ticks: { show: false }, gap: 6, incrs: STEPS, space: 34,
          size: (/** @type {any} */ _u, /** @type {string[]|null} */ values) => 14 + 6.4 * Math.max(2, ...(values ?? []).map((v) => (v ?? '').length)),
          values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((value) => this.data.short(value)),
        },
      ],
      hooks: { setCursor: [(/** @type {any} */ u) => this.pointed(u)] },
    };
  }

  /** The pointer is over a place, or left. @param {any} u */
  pointed(u) {
    const place = u.cursor.left >= 0 && u.cursor.idx !== null && u.cursor.idx !== undefined ? u.cursor.idx : -1;
    if (place === this.place) return;
    this.place = place;
    this.later();
  }

  /** Puts the line and the tip where the chosen place is now. */
  moveCursor() {
    const u = this.plot;
    const data = this.data;
    const x = this.place < 0 ? -10 : u.valToPos(data.times?.[this.place] ?? this.place, 'x');
    if (this.place >= 0 && Math.abs(u.cursor.left - x) > 1 && !this.matches(':hover')) u.setCursor({ left: x, top: 8 }, false);
    const tip = /** @type {HTMLElement|null} */ (this.querySelector('.chart-tip'));
    if (!tip || this.place < 0) return;
    const left = u.bbox.left / devicePixelRatio + x;
    const room = u.width - left;
    const at = room > tip.offsetWidth + 16 ? left + 10 : Math.max(0, left - tip.offsetWidth - 10);
    tip.style.setProperty('left', `${Math.round(at)}px`);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const count = length(this.data);
    if (count === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    // What lies ahead is empty: the first step back goes to the last place with something in it.
    const sums = totals(this.data);
    const from = this.place < 0 ? sums.findLastIndex((sum) => sum !== 0) + 1 || count : this.place;
    const to = {
      ArrowLeft: Math.max(0, from - 1), ArrowRight: Math.min(count - 1, this.place + 1), Home: 0, End: count - 1, Escape: -1,
    }[event.key];
    if (to === undefined || (to === -1 && this.place < 0)) return;
    event.preventDefault();
    event.stopPropagation();
    this.place = to;
    if (to < 0) this.plot?.setCursor({ left: -10, top: -10 }, false);
    this.later();
  }

  /** @param {ChartData} data */
  view(data) {
    const empty = length(data) === 0 || data.series.length === 0;
    const shown = this.place < 0 ? null : reading(data, this.place);
    return html`<figure class="chart" aria-label=${data.title}>
      <div class="chart-head">
        <figcaption class="chart-title">${data.title} <span class="chart-unit">${data.unit} by ${data.xName.toLowerCase()}</span></figcaption>
        ${empty || library() === undefined
          ? nothing
          : html`<button class="button quiet chart-switch" aria-pressed=${this.asTable ? 'true' : 'false'} @click=${() => this.turn()}>
              ${icon('table')}${this.asTable ? 'Show chart' : 'Show table'}
            </button>`}
      </div>
      <span class="chart-probe" aria-hidden="true"></span>
      ${empty
        ? html`<p class="chart-empty">Nothing in this time.</p>`
        : this.asTable
          ? this.table(data)
          : html`<div
                class="chart-plot"
                tabindex="0"
                role="slider"
                aria-label=${summary(data)}
                aria-valuemin="0"
                aria-valuemax=${length(data) - 1}
                aria-valuenow=${this.place < 0 ? length(data) - 1 : this.place}
                aria-valuetext=${this.place < 0 ? 'Arrow keys read the values' : spoken({ ...data, series: data.series.map((s) => ({ ...s, label: named(s.label) })) }, this.place)}
                @keydown=${(/** @type {KeyboardEvent} */ event) => this.onKey(event)}
              >
                <div class="chart-canvas"></div>
                ${shown ? this.tip(data, shown) : nothing}
              </div>
              <ul class="chart-legend">
                ${data.series
                  .map((series) => html`<li><span class="chart-mark slot-${series.slot}"></span><bdi>${named(series.label)}</bdi></li>`)
                  .reverse()}
              </ul>`}
    </figure>`;
  }

  turn() {
    this.asTable = !this.asTable;
    this.place = -1;
    this.drop();
    this.later();
  }

  /** @param {ChartData} data @param {ReturnType<typeof reading>} shown */
  tip(data, shown) {
    return html`<div class="chart-tip" aria-hidden="true">
      <div class="chart-tip-head"><span>${shown.name}</span>${shown.total === null ? nothing : html`<b class="num">${data.format(shown.total)}</b>`}</div>
      ${shown.rows.length === 0 ? html`<div class="muted">Nothing</div>` : nothing}
      ${shown.rows.map(
        (row) => html`<div class="chart-tip-row">
          <span class="chart-mark slot-${row.slot}"></span><bdi>${named(row.label)}</bdi><span class="num">${data.format(row.value ?? 0)}</span>
        </div>`,
      )}
    </div>`;
  }

  /** @param {ChartData} data */
  table(data) {
    const count = length(data);
    const sums = totals(data);
    // What lies ahead in a stack is empty.
    const last = data.stacked ? sums.findLastIndex((sum) => sum !== 0) : count - 1;
    const first = Math.max(0, last + 1 - TABLE_ROWS);
    const rows = Array.from({ length: last + 1 - first }, (_, i) => last - i);
    return html`<div class="chart-table" tabindex="0" role="region" aria-label="${data.title}, as a table">
      <table>
        <thead>
          <tr>
            <th scope="col">${data.xName}</th>
            ${data.series.map((series) => html`<th scope="col" class="num"><bdi>${named(series.label)}</bdi></th>`)}
            ${data.stacked ? html`<th scope="col" class="num">Total</th>` : nothing}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (i) => html`<tr>
              <th scope="row">${placeName(data, i)}</th>
              ${data.series.map((series) => {
                const value = series.values[i];
                const none = value === null || value === undefined || (data.stacked && value === 0);
                return html`<td class="num ${none ? 'muted' : ''}">${none ? '–' : data.format(value)}</td>`;
              })}
              ${data.stacked ? html`<td class="num">${sums[i] === 0 ? '–' : html`<b>${data.format(sums[i])}</b>`}</td>` : nothing}
            </tr>`,
          )}
        </tbody>
      </table>
      ${first > 0 ? html`<p class="muted">The newest ${TABLE_ROWS}; ${first} older ones are left out.</p>` : nothing}
    </div>`;
  }
}

if (!customElements.get('llm-chart')) customElements.define('llm-chart', LlmChart);

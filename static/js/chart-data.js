// @ts-check
// What a chart is made of, worked out without a page: stacks, steps of an axis, which labels fit, words for readers.

/**
 * @typedef {object} Series
 * @property {string} label foreign text is shown as it is, never as markup
 * @property {readonly (number|null)[]} values one for each place of the axis
 * @property {number} slot 1 to 8: its colour; 0 is the grey of what is left over
 *
 * @typedef {object} ChartData
 * @property {string} title
 * @property {'bars'|'area'|'lines'} kind
 * @property {boolean} stacked
 * @property {readonly number[]} [times] milliseconds since 1970, ascending: a time axis
 * @property {readonly {label: string, long: string}[]} [places] or an axis of named places, in order
 * @property {string} xName `Day`
 * @property {string} unit of the values, in words: `US dollars`
 * @property {readonly Series[]} series the lowest of the stack first
 * @property {(value: number) => string} format a value in full
 * @property {(value: number) => string} short a value at the axis
 * @property {boolean} [live] the last place is still growing
 */

/** Series that have a colour of their own. */
export const SLOTS = 8;

/** How many places there are. @param {ChartData} data */
export const length = (data) => data.times?.length ?? data.places?.length ?? 0;

/**
 * Running sums from the lowest series up; a gap counts as nothing.
 * @param {readonly (readonly (number|null)[])[]} rows
 * @returns {(number|null)[][]}
 */
export function stack(rows) {
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const sum = new Array(width).fill(0);
  return rows.map((row) => sum.map((before, i) => (sum[i] = before + (row[i] ?? 0))));
}

/** The sum of all series at each place. @param {ChartData} data */
export function totals(data) {
  const sums = new Array(length(data)).fill(0);
  for (const series of data.series) series.values.forEach((value, i) => (sums[i] += value ?? 0));
  return sums;
}

/** Steps an axis of whole numbers may have: 1, 2, 5, 10 and so on. */
export const STEPS = (() => {
  const steps = [];
  for (let ten = 1; ten <= 1e15; ten *= 10) steps.push(ten, 2 * ten, 5 * ten);
  return steps;
})();

/** The end of an axis that begins at 0: the next multiple of a quarter-sized step. @param {number|null} most */
export function ceiling(most) {
  if (most === null || !(most > 0)) return 1;
  const step = STEPS.find((s) => s * 5 >= most) ?? most;
  return Math.ceil((most * 1.02) / step) * step;
}

/**
 * Which places get a label, so that none touches the next: every n-th, counted from the last, which is now.
 * @param {number} count
 * @param {number} width of all places, in pixels
 * @param {number} each room of a label, in pixels
 */
export function labelled(count, width, each) {
  if (count === 0 || !(width > 0)) return [];
  const every = Math.max(1, Math.ceil((count * each) / width));
  const first = (count - 1) % every;
  const picked = [];
  for (let i = first; i < count; i += every) picked.push(i);
  return picked;
}

/** A moment at the axis, as fine as the step. @param {number} ms @param {number} stepMs */
export function timeLabel(ms, stepMs) {
  const d = new Date(ms);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  if (stepMs >= 86_400_000) return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return stepMs < 60_000 ? `${clock}:${two(d.getSeconds())}` : clock;
}

/** The name of a place in full. @param {ChartData} data @param {number} i */
export function placeName(data, i) {
  if (data.places) return data.places[i]?.long ?? '';
  const at = data.times?.[i];
  if (at === undefined) return '';
  const span = (data.times?.at(-1) ?? 0) - (data.times?.[0] ?? 0);
  const time = timeLabel(at, 1_000);
  return span > 86_400_000 ? `${timeLabel(at, 86_400_000)} ${time}` : time;
}

/**
 * What stands at a place, the highest first; what is nothing is left out.
 * @param {ChartData} data
 * @param {number} i
 */
export function reading(data, i) {
  const rows = data.series
    .map((series) => ({ label: series.label, slot: series.slot, value: series.values[i] ?? null }))
    .filter((row) => row.value !== null && (row.value !== 0 || !data.stacked))
    .reverse();
  const total = data.stacked ? rows.reduce((sum, row) => sum + (row.value ?? 0), 0) : null;
  return { name: placeName(data, i), rows, total };
}

/** The same as a sentence. @param {ChartData} data @param {number} i */
export function spoken(data, i) {
  const { name, rows, total } = reading(data, i);
  const parts = rows.map((row) => `${row.label} ${data.format(row.value ?? 0)}`);
  const sum = total === null ? '' : ` ${data.format(total)}`;
  return parts.length === 0 ? `${name}: nothing` : `${name}:${sum}${sum && rows.length > 0 ? ', ' : ' '}${parts.join(', ')}`;
}

/** One sentence about the whole. @param {ChartData} data */
export function summary(data) {
  const count = length(data);
  if (count === 0) return `${data.title}: nothing to show`;
  const sums = totals(data);
  const most = sums.reduce((best, sum, i) => (sum > sums[best] ? i : best), 0);
  const span = `${placeName(data, 0)} to ${placeName(data, count - 1)}`;
  return `${data.title}, ${data.unit}, ${span}. Highest: ${data.format(sums[most])} at ${placeName(data, most)}.`;
}

// @ts-check
// Numbers and texts for people. Pure: the time is passed in. Money never becomes a floating number on its way.

const NANO = 1_000_000_000n;

/** What a missing figure is called; a missing cost is never shown as zero. */
export const UNKNOWN = 'unknown';

/** Groups of three digits. @param {bigint|number} n */
function grouped(n) {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

/** @param {unknown} nano @returns {bigint|null} */
function nanos(nano) {
  if (typeof nano === 'bigint') return nano;
  return typeof nano === 'number' && Number.isSafeInteger(nano) ? BigInt(nano) : null;
}

/**
 * Nano-dollars with four decimals, rounded half to even: `$0.0421`. What is known but smaller: `<$0.0001`.
 * @param {number|bigint|null|undefined} nano
 */
export function cost(nano) {
  const value = nanos(nano);
  if (value === null) return UNKNOWN;
  const negative = value < 0n;
  const size = negative ? -value : value;
  const unit = 100_000n;
  if (size > 0n && size < unit) return negative ? '>-$0.0001' : '<$0.0001';
  let steps = size / unit;
  const rest = size % unit;
  if (rest * 2n > unit || (rest * 2n === unit && steps % 2n === 1n)) steps += 1n;
  const whole = grouped(steps / 10_000n);
  return `${negative ? '-' : ''}$${whole}.${String(steps % 10_000n).padStart(4, '0')}`;
}

/**
 * Nano-dollars to the last digit, at least two decimals: `$0.042135`.
 * @param {number|bigint|null|undefined} nano
 */
export function costExact(nano) {
  const value = nanos(nano);
  if (value === null) return UNKNOWN;
  const negative = value < 0n;
  const size = negative ? -value : value;
  const decimals = String(size % NANO)
    .padStart(9, '0')
    .replace(/0+$/, '')
    .padEnd(2, '0');
  return `${negative ? '-' : ''}$${grouped(size / NANO)}.${decimals}`;
}

/**
 * Pico-dollars to the last digit, at least two decimals: `$0.000015`.
 * @param {number|null|undefined} pico
 */
export function costPico(pico) {
  if (typeof pico !== 'number' || !Number.isSafeInteger(pico)) return UNKNOWN;
  const size = BigInt(Math.abs(pico));
  const decimals = String(size % (NANO * 1_000n)).padStart(12, '0').replace(/0+$/, '').padEnd(2, '0');
  return `${pico < 0 ? '-' : ''}$${grouped(size / (NANO * 1_000n))}.${decimals}`;
}

/** The price of one token as that of a million: `$3.00 / M`. @param {number|null|undefined} pico */
export function perMillion(pico) {
  const million = typeof pico === 'number' ? pico * 1_000_000 : NaN;
  return Number.isSafeInteger(million) ? `${costPico(million)} / M` : UNKNOWN;
}

/** A count in full: `12 345`. @param {number} n */
export const whole = (n) => grouped(Math.trunc(n));

/**
 * A count in little room: `9 999`, `12.3k`, `4.56M`, `1.20G`.
 * @param {number} n
 */
export function compact(n) {
  if (n < 10_000) return whole(n);
  if (n < 999_950) return `${(n / 1_000).toFixed(1)}k`;
  if (n < 999_995_000) return `${(n / 1_000_000).toFixed(2)}M`;
  return `${(n / 1_000_000_000).toFixed(2)}G`;
}

/** @param {number} n @param {string} one @param {string} [many] */
export const counted = (n, one, many = `${one}s`) => `${whole(n)} ${n === 1 ? one : many}`;

/**
 * A duration: `0.8s`, `42s`, `3m 04s`, `2h 05m`, `3d 04h`.
 * @param {number|null|undefined} ms
 */
export function duration(ms) {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return '–';
  const at = Math.max(0, ms);
  if (at < 9_950) return `${(at / 1_000).toFixed(1)}s`;
  return clock(at);
}

/** A duration that may be very short: `31 ms`, else as above. @param {number|null|undefined} ms */
export function brief(ms) {
  return typeof ms === 'number' && ms >= 0 && ms < 1_000 ? `${Math.round(ms)} ms` : duration(ms);
}

/** A duration in whole seconds, for what ticks. @param {number} ms */
export function clock(ms) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const s = Math.floor(Math.max(0, ms) / 1_000);
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)}h ${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d ${two(Math.floor(s / 3_600) % 24)}h`;
}

/** A size: `512 B`, `1.2 kB`, `3.4 MB`. @param {number} n */
export function bytes(n) {
  if (n < 1_000) return `${n} B`;
  if (n < 999_950) return `${(n / 1_000).toFixed(1)} kB`;
  if (n < 999_950_000) return `${(n / 1_000_000).toFixed(1)} MB`;
  return `${(n / 1_000_000_000).toFixed(2)} GB`;
}

/** Time of day in the reader's zone: `14:03:22`. @param {string|null} iso */
export function timeOfDay(iso) {
  const at = iso === null ? NaN : Date.parse(iso);
  if (Number.isNaN(at)) return '–';
  const d = new Date(at);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}

/** Date and time in the reader's zone: `2026-11-23 14:03:22`. @param {string|null} iso */
export function dateTime(iso) {
  const at = iso === null ? NaN : Date.parse(iso);
  if (Number.isNaN(at)) return '–';
  const d = new Date(at);
  const day = [d.getFullYear(), d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
  return `${day} ${timeOfDay(iso)}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Today `14:03:22`, this year `Nov 22 14:03`, else the date. @param {string|null} iso @param {number} nowMs */
export function moment(iso, nowMs) {
  const full = dateTime(iso);
  const today = dateTime(new Date(nowMs).toISOString());
  if (full.slice(0, 10) === today.slice(0, 10)) return full.slice(11);
  if (full.slice(0, 4) !== today.slice(0, 4)) return full.slice(0, 10);
  return `${MONTHS[Number(full.slice(5, 7)) - 1]} ${full.slice(8, 16)}`;
}

/** `waiting_network` as `Waiting network`. @param {string|null|undefined} word */
export function label(word) {
  if (!word) return '';
  const spaced = word.replaceAll('_', ' ');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

// Marks that turn the direction of text around could make a field read as something else.
const TURNS = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/**
 * A text from outside for one line of the page: control characters become visible, direction marks go.
 * @param {unknown} text
 * @param {number} [limit] characters kept
 */
export function clean(text, limit = 4_096) {
  if (text === null || text === undefined) return '';
  const short = String(text).slice(0, limit + 1);
  const cut = short.length > limit ? `${short.slice(0, limit)}…` : short;
  return cut.replace(TURNS, '').replace(CONTROLS, (c) => (c === '\n' || c === '\t' ? ' ' : '\ufffd'));
}

/**
 * Command words as they could be typed again.
 * @param {readonly string[]} list
 */
export function shellWords(list) {
  return list
    .map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

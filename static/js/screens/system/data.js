// @ts-check
// What the screen of the daemon itself reads from its address and from the answers. Pure.

import { changed, path } from '../../router.js';

/** @typedef {import('./types.js').Value} Value */
/** @typedef {import('./types.js').Queue} Queue */

/** Keys that are drawn at most; a search finds the others. */
export const KEYS_SHOWN = 1_000;

/** A queue is nearly full from here on, in per cent of its limit; the daemon says so from there. */
const NEARLY_FULL = 75;

export const SHOW = [
  { show: 'all', label: 'All' },
  { show: 'set', label: 'Set' },
  { show: 'default', label: 'Defaults' },
  { show: 'overridden', label: 'Overridden' },
];

/** @param {Value} value */
export const isDefault = (value) => value.origin?.layer === 'catalogue';

/** @param {Value} value @param {string} show */
export function inShow(value, show) {
  if (show === 'set') return !isDefault(value);
  if (show === 'default') return isDefault(value);
  return show !== 'overridden' || value.overridden?.length > 0;
}

/** @param {Value} value @param {readonly string[]} words in lower case */
export function matches(value, words) {
  if (words.length === 0) return true;
  const all = `${value.path}\n${value.value}\n${value.about ?? ''}\n${value.origin?.name ?? ''}`.toLowerCase();
  return words.every((word) => all.includes(word));
}

/**
 * Values by their first part, in the order they came.
 * @param {readonly Value[]} values
 * @returns {{section: string, values: Value[]}[]}
 */
export function sections(values) {
  /** @type {Map<string, Value[]>} */
  const found = new Map();
  for (const value of values) {
    const section = /^[^.[]+/.exec(value.path)?.[0] ?? value.path;
    found.set(section, [...(found.get(section) ?? []), value]);
  }
  return [...found].map(([section, list]) => ({ section, values: list }));
}

/**
 * Where it was said: `file:line`, a variable's name, or that nobody said it.
 * @param {import('./types.js').Origin|null|undefined} origin
 */
export function originText(origin) {
  if (!origin || origin.layer === 'catalogue') return '';
  return origin.line > 0 ? `${origin.name}:${origin.line}` : String(origin.name ?? '');
}

/**
 * How full a queue is. One that forgets its oldest by design is full for ever, and well as long as nothing was lost.
 * @param {Queue} queue
 * @returns {{percent: number, tone: string, word: string}}
 */
export function fill({ depth, limit, dropped }) {
  const percent = limit > 0 ? Math.min(100, (depth * 100) / limit) : 0;
  if (dropped !== null) return { percent, tone: dropped > 0 ? 'amber' : 'blue', word: dropped > 0 ? 'some were lost' : '' };
  if (percent >= 100) return { percent, tone: 'red', word: 'full' };
  return percent >= NEARLY_FULL ? { percent, tone: 'amber', word: 'nearly full' } : { percent, tone: 'blue', word: '' };
}

/** Pieces of a hint: what stands between backticks is to be typed. @param {string} text @returns {{text: string, code: boolean}[]} */
export const hintParts = (text) => text.split('`').map((part, i) => ({ text: part, code: i % 2 === 1 })).filter((part) => part.text !== '');

export class Address {
  /** @param {import('../../screen.js').Route} route */
  constructor({ query }) {
    this.query = query;
    this.text = (query.get('q') ?? '').slice(0, 200);
    this.words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const show = query.get('show') ?? 'all';
    this.show = SHOW.some((known) => known.show === show) ? show : 'all';
  }

  /** @param {import('../../screen.js').Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    ctx.navigate(path(['system'], changed(this.query, change)), { replace: true });
  }
}

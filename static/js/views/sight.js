// @ts-check
// Long lists draw what is in sight and a little around it; room stands for the rest. A sight is the place where such a
// list is scrolled to.

import { ref } from '../../vendor/lit-html/directives/ref.js';

/** Drawn above and below what is in sight, in pixels. */
const SPARE = 400;

/** Before the first measurement. */
const GUESS = 900;

export class Sight {
  constructor() {
    this.top = 0;
    this.height = GUESS;
    /** What a row of the list measures; lists of rows that differ do not use it. */
    this.row = 0;
    /** @type {ResizeObserver|null} */ this.observer = null;
    /** @type {((element?: Element) => void)|undefined} */ this.observe = undefined;
  }

  /** To the beginning, as a list that is entered anew. */
  reset() {
    this.top = 0;
  }

  /** @param {HTMLElement} element @param {() => void} schedule */
  scrolled(element, schedule) {
    if (this.top === element.scrollTop && this.height === element.clientHeight) return;
    Object.assign(this, { top: element.scrollTop, height: element.clientHeight });
    schedule();
  }

  /**
   * For the element that scrolls: takes its height, and that of its rows, whenever it is laid out anew.
   * @param {() => void} schedule
   * @param {string} [rows] selector of one row
   */
  measured(schedule, rows) {
    // The same function each time: the directive calls a new one at each drawing.
    this.observe ??= (/** @type {Element|undefined} */ element) => {
      this.observer?.disconnect();
      this.observer = null;
      if (!(element instanceof HTMLElement)) return;
      let fresh = true;
      this.observer = new ResizeObserver(() => {
        if (element.clientHeight === 0) return;
        // A list that comes back is where it was; one that has become shorter meanwhile, at its end.
        if (fresh && this.top !== element.scrollTop) element.scrollTop = this.top;
        const top = fresh ? element.scrollTop : this.top;
        fresh = false;
        const row = rows === undefined ? null : element.querySelector(rows);
        const height = row instanceof HTMLElement && row.offsetHeight > 0 ? row.offsetHeight : this.row;
        if (top === this.top && element.clientHeight === this.height && height === this.row) return;
        Object.assign(this, { top, height: element.clientHeight, row: height });
        schedule();
      });
      this.observer.observe(element);
    };
    return ref(this.observe);
  }
}

/**
 * The items in sight, and the room of those before and after them.
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number} heightOf in pixels
 * @param {Sight} sight
 * @returns {{drawn: T[], before: number, after: number}}
 */
export function inSight(items, heightOf, { top, height }) {
  let [y, before, after] = [0, 0, 0];
  const drawn = [];
  for (const item of items) {
    const own = heightOf(item);
    if (y + own < top - SPARE) before += own;
    else if (y > top + height + SPARE) after += own;
    else drawn.push(item);
    y += own;
  }
  return { drawn, before, after };
}

/** Room for what is not drawn. @param {number} before @param {number} after */
export const spaced = (before, after) =>
  ref((/** @type {Element|undefined} */ list) => {
    if (!(list instanceof HTMLElement)) return;
    list.style.paddingBlockStart = `${before}px`;
    list.style.paddingBlockEnd = `${after}px`;
  });

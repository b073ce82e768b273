// @ts-check
// The search in the output that is shown: keeps what was found up to date while lines come and go.

import { findAll, mark, unmark } from './find.js';

/** @typedef {import('./pane.js').Pane} Pane */

export class Search {
  /** @param {Pane} pane */
  constructor(pane) {
    this.pane = pane;
    this.text = '';
    /** @type {import('./find.js').Found[]} */ this.found = [];
    this.at = -1;
  }

  /** @param {string} text */
  set(text) {
    if (text === this.text) return;
    this.text = text;
    this.at = -1;
    this.again();
    if (this.found.length > 0) this.go(this.found.length - 1);
  }

  /** The lines changed. */
  again() {
    const { output, stderr } = this.pane;
    if (this.text === '' || output === null) {
      if (this.found.length > 0 || this.at >= 0) unmark();
      this.found = [];
      this.at = -1;
      return;
    }
    this.found = findAll(output.lines.lines, this.text, stderr);
    this.at = Math.min(this.at, this.found.length - 1);
    mark(output.drawn, this.found, this.at, this.text.length);
  }

  /** To the next, or with -1 to the one before; round at the ends. @param {1|-1} step */
  step(step) {
    const { length } = this.found;
    const from = this.at < 0 && step < 0 ? 0 : this.at;
    if (length > 0) this.go((from + step + length) % length);
  }

  /** @param {number} at */
  go(at) {
    const { output, ctx } = this.pane;
    this.at = at;
    const element = output?.drawn[this.found[at].line];
    if (!output || !element) return;
    output.atEnd = false;
    element.scrollIntoView({ block: 'center' });
    mark(output.drawn, this.found, at, this.text.length);
    ctx?.schedule();
  }

  clear() {
    this.text = '';
    this.again();
  }
}

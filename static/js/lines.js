// @ts-check
// The lines of an operation's output as they are shown: a ring of 5,000, each cut at 16,384 characters. No DOM.
// Lines have a number that grows for ever, so that a view can tell which it has drawn.

import { Ansi } from './ansi.js';

/** Lines kept; older ones are dropped, the daemon has them all. */
export const LINES_KEPT = 5_000;
/** Characters of a line; a longer one goes on in the next. */
export const LINE_LENGTH = 16_384;

/**
 * @typedef {{text: string, classes: string}} Segment
 * @typedef {'stdout'|'stderr'|'note'} Source
 * @typedef {{source: Source, segments: Segment[], length: number}} Line
 */

export class Lines {
  constructor() {
    /** @type {Line[]} */ this.lines = [];
    /** Number of the first line kept. */
    this.base = 0;
    /** Lowest number that changed since the view last asked. */
    this.dirty = 0;
    /** @type {Map<Source, number>} */ this.open = new Map();
    /** @type {Map<Source, Ansi>} */ this.readers = new Map();
    /** @type {Set<Source>} */ this.returned = new Set();
  }

  /** Number after the last line. */
  get next() {
    return this.base + this.lines.length;
  }

  /** @param {Source} source @param {string} text */
  append(source, text) {
    let reader = this.readers.get(source);
    if (!reader) this.readers.set(source, (reader = new Ansi()));
    for (const token of reader.read(text)) {
      if (token.kind === 'newline') {
        if (!this.open.has(source)) this.add(source);
        this.open.delete(source);
        this.returned.delete(source);
      } else if (token.kind === 'return') this.returned.add(source);
      else this.text(source, token.text, token.classes);
    }
  }

  /** A remark of the page itself, on a line of its own. @param {string} text */
  note(text) {
    this.add('note').segments.push({ text, classes: '' });
    this.open.delete('note');
  }

  /** @param {Source} source @param {string} text @param {string} classes */
  text(source, text, classes) {
    let line = this.openLine(source);
    if (this.returned.delete(source)) {
      // A carriage return without a line feed: what follows replaces the line, as a progress bar wants it.
      line.segments = [];
      line.length = 0;
    }
    let rest = text;
    while (line.length + rest.length > LINE_LENGTH) {
      const room = LINE_LENGTH - line.length;
      this.push(line, rest.slice(0, room), classes);
      rest = rest.slice(room);
      line = this.add(source);
    }
    this.push(line, rest, classes);
  }

  /** @param {Line} line @param {string} text @param {string} classes */
  push(line, text, classes) {
    if (text === '') return;
    const last = line.segments[line.segments.length - 1];
    if (last && last.classes === classes) last.text += text;
    else line.segments.push({ text, classes });
    line.length += text.length;
  }

  /** @param {Source} source @returns {Line} */
  openLine(source) {
    const number = this.open.get(source);
    if (number === undefined || number < this.base) return this.add(source);
    this.dirty = Math.min(this.dirty, number);
    return this.lines[number - this.base];
  }

  /** @param {Source} source @returns {Line} */
  add(source) {
    /** @type {Line} */
    const line = { source, segments: [], length: 0 };
    this.dirty = Math.min(this.dirty, this.next);
    this.open.set(source, this.next);
    this.lines.push(line);
    if (this.lines.length > LINES_KEPT) {
      this.lines.shift();
      this.base += 1;
    }
    return line;
  }

  /** What has changed since the last call. */
  takeChanges() {
    const from = Math.max(this.dirty, this.base);
    this.dirty = this.next;
    return { base: this.base, from, lines: this.lines.slice(from - this.base) };
  }
}

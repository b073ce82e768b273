// @ts-check
// Follows the output of one operation and draws it. Text nodes only. Places in the recorded file are tracked by
// byte, so that after a broken connection the stream goes on where it stopped, without a gap or a repeat.

import { outputTail } from './api.js';
import { bytes as size } from './format.js';
import { Lines } from './lines.js';

/** What the daemon gives for `from: "tail"`. */
const TAIL_BYTES = 65_536;
/** Distance from the end, in pixels, that still counts as being there. */
const AT_END_PX = 24;
/** Fragments of the list that the browser lays out on their own. */
const BLOCK_LINES = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * @typedef {import('./link.js').Link} Link
 * @typedef {'stdout'|'stderr'} Stream
 * @typedef {{next: number|null, following: boolean}} Place `next`: first byte not seen; null before the first answer
 */

export class Output {
  /**
   * @param {Link} link
   * @param {string} id
   * @param {() => void} changed
   */
  constructor(link, id, changed) {
    this.link = link;
    this.id = id;
    this.changed = changed;
    this.lines = new Lines();
    /** @type {Map<Stream, Place>} */ this.places = new Map();
    this.seen = 0;
    this.closed = false;
    this.atEnd = true;
    this.frame = 0;
    this.view = document.createElement('div');
    this.view.className = 'log-scroll';
    this.view.tabIndex = 0;
    this.view.role = 'region';
    this.view.ariaLabel = 'Output';
    this.list = document.createElement('div');
    this.list.className = 'log-lines';
    this.view.append(this.list);
    this.lastTop = 0;
    this.view.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.sizes = new ResizeObserver(() => {
      if (this.atEnd) this.toEnd();
    });
    this.sizes.observe(this.view);
    this.sizes.observe(this.list);
    /** @type {HTMLElement[]} */ this.drawn = [];
    this.drawnBase = 0;
  }

  /** Asks for a stream; again after each new connection. @param {Stream} stream */
  async follow(stream) {
    const place = this.places.get(stream) ?? { next: null, following: false };
    this.places.set(stream, place);
    if (place.following || this.closed) return;
    place.following = true;
    const from = place.next ?? 'tail';
    const reply = await this.link.request({ type: 'follow_output', operation_id: this.id, stream, from });
    if (this.closed) return;
    if (reply.ok) {
      if (place.next === null) this.startAt(stream, place, Number(reply.result?.offset) || 0);
      return;
    }
    place.following = false;
    if (reply.code === 'link_lost' || reply.code === 'offline') return;
    await this.read(stream, place);
  }

  /** Reads the recorded end of an operation that is not streamed. @param {Stream} stream @param {Place} place */
  async read(stream, place) {
    if (place.next !== null) return;
    const tail = await outputTail(this.id, stream, TAIL_BYTES);
    if (this.closed || !tail || place.next !== null) return;
    this.startAt(stream, place, tail.offset);
    this.take(stream, tail.offset, tail.text, encoder.encode(tail.text).length);
  }

  /** @param {Stream} stream @param {Place} place @param {number} offset */
  startAt(stream, place, offset) {
    place.next = offset;
    if (offset > 0) this.lines.note(`${size(offset)} of earlier ${stream} not shown`);
    this.changed();
    this.later();
  }

  /** The connection is new: goes on where each stream stopped. */
  resume() {
    for (const [stream, place] of this.places) {
      place.following = false;
      void this.follow(stream);
    }
  }

  /** @param {any} data payload of `execution.output` */
  event(data) {
    if (data?.operation_id !== this.id || this.closed) return;
    const offset = Number(data.offset);
    const length = Number(data.bytes);
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return;
    this.take(data.stream === 'stderr' ? 'stderr' : 'stdout', offset, String(data.text), length);
  }

  /** @param {Stream} stream @param {number} offset @param {string} text @param {number} length */
  take(stream, offset, text, length) {
    const place = this.places.get(stream);
    if (!place) return;
    // A piece may overtake the reply that says where the stream starts.
    if (place.next === null) this.startAt(stream, place, offset);
    const next = place.next ?? offset;
    if (offset + length <= next) return;
    let piece = text;
    if (offset < next) piece = decoder.decode(encoder.encode(text).subarray(next - offset));
    else if (offset > next) this.lines.note(`${size(offset - next)} skipped`);
    place.next = offset + length;
    this.seen += piece.length;
    this.lines.append(stream, piece);
    this.later();
  }

  later() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Draws the lines that changed; those that left the ring are taken away. */
  draw() {
    this.frame = 0;
    if (this.closed) return;
    const { base, from, lines } = this.lines.takeChanges();
    const gone = Math.min(base - this.drawnBase, this.drawn.length);
    if (gone > 0) this.drawn.splice(0, gone).forEach((element) => remove(element));
    this.drawnBase = base;
    lines.forEach((line, i) => {
      const element = lineElement(line);
      const at = from + i - base;
      if (at < this.drawn.length) {
        this.drawn[at].replaceWith(element);
        this.drawn[at] = element;
      } else {
        this.block().append(element);
        this.drawn.push(element);
      }
    });
    if (this.atEnd) this.toEnd();
    this.changed();
  }

  /** The block that the next line goes into. */
  block() {
    const last = this.list.lastElementChild;
    if (last && last.childElementCount < BLOCK_LINES) return last;
    const block = document.createElement('div');
    block.className = 'log-block';
    this.list.append(block);
    return block;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.view;
    const near = scrollHeight - scrollTop - clientHeight <= AT_END_PX;
    // Only a movement upwards is the reader's: growth of the text below also changes the distance to the end.
    const left = !near && scrollTop < this.lastTop;
    this.lastTop = scrollTop;
    const atEnd = near || (this.atEnd && !left);
    if (atEnd === this.atEnd) return;
    this.atEnd = atEnd;
    this.changed();
  }

  /** Goes to the newest line and stays there. */
  toEnd() {
    this.atEnd = true;
    this.view.scrollTop = this.view.scrollHeight;
  }

  /** Whether there is nothing to show. */
  get empty() {
    return this.seen === 0;
  }

  /** Lets go of the stream. */
  close() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    this.sizes.disconnect();
    this.link.send({ type: 'unfollow_output', operation_id: this.id });
  }
}

/** Takes a line away, and its block with the last one. @param {HTMLElement} element */
function remove(element) {
  const block = element.parentElement;
  element.remove();
  if (block && block.childElementCount === 0) block.remove();
}

/** @param {import('./lines.js').Line} line */
function lineElement(line) {
  const element = document.createElement('div');
  element.className = `line ${line.source}`;
  for (const { text, classes } of line.segments) {
    if (classes === '') element.append(text);
    else {
      const span = document.createElement('span');
      span.className = classes;
      span.textContent = text;
      element.append(span);
    }
  }
  return element;
}

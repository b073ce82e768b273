// @ts-check
// Searching in the lines of an output: where a text is, and marking it without touching the lines.

/** Places that are marked; further ones are counted. */
const MARKED = 2_000;
/** Places that are counted. */
export const COUNTED = 9_999;

/**
 * @typedef {import('../lines.js').Line} Line
 * @typedef {{line: number, start: number}} Found `line` counts from the first line kept
 */

/** @param {Line} line */
const textOf = (line) => line.segments.map((segment) => segment.text).join('');

/**
 * Every place of a text, top to bottom; capitals count only when the text has some.
 * @param {readonly Line[]} lines
 * @param {string} text
 * @param {boolean} stderr whether lines of stderr are looked through
 * @returns {Found[]}
 */
export function findAll(lines, text, stderr) {
  /** @type {Found[]} */
  const found = [];
  if (text === '') return found;
  const exact = text !== text.toLowerCase();
  for (let line = 0; line < lines.length && found.length < COUNTED; line += 1) {
    if (lines[line].source === 'note' || (!stderr && lines[line].source === 'stderr')) continue;
    const whole = textOf(lines[line]);
    const lower = whole.toLowerCase();
    // A letter that changes its length would move what follows it.
    const hay = exact || lower.length !== whole.length ? whole : lower;
    for (let at = hay.indexOf(text); at >= 0 && found.length < COUNTED; at = hay.indexOf(text, at + text.length)) {
      found.push({ line, start: at });
    }
  }
  return found;
}

/** @param {Element} element a drawn line @param {number} start @param {number} length */
function rangeIn(element, start, length) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let before = 0;
  let begun = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const size = node.textContent?.length ?? 0;
    if (!begun && start < before + size) {
      range.setStart(node, start - before);
      begun = true;
    }
    if (begun && start + length <= before + size) {
      range.setEnd(node, start + length - before);
      return range;
    }
    before += size;
  }
  return null;
}

/**
 * Marks what was found and the one that is looked at. Browsers without highlights only scroll.
 * @param {readonly Element[]} drawn elements of the lines
 * @param {readonly Found[]} found
 * @param {number} at index of the one that is looked at; -1: none
 * @param {number} length
 */
export function mark(drawn, found, at, length) {
  if (typeof Highlight === 'undefined' || !CSS.highlights) return;
  /** @param {Found} f */
  const range = (f) => (drawn[f.line] ? rangeIn(drawn[f.line], f.start, length) : null);
  const all = found.slice(0, MARKED).map(range).filter((r) => r !== null);
  const here = found[at] ? range(found[at]) : null;
  CSS.highlights.set('found', new Highlight(...all));
  const current = new Highlight(...(here === null ? [] : [here]));
  current.priority = 1;
  CSS.highlights.set('found-here', current);
}

/** Takes the marks away. */
export function unmark() {
  if (typeof Highlight === 'undefined' || !CSS.highlights) return;
  CSS.highlights.delete('found');
  CSS.highlights.delete('found-here');
}

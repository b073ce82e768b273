// @ts-check
// Markdown of foreign texts taken apart: headings, lists, code, quotes, emphasis, links. Everything else stays text.
// Pure; never HTML. Bounded in length and depth.

import { block } from '../../plain.js';

/** Characters that are rendered; the rest is cut, and said. */
export const LONGEST = 60_000;
/** Blocks that are rendered. */
const MOST = 2_000;

/**
 * @typedef {{kind: 'heading', level: number, text: string}
 *   | {kind: 'code', text: string}
 *   | {kind: 'quote', text: string}
 *   | {kind: 'rule'}
 *   | {kind: 'list', ordered: boolean, items: string[]}
 *   | {kind: 'text', text: string}} Block
 * @typedef {{kind: 'text'|'code'|'strong'|'em', text: string}|{kind: 'link', text: string, href: string}} Span
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^\s*(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;

/** The blocks of a text. @param {string} text @returns {Block[]} */
export function blocks(text) {
  const lines = block(text, LONGEST).split('\n');
  /** @type {Block[]} */
  const found = [];
  /** @type {string[]} */
  let words = [];
  const flush = () => {
    if (words.length > 0) found.push({ kind: 'text', text: words.join('\n') });
    words = [];
  };
  for (let at = 0; at < lines.length && found.length < MOST; at += 1) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    const quote = QUOTE.exec(line);
    if (fence) {
      flush();
      const code = [];
      for (at += 1; at < lines.length && !lines[at].trimStart().startsWith(fence[1]); at += 1) code.push(lines[at]);
      found.push({ kind: 'code', text: code.join('\n') });
    } else if (heading) {
      flush();
      found.push({ kind: 'heading', level: heading[1].length, text: heading[2] });
    } else if (RULE.test(line)) {
      flush();
      found.push({ kind: 'rule' });
    } else if (item) {
      flush();
      const ordered = item[2] !== undefined;
      const last = found[found.length - 1];
      if (last?.kind === 'list' && last.ordered === ordered && lines[at - 1]?.trim() !== '') last.items.push(item[3]);
      else found.push({ kind: 'list', ordered, items: [item[3]] });
    } else if (quote) {
      flush();
      const last = found[found.length - 1];
      if (last?.kind === 'quote' && QUOTE.test(lines[at - 1] ?? '')) last.text += `\n${quote[1]}`;
      else found.push({ kind: 'quote', text: quote[1] });
    } else if (line.trim() === '') flush();
    else {
      const last = found[found.length - 1];
      // The second line of an item.
      if (words.length === 0 && last?.kind === 'list' && /^\s{2,}/.test(line) && (lines[at - 1] ?? '').trim() !== '') last.items[last.items.length - 1] += `\n${line.trim()}`;
      else words.push(line);
    }
  }
  flush();
  return found;
}

const SPAN = /(`+)([^`]+?)\1|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*|\[([^\]\n]{1,400})\]\((\S{1,2000}?)\)|<?(https?:\/\/[^\s<>)]{1,2000})>?/g;

/** Where a link may lead: nowhere but to pages of the web. @param {string} href */
export function safeHref(href) {
  try {
    const url = new URL(href);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/** The spans of a line. @param {string} text @returns {Span[]} */
export function spans(text) {
  /** @type {Span[]} */
  const found = [];
  let from = 0;
  const plain = (/** @type {number} */ to) => {
    if (to > from) found.push({ kind: 'text', text: text.slice(from, to) });
  };
  for (const match of text.matchAll(SPAN)) {
    const at = match.index ?? 0;
    if (at < from) continue;
    const [all, , code, strong, strong2, em, label, target, bare] = match;
    /** @type {Span|null} */
    let span = null;
    if (code !== undefined) span = { kind: 'code', text: code };
    else if (strong !== undefined || strong2 !== undefined) span = { kind: 'strong', text: strong ?? strong2 };
    else if (em !== undefined) span = { kind: 'em', text: em };
    else {
      const href = safeHref(target ?? bare);
      if (href !== null) span = { kind: 'link', text: label ?? bare, href };
    }
    // What leads elsewhere stays as it was written.
    if (span === null) continue;
    plain(at);
    found.push(span);
    from = at + all.length;
  }
  plain(text.length);
  return found;
}

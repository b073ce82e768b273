// @ts-check
// Foreign text of many lines, and JSON, as text that cannot deceive: what would turn or hide text becomes visible.
// Pure. One line at a time is `clean` of format.js.

const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;

/** @param {string} c */
const visible = (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Text of several lines: line feeds and tabs stay, every other control and direction mark is written out.
 * @param {unknown} text
 * @param {number} [limit] characters kept
 */
export function block(text, limit = 65_536) {
  if (text === null || text === undefined) return '';
  const whole = String(text);
  const cut = whole.length > limit ? `${whole.slice(0, limit)}\n… ${whole.length - limit} more characters` : whole;
  return cut.replaceAll('\r\n', '\n').replace(TURNS, visible).replace(CONTROLS, visible);
}

/**
 * A value as indented JSON.
 * @param {unknown} value
 * @param {number} [limit] characters kept
 */
export function jsonText(value, limit = 65_536) {
  const text = JSON.stringify(value, null, 2);
  return block(text === undefined ? '' : text, limit);
}

/**
 * Terminal sequences without their effect, for texts that are no stream: error messages, tails of a log.
 * @param {unknown} text
 */
export const withoutSequences = (text) =>
  String(text ?? '').replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g, '');

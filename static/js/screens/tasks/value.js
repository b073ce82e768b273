// @ts-check
// A value of a task file as somebody reads it: texts with their line breaks, lists as lists, keys with what is under
// them. Bounded in depth, in entries and in length; what is deeper is JSON. Foreign text only ever becomes text.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean, whole } from '../../format.js';
import { block, jsonText } from '../../plain.js';

/** Levels that are taken apart. */
const DEEPEST = 4;
/** Entries of a list or a mapping that are shown. */
const MOST = 100;
const LONGEST_TEXT = 8_000;
const LONGEST_JSON = 4_000;

/** A key as words. @param {string} key */
export const words = (key) => clean(key.replaceAll('_', ' '), 60);

/** @param {unknown} value */
export const isNothing = (value) =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0) || (typeof value === 'object' && Object.keys(value).length === 0);

/** @param {number} count */
const more = (count) => (count > MOST ? html`<p class="muted">and ${whole(count - MOST)} more</p>` : nothing);

/** @param {unknown} value @param {number} [depth] @returns {unknown} `null` for nothing at all */
export function valueView(value, depth = 0) {
  if (isNothing(value)) return depth === 0 ? null : html`<span class="muted">none</span>`;
  if (typeof value !== 'object') return html`<bdi class="foreign">${block(value, LONGEST_TEXT)}</bdi>`;
  if (depth >= DEEPEST) return html`<bdi class="foreign">${jsonText(value, LONGEST_JSON)}</bdi>`;
  if (Array.isArray(value)) {
    return html`<ul class="value-list">${value.slice(0, MOST).map((one) => html`<li>${valueView(one, depth + 1)}</li>`)}</ul>${more(value.length)}`;
  }
  const entries = Object.entries(/** @type {object} */ (value));
  return html`<dl class="value-map">${entries.slice(0, MOST).map(([key, one]) => html`<div><dt>${words(key)}</dt><dd>${valueView(one, depth + 1)}</dd></div>`)}</dl>${more(entries.length)}`;
}

// @ts-check
// What a screen reader hears and where the keyboard is. Only changes of state are announced, never output.

import { isFinal } from './state.js';
import { stateLook } from './states.js';
import { clean } from './format.js';

/** Changes told one by one; more are summed up. */
const SINGLE = 3;

/**
 * Says what changed between two states.
 * @param {import('./state.js').State} before
 * @param {import('./state.js').State} after
 */
export function announce(before, after) {
  const changed = [];
  for (const [id, op] of after.operations) {
    const old = before.operations.get(id);
    if (old === op || old?.state === op.state) continue;
    if (!old && isFinal(op.state)) continue;
    changed.push(op);
  }
  const announcer = document.getElementById('announcer');
  if (changed.length === 0 || !announcer) return;
  announcer.textContent =
    changed.length <= SINGLE
      ? changed.map((op) => `${clean(op.model ?? op.tool ?? 'Operation', 60)}: ${stateLook(op.state).label}`).join('. ')
      : `${changed.length} operations changed their state`;
}

/** A focus whose row is not drawn at present. @type {{id: string, control: string}|null} */
let lost = null;

/** What had the focus is on a screen that is left. */
export const forgetFocus = () => {
  lost = null;
};

/** Which control of which row has the focus, or had it when its row was last drawn. */
export function rememberFocus() {
  const active = document.activeElement;
  if (active === null || active === document.body) return lost;
  const row = active.closest('[data-operation]');
  if (!(active instanceof HTMLElement) || !(row instanceof HTMLElement)) return null;
  return { id: row.dataset.operation ?? '', control: active.dataset.control ?? '' };
}

/**
 * A row loses the focus that moves from the active to the ended ones, or goes out of sight; this gives it back.
 * @param {ReturnType<typeof rememberFocus>} kept
 */
export function restoreFocus(kept) {
  const active = document.activeElement;
  lost = null;
  if (!kept || (active && active !== document.body)) return;
  const row = [...document.querySelectorAll('[data-operation]')].find(
    (element) => element instanceof HTMLElement && element.dataset.operation === kept.id,
  );
  const controls = row ? [...row.querySelectorAll('[data-control]')] : [];
  const same = controls.find((c) => c instanceof HTMLElement && c.dataset.control === kept.control);
  const target = same ?? controls[0];
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  else lost = kept;
}

/** Moves between rows. @param {KeyboardEvent} event */
export function rowKeys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.row-link')]);
  const row = document.activeElement?.closest('[data-operation]');
  const at = links.findIndex((link) => row?.contains(link));
  const to = Math.min(links.length - 1, Math.max(0, at + step));
  event.preventDefault();
  links[to]?.focus();
  links[to]?.scrollIntoView({ block: 'nearest' });
}

/** Moves between tabs as the pattern for tabs asks. @param {KeyboardEvent} event */
export function tabKeys(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || !(event.currentTarget instanceof HTMLElement)) return;
  const tabs = /** @type {HTMLElement[]} */ ([...event.currentTarget.querySelectorAll('[role=tab]')]);
  const at = tabs.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (at < 0) return;
  event.preventDefault();
  const to = Number.isFinite(step) ? (at + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
  tabs[to].focus();
  tabs[to].click();
}

// @ts-check
// Light, dark, or as the system has it. Kept in this browser.

const KEY = 'llmctl-theme';

/** @typedef {''|'dark'|'light'} Theme */

/** @returns {Theme} */
export function theme() {
  const now = document.documentElement.dataset.theme;
  return now === 'dark' || now === 'light' ? now : '';
}

/** @param {string} next */
function apply(next) {
  if (next === 'dark' || next === 'light') document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
}

/** Takes up what was chosen last time. */
export function restoreTheme() {
  try {
    apply(localStorage.getItem(KEY) ?? '');
  } catch {
    apply('');
  }
}

/** @param {Theme} next */
export function chooseTheme(next) {
  apply(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts until the page is left.
  }
}

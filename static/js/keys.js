// @ts-check
// The keyboard of the whole page: keys of the shown screen, `g` and a letter to another, keys of the shell. Says what
// is meant; does nothing itself. Pure, so that a test needs no page.

/** How long `g` waits for its letter. */
export const SEQUENCE_MS = 1_500;

/**
 * @typedef {object} Pressed
 * @property {string} key as `KeyboardEvent.key`
 * @property {boolean} chord Ctrl, Meta or Alt is held
 * @property {boolean} typing the focus is where text is written
 * @property {number} at milliseconds
 */

export class Keys {
  constructor() {
    this.pendingUntil = 0;
  }

  /**
   * @param {Pressed} pressed
   * @param {readonly string[]} own keys of the screen
   * @param {readonly string[]} letters keys that follow `g`
   * @returns {{kind: 'own'|'go'|'shell', key: string}|null}
   */
  press({ key, chord, typing, at }, own, letters) {
    const waited = at <= this.pendingUntil;
    this.pendingUntil = 0;
    if (chord) return null;
    if (key === 'Escape') return { kind: 'own', key };
    if (typing) return null;
    if (waited) return letters.includes(key) ? { kind: 'go', key } : null;
    if (key === 'g' && !own.includes('g')) {
      this.pendingUntil = at + SEQUENCE_MS;
      return null;
    }
    if (own.includes(key)) return { kind: 'own', key };
    return key === '?' ? { kind: 'shell', key } : null;
  }
}

/** Whether what is pressed there is text. @param {EventTarget|null} target */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range'].includes(target.type);
}

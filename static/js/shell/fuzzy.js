// @ts-check
// Which entries of a long list are meant by a few letters, the likeliest first. Pure.

/** Points that a letter has to bring on average where the whole is not found. */
const LEAST = 2;

/**
 * How well letters fit a text: all have to occur in order; whole words, beginnings of words and runs count more.
 * @param {string} wanted lower case
 * @param {string} text
 * @returns {number} 0 when it does not fit
 */
export function score(wanted, text) {
  if (wanted === '') return 1;
  const all = text.toLowerCase();
  const whole = all.indexOf(wanted);
  if (whole >= 0) return 1_000 - Math.min(whole, 400) - Math.min(all.length, 200) / 1_000 + (whole === 0 || /[^a-z0-9]/.test(all[whole - 1]) ? 500 : 0);
  let points = 0;
  let from = 0;
  let run = 0;
  for (const letter of wanted) {
    if (letter === ' ') continue;
    const at = all.indexOf(letter, from);
    if (at < 0) return 0;
    run = at === from && from > 0 ? run + 1 : 0;
    points += 1 + run * 3 + (at === 0 || /[^a-z0-9]/.test(all[at - 1]) ? 5 : 0);
    from = at + 1;
  }
  // Letters that are scattered over a text mean nothing.
  if (points < LEAST * wanted.replaceAll(' ', '').length) return 0;
  return points / (1 + all.length / 100);
}

/**
 * @template {{label: string}} T
 * @param {readonly T[]} entries
 * @param {string} text
 * @param {number} most
 * @returns {T[]}
 */
export function best(entries, text, most) {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return entries.slice(0, most);
  const scored = [];
  for (const entry of entries) {
    const points = score(wanted, entry.label);
    if (points > 0) scored.push({ entry, points });
  }
  return scored.sort((a, b) => b.points - a.points).slice(0, most).map((one) => one.entry);
}

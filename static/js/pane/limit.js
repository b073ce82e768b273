// @ts-check
// An amount in dollars as it is typed, without a floating number in between. Pure.

/** @param {string} text such as `2.5` or `$0.75` @returns {number|null} nano-dollars; null when it is no amount above zero */
export function dollars(text) {
  const found = /^\$?\s*(\d{1,6})(?:[.,](\d{1,9}))?$/.exec(text.trim());
  if (!found) return null;
  const nano = Number(BigInt(found[1]) * 1_000_000_000n + BigInt((found[2] ?? '').padEnd(9, '0')));
  return nano > 0 ? nano : null;
}

/** The amount for a field: `2.50`. @param {number|null} nano */
export function typed(nano) {
  if (nano === null) return '';
  const rest = String(nano % 1_000_000_000).padStart(9, '0').replace(/0+$/, '').padEnd(2, '0');
  return `${Math.floor(nano / 1_000_000_000)}.${rest}`;
}

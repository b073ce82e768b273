// @ts-check
// Tables as files that the browser saves: CSV by RFC 4180, JSON. What a spreadsheet would take for a formula is made text.

/** @typedef {string|number|bigint|null|undefined} Cell */

/** A cell of CSV. @param {Cell} value */
export function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const formula = /^[=+\-@\t\r]/.test(value);
  const text = formula ? `'${value}` : value;
  return formula || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Rows below a header.
 * @param {readonly string[]} header
 * @param {readonly (readonly Cell[])[]} rows
 */
export const csv = (header, rows) => [header, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');

/** Nano-dollars as decimal text without a sign of currency: `0.042135000`. @param {number|bigint|null|undefined} nano */
export function decimal(nano) {
  if (nano === null || nano === undefined) return '';
  const value = BigInt(nano);
  const size = value < 0n ? -value : value;
  return `${value < 0n ? '-' : ''}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')}`;
}

/**
 * Hands a text to the browser to save.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun to read it by the next task.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

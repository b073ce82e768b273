// What the tests of the screen of history have in common.

import { pastId, withHistory } from './standin/history.mjs';

export const HASH = '#/history';
/** Operations of a long history. */
export const ALL = 100_000;
/** Operations of a page. */
export const PAGE = 200;

export const rows = (page) => page.locator('.past tbody tr');
export const row = (page, id) => page.locator(`[data-operation="${id}"]`);
export const ids = (page) => rows(page).evaluateAll((all) => all.map((one) => one.dataset.operation));
export const scroller = (page) => page.locator('.past .table-scroll');
export const scrolled = (page) => scroller(page).evaluate((element) => element.scrollTop);
export const scrollTo = (page, top) => scroller(page).evaluate((element, to) => (element.scrollTop = to), top);
export const toEnd = (page) => scroller(page).evaluate((element) => (element.scrollTop = element.scrollHeight));
export const many = (change) => (s) => withHistory(s, ALL, change);
/** The newest of a long history. */
export const NEWEST = pastId(ALL - 1);

/** Waits until an operation is the first of what is drawn. */
export const first = (page, id) => page.waitForFunction((want) => document.querySelector('.past tbody tr')?.dataset.operation === want, id);

/** Puts the list in the order of a column and waits until it is. */
export async function sortBy(page, name, of) {
  await page.getByRole('button', { name, exact: true }).click();
  await page.waitForSelector(`th.${of}[aria-sort=descending]`);
  await page.waitForSelector('.past table[aria-busy=false]');
}

/** Scrolls to the end until so many rows are known. */
export async function load(page, count) {
  const known = () => page.evaluate(() => Number.parseFloat(getComputedStyle(document.querySelector('.past tbody')).height) / 48);
  for (let n = await known(); n < count; n = await known()) {
    await toEnd(page);
    await page.waitForFunction((before) => Number.parseFloat(getComputedStyle(document.querySelector('.past tbody')).height) / 48 > before, n);
  }
}

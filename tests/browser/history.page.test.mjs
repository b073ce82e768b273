// The screen of history in Chromium: a hundred thousand operations page by page, filters and order as addresses, keys,
// the place one was at.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MOST } from '../../static/js/screens/history/model.js';
import { ALL, HASH, NEWEST, PAGE, first, ids, load, many, row, rows, scrollTo, scrolled, sortBy, toEnd } from './history.parts.mjs';
import { pastId, pastOperation } from './standin/history.mjs';
import { goTo, says, visit } from './visit.mjs';

/** Rows that may be drawn at 900 pixels: those in sight and the spare ones around them. */
const DRAWN = 80;

/** What the daemon was asked last. */
const asked = (standin) => new URLSearchParams(standin.pagesAsked.at(-1));

test('one page is asked for at a time, and what is drawn and kept is bounded', () =>
  visit('empty', async (page, standin) => {
    let [under, most] = [0, 0];
    standin.pageGate = async () => {
      under += 1;
      most = Math.max(most, under);
      await new Promise((done) => setImmediate(done));
      under -= 1;
    };
    await goTo(page, HASH);
    await first(page, NEWEST);
    assert.deepEqual(standin.pagesAsked, [`limit=${PAGE}`], 'one page for what is in sight');
    assert.ok((await rows(page).count()) < DRAWN, `${await rows(page).count()} rows`);
    await load(page, 3 * PAGE);
    assert.ok(standin.pagesAsked.length <= 4, standin.pagesAsked.join(' '));
    assert.ok((await rows(page).count()) < DRAWN);
    await load(page, MOST);
    await says(page.locator('.list-end'), 'are shown at once');
    assert.equal(standin.pagesAsked.length, MOST / PAGE, 'no page twice, none beyond what is kept');
    assert.equal(most, 1, 'never two at once');
    assert.ok((await rows(page).count()) < DRAWN);
    await toEnd(page);
    await row(page, pastId(ALL - MOST)).waitFor();
    assert.equal((await ids(page)).at(-1), pastId(ALL - MOST), 'none left out, none beyond');
  }, { prepare: many() }));

test('older ones than are kept are an address, begin at the top, and lead back', () =>
  visit('empty', async (page, standin) => {
    await first(page, NEWEST);
    await load(page, MOST);
    await page.getByRole('button', { name: 'Go on with older ones' }).click();
    // The last one stays in sight, so that nobody wonders whether one is missing.
    await first(page, pastId(ALL - MOST));
    assert.match(page.url(), /until=20\d\d-/);
    await page.waitForFunction(() => document.querySelector('.past .table-scroll').scrollTop === 0);
    const url = page.url();
    await page.reload();
    await first(page, pastId(ALL - MOST));
    assert.equal(page.url(), url);
    assert.match(asked(standin).get('until'), /^20\d\d-/);
    await page.goBack();
    await first(page, NEWEST);
    await page.goForward();
    await first(page, pastId(ALL - MOST));
    await page.getByRole('button', { name: /^Before / }).click();
    await first(page, NEWEST);
    assert.doesNotMatch(page.url(), /until/);
  }, { hash: HASH, prepare: many() }));

test('filters, search and sort are addresses that a reload and the back button keep', () =>
  visit('empty', async (page, standin) => {
    await first(page, NEWEST);
    await page.getByRole('combobox', { name: 'All states' }).selectOption('error');
    await page.getByRole('combobox', { name: 'All models' }).selectOption('claude-haiku-4-5');
    await page.getByRole('combobox', { name: 'Time' }).selectOption('7d');
    await page.locator('#filter').fill('agent-7');
    // Every tenth fails; of these, those of the fourth model whose agent is the seventh.
    await page.waitForFunction(() => {
      const all = [...document.querySelectorAll('.past tbody tr')];
      return all.length > 0 && all.every((one) => one.textContent.includes('Error') && one.textContent.includes('claude-haiku-4-5') && one.textContent.includes('agent-7'));
    });
    const question = asked(standin);
    assert.deepEqual(['state', 'model', 'since', 'q', 'limit'].map((name) => question.get(name)), ['error', 'claude-haiku-4-5', '7d', 'agent-7', String(PAGE)]);
    await sortBy(page, 'Cost', 'h-cost');
    const found = await ids(page);
    const url = page.url();
    for (const part of ['state=error', 'model=claude-haiku-4-5', 'since=7d', 'q=agent-7', 'sort=cost']) assert.ok(url.includes(part), url);
    const same = async (what) => {
      await page.waitForFunction((want) => document.querySelector('.past tbody tr')?.dataset.operation === want, found[0]);
      assert.equal(page.url(), url, what);
      assert.equal(await page.locator('#filter').inputValue(), 'agent-7');
      assert.deepEqual(await Promise.all(['All states', 'All models', 'Time'].map((name) => page.getByRole('combobox', { name }).inputValue())), ['error', 'claude-haiku-4-5', '7d'], what);
      await page.waitForSelector('th.h-cost[aria-sort=descending]');
    };
    await page.reload();
    await same('reload');
    await goTo(page, '#/system');
    await page.waitForSelector('.system');
    await page.goBack();
    await same('back');
    await rows(page).first().locator('.row-link').click();
    await page.waitForSelector('.detail-head');
    await page.goBack();
    await page.waitForFunction(() => !document.querySelector('.detail-head'));
    await same('back from an operation');
  }, { hash: HASH, prepare: many() }));

/** The operation of a long history that is first in an order. */
function greatest(sort) {
  const figure = { cost: (op) => op.cost_nano_usd ?? -1, duration: (op) => op.elapsed_ms, tokens: ({ tokens: t }) => t.input + t.cache_read + t.output }[sort];
  let [best, id] = [-1, ''];
  for (let n = 0; n < ALL; n += 1) {
    const op = pastOperation(n, ALL, 0);
    if (figure(op) >= best) [best, id] = [figure(op), op.operation_id];
  }
  return id;
}

test('each order is that of the figures that are shown, over everything that is kept', () =>
  visit('empty', async (page) => {
    await first(page, NEWEST);
    await page.waitForSelector('th.h-begun[aria-sort=descending]');
    for (const [name, of, sort] of /** @type {const} */ ([['Duration', 'h-duration', 'duration'], ['Tokens', 'h-tokens', 'tokens'], ['Cost', 'h-cost', 'cost']])) {
      await sortBy(page, name, of);
      const shown = await page.locator(`.past tbody .${of}`).allTextContents();
      const value = (text) => {
        if (/unknown|–/.test(text)) return -1;
        const clock = /^\s*(?:(\d+)m\s*)?([\d.]+)\s*s/.exec(text);
        if (of === 'h-duration' && clock) return Number(clock[1] ?? 0) * 60 + Number(clock[2]);
        return Number.parseFloat(text.replace(/[^\d.]/g, '')) * (/k/.test(text) ? 1_000 : 1);
      };
      const values = shown.map(value);
      assert.deepEqual(values, [...values].sort((a, b) => b - a), `${name}: ${shown.slice(0, 8).join(' | ')}`);
      assert.equal((await ids(page))[0], greatest(sort), `${name}: of all that is kept, not of what was loaded`);
    }
    await page.getByRole('button', { name: 'Begun' }).click();
    await first(page, NEWEST);
    assert.doesNotMatch(page.url(), /sort/);
  }, { hash: HASH, prepare: many() }));

test('an order goes on behind its pages, and a filter keeps it', () =>
  visit('empty', async (page, standin) => {
    await first(page, NEWEST);
    await sortBy(page, 'Cost', 'h-cost');
    await load(page, 3 * PAGE);
    assert.match(String(asked(standin)), /sort=cost/);
    assert.match(asked(standin).get('after'), /^\d+-exec-/);
    await page.getByRole('combobox', { name: 'All states' }).selectOption('error');
    await page.waitForFunction(() => {
      const all = [...document.querySelectorAll('.past tbody tr')];
      return all.length > 0 && all.every((one) => one.textContent.includes('Error'));
    });
    const costs = (await page.locator('.past tbody .h-cost').allTextContents()).map((text) => Number.parseFloat(text.replace(/[^\d.]/g, '')));
    assert.deepEqual(costs, [...costs].sort((a, b) => b - a));
    assert.ok(costs[0] > 0.8, `${costs[0]}: the dearest of all`);
  }, { hash: HASH, prepare: many() }));

test('another question begins at the top, and is asked once for what is typed', () =>
  visit('empty', async (page, standin) => {
    await first(page, NEWEST);
    await load(page, 4 * PAGE);
    const before = standin.pagesAsked.length;
    await page.locator('#filter').pressSequentially('agent-11');
    await page.waitForFunction(() => {
      const all = [...document.querySelectorAll('.past tbody tr')];
      return all.length > 0 && all.every((one) => one.textContent.includes('agent-11'));
    });
    await page.waitForFunction(() => document.querySelector('.past .table-scroll').scrollTop === 0);
    assert.ok(standin.pagesAsked.length - before <= 2, standin.pagesAsked.slice(before).join(' '));
    assert.equal(asked(standin).get('q'), 'agent-11');
  }, { hash: HASH, prepare: many() }));

test('keys: through the rows, open, to the next, close; the focus is where one was', () =>
  visit('empty', async (page) => {
    await first(page, NEWEST);
    await page.keyboard.press('/');
    await page.waitForFunction(() => document.activeElement?.id === 'filter');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.activeElement?.id !== 'filter');
    await rows(page).first().locator('.row-link').focus();
    const has = (n) => page.waitForFunction((want) => document.activeElement?.closest('[data-operation]')?.dataset.operation === want, pastId(ALL - 1 - n));
    // Beyond what was drawn at first.
    for (let n = 1; n <= 60; n += 1) {
      await page.keyboard.press(n % 2 ? 'ArrowDown' : 'j');
      await has(n);
    }
    await page.waitForFunction(() => document.querySelector('.past .table-scroll').scrollTop > 1_000);
    await page.keyboard.press('k');
    await has(59);
    await page.keyboard.press('Enter');
    await says(page.locator('.detail-head'), 'claude');
    assert.ok(page.url().includes(pastId(ALL - 60)), page.url());
    await page.locator('.detail-head h2').click();
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await page.keyboard.press('j');
    await page.waitForFunction((id) => location.hash.includes(id), pastId(ALL - 61));
    await page.keyboard.press('k');
    await page.waitForFunction((id) => location.hash.includes(id), pastId(ALL - 60));
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('.detail-head'));
    await has(59);
  }, { hash: HASH, prepare: many() }));

for (const width of [1_440, 390]) {
  test(`an operation is opened and left, and the list is where it was, ${width} px`, () =>
    visit('empty', async (page, standin) => {
      await first(page, NEWEST);
      await load(page, 3 * PAGE);
      const want = pastId(ALL - 1 - 350);
      await scrollTo(page, 345 * 48);
      await row(page, want).waitFor();
      const before = await scrolled(page);
      const requests = standin.pagesAsked.length;
      await row(page, want).locator('.row-link').click();
      await page.waitForSelector('.detail-head');
      assert.ok(page.url().includes(want));
      await page.goBack();
      await page.waitForFunction(() => !document.querySelector('.detail-head'));
      await page.waitForFunction((id) => document.activeElement?.closest('[data-operation]')?.dataset.operation === id, want);
      await page.waitForFunction((top) => Math.abs(document.querySelector('.past .table-scroll').scrollTop - top) < 2, before);
      assert.ok((await ids(page)).includes(want));
      assert.equal(standin.pagesAsked.length, requests, 'nothing is fetched anew');
    }, { hash: HASH, prepare: many(), viewport: { width, height: 800 } }));
}

test('an address of its own opens what is no longer in the projection', () =>
  visit('empty', async (page, standin) => {
    const id = pastId(4);
    await says(page.locator('.detail-head'), 'deepseek-v3.2');
    assert.ok(standin.requests.includes(`GET /api/operations/${id}`));
    await page.keyboard.press('Escape');
    await first(page, NEWEST);
  }, { hash: `${HASH}/${pastId(4)}`, prepare: many() }));

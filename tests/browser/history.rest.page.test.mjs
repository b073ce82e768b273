// The screen of history in Chromium: errors with their way on, what happens meanwhile, exports, what is found nowhere,
// hostile text, accessibility, widths.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { ALL, HASH, NEWEST, PAGE, first, ids, load, many, row, rows, scrollTo, scrolled, toEnd } from './history.parts.mjs';
import { begin, scenes } from './scenes.mjs';
import { pastId, withHistory } from './standin/history.mjs';
import { accessible, fitsAllWidths, forget, goTo, says, visit } from './visit.mjs';

const STORE_GONE = { status: 503, body: { error: 'The history cannot be read now.', code: 'store_unavailable', hint: 'llmctl daemon logs' } };

test('an error of the daemon is told with its hint, and what is known stays', () =>
  visit('empty', async (page, standin, faults) => {
    const banner = page.locator('.past .banner.tone-red');
    await says(banner, 'The history cannot be read now.');
    await says(banner.locator('code'), 'llmctl daemon logs');
    assert.equal(await banner.getAttribute('role'), 'alert');
    assert.equal(await page.locator('.past .empty').count(), 0, 'an error is not an empty history');
    standin.historyFails = null;
    await page.getByRole('button', { name: 'Try again' }).click();
    await first(page, NEWEST);
    assert.equal(await banner.count(), 0);
    await load(page, 2 * PAGE);
    standin.historyFails = STORE_GONE;
    await toEnd(page);
    await banner.waitFor();
    const known = await ids(page);
    assert.ok(known.length > 0, 'what was read stays');
    const requests = standin.pagesAsked.length;
    standin.historyFails = null;
    await page.getByRole('button', { name: 'Try again' }).click();
    await load(page, 3 * PAGE);
    assert.ok(new URLSearchParams(standin.pagesAsked[requests]).has('after'), 'it goes on where it failed');
    assert.equal(await banner.count(), 0);
    await goTo(page, '#/history?since=nonsense&state=nobody&sort=luck');
    await page.waitForSelector('th.h-begun[aria-sort=descending]');
    assert.equal(await banner.count(), 0, 'what the daemon would refuse is not asked');
    forget(faults, /503/);
  }, { hash: HASH, prepare: (s) => (many()(s), (s.historyFails = STORE_GONE)) }));

test('a page that was on its way when all was fetched anew leaves no hole', () =>
  visit('empty', async (page, standin) => {
    await first(page, NEWEST);
    await load(page, 3 * PAGE);
    let go;
    const held = new Promise((done) => (go = done));
    let arrived;
    const waits = new Promise((done) => (arrived = done));
    standin.pageGate = async (query) => {
      if (!query.has('after')) return;
      arrived();
      await held;
    };
    await toEnd(page);
    await waits;
    await page.keyboard.press('r');
    await first(page, NEWEST);
    const [answer] = await Promise.all([page.waitForResponse((one) => one.url().includes('after=')), go()]);
    await answer.finished();
    standin.pageGate = null;
    await load(page, 2 * PAGE);
    await scrollTo(page, 195 * 48);
    await row(page, pastId(ALL - 1 - 200)).waitFor();
    const numbers = (await ids(page)).map((id) => Number(id.slice(-14)));
    numbers.slice(1).forEach((n, i) => assert.equal(n, numbers[i] - 1, 'one after the other'));
  }, { hash: HASH, prepare: many() }));

test('what ends while one looks is told: in its row, or above the list', () =>
  visit('empty', async (page, standin) => {
    const running = [...standin.state.operations.values()].findLast((op) => op.state === 'running');
    const line = row(page, running.operation_id);
    await says(line, 'Running');
    await scrollTo(page, 400);
    standin.stop(running.operation_id);
    await says(line, 'Stopped');
    const fresh = begin(standin, 999, { tool: 'claude', model: 'claude-opus-4-6', provider: 'anthropic' });
    standin.stop(fresh);
    const news = page.getByRole('button', { name: '1 operation ended since: show' });
    await news.click();
    await first(page, fresh);
    await news.waitFor({ state: 'detached' });
    // What was not asked for is no news.
    await goTo(page, '#/history?tool=codex');
    await page.waitForFunction(() => [...document.querySelectorAll('.past tbody tr')].every((one) => one.textContent.includes('codex')));
    standin.stop(begin(standin, 1_000, { tool: 'claude', model: 'claude-opus-4-6', provider: 'anthropic' }));
    standin.stop(begin(standin, 1_001, { tool: 'codex', model: 'gpt-5.2-codex', provider: 'openai' }));
    await news.waitFor();
  }, { hash: HASH, prepare: (s) => (withHistory(s, 1_000), scenes.many(s)) }));

test('a new connection keeps the place and brings what is new', () =>
  visit('empty', async (page, standin, faults) => {
    await first(page, NEWEST);
    await load(page, 3 * PAGE);
    await scrollTo(page, 300 * 48);
    await row(page, pastId(ALL - 1 - 305)).waitFor();
    const before = standin.pagesAsked.length;
    standin.drop();
    await page.waitForFunction(() => !document.querySelector('.connection.is-live'));
    await page.waitForSelector('.connection.is-live');
    await page.waitForFunction(() => !document.querySelector('.list-end')?.textContent.includes('Loading'));
    assert.ok(standin.pagesAsked.length > before, 'it is asked what is new');
    await row(page, pastId(ALL - 1 - 305)).waitFor();
    assert.equal(await scrolled(page), 300 * 48);
    forget(faults, /WebSocket/);
  }, { hash: HASH, prepare: many() }));

test('left and come back to, it begins at the top', () =>
  visit('empty', async (page) => {
    await first(page, NEWEST);
    await load(page, 3 * PAGE);
    await goTo(page, '#/system');
    await page.waitForSelector('.system');
    await goTo(page, HASH);
    await first(page, NEWEST);
    assert.equal(await scrolled(page), 0);
  }, { hash: HASH, prepare: many() }));

test('what is loaded is saved as CSV, and everything of a time is a download', () =>
  visit('empty', async (page, standin) => {
    await first(page, pastId(499));
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV', exact: true }).click()]);
    assert.equal(download.suggestedFilename(), 'operations.csv');
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\r\n');
    assert.equal(lines.length, 1 + PAGE, 'what is loaded');
    assert.equal(lines[0], 'operation_id,state,submitted_at,ended_at,elapsed_ms,tool,model,agent,tokens,cost_usd');
    assert.ok(lines[1].startsWith(`${pastId(499)},`));
    assert.ok(lines.some((line) => line.includes("\"'=cmd|' /C calc'!A0\"")), 'no formula');
    const link = page.getByRole('link', { name: 'All', exact: true });
    assert.equal(await link.getAttribute('href'), '/api/export?kind=operations&format=csv');
    const [all] = await Promise.all([page.waitForEvent('download'), link.click()]);
    assert.match(all.suggestedFilename(), /^llmctl-operations-.*\.csv$/);
    await page.getByRole('combobox', { name: 'Time' }).selectOption('7d');
    await page.waitForFunction(() => /[?&]from=20\d\d-/.test(document.querySelector('.past a[download]').href));
    const since = new URL(await link.evaluate((element) => element.href)).searchParams.get('from');
    const away = Date.now() - 7 * 86_400_000 - Date.parse(since);
    assert.ok(away >= 0 && away < 120_000, since);
    assert.deepEqual(standin.exported, ['?kind=operations&format=csv']);
  }, { hash: HASH, prepare: (s) => withHistory(s, 500, (op, n) => (n % 40 === 0 ? { ...op, agent: "=cmd|' /C calc'!A0" } : op)) }));

test('a rare find is looked for further and further back', () =>
  visit('empty', async (page, standin) => {
    await says(page.locator('.past .empty'), 'No operation matches');
    const looks = standin.pagesAsked.length;
    assert.equal(looks, 1, 'the whole past is not read unasked');
    // The answer comes when the page has drawn that it waits: no click meets a button of before.
    standin.pageGate = () => says(page.locator('.past .empty'), 'Waiting for the daemon');
    // 20,000 are looked at for each page.
    for (let n = 1; n < ALL / 20_000; n += 1) await page.getByRole('button', { name: 'Look further back' }).click();
    await first(page, pastId(7));
    assert.equal(standin.pagesAsked.length, ALL / 20_000);
    standin.pageGate = null;
    await page.locator('#filter').fill('nobody has this');
    await says(page.locator('.past .empty'), 'No operation matches');
    await page.getByRole('button', { name: 'Show all' }).click();
    await first(page, NEWEST);
  }, { hash: `${HASH}?q=the-oldest`, prepare: many((op, n) => (n === 7 ? { ...op, agent: 'the-oldest' } : op)) }));

test('a time that is none of the list is said as it is', () =>
  visit('empty', async (page, standin) => {
    await rows(page).first().waitFor();
    assert.equal(new URLSearchParams(standin.pagesAsked.at(-1)).get('since'), '3d');
    const time = page.getByRole('combobox', { name: 'Time' });
    assert.equal(await time.evaluate((element) => element.selectedOptions[0].textContent.trim()), 'Since 3d');
    await time.selectOption('');
    await page.waitForFunction(() => !location.hash.includes('since'));
  }, { hash: `${HASH}?since=3d`, prepare: many() }));

test('an empty history teaches', () =>
  visit('empty', async (page) => {
    await says(page.locator('.past .empty'), 'Nothing has run yet');
    await says(page.locator('.past .empty code'), 'llmctl execute');
    assert.ok(await page.getByRole('button', { name: 'CSV', exact: true }).isDisabled());
  }, { hash: HASH }));

const EVIL = '<img src=x onerror=alert(1)>"\'`${1}';
const TURNED = 'safe\u202egnp.exe\u0007\u001b]8;;http://evil\u0007x';

test('hostile text is text in every column and filter', () =>
  visit('empty', async (page) => {
    let dialogs = 0;
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    await first(page, pastId(49));
    const line = row(page, pastId(49));
    for (const of of ['h-model', 'h-who', 'h-error']) await says(line.locator(`.${of}`), '<img src=x');
    await says(row(page, pastId(48)), 'safe');
    for (const name of ['All tools', 'All models', 'All agents']) {
      await page.getByRole('combobox', { name }).selectOption(EVIL);
      await first(page, pastId(49));
    }
    await page.locator('#filter').fill(EVIL);
    await page.waitForFunction(() => decodeURIComponent(location.hash).includes('onerror'));
    await first(page, pastId(49));
    await line.locator('.row-link').click();
    await page.waitForSelector('.detail-head');
    for (const name of [EVIL, TURNED]) {
      await goTo(page, `${HASH}?tool=${encodeURIComponent(name)}&q=${encodeURIComponent(name)}&since=${encodeURIComponent(name)}&sort=${encodeURIComponent(name)}`);
      await page.waitForFunction(() => document.querySelectorAll('.past tbody tr, .past .empty-title').length > 0);
    }
    const text = await page.locator('#app').textContent();
    assert.ok(!/[\u202e\u001b\u0007]/.test(text), 'no control characters');
    assert.equal(await page.locator('#app img, #app script, a[href^="javascript:"]').count(), 0);
    assert.equal(dialogs, 0);
  }, {
    hash: HASH,
    prepare: (s) =>
      withHistory(s, 50, (op, n) => {
        const text = n % 2 ? EVIL : TURNED;
        return { ...op, state: n === 40 ? EVIL : op.state, tool: text, model: text, agent: text, provider: text, task_type: text, project: text, reason: text, error: { class: text, message: text, hint: text } };
      }),
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('empty', async (page, standin, faults) => {
      await first(page, NEWEST);
      await accessible(page);
      await goTo(page, `${HASH}?until=2026-01-01T00:00:00.000Z&sort=cost&since=400d`);
      await page.waitForSelector('.past .empty-title');
      await accessible(page);
      await goTo(page, HASH);
      await first(page, NEWEST);
      await rows(page).nth(3).locator('.row-link').click();
      await page.waitForSelector('.detail-head');
      await accessible(page);
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => !document.querySelector('.detail-head'));
      standin.historyFails = STORE_GONE;
      await toEnd(page);
      await page.locator('.past .banner').waitFor();
      await accessible(page);
      forget(faults, /503/);
    }, { hash: HASH, prepare: many(), colorScheme }));
}

test('every width fits', () =>
  visit('empty', async (page) => {
    for (const hash of [HASH, `${HASH}?since=3d&until=2036-01-01T00:00:00.000Z&sort=cost&q=agent`, `${HASH}/${pastId(ALL - 4)}`]) {
      await goTo(page, hash);
      await page.waitForSelector(hash.includes('/exec-') ? '.detail-head' : '.past tbody tr');
      await fitsAllWidths(page, '.past, .past .table-scroll, .past .toolbar');
    }
  }, { hash: HASH, prepare: many((op, n) => (n % 3 ? op : { ...op, model: 'a-model-with-a-name-that-is-longer-than-anything-'.repeat(4), agent: 'an-agent-of-many-words-'.repeat(8) })) }));

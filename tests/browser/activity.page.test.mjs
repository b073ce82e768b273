// The screen of activity in Chromium: every type, filters as addresses, holding still, bounds under bursts, no hole
// between the present and the past, hostile text.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { KEPT } from '../../static/js/screens/activity/log.js';
import { begin, opId, scenes } from './scenes.mjs';
import { withPast } from './standin/system.mjs';
import { accessible, fitsAllWidths, forget, goTo, says, visit } from './visit.mjs';

const HASH = '#/activity';
/** Lines that may be drawn at 900 pixels: those in sight and the spare ones around them. */
const DRAWN = 60;
/** Every type that the daemon publishes, from the one list of them. */
const TYPES = [...readFileSync(new URL('../../proto/src/event/mod.rs', import.meta.url), 'utf8').matchAll(/\) = "([a-z_.]+)", (?:fact|live), /g)].map((found) => found[1]);

const lines = (page) => page.locator('.events .ev');
const line = (page, text) => lines(page).filter({ hasText: text });
const texts = (page) => lines(page).evaluateAll((all) => all.map((one) => one.querySelector('.ev-text').textContent));
const scroller = (page) => page.locator('.event-scroll');
const scrollTo = (page, top) => scroller(page).evaluate((element, to) => (element.scrollTop = to), top);
const group = (page, name) => page.locator('.groups').getByRole('button', { name, exact: true });
const firstSays = (page, text) => page.waitForFunction((want) => document.querySelector('.events .ev .ev-text')?.textContent.includes(want), text);
const reload = (s, n) => s.publish('config.reloaded', { applied: true, changed: [], errors: [], number: n });
const card = (s, n) => s.publish('task.updated', { project: 'shop', task_id: `card-${n}`, lane: 'assigned', changed: [], card: { title: `Card ${n}` } });

/** Numbers of the events that are listed, newest first, drawn or not. */
const numbers = (page) =>
  page.evaluate(async () => {
    const { at, count } = await import('/static/js/screens/activity/model.js');
    return Array.from({ length: count() }, (_, n) => at(n).seq);
  });
const inLine = (list) => list.every((n, i) => i === 0 || n === list[i - 1] - 1);
const untilListed = (page, n) =>
  page.waitForFunction(async (want) => {
    const { count } = await import('/static/js/screens/activity/model.js');
    return count() >= want;
  }, n);

test('every type of event is shown, whatever is missing in it, and output is counted', () =>
  visit('empty', async (page, standin) => {
    assert.ok(TYPES.length >= 38, TYPES.join(' '));
    await page.waitForSelector('.activity .empty');
    const nulls = Object.fromEntries(['name', 'model', 'tokens', 'duration_ms', 'reason', 'changed', 'errors', 'card', 'selected', 'server_name', 'latency_ms', 'used_percent', 'position'].map((key) => [key, null]));
    for (const type of TYPES) for (const data of [{}, nulls]) standin.publish(type, data);
    standin.publish('deploy.finished', { ok: true, note: 'from a script' });
    await says(line(page, 'deploy.finished'), 'deploy.finished');
    await says(page.locator('.activity-note'), '2 pieces of output are not listed');
    const shown = new Set(await page.locator('.ev-type').allTextContents());
    assert.deepEqual(TYPES.filter((type) => type !== 'execution.output' && !shown.has(type)), []);
    await line(page, 'deploy.finished').locator('.ev-toggle').click();
    await says(page.locator('.ev-more pre'), '"note": "from a script"');
  }, { hash: HASH, viewport: { width: 1_440, height: 4_000 } }));

test('lines say what happened and lead to it', () =>
  visit('demo', async (page) => {
    await lines(page).first().waitFor();
    await group(page, 'Operations').click();
    const failed = line(page, 'execution.error').first();
    await page.locator('#filter').fill('execution.error');
    await says(failed, 'rate_limit');
    await says(failed.locator('.ev-link'), opId(926));
    assert.equal(await failed.locator('.ev-link').getAttribute('href'), `#/operations/${opId(926)}`);
  }, { hash: HASH }));

test('kind, text and operation are addresses that a reload and the back button keep', () =>
  visit('demo', async (page, standin) => {
    await lines(page).first().waitFor();
    await group(page, 'Operations').click();
    await page.locator('#filter').fill('EXECUTION.stopped budget');
    const only = () => page.waitForFunction(() => {
      const all = [...document.querySelectorAll('.events .ev')];
      return all.length === 1 && all[0].textContent.includes('by budget');
    });
    await only();
    const url = page.url();
    assert.match(url, /group=operations/);
    assert.match(url, /q=EXECUTION\.stopped\+budget/);
    await page.reload();
    await only();
    assert.equal(await page.locator('#filter').inputValue(), 'EXECUTION.stopped budget');
    assert.equal(await group(page, 'Operations').getAttribute('aria-pressed'), 'true');
    await goTo(page, '#/system');
    await page.waitForSelector('.system');
    await page.goBack();
    await only();
    assert.equal(page.url(), url);
    assert.ok(standin.eventsAsked.some((search) => new URLSearchParams(search).get('types')?.includes('execution.')), 'the daemon is asked for the kind');
    const id = opId(925);
    await goTo(page, `${HASH}?operation=${id}`);
    await page.waitForFunction(() => [...document.querySelectorAll('.events .ev')].length > 2);
    assert.ok((await lines(page).locator('.ev-link').allTextContents()).every((text) => text === id));
    await page.getByRole('button', { name: `Only ${id}` }).click();
    await page.waitForFunction(() => !location.hash.includes('operation'));
    await page.locator('#filter').fill('nothing is like that');
    await says(page.locator('.activity .empty'), 'Nothing like this has happened');
    await page.locator('#filter').fill('');
    await lines(page).first().waitFor();
  }, { hash: HASH }));

test('the past is read on the way down, page by page, words in any place', () =>
  visit('empty', async (page, standin) => {
    await firstSays(page, 'Card 1000');
    assert.equal(standin.eventsAsked.length, 1, 'one page for what is in sight');
    for (let known = 200; known < 1_000; known += 200) {
      await scrollTo(page, 10_000_000);
      await untilListed(page, known + 200);
    }
    await scrollTo(page, 10_000_000);
    await says(page.locator('.list-end'), 'that is all that is stored');
    await says(lines(page).last(), 'Card 1');
    assert.ok((await lines(page).count()) < DRAWN);
    assert.ok(inLine(await numbers(page)));
    await page.locator('#filter').fill('dev card 77');
    await firstSays(page, 'Card 977');
    await page.waitForFunction(() => document.querySelector('.event-scroll').scrollTop === 0);
    assert.ok((await texts(page)).every((text) => text.includes('77')));
  }, { hash: HASH, prepare: (s) => withPast(s, 1_000) }));

test('held still, the list keeps its place and says how many wait', () =>
  visit('empty', async (page, standin) => {
    await firstSays(page, 'Card 1000');
    await scrollTo(page, 3_400);
    await says(lines(page), 'Card 890');
    await page.keyboard.press('p');
    const go = page.getByRole('button', { name: /^Go on/ });
    await go.waitFor();
    assert.equal(await go.getAttribute('aria-pressed'), 'true');
    const before = await texts(page);
    for (let n = 1; n <= 25; n += 1) card(standin, 1_000 + n);
    await says(go, 'Go on, 25 waiting');
    assert.deepEqual(await texts(page), before, 'nothing moves');
    // Further back: what waits is not put above it meanwhile.
    await scrollTo(page, 10_000_000);
    await untilListed(page, 400);
    const held = await numbers(page);
    assert.equal(held[0], 1_000);
    assert.ok(inLine(held));
    // More than are kept of the present.
    for (let n = 1; n <= KEPT + 1_500; n += 1) card(standin, 2_000 + n);
    await says(go, `Go on, ${(KEPT + 1_525).toLocaleString('en').replaceAll(',', '\u202f')} waiting`);
    assert.equal((await numbers(page))[0], 1_000);
    await go.click();
    await page.getByRole('button', { name: 'Hold' }).waitFor();
    await scrollTo(page, 0);
    await firstSays(page, `Card ${2_000 + KEPT + 1_500}`);
    await scrollTo(page, 10_000_000);
    await untilListed(page, KEPT + 100);
    assert.ok(inLine(await numbers(page)), 'no hole where the past joins');
  }, { hash: HASH, prepare: (s) => withPast(s, 1_000) }));

test('a burst of 5,000 events keeps the page small', () =>
  visit('empty', async (page, standin) => {
    await page.waitForSelector('.activity .empty');
    for (let n = 1; n <= 5_000; n += 1) reload(standin, n);
    await untilListed(page, 5_000);
    await page.waitForFunction((most) => document.querySelectorAll('.events .ev').length > 10 && document.querySelectorAll('.events .ev').length < most, DRAWN);
    assert.ok(inLine(await numbers(page)));
    assert.ok((await page.evaluate(() => document.querySelectorAll('*').length)) < 2_000);
  }, { hash: HASH }));

test(`at most ${KEPT} lines of the present are kept, and what has left is read from the store`, () =>
  visit('empty', async (page, standin) => {
    await firstSays(page, 'Card 100');
    await scrollTo(page, 10_000_000);
    await says(page.locator('.list-end'), 'that is all that is stored');
    await scrollTo(page, 0);
    for (let n = 1; n <= 2 * KEPT + 1_000; n += 1) card(standin, 100 + n);
    await firstSays(page, `Card ${2 * KEPT + 1_100}`);
    await says(page.locator('.activity-note'), 'have left the list; they are stored');
    const kept = await page.evaluate(async () => (await import('/static/js/screens/activity/model.js')).model.log.ring.length);
    assert.ok(kept <= KEPT + 500, `${kept} kept`);
    assert.ok((await lines(page).count()) < DRAWN);
    await scrollTo(page, 10_000_000);
    await untilListed(page, kept + 100);
    assert.ok(inLine(await numbers(page)), 'no hole where the past joins');
  }, { hash: HASH, prepare: (s) => withPast(s, 100) }));

test('what was missed without a connection is there, or the list begins anew', () =>
  visit('empty', async (page, standin, faults) => {
    for (const [missed, last] of [[50, 350], [900, 1_250]]) {
      standin.accepting = false;
      standin.drop();
      await page.waitForFunction(() => !document.querySelector('.connection.is-live'));
      for (let n = last - missed + 1; n <= last; n += 1) card(standin, n);
      standin.ring = [];
      standin.accepting = true;
      await page.waitForSelector('.connection.is-live', { timeout: 30_000 });
      await firstSays(page, `Card ${last}`);
      await scrollTo(page, 10_000_000);
      await untilListed(page, 250);
      assert.ok(inLine(await numbers(page)), `${missed} missed`);
      await scrollTo(page, 0);
    }
    forget(faults, /WebSocket|EventSource|ERR_/);
  }, { hash: HASH, prepare: (s) => withPast(s, 300) }));

test('an error is told and can be tried again; what is rare is looked for further back', () =>
  visit('empty', async (page, standin, faults) => {
    await says(page.locator('.activity .empty'), 'The history cannot be read now.');
    standin.eventsFail = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await firstSays(page, 'Card 25000');
    standin.eventsFail = true;
    await scrollTo(page, 10_000_000);
    await says(page.locator('.list-end'), 'The history cannot be read now.');
    assert.ok((await lines(page).count()) > 10, 'what is known stays');
    standin.eventsFail = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await untilListed(page, 400);
    await page.locator('#filter').fill('the-rare-one');
    await says(page.locator('.activity .empty'), 'Nothing like this');
    await page.getByRole('button', { name: 'Look further back' }).click();
    await says(lines(page), 'the-rare-one');
    forget(faults, /503/);
  }, {
    hash: HASH,
    prepare(s) {
      withPast(s, 25_000);
      s.stored[7].data.card.title = 'the-rare-one';
      s.eventsFail = true;
    },
  }));

test('keys: search, open an event, close it, hold', () =>
  visit('empty', async (page) => {
    await firstSays(page, 'Card 300');
    await page.keyboard.press('/');
    await page.waitForFunction(() => document.activeElement?.id === 'filter');
    await page.keyboard.press('Escape');
    const toggle = lines(page).nth(2).locator('.ev-toggle');
    await toggle.focus();
    await page.keyboard.press('Enter');
    await says(lines(page).nth(2).locator('pre'), '"task_id": "card-298"');
    assert.equal(await toggle.getAttribute('aria-expanded'), 'true');
    await page.keyboard.press('Escape');
    await page.locator('.ev-more').waitFor({ state: 'detached' });
    assert.equal(await toggle.getAttribute('aria-expanded'), 'false');
    assert.ok(await toggle.evaluate((element) => element === document.activeElement));
    await page.keyboard.press('p');
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    await page.keyboard.press('p');
    await page.getByRole('button', { name: 'Hold' }).waitFor();
  }, { hash: HASH, prepare: (s) => withPast(s, 300) }));

const EVIL = '<img src=x onerror=alert(1)>"\'`${1}';
const TURNED = 'safe\u202egnp.exe\u0007\u001b]8;;http://evil\u0007x';

test('hostile text is text in every type', () =>
  visit('empty', async (page, standin) => {
    let dialogs = 0;
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    await page.waitForSelector('.activity .empty');
    const text = EVIL + TURNED;
    const keys = ['name', 'model', 'tool', 'agent', 'reason', 'message', 'class', 'state', 'phase', 'by', 'summary', 'scope', 'level', 'action', 'trigger', 'status', 'cause', 'error', 'project', 'version', 'mode', 'lane', 'task_id', 'server_name', 'limit', 'problem', 'previous_end'];
    const data = { ...Object.fromEntries(keys.map((key) => [key, text])), card: { title: text, agent: text }, selected: { tool: text, model: text, reason: text }, changed: [text], errors: [text], added: [text], [text]: text };
    for (const type of [...TYPES, `evil.${EVIL}`]) standin.publish(type, data);
    await says(lines(page).first(), '<img');
    for (let n = 0; n < 6; n += 1) {
      await lines(page).nth(n * 5).locator('.ev-toggle').click();
      await says(page.locator('.ev-more pre'), '<img');
    }
    await page.locator('#filter').fill(text);
    await page.waitForFunction(() => decodeURIComponent(location.hash).includes('onerror'));
    await page.waitForFunction(() => document.querySelectorAll('.events .ev, .activity .empty').length > 0);
    const all = await page.locator('#app').textContent();
    assert.ok(!/[\u202e\u001b\u0007]/.test(all), 'no control characters');
    assert.equal(await page.locator('#app img, #app script, a[href^="javascript:"]').count(), 0);
    assert.equal(dialogs, 0);
  }, { hash: HASH, viewport: { width: 1_440, height: 2_000 } }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('demo', async (page) => {
      await lines(page).first().waitFor();
      await accessible(page);
      await lines(page).nth(2).locator('.ev-toggle').click();
      await page.locator('.ev-more').waitFor();
      await page.keyboard.press('p');
      await page.getByRole('button', { name: /^Go on/ }).waitFor();
      await accessible(page);
      await page.locator('#filter').fill('nothing is like that');
      await page.locator('.activity .empty').waitFor();
      await accessible(page);
    }, { hash: `${HASH}?group=operations`, colorScheme }));
}

test('every width fits', () =>
  visit('empty', async (page, standin) => {
    scenes.demo(standin);
    const long = begin(standin, 990, { tool: 'claude', model: 'a-model-with-a-long-name-'.repeat(8), agent: 'an-agent-'.repeat(20) });
    await line(page, 'execution.start').first().waitFor();
    await lines(page).nth(1).locator('.ev-toggle').click();
    for (const hash of [`${HASH}?group=operations`, `${HASH}?operation=${long}&q=model`]) {
      await goTo(page, hash);
      await lines(page).first().waitFor();
      await page.keyboard.press('p');
      await fitsAllWidths(page, '.activity, .event-scroll, .activity .toolbar');
    }
  }, { hash: HASH }));

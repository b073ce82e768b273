// The page and its connection: how one signs in, what a broken connection, a daemon that restarted and a page that fell
// behind look like, and that nothing is lost or told twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open } from './browser.mjs';
import { begin, end } from './scenes.mjs';
import { start } from './standin.mjs';
import { ABOUT, browser, forget, openOperation, row, says, visit } from './visit.mjs';

test('the code is exchanged, leaves the address, and works once', () =>
  visit('demo', async (page, standin) => {
    assert.equal(new URL(page.url()).pathname, '/');
    assert.equal(new URL(page.url()).hash, '');
    assert.equal(await page.evaluate(() => document.cookie), '', 'a script does not see the cookie');
    assert.ok(standin.requests.includes('POST /auth'));
    await page.reload();
    await page.waitForSelector('.connection.is-live');
  }));

test('without a session the page says what to do', () =>
  visit('demo', async (page, _standin, faults) => {
    await says(page.locator('.message-card'), 'llmctl dashboard open');
    forget(faults, /WebSocket|401/);
    assert.equal(await page.locator('.list').count(), 0);
  }, { anonymous: true }));

test('a used code is explained', async () => {
  const standin = await start({ scene: 'empty' });
  const { context, page } = await open(browser);
  await page.goto(`${standin.url}/auth#code=wrong`);
  await says(page.locator('.message-card'), 'used already');
  assert.equal(new URL(page.url()).pathname, '/');
  await context.close();
  await standin.close();
});

test('a broken connection is shown, then resumed by cursor without gap or repeat', () =>
  visit('empty', async (page, standin, faults) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'before\n');
    await openOperation(page, id);
    await says(page.locator('.line'), 'before');
    standin.accepting = false;
    standin.drop();
    await says(page.locator('.connection'), 'Offline');
    assert.ok(await row(page, id).isVisible(), 'the last picture stays');
    standin.output(id, 'stdout', 'während\n');
    const other = begin(standin, 2, ABOUT);
    standin.accepting = true;
    await page.waitForSelector('.connection.is-live');
    await row(page, other).waitFor();
    standin.output(id, 'stdout', 'after\n');
    await says(page.locator('.line'), 'after');
    assert.deepEqual(await page.locator('.line').allTextContents(), ['before', 'während', 'after']);
    assert.equal(standin.resumes.at(-1), 'backlog');
    forget(faults, /WebSocket|ERR_/);
  }));

test('while the daemon is away the page says how old it is and when it tries again', () =>
  visit('demo', async (page, standin, faults) => {
    await page.evaluate(() => (location.hash = '#/system'));
    await page.waitForSelector('.strip');
    standin.accepting = false;
    standin.drop();
    // The waits grow: at some time there is one that can be cut short by hand.
    await page.waitForFunction(() => Number(/as of .* ago · again in (\d+)s/.exec(document.querySelector('.connection')?.textContent ?? '')?.[1]) >= 2, null, { timeout: 30_000 });
    assert.match(await page.locator('.page').getAttribute('class'), /is-stale/);
    assert.match(await page.locator('.main').evaluate((element) => getComputedStyle(element).filter), /opacity/, 'figures in black and grey are dimmed too');
    assert.match(await page.locator('#announcer').textContent(), /connection to the daemon is lost/);
    assert.match(await page.title(), /llmctl/);
    standin.accepting = true;
    await page.getByRole('button', { name: 'Now' }).click();
    await page.waitForSelector('.connection.is-live');
    await says(page.locator('#announcer'), 'Connected');
    assert.equal(await page.locator('.main').evaluate((element) => getComputedStyle(element).filter), 'none');
    forget(faults, /WebSocket|ERR_/);
  }));

test('a daemon that restarted gives a new picture', () =>
  visit('empty', async (page, standin, faults) => {
    const id = begin(standin, 1, ABOUT);
    await row(page, id).waitFor();
    standin.accepting = false;
    standin.drop(1001);
    await says(page.locator('.connection'), 'Offline');
    standin.epoch = '00000001';
    standin.seq = 0;
    standin.ring = [];
    standin.state = { operations: new Map(), totals: standin.state.totals, ended: [] };
    const next = begin(standin, 2, ABOUT);
    standin.accepting = true;
    await row(page, next).waitFor();
    assert.equal(await row(page, id).count(), 0);
    forget(faults, /WebSocket|ERR_/);
  }));

test('a session that ends is explained', () =>
  visit('demo', async (page, standin) => {
    standin.drop(4001);
    await says(page.locator('.message-card'), 'llmctl dashboard open');
  }));

test('a page that fell behind says so, and shows what is so now', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    await row(page, id).waitFor();
    // Published while nothing reaches the page, as for one that is too slow.
    const sockets = [...standin.sockets];
    standin.sockets.clear();
    end(standin, id, 'complete', { duration_ms: 1_000, cost_nano_usd: 0, cost_basis: 'computed' }, 0);
    sockets.forEach((socket) => standin.sockets.add(socket));
    for (const socket of sockets) {
      socket.send(JSON.stringify({ type: 'resync', missed: 120, reason: 'slow' }));
      standin.snapshot(socket);
    }
    await says(page.locator('.notice'), 'fell behind by 120 messages');
    await says(row(page, id).locator('.c-state'), 'Complete');
  }));

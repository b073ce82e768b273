// The screen of the daemon itself in Chromium against the stand-in. Any policy violation or error fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AGAIN_MS } from '../../static/js/screens/system/model.js';
import { accessible, fitsAllWidths, forget, goTo, says, visit } from './visit.mjs';

const HOSTILE = '<img src=x onerror=alert(1)>\u202e\x1b[31mred\u0007';
const VISIBLE = '<img src=x onerror=alert(1)>';
const at = { hash: '#/system' };
const DEGRADED = [
  { part: 'watcher', text: 'Changes of the task files of ledger are noticed late: watch limit.', hint: 'raise fs.inotify.max_user_watches with sysctl; the daemon notices by itself' },
  { part: 'store', text: '212 facts wait: the last commit failed.', hint: 'see `llmctl daemon logs`; the disk may be full' },
];
const keys = (page) => page.locator('.config-table tbody tr:not(.config-section) > th code').allTextContents();

test('the daemon tells of itself: word, figures, queues, roots, gateway', () =>
  visit('empty', async (page) => {
    await says(page.locator('.sys-head .pill'), 'Healthy');
    for (const text of ['llmctld 0.1.0', 'protocol 1', 'process 4711', '127.0.0.1:8080']) await says(page.locator('.sys-about'), text);
    await says(page.locator('.sys-strip'), '1d 02h');
    for (const text of ['24.6 MB', '48.2 MB', 'under way, 3 attached', 'of the stream, 2 browser tabs']) await says(page.locator('.sys-strip'), text);
    const queues = page.locator('.sys-queues tbody tr');
    assert.equal(await queues.count(), 3);
    await says(queues.nth(2), '118 of 4\u202f096');
    assert.equal(await queues.nth(2).locator('progress').getAttribute('aria-label'), 'frames to browsers: 118 of 4096');
    assert.ok(await queues.nth(2).locator('progress').evaluate((bar) => Math.abs(bar.value - 11_800 / 4_096) < 0.01));
    await says(page.locator('.sys-roots'), 'Watched');
    await says(page.locator('.sys-columns'), '3 of 64');
    await page.locator('.sys-columns a[href="#/mcp"]').click();
    await page.waitForSelector('.servers');
  }, at));

/** Notes what the page waits for: looks that are still to come are among it. */
const noteWaits = (page) =>
  page.addInitScript(() => {
    const { setTimeout: set, clearTimeout: clear } = window;
    window.waits = new Map();
    window.setTimeout = (act, ms, ...more) => {
      const id = set(() => (window.waits.delete(id), act(...more)), ms);
      window.waits.set(id, ms);
      return id;
    };
    window.clearTimeout = (id) => (window.waits.delete(id), clear(id));
  });
const looksToCome = (page) => page.evaluate((ms) => [...window.waits.values()].filter((one) => one === ms).length, AGAIN_MS);

test('it looks again every five seconds, once, and not when it is left', () =>
  visit('empty', async (page, s) => {
    await says(page.locator('.sys-head .pill'), 'Healthy');
    assert.equal(await looksToCome(page), 1);
    Object.assign(s.system, { status: 'degraded', degraded: DEGRADED, memory_bytes: null });
    s.system.queues[1].depth = 912;
    Object.assign(s.system.tasks.roots[0], { state: 'polling', reason: 'watch_limit' });
    await says(page.locator('.sys-head .pill'), 'Degraded');
    assert.equal(await looksToCome(page), 1);
    assert.deepEqual(await page.locator('.sys-wrong b').allTextContents(), ['Watcher', 'Store']);
    await says(page.locator('.sys-wrong code'), 'llmctl daemon logs');
    await says(page.locator('.sys-queues .tone-amber'), 'nearly full');
    await says(page.locator('.sys-roots'), 'watch limit');
    await says(page.locator('.sys-strip'), 'unknown');
    await goTo(page, '/mcp');
    assert.equal(await looksToCome(page), 0);
  }, { ...at, prepare: (s, page) => noteWaits(page) }));

test('a daemon that does not answer: what was known stays and says so', () =>
  visit('empty', async (page, s, faults) => {
    await says(page.locator('.sys-head .pill'), 'Healthy');
    s.systemFails = true;
    await says(page.locator('.system [role=alert]'), 'Shown is what it said before. The daemon is stopping.');
    await says(page.locator('.sys-head .pill'), 'Healthy');
    s.systemFails = false;
    await page.waitForSelector('.system [role=alert]', { state: 'detached' });
    forget(faults, /503/);
  }, at));

test('a configuration that cannot be had is told, and asked again', () =>
  visit('empty', async (page, s, faults) => {
    await says(page.locator('.sys-config [role=alert]'), 'The daemon is stopping.');
    s.configFails = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForSelector('.config-table');
    assert.equal(await page.locator('.sys-config [role=alert]').count(), 0);
    forget(faults, /503/);
  }, { ...at, prepare: (s) => (s.configFails = true) }));

test('every key has its value and its origin; defaults are marked; a search is an address', () =>
  visit('empty', async (page) => {
    await page.waitForSelector('.config-table');
    assert.equal((await keys(page)).length, 8);
    const row = (key) => page.locator('.config-table tr', { has: page.locator(`th bdi:text-is("${key}")`) });
    await says(row('daemon.http.port').locator('.tag'), 'default');
    await says(row('daemon.concurrency.total'), '~/.config/llmctl/daemon.yaml:7');
    await says(row('daemon.retention.events_days'), 'LLMCTL_DAEMON__RETENTION__EVENTS_DAYS');
    await says(row('daemon.retention.events_days'), 'instead of 30');
    await page.getByRole('button', { name: /^Defaults/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('.config-table .is-default').length === 2 && document.querySelectorAll('.config-table tbody tr').length === 3);
    await page.getByRole('button', { name: /^Overridden/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('.config-table tbody tr').length === 2);
    await page.getByRole('button', { name: /^All/ }).click();
    await page.keyboard.press('/');
    await page.keyboard.type('GIT_TOKEN');
    await page.waitForFunction(() => document.querySelectorAll('.config-table tbody tr').length === 2);
    assert.match(page.url(), /#\/system\?q=GIT_TOKEN$/);
    await page.keyboard.type(' nowhere');
    await says(page.locator('.sys-config .empty-title'), 'No key matches');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.config-table tbody tr').length === 11);
  }, at));

test('findings have file and line and what helps; a reload of the configuration is seen', () =>
  visit('empty', async (page, s) => {
    await says(page.locator('.finding'), '~/.config/llmctl/mcp.yaml can be written by its group');
    await says(page.locator('.finding'), 'chmod g-w');
    s.config.findings = [{ severity: 'error', code: 'unknown_key', path: 'daemon.nonsense', message: 'daemon has no key `nonsense`', hint: null, origin: { layer: 'user', name: '~/.config/llmctl/daemon.yaml', line: 3, column: 3 } }];
    s.config.omitted = 12;
    s.config.values = Array.from({ length: 1_200 }, (_, n) => ({ ...s.config.values[1], path: `agents.a${n}.model` }));
    s.publish('config.reloaded', { applied: true, changed: ['daemon'], errors: [] });
    await says(page.locator('.finding.tone-red'), '~/.config/llmctl/daemon.yaml:3');
    await says(page.locator('.findings'), 'and 12 more');
    await says(page.locator('.sys-config'), '200 more are found by a search');
    assert.equal((await keys(page)).length, 1_000);
  }, at));

test('foreign text is text', () =>
  visit('empty', async (page) => {
    await page.waitForSelector('.config-table');
    const text = await page.locator('#main').textContent();
    assert.ok(text.split(VISIBLE).length > 12, `${text.split(VISIBLE).length}`);
    assert.ok(!/[\u202e\x1b\u0007]/.test(text));
    assert.equal(await page.locator('#app img').count(), 0);
    await fitsAllWidths(page, '.system');
  }, {
    ...at,
    prepare(s) {
      Object.assign(s.system, { status: HOSTILE, version: HOSTILE, http_addr: HOSTILE, epoch: HOSTILE, degraded: [{ part: HOSTILE, text: HOSTILE, hint: HOSTILE }] });
      Object.assign(s.system.tasks.roots[0], { project: HOSTILE, path: HOSTILE, state: HOSTILE, reason: HOSTILE });
      Object.assign(s.system.queues[0], { name: HOSTILE, when_full: HOSTILE });
      s.system.store.state = HOSTILE;
      const origin = { layer: HOSTILE, name: HOSTILE, line: 3, column: 1 };
      s.config.values = [{ path: HOSTILE, value: HOSTILE, origin, overridden: [{ value: HOSTILE, origin }], about: HOSTILE }];
      s.config.findings = [{ severity: HOSTILE, code: HOSTILE, path: HOSTILE, message: HOSTILE, hint: HOSTILE, origin }];
    },
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`accessible and of every width, ${colorScheme}`, () =>
    visit('empty', async (page) => {
      await page.waitForSelector('.config-table');
      await accessible(page);
      await fitsAllWidths(page, '.system, .toolbar');
    }, { ...at, colorScheme, prepare: (s) => (Object.assign(s.system, { status: 'degraded', degraded: DEGRADED }), (s.system.queues[0].depth = 1_024)) }));
}

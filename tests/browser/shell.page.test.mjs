// The palette, the list of shortcuts, the tab's title and icon, and notifications in Chromium.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accessible, says, visit } from './visit.mjs';

test('the palette goes to screens, does what the screen can, and gives the focus back', () =>
  visit('demo', async (page) => {
    await page.getByRole('button', { name: 'Commands' }).focus();
    await page.keyboard.press('Control+k');
    await page.waitForFunction(() => document.activeElement?.id === 'palette');
    await page.keyboard.type('go to cost');
    await says(page.locator('[role=option].is-chosen'), 'Go to Cost');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash.startsWith('#/cost'));
    await page.keyboard.press('Control+k');
    await page.locator('#palette').fill('zzzz');
    await says(page.locator('.palette-none'), 'Nothing is called so');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    await page.getByRole('button', { name: 'Commands' }).click();
    await page.locator('#palette').fill('stop all');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.locator('[role=option]').filter({ hasText: 'Stop all operations' }).first().click();
    await says(page.locator('dialog[open]'), 'Partial results are kept');
  }));

test('the palette acts on operations, keeps what is chosen in sight, and closes as it opened', () =>
  visit('demo', async (page, standin) => {
    const running = [...standin.state.operations.values()].find((op) => op.state === 'running');
    await page.setViewportSize({ width: 390, height: 420 });
    await page.keyboard.press('Control+k');
    await page.waitForFunction(() => document.activeElement?.id === 'palette');
    await page.keyboard.press('ArrowUp');
    await page.waitForFunction(() => {
      const [list, chosen] = [document.querySelector('.palette-list'), document.querySelector('.palette .is-chosen')];
      if (!chosen || chosen.nextElementSibling) return false;
      const [outer, inner] = [list.getBoundingClientRect(), chosen.getBoundingClientRect()];
      return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
    });
    await page.keyboard.press('Control+k');
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    await page.keyboard.press('Control+k');
    await page.locator('#palette').fill(`pause ${running.model}`);
    await says(page.locator('[role=option].is-chosen'), 'Pause');
    await page.keyboard.press('Enter');
    await page.waitForFunction((id) => document.querySelector(`[data-operation="${id}"] .c-state`)?.textContent.includes('Paused'), running.operation_id);
    await page.keyboard.press('Control+k');
    await page.locator('#palette').fill(`resume ${running.operation_id}`);
    await page.keyboard.press('Enter');
    await page.waitForFunction((id) => document.querySelector(`[data-operation="${id}"] .c-state`)?.textContent.includes('Running'), running.operation_id);
  }));

test('all shortcuts are listed, with those of the screen', () =>
  visit('demo', async (page) => {
    await page.keyboard.press('?');
    await says(page.locator('.shortcuts[open]'), 'Commands');
    await says(page.locator('.shortcuts[open]'), 'Filter operations');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await page.waitForFunction(() => location.hash === '#/tasks');
    await page.keyboard.press('?');
    await says(page.locator('.shortcuts[open]'), 'More urgent');
  }));

test('title and icon tell what runs and what failed while nobody looked', () =>
  visit('demo', async (page, standin) => {
    await page.waitForFunction(() => /^\(\d+ running\) llmctl$/.test(document.title));
    await page.waitForFunction(() => document.querySelector('link[rel~=icon]').href.startsWith('data:image/png'));
    const before = await page.evaluate(() => document.querySelector('link[rel~=icon]').href);
    const running = [...standin.state.operations.values()].find((op) => op.state === 'running');
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
    });
    standin.publish('execution.error', { ...running, class: 'auth', message: 'no key', duration_ms: 1 });
    await page.waitForFunction(() => document.title.includes('1 failed'));
    await page.waitForFunction((old) => document.querySelector('link[rel~=icon]').href !== old, before);
    await page.evaluate(() => {
      delete document.visibilityState;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await page.waitForFunction(() => !document.title.includes('failed'));
  }));

test('notifications are asked for, told while hidden, and gathered when there are many', () =>
  visit('demo', async (page, standin) => {
    await page.evaluate(() => {
      window.told = [];
      window.Notification = class {
        static permission = 'default';
        static async requestPermission() {
          return (this.permission = 'granted');
        }
        constructor(title, options) {
          window.told.push([title, options.body]);
        }
        close() {}
      };
    });
    const fail = (n) => standin.publish('mcp.server.failed', { server_name: `server-${n}`, cause: 'crash_loop', message: 'it ended too often' });
    await page.getByRole('button', { name: 'Notifications' }).click();
    await page.waitForSelector('.top-bell[aria-pressed=true]');
    await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' }));
    for (let n = 2; n < 9; n += 1) fail(n);
    await page.waitForFunction(() => window.told.length >= 3);
    assert.deepEqual(await page.evaluate(() => window.told[0]), ['MCP server server-2 is down', 'it ended too often']);
    assert.equal(await page.evaluate(() => window.told.length), 3);
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`palette and shortcuts are accessible, ${colorScheme}`, () =>
    visit('demo', async (page) => {
      await page.keyboard.press('Control+k');
      await page.waitForSelector('.palette[open] [role=option]');
      await accessible(page);
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await page.waitForSelector('.shortcuts[open]');
      await accessible(page);
    }, { colorScheme }));
}

// The page against a real daemon. Runs only when these are set:
//   LLMCTL_DASHBOARD_URL   the login address (`llmctl dashboard open --print`): http://127.0.0.1:PORT/auth#code=…
//   LLMCTL_OPERATION_ID    an operation that runs and writes output, and may be stopped
//   LLMCTL_SILENT          the operation writes nothing more: its output is shown, not awaited (optional)
//   LLMCTL_NO_WEBSOCKET    none is let through: the page has to go over to server-sent events (optional)
//   LLMCTL_SCREENSHOT      where the last picture goes (optional)

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launch, open } from './browser.mjs';

const { LLMCTL_DASHBOARD_URL: url, LLMCTL_OPERATION_ID: id, LLMCTL_SILENT: silent, LLMCTL_SCREENSHOT: picture } = process.env;
const refused = Boolean(process.env.LLMCTL_NO_WEBSOCKET);

test('an operation of a real daemon is watched and stopped', { skip: !url || !id }, async () => {
  const browser = await launch();
  const { page, faults } = await open(browser);
  try {
    if (refused) await page.routeWebSocket(/\/ws/, (socket) => socket.close());
    await page.goto(url);
    await page.waitForSelector(`.connection.is-live[title*="${refused ? 'server-sent events' : 'WebSocket'}"]`);
    assert.equal(new URL(page.url()).pathname, '/');
    assert.equal(new URL(page.url()).hash, '', 'the code has left the address');
    const row = page.locator(`[data-operation="${id}"]`);
    await row.locator('.c-state', { hasText: 'Running' }).waitFor();
    await row.locator('.row-link').click();
    await page.waitForSelector('.detail-head');
    await page.waitForSelector('.line');
    const length = () => page.evaluate(() => document.querySelector('.log-lines').textContent.length);
    const before = await length();
    if (!silent) {
      await page.waitForFunction((n) => document.querySelector('.log-lines').textContent.length > n, before);
    }
    const elapsed = await row.locator('.c-elapsed').textContent();
    await page.waitForFunction(
      ([selector, old]) => document.querySelector(selector).textContent !== old,
      [`[data-operation="${id}"] .c-elapsed`, elapsed],
    );
    await page.locator('.detail-buttons').getByRole('button', { name: /^Stop/ }).click();
    await row.locator('.c-state', { hasText: 'Stopped' }).waitFor({ timeout: 60_000 });
    await page.locator('.outcome', { hasText: 'Stopped by the user from the dashboard' }).waitFor();
    if (picture) await page.screenshot({ path: picture });
    assert.deepEqual(faults, []);
  } finally {
    if (picture && !page.isClosed()) await page.screenshot({ path: picture }).catch(() => undefined);
    await browser.close();
  }
});

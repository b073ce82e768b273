// What the tests of the page have in common: a fresh stand-in, a signed-in browser, and a fault for everything that a
// page must not do (policy violations, page errors, console errors).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

import { goTo, launch, open } from './browser.mjs';
import { start } from './standin.mjs';

export { goTo };

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

export let browser;
before(async () => (browser = await launch()));
after(async () => browser?.close());

/** What begins most operations of the tests. */
export const ABOUT = { tool: 'claude', model: 'claude-opus-4-6', provider: 'anthropic', agent: 'dev' };

/** The row of an operation. */
export const row = (page, id) => page.locator(`[data-operation="${id}"]`);

/**
 * Signs in to a fresh stand-in and runs a test on the page.
 * Options: `anonymous`, `hash` (where to begin), `prepare(standin)`, and those of a browser context.
 */
export async function visit(scene, act, { anonymous = false, hash = '', prepare, ...options } = {}) {
  const standin = await start({ scene });
  const { context, page, faults } = await open(browser, options);
  try {
    await prepare?.(standin, page);
    if (anonymous) await page.goto(standin.url);
    else {
      await page.goto(standin.loginUrl());
      await page.waitForSelector('.connection.is-live');
    }
    if (hash) await goTo(page, hash);
    await act(page, standin, faults);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await standin.close();
  }
}

/** The browser itself reports a refused request or upgrade on its console; a test that provokes one forgets it. */
export function forget(faults, expected) {
  faults.splice(0, faults.length, ...faults.filter((fault) => !expected.test(fault)));
}

/** Waits until a text is there. */
export const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

export async function openOperation(page, id) {
  await goTo(page, `/operations/${id}`);
  await page.waitForSelector('.detail-head');
}

/** Chooses a tab and waits until it is drawn. */
export async function selectTab(page, name) {
  const tab = page.getByRole('tab', { name: new RegExp(`^${name}`) });
  await tab.click();
  await page.waitForSelector(`[role=tab][aria-selected=true]:text("${name}")`);
}

/** Fails on any serious accessibility violation of what is shown. */
export async function accessible(page) {
  await page.evaluate(AXE);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const bad = result.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  const told = bad.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`);
  assert.deepEqual(told, []);
}

/** Every width from a phone to a wall: neither the page nor what `selector` names scrolls sideways. */
export async function fitsAllWidths(page, selector) {
  for (const width of [360, 380, 480, 600, 640, 641, 700, 900, 999, 1_000, 1_215, 1_216, 1_280, 1_600, 1_976, 2_560]) {
    await page.setViewportSize({ width, height: 900 });
    const wide = await page.evaluate(
      (inside) =>
        [document.documentElement, ...document.querySelectorAll(`.main, .top, .rail, ${inside}`)]
          .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
          .map((e) => `${e.className} ${e.scrollWidth} > ${e.clientWidth}`),
      selector,
    );
    assert.deepEqual(wide, [], `${width} ${page.url()}`);
  }
}

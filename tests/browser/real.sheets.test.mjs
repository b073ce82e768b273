// Each screen is drawn by the style sheets it fetches: what it looks like does not depend on where one was before.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { begin, registered, settled, signedIn } from './real/stage.mjs';
import { browser, goTo, says } from './visit.mjs';

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin()));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

/** Among the provided tasks. */
const TASK = '2026-02-12T1101-planning-petra-roadmap-update';

/**
 * What the sheets of other screens would change, were they there too. Both looks are taken in one task of the page, so
 * that nothing else changes between them.
 */
async function changedByOthers(page) {
  return page.evaluate(async () => {
    const all = [...document.getElementById('later').content.querySelectorAll('link')].map((link) => link.getAttribute('href'));
    const there = [...document.head.querySelectorAll('link[rel=stylesheet]')].map((link) => link.getAttribute('href'));
    const others = await Promise.all(
      all.filter((href) => !there.includes(href)).map(async (href) => {
        const sheet = new CSSStyleSheet();
        await sheet.replace(await (await fetch(href)).text());
        return sheet;
      }),
    );
    const elements = [...document.querySelectorAll('body *')].filter((element) => !(element instanceof SVGElement));
    // What is before and after an element counts where there is something.
    const parts = elements.flatMap((element) => [null, '::before', '::after'].filter((part) => part === null || !['none', 'normal'].includes(getComputedStyle(element, part).content)).map((part) => ({ element, part })));
    // Those by writing direction, and middles, say the same again.
    const names = [...getComputedStyle(document.body)].filter((name) => !/^-|block|inline|-origin$/.test(name));
    const look = () =>
      parts.map(({ element, part }) => {
        const style = getComputedStyle(element, part);
        return names.map((name) => style.getPropertyValue(name));
      });
    const before = look();
    document.adoptedStyleSheets = others;
    const after = look();
    document.adoptedStyleSheets = [];
    const changed = parts.flatMap(({ element, part }, i) =>
      names.flatMap((name, k) => (before[i][k] === after[i][k] ? [] : [`${element.tagName.toLowerCase()}.${element.className}${part ?? ''} ${name}: ${before[i][k]} -> ${after[i][k]}`])),
    );
    return { others: others.length, values: parts.length * names.length, changed: [...new Set(changed)].slice(0, 40) };
  });
}

test('no screen needs the style sheet of another, and none reaches into another', async (t) => {
  const { context, page } = await signedIn(stage, browser);
  const places = [
    ...(await registered(page)).map(({ name }) => [name, name === 'live' ? '/' : `/${name}`]),
    ...['output', 'timeline', 'routing', 'calls', 'usage', 'request'].map((tab) => [`operation, ${tab}`, `/operations/${stage.ops.answered}?tab=${tab}`]),
    ...['failed', 'refused', 'stopped'].map((end) => [`operation that is ${end}`, `/operations/${stage.ops[end]}`]),
    ['operation that runs', `/operations/${stage.ops.running[0]}`],
    ...['overview', 'tools', 'resources', 'log', 'history', 'config'].map((tab) => [`server, ${tab}`, `/mcp/plain?tab=${tab}`]),
    ['server that crashes', '/mcp/crashing'],
    ['task', `/tasks/${TASK}`],
    ['tasks by agent', '/tasks?by=agent'],
    ['hostile task', '/tasks/2026-11-20T1000-scribe-hostile'],
    ['file of a task', `/tasks/${TASK}`, async () => {
      await page.getByRole('tab', { name: 'File' }).click();
      await page.waitForSelector('.file-text');
    }],
    ['new task', '/tasks', async () => {
      await page.click('.new-task');
      await page.waitForSelector('dialog[open]');
    }],
    ['event', '/activity', async () => {
      await page.locator('.ev-toggle').first().click();
      await page.waitForSelector('.ev-more pre');
    }],
    ['schema of a tool and a call', '/mcp/plain?tab=tools', async () => {
      await page.locator('.tool-toggle').first().click();
      await page.locator('.tool-more summary').first().click();
      await page.waitForSelector('.code-box pre');
      await page.getByRole('button', { name: /^Call / }).first().click();
      await page.waitForSelector('.call-form');
    }],
    ['history without a match', '/history?q=nothing-has-this-name', () => says(page.locator('.past'), 'No operation matches')],
    ['limits of an operation that runs', `/operations/${stage.ops.running[0]}`, async () => {
      await page.locator('.detail-buttons .drop > :first-child').first().click();
      await page.waitForSelector('.drop-panel');
    }],
  ];
  for (const [name, path, act] of places) {
    await t.test(name, async () => {
      // A fresh page, so that nothing was fetched for another screen; a wide and a narrow one have rules of their own.
      await goTo(page, '/');
      await page.reload();
      await page.waitForSelector('.connection.is-live');
      await goTo(page, path);
      await settled(page);
      await act?.();
      for (const width of [400, 1_440]) {
        await page.setViewportSize({ width, height: 900 });
        const { others, values, changed } = await changedByOthers(page);
        assert.deepEqual(changed, [], `at ${width} pixels`);
        assert.ok(others > 3 && values > 10_000, `${others} sheets, ${values} values`);
      }
    });
  }
  await context.close();
});

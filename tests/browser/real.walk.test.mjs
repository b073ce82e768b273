// Every screen of the page on the real daemon, whatever screens are registered: reached by its address and by its
// keys, filled, without an error, accessible in both themes, and never wider than the window.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { begin, registered, settled, signedIn } from './real/stage.mjs';
import { accessible, browser, goTo } from './visit.mjs';

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin()));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

const TABS = '.tabs [role=tab]';

async function eachScreen(options, act) {
  const { context, page, faults } = await signedIn(stage, browser, options);
  try {
    for (const screen of await registered(page)) {
      await goTo(page, screen.name === 'live' ? '/' : `/${screen.name}`);
      await page.waitForSelector('.rail-item[aria-current=page]', { state: 'attached' });
      await settled(page);
      await act(page, screen);
      assert.deepEqual(faults, [], screen.name);
    }
  } finally {
    await context.close();
  }
}

test('each screen has a name and a key of its own', async () => {
  const { context, page } = await signedIn(stage, browser);
  const screens = await registered(page);
  await context.close();
  for (const what of ['name', 'key', 'title']) {
    const values = screens.map((screen) => screen[what]);
    assert.deepEqual(values.filter((value, i) => values.indexOf(value) !== i), [], `${what} given twice`);
  }
});

test('each screen is reached by its address and by its keys, and has something to show', async () => {
  const { context, page, faults } = await signedIn(stage, browser);
  const screens = await registered(page);
  const current = () => page.locator('.rail-item[aria-current=page]').first().getAttribute('href');
  for (const screen of screens) {
    const other = screens.find((s) => s !== screen);
    await goTo(page, `/${other.name}`);
    await settled(page);
    const before = await current();
    // A key that was given twice is told of above; this test is about the screens.
    if (screens.find((s) => s.key === screen.key) === screen) {
      await page.keyboard.press('g');
      await page.keyboard.press(screen.key);
    } else await goTo(page, `/${screen.name}`);
    await page.waitForFunction((old) => document.querySelector('.rail-item[aria-current=page]')?.getAttribute('href') !== old, before);
    assert.equal(await current(), screen === screens[0] ? '#/' : `#/${screen.name}`, screen.name);
    await settled(page);
    const text = await page.locator('#main').innerText();
    assert.ok(text.trim().length > 60, `${screen.name} has content: ${text}`);
    const alerts = await page.locator('#main [role=alert]:visible, .notice.is-error').allInnerTexts();
    assert.deepEqual(alerts.filter((t) => t.trim()), [], screen.name);
    assert.match(await page.title(), /llmctl$/);
    assert.deepEqual(faults, [], screen.name);
  }
  await context.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`no screen has a serious fault of accessibility, ${colorScheme}`, async (t) => {
    await eachScreen({ colorScheme }, (page, screen) => t.test(screen.name, () => accessible(page)));
  });
}

for (const width of [360, 1_440]) {
  test(`no screen scrolls sideways at ${width} pixels`, async (t) => {
    await eachScreen({ viewport: { width, height: 800 } }, (page, screen) => t.test(screen.name, () => narrow(page)));
  });
}

async function narrow(page) {
  const wide = await page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll('.main, .top, .rail, .detail')]
      .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
      .map((e) => `${e.tagName}.${e.className} ${e.scrollWidth} > ${e.clientWidth}`),
  );
  assert.deepEqual(wide, []);
}

/** What is open beside a list: an operation that ran, one that runs, a server that runs and one that does not. */
const OPENED = () => [
  ...['answered', 'failed', 'refused', 'stopped', 'hostile'].map((name) => [`operation ${name}`, `/operations/${stage.ops[name]}`]),
  ['operation running', `/operations/${stage.ops.running[0]}`],
  ...(stage.realServers ? [['server everything', '/mcp/everything']] : []),
  ['server hostile', '/mcp/hostile'],
  ['server crashing', '/mcp/crashing'],
  ['server missing', '/mcp/missing'],
];

test('every tab of what can be opened has content, fits and is accessible', async (t) => {
  const { context, page, faults } = await signedIn(stage, browser);
  for (const [name, path] of OPENED()) {
    await t.test(name, async () => {
      await goTo(page, path);
      await page.waitForSelector(`.detail ${TABS}`);
      const count = await page.locator(TABS).count();
      for (let i = 0; i < count; i += 1) {
        await page.locator(TABS).nth(i).click();
        await page.waitForFunction((at) => document.querySelectorAll('.tabs [role=tab]')[at]?.getAttribute('aria-selected') === 'true', i);
        await page.waitForFunction(() => {
          const text = document.querySelector('.tab-panel')?.innerText ?? '';
          return text.trim().length > 0 && !/^\s*(Loading…|Waiting for)/m.test(text);
        });
        await accessible(page);
        for (const width of [360, 1_440]) {
          await page.setViewportSize({ width, height: 900 });
          await narrow(page);
        }
      }
      assert.deepEqual(faults.splice(0), [], name);
    });
  }
  await context.close();
});

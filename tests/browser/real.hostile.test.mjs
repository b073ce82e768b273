// Foreign text stays text on every screen of the real daemon: answers of tools, names of models and agents, words of
// MCP servers, fields of task files. A page that took any of it for markup would set `window.hacked`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MARKUP } from './real/hostile.mjs';
import { begin, registered, settled, signedIn } from './real/stage.mjs';
import { accessible, browser, goTo, says, selectTab } from './visit.mjs';

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin()));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

/** What the page must never have, whatever it shows. */
async function harmless(page, where) {
  const found = await page.evaluate(() => {
    const app = document.getElementById('app');
    const inside = [...app.querySelectorAll('img, script, iframe, object, embed, form[action], base, meta')].map((e) => e.outerHTML.slice(0, 80));
    const links = [...app.querySelectorAll('a[href]')].map((a) => a.getAttribute('href')).filter((href) => !/^(#|\/)/.test(href));
    const handlers = [...app.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith('on'));
    // Escape, C1 controls, and marks that turn the direction, outside of what isolates them.
    const raw = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
    const walker = document.createTreeWalker(app, NodeFilter.SHOW_TEXT);
    const texts = [];
    for (let node = walker.nextNode(); node && texts.length < 5; node = walker.nextNode()) {
      if (raw.test(node.data)) texts.push(`${node.parentElement.tagName}.${node.parentElement.className}: ${JSON.stringify(node.data.slice(0, 120))}`);
    }
    return { hacked: window.hacked ?? null, title: document.title, inside, links, handlers, texts };
  });
  assert.equal(found.hacked, null, where);
  assert.deepEqual(found.inside, [], where);
  assert.deepEqual(found.links, [], where);
  assert.deepEqual(found.handlers, [], where);
  assert.deepEqual(found.texts, [], `${where}: control characters and direction marks`);
  assert.match(found.title, /llmctl$/, where);
}

async function narrow(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 1, `${where} is ${wide} wider than the window`);
}

test('every screen shows hostile text as text', async (t) => {
  const { context, page, faults } = await signedIn(stage, browser);
  for (const { name } of await registered(page)) {
    await t.test(name, async () => {
      await goTo(page, name === 'live' ? '/' : `/${name}`);
      await settled(page);
      await harmless(page, name);
      await narrow(page, name);
      assert.deepEqual(faults.splice(0), [], name);
    });
  }
  for (const by of ['agent', 'model', 'tool']) {
    await t.test(`cost by ${by}`, async () => {
      await goTo(page, `/cost?range=month&by=${by}`);
      await page.waitForSelector('.rows tbody tr');
      await harmless(page, by);
      assert.deepEqual(faults.splice(0), [], by);
    });
  }
  await context.close();
});

test('hostile text is there to be read, and not left out', async () => {
  const { context, page, faults } = await signedIn(stage, browser);
  await says(page.locator(`[data-operation="${stage.ops.hostile}"]`), MARKUP.slice(0, 30));
  await goTo(page, '/mcp/hostile?tab=tools');
  await says(page.locator('.tools'), `evil ${MARKUP}`);
  await goTo(page, `/cost?range=month&by=agent`);
  await says(page.locator('.rows'), MARKUP.slice(0, 30));
  assert.deepEqual(faults, []);
  await context.close();
});

test('an operation of hostile words and a line of 5 MB stays text in every tab, and the page does not hang', async () => {
  const { context, page, faults } = await signedIn(stage, browser);
  await goTo(page, `/operations/${stage.ops.hostile}`);
  await page.waitForSelector('.line');
  await says(page.locator('.log-lines'), 'last line');
  for (const tab of ['Output', 'Timeline', 'Routing', 'Tool calls', 'Cost', 'Request']) {
    await selectTab(page, tab);
    await harmless(page, tab);
    await narrow(page, tab);
  }
  await selectTab(page, 'Output');
  await accessible(page);
  const longest = await page.evaluate(async () => {
    let worst = 0;
    let last = performance.now();
    for (let i = 0; i < 60; i += 1) {
      document.querySelector('.log')?.scrollBy(0, i % 2 ? 4_000 : -4_000);
      const now = await new Promise(requestAnimationFrame);
      worst = Math.max(worst, now - last);
      last = now;
    }
    return worst;
  });
  // How quick it is, `measure.mjs` says; here it must not hang, on any machine.
  assert.ok(longest < 5_000, `a frame took ${longest} ms`);
  assert.deepEqual(faults, []);
  await context.close();
});

test('a server whose every word is hostile stays text in every tab, in a call and in its log', async () => {
  const { context, page, faults } = await signedIn(stage, browser);
  await goTo(page, '/mcp/hostile');
  await page.waitForSelector('.server-detail .tabs');
  for (const tab of ['Overview', 'Tools', 'Resources', 'Log', 'History', 'Configuration']) {
    await selectTab(page, tab);
    await harmless(page, tab);
    await narrow(page, tab);
  }
  await selectTab(page, 'Tools');
  for (const toggle of await page.locator('.tool-toggle').all()) await toggle.click();
  for (const schema of await page.locator('.tool-more summary').all()) await schema.click();
  await harmless(page, 'schemas');
  await page.getByRole('button', { name: 'Call speak', exact: true }).click();
  await page.locator('.call-form [type=submit]').click();
  await page.waitForSelector('.call-result');
  await page.locator('.call-result summary').click();
  await harmless(page, 'the answer of a call');
  await says(page.locator('.call-result'), MARKUP);
  await accessible(page);
  assert.deepEqual(faults, []);
  await context.close();
});

test('hostile addresses are addresses that nobody knows', async () => {
  const { context, page, faults } = await signedIn(stage, browser);
  const path = encodeURIComponent(MARKUP);
  const hashes = ['#/%', '#/operations/%ff', `#/${path}`, `#/operations/${path}`, `#/?q=${path}&group=${path}`, '#/__proto__', '#/constructor/x?tab=__proto__', `#/operations/${stage.ops.done}?tab=${path}&find=${path}`];
  for (const screen of await registered(page)) hashes.push(`#/${screen.name}/${path}?q=${path}&tab=${path}&sort=constructor&group=__proto__&range=${path}&by=${path}`);
  for (const hash of hashes) {
    await goTo(page, hash);
    await page.waitForFunction(() => (document.getElementById('main')?.innerText ?? '').trim().length > 0);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await harmless(page, hash);
  }
  // What is asked for and is not there is answered so; the browser tells of that itself.
  assert.deepEqual(faults.filter((fault) => !/status of (404|400)/.test(fault)), []);
  await context.close();
});

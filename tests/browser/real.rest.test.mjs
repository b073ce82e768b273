// The screens Tasks, History, Activity and System on the real daemon: files on disk and cards on the board are the same
// thing, what has ended is found again, what happens is told, the daemon says how it is. A screen that is not registered
// is passed by, by name.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { MARKUP } from './real/hostile.mjs';
import { until } from './real/sandbox.mjs';
import { begin, registered, settled, signedIn } from './real/stage.mjs';
import { browser, goTo, says } from './visit.mjs';

/** How long what happened on disk may take to be on the board, on any machine; the benchmark says how long it takes. */
const SEEN_MS = 8_000;

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin({ servers: false })));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

/** A test of one screen; passed by where it is not registered. */
const on = (name, what, act, path = `/${name}`) =>
  test(`${name}: ${what}`, async (t) => {
    const { context, page, faults } = await signedIn(stage, browser);
    try {
      if (!(await registered(page)).some((screen) => screen.name === name)) return t.skip(`there is no screen ${name} yet`);
      await goTo(page, path);
      await settled(page);
      await act(page, context);
      assert.deepEqual(faults, []);
    } finally {
      await context.close();
    }
    return undefined;
  });

const main = (page) => page.locator('#main');
const card = (id, status, title, more = '') => `id: ${id}\nagent: scribe\nstatus: ${status}\npriority: critical\ntitle: ${title}\ncreated_at: '2026-11-20T10:00:00Z'\n${more}`;

/** Writes a task file, as an editor does. */
function put(relative, text) {
  const path = join(stage.tasks, relative);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** The file of a task, wherever it is now. */
function fileOf(id, dir = stage.tasks) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    const found = entry.isDirectory() ? fileOf(id, path) : entry.name.startsWith(id) ? path : null;
    if (found) return found;
  }
  return null;
}

on('tasks', 'a file written, edited, moved and removed on disk is so on the board', async (page) => {
  const id = '2026-11-23T0900-scribe-from-disk';
  const shown = (title) => main(page).getByText(title, { exact: false }).first();
  const path = put(`inbox/${id}.yaml`, card(id, 'new', 'Written by an editor'));
  await shown('Written by an editor').waitFor({ timeout: SEEN_MS });
  writeFileSync(path, card(id, 'new', 'Written once more'));
  await shown('Written once more').waitFor({ timeout: SEEN_MS });
  assert.equal(await shown('Written by an editor').count(), 0);
  const assigned = put(`assigned/scribe/${id}.yaml`, card(id, 'assigned', 'Moved to an agent'));
  rmSync(path);
  await shown('Moved to an agent').waitFor({ timeout: SEEN_MS });
  assert.equal(await shown('Written once more').count(), 0);
  rmSync(assigned);
  await page.waitForFunction(() => !document.getElementById('main').textContent.includes('Moved to an agent'), null, { timeout: SEEN_MS });
});

on('tasks', 'a card that is begun on the page is begun in its file, and no other line of it changes', async (page) => {
  const id = '2026-11-23T0901-scribe-from-page';
  const text = card(id, 'assigned', 'Begun on the page', `# a remark of a person\nnotes: []  # kept\n`);
  put(`assigned/scribe/${id}.yaml`, text);
  await main(page).getByText('Begun on the page').first().waitFor({ timeout: SEEN_MS });
  await goTo(page, `/tasks/${id}`);
  await main(page).getByRole('button', { name: /^Start/ }).first().click();
  const dialog = page.locator('dialog[open]');
  const begun = () => /^status: in_progress/m.test(readFileSync(fileOf(id), 'utf8'));
  await Promise.race([dialog.waitFor(), until('the file', begun)]);
  if (!begun()) await dialog.locator('.button.primary, [type=submit]').first().click();
  await until('the file to say so', begun);
  const now = readFileSync(fileOf(id), 'utf8');
  for (const line of ['# a remark of a person', 'notes: []  # kept', 'title: Begun on the page']) assert.ok(now.includes(line), now);
  const told = await stage.sandbox.run(['task', 'show', id, '--json']);
  assert.match(told.stdout, /"in_progress"/);
});

on('tasks', 'a card that cannot be read is on the board, with its reason', async (page) => {
  const broken = main(page).getByText('scribe-broken').first();
  await broken.scrollIntoViewIfNeeded();
  assert.ok(await broken.isVisible());
  await until('the board to have it', async () => (await stage.get('/api/tasks?fields=card')).invalid.some((one) => one.path.includes('scribe-broken')));
});

on('tasks', 'the provided tree is all there', async (page) => {
  if (!stage.providedTasks) return;
  const { tasks } = await stage.get('/api/stats');
  assert.ok(tasks.total >= 100, JSON.stringify(tasks));
  await main(page).getByText('Agent Specialization Hierarchy - Roadmap Integration').first().waitFor();
});

on('tasks', 'hostile fields are text in the card and in its detail', async (page) => {
  await goTo(page, '/tasks/2026-11-20T1000-scribe-hostile');
  await says(main(page), MARKUP.slice(0, 30));
  const found = await page.evaluate(() => ({ hacked: window.hacked ?? null, images: document.querySelectorAll('#app img, #app script').length }));
  assert.deepEqual(found, { hacked: null, images: 0 });
});

on('tasks', 'two tabs show the same board', async (page, context) => {
  const other = await context.newPage();
  await other.goto(`${stage.url}/#/tasks`);
  await other.waitForSelector('.connection.is-live');
  const id = '2026-11-23T0902-scribe-both-tabs';
  const path = put(`inbox/${id}.yaml`, card(id, 'new', 'Seen in both tabs'));
  await Promise.all([page, other].map((one) => main(one).getByText('Seen in both tabs').first().waitFor({ timeout: SEEN_MS + 1_000 })));
  rmSync(path);
});

on('history', 'what has ended is found, and leads to itself', async (page) => {
  const { answered, failed, stopped } = stage.ops;
  const link = (id) => main(page).locator(`[data-operation="${id}"], a[href*="${id}"]`).first();
  for (const id of [answered, failed, stopped]) await link(id).waitFor();
  await goTo(page, `/operations/${answered}`);
  await page.waitForSelector('.detail-head');
  await page.goBack();
  await link(answered).waitFor();
});

on('activity', 'what happens is told while one looks', async (page) => {
  await stage.sandbox.run(['emit', 'deploy.finished', JSON.stringify({ ok: true, note: MARKUP })]);
  await says(main(page), 'deploy.finished');
  assert.equal(await page.evaluate(() => window.hacked ?? null), null);
});

on('system', 'the daemon says of itself what llmctl daemon status says', async (page) => {
  const status = await stage.sandbox.json('daemon', 'status');
  const text = await main(page).innerText();
  assert.ok(text.includes(String(status.version)), `version ${status.version}: ${text}`);
  assert.ok(text.includes(String(status.pid)), `process ${status.pid}: ${text}`);
});

test('what is told of the stage holds: the daemon has the task files it was given', async () => {
  const board = await stage.get('/api/tasks?fields=card');
  assert.ok(JSON.stringify(board).includes('scribe-hostile'));
  assert.ok(existsSync(fileOf('2026-11-20T1001-scribe-broken')));
  assert.ok(board.invalid.some((one) => one.path.includes('scribe-broken')), JSON.stringify(board.invalid));
});

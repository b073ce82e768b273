// The screen of tasks in Chromium: the board live, verbs with their outcome, keys, hostile files, large boards.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { card, change, demo, invalid, put } from './standin/tasks.mjs';
import { accessible, forget, goTo, says, visit } from './visit.mjs';

const HASH = '#/tasks';
const link = (page, id) => page.locator('.card-link').filter({ hasText: id });
const column = (page, name) => page.locator('.kan-column').filter({ has: page.locator('h2', { hasText: name }) });
const until = (act, what) => {
  const end = Date.now() + 5_000;
  const look = async () => ((await act()) ? undefined : Date.now() > end ? assert.fail(what) : new Promise((go) => setTimeout(go, 20)).then(look));
  return look();
};

test('the board shows lanes, states, quarantined files, and moves as files do', () =>
  visit('empty', async (page, standin) => {
    await says(column(page, 'Assigned'), 'Ship the release');
    await says(column(page, 'Inbox'), 'line 33, column 9');
    await says(column(page, 'Assigned').locator('.kan-head'), 'Blocked');
    change(standin, 'ship-it', { lane: 'done', state: 'done', status: 'done', running: [] }, 'task.completed');
    await says(column(page, 'Done'), 'Ship the release');
    assert.equal(await link(page, 'Ship the release').count(), 1, 'in one place only');
    await page.getByRole('button', { name: 'By agent' }).click();
    await says(column(page, 'writer'), 'Write the notes');
    await page.goBack();
    await page.goForward();
    assert.match(page.url(), /by=agent/);
  }, { hash: HASH, prepare: demo }));

test('a task: Markdown, file, dependencies; verbs go with the version that was seen', () =>
  visit('empty', async (page, standin) => {
    await link(page, 'Ship the release').click();
    await page.waitForSelector('.md h4');
    assert.equal(await page.locator('.md a').getAttribute('rel'), 'noopener noreferrer nofollow');
    await page.getByRole('tab', { name: 'Dependencies' }).click();
    await page.waitForSelector('.graph svg');
    await page.locator('.dep-list a', { hasText: 'Write the notes' }).click();
    await says(page.locator('.detail h2'), 'Write the notes');
    await page.getByRole('button', { name: 'Start' }).click();
    await says(page.locator('.detail .pill'), 'In progress');
    assert.equal(standin.taskBodies.at(-1).verb, 'start');
    await page.getByRole('button', { name: 'Complete' }).click();
    await page.locator('dialog[open] textarea').fill('all written');
    await page.keyboard.press('Control+Enter');
    await says(page.locator('.detail .pill'), 'Done');
    assert.deepEqual([standin.taskBodies.at(-1).verb, standin.taskBodies.at(-1).summary], ['complete', 'all written']);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('.task-detail'));
  }, { hash: HASH, prepare: demo }));

test('who changed the card meanwhile wins, and the page says what it is now', () =>
  visit('empty', async (page, standin, faults) => {
    await link(page, 'Write the notes').click();
    await page.waitForSelector('.detail .facts');
    // Changed on disk, and the event has not come yet.
    put(standin, { ...standin.tasks.get('write-notes'), status: 'frozen', rev: 'fedcba9876543210' });
    await page.getByRole('button', { name: 'Start' }).click();
    await says(page.locator('.detail .outcome'), 'Start did not work');
    await says(page.locator('.detail .outcome'), 'is now frozen');
    forget(faults, /412/);
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.getByRole('button', { name: 'Start' }).click();
    await says(page.locator('.detail .pill'), 'In progress');
  }, { hash: HASH, prepare: demo }));

test('everything by keys: choose, move, prioritise, run, new', () =>
  visit('empty', async (page, standin, faults) => {
    await link(page, 'Write the notes').waitFor();
    await page.keyboard.press('j');
    await page.waitForSelector('.card.is-selected');
    await page.keyboard.press('l');
    await page.waitForFunction(() => document.activeElement?.closest('.kan-column')?.textContent.includes('Assigned'));
    // The focus says which card is chosen; what marks it is drawn a frame later.
    const chosen = () => page.evaluate(() => document.activeElement?.closest('.card')?.textContent ?? '');
    for (let before = await chosen(); !before.includes('Write the notes'); before = await chosen()) {
      await page.keyboard.press('j');
      await until(async () => (await chosen()) !== before, 'the next card has the focus');
    }
    await says(page.locator('.card.is-selected'), 'Write the notes');
    await page.keyboard.press('+');
    await says(page.locator('.card.is-selected'), 'Critical');
    assert.deepEqual([standin.taskBodies.at(-1).verb, standin.taskBodies.at(-1).priority], ['priority', 'critical']);
    await page.keyboard.press('r');
    await says(page.locator('.card.is-selected'), 'Running');
    standin.refuseRuns = 'daily budget would be passed';
    await link(page, 'Drifted').focus();
    await page.keyboard.press('r');
    await says(page.locator('.notice'), 'daily budget would be passed');
    await page.keyboard.press('>');
    await page.waitForSelector('dialog[open] textarea');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    await page.keyboard.press('n');
    await page.locator('dialog[open] input[name=title]').fill('From the page');
    await page.keyboard.press('Enter');
    await says(column(page, 'Inbox'), 'From the page');
    const made = standin.taskBodies.at(-1);
    assert.deepEqual([made.verb, made.title, made.agent], ['create', 'From the page', null]);
    forget(faults, /422/);
  }, { hash: HASH, prepare: demo }));

test('a card is dragged to another lane', () =>
  visit('empty', async (page, standin) => {
    await link(page, 'An idea').waitFor();
    const from = page.locator('.card').filter({ hasText: 'An idea' });
    await from.dragTo(column(page, 'Assigned').locator('.kan-scroll'));
    await page.locator('dialog[open] input[name=value]').fill('writer');
    await page.keyboard.press('Enter');
    await says(column(page, 'Assigned'), 'An idea');
    assert.deepEqual([standin.taskBodies.at(-1).verb, standin.taskBodies.at(-1).agent], ['assign', 'writer']);
    await page.locator('.card').filter({ hasText: 'Write the notes' }).dragTo(column(page, 'Inbox').locator('.kan-scroll'));
    await says(column(page, 'Inbox'), 'Write the notes');
    assert.equal(standin.taskBodies.at(-1).verb, 'give_back');
  }, { hash: HASH, prepare: demo }));

test('filters are addresses', () =>
  visit('empty', async (page) => {
    await link(page, 'Ship the release').waitFor();
    await page.locator('#filter').fill('notes');
    await until(async () => (await page.locator('.card').count()) === 1, 'one card');
    assert.match(page.url(), /q=notes/);
    await page.locator('#filter').fill('nothing like it');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('button', { name: /^Drift/ }).click();
    await until(async () => (await page.locator('.card').count()) === 1, 'what drifted');
    await page.getByRole('combobox', { name: 'All agents' }).selectOption('dev');
    assert.match(page.url(), /mark=drift/);
    assert.match(page.url(), /agent=dev/);
  }, { hash: HASH, prepare: demo }));

const EVIL = '<img src=x onerror=alert(1)>"\'`${1}';
const TURNED = 'safe\u202egnp.exe\u0007\u001b]8;;http://evil\u0007x';

test('hostile files are text in every place', () =>
  visit('empty', async (page, standin) => {
    let dialogs = 0;
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    await page.waitForSelector('.card');
    await says(page.locator('.card'), EVIL.slice(0, 20));
    for (const id of [EVIL, TURNED]) {
      await page.evaluate(([to]) => (location.hash = `#/tasks/${encodeURIComponent(to)}?project=${encodeURIComponent('<b>p</b>')}`), [id]);
      await page.waitForSelector('.task-detail .facts');
      for (const tab of ['Dependencies', 'File', 'History', 'Task']) {
        await page.getByRole('tab', { name: tab }).click();
        await page.waitForSelector(`[role=tab][aria-selected=true]:text("${tab}")`);
      }
      assert.equal(await page.locator('.task-detail img, .task-detail script, .task-detail iframe').count(), 0);
      assert.equal(await page.locator('.task-detail a[href^="javascript:"], .card a[href^="javascript:"]').count(), 0);
    }
    const text = await page.locator('#app').textContent();
    assert.ok(!/[\u202e\u001b\u0007]/.test(text), 'no control characters');
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(dialogs, 0);
    change(standin, EVIL, { title: `${EVIL} again`, tags: [EVIL] });
    await says(page.locator('.card'), 'again');
    assert.equal(await page.locator('.card img').count(), 0);
  }, {
    hash: HASH,
    prepare(s) {
      const text = { description: `${EVIL}\n\n[click](javascript:alert(1)) <script>alert(1)</script> [x](data:text/html,1)\n\n${TURNED}`, [EVIL]: EVIL, result: { summary: EVIL, [TURNED]: EVIL }, notes: [EVIL, { a: EVIL }], error: { message: TURNED } };
      put(s, ...[EVIL, TURNED].map((id) => card(id, { title: `${id} title`, agent: EVIL, status: EVIL, priority: EVIL, batch: EVIL, tags: [EVIL, TURNED], dependencies: [EVIL, TURNED], dependencies_total: 2, blocked_reason: TURNED, problems: [EVIL], project: '<b>p</b>', path: `assigned/${id}/x.yaml`, text })));
      s.invalidTasks.push(invalid(EVIL, { message: `${EVIL}${TURNED}`, title: TURNED, problem: EVIL, path: EVIL }));
    },
  }));

test('ten thousand cards are a bounded page', () =>
  visit('empty', async (page, standin) => {
    await page.waitForSelector('.card');
    assert.ok((await page.locator('.card').count()) < 120);
    const scroll = column(page, 'Assigned').locator('.kan-scroll');
    await scroll.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await says(column(page, 'Assigned').locator('.card'), 'Title of n9999');
    assert.ok((await page.locator('.card').count()) < 120);
    change(standin, 'n9999', { title: 'The last one' });
    await says(page.locator('.card'), 'The last one');
  }, { hash: HASH, prepare: (s) => put(s, ...Array.from({ length: 10_000 }, (_, n) => card(`n${n}`, { created: new Date(1_700_000_000_000 + n * 1_000).toISOString(), path: `assigned/dev/n${String(n).padStart(5, '0')}.yaml` }))) }));

test('an empty board teaches', () => visit('empty', async (page) => says(page.locator('.empty'), 'llmctl task new'), { hash: HASH }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('empty', async (page) => {
      await link(page, 'Ship the release').waitFor();
      await accessible(page);
      await page.getByRole('button', { name: 'By agent' }).click();
      await link(page, 'Ship the release').click();
      await page.waitForSelector('.md');
      await accessible(page);
      for (const tab of ['Dependencies', 'File']) {
        await page.getByRole('tab', { name: tab }).click();
        await accessible(page);
      }
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'New task' }).click();
      await page.waitForSelector('dialog[open]');
      await accessible(page);
    }, { hash: HASH, prepare: demo, colorScheme }));
}

test('every width fits', () =>
  visit('empty', async (page) => {
    for (const width of [360, 640, 1_000, 1_440, 2_560]) {
      await page.setViewportSize({ width, height: 800 });
      for (const hash of ['#/tasks', '#/tasks?by=agent', '#/tasks/ship-it?project=shop']) {
        await goTo(page, hash);
        await page.waitForSelector(hash.includes('ship-it') ? '.md' : '.card');
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${width} ${hash}: ${over}`);
      }
    }
  }, { hash: HASH, prepare: demo }));

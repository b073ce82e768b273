// After storms on disk the page has what the daemon has, and that is what is on disk: a hundred files that `git checkout`
// moves back and forth, edits 20 ms apart, truncated and written again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { until } from './real/sandbox.mjs';
import { begin, settled, signedIn } from './real/stage.mjs';
import { browser, goTo } from './visit.mjs';

const FILES = 100;
const TIMES = 20;

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin({ servers: false, operations: false })));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

const git = (...words) =>
  execFileSync('git', ['-c', 'user.name=storm', '-c', 'user.email=storm@example.org', ...words], { cwd: stage.tasks, stdio: 'pipe' });
const text = (n, title) => `id: storm-${n}\ntitle: ${title}\nagent: scribe\nstatus: new\npriority: high\n`;
const brief = (card) => [card.path, card.id, card.title, card.state, card.lane, card.rev].join(' ');

/** Cards as the page has them, in the very modules it runs. */
const onPage = (page) =>
  page.evaluate(async () => {
    const { model } = await import('/static/js/screens/tasks/model.js');
    return [...model.board.cards.values()].map(({ path, id, title, state, lane, rev }) => ({ path, id, title, state, lane, rev }));
  });

/** Cards as the daemon has them. */
async function inDaemon() {
  const { inbox, assigned, done } = await stage.get('/api/tasks?fields=card');
  return [...inbox, ...Object.values(assigned).flat(), ...Object.values(done).flat()];
}

const pause = (ms) => new Promise((go) => setTimeout(go, ms));

test('a storm of checkouts and of edits leaves the page with what is on disk', async () => {
  const at = (...parts) => join(stage.tasks, ...parts);
  mkdirSync(at('assigned/scribe'), { recursive: true });
  for (let n = 0; n < FILES; n += 1) writeFileSync(at(`inbox/storm-${n}.yaml`), text(n, `Storm ${n}`));
  git('init', '-q', '-b', 'here');
  git('add', '-A');
  git('commit', '-qm', 'here');
  git('checkout', '-q', '-b', 'there');
  for (let n = 0; n < FILES; n += 1) renameSync(at(`inbox/storm-${n}.yaml`), at(`assigned/scribe/storm-${n}.yaml`));
  git('add', '-A');
  git('commit', '-qm', 'there');
  const { context, page, faults } = await signedIn(stage, browser);
  try {
    await goTo(page, '/tasks');
    await settled(page);
    await page.waitForSelector('.card');
    for (let n = 0; n < TIMES; n += 1) {
      git('checkout', '-q', n % 2 === 0 ? 'here' : 'there');
      // Some are overtaken by the next one, others have time to settle.
      await pause(n % 5 === 0 ? 700 : 50);
    }
    const edited = at('assigned/scribe/storm-7.yaml');
    for (let n = 0; n < 30; n += 1) {
      writeFileSync(edited, '');
      writeFileSync(edited, text(7, `Edit ${n}`));
      await pause(20);
    }
    let shown = [];
    let daemon = [];
    await until('the page to have what the daemon has', async () => {
      [shown, daemon] = [(await onPage(page)).map(brief).sort(), (await inDaemon()).map(brief).sort()];
      return JSON.stringify(shown) === JSON.stringify(daemon) && daemon.some((one) => one.includes('Edit 29'));
    });
    assert.deepEqual(shown, daemon);
    assert.equal(daemon.filter((one) => one.startsWith('assigned/scribe/storm-')).length, FILES);
    // A scan of a command that asks no daemon is the disk itself.
    const listed = JSON.parse((await stage.sandbox.run(['task', '--root', stage.tasks, 'list', '--json'])).stdout);
    const disk = new Map((Array.isArray(listed) ? listed : listed.tasks).map((one) => [one.path, one]));
    for (const one of await inDaemon()) if (one.id.startsWith('storm-')) assert.equal(disk.get(one.path)?.title, one.title, one.path);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
});

// What is done on the page is done by the real daemon, and what the page says is what `llmctl` says: operations, MCP
// servers, costs, two tabs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until } from './real/sandbox.mjs';
import { begin, settled, signedIn } from './real/stage.mjs';
import { browser, forget, goTo, row, says, selectTab } from './visit.mjs';

/** @type {import('./real/stage.mjs').Stage} */
let stage;
before(async () => (stage = await begin({ tasks: false })));
after(async () => assert.deepEqual((await stage?.close()) ?? [], [], 'processes that an orderly stop left'));

/**
 * Runs a test on a signed-in page and fails on what must not happen there.
 * @param {RegExp|null} expected what the browser says of a refusal that the test provokes
 */
async function look(path, act, expected = null) {
  const { context, page, faults } = await signedIn(stage, browser);
  try {
    await goTo(page, path);
    await settled(page);
    await act(page, context);
    if (expected) forget(faults, expected);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

/** What is said of one operation by `llmctl ps`. */
const state = async (id) => (await stage.operation(id))?.state;

test('an operation is paused, resumed and stopped from its row and its pane, and ps agrees', () =>
  look('/', async (page) => {
    const id = stage.ops.running[0];
    await says(row(page, id).locator('.c-state'), 'Running');
    await row(page, id).getByRole('button', { name: /^Pause/ }).click();
    await says(row(page, id).locator('.c-state'), 'Paused');
    assert.equal(await state(id), 'paused');
    const bytes = async () => (await stage.operation(id)).stdout_bytes;
    const held = await bytes();
    await goTo(page, `/operations/${id}`);
    await page.waitForSelector('.detail-head');
    await page.waitForSelector('.line');
    assert.equal(await bytes(), held, 'a paused tool writes nothing');
    await page.locator('.detail-buttons').getByRole('button', { name: /^Resume/ }).click();
    await says(row(page, id).locator('.c-state'), 'Running');
    await until('output again', async () => (await bytes()) > held);
    assert.equal(await state(id), 'running');
    await page.locator('.detail-buttons').getByRole('button', { name: /^Stop/ }).click();
    await says(row(page, id).locator('.c-state'), 'Stopped');
    await says(page.locator('.outcome'), 'Stopped by the user from the dashboard');
    const ended = await stage.operation(id);
    assert.deepEqual([ended.state, ended.stopped.via, ended.stopped.by], ['stopped', 'page', 'user']);
  }));

test('an operation that was started in a terminal appears, streams and ends without a reload', () =>
  look('/', async (page) => {
    const id = await stage.running(['--deltas', 60, '--delay-ms', 50, '--tool-calls', 2]);
    await row(page, id).waitFor();
    await row(page, id).locator('.row-link').click();
    await page.waitForSelector('.line');
    await says(row(page, id).locator('.c-state'), 'Complete');
    const recorded = await stage.sandbox.run(['logs', id]);
    // What is recorded is what is shown.
    await page.waitForFunction((end) => document.querySelector('.log-lines')?.innerText.replace(/\s/g, '').includes(end), recorded.stdout.replace(/\s/g, '').slice(-200));
    await selectTab(page, 'Tool calls');
    await page.waitForFunction(() => (document.querySelector('.tab-panel')?.innerText ?? '').trim().length > 20);
  }));

test('an ended operation is run again from the page, and its limit and kept files are at hand', () =>
  look(`/operations/${stage.ops.stopped}`, async (page) => {
    await page.locator('[data-control=more]').click();
    const kept = page.locator('.op-more a[download]').first();
    assert.equal(await page.evaluate(async (href) => (await fetch(href)).status, await kept.getAttribute('href')), 200);
    await page.keyboard.press('Escape');
    await page.locator('[data-control=retry]').click();
    const prompt = page.locator('#retry-prompt');
    if ((await prompt.count()) > 0) await prompt.fill('WORDS:5');
    await page.locator('.op-retry').getByRole('button', { name: 'Run again' }).click();
    await page.waitForFunction((id) => /operations\/exec-/.test(location.hash) && !location.hash.includes(id), stage.ops.stopped);
    const again = /exec-[0-9a-z]+/.exec(page.url())[0];
    await says(page.locator('.detail-id'), again);
    assert.equal((await stage.operation(again)).retry_of, stage.ops.stopped);
    assert.equal((await stage.operation(stage.ops.stopped)).retried_by, again);
    await page.locator('.detail-buttons').getByRole('button', { name: /^Stop/ }).or(page.locator('[data-control=retry]')).first().waitFor();
  }));

test('a limit set on the page is the limit the daemon holds', () =>
  look(`/operations/${stage.ops.running[1]}`, async (page) => {
    const id = stage.ops.running[1];
    await page.locator('.op-more > summary').click();
    await page.locator('#limit-field').fill('3.75');
    await page.locator('.drop-form').getByRole('button', { name: 'Set' }).click();
    await until('the limit', async () => (await stage.operation(id)).max_cost_nano_usd === 3_750_000_000);
  }));

test('an operation held in the queue gets another priority and is released from the page', () =>
  look('/', async (page) => {
    stage.sandbox.fakeTool('claude', ['--deltas', 3]);
    const { stdout } = await stage.sandbox.run(['execute', '--detach', '--hold', '--prompt-text', 'Later', '--tool', 'claude-code', '--model', 'claude-haiku-4-5']);
    const id = /exec-[0-9a-z]+/.exec(stdout)[0];
    await says(row(page, id).locator('.c-state'), 'Queued');
    await goTo(page, `/operations/${id}`);
    await page.locator('.op-more > summary').click();
    await page.locator('#priority-field').fill('7');
    await page.locator('.drop-form', { has: page.locator('#priority-field') }).getByRole('button', { name: 'Set' }).click();
    await until('its priority', async () => (await stage.operation(id)).queue?.priority === 7);
    await page.locator('.op-more').getByRole('button', { name: 'Release' }).click();
    await says(row(page, id).locator('.c-state'), 'Complete');
    assert.equal(await state(id), 'complete');
  }));

test('back and forward lead through what was looked at', () =>
  look('/', async (page) => {
    const hashes = [`#/operations/${stage.ops.done}`, '#/cost?range=week', '#/mcp/plain?tab=tools'];
    for (const hash of hashes) {
      await goTo(page, hash);
      await settled(page);
    }
    for (const hash of [...hashes].reverse().slice(1)) {
      await page.goBack();
      await page.waitForFunction((wanted) => location.hash === wanted, hash);
      await settled(page);
    }
    await page.waitForSelector('.detail-head');
    await page.goForward();
    await page.waitForFunction((wanted) => location.hash === wanted, hashes[1]);
    assert.equal(await page.locator('.segment a[aria-current=true]', { hasText: 'This week' }).count(), 1);
    await page.reload();
    await page.waitForSelector('.figure.is-main');
    assert.equal(await page.evaluate(() => location.hash), hashes[1], 'an address survives a reload');
  }));

test('the sums of the cost screen are those of llmctl cost', async (t) => {
  await until('the ledger to have everything that has ended', async () => {
    const { periods } = await stage.sandbox.json('cost', 'month');
    return periods[0].operations >= 8;
  });
  for (const by of ['model', 'tool', 'agent', 'project', 'provider']) {
    await t.test(`by ${by}`, () =>
      look(`/cost?range=month&by=${by}`, async (page) => {
        await page.waitForSelector('.figure.is-main');
        const told = await stage.sandbox.json('cost', 'month', '--by', by);
        const exact = told.periods.find((period) => period.period === 'month') ?? told.periods[0];
        const nano = (text) => Number(/\$([\d\u202f]*)\.(\d+)/.exec(text)?.slice(1).map((part, i) => (i === 0 ? part.replace(/\D/g, '') : part.padEnd(9, '0'))).join(''));
        const title = await page.locator('.figure.is-main dd[title]').getAttribute('title');
        assert.equal(nano(title), exact.cost_nano_usd, `${title}`);
        const cells = await page.locator('.rows tbody .c-cost').allInnerTexts();
        const sum = cells.map(nano).filter((n) => !Number.isNaN(n)).reduce((a, b) => a + b, 0);
        assert.equal(sum, exact.cost_nano_usd, `the rows add up: ${cells}`);
        assert.equal(cells.length, told.rows.length, 'as many rows');
      }));
  }
});

const action = (page, name, verb) => page.locator('.detail-buttons').getByRole('button', { name: new RegExp(`^${verb} ${name}`) });

/** Walks one server through its verbs; `call` is a tool with arguments and a part of its answer. */
async function walkServer(page, name, call) {
  const agree = (wanted) => until(`${name} to be ${wanted}`, async () => (await stage.server(name)).state === wanted);
  await goTo(page, `/mcp/${name}`);
  const pill = page.locator('.server-detail .detail-line .pill');
  await says(pill, 'Running');
  await agree('running');
  await action(page, name, 'Stop').click();
  await says(pill, 'Stopped');
  await agree('stopped');
  assert.equal((await stage.server(name)).pid ?? null, null);
  await action(page, name, 'Start').click();
  await says(pill, 'Running');
  await agree('running');
  const first = (await stage.server(name)).pid;
  await action(page, name, 'Restart').click();
  await until('another process', async () => {
    const server = await stage.server(name);
    return server.state === 'running' && server.pid !== first;
  });
  await says(pill, 'Running');
  await action(page, name, 'Discover').click();
  await page.waitForFunction((n) => [...document.querySelectorAll('.detail-buttons button')].every((b) => !b.disabled && !b.textContent.includes(n)), 'Asking');
  await selectTab(page, 'Tools');
  const tools = (await stage.server(name)).tools_count;
  await page.waitForFunction((count) => document.querySelectorAll('.tools > .tool').length === count, tools);
  await page.getByRole('button', { name: `Call ${call.tool}`, exact: true }).click();
  await page.locator('#call-arguments').fill(JSON.stringify(call.arguments));
  await page.locator('.call-form [type=submit]').click();
  await page.waitForSelector('.call-result');
  const said = await page.locator('.call-result').innerText();
  assert.ok(said.includes(call.answer), said);
  assert.equal(await page.locator('.mcp [role=alert]:visible').count(), 0);
}

test('the fake server is stopped, started, restarted, asked and called', () =>
  look('/mcp', (page) => walkServer(page, 'plain', { tool: 'tool-0001', arguments: {}, answer: '{}' })));

test('real servers are stopped, started, restarted, asked and called', async (t) => {
  if (!stage.realServers) return t.skip('the MCP servers of the tests are not installed: tests/tools/install.sh mcp');
  await t.test('everything', () =>
    look('/mcp', (page) => walkServer(page, 'everything', { tool: 'echo', arguments: { message: 'hello from the page' }, answer: 'hello from the page' })));
  await t.test('filesystem', () =>
    look('/mcp', (page) => walkServer(page, 'filesystem', { tool: 'list_directory', arguments: { path: stage.sandbox.path('project/shelf') }, answer: 'book.txt' })));
});

test('the table of servers says what llmctl mcp list says, and why one does not run', () =>
  look('/mcp', async (page) => {
    const listed = await stage.sandbox.json('mcp', 'list');
    const servers = listed.servers ?? listed;
    assert.equal(await page.locator('[data-server]').count(), servers.length);
    for (const server of servers) {
      const line = page.locator(`[data-server="${server.name}"]`);
      await says(line.locator('.s-state'), { running: 'Running', crash_loop: 'Crash loop', failed: 'Failed', manual: 'Manual', stopped: 'Stopped' }[server.state]);
      if (server.tools_count > 0 && server.state === 'running') assert.equal(await line.locator('.s-tools').innerText(), String(server.tools_count));
    }
    await says(page.locator('[data-server=missing] .s-about'), 'no-such-program-here');
    await goTo(page, '/mcp/missing');
    await action(page, 'missing', 'Start').click();
    await says(page.locator('.server-detail .outcome'), 'Start did not work');
    await goTo(page, '/mcp/crashing?tab=log');
    await says(page.locator('.log .line'), 'out of luck');
  }, /status of 500/));

test('a server that is killed is told of, comes back, and its history says so', () =>
  look('/mcp/plain', async (page) => {
    const { pid } = await stage.server('plain');
    process.kill(pid, 'SIGKILL');
    await until('its next life', async () => {
      const server = await stage.server('plain');
      return server.state === 'running' && server.pid !== pid;
    });
    await says(page.locator('.server-detail .detail-line .pill'), 'Running');
    await page.waitForFunction((old) => !document.querySelector('.server-detail .strip')?.textContent.includes(`PID ${old}`), pid);
    await selectTab(page, 'History');
    await page.waitForFunction(() => /signal|kill/i.test(document.querySelector('.tab-panel')?.textContent ?? ''));
  }));

test('two tabs show the same, and a change in one is seen in the other', () =>
  look('/', async (page, context) => {
    const other = await context.newPage();
    await other.goto(stage.url);
    await other.waitForSelector('.connection.is-live');
    const rows = (one) => one.evaluate(() => [...document.querySelectorAll('[data-operation]')].map((r) => `${r.dataset.operation} ${r.querySelector('.c-state').innerText}`));
    const agree = () => until('both tabs to agree', async () => JSON.stringify(await rows(page)) === JSON.stringify(await rows(other)));
    await agree();
    const id = await stage.running();
    await row(page, id).waitFor();
    await row(other, id).waitFor();
    await row(other, id).getByRole('button', { name: /^Pause/ }).click();
    await says(row(page, id).locator('.c-state'), 'Paused');
    await row(page, id).getByRole('button', { name: /^Stop/ }).click();
    await says(row(other, id).locator('.c-state'), 'Stopped');
    await agree();
    await goTo(page, '/mcp/plain');
    await goTo(other, '/mcp');
    await action(page, 'plain', 'Stop').click();
    await says(other.locator('[data-server=plain] .s-state'), 'Stopped');
    await action(page, 'plain', 'Start').click();
    await says(other.locator('[data-server=plain] .s-state'), 'Running');
  }));

test('stopping all from the page ends every operation', () =>
  look('/', async (page) => {
    await stage.running();
    await page.locator('.stop-all').click();
    await page.locator('dialog .button.danger').click();
    await until('the end of all', async () => (await stage.sandbox.json('ps', '--running')).length === 0);
    await page.waitForFunction(() => document.querySelectorAll('.row.is-active').length === 0);
  }));

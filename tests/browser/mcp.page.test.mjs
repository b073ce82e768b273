// The screen of MCP servers in Chromium: many servers of every state, filters as addresses, keys, what can be done with
// one, what each state means, what happens meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HASH, button, detail, gate, row, rows, rowsAre } from './mcp.parts.mjs';
import { server, withEveryState, withServers } from './standin/mcp.mjs';
import { forget, goTo, says, selectTab, visit } from './visit.mjs';

const names = (page) => rows(page).evaluateAll((all) => all.map((one) => one.dataset.server));
const total = (page, term) => page.locator('.total').filter({ has: page.locator('dt', { hasText: term }) }).locator('dd').innerText();
const hundred = (s) => withEveryState(s, 100);

test('a hundred servers of all states: totals, groups, order, and rows that cost little', async (t) =>
  visit('empty', async (page, standin) => {
    await rowsAre(page, 100);
    // Of eleven states in turn, the first has one more among a hundred.
    assert.equal((await total(page, 'Healthy')).replace(/\s/g, ''), '10/100');
    assert.equal(await total(page, 'Auto-managed'), '66');
    assert.equal(await total(page, 'Tools'), String(28 * 3));
    assert.equal(await total(page, 'Need attention'), '45');
    const drawn = await page.evaluate(() => {
      const all = [...document.querySelectorAll('.servers tbody tr')];
      const skipped = all.filter((one) => getComputedStyle(one).contentVisibility === 'auto').length;
      return { elements: document.querySelectorAll('.servers tbody *').length, skipped };
    });
    assert.equal(drawn.skipped, 100, 'what is out of sight is not laid out');
    assert.ok(drawn.elements < 100 * 70, `${drawn.elements} elements`);
    // One event makes one row again, not a hundred.
    const changed = await page.evaluate(() => {
      const seen = new Set();
      const body = document.querySelector('.servers tbody');
      window.changedRows = seen;
      new MutationObserver((all) => all.forEach(({ target }) => seen.add((target instanceof Element ? target : target.parentElement)?.closest('tr')?.dataset.server))).observe(body, { subtree: true, childList: true, characterData: true, attributes: true });
      return seen.size;
    });
    assert.equal(changed, 0);
    standin.publish('mcp.server.usage', { server_name: 'server-000', pid: 7, cpu_percent: 73.4, rss_bytes: 91_000_000, processes: 5, uptime_ms: 10_800_000, requests: 500, errors: 3 });
    await says(row(page, 'server-000'), '73.4%');
    // What backs off counts its seconds down meanwhile, every eleventh from the fourth.
    const counting = (name) => Number(name.slice(-3)) % 11 === 3;
    assert.deepEqual((await page.evaluate(() => [...window.changedRows])).filter((name) => !counting(name)), ['server-000']);
    const frames = await page.evaluate(async () => {
      const { model } = await import('/static/js/screens/mcp/model.js');
      const all = [...model.servers.values()];
      const filter = document.getElementById('filter');
      const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const began = performance.now();
      for (let n = 0; n < 10; n += 1) {
        model.servers = new Map(all.map((one) => [one.name, { ...one, restarts: n }]));
        filter.dispatchEvent(new Event('input', { bubbles: true }));
        await frame();
      }
      return (performance.now() - began) / 10;
    });
    t.diagnostic(`${drawn.elements} elements for 100 rows; all rows made again with the two frames of it: ${frames.toFixed(0)} ms`);
    for (const [group, count] of [['Needs attention', 45], ['Running', 28], ['In between', 27], ['Not running', 45], ['All', 100]]) {
      await page.getByRole('button', { name: new RegExp(`^${group}`) }).click();
      await rowsAre(page, count);
    }
    await page.getByRole('button', { name: 'Status', exact: true }).click();
    await page.waitForSelector('th.s-state[aria-sort=ascending]');
    const states = await rows(page).locator('.s-state').allTextContents();
    assert.ok(['Failed', 'Crash loop', 'Needs credentials'].includes(states[0].trim()), 'what needs somebody comes first');
    assert.ok(['Stopped', 'Manual'].includes(states.at(-1).trim()));
  }, { hash: HASH, prepare: hundred }));

test('filter, group, order and the open server are addresses', () =>
  visit('empty', async (page) => {
    await rowsAre(page, 100);
    await page.locator('#filter').fill('crash server-0');
    await rowsAre(page, 9);
    await page.getByRole('button', { name: /^Needs attention/ }).click();
    await page.getByRole('button', { name: 'Status', exact: true }).click();
    await page.waitForSelector('th.s-state[aria-sort=ascending]');
    const shown = await names(page);
    await page.reload();
    await rowsAre(page, 9);
    assert.deepEqual(await names(page), shown);
    assert.equal(await page.locator('#filter').inputValue(), 'crash server-0');
    await row(page, shown[3]).locator('.row-link').click();
    await says(detail(page).locator('h2'), shown[3]);
    await selectTab(page, 'History');
    await page.reload();
    await says(detail(page).locator('h2'), shown[3]);
    await page.waitForSelector('[role=tab][aria-selected=true]:text("History")');
    await page.keyboard.press('Escape');
    await detail(page).waitFor({ state: 'detached' });
    assert.deepEqual(await names(page), shown, 'the filter stays');
    await page.goBack();
    await says(detail(page).locator('h2'), shown[3]);
    await page.keyboard.press('Escape');
    await page.locator('#filter').fill('nothing is called so');
    await says(page.locator('.servers .empty'), 'No server matches');
    await page.getByRole('button', { name: 'Show all' }).click();
    await rowsAre(page, 100);
  }, { hash: HASH, prepare: hundred }));

test('keys: through the rows, open, close with the focus on the row that was left', () =>
  visit('empty', async (page) => {
    await rowsAre(page, 100);
    await rows(page).first().locator('.row-link').focus();
    const has = (name) => page.waitForFunction((want) => document.activeElement?.closest('[data-server]')?.dataset.server === want, name);
    for (let n = 1; n <= 30; n += 1) {
      await page.keyboard.press(n % 2 ? 'j' : 'ArrowDown');
      await has(`server-${String(n).padStart(3, '0')}`);
    }
    await page.keyboard.press('End');
    await has('server-099');
    await page.keyboard.press('Home');
    await has('server-000');
    await page.keyboard.press('Enter');
    await says(detail(page).locator('h2'), 'server-000');
    await page.keyboard.press('Escape');
    await detail(page).waitFor({ state: 'detached' });
    await has('server-000');
  }, { hash: HASH, prepare: hundred }));

test('start, stop, restart: pending while it takes, then done', () =>
  visit('empty', async (page, standin) => {
    const line = row(page, 'git');
    for (const [name, doing, after] of [['Stop', 'Stopping…', 'Stopped'], ['Start', 'Starting…', 'Running'], ['Restart', 'Restarting…', 'Running']]) {
      const { wait, open } = gate();
      standin.mcpGate = wait;
      await button(line, `${name} git`).click();
      const busy = button(line, `${doing} git`);
      await busy.waitFor();
      assert.equal(await busy.getAttribute('aria-busy'), 'true');
      assert.ok(await busy.isDisabled(), 'not twice');
      open();
      await busy.waitFor({ state: 'detached' });
      await says(line.locator('.s-state'), after);
    }
    // The same from the keyboard, on the open one.
    standin.mcpGate = null;
    await goTo(page, '#/mcp/memory');
    await says(detail(page), 'started by hand');
    await page.keyboard.press('s');
    await says(detail(page).locator('.detail-line'), 'Running');
    const { wait, open } = gate();
    standin.mcpGate = wait;
    await page.keyboard.press('r');
    await button(detail(page), 'Restarting… memory').waitFor();
    open();
    await button(detail(page), 'Restart memory').waitFor();
    standin.mcpGate = null;
    assert.ok(standin.requests.includes('POST /api/mcp/server/memory/restart'));
    await page.keyboard.press('s');
    await says(detail(page).locator('.detail-line'), 'Stopped');
  }, { hash: HASH, prepare: withServers }));

test('what does not work is told with the end of the error stream, in the row and beside it', () =>
  visit('empty', async (page, standin, faults) => {
    await says(detail(page), 'It cannot be started as it is configured');
    await says(detail(page), 'llmctl mcp doctor');
    await button(detail(page), 'Start sentry').click();
    const outcome = detail(page).locator('.outcome[role=alert]');
    await says(outcome, 'Start did not work');
    await says(outcome, "there is no program sentry-mcp on the daemon's PATH");
    await says(outcome.locator('.tail-text'), "Cannot find module 'sentry'");
    await says(row(page, 'sentry'), 'there is no program sentry-mcp');
    await says(page.locator('.notice'), 'Start sentry');
    standin.mcpRefuse.clear();
    await button(outcome, 'Dismiss').click();
    await outcome.waitFor({ state: 'detached' });
    await button(detail(page), 'Start sentry').click();
    await says(detail(page).locator('.detail-line'), 'Running');
    // Done before, elsewhere: the daemon says so.
    standin.mcpRefuse.set('sentry/stop', { status: 409, body: { error: 'MCP server "sentry" is stopped; start it with `llmctl mcp start sentry`', code: 'wrong_state', hint: 'start it with `llmctl mcp start sentry`', detail: { state: 'stopped' } } });
    await button(detail(page), 'Stop sentry').click();
    await says(outcome, 'Stop did not work');
    await says(outcome.locator('.outcome-hint'), 'llmctl mcp start sentry');
    forget(faults, /409|500/);
  }, {
    hash: '#/mcp/sentry',
    prepare(s) {
      withServers(s);
      s.mcpRefuse.set('sentry/start', { body: { error: 'MCP server "sentry": there is no program sentry-mcp on the daemon\'s PATH', code: 'server_failed', cause: 'command_missing', stderr_tail: "\u001b[31mError\u001b[0m: Cannot find module 'sentry'\n" } });
    },
  }));

test('each state says what it means and what to do', () =>
  visit('empty', async (page, _standin, faults) => {
    const told = {
      linear: ['Needs credentials', 'It wants credentials that it was not given', 'Give it the credentials in env or headers of its configuration', 'wants a bearer token'],
      slack: ['Crash loop', 'It ended too often', 'Start it again when that is mended', 'exit code 1'],
      browser: ['Backing off', 'It ended', 'starts again in'],
      jira: ['Degraded', 'with something wrong that a restart would not mend', 'required tool create_issue is missing', 'Required and missing'],
      postgres: ['Unhealthy', 'It runs and does not answer', 'no answer to ping within 5 s'],
    };
    for (const [name, texts] of Object.entries(told)) {
      await goTo(page, `#/mcp/${name}`);
      await says(detail(page).locator('h2'), name);
      for (const text of texts) await says(detail(page), text);
    }
    await goTo(page, '#/mcp/linear');
    await says(detail(page).locator('.tab-panel'), 'https://mcp.example.com/linear');
    assert.ok(await button(detail(page), 'Start linear').isEnabled(), 'when they are given, it is started');
    await goTo(page, '#/mcp/nobody');
    await says(page.locator('.detail'), 'There is no server nobody');
    forget(faults, /404/);
  }, { hash: HASH, prepare: withServers }));

test('what happens is shown without asking: each event changes its server', () =>
  visit('empty', async (page, standin) => {
    const line = row(page, 'git');
    await says(line, 'Running');
    const say = (type, data) => standin.publish(`mcp.server.${type}`, { server_name: 'git', ...data });
    say('restarting', { cause: 'exited', attempt: 1, max_attempts: 5, backoff_ms: 90_000, next_at: new Date(Date.now() + 90_000).toISOString() });
    // The list is fetched anew a moment later: it says the same.
    standin.mcp.set('git', server('git', { state: 'backing_off', next_start_at: new Date(Date.now() + 90_000).toISOString() }));
    await says(line, 'Backing off');
    await says(line, /starts again in 1m/);
    standin.mcp.set('git', server('git', { state: 'failed', last_error: 'out of luck' }));
    say('failed', { cause: 'handshake', message: 'out of luck', state: 'failed' });
    await says(line, 'Failed');
    await says(line, 'out of luck');
    await says(page.locator('#announcer'), 'git: Failed');
    standin.mcp.set('brand-new', server('brand-new'));
    standin.publish('config.reloaded', { applied: true, changed: ['mcp_servers.brand-new'], errors: [] });
    await row(page, 'brand-new').waitFor();
  }, { hash: HASH, prepare: withServers }));

test('no servers teach how to have some; a list that cannot be fetched is an error', () =>
  visit('empty', async (page, standin, faults) => {
    await says(page.locator('.servers .empty'), 'llmctl mcp import');
    await page.route('**/api/mcp/servers', (route) => route.fulfill({ status: 503, contentType: 'application/json', body: JSON.stringify({ error: 'the daemon is stopping', code: 'stopping' }) }));
    standin.publish('config.reloaded', { applied: true, changed: [], errors: [] });
    await says(page.locator('.servers .banner[role=alert]'), 'the daemon is stopping');
    await page.unroute('**/api/mcp/servers');
    withServers(standin);
    standin.publish('config.reloaded', { applied: true, changed: [], errors: [] });
    await row(page, 'git').waitFor();
    assert.equal(await page.locator('.servers .banner').count(), 0);
    forget(faults, /503/);
  }, { hash: HASH }));

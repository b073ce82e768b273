// The page in Chromium against the stand-in daemon. Any policy violation, page error or console error fails a test.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { begin, end, opId, progress } from './scenes.mjs';
import { ABOUT, accessible, fitsAllWidths, forget, openOperation, row, says, selectTab, visit } from './visit.mjs';

test('an empty list tells how to start', () =>
  visit('empty', async (page, standin) => {
    await says(page.locator('.empty'), 'llmctl execute --prompt FILE --model auto');
    begin(standin, 1, ABOUT);
    await row(page, opId(1)).waitFor();
    assert.equal(await page.locator('.empty').count(), 0);
  }));

test('rows appear, change and end while one looks', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    const line = row(page, id);
    await says(line.locator('.c-state'), 'Running');
    await says(line.locator('.c-cost'), 'unknown');
    progress(standin, id, {
      phase: 'thinking', tokens: { input: 1_000, cache_read: 2_000, cache_write_5m: 0, cache_write_1h: 0, output: 34, reasoning: 4 },
      usage_source: 'reported', cost_nano_usd: 42_100_000, cost_basis: 'computed',
    });
    await says(line.locator('.c-activity'), 'Thinking');
    await says(line.locator('.c-cost'), '$0.0421');
    assert.match(await line.locator('.c-tokens').getAttribute('title'), /cache read 2.000\n.*\noutput 34/);
    const elapsed = await line.locator('.c-elapsed').textContent();
    await page.waitForFunction(([sel, old]) => document.querySelector(sel).textContent !== old, [`[data-operation="${id}"] .c-elapsed`, elapsed]);
    standin.publish('execution.complete', { ...standin.state.operations.get(id), duration_ms: 12_000, calls: 3 });
    await says(line.locator('.c-state'), 'Complete');
    await says(line.locator('.c-elapsed'), '12s');
    await says(page.locator('.heading'), 'Recent');
    assert.match(await page.locator('#announcer').textContent(), /Complete/);
  }));

test('totals follow', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    progress(standin, id, { tokens: { input: 5, output: 6 }, cost_nano_usd: 1_000_000_000, cost_basis: 'computed' });
    begin(standin, 2, ABOUT);
    await says(page.locator('[data-total=running]'), '2');
    await says(page.locator('[data-total=tokens]'), '11');
    await says(page.locator('[data-total=cost]'), '$1.0000');
    await says(page.locator('[data-total=cost]'), '1 unknown');
  }));

test('output streams, sticks to the end, and lets go when one reads above', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'first line\n\x1b[32mgreen\x1b[0m <b>not markup</b>\n');
    await openOperation(page, id);
    await says(page.locator('.line'), 'first line');
    await says(page.locator('.line .fg-2'), 'green');
    await says(page.locator('.line'), '<b>not markup</b>');
    for (let i = 0; i < 400; i += 1) standin.output(id, 'stdout', `line ${i}\n`);
    await says(page.locator('.line'), 'line 399');
    const distance = () => page.evaluate(() => {
      const e = document.querySelector('.log-scroll');
      return e.scrollHeight - e.scrollTop - e.clientHeight;
    });
    await page.waitForFunction(() => {
      const e = document.querySelector('.log-scroll');
      return e.scrollHeight - e.scrollTop - e.clientHeight < 5;
    });
    await page.locator('.log-scroll').hover();
    await page.mouse.wheel(0, -1_500);
    await page.waitForSelector('.to-end');
    standin.output(id, 'stdout', 'below the fold\n');
    await says(page.locator('.line'), 'below the fold');
    assert.ok((await distance()) > 100, 'the reader is not moved');
    await page.click('.to-end');
    await page.waitForSelector('.to-end', { state: 'detached' });
  }));

test('stderr is shown when asked for', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'answer\n');
    standin.output(id, 'stderr', 'complaint\n');
    await openOperation(page, id);
    await says(page.locator('.line'), 'answer');
    assert.equal(await page.locator('.line.stderr').count(), 0);
    await page.getByLabel('stderr').check();
    await says(page.locator('.line.stderr'), 'complaint');
    await page.getByLabel('stderr').uncheck();
    await page.locator('.line.stderr').first().waitFor({ state: 'hidden' });
  }));

test('only the newest 5,000 lines are kept', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    await openOperation(page, id);
    standin.output(id, 'stdout', 'start\n');
    await says(page.locator('.line'), 'start');
    standin.output(id, 'stdout', Array.from({ length: 6_000 }, (_, i) => `n${i}`).join('\n') + '\n');
    await page.waitForFunction(() => document.querySelectorAll('.line').length === 5_000);
    assert.equal(await page.locator('.line').last().textContent(), 'n5999');
  }));

test('the stop button stops', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'half an answer\n');
    await row(page, id).getByRole('button', { name: /^Stop/ }).click();
    await says(row(page, id).locator('.c-state'), 'Stopped');
    assert.equal(standin.state.operations.get(id).stopped.reason, 'stopped from the dashboard');
    assert.equal(await row(page, id).getByRole('button').count(), 0);
    await openOperation(page, id);
    await says(page.locator('.outcome'), 'Stopped by the user from the dashboard');
    await says(page.locator('.resume-command'), 'claude --resume b8f4-71');
  }));

test('one that does not stop can be forced', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.stubborn = new Set([id]);
    await openOperation(page, id);
    await page.locator('.detail-buttons').getByRole('button', { name: /^Stop/ }).click();
    await says(page.locator('.detail-head'), 'Stopping');
    await page.locator('.detail-buttons').getByRole('button', { name: /^Force/ }).click();
    await says(page.locator('.outcome'), 'had to be killed');
  }));

test('pause and resume, and a refusal with its hint', () =>
  visit('empty', async (page, standin, faults) => {
    const id = begin(standin, 1, ABOUT);
    await row(page, id).getByRole('button', { name: /^Pause/ }).click();
    await says(row(page, id).locator('.c-state'), 'Paused');
    await row(page, id).getByRole('button', { name: /^Resume/ }).click();
    await says(row(page, id).locator('.c-state'), 'Running');
    const http = begin(standin, 2, { ...ABOUT, mode: 'http' });
    await row(page, http).getByRole('button', { name: /^Pause/ }).click();
    await says(page.locator('.notice'), 'cannot be paused');
    await says(page.locator('.notice'), `llmctl stop ${http}`);
    forget(faults, /409/);
  }));

test('stop all asks first', () =>
  visit('empty', async (page, standin) => {
    const ids = [1, 2, 3].map((n) => begin(standin, n, ABOUT));
    await row(page, ids[2]).waitFor();
    await page.getByRole('button', { name: 'Stop all' }).click();
    await says(page.locator('dialog[open]'), 'Stop 3 operations?');
    await accessible(page);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog:not([open])', { state: 'attached' });
    assert.equal(standin.state.operations.get(ids[0]).state, 'running');
    await page.getByRole('button', { name: 'Stop all' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Stop all' }).click();
    for (const id of ids) await says(row(page, id).locator('.c-state'), 'Stopped');
  }));

test('routing, calls, usage and request tell everything', () =>
  visit('demo', async (page) => {
    await openOperation(page, opId(940));
    await page.getByRole('tab', { name: /Routing/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('.candidate').length === 3);
    await says(page.locator('.candidate'), 'GEMINI_API_KEY is not set');
    await page.getByRole('tab', { name: /Tool calls/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('.call').length === 5);
    await page.getByRole('tab', { name: /^Cost/ }).click();
    await says(page.locator('.plain'), /148.220/);
    await says(page.locator('.facts'), 'The tool’s own figure');
    await page.getByRole('tab', { name: 'Request' }).click();
    await says(page.locator('.facts'), 'review.md');
    await page.keyboard.press('ArrowLeft');
    await page.waitForSelector('.ledger-row');
  }));

test('calls appear while they run', () =>
  visit('empty', async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    await openOperation(page, id);
    await page.getByRole('tab', { name: /Tool calls/ }).click();
    await says(page.locator('.sheet'), 'No tool was called');
    standin.publish('tool.invoked', { operation_id: id, call_id: 'a', name: 'Bash', kind: 'shell', server_name: null, summary: 'make', input_bytes: 4 });
    await says(page.locator('.call'), 'running');
    standin.publish('tool.response', { operation_id: id, call_id: 'a', ok: false, duration_ms: 31, output_bytes: 10, exit_code: 2 });
    await says(page.locator('.call'), 'exit 2');
  }));

test('filter and groups', () =>
  visit('demo', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('codex backend');
    await page.waitForFunction(() => document.querySelectorAll('[data-operation]').length === 1);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('[data-operation]').length === 21);
    await page.getByRole('button', { name: /^Error/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('[data-operation]').length === 2);
    await page.locator('#filter').fill('no such thing');
    await says(page.locator('.empty'), 'No operation matches');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.waitForFunction(() => document.querySelectorAll('[data-operation]').length === 21);
  }));

test('the keyboard reaches everything and the focus stays', () =>
  visit('empty', async (page, standin) => {
    const ids = [1, 2, 3].map((n) => begin(standin, n, ABOUT));
    await row(page, ids[0]).waitFor();
    const focused = () => page.evaluate(() => document.activeElement.closest('[data-operation]')?.dataset.operation);
    await row(page, ids[2]).locator('.row-link').focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), ids[1]);
    await page.keyboard.press('End');
    assert.equal(await focused(), ids[0]);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.detail-head');
    assert.match(page.url(), new RegExp(`#/operations/${ids[0]}$`));
    await page.keyboard.press('Escape');
    await page.waitForSelector('.detail-head', { state: 'detached' });
    await row(page, ids[1]).locator('.row-link').focus();
    standin.publish('execution.complete', { ...standin.state.operations.get(ids[1]), duration_ms: 5, calls: 0 });
    begin(standin, 4, ABOUT);
    await says(row(page, ids[1]).locator('.c-state'), 'Complete');
    await row(page, opId(4)).waitFor();
    assert.equal(await focused(), ids[1], 'the row moved, the focus went with it');
  }));

test('deep links open, unknown ones say so', () =>
  visit('demo', async (page, standin, faults) => {
    await page.goto(`${standin.url}/#/operations/${opId(924)}`);
    await page.reload();
    await says(page.locator('.outcome'), 'wrong branch checked out');
    await openOperation(page, opId(924));
    await page.evaluate(() => (location.hash = '#/operations/exec-unknown'));
    await says(page.locator('.detail'), 'There is no such operation');
    await page.evaluate(() => (location.hash = '#/operations/%E0%A4%A'));
    await page.waitForSelector('.detail', { state: 'detached' });
    forget(faults, /404/);
  }));

test('hostile text stays text in every field', () =>
  visit('empty', async (page, standin) => {
    const evil = `"><img src=x onerror="window.owned=1"><script>window.owned=1</script><svg onload=window.owned=1>javascript:window.owned=1 \u202e\x1b]52;c;eA==\x07\${window.owned=1}{{window.owned=1}}`;
    const id = begin(standin, 1, {
      tool: evil, model: evil, provider: evil, agent: evil, task_type: evil, cwd: evil, file: evil, why: evil, asked: evil,
      command: [evil, evil, '--', 'javascript:window.owned=1'],
      candidates: [{ tool: evil, model: evil, provider: evil, source: evil, verdict: evil, reasons: [{ code: evil, text: evil }] }],
    });
    standin.publish('tool.invoked', { operation_id: id, call_id: evil, name: evil, kind: evil, server_name: evil, summary: evil, input_bytes: 1 });
    standin.output(id, 'stdout', `${evil}\n\x1b[31m${evil}\x1b]8;;javascript:window.owned=1\x07link\n`);
    standin.output(id, 'stderr', evil);
    progress(standin, id, { phase: evil, usage_source: evil, cost_basis: evil });
    await openOperation(page, id);
    await says(page.locator('.line'), '<img src=x');
    await page.getByLabel('stderr').check();
    await page.waitForSelector('.line.stderr');
    const tabs = async () => {
      for (const name of ['Timeline', 'Cost', 'Routing', 'Tool calls', 'Request', 'Output']) {
        await selectTab(page, name);
      }
    };
    await tabs();
    const spend = { tokens: {}, usage_source: evil, cost_basis: evil, duration_ms: 1, stdout_bytes: 0, stderr_bytes: 0 };
    const partial = { dir_name: evil, files: [{ name: evil, bytes: 1 }] };
    const last = { ...spend, partial, model: evil, session_id: evil, resume_command: evil };
    standin.publish('execution.error', { operation_id: id, class: evil, message: evil, hint: evil, retryable: true, ...last });
    await says(page.locator('.outcome'), '<script>');
    await tabs();
    const second = begin(standin, 2, ABOUT);
    standin.publish('execution.stopped', { operation_id: second, by: evil, via: evil, reason: evil, step: evil, killed_processes: 1, ...last });
    await openOperation(page, second);
    await says(page.locator('.outcome'), '<script>');
    for (const odd of ['{', '[]', 'null', '{"type":5}', '{"type":"a.b"}', '{"type":"execution.progress","data":[]}', '{"type":"reply","reply_to":"__proto__"}']) {
      for (const socket of standin.sockets) socket.send(odd);
    }
    const third = begin(standin, 3, ABOUT);
    await row(page, third).waitFor();
    assert.equal(await page.evaluate(() => window.owned), undefined);
    assert.equal(await page.locator('#app img, #app script').count(), 0);
    const links = await page.evaluate(() => [...document.querySelectorAll('a')].map((a) => a.getAttribute('href')));
    assert.ok(links.every((href) => href === '#main' || href.startsWith('#/') || href.startsWith('/api/')), links.join(' '));
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('demo', async (page) => {
      await accessible(page);
      for (const n of [940, 926, 925, 921, 934]) {
        await openOperation(page, opId(n));
        await page.waitForSelector('.log');
        await accessible(page);
      }
      await openOperation(page, opId(940));
      for (const name of ['Timeline', 'Cost', 'Routing', 'Tool calls', 'Request']) {
        await selectTab(page, name);
        await accessible(page);
      }
      await page.setViewportSize({ width: 400, height: 840 });
      await accessible(page);
      await page.keyboard.press('Escape');
      await page.waitForSelector('.detail', { state: 'detached' });
      await accessible(page);
    }, { colorScheme }));
}

test('no width makes the page scroll sideways', () =>
  visit('demo', async (page) => {
    for (const hash of ['#/', `#/operations/${opId(940)}`]) {
      await page.evaluate((h) => (location.hash = h), hash);
      await fitsAllWidths(page, '.table-scroll, .detail, .tab-panel, .row');
    }
  }));

test('an ended operation is run again, with its file or with a prompt that is typed', () =>
  visit('empty', async (page, standin, faults) => {
    const filed = begin(standin, 1, ABOUT);
    const typed = begin(standin, 2, { ...ABOUT, file: null });
    await openOperation(page, filed);
    assert.equal(await page.locator('[data-control=retry]').count(), 0, 'what runs is not run again');
    for (const id of [filed, typed]) end(standin, id, 'complete', { duration_ms: 1_000, cost_nano_usd: 0, cost_basis: 'computed' }, 0);
    await page.locator('[data-control=retry]').click();
    await says(page.locator('.op-retry'), 'prompts/review.md');
    await page.locator('#retry-model').fill('nothing-like-it');
    await page.getByRole('button', { name: 'Run again' }).click();
    await says(page.locator('.notice'), 'no candidate can take it');
    await page.locator('#retry-model').fill(' gpt-5 ');
    await page.keyboard.press('Enter');
    await says(page.locator('.detail h2'), 'gpt-5');
    assert.deepEqual(standin.retries, [{ id: filed, model: 'gpt-5', prompt: null }]);
    assert.match(page.url(), /exec-06kz0001/);

    await openOperation(page, typed);
    await says(page.locator('.detail-id'), typed);
    await page.locator('[data-control=retry]').click();
    await page.locator('#retry-prompt').fill('the prompt\nonce more');
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.waitForFunction(() => location.hash.includes('exec-06kz0002'));
    assert.deepEqual(standin.retries[1], { id: typed, model: null, prompt: 'the prompt\nonce more' });
    await page.locator('[data-control=more]').waitFor();
    assert.equal(await page.locator('details.drop[open]').count(), 0);
    await openOperation(page, typed);
    await page.locator('[data-control=retry]').click();
    await accessible(page);
    await page.setViewportSize({ width: 390, height: 800 });
    await page.locator('#retry-prompt').scrollIntoViewIfNeeded();
    for (const name of ['more', 'retry']) {
      await page.locator(`[data-control=${name}]`).click();
      const box = await page.locator('details.drop[open] .drop-panel').boundingBox();
      assert.ok(box && box.x >= 0 && box.x + box.width <= 390, `${name}: ${JSON.stringify(box)}`);
    }
    await fitsAllWidths(page, '.detail');
    forget(faults, /422/);
  }));

const count = (page) => page.locator('[data-operation]').count();
const focused = (page) => page.evaluate(() => document.activeElement?.closest('[data-operation]')?.dataset.operation ?? null);

test('of a thousand live operations those in sight are drawn, and live events stay usable', () =>
  visit('many', async (page, standin) => {
    await says(page.locator('.group').filter({ hasText: 'All' }), /1\D?500/);
    assert.ok((await count(page)) < 80, `${await count(page)} rows are drawn`);
    const last = 1_499;
    for (let n = 0; n < 2_000; n += 1) {
      progress(standin, opId(last - (n % 50)), { tokens: { output: n }, cost_nano_usd: n * 100_000, cost_basis: 'computed', phase: n % 2 ? 'thinking' : 'streaming' });
    }
    await says(row(page, opId(last)).locator('.c-cost'), '$0.1950');

    // By keys from one end to the other; screen readers hear how many there are.
    await row(page, opId(last)).locator('.row-link').focus();
    await page.keyboard.press('End');
    await page.waitForFunction((id) => document.activeElement?.closest('[data-operation]')?.dataset.operation === id, opId(0));
    assert.equal(await page.locator('.list table').getAttribute('aria-rowcount'), '1503');
    assert.equal(await row(page, opId(0)).getAttribute('aria-rowindex'), '1503');
    assert.ok(await row(page, opId(0)).locator('.row-link').isVisible());
    for (let n = 1; n <= 30; n += 1) {
      await page.keyboard.press('ArrowUp');
      await page.waitForFunction((id) => document.activeElement?.closest('[data-operation]')?.dataset.operation === id, opId(n));
    }
    assert.ok((await count(page)) < 80);

    // The focus comes back with its row when that has been out of sight.
    const scroll = (to) => page.locator('.list .table-scroll').evaluate((element, top) => (element.scrollTop = top), to);
    await scroll(0);
    await row(page, opId(last)).waitFor();
    assert.equal(await focused(page), null);
    await scroll((await page.locator('.list .table-scroll').evaluate((element) => element.scrollHeight)) - 2_000);
    await page.waitForFunction((id) => document.activeElement?.closest('[data-operation]')?.dataset.operation === id, opId(30));

    // Back from another screen it is where it was.
    const place = () => page.locator('.list .table-scroll').evaluate((element) => element.scrollTop);
    const before = await place();
    for (const hash of ['#/system', '#/']) await page.evaluate((to) => (location.hash = to), hash);
    await row(page, opId(30)).waitFor();
    assert.equal(await place(), before);
    await row(page, opId(30)).locator('.row-link').focus();

    await page.keyboard.press('Home');
    await page.waitForFunction((id) => document.activeElement?.closest('[data-operation]')?.dataset.operation === id, opId(last));
    assert.equal(await page.locator('.list .table-scroll').evaluate((element) => element.scrollTop), 0);

    await page.locator('#filter').fill('agent-3');
    await page.waitForFunction(() => !/1\D?500/.test(document.querySelector('.group .count')?.textContent ?? ''));
    assert.ok((await count(page)) > 20);
  }, { prepare: (standin) => { for (let n = 500; n < 1_500; n += 1) begin(standin, n, { ...ABOUT, agent: `agent-${n % 13}` }); } }));

test('all rows of a layout are equally high, whatever is in them', () =>
  visit('demo', async (page) => {
    for (const width of [1920, 1200, 900, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll('tbody .row')];
        const heights = new Set(rows.map((one) => one.offsetHeight));
        const cut = rows.filter((one) => [...one.children].some((cell) => cell.offsetHeight > 0 && cell.offsetTop + cell.offsetHeight > one.offsetTop + one.offsetHeight + 1));
        return rows.length > 3 && heights.size === 1 && cut.length === 0;
      });
    }
  }));

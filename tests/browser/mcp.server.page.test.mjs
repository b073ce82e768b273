// One MCP server in Chromium: its tools and how one is called, its log, its history; hostile text, accessibility, widths.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LOG_LINES } from '../../static/js/screens/mcp/model.js';
import { HASH, button, detail, gate, lines, row, rowsAre } from './mcp.parts.mjs';
import { restart, server, tool, withServers } from './standin/mcp.mjs';
import { accessible, fitsAllWidths, forget, goTo, says, visit } from './visit.mjs';

test('it is asked anew for its tools, and what is new is there', () =>
  visit('empty', async (page, standin) => {
    await says(detail(page).locator('.tab-note'), 'tokens of a model’s context');
    assert.equal(await page.locator('.tool').count(), 4);
    const { wait, open } = gate();
    standin.mcpGate = wait;
    await button(detail(page), 'Discover git').click();
    await button(detail(page), 'Asking… git').waitFor();
    const git = standin.mcp.get('git');
    standin.mcp.set('git', { ...git, tools: [...git.tools, tool('bisect')], tools_count: 5, discovered_at: new Date().toISOString() });
    open();
    await says(page.locator('.tool'), 'bisect');
    await page.waitForSelector('[role=tab]:text("Tools") .count:text("5")');
    await says(page.locator('.tool').first(), '41 calls');
    await says(page.locator('.tool').first().locator('.tag'), '2 errors');
    await page.locator('.tool-toggle').first().click();
    const table = page.locator('.params');
    await says(table.locator('tr', { hasText: 'repository' }), 'required');
    await says(table.locator('tr', { hasText: 'format' }), 'How each is written.');
  }, { hash: '#/mcp/git?tab=tools', prepare: withServers }));

test('a tool is called: required fields, wrong values, an answer, an error, a refusal', () =>
  visit('empty', async (page, standin, faults) => {
    await button(page.locator('.tool').first(), 'Call log').click();
    const form = page.locator('.call-form');
    const text = form.locator('textarea');
    const problem = form.locator('.problem');
    assert.deepEqual(JSON.parse(await text.inputValue()), { repository: '', max_count: 10, filter: { author: '' } }, 'what is required is there to be filled in');
    const wrong = [
      ['{"repository": "a"', 'Not JSON'], ['[1]', 'Arguments are a JSON object'], ['"text"', 'Arguments are a JSON object'],
      ['{"repository": "a", "filter": {}}', 'Missing: max_count'], ['', 'Missing: repository, max_count, filter'],
    ];
    for (const [typed, told] of wrong) {
      await text.fill(typed);
      await says(problem, told);
      assert.equal(await text.getAttribute('aria-invalid'), 'true');
      assert.ok(await form.getByRole('button', { name: 'Call', exact: true }).isDisabled());
    }
    await page.keyboard.press('Control+Enter');
    assert.equal(standin.calls_made.length, 0, 'nothing wrong is sent');
    await text.fill('{"repository": "/srv", "max_count": 3, "filter": {"author": "x"}}');
    await form.locator('input[type=number]').fill('45');
    await text.focus();
    const { wait, open } = gate();
    standin.mcpGate = wait;
    await page.keyboard.press('Control+Enter');
    await says(form, 'Waiting for the answer…');
    assert.ok(await text.isDisabled());
    open();
    await says(form.locator('.call-result'), 'called log');
    assert.deepEqual(standin.calls_made, [{ server: 'git', tool: 'log', arguments: { repository: '/srv', max_count: 3, filter: { author: 'x' } }, timeout_ms: 45_000 }]);
    // A value of the wrong type is the server's to judge; its answer is an error of the tool, not of the call.
    standin.mcpAnswer = { is_error: true, text: 'max_count: expected an integer, got "many"', result: { isError: true, content: [{ type: 'text', text: 'max_count' }] }, duration_ms: 3 };
    await text.fill('{"repository": "/srv", "max_count": "many", "filter": {"author": "x"}}');
    await form.getByRole('button', { name: 'Call', exact: true }).click();
    await says(form.locator('.call-result'), 'The tool reports an error');
    await says(form.locator('.call-result'), 'expected an integer');
    standin.mcpAnswer = { is_error: false, text: '', result: { content: [], structuredContent: { commits: 3 } }, duration_ms: 3 };
    await form.getByRole('button', { name: 'Call', exact: true }).click();
    await says(form.locator('.call-result'), 'It has no text.');
    await form.locator('summary').click();
    await says(form.locator('.call-result'), '"commits": 3');
    standin.mcpRefuse.set('git/call', { status: 504, body: { error: 'MCP server "git": no answer within 45 s', code: 'timeout' } });
    await form.getByRole('button', { name: 'Call', exact: true }).click();
    await says(form.locator('.outcome'), 'The call failed');
    await says(form.locator('.outcome'), 'no answer within 45 s');
    await form.getByRole('button', { name: 'Close' }).click();
    await form.waitFor({ state: 'detached' });
    forget(faults, /504/);
  }, { hash: '#/mcp/git?tab=tools', prepare: withServers }));

test('a huge answer is cut, and is not written anew at each drawing', () =>
  visit('empty', async (page, standin) => {
    await button(page.locator('.tool').first(), 'Call log').click();
    const text = 'word '.repeat(600_000);
    standin.mcpAnswer = { is_error: false, text, result: { content: [{ type: 'text', text }] }, duration_ms: 912 };
    await page.locator('.call-form').getByRole('button', { name: 'Call', exact: true }).click();
    await says(page.locator('.call-result'), 'more characters');
    const shown = await page.locator('.call-result').evaluate((element) => element.textContent.length);
    assert.ok(shown < 400_000, `${shown} characters`);
    const written = await page.evaluate(async () => {
      const { model } = await import('/static/js/screens/mcp/model.js');
      let count = 0;
      const own = JSON.stringify;
      JSON.stringify = (value, ...rest) => {
        if (value === model.call.answer.result) count += 1;
        return own(value, ...rest);
      };
      for (let n = 0; n < 5; n += 1) {
        document.getElementById('filter').dispatchEvent(new Event('input', { bubbles: true }));
        window.dispatchEvent(new HashChangeEvent('hashchange'));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      }
      JSON.stringify = own;
      return count;
    });
    assert.equal(written, 0);
  }, { hash: '#/mcp/git?tab=tools', prepare: withServers }));

test('the log: its end, colours, followed, and at the end unless one has scrolled away', () =>
  visit('empty', async (page, standin) => {
    const log = page.locator('.server-log .log');
    await says(log, 'line 1999');
    assert.equal(await log.locator('.line').count(), LOG_LINES, 'bounded');
    assert.ok((await log.locator('.fg-1').count()) > 0, 'colours of the terminal');
    const atEnd = () => page.waitForFunction(() => {
      const element = document.querySelector('.server-log .log');
      return element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    });
    await atEnd();
    standin.mcpLogs.set('git', lines(10, 5_000));
    await page.getByRole('checkbox', { name: 'Follow' }).check();
    await says(log, 'line 5009');
    standin.mcpLogs.set('git', lines(900, 6_000));
    await says(log, 'line 6899');
    await atEnd();
    await log.evaluate((element) => (element.scrollTop = 100));
    await page.waitForFunction(() => document.querySelector('.server-log .log').dataset.away === 'true');
    standin.mcpLogs.set('git', lines(900, 7_000));
    await says(log, 'line 7899');
    assert.equal(await log.evaluate((element) => element.scrollTop), 100);
    await page.getByRole('checkbox', { name: 'Follow' }).uncheck();
    await goTo(page, '#/mcp/time?tab=log');
    await says(page.locator('.server-log'), 'Nothing on its error stream yet');
  }, { hash: '#/mcp/git?tab=log', prepare: (s) => (withServers(s), s.mcpLogs.set('git', lines(2_000))) }));

test('the history has each end with its reason, and all that are kept when asked', () =>
  visit('empty', async (page) => {
    const list = page.locator('.restart');
    await page.waitForFunction(() => document.querySelectorAll('.restart').length === 20);
    for (const text of ['Over its limit', 'signal 9', 'not started again by itself']) await says(list.first(), text);
    for (const text of ['Ended by itself', 'exit 1', 'next start after']) await says(list.nth(1), text);
    await list.nth(1).locator('summary').click();
    await says(list.nth(1).locator('.tail-text'), 'Cannot find module');
    await page.getByRole('button', { name: 'Show all that are kept' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.restart').length === 200);
    await says(page.locator('.restarts'), '200 kept');
    await goTo(page, '#/mcp/git?tab=history');
    await says(detail(page), 'It has never ended');
  }, {
    hash: '#/mcp/slack?tab=history',
    prepare(s) {
      withServers(s);
      const history = [restart({ cause: 'limit', signal: 9, exit_code: null, backoff_ms: null, message: 'Over 512 MB of memory' }), ...Array.from({ length: 199 }, () => restart())];
      s.mcp.set('slack', server('slack', { state: 'crash_loop', restarts: 199, history }));
    },
  }));

const EVIL = '<img src=x onerror=alert(1)>"\'`${1}';
const TURNED = 'safe\u202egnp.exe\u0007\u001b]8;;http://evil\u0007x\u001b[31m';

test('hostile names, tools, answers and log lines are text', () =>
  visit('empty', async (page, standin, faults) => {
    let dialogs = 0;
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    await rowsAre(page, 2);
    const text = EVIL + TURNED;
    for (const name of [EVIL, TURNED]) {
      for (const tab of ['overview', 'tools', 'resources', 'log', 'history', 'config']) {
        await goTo(page, `#/mcp/${encodeURIComponent(name)}?tab=${tab}`);
        await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
        await says(page.locator('.tab-panel'), /<img|safe/);
        if (tab !== 'tools') continue;
        await page.locator('.tool-toggle').first().click();
        await says(page.locator('.params'), '<img');
        await page.locator('.tool-line .button').first().click();
        await page.locator('.call-form textarea').fill(JSON.stringify({ [text]: text }));
        await page.locator('.call-form').getByRole('button', { name: 'Call', exact: true }).click();
        await says(page.locator('.call-result'), '<img');
      }
      await page.locator('.detail-buttons [data-control=stop]').click();
      await says(page.locator('.outcome[role=alert]'), '<img');
      const all = await page.locator('#app').textContent();
      assert.ok(!/[\u202e\u001b\u0007]/.test(all), `control characters: ${JSON.stringify(/.{40}[\u202e\u001b\u0007].{20}/.exec(all)?.[0])}`);
      assert.equal(await page.locator('#app img, #app script, a[href^="javascript:"]').count(), 0);
    }
    assert.equal(dialogs, 0);
    forget(faults, /500/);
  }, {
    hash: HASH,
    prepare(s) {
      const text = EVIL + TURNED;
      const input_schema = { type: 'object', properties: { [text]: { type: text, description: text } }, required: [text] };
      for (const name of [EVIL, TURNED]) {
        s.mcp.set(name, server(name, {
          reasons: [text], target: text, package: text, note: text, tags: [text], last_error: text, instructions: text, capabilities: [text], server_info: { name: text, version: text },
          tools: [tool(text, { title: text, description: text, input_schema, last_error: text, errors: 1 })], resources: [{ uri: `javascript:${text}`, name: text, description: text, mime_type: text }],
          prompts: [{ name: text, description: text, arguments: [text] }], history: [restart({ message: text, stderr_tail: text, cause: text, era: text })], config: { command: [text], env: { [text]: text } }, origin: text, log_path: text,
        }));
        s.mcpLogs.set(name, [text, text]);
        s.mcpRefuse.set(`${name}/stop`, { body: { error: text, code: 'server_failed', hint: text, stderr_tail: text } });
      }
      s.mcpAnswer = { is_error: false, text, result: { content: [{ type: 'text', text }] }, duration_ms: 1 };
    },
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('empty', async (page) => {
      await row(page, 'git').waitFor();
      await accessible(page);
      for (const hash of ['#/mcp/git', '#/mcp/git?tab=tools', '#/mcp/git?tab=resources', '#/mcp/git?tab=log', '#/mcp/slack?tab=history', '#/mcp/git?tab=config', '#/mcp/linear']) {
        await goTo(page, hash);
        await page.waitForFunction(() => document.querySelector('.tab-panel')?.textContent.trim().length > 20 && !document.querySelector('.tab-panel').textContent.includes('Loading…'));
        if (hash.endsWith('tools')) {
          await page.locator('.tool-toggle').first().click();
          await button(page.locator('.tool').first(), 'Call log').click();
          await page.locator('.call-form textarea').fill('[');
          await says(page.locator('.problem'), 'Not JSON');
        }
        await accessible(page);
      }
    }, { hash: HASH, prepare: (s) => (withServers(s), s.mcpLogs.set('git', lines(50))), colorScheme }));
}

test('every width fits', () =>
  visit('empty', async (page) => {
    for (const hash of ['#/mcp', '#/mcp/git', '#/mcp/git?tab=tools', '#/mcp/git?tab=log', '#/mcp/slack?tab=history', '#/mcp/slack?tab=config']) {
      await goTo(page, hash);
      await page.waitForSelector(hash === '#/mcp' ? '.servers tbody tr' : '.tab-panel :not(.empty-title)');
      await fitsAllWidths(page, '.servers, .servers .table-scroll, .totals, .server-detail, .tab-panel');
    }
  }, { hash: HASH, prepare: (s) => (withServers(s), s.mcpLogs.set('git', lines(50)), s.mcp.set('long', server('a-server-with-a-long-name-'.repeat(5), { state: 'degraded', reasons: ['a reason of many words '.repeat(20)] }))) }));

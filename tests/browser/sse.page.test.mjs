// The page where no WebSocket gets through: the same over server-sent events, exact through cuts, and back again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { begin, progress } from './scenes.mjs';
import { ABOUT, forget, openOperation, row, says, visit } from './visit.mjs';

/** What the browser says of connections that a test refuses or cuts. */
const CUT = /WebSocket|ERR_|status of 404/;

/** Visits a daemon to which no WebSocket can be opened. */
const visitStream = (act, more = {}) =>
  visit('empty', async (page, standin, faults) => {
    await act(page, standin, faults);
    forget(faults, CUT);
  }, { ...more, prepare: async (standin, page) => { standin.webSockets = false; await more.prepare?.(standin, page); } });

const transport = (page, words) => page.waitForSelector(`.connection.is-live[title*="${words}"]`);
const STREAM = 'over server-sent events';
const SOCKET = 'over a WebSocket';

/** Lets time pass on the page while the daemon is heard; a leap of its clock would be a machine that slept. */
async function minutes(page, standin, id, count) {
  for (let n = 0; n < count * 4; n += 1) {
    await page.clock.fastForward(15_000);
    const cost = `$${standin.seq}.0000`;
    progress(standin, id, { cost_nano_usd: standin.seq * 1_000_000_000, cost_basis: 'computed' });
    await says(row(page, id).locator('.c-cost'), cost);
  }
}

test('the page goes live over server-sent events and does what it does over a WebSocket', () =>
  visitStream(async (page, standin) => {
    await transport(page, STREAM);
    const id = begin(standin, 1, ABOUT);
    progress(standin, id, { phase: 'thinking', tokens: { input: 5, output: 6 } });
    await says(row(page, id).locator('.c-activity'), 'Thinking');
    standin.output(id, 'stdout', 'first\n');
    standin.output(id, 'stderr', 'complaint\n');
    await openOperation(page, id);
    await says(page.locator('.line'), 'first');
    standin.output(id, 'stdout', 'second\n');
    await says(page.locator('.line'), 'second');
    await page.getByLabel('stderr').check();
    await says(page.locator('.line.stderr'), 'complaint');
    await page.locator('.detail-buttons').getByRole('button', { name: /^Stop/ }).click();
    await says(page.locator('.outcome'), 'Stopped by the user from the dashboard');
    assert.ok(standin.requestsPosted.includes('stop_operation'));
    assert.ok(standin.requestsPosted.filter((type) => type === 'follow_output').length >= 2);
    assert.equal(standin.resumes.length, 1, 'one stream for all of it');
  }));

test('cuts lose nothing and repeat nothing', () =>
  visitStream(async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    const lines = [];
    const write = () => {
      lines.push(`line ${lines.length}`);
      standin.output(id, 'stdout', `${lines.at(-1)}\n`);
    };
    write();
    await openOperation(page, id);
    await says(page.locator('.line'), 'line 0');
    for (let cut = 1; cut <= 6; cut += 1) {
      const resumed = standin.resumes.length;
      for (let n = 0; n < 20; n += 1) {
        progress(standin, id, { tokens: { output: cut * 100 + n } });
        write();
        if (n === cut * 3) standin.drop();
      }
      begin(standin, cut + 1, ABOUT);
      await row(page, id).waitFor();
      await page.waitForFunction((last) => [...document.querySelectorAll('.line')].some((e) => e.textContent === last), lines.at(-1));
      assert.ok(standin.resumes.length > resumed);
    }
    await says(page.locator('[data-total=running]'), '7');
    await says(page.locator('[data-total=tokens]'), '619');
    assert.deepEqual(await page.locator('.line').allTextContents(), lines);
    assert.ok(standin.resumes.slice(1).every((resume) => resume === 'backlog'), standin.resumes.join(' '));
    await transport(page, STREAM);
    assert.equal(standin.sockets.size, 1);
  }));

test('a daemon that restarted gives a new picture, an ended session is explained', () =>
  visitStream(async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    await row(page, id).waitFor();
    standin.accepting = false;
    standin.drop(1001);
    await says(page.locator('.connection'), 'Offline');
    standin.epoch = '00000001';
    standin.seq = 0;
    standin.ring = [];
    standin.state = { operations: new Map(), totals: standin.state.totals, ended: [] };
    const next = begin(standin, 2, ABOUT);
    standin.accepting = true;
    await row(page, next).waitFor();
    assert.equal(await row(page, id).count(), 0);
    await transport(page, STREAM);
    standin.drop(4001);
    await says(page.locator('.message-card'), 'llmctl dashboard open');
  }));

test('a request that meets no stream brings a new one', () =>
  visitStream(async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'there\n');
    await row(page, id).waitFor();
    for (const stream of standin.sockets) stream.id = 'other';
    await openOperation(page, id);
    await says(page.locator('.line'), 'there');
    assert.equal(standin.resumes.length, 2);
  }));

test('a WebSocket is tried again beside the stream, and taken when it opens', () =>
  visitStream(async (page, standin) => {
    const id = begin(standin, 1, ABOUT);
    standin.output(id, 'stdout', 'over the stream\n');
    await openOperation(page, id);
    await says(page.locator('.line'), 'over the stream');
    await transport(page, STREAM);
    let tried = 0;
    page.on('websocket', () => (tried += 1));
    await minutes(page, standin, id, 3.5);
    assert.equal(tried, 1);
    await transport(page, STREAM);
    standin.webSockets = true;
    await minutes(page, standin, id, 3.5);
    await transport(page, SOCKET);
    standin.output(id, 'stdout', 'over the socket\n');
    await says(page.locator('.line'), 'over the socket');
    begin(standin, 2, ABOUT);
    await says(page.locator('[data-total=running]'), '2');
    assert.deepEqual(await page.locator('.line').allTextContents(), ['over the stream', 'over the socket']);
    assert.equal(standin.sockets.size, 1, 'the stream is closed');
    standin.drop();
    await page.waitForSelector('.connection.is-offline');
    await transport(page, SOCKET);
  }, { prepare: (_standin, page) => page.clock.install() }));

test('where WebSockets work, no stream is opened', () =>
  visit('empty', async (page, standin, faults) => {
    await transport(page, SOCKET);
    for (let n = 0; n < 3; n += 1) {
      standin.drop();
      await page.waitForSelector('.connection.is-offline');
      await transport(page, SOCKET);
    }
    assert.ok(!standin.requests.includes('GET /api/stream'));
    forget(faults, CUT);
  }));

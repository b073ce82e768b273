// The screens Cost and Models in Chromium against the stand-in. Any policy violation, page error or console error fails.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { budget, model, record, spend } from './standin/cost.mjs';
import { accessible, fitsAllWidths, forget, goTo, says, visit } from './visit.mjs';

const HOSTILE = '<img src=x onerror=alert(1)>\u202e\x1b[31mred\u0007';
const VISIBLE = '<img src=x onerror=alert(1)>';
const OPUS = { model: 'claude-opus-4-6', tool: 'claude', provider: 'anthropic', pico: 25_000_000 };

/** Nano-dollars of a text such as `$21.555298066`; the figure space fills up decimals. */
const nanos = (text) => {
  const [, whole, part] = /\$([\d\u202f]+)\.(\d+)/.exec(text);
  return BigInt(whole.replaceAll('\u202f', '')) * 1_000_000_000n + BigInt(part.padEnd(9, '0'));
};

const costOf = (page) => page.locator('.rows').first().locator('tbody .c-cost').allTextContents();
const total = (page) => page.locator('.rows tfoot .c-cost').textContent();

/** The shown rows are the shown total, to the last digit. */
async function addsUp(page) {
  const rows = await costOf(page);
  const known = rows.filter((text) => text.includes('$'));
  assert.equal(known.reduce((sum, text) => sum + nanos(text), 0n), nanos(await total(page)), rows.join(' '));
  return rows.length;
}

test('costs add up by whatever they are looked at, in every range', () =>
  visit('empty', async (page) => {
    for (const range of ['today', 'week', 'month', 'total']) {
      for (const by of ['model', 'tool', 'agent', 'project', 'provider']) {
        await goTo(page, `/cost?range=${range}&by=${by}`);
        await says(page.locator('.rows thead').first(), by[0].toUpperCase() + by.slice(1));
        await page.waitForFunction((name) => document.querySelector('.figure.is-main dt')?.textContent === name, { today: 'Today', week: 'This week', month: 'This month', total: 'All time' }[range]);
        await page.waitForSelector('.rows tfoot .c-cost');
        await addsUp(page);
      }
    }
    const shares = await page.locator('.rows tbody .c-share > span').allTextContents();
    assert.equal(shares.map((text) => Math.round(Number.parseFloat(text) * 10)).reduce((a, b) => a + b), 1_000);
  }, { hash: '#/cost' }));

test('choices are addresses: back works, days can be chosen', () =>
  visit('empty', async (page) => {
    await page.getByRole('link', { name: 'Today' }).click();
    await page.waitForSelector('.segment a[aria-current=true]:text("Today")');
    await page.getByRole('link', { name: 'Project' }).click();
    assert.match(page.url(), /#\/cost\?range=today&by=project$/);
    await page.goBack();
    await page.waitForSelector('.segment a[aria-current=true]:text("Model")');
    await page.getByRole('link', { name: 'Days…' }).click();
    const from = page.locator('input[type=date]').first();
    await from.fill('2026-01-01');
    await page.locator('input[type=date]').last().fill('2026-01-31');
    await page.waitForFunction(() => location.hash.includes('from=2026-01-01') && location.hash.includes('to=2026-01-31'));
    await says(page.locator('.chart-empty').first(), 'Nothing in this time');
  }, { hash: '#/cost' }));

test('sums move with the stream, are fetched seldom, and add up all the while', () =>
  visit('empty', async (page, standin) => {
    await page.waitForSelector('.rows tfoot .c-cost');
    const before = nanos(await total(page));
    const asked = () => standin.requests.filter((r) => r === 'GET /api/costs').length;
    const first = asked();
    let added = 0n;
    for (let n = 0; n < 40; n += 1) {
      const entry = record(800_000 + n, Date.now(), { ...OPUS, model: n % 2 ? 'brand-new' : OPUS.model });
      added += BigInt(entry.rows[0].cost_pico_usd);
      spend(standin, entry);
    }
    await says(page.locator('.rows tbody').first(), 'brand-new');
    // 40 records of odd pico-dollars are shown to half a nano-dollar each, until the daemon's own sums are there.
    await page.waitForFunction(([old, more]) => {
      const [, whole, part] = /\$([\d\u202f]+)\.(\d+)/.exec(document.querySelector('.rows tfoot .c-cost').textContent);
      const now = BigInt(whole) * 1_000_000_000n + BigInt(part.padEnd(9, '0'));
      const off = now - BigInt(old) - BigInt(more) / 1_000n;
      return off > -25n && off < 25n;
    }, [String(before), String(added)]);
    await addsUp(page);
    assert.ok(asked() - first <= 1, `${asked() - first} requests for 40 records`);
    await page.waitForFunction(() => document.querySelectorAll('.rows tbody tr').length > 0);
    await addsUp(page);
    await says(page.locator('.budget-figures').first(), 'Spent');
  }, { hash: '#/cost?range=month', prepare: (s) => (s.budgets = [budget()]) }));

test('the chart speaks: arrow keys, a table, a change of scheme', () =>
  visit('empty', async (page, _standin, faults) => {
    const plot = page.locator('.chart-plot');
    await plot.waitFor();
    await page.waitForSelector('.chart-canvas canvas');
    assert.match(await plot.getAttribute('aria-label'), /^Cost, US dollars, .* Highest: \$/);
    await plot.focus();
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(() => /^20\d\d-\d\d-\d\d: \$\d/.test(document.querySelector('.chart-plot').getAttribute('aria-valuetext')));
    const latest = await plot.getAttribute('aria-valuetext');
    await page.waitForSelector('.chart-tip .chart-tip-row');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((old) => document.querySelector('.chart-plot').getAttribute('aria-valuetext') !== old, latest);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('.chart-tip'));
    const box = await plot.boundingBox();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 80);
    await page.waitForSelector('.chart-tip');
    const ink = () => page.evaluate(() => {
      const canvas = document.querySelector('.chart-canvas canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const seen = new Set();
      for (let i = 0; i < data.length; i += 40) if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
      return [...seen].sort().join(' ');
    });
    const light = await ink();
    assert.ok(light.split(' ').length >= 4, `colours of four models: ${light}`);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForFunction(() => matchMedia('(prefers-color-scheme: dark)').matches);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));
    assert.notEqual(await ink(), light, 'the canvas takes the colours of the scheme');
    forget(faults, /willReadFrequently/);
    await page.getByRole('button', { name: 'Show table' }).click();
    const sums = await page.locator('.chart-table tbody tr td:last-child').allTextContents();
    assert.ok(sums.length > 5 && sums.some((text) => text.startsWith('$')), sums.join(' '));
    await page.getByRole('button', { name: 'Show chart' }).click();
    await page.waitForSelector('.chart-canvas canvas');
  }, { hash: '#/cost?range=month', colorScheme: 'light' }));

test('what is shown is saved, and nothing in it is computed by a spreadsheet', () =>
  visit('empty', async (page, standin) => {
    await says(page.locator('.rows tbody').first(), '=cmd');
    const saved = async (name) => {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()]);
      return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
    };
    const csv = await saved('CSV');
    assert.match(csv.name, /^llmctl-cost-by-model-\d{4}-\d\d-\d\d\.csv$/);
    assert.ok(csv.text.includes("\"'=cmd|' /C calc'!A0\","), csv.text);
    const lines = csv.text.trimEnd().split('\r\n');
    const cost = (line) => BigInt(/(?:^"(?:[^"]|"")*"|^[^",]*),(-?\d+),/.exec(line)[1]);
    assert.equal(lines.slice(1, -1).reduce((sum, line) => sum + cost(line), 0n), cost(lines.at(-1)));
    const json = await saved('JSON');
    const { groups, total: sum } = JSON.parse(json.text);
    assert.equal(groups.reduce((all, group) => all + group.cost_nano_usd, 0), sum.cost_nano_usd);
    assert.match(await page.getByRole('link', { name: 'Ledger' }).getAttribute('href'), /^\/api\/export\?kind=costs&format=csv&from=/);
    assert.ok(standin.attempts.length > 0);
  }, { hash: '#/cost', prepare: (s) => s.attempts.push(record(900_001, Date.now(), { ...OPUS, model: "=cmd|' /C calc'!A0" })) }));

test('budgets say what is spent, held and to come, and how it was worked out', () =>
  visit('empty', async (page) => {
    const cards = page.locator('.budget');
    await cards.first().waitFor();
    assert.equal(await cards.count(), 3);
    await says(cards.nth(0), 'Used up: refuses');
    await says(cards.nth(1), 'Near its limit');
    await says(cards.nth(2), 'Counts each operation by itself');
    const help = cards.nth(0).locator('.help');
    assert.match(await help.getAttribute('title'), /^Estimated: \$31\.20411822 were recorded in the [\d.]+ % of the period that is over; at the same pace/);
    await help.focus();
    await says(cards.nth(0), 'Held');
  }, {
    hash: '#/cost',
    prepare(s) {
      const now = new Date();
      // Far enough into the period on any day a test may run.
      const begun = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)).toISOString();
      s.budgets = [
        budget({ used_percent: 104, ...(now.getUTCDate() < 2 ? { period: 'day', resets_at: begun } : {}) }),
        budget({ used_percent: 85, type: 'soft', setting: 'b' }),
        budget({ period: 'operation', resets_at: null, used_percent: 0, spent_nano_usd: 0, setting: 'c' }),
      ];
    },
  }));

test('operations of unknown cost are named and never zero', () =>
  visit('empty', async (page) => {
    const section = page.getByRole('region', { name: 'Operations of unknown cost' });
    await section.locator('tbody tr').first().waitFor();
    assert.match(await section.locator('tbody a').first().getAttribute('href'), /^#\/operations\/exec-/);
    const row = page.locator('.rows').first().locator('tbody tr', { hasText: 'local-llama' });
    await says(row.locator('.c-cost'), 'unknown');
    await says(row, /\+ \d+ unknown/);
  }, { hash: '#/cost' }));

test('nothing spent, and what fills the screen; an error in the daemon\'s words', () =>
  visit('empty', async (page, standin, faults) => {
    await says(page.locator('.empty'), 'llmctl execute --prompt FILE --model auto');
    standin.costsFail = { status: 503, error: 'The history cannot be read now.', code: 'store_unavailable', hint: 'llmctl daemon logs' };
    await page.getByRole('link', { name: 'This week' }).click();
    await says(page.locator('.problem'), 'The history cannot be read now. llmctl daemon logs');
    forget(faults, /503/);
    standin.costsFail = null;
    await page.getByRole('link', { name: 'All time' }).click();
    await says(page.locator('.empty'), 'Nothing has been spent yet');
    assert.equal(await page.locator('.problem').count(), 0);
  }, { hash: '#/cost', prepare: (s) => (s.attempts = []) }));

test('models: figures, why, prices, tools; sorted and searched by address', () =>
  visit('empty', async (page, standin) => {
    const names = () => page.locator('.model-name').allTextContents().then((list) => list.map((text) => text.trim()));
    await page.locator('.model-name').first().waitFor();
    assert.deepEqual(await names(), ['claude-opus-4-6', 'gpt-5.2-codex', 'claude-haiku-4-5', 'default of the tool', 'gpt-4o']);
    await page.getByRole('link', { name: 'Median' }).click();
    await page.waitForFunction(() => document.querySelector('th[aria-sort=descending]')?.textContent.includes('Median'));
    await page.getByRole('link', { name: 'Median' }).click();
    await page.waitForFunction(() => document.querySelector('.model-name').textContent.includes('haiku'));
    await page.getByRole('link', { name: 'claude-opus-4-6' }).click();
    const more = page.locator('.model-cards');
    await says(more, 'Preferred');
    await says(more, 'Above 200\u202f000 input tokens');
    await says(more, 'Since 2026-02-05, from the built-in table, genai-prices 0.2.1');
    await says(more, 'ran 140×');
    assert.match(page.url(), /model=claude-opus-4-6/);
    await page.keyboard.press('/');
    await page.keyboard.type('codex');
    await page.waitForFunction(() => location.hash.includes('q=codex'));
    await page.waitForFunction(() => document.querySelectorAll('.model-name').length === 1);
    assert.equal(new URLSearchParams(standin.modelsAsked).get('since'), '30d');
    await page.keyboard.type('zzz');
    await says(page.locator('.empty-title'), 'No model has');
  }, { hash: '#/models' }));

test('the default of a tool can be opened, unknown costs are unknown', () =>
  visit('empty', async (page) => {
    await page.getByRole('link', { name: 'default of the tool' }).click();
    await says(page.locator('.model-cards'), 'No price is known');
    const row = page.locator('tr.is-open');
    assert.deepEqual(await row.locator('td[data-name=Cost], td[data-name=Each]').allTextContents(), ['unknown', 'unknown']);
  }, { hash: '#/models' }));

test('hostile names are text everywhere', () =>
  visit('empty', async (page) => {
    for (const by of ['model', 'tool', 'agent', 'project', 'provider']) {
      await goTo(page, `/cost?by=${by}&range=today`);
      await says(page.locator('.rows thead').first(), by[0].toUpperCase() + by.slice(1));
      await says(page.locator('.rows tbody').first(), VISIBLE);
      await says(page.locator('.chart-legend'), VISIBLE);
    }
    await page.getByRole('button', { name: 'Show table' }).click();
    await says(page.locator('.chart-table thead'), VISIBLE);
    await says(page.locator('.budget-name').first(), VISIBLE);
    await page.evaluate(() => (location.hash = '#/models?model=' + encodeURIComponent(document.title)));
    await says(page.locator('.models-table'), VISIBLE);
    await page.locator('.model-name').first().click();
    await says(page.locator('.offers'), VISIBLE);
    await says(page.locator('.model-cards'), VISIBLE);
    const bad = await page.evaluate(() => ({ images: document.images.length, text: document.body.innerText.includes('\u202e') || document.body.innerText.includes('\x1b') }));
    assert.deepEqual(bad, { images: 0, text: false });
  }, {
    hash: '#/cost',
    prepare(s) {
      const who = { model: HOSTILE, tool: HOSTILE, provider: HOSTILE, pico: 9_000_000_000 };
      s.attempts = [record(1, Date.now(), who, { about: { agent: HOSTILE, project: HOSTILE } }), record(2, Date.now(), { ...who, pico: null })];
      s.budgets = [budget({ scope: 'project', name: HOSTILE })];
      const m = s.models[0];
      s.models = [{
        ...m, model: HOSTILE, provider: HOSTILE, aliases: [HOSTILE], note: HOSTILE, superseded_by: HOSTILE, broken: HOSTILE, reasons: [{ code: HOSTILE, count: 1 }],
        offered_by: [{ tool: HOSTILE, configured: true, operations: 1, reason: HOSTILE }], price: { ...m.price, note: HOSTILE, table: HOSTILE, modes: [HOSTILE] },
      }];
    },
  }));

test('a thousand agents are two hundred rows that add up', () =>
  visit('empty', async (page) => {
    await says(page.locator('.rows tbody').first(), '801 others');
    assert.equal(await addsUp(page), 200);
    assert.ok((await page.locator('.chart-legend li').count()) <= 8);
  }, {
    hash: '#/cost?by=agent&range=today',
    prepare: (s) => (s.attempts = Array.from({ length: 1_000 }, (_, n) => record(n, Date.now() - n, OPUS, { about: { agent: `agent-${n}` } }))),
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`no serious accessibility violation, ${colorScheme}`, () =>
    visit('empty', async (page) => {
      for (const hash of ['#/cost', '#/cost?from=2026-01-01&to=2026-01-02', '#/models?model=claude-opus-4-6']) {
        await goTo(page, hash);
        await page.waitForSelector(hash.includes('models') ? '.model-cards' : '.panel');
        await accessible(page);
      }
      await page.evaluate(() => (location.hash = '#/cost'));
      await page.getByRole('button', { name: 'Show table' }).click();
      await accessible(page);
    }, { hash: '#/cost', colorScheme, prepare: (s) => (s.budgets = [budget(), budget({ used_percent: 101, setting: 'x' }), budget({ used_percent: 82, type: 'soft', setting: 'y' })]) }));
}

test('every width fits', () =>
  visit('empty', async (page) => {
    await page.waitForSelector('.budget');
    await fitsAllWidths(page, '.cost, .panel');
    await page.evaluate(() => (location.hash = '#/models?model=claude-opus-4-6'));
    await page.waitForSelector('.model-cards');
    await fitsAllWidths(page, '.models, .rows-scroll');
  }, {
    hash: '#/cost',
    prepare(s) {
      s.budgets = [budget({ scope: 'project', name: '/home/somebody/with/a/very/long/path/to/a/project/that/does/not/end' })];
      s.attempts.push(record(900_002, Date.now(), { ...OPUS, model: 'a-model-with-a-name-that-is-much-longer-than-any-column-of-any-table-could-be' }));
      s.models.push(model('a-model-with-a-name-that-is-much-longer-than-any-column-of-any-table-could-be', 'a-provider-with-a-long-name'));
    },
  }));

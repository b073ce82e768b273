// What the screen of history decides without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Address } from '../../static/js/screens/history/address.js';
import { matches } from '../../static/js/screens/history/matches.js';
import { pastId, pastOperation } from './standin/history.mjs';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const address = (query) => new Address({ name: 'history', parts: [], query: new URLSearchParams(query) });
/** Of a thousand: an error of claude-haiku-4-5 by agent-7, begun an hour and some minutes ago. */
const op = { ...pastOperation(7, 1_000, NOW), state: 'error', model: 'claude-haiku-4-5', agent: 'agent-7', task_id: 'Card-9', submitted_at: '2026-11-23T10:50:00.000Z', error: { class: 'rate_limit', message: 'The provider answered 429', hint: null, retryable: true } };

test('what is asked for matches, and nothing else', () => {
  const cases = [
    ['', true],
    ['state=error', true],
    ['state=complete', false],
    [`tool=${op.tool}&model=claude-haiku-4-5&agent=agent-7`, true],
    ['model=gpt-5', false],
    ['agent=nobody', false],
    ['since=2h', true],
    ['since=1h', false],
    ['since=2026-11-23T10:50:00.000Z', true],
    ['until=2026-11-23T10:50:00.000Z', false],
    ['until=2026-11-23T10:50:00.001Z', true],
    [`q=${pastId(7).slice(5)}`, true],
    ['q=ANSWERED', true],
    ['q=card-9', true],
    ['q=Rate_Limit', true],
    ['q=haiku', false],
    ['sort=cost', true],
  ];
  for (const [query, expected] of cases) assert.equal(matches(op, address(query), NOW), expected, query);
  assert.equal(matches({ ...op, agent: null, error: null, task_id: null }, address('q=agent'), NOW), false);
});

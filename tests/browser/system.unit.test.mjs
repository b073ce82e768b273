// What the screen of the daemon itself makes of its answers, without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse } from '../../static/js/router.js';
import { Address, fill, hintParts, inShow, isDefault, matches, originText, sections } from '../../static/js/screens/system/data.js';

const value = (path, layer, more = {}) => ({ path, value: '4', origin: { layer, name: layer === 'catalogue' ? 'default' : '~/.config/llmctl/daemon.yaml', line: layer === 'user' ? 7 : 0, column: 0 }, overridden: [], about: null, ...more });

test('a queue is judged by what becomes of what does not fit', () => {
  const tone = (more) => fill({ name: 'x', depth: 0, limit: 100, dropped: null, when_full: '', ...more }).tone;
  assert.deepEqual([0, 74, 75, 99, 100].map((depth) => tone({ depth })), ['blue', 'blue', 'amber', 'amber', 'red']);
  assert.equal(tone({ depth: 100, dropped: 0 }), 'blue', 'a ring is full for ever');
  assert.equal(tone({ depth: 3, dropped: 2 }), 'amber');
  assert.equal(fill({ name: 'x', depth: 5, limit: 0, dropped: null, when_full: '' }).percent, 0);
  assert.equal(fill({ name: 'x', depth: 500, limit: 100, dropped: null, when_full: '' }).percent, 100);
});

test('defaults are told apart, and where a value was set', () => {
  const [unset, set, variable] = [value('a.b', 'catalogue'), value('a.c', 'user'), value('a.d', 'env', { origin: { layer: 'env', name: 'LLMCTL_A__D', line: 0, column: 0 }, overridden: [{ value: '3', origin: { layer: 'user', name: 'f', line: 1, column: 1 } }] })];
  assert.deepEqual([unset, set, variable].map(isDefault), [true, false, false]);
  assert.deepEqual([unset, set, variable].map(({ origin }) => originText(origin)), ['', '~/.config/llmctl/daemon.yaml:7', 'LLMCTL_A__D']);
  assert.equal(originText(null), '');
  const shown = (show) => [unset, set, variable].filter((one) => inShow(one, show)).map((one) => one.path);
  assert.deepEqual(shown('all'), ['a.b', 'a.c', 'a.d']);
  assert.deepEqual(shown('set'), ['a.c', 'a.d']);
  assert.deepEqual(shown('default'), ['a.b']);
  assert.deepEqual(shown('overridden'), ['a.d']);
});

test('a search looks at key, value, meaning and file', () => {
  const one = value('daemon.http.port', 'user', { value: '9090', about: 'Its Port.' });
  for (const words of [[], ['http'], ['9090'], ['its'], ['daemon.yaml', 'port']]) assert.ok(matches(one, words), words.join());
  assert.ok(!matches(one, ['http', 'nowhere']));
});

test('keys are in sections, in their order', () => {
  const got = sections([value('a.b', 'user'), value('c', 'user'), value('a.z[0].y', 'user'), value('l[3]', 'user')]);
  assert.deepEqual(got.map(({ section, values }) => [section, values.length]), [['a', 2], ['c', 1], ['l', 1]]);
});

test('what is to be typed in a hint is code', () => {
  assert.deepEqual(hintParts('see `llmctl daemon logs`; it may'), [{ text: 'see ', code: false }, { text: 'llmctl daemon logs', code: true }, { text: '; it may', code: false }]);
  assert.deepEqual(hintParts('plain'), [{ text: 'plain', code: false }]);
  assert.deepEqual(hintParts(''), []);
});

test('the address knows what it may show', () => {
  const address = new Address(parse('#/system?q=%20HTTP%20%20Port&show=set'));
  assert.deepEqual([address.words, address.show], [['http', 'port'], 'set']);
  assert.equal(new Address(parse('#/system?show=constructor')).show, 'all');
});

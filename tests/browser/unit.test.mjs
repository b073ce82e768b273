// Format, terminal sequences, lines, rates, and what the source must never contain.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Ansi } from '../../static/js/ansi.js';
import * as format from '../../static/js/format.js';
import { LINE_LENGTH, Lines, LINES_KEPT } from '../../static/js/lines.js';
import { Rates } from '../../static/js/rates.js';

const STATIC = fileURLToPath(new URL('../../static', import.meta.url));
const plain = (text) => text.replaceAll('\u202f', ' ');

test('money', () => {
  const cases = [
    [0, '$0.0000'], [1, '<$0.0001'], [99_999, '<$0.0001'], [100_000, '$0.0001'], [42_135_000, '$0.0421'],
    [150_000, '$0.0002'], [250_000, '$0.0002'], [350_000, '$0.0004'], [999_999_999, '$1.0000'], [1_234_567_890_000, '$1 234.5679'],
    [9_007_199_254_740_991, '$9 007 199.2547'], [-1_500_000_000, '-$1.5000'], [-5, '>-$0.0001'],
  ];
  for (const [nano, text] of cases) assert.equal(plain(format.cost(nano)), text, String(nano));
  for (const none of [null, undefined, NaN, 1.5, '7']) assert.equal(format.cost(none), 'unknown');
  assert.equal(format.costExact(42_135_001), '$0.042135001');
  assert.equal(format.costExact(1_500_000_000), '$1.50');
  assert.equal(format.costExact(null), 'unknown');
});

test('counts, sizes, durations', () => {
  assert.deepEqual([0, 999, 9_999, 10_000, 123_456, 999_949, 999_950, 4_560_000, 999_995_000].map(format.compact).map(plain),
    ['0', '999', '9 999', '10.0k', '123.5k', '999.9k', '1.00M', '4.56M', '1.00G']);
  assert.deepEqual([0, 999, 1_000, 999_949, 999_950, 3_400_000].map(format.bytes), ['0 B', '999 B', '1.0 kB', '999.9 kB', '1.0 MB', '3.4 MB']);
  assert.deepEqual([0, 840, 9_949, 42_000, 184_000, 7_500_000, 275_000_000, null].map(format.duration),
    ['0.0s', '0.8s', '9.9s', '42s', '3m 04s', '2h 05m', '3d 04h', '–']);
  assert.equal(format.brief(31), '31 ms');
  assert.equal(format.counted(1, 'process', 'processes'), '1 process');
  assert.equal(format.label('waiting_network'), 'Waiting network');
  assert.equal(format.timeOfDay('nonsense'), '–');
});

test('texts from outside become one harmless line', () => {
  assert.equal(format.clean('a\u202egpj.exe\u2066b'), 'agpj.exeb');
  assert.equal(format.clean('a\x1b]0;t\x07b\nc'), 'a\ufffd]0;t\ufffdb c');
  assert.equal(format.clean('x'.repeat(10), 4), 'xxxx…');
  assert.equal(format.clean(null), '');
  assert.equal(format.clean('<img onerror=1>'), '<img onerror=1>', 'markup stays text');
  assert.equal(format.shellWords(['claude', '-p', "it's; rm -rf $HOME"]), "claude -p 'it'\\''s; rm -rf $HOME'");
});

const read = (...pieces) => {
  const reader = new Ansi();
  return pieces.flatMap((piece) => reader.read(piece));
};
const shown = (...pieces) => read(...pieces).map((t) => (t.kind === 'text' ? t.text : t.kind === 'newline' ? '\n' : '\r')).join('');

test('colours become classes', () => {
  const classes = (text) => read(text).map((t) => t.classes);
  assert.deepEqual(classes('\x1b[31mred\x1b[0mplain'), ['fg-1', '']);
  assert.deepEqual(classes('\x1b[1;4;92;41mx'), ['bold underline fg-10 bg-1']);
  assert.deepEqual(classes('\x1b[1m\x1b[22mx'), ['']);
  assert.deepEqual(classes('\x1b[38;5;196mx'), ['fg-1']);
  assert.deepEqual(classes('\x1b[38:2:13:188:121mx'), ['fg-2']);
  assert.deepEqual(classes('\x1b[mx'), ['']);
  assert.deepEqual(classes('\x1b[38;5;999mx\x1b[38mx\x1b[38;2;1mx\x1b[999999mx'), ['', '', '', '']);
  assert.deepEqual(classes('\x1b[8mhidden'), [''], 'what is there is shown');
});

test('every other sequence is dropped', () => {
  const hostile = [
    '\x1b]52;c;ZXZpbA==\x07', '\x1b]52;c;ZXZpbA==\x1b\\', '\x1b]8;;http://evil\x1b\\', '\x1b]0;title\x07', '\x1bP1$r0m\x1b\\', '\x1b_apc\x1b\\',
    '\x1b^pm\x1b\\', '\x1bXsos\x1b\\', '\x1b[2J', '\x1b[?1049h', '\x1b[6n', '\x1b[1;1H', '\x1b(B', '\x1b#8', '\x1bc', '\x9b31m', '\x9d0;t\x9c', '\x90x\x9c',
    '\x07', '\x08', '\x00', '\x7f', '\x85', '\u202e', '\u2066', '\x1b[>c', '\x1b[31\x18', '\x1b\x1b[0m',
  ];
  for (const sequence of hostile) {
    assert.equal(shown(`a${sequence}b`), 'ab', JSON.stringify(sequence));
    for (let cut = 1; cut < sequence.length; cut += 1) {
      assert.equal(shown(`a${sequence.slice(0, cut)}`, `${sequence.slice(cut)}b`), 'ab', `${JSON.stringify(sequence)} cut at ${cut}`);
    }
  }
});

test('a sequence that never ends hides little', () => {
  assert.equal(shown('\x1b]0;never\nnext'), '\nnext');
  assert.ok(shown(`\x1b]0;${'x'.repeat(10_000)}`).length > 5_000);
  assert.ok(shown(`\x1b[${'1;'.repeat(1_000)}`).length > 1_000);
  assert.equal(shown('a\x1b[31\nb'), 'a\nb');
});

test('a million random characters neither throw nor leave a control character', () => {
  let x = 99;
  const piece = () => String.fromCharCode(...Array.from({ length: 1_000 }, () => {
    x = (x * 1_103_515_245 + 12_345) % 2_147_483_648;
    return [x % 256, 0x1b, 0x5b, 0x5d, 0x3b, x % 0x10000][(x >> 8) % 6];
  }));
  const reader = new Ansi();
  for (let i = 0; i < 1_000; i += 1) {
    for (const token of reader.read(piece())) {
      if (token.kind !== 'text') continue;
      assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(token.text));
      assert.match(token.classes, /^(?:(?:bold|dim|italic|underline|inverse|strike|fg-\d+|bg-\d+) ?)*$/);
    }
  }
});

const lineTexts = (lines) => lines.lines.map((l) => l.segments.map((s) => s.text).join(''));

test('lines across pieces, streams and carriage returns', () => {
  const lines = new Lines();
  lines.append('stdout', 'one\ntw');
  lines.append('stderr', 'oops');
  lines.append('stdout', 'o\r\n10 %\r20 %\r100 %\n\nend');
  assert.deepEqual(lineTexts(lines), ['one', 'two', 'oops', '100 %', '', 'end']);
  assert.equal(lines.takeChanges().from, 0);
  lines.append('stderr', '!');
  const { from, lines: changed } = lines.takeChanges();
  assert.equal(from, 2);
  assert.equal(changed.length, 4);
});

test('the ring keeps 5,000 lines, and lines have an end', () => {
  const lines = new Lines();
  for (let i = 0; i < LINES_KEPT + 100; i += 1) lines.append('stdout', `${i}\n`);
  assert.equal(lines.lines.length, LINES_KEPT);
  assert.equal(lines.base, 100);
  assert.equal(lineTexts(lines)[0], '100');
  lines.append('stdout', 'x'.repeat(LINE_LENGTH * 2 + 5));
  assert.deepEqual(lineTexts(lines).slice(-3).map((t) => t.length), [LINE_LENGTH, LINE_LENGTH, 5]);
  lines.append('stderr', 'open');
  for (let i = 0; i <= LINES_KEPT; i += 1) lines.append('stdout', '\n');
  lines.append('stderr', 'again');
  assert.equal(lineTexts(lines).at(-1), 'again', 'an open line that left the ring is not written to');
});

test('rates', () => {
  const rates = new Rates();
  const sample = (at, output, bytes = 0) => rates.sample({ operation_id: 'a', elapsed_ms: at, tokens: { output }, stdout_bytes: bytes });
  sample(0, 0);
  assert.equal(rates.of('a'), null);
  for (let i = 1; i <= 8; i += 1) sample(i * 250, i * 10);
  assert.deepEqual(rates.of('a'), { value: 40, unit: 'tok/s' });
  assert.ok(rates.graph('a').every((h) => h >= 0 && h <= 1));
  sample(0, 0);
  assert.equal(rates.of('a'), null, 'a new attempt starts again');
  for (let i = 1; i <= 4; i += 1) sample(i * 500, 0, i * 100);
  assert.deepEqual(rates.of('a'), { value: 200, unit: 'B/s' });
  rates.sample({ elapsed_ms: 'x' });
  rates.keepOnly(new Map());
  assert.equal(rates.samples.size, 0);
});

const files = (directory) =>
  readdirSync(directory, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(join(directory, e.name)) : [join(directory, e.name)]));

test('the source contains nothing the policy or the rules forbid', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|unsafeHTML|unsafe-html|createContextualFragment|\.srcdoc|setAttribute\(|styleMap|\sstyle=|javascript:|\son[a-z]+="|https?:\/\/(?!www\.w3\.org)/;
  const own = files(STATIC).filter((f) => !f.includes('/vendor/') && /\.(js|html|css)$/.test(f));
  assert.ok(own.length > 20);
  for (const file of own) {
    const text = readFileSync(file, 'utf8');
    const found = forbidden.exec(text);
    assert.equal(found, null, `${file}: ${found?.[0]}`);
    if (file.endsWith('.js')) assert.ok(text.startsWith('// @ts-check\n'), file);
    assert.ok(text.split('\n').length <= 420, `${file} is too long`);
  }
});

test('what the first drawing needs is named in the page, and nothing more', () => {
  const needed = new Set();
  const visit = (file) => {
    if (needed.has(file)) return;
    needed.add(file);
    const text = readFileSync(join(STATIC, file), 'utf8');
    for (const [, named] of text.matchAll(/(?:^|[;}])\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm)) visit(join(file, '..', named));
  };
  visit('js/main.js');
  needed.delete('js/main.js');
  const named = [...readFileSync(join(STATIC, 'index.html'), 'utf8').matchAll(/rel="modulepreload" href="\/static\/([^"]+)"/g)].map(([, file]) => file);
  assert.deepEqual(named, [...needed].sort());
  assert.ok(!named.some((file) => /screens\/(?!live)|pane\//.test(file)), 'the first drawing waits for another screen');
});

test('each style sheet is named once in the page, and each part that is fetched later is one of them', () => {
  const html = readFileSync(join(STATIC, 'index.html'), 'utf8');
  const sheets = [...html.matchAll(/rel="stylesheet" href="\/static\/([^"]+)"/g)].map(([, file]) => join(STATIC, file));
  assert.deepEqual(sheets.sort(), files(STATIC).filter((f) => f.endsWith('.css')).sort());
  const parts = [...html.matchAll(/data-part="([^"]+)"/g)].map(([, part]) => part);
  const scripts = ['js/screens.js', 'js/screens/live/index.js', 'js/lazy.js'].map((file) => readFileSync(join(STATIC, file), 'utf8'));
  const calls = scripts.flatMap((text) => [...text.matchAll(/(?:own\(\(\) => import\([^)]*\),|bring\(|charts = \[)([^)\]]*)/g)].map(([, words]) => words));
  const wanted = new Set(calls.flatMap((words) => [...words.matchAll(/'([^']+)'/g)].map(([, part]) => part)));
  assert.deepEqual([...wanted].sort(), [...parts].sort());
});

test('vendored files are those that were recorded', () => {
  const readme = readFileSync(join(STATIC, 'vendor/README.md'), 'utf8');
  const rows = [...readme.matchAll(/\| `([^`]+)` \| `([0-9a-f]{64})` \|/g)];
  const listed = rows.map(([, name]) => name).sort();
  const present = files(join(STATIC, 'vendor')).map((f) => f.slice(join(STATIC, 'vendor/').length)).filter((f) => f !== 'README.md').sort();
  assert.deepEqual(listed, present);
  for (const [, name, hash] of rows) {
    assert.equal(createHash('sha256').update(readFileSync(join(STATIC, 'vendor', name))).digest('hex'), hash, name);
  }
});

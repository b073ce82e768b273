// The types that the page's modules state in their comments hold: a name that is not imported, or an argument in the
// wrong place, is found before a browser runs into it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));

test('the types of the page hold', () => {
  const { status, stdout, stderr } = spawnSync(fileURLToPath(new URL('node_modules/.bin/tsc', import.meta.url)), ['-p', HERE, '--pretty', 'false'], { encoding: 'utf8' });
  assert.equal(stdout + stderr, '');
  assert.equal(status, 0);
});

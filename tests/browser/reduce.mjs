// Folds a file of event envelopes, one JSON object a line, through the page's reducer and prints the final state as
// JSON with sorted keys: node reduce.mjs EVENTS.jsonl. A test of the daemon's projection compares it with its own.

import { readFileSync } from 'node:fs';

import { applyAll, canonical, initial } from '../../static/js/state.js';

/** Gives every object its keys in order, so that equal states have equal text. */
const sorted = (_key, value) =>
  value && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

const path = process.argv[2];
if (!path) {
  console.error('usage: node reduce.mjs EVENTS.jsonl');
  process.exit(2);
}
const envelopes = readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
console.log(JSON.stringify(canonical(applyAll(initial(), envelopes)), sorted));

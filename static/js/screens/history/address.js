// @ts-check
// What the screen of history reads from its address, and where it leads: `#/history/ID?state=error&since=7d&sort=cost`.

import { changed, path } from '../../router.js';
import { isOperationId } from '../../state.js';

export const STATES = ['complete', 'error', 'stopped', 'refused', 'lost', 'running'];
export const RANGES = [
  { since: '', label: 'All time' },
  { since: '1h', label: 'Last hour' },
  { since: '24h', label: 'Last day' },
  { since: '7d', label: 'Last week' },
  { since: '30d', label: 'Last 30 days' },
];
export const SORTS = ['duration', 'tokens', 'cost'];

export class Address {
  /** @param {import('../../screen.js').Route} route */
  constructor({ query, parts }) {
    const get = (/** @type {string} */ name) => (query.get(name) ?? '').slice(0, 200);
    this.query = query;
    this.parts = parts;
    this.text = get('q');
    this.state = STATES.includes(get('state')) ? get('state') : '';
    this.tool = get('tool');
    this.model = get('model');
    this.agent = get('agent');
    this.since = /^\d{1,5}[smhd]$|^\d{4}-\d\d-\d\dT/.test(get('since')) ? get('since') : '';
    this.until = /^\d{4}-\d\d-\d\dT/.test(get('until')) ? get('until') : '';
    this.sort = SORTS.includes(get('sort')) ? get('sort') : '';
    /** @type {string|null} */ this.selected = isOperationId(parts[0]) ? String(parts[0]) : null;
    this.tab = query.get('tab') ?? 'output';
    this.find = query.get('find') ?? '';
  }

  get narrows() {
    return [this.text, this.state, this.tool, this.model, this.agent, this.since, this.until].some((one) => one !== '');
  }

  /** @param {import('../../screen.js').Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    ctx.navigate(path(['history', ...this.parts], changed(this.query, change)), { replace: true });
  }

  /** @param {import('../../screen.js').Ctx} ctx */
  all(ctx) {
    this.set(ctx, { q: null, state: null, tool: null, model: null, agent: null, since: null, until: null });
  }

  /** Goes on from an operation to older ones, itself still in sight; back leads to the newer ones. @param {import('../../screen.js').Ctx} ctx @param {string} submitted */
  older(ctx, submitted) {
    const until = new Date(Date.parse(submitted) + 1).toISOString();
    ctx.navigate(path(['history', ...this.parts], changed(this.query, { until })));
  }

  /** The time that is meant, for what knows no ages; whole minutes, so that it seldom changes. @param {number} now */
  span(now) {
    const age = /^(\d+)([smhd])$/.exec(this.since);
    const from = age ? now - Number(age[1]) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[/** @type {'s'} */ (age[2])] : NaN;
    return { from: age ? new Date(Math.floor(from / 60_000) * 60_000).toISOString() : this.since, to: this.until };
  }

  /** @param {string} id */
  path(id) {
    return path(['history', id], changed(this.query, { find: null }));
  }

  /** @returns {import('../../pane/pane.js').Place} */
  place() {
    const id = String(this.selected);
    return {
      closeHref: `#${path(['history'], changed(this.query, { tab: null, find: null }))}`,
      tabPath: (name) => path(['history', id], changed(this.query, { tab: name === 'output' ? null : name, find: null })),
      findPath: (text) => path(['history', id], changed(this.query, { find: text })),
      fullHref: `#${path(['operations', id, 'full'])}`,
    };
  }
}

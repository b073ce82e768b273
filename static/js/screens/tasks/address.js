// @ts-check
// What the screen of tasks reads from its address, and the addresses it leads to: `#/tasks/ID?project=P&by=agent`.

import { changed, path } from '../../router.js';
import { MARKS, PRIORITIES } from './columns.js';

/** @typedef {import('../../screen.js').Route} Route */

export const TABS = ['task', 'graph', 'file', 'history'];
/** Filters that an address may have. */
const FILTERS = { q: null, agent: null, only: null, priority: null, mark: null };

export class Address {
  /** @param {Route} route */
  constructor(route) {
    const { query, parts } = route;
    const get = (/** @type {string} */ name) => (query.get(name) ?? '').slice(0, 200);
    this.query = query;
    this.by = get('by') === 'agent' ? 'agent' : 'lane';
    this.text = get('q');
    this.agent = get('agent');
    this.project = get('only');
    this.priority = PRIORITIES.includes(get('priority')) ? get('priority') : '';
    this.mark = get('mark') === 'invalid' || Object.hasOwn(MARKS, get('mark')) ? get('mark') : '';
    /** @type {string|null} the open task */ this.id = parts[0] ?? null;
    /** @type {string} its project */ this.of = get('project');
    this.tab = TABS.includes(get('tab')) ? get('tab') : 'task';
  }

  /** Something is left out. */
  get narrows() {
    return this.text !== '' || this.agent !== '' || this.project !== '' || this.priority !== '' || this.mark !== '';
  }

  /** @param {import('../../screen.js').Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    ctx.navigate(path(this.id === null ? ['tasks'] : ['tasks', this.id], changed(this.query, change)), { replace: true });
  }

  /** @param {import('../../screen.js').Ctx} ctx */
  all(ctx) {
    this.set(ctx, FILTERS);
  }

  /** @param {string} id @param {string} project */
  path(id, project) {
    return path(['tasks', id], changed(this.query, { project, tab: null }));
  }

  /** @param {string} id @param {string} project */
  href(id, project) {
    return `#${this.path(id, project)}`;
  }

  get closePath() {
    return path(['tasks'], changed(this.query, { project: null, tab: null }));
  }
}

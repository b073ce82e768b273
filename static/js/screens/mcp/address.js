// @ts-check
// What the screen of MCP servers reads from its address, and the addresses it leads to.

import { changed, path } from '../../router.js';
import { SORTS } from './fold.js';

/** @typedef {import('../../screen.js').Route} Route */

export const GROUPS = [
  { group: 'all', label: 'All' },
  { group: 'attention', label: 'Needs attention' },
  { group: 'running', label: 'Running' },
  { group: 'starting', label: 'In between' },
  { group: 'stopped', label: 'Not running' },
];
export const TABS = ['overview', 'tools', 'resources', 'log', 'history', 'config'];

export class Address {
  /** @param {Route} route */
  constructor(route) {
    const { query, parts } = route;
    this.query = query;
    this.parts = parts;
    this.text = (query.get('q') ?? '').slice(0, 200);
    const group = query.get('group') ?? 'all';
    this.group = GROUPS.some((known) => known.group === group) ? group : 'all';
    const sort = query.get('sort') ?? 'name';
    this.sort = Object.hasOwn(SORTS, sort) ? sort : 'name';
    /** @type {string|null} */ this.name = parts[0] ?? null;
    const tab = query.get('tab') ?? 'overview';
    this.tab = TABS.includes(tab) ? tab : 'overview';
  }

  /** @param {import('../../screen.js').Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    ctx.navigate(path(['mcp', ...this.parts], changed(this.query, change)), { replace: true });
  }

  /** @param {string} name */
  href(name) {
    return `#${path(['mcp', name], changed(this.query, { tab: null }))}`;
  }

  /** @param {string} tab */
  tabPath(tab) {
    return path(['mcp', ...this.parts], changed(this.query, { tab: tab === 'overview' ? null : tab }));
  }

  get closeHref() {
    return `#${path(['mcp'], changed(this.query, { tab: null }))}`;
  }
}

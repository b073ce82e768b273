// @ts-check
// What the Live screen reads from its address, and the addresses it leads to.

import { changed, path } from '../../router.js';
import { isOperationId } from '../../state.js';

/**
 * @typedef {import('../../screen.js').Ctx} Ctx
 * @typedef {import('../../screen.js').Route} Route
 * @typedef {'all'|'active'|'complete'|'error'|'stopped'|'refused'|'lost'} Group
 */

const GROUPS = new Set(['all', 'active', 'complete', 'error', 'stopped', 'refused', 'lost']);

export class Address {
  /** @param {Route} route */
  constructor(route) {
    const { query, parts } = route;
    this.route = route;
    this.query = query;
    this.text = (query.get('q') ?? '').slice(0, 200);
    const group = query.get('group') ?? 'all';
    this.group = /** @type {Group} */ (GROUPS.has(group) ? group : 'all');
    const id = route.name === 'operations' ? parts[0] : undefined;
    /** @type {string|null} */ this.selected = isOperationId(id) && parts.length <= 2 ? String(id) : null;
    this.full = this.selected !== null && parts[1] === 'full';
    this.tab = query.get('tab') ?? 'output';
    this.find = query.get('find') ?? '';
    /** What every link of the list depends on. */
    this.key = query.toString();
  }

  /** Changes the query, and nothing else. @param {Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    const parts = this.route.name === '' ? [] : [this.route.name, ...this.route.parts];
    ctx.navigate(path(parts, changed(this.query, change)), { replace: true });
  }

  /** @param {string} id */
  href(id) {
    return `#${path(['operations', id], changed(this.query, { find: null }))}`;
  }

  /** Where the pane is, and where it leads. @returns {import('../../pane/pane.js').Place} */
  place() {
    const id = String(this.selected);
    const own = this.full ? ['operations', id, 'full'] : ['operations', id];
    const tab = (/** @type {string} */ name) => changed(this.query, { tab: name === 'output' ? null : name, find: null });
    return {
      closeHref: `#${path([], changed(this.query, { tab: null, find: null }))}`,
      tabPath: (name) => path(own, tab(name)),
      findPath: (text) => path(own, changed(this.query, { find: text })),
      fullHref: this.full ? null : `#${path(['operations', id, 'full'], this.query)}`,
    };
  }
}

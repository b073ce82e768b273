// @ts-check
// What the screen of activity reads from its address: `#/activity?group=mcp&q=git&operation=exec-…`.

import { changed, path } from '../../router.js';
import { isOperationId } from '../../state.js';
import { GROUPS } from './look.js';

export class Address {
  /** @param {import('../../screen.js').Route} route */
  constructor({ query }) {
    this.query = query;
    this.text = (query.get('q') ?? '').slice(0, 200);
    const group = query.get('group') ?? 'all';
    this.group = GROUPS.some((known) => known.group === group) ? group : 'all';
    const operation = query.get('operation') ?? '';
    this.operation = isOperationId(operation) ? operation : '';
  }

  /** @param {import('../../screen.js').Ctx} ctx @param {Record<string, string|null>} change */
  set(ctx, change) {
    ctx.navigate(path(['activity'], changed(this.query, change)), { replace: true });
  }
}

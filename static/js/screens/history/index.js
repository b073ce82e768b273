// @ts-check
// The screen of history: every operation that is kept, filtered, sorted and paged, with one of them beside the list.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { restoreFocus } from '../../a11y.js';
import { detailView } from '../../pane/detail.js';
import { pane } from '../../pane/pane.js';
import { toFilter } from '../../views/parts.js';
import { Address } from './address.js';
import { enter, event, fetchFirst, leave, model, rows } from './model.js';
import { listView } from './view.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */

/** Goes to the row above or below the open one. @param {Ctx} ctx @param {number} by */
function step(ctx, by) {
  const address = new Address(ctx.route());
  const all = rows();
  const at = all.findIndex((op) => op.operation_id === address.selected);
  const next = all[at < 0 ? 0 : at + by];
  if (next) ctx.navigate(address.path(next.operation_id), { replace: at >= 0 });
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(ctx, route) {
    const address = new Address(route);
    const before = pane.id;
    enter(ctx, address);
    pane.show(ctx, address.selected, address, address.place());
    if (before !== null && address.selected === null) requestAnimationFrame(() => requestAnimationFrame(() => restoreFocus({ id: before, control: 'open' })));
  },
  leave() {
    leave();
    pane.hide();
  },
  event(envelope) {
    pane.event(envelope);
    event(envelope);
  },
  hello() {
    pane.hello();
    void fetchFirst({ keep: true });
  },
  view(ctx, route) {
    const address = new Address(route);
    return html`<div class="live ${address.selected === null ? '' : 'has-detail'}">
      <div class="live-list">${listView(ctx, address)}</div>
      ${address.selected === null ? nothing : detailView(ctx, pane)}
    </div>`;
  },
  keys: [
    { key: '/', label: 'Search in the history', run: toFilter },
    { key: 'j', label: 'Next operation', run: (ctx) => step(ctx, 1) },
    { key: 'k', label: 'Previous operation', run: (ctx) => step(ctx, -1) },
    { key: 'r', label: 'Fetch again', run: () => void fetchFirst() },
    {
      key: 'Escape',
      label: 'Close the operation',
      run: (ctx) => {
        if (pane.id !== null) ctx.navigate(pane.place.closeHref.slice(1));
      },
    },
  ],
  commands: (ctx) => model.rows.slice(0, 200).map((op) => ({ label: `Open operation ${op.operation_id}`, run: () => ctx.navigate(new Address(ctx.route()).path(op.operation_id)) })),
};

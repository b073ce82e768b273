// @ts-check
// Live: what runs and waits now and what has just ended, with one operation beside the list or on a page of its own.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { restoreFocus } from '../../a11y.js';
import { whole } from '../../format.js';
import { detailView } from '../../pane/detail.js';
import { pane } from '../../pane/pane.js';
import { sums } from '../../sums.js';
import { Address } from './address.js';
import { listView } from './list.js';
import { stripView } from './strip.js';

/** Gives the row that was left the focus back. @param {string} id */
function focusRow(id) {
  const active = document.activeElement;
  if (active && active !== document.body) return;
  restoreFocus({ id, control: 'open' });
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  name: 'live',
  title: 'Live',
  key: 'l',
  icon: 'live',
  also: ['', 'operations'],
  enter(ctx, route) {
    const address = new Address(route);
    const before = pane.id;
    pane.show(ctx, address.selected, address, address.place());
    if (before !== null && address.selected === null) {
      requestAnimationFrame(() => requestAnimationFrame(() => focusRow(before)));
    }
  },
  leave: () => pane.hide(),
  event: (envelope) => pane.event(envelope),
  hello: () => pane.hello(),
  view(ctx, route) {
    const address = new Address(route);
    const { selected, full } = address;
    return html`<div class="live ${selected === null ? '' : full ? 'is-full' : 'has-detail'}">
      ${full ? nothing : html`<div class="live-list">${stripView(ctx)} ${listView(ctx, address)}</div>`}
      ${selected === null ? nothing : detailView(ctx, pane)}
    </div>`;
  },
  keys: [
    { key: '/', label: 'Filter operations', run: () => document.getElementById('filter')?.focus() },
    { key: 'f', label: 'Search in the output', run: () => document.getElementById('find')?.focus() },
    {
      key: 'Escape',
      label: 'Close the operation',
      run: (ctx) => {
        if (pane.id !== null) ctx.navigate(pane.place.closeHref.slice(1));
      },
    },
  ],
  commands: (ctx) => [{ label: 'Stop all operations', run: () => void ctx.verbs.stopAll() }],
  badge(ctx) {
    const { running } = sums(ctx.store.model.data);
    return running === 0 ? null : { text: whole(running), tone: 'blue', label: `${whole(running)} running` };
  },
};

// @ts-check
// Live: what runs and waits now and what has just ended, with one operation beside the list or on a page of its own.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { restoreFocus } from '../../a11y.js';
import { Lazy, bring } from '../../lazy.js';
import { toFilter } from '../../views/parts.js';
import { Address } from './address.js';
import { listView } from './list.js';
import { stripView } from './strip.js';

/** What shows one operation; the list does not wait for it. */
const detail = new Lazy(async () => {
  const [{ pane }, { detailView }] = await Promise.all([import('../../pane/pane.js'), import('../../pane/detail.js'), bring('output')]);
  return { pane, detailView };
});
/** While the screen is shown. @type {import('../../screen.js').Ctx|null} */
let here = null;

/** @param {import('../../screen.js').Ctx} ctx */
async function fetchDetail(ctx) {
  try {
    await detail.load();
  } catch {
    if (here !== null) ctx.notify('The operation could not be fetched from the daemon');
    return;
  }
  if (here === null) return;
  screen.enter(ctx, ctx.route());
  ctx.schedule();
}

/** Gives the row that was left the focus back. @param {string} id */
function focusRow(id) {
  const active = document.activeElement;
  if (active && active !== document.body) return;
  restoreFocus({ id, control: 'open' });
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(ctx, route) {
    here = ctx;
    const address = new Address(route);
    const pane = detail.value?.pane;
    if (!pane) {
      if (address.selected !== null) void fetchDetail(ctx);
      return;
    }
    const before = pane.id;
    pane.show(ctx, address.selected, address, address.place());
    if (before !== null && address.selected === null) {
      requestAnimationFrame(() => requestAnimationFrame(() => focusRow(before)));
    }
  },
  leave() {
    here = null;
    detail.value?.pane.hide();
  },
  event: (envelope) => detail.value?.pane.event(envelope),
  hello() {
    if (detail.value !== null) detail.value.pane.hello();
    else if (here !== null) screen.enter(here, here.route());
  },
  view(ctx, route) {
    const address = new Address(route);
    const { selected, full } = address;
    return html`<div class="live ${selected === null ? '' : full ? 'is-full' : 'has-detail'}">
      ${full ? nothing : html`<div class="live-list">${stripView(ctx)} ${listView(ctx, address)}</div>`}
      ${selected === null ? nothing : (detail.value?.detailView(ctx, detail.value.pane) ?? html`<aside class="detail" aria-busy="true"></aside>`)}
    </div>`;
  },
  keys: [
    { key: '/', label: 'Filter operations', run: toFilter },
    { key: 'f', label: 'Search in the output', run: () => document.getElementById('find')?.focus() },
    {
      key: 'Escape',
      label: 'Close the operation',
      run: (ctx) => {
        const pane = detail.value?.pane;
        if (pane && pane.id !== null) ctx.navigate(pane.place.closeHref.slice(1));
      },
    },
  ],
  commands: (ctx) => [{ label: 'Stop all operations', run: () => void ctx.verbs.stopAll() }],
};

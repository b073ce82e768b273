// @ts-check
// The screen of MCP servers: the panel of what is supervised, and one server beside it.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean } from '../../format.js';
import { toFilter } from '../../views/parts.js';
import { Address } from './address.js';
import { detailView } from './detail.js';
import { act, again, enter, event, follow, leave, model } from './model.js';
import { ACTIONS, actionsOf } from './states.js';
import { tableView } from './table.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */

/** @param {import('./model.js').Verb[]} verbs the first that makes sense is done */
const actOnOpen = (verbs) => {
  const server = model.name === null ? undefined : model.servers.get(model.name);
  const verb = server && verbs.find((one) => actionsOf(server.state).includes(one));
  if (server && verb) void act(server.name, verb);
};

/** The row that was left gets the focus back. @param {string} name */
function focusRow(name) {
  if (document.activeElement && document.activeElement !== document.body) return;
  const rows = [...document.querySelectorAll('[data-server]')];
  const row = rows.find((one) => one instanceof HTMLElement && one.dataset.server === clean(name, 200));
  const link = row?.querySelector('.row-link');
  if (link instanceof HTMLElement) link.focus({ preventScroll: true });
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(ctx, route) {
    const address = new Address(route);
    const before = model.name;
    enter(ctx, address.name);
    if (address.name === null || address.tab !== 'log') follow(false);
    if (before !== null && address.name === null) requestAnimationFrame(() => requestAnimationFrame(() => focusRow(before)));
  },
  leave,
  event,
  hello: again,
  view(ctx, route) {
    const address = new Address(route);
    return html`<div class="mcp ${address.name === null ? '' : 'has-detail'}">
      ${tableView(ctx, address)} ${address.name === null ? nothing : detailView(ctx, address)}
    </div>`;
  },
  keys: [
    { key: '/', label: 'Filter servers', run: toFilter },
    { key: 's', label: 'Start or stop the open server', run: () => actOnOpen(['start', 'stop']) },
    { key: 'r', label: 'Restart the open server', run: () => actOnOpen(['restart', 'start']) },
    { key: 'd', label: 'Ask the open server for its tools again', run: () => actOnOpen(['discover']) },
    {
      key: 'Escape',
      label: 'Close the server',
      run: (ctx) => {
        if (model.name !== null) ctx.navigate(new Address(ctx.route()).closeHref.slice(1));
      },
    },
  ],
  commands: () =>
    [...model.servers.values()].flatMap((server) => [
      { label: `Open server ${clean(server.name, 80)}`, run: (/** @type {Ctx} */ ctx) => ctx.navigate(`/mcp/${encodeURIComponent(server.name)}`) },
      ...actionsOf(server.state).map((verb) => ({
        label: `${ACTIONS[verb].label} server ${clean(server.name, 80)}`,
        run: () => void act(server.name, verb),
      })),
    ]),
};

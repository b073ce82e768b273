// @ts-check
// The screen of the daemon itself: is it well, how full are its queues, what is configured and who said so.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { icon } from '../../icons.js';
import { toFilter } from '../../views/parts.js';
import { configView } from './config.js';
import { Address } from './data.js';
import { again, enter, event, leave, model } from './model.js';
import { hint, statusView } from './status.js';

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter: (ctx) => enter(ctx),
  leave,
  event,
  hello: again,
  view(ctx, route) {
    const { system, failed } = model;
    return html`<section class="system" aria-label="System">
      ${failed === null
        ? nothing
        : html`<div class="banner tone-red" role="alert">${icon('error')}<span>${system === null ? '' : 'Shown is what it said before. '}${failed.error} ${hint(failed.hint)}</span></div>`}
      ${system === null ? (failed === null ? html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>` : nothing) : statusView(system, ctx.now())}
      ${configView(ctx, new Address(route))}
    </section>`;
  },
  keys: [{ key: '/', label: 'Search the configuration', run: toFilter }],
};

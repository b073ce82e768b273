// @ts-check
// The navigation: a rail at the side, a bar at the foot on a phone, where what has no room is behind "More".

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { icon } from '../icons.js';
import { screens } from '../screens.js';
import { mark } from './header.js';

/** @typedef {import('../screen.js').Ctx} Ctx */
/** @typedef {import('../screen.js').Head} Head */

/** Screens that have a place in the bar of a phone. */
const IN_BAR = 4;

/** @param {Head} screen */
export const hrefOf = (screen) => (screen === screens[0] ? '#/' : `#/${screen.name}`);

/** @param {Ctx} ctx @param {Head} shown */
export function navView(ctx, shown) {
  const more = screens.length > IN_BAR + 1;
  const hidden = screens.slice(IN_BAR).includes(shown);
  return html`<nav class="rail" aria-label="Screens">
    <a class="brand rail-brand" href="#/" aria-label="llmctl, all operations">${mark()}<span class="rail-text">llmctl</span></a>
    <ul class="rail-list">
      ${screens.map((screen, i) => html`<li class=${more && i >= IN_BAR ? 'is-spare' : ''}>${item(ctx, screen, shown)}</li>`)}
      ${more
        ? html`<li class="rail-more">
            <button class="rail-item ${hidden ? 'is-shown' : ''}" type="button" popovertarget="more-screens">${icon('more')}<span class="rail-text">More</span></button>
          </li>`
        : nothing}
    </ul>
    ${more
      ? html`<div class="menu" id="more-screens" popover @click=${close}>
          <ul>${screens.slice(IN_BAR).map((screen) => html`<li>${item(ctx, screen, shown)}</li>`)}</ul>
        </div>`
      : nothing}
  </nav>`;
}

/** @param {Event} event */
function close(event) {
  if (event.currentTarget instanceof HTMLElement) event.currentTarget.hidePopover();
}

/** @param {Ctx} ctx @param {Head} screen @param {Head} shown */
function item(ctx, screen, shown) {
  const badge = screen.badge?.(ctx) ?? null;
  const here = screen === shown;
  return html`<a
    class="rail-item ${here ? 'is-shown' : ''}"
    .href=${hrefOf(screen)}
    aria-current=${here ? 'page' : 'false'}
    .title=${`${screen.title} (g ${screen.key})`}
  >
    ${icon(screen.icon)}<span class="rail-text">${screen.title}</span>${badge === null
      ? nothing
      : html`<span class="rail-badge tone-${badge.tone}"><span aria-hidden="true">${badge.text}</span><span class="visually-hidden">, ${badge.label}</span></span>`}
  </a>`;
}

// @ts-check
// The head of the page: where one is, the connection, and what acts on everything.

import { html } from '../../vendor/lit-html/lit-html.js';
import { clock } from '../format.js';
import { icon } from '../icons.js';
import { sums } from '../sums.js';
import { chooseTheme, theme } from './theme.js';

/** @typedef {{palette: () => void, notifier: import('./notifier.js').Notifier}} Tools */

/** @param {import('../screen.js').Ctx} ctx @param {import('../screen.js').Head} screen @param {Tools} tools */
export function headerView(ctx, screen, tools) {
  const { notifier } = tools;
  const sum = sums(ctx.store.model.data);
  const any = sum.running + sum.waiting > 0;
  return html`<header class="top">
    <a class="brand top-brand" href="#/" aria-label="llmctl, all operations">${mark()}</a>
    <h1 class="top-title">${screen.title}</h1>
    <div class="top-end">
      ${connection(ctx)}
      <button class="icon-button" type="button" data-control="palette" title="Commands (Ctrl+K)" aria-label="Commands" @click=${tools.palette}>${icon('search')}</button>
      <button
        class="icon-button top-bell ${notifier.on ? 'is-on' : ''}"
        type="button"
        aria-pressed=${notifier.on ? 'true' : 'false'}
        .title=${notifier.on ? 'Notifications are on, while the page is hidden' : 'Notify me of what ends or fails while the page is hidden'}
        aria-label="Notifications"
        @click=${() => void notifier.toggle().then(ctx.schedule)}
      >
        ${icon('bell')}
      </button>
      <button class="icon-button" type="button" title="Light, dark or as the system" aria-label="Change colour scheme" @click=${() => nextTheme(ctx)}>
        ${icon('theme')}
      </button>
      <button class="button stop stop-all" type="button" title="Stop all operations" ?disabled=${!any} @click=${() => void ctx.verbs.stopAll()}>
        ${icon('stop')}<span>Stop all</span>
      </button>
    </div>
  </header>`;
}

/** @param {import('../screen.js').Ctx} ctx */
export function nextTheme(ctx) {
  chooseTheme(theme() === '' ? 'dark' : theme() === 'dark' ? 'light' : '');
  ctx.schedule();
}

export const mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="8" />
  <path d="M8 10.5 13.5 16 8 21.5M17 22h7" />
  <circle cx="21.5" cy="12" r="3" />
</svg>`;

/** @param {import('../screen.js').Ctx} ctx */
function connection(ctx) {
  const { link } = ctx.store.model;
  if (link.phase === 'live') {
    const way = link.transport === 'socket' ? 'over a WebSocket' : 'over server-sent events, since no WebSocket can be opened';
    return html`<span class="connection is-live" .title=${`Daemon ${link.version}, ${way}`}><i class="dot"></i>Live</span>`;
  }
  if (link.lastHeardMs === 0) {
    return html`<span class="connection is-waiting"><i class="dot"></i>Connecting</span>`;
  }
  const age = clock(Date.now() - link.lastHeardMs);
  // What is being tried has no time; a second that has begun is told as a whole one.
  const wait = link.retryAtMs === 0 ? null : clock(Math.max(0, link.retryAtMs - Date.now()) + 999);
  return html`<span class="connection is-offline" title="Shown is the last known state">
    ${icon('offline')}<span>Offline<span class="connection-age"> · as of ${age} ago</span><span class="connection-wait"> · <span class="connection-again">${wait === null ? '' : 'again in '}</span>${wait ?? 'trying'}</span></span>
    <button class="connection-now" type="button" aria-disabled=${wait === null ? 'true' : 'false'} @click=${() => ctx.link.now()}>Now</button>
  </span>`;
}

// @ts-check
// The frame of the page: navigation, head, the screen, notices, dialogs, and the messages that replace it all.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { icon } from '../icons.js';
import { headerView } from './header.js';
import { navView } from './nav.js';

/** @typedef {import('../store.js').Store} Store */
/** @typedef {import('../screen.js').Ctx} Ctx */
/** @typedef {import('../screen.js').Head} Head */

/** @param {Ctx} ctx @param {Head} head @param {import('../screen.js').Screen|null} body null while it is on its way @param {unknown} dialogs @param {import('./header.js').Tools} tools */
export function frameView(ctx, head, body, dialogs, tools) {
  const { model } = ctx.store;
  if (model.session.kind === 'none' || model.session.kind === 'refused') return messageView(model.session);
  if (model.session.kind === 'starting' && model.link.phase === 'connecting') return html`<main class="message" aria-busy="true"></main>`;
  const stale = model.link.phase !== 'live' && model.link.lastHeardMs > 0;
  return html`<div class="page ${stale ? 'is-stale' : ''}">
    <a class="skip" href="#main" @click=${skip}>Skip to the content</a>
    ${navView(ctx, head)}
    ${headerView(ctx, head, tools)}
    <main class="main" id="main" tabindex="-1" aria-busy=${body === null ? 'true' : 'false'}>${body === null ? nothing : body.view(ctx, ctx.route())}</main>
    ${notices(ctx.store)} ${dialogs}
  </div>`;
}

/** The address belongs to the screens; the jump leaves it alone. @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** @param {import('../store.js').Session} session */
function messageView(session) {
  const none = session.kind === 'none';
  return html`<main class="message">
    <div class="message-card">
      <div class="empty-mark">${icon(none ? 'terminal' : 'offline')}</div>
      <h1>${none ? 'This browser has no session' : 'The daemon refused the connection'}</h1>
      ${session.message ? html`<p>${session.message}</p>` : nothing}
      <p>${none ? 'Open the dashboard from a terminal; it signs this browser in.' : 'Open the dashboard again from a terminal.'}</p>
      <pre class="command"><code>llmctl dashboard open</code></pre>
    </div>
  </main>`;
}

/** @param {Store} store */
function notices(store) {
  /** @typedef {import('../store.js').Notice} Notice */
  return html`<div class="notices" role="alert">
    ${repeat(
      store.model.notices,
      (/** @type {Notice} */ n) => n.id,
      (/** @type {Notice} */ n) => html`<div class="notice is-${n.tone === 'error' ? 'error' : 'info'}">
        ${icon(n.tone === 'error' ? 'error' : 'check')}
        <div><p>${n.text}</p>${n.hint ? html`<p class="notice-hint"><code>${n.hint}</code></p>` : nothing}</div>
        <button class="icon-button" type="button" aria-label="Dismiss" @click=${() => store.dismiss(n.id)}>${icon('close')}</button>
      </div>`,
    )}
  </div>`;
}

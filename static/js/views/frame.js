// @ts-check
// The whole page: head, list, detail, notices, the question before everything is stopped, full-page messages.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { ref } from '../../vendor/lit-html/directives/ref.js';
import { repeat } from '../../vendor/lit-html/directives/repeat.js';
import { counted } from '../format.js';
import { icon } from '../icons.js';
import { detailView } from './detail.js';
import { headerView, sums } from './header.js';
import { listView } from './list.js';

/** @typedef {import('../store.js').Store} Store */
/** @typedef {import('../main.js').Actions} Actions */

/** @param {Store} store @param {Actions} actions */
export function frameView(store, actions) {
  const { model } = store;
  if (model.session.kind === 'none' || model.session.kind === 'refused') return messageView(model.session);
  if (model.session.kind === 'starting' && model.link.phase === 'connecting') return html`<main class="message" aria-busy="true"></main>`;
  const stale = model.link.phase !== 'live' && model.link.lastHeardMs > 0;
  return html`<div class="page ${model.selected === null ? '' : 'has-detail'} ${stale ? 'is-stale' : ''}">
    ${headerView(store, actions)}
    <main class="main">
      <h1 class="visually-hidden">Operations</h1>
      ${listView(store, actions)} ${detailView(store, actions)}
    </main>
    ${notices(store)} ${stopAllDialog(store, actions)}
  </div>`;
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

/** @param {Store} store @param {Actions} actions */
function stopAllDialog(store, actions) {
  const open = store.model.confirmStopAll;
  const { running, waiting } = sums(store.model.data);
  return html`<dialog
    class="dialog"
    aria-labelledby="stop-all-title"
    @close=${() => actions.askStopAll(false)}
    ${ref((/** @type {HTMLDialogElement|undefined} */ element) => show(element, open))}
  >
    <h2 id="stop-all-title">Stop ${counted(running + waiting, 'operation')}?</h2>
    <p>Each tool is interrupted first and ended if it does not react. Partial results are kept.</p>
    <div class="dialog-buttons">
      <button class="button" type="button" @click=${() => actions.askStopAll(false)}>Cancel</button>
      <button class="button danger" type="button" @click=${actions.stopAll}>${icon('stop')}<span>Stop all</span></button>
    </div>
  </dialog>`;
}

/** @param {HTMLDialogElement|undefined} dialog @param {boolean} open */
function show(dialog, open) {
  if (!dialog || dialog.open === open) return;
  if (!open) dialog.close();
  // The element has to be in the document first.
  else queueMicrotask(() => dialog.isConnected && !dialog.open && dialog.showModal());
}

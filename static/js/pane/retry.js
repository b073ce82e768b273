// @ts-check
// Runs an ended operation's request again, as a new operation: with its own prompt where that is in a file, else with
// one that is typed, because prompts are not kept.

import { html } from '../../vendor/lit-html/lit-html.js';
import { clean } from '../format.js';
import { icon } from '../icons.js';
import { drop } from '../views/drop.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {import('../screen.js').Ctx} Ctx */

/** What a body may hold, less the rest of a request; the daemon says no beyond 64 KiB. */
const LONGEST = 60_000;

/** @param {Ctx} ctx @param {Operation} op @param {string|undefined} pending */
export function retryView(ctx, op, pending) {
  const waits = pending === 'retry';
  const file = op.prompt?.file ?? null;
  const panel = html`<form class="drop-form" @submit=${(/** @type {SubmitEvent} */ event) => void send(ctx, op, event)}>
    <label for="retry-model">Model <span class="muted">empty for the same choice as before</span></label>
    <input id="retry-model" name="model" autocomplete="off" spellcheck="false" maxlength="200" .placeholder=${clean(op.model ?? 'auto', 100)} />
    ${file === null
      ? html`<label for="retry-prompt">Prompt <span class="muted">it did not come from a file, and prompts are not kept</span></label>
          <textarea id="retry-prompt" name="prompt" rows="5" required maxlength=${LONGEST}></textarea>`
      : html`<p class="muted">With the prompt in <bdi class="mono">${clean(file, 200)}</bdi>, if it is as it was.</p>`}
    <div class="drop-row"><button class="button" type="submit" ?disabled=${waits}>${waits ? 'Starting…' : 'Run again'}</button></div>
  </form>`;
  return drop('retry', html`${icon('retrying')}<span class="button-text">Retry</span>`, 'Retry, as a new operation', panel, 'op-retry');
}

/** @param {Ctx} ctx @param {Operation} op @param {SubmitEvent} event */
async function send(ctx, op, event) {
  event.preventDefault();
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  const given = new FormData(form);
  const text = (/** @type {string} */ name) => {
    const value = String(given.get(name) ?? '');
    return value.trim() === '' ? undefined : value;
  };
  const id = await ctx.verbs.retry(op.operation_id, { model: text('model')?.trim(), prompt: text('prompt') });
  if (id === null) return;
  const details = form.closest('details');
  if (details) details.open = false;
  ctx.navigate(`/operations/${id}`);
}

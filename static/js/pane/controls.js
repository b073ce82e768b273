// @ts-check
// What may be done to one operation beyond stop and pause: its limit, its place in the queue, what is kept, commands.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { GIVEN, partialPath } from '../api/operations.js';
import { bytes, clean, cost } from '../format.js';
import { icon } from '../icons.js';
import { isFinal } from '../state.js';
import { drop } from '../views/drop.js';
import { dollars, typed } from './limit.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {import('../screen.js').Ctx} Ctx */

/** @param {Ctx} ctx @param {Operation} op @param {string|undefined} pending */
export function controlsView(ctx, op, pending) {
  const panel = html`${isFinal(op.state) ? nothing : limitForm(ctx, op, pending)} ${op.queue ? queueForm(ctx, op, pending) : nothing}
    ${filesView(op)}
    <ul class="drop-list" aria-label="Commands to copy">
      ${commandsOf(op).map(([text, what]) => html`<li>
        <button class="drop-item" type="button" data-closes @click=${() => void ctx.copy(text, what)}>
          ${icon('copy')}<span>Copy ${what}</span><code>${clean(text, 80)}</code>
        </button>
      </li>`)}
    </ul>`;
  return drop('more', html`${icon('more')}<span class="button-text">More</span>`, 'More actions', panel, 'op-more');
}

/** @param {Operation} op @returns {[string, string][]} */
export function commandsOf(op) {
  const id = op.operation_id;
  /** @type {[string, string][]} */
  const commands = isFinal(op.state)
    ? [[`llmctl retry ${id}`, 'the retry command']]
    : [[`llmctl attach ${id}`, 'the attach command']];
  if (op.resume_command) commands.push([op.resume_command, 'the resume command']);
  commands.push([`llmctl show ${id}`, 'the show command']);
  return commands;
}

/** @param {Ctx} ctx @param {Operation} op @param {string|undefined} pending */
function limitForm(ctx, op, pending) {
  const waits = pending === 'budget';
  const limit = op.max_cost_nano_usd;
  return html`<form
    class="drop-form"
    @submit=${(/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const field = event.target instanceof HTMLFormElement ? event.target.elements.namedItem('limit') : null;
      const nano = field instanceof HTMLInputElement ? dollars(field.value) : null;
      if (nano === null) ctx.notify('A limit is an amount such as 2.50, and more than zero');
      else void ctx.verbs.setBudget(op.operation_id, nano);
    }}
  >
    <label for="limit-field">Cost limit <span class="muted">now ${limit === null ? 'none' : cost(limit)}</span></label>
    <div class="drop-row">
      <span class="money-field"><span aria-hidden="true">$</span><input id="limit-field" name="limit" inputmode="decimal" autocomplete="off" placeholder="2.50" .defaultValue=${typed(limit)} /></span>
      <button class="button" type="submit" ?disabled=${waits}>${waits ? 'Setting…' : 'Set'}</button>
      ${limit === null ? nothing : html`<button class="button quiet" type="button" ?disabled=${waits} @click=${() => void ctx.verbs.setBudget(op.operation_id, null)}>No limit</button>`}
    </div>
  </form>`;
}

/** @param {Ctx} ctx @param {Operation} op @param {string|undefined} pending */
function queueForm(ctx, op, pending) {
  const waits = pending === 'queue';
  const place = op.queue;
  if (place === null) return nothing;
  return html`<form
    class="drop-form"
    @submit=${(/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const field = event.target instanceof HTMLFormElement ? event.target.elements.namedItem('priority') : null;
      const priority = field instanceof HTMLInputElement ? Number(field.value) : NaN;
      if (!Number.isInteger(priority) || Math.abs(priority) > 100) ctx.notify('A priority is a whole number from -100 to 100');
      else void ctx.verbs.changeQueue(op.operation_id, { priority });
    }}
  >
    <label for="priority-field">Priority in the queue <span class="muted">place ${place.position}</span></label>
    <div class="drop-row">
      <input id="priority-field" name="priority" type="number" min="-100" max="100" step="1" required .defaultValue=${String(place.priority)} />
      <button class="button" type="submit" ?disabled=${waits}>${waits ? 'Setting…' : 'Set'}</button>
      <button class="button quiet" type="button" ?disabled=${waits} @click=${() => void ctx.verbs.changeQueue(op.operation_id, { held: !place.held })}>
        ${icon(place.held ? 'play' : 'pause')}<span>${place.held ? 'Release' : 'Hold'}</span>
      </button>
    </div>
  </form>`;
}

/** What is kept, where the daemon gives it. @param {Operation} op */
function filesView(op) {
  const files = (op.partial?.files ?? []).filter((file) => GIVEN.has(file.name));
  if (files.length === 0) return nothing;
  return html`<ul class="drop-list" aria-label="Kept files">
    ${files.map((file) => html`<li>
      <a class="drop-item" data-closes .href=${partialPath(op.operation_id, file.name)} download>${icon('down')}<span>${clean(file.name, 80)}</span><span class="muted num">${bytes(file.bytes)}</span></a>
    </li>`)}
  </ul>`;
}

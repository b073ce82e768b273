// @ts-check
// One card of the board, and one file that cannot be read. All are of the same height, so that lists can leave out
// what is not in sight.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean, cost, counted, dateTime } from '../../format.js';
import { icon } from '../../icons.js';
import { operationHref } from '../../views/parts.js';
import { stateLook } from './columns.js';
import { model } from './model.js';
import { VERBS } from './verbs.js';

/** Height of a card with its gap, and of a heading, in pixels; `tasks.css` has the same. */
export const CARD = 104;
export const HEAD = 30;

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./fold.js').Card} Card */

/** @type {Record<number, {label: string, tone: string}>} */
const RANKS = { 4: { label: 'Critical', tone: 'red' }, 3: { label: 'High', tone: 'orange' }, 1: { label: 'Low', tone: 'slate' } };

/** How long ago, in its largest unit. @param {string|null} iso @param {number} now */
export function age(iso, now) {
  const at = iso === null ? NaN : Date.parse(iso);
  if (Number.isNaN(at)) return null;
  const minutes = Math.max(0, Math.floor((now - at) / 60_000));
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes}m`;
  return minutes < 1_440 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1_440)}d`;
}

/** @param {Card} card */
export function priorityTag(card) {
  const rank = RANKS[card.priority_rank];
  // What is usual is not said.
  return rank === undefined ? nothing : html`<span class="tag tone-${rank.tone}">${rank.label}</span>`;
}

/** What is special about a card. @param {Card} card */
export function badges(card) {
  const parts = [];
  if (card.state === 'blocked') parts.push(html`<span class="tag tone-amber" .title=${clean(card.blocked_reason ?? '', 300)}>Blocked</span>`);
  if (card.stalled) parts.push(html`<span class="tag tone-rose" title="In progress, and nothing has happened for long">Stalled</span>`);
  if (card.drift) parts.push(html`<span class="tag tone-violet" .title=${`Its status says ${clean(card.status ?? 'nothing', 60)}, its directory says ${clean(card.lane, 20)}`}>Drift</span>`);
  if (card.problems.length > 0) parts.push(html`<span class="tag tone-amber" .title=${card.problems.map((one) => clean(one, 60)).join(', ')}>${counted(card.problems.length, 'problem')}</span>`);
  if (card.dangling > 0) parts.push(html`<span class="tag tone-slate" title="Dependencies that no task of the board has as its id">${counted(card.dangling, 'unknown dep')}</span>`);
  return parts;
}

/** @param {Ctx} ctx @param {Address} address @param {string} key @param {Card} card */
export function cardView(ctx, address, key, card) {
  const now = ctx.now();
  const pending = model.pending.get(key);
  const failed = model.outcomes.has(key);
  const open = model.open?.id === card.id && (model.open.project === '' || model.open.project === card.project);
  return html`<li
    class="card ${open ? 'is-open' : ''} ${model.selected === key ? 'is-selected' : ''} ${model.dragged === key ? 'is-dragged' : ''} ${failed ? 'is-failed' : ''}"
    draggable="true"
    @dragstart=${(/** @type {DragEvent} */ event) => dragged(event, ctx, key)}
    @dragend=${() => dragged(null, ctx, null)}
    @click=${(/** @type {MouseEvent} */ event) => event.target instanceof Element && !event.target.closest('a, button') && ctx.navigate(address.path(card.id, card.project))}
  >
    <a class="card-link" draggable="false" data-card=${key} .href=${address.href(card.id, card.project)} @focus=${() => focused(ctx, key)}
      ><bdi>${clean(card.title || card.id, 160)}</bdi></a
    >
    <p class="card-about">
      ${card.agent === null || address.by === 'agent' ? nothing : html`<bdi>${clean(card.agent, 60)}</bdi>`}
      ${card.dependencies_total > 0
        ? html`<span class="num" .title=${counted(card.dependencies_total, 'dependency', 'dependencies')}>${counted(card.dependencies_total, 'dep')}</span>`
        : nothing}
      <span class="num" .title=${`Changed ${dateTime(card.modified)}`}>${age(card.modified, now) ?? ''}</span>
      ${card.cost_nano_usd === null ? nothing : html`<span class="num">${cost(card.cost_nano_usd)}</span>`}
    </p>
    <p class="card-badges">
      ${pending === undefined ? nothing : html`<span class="tag tone-blue" role="status">${VERBS[pending]?.label ?? pending}…</span>`}
      ${failed ? html`<span class="tag tone-red">Not done</span>` : nothing}
      ${card.running.slice(0, 2).map((id) => html`<a class="tag tone-blue card-run" draggable="false" .href=${operationHref(id)}>${icon('running')}Running</a>`)}
      ${priorityTag(card)} ${badges(card)} ${card.tags.slice(0, 2).map((tag) => html`<span class="tag tone-slate"><bdi>${clean(tag, 24)}</bdi></span>`)}
    </p>
  </li>`;
}

/** @param {DragEvent|null} event @param {Ctx} ctx @param {string|null} key */
function dragged(event, ctx, key) {
  model.dragged = key;
  if (event?.dataTransfer && key !== null) {
    event.dataTransfer.effectAllowed = 'move';
    // Some browsers drag nothing that has no data.
    event.dataTransfer.setData('text/plain', model.board.cards.get(key)?.id ?? '');
  }
  ctx.schedule();
}

/** @param {Ctx} ctx @param {string} key */
function focused(ctx, key) {
  if (model.selected === key) return;
  model.selected = key;
  ctx.schedule();
}

/** @param {Address} address @param {string} key @param {import('./fold.js').Invalid} file */
export function invalidView(address, key, file) {
  const where = file.line === null ? '' : `line ${file.line}${file.column === null ? '' : `, column ${file.column}`}`;
  return html`<li class="card is-invalid ${model.selected === key ? 'is-selected' : ''}">
    <a class="card-link" data-card=${key} .href=${address.href(file.id, file.project)}><bdi>${clean(file.title ?? file.id, 160)}</bdi></a>
    <p class="card-about"><span class="num tone-red tone-text">${where}</span><bdi .title=${clean(file.path, 400)}>${clean(file.path.split('/').pop() ?? '', 80)}</bdi></p>
    <p class="card-wrong tone-red" .title=${clean(file.message, 500)}><bdi>${clean(file.message, 200)}</bdi></p>
  </li>`;
}

/** @param {string} state */
export function statePill(state) {
  const look = stateLook(state);
  return html`<span class="pill tone-${look.tone}">${icon(look.icon)}<span>${clean(look.label, 40)}</span></span>`;
}

// @ts-check
// The columns: virtualised, with cards that can be dragged, and reached by keys. Only what is in sight is drawn.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { clean, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { Sight, inSight, spaced } from '../../views/sight.js';
import { begin } from './ask.js';
import { CARD, HEAD, cardView, invalidView } from './card.js';
import { columns, move } from './columns.js';
import { model } from './model.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./columns.js').Column} Column */
/** @typedef {import('./columns.js').Item} Item */

/** Where each column is scrolled to. @type {Map<string, Sight>} */
const places = new Map();
/** @type {{revision: number, wanted: string, columns: Column[]}} */
let arranged = { revision: -1, wanted: '', columns: [] };
/** A card to be brought into sight and focused once it is drawn. @type {string|null} */
let wantedFocus = null;

/** The columns of an address; the same objects until the board or the address changes. @param {Address} address */
export function columnsOf(address) {
  const wanted = JSON.stringify([address.by, address.text, address.agent, address.project, address.priority, address.mark]);
  if (arranged.revision !== model.revision || arranged.wanted !== wanted) arranged = { revision: model.revision, wanted, columns: columns(model.board, address) };
  return arranged.columns;
}

/** @param {Item} item */
const heightOf = (item) => (item.kind === 'head' ? HEAD : CARD);

/** @param {Ctx} ctx @param {Address} address */
export function kanbanView(ctx, address) {
  const all = columnsOf(address);
  if (wantedFocus !== null) requestAnimationFrame(focusWanted);
  return html`<div class="kanban ${address.by === 'agent' ? 'by-agent' : ''}" @keydown=${(/** @type {KeyboardEvent} */ event) => keys(event, ctx, address)}>
    ${repeat(
      all,
      (/** @type {Column} */ column) => column.key,
      (/** @type {Column} */ column) => columnView(ctx, address, column),
    )}
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Column} column */
function columnView(ctx, address, column) {
  const place = places.get(column.key) ?? new Sight();
  places.set(column.key, place);
  const { drawn, before, after } = inSight(column.items, heightOf, place);
  const dragged = model.dragged === null ? undefined : model.board.cards.get(model.dragged);
  const takes = dragged !== undefined && move(dragged, column.key) !== null;
  return html`<section class="kan-column ${takes ? 'takes' : ''}" aria-label=${`${clean(column.label, 100)}, ${column.count}`}>
    <h2 class="kan-title"><bdi>${clean(column.label, 100)}</bdi><span class="count">${whole(column.count)}</span></h2>
    <div
      class="kan-scroll"
      tabindex="-1"
      data-column=${column.key}
      @scroll=${(/** @type {any} */ event) => place.scrolled(event.currentTarget, ctx.schedule)}
      @dragover=${(/** @type {DragEvent} */ event) => takes && event.preventDefault()}
      @drop=${(/** @type {DragEvent} */ event) => dropped(event, ctx, column.key)}
      ${place.measured(ctx.schedule)}
    >
      ${column.items.length === 0 ? html`<p class="kan-none">${takes ? 'Drop it here' : 'Nothing here'}</p>` : nothing}
      <ul class="kan-list" aria-label=${clean(column.label, 100)} ${spaced(before, after)}>
        ${repeat(
          drawn,
          (/** @type {Item} */ item) => (item.kind === 'head' ? `head:${item.label}` : item.key),
          (/** @type {Item} */ item) =>
            item.kind === 'head'
              ? html`<li class="kan-head tone-${item.tone}"><span class="tone-text">${item.label}</span><span class="count">${whole(item.count)}</span></li>`
              : item.kind === 'invalid'
                ? invalidView(address, item.key, item.file)
                : cardView(ctx, address, item.key, item.card),
        )}
      </ul>
    </div>
  </section>`;
}

/** @param {DragEvent} event @param {Ctx} ctx @param {string} to */
function dropped(event, ctx, to) {
  const key = model.dragged;
  model.dragged = null;
  if (key === null) return;
  event.preventDefault();
  moveTo(ctx, key, to);
  ctx.schedule();
}

/** Moves a card to another column, asking what the file has to say. @param {Ctx} ctx @param {string} key @param {string} to */
export function moveTo(ctx, key, to) {
  const card = model.board.cards.get(key);
  const means = card && move(card, to);
  if (!card || !means) {
    ctx.notify('It cannot go there', '');
    return;
  }
  begin(ctx, key, means.verb, {
    ...(means.agent === undefined ? {} : { agent: means.agent }),
    ...(means.toInbox === true ? { to_inbox: true } : {}),
  });
}

/** The next column a card may go to. @param {Address} address @param {string} key @param {number} by 1 or -1 */
export function neighbour(address, key, by) {
  const all = columnsOf(address);
  const at = all.findIndex((column) => column.items.some((item) => item.kind === 'card' && item.key === key));
  return at < 0 ? null : (all[at + by]?.key ?? null);
}

/** Selects a card and brings it into sight. @param {Ctx} ctx @param {Address} address @param {string} key */
export function select(ctx, address, key) {
  model.selected = key;
  wantedFocus = key;
  for (const column of columnsOf(address)) {
    let y = 0;
    for (const item of column.items) {
      if (item.kind !== 'head' && item.key === key) {
        const element = [...document.querySelectorAll('.kan-scroll')].find((one) => one instanceof HTMLElement && one.dataset.column === column.key);
        if (element && (y < element.scrollTop || y + CARD > element.scrollTop + element.clientHeight)) {
          element.scrollTop = Math.max(0, y - element.clientHeight / 2);
          const place = places.get(column.key);
          if (place) place.top = element.scrollTop;
        }
      }
      y += heightOf(item);
    }
  }
  ctx.schedule();
}

function focusWanted() {
  const key = wantedFocus;
  const link = [...document.querySelectorAll('.card-link')].find((one) => one instanceof HTMLElement && one.dataset.card === key);
  if (!(link instanceof HTMLElement)) return;
  wantedFocus = null;
  link.focus({ preventScroll: true });
  link.closest('.kan-column')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

/** Goes from card to card. @param {Ctx} ctx @param {Address} address @param {'up'|'down'|'left'|'right'} way */
export function step(ctx, address, way) {
  const lists = columnsOf(address).map((column) => column.items.flatMap((item) => (item.kind === 'head' ? [] : [item.key])));
  const filled = lists.filter((list) => list.length > 0);
  if (filled.length === 0) return;
  const at = filled.findIndex((list) => model.selected !== null && list.includes(model.selected));
  if (at < 0) return select(ctx, address, filled[0][0]);
  const row = filled[at].indexOf(String(model.selected));
  if (way === 'up' || way === 'down') {
    const next = filled[at][row + (way === 'down' ? 1 : -1)];
    if (next !== undefined) select(ctx, address, next);
    return;
  }
  const beside = filled[at + (way === 'right' ? 1 : -1)];
  if (beside) select(ctx, address, beside[Math.min(row, beside.length - 1)]);
}

/** @param {KeyboardEvent} event @param {Ctx} ctx @param {Address} address */
function keys(event, ctx, address) {
  /** @type {Record<string, 'up'|'down'|'left'|'right'>} */
  const ways = { ArrowUp: 'up', ArrowDown: 'down', ArrowLeft: 'left', ArrowRight: 'right' };
  const way = ways[event.key];
  if (way === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  step(ctx, address, way);
}

/** The board as long as nothing is on it. @param {Ctx} ctx @param {Address} address */
export function emptyView(ctx, address) {
  const { list, board } = model;
  if (list.status === 'failed') return nothing;
  if (list.status !== 'ready') return html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`;
  if (board.cards.size + board.invalid.size > 0) {
    return html`<div class="empty">
      <p class="empty-title">No task matches</p>
      <p><button class="button" type="button" @click=${() => address.all(ctx)}>Show all</button></p>
    </div>`;
  }
  return html`<div class="empty">
    <div class="empty-mark">${icon('tasks')}</div>
    <p class="empty-title">No tasks yet</p>
    <p>Tasks are YAML files in a project's <code>work/collaboration</code>. This makes the first one, and the board shows it:</p>
    <pre class="command"><code>llmctl task new "Write the release notes"</code></pre>
  </div>`;
}

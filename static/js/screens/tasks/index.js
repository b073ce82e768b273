// @ts-check
// The screen of tasks: the board by lane or by agent, and one task beside it.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { path } from '../../router.js';
import { filterField, toFilter } from '../../views/parts.js';
import { Address } from './address.js';
import { askView, begin, beginNew, isAsking } from './ask.js';
import { MARKS, PRIORITIES, names, verbsOf } from './columns.js';
import { columnsOf, emptyView, kanbanView, moveTo, neighbour, select, step } from './kanban.js';
import { act, again, enter, event, leave, model } from './model.js';
import { VERBS } from './verbs.js';

import { detailView } from './detail.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */

/** The card that keys act on: the open one, else the selected one. */
const current = () => {
  const key = model.selected;
  return key === null ? undefined : model.board.cards.get(key);
};

/** @param {Ctx} ctx @param {(key: string, card: import('./fold.js').Card) => void} run */
function onCurrent(ctx, run) {
  const card = current();
  if (card && model.selected !== null && !isAsking()) run(model.selected, card);
  else ctx.announce('No card is chosen');
}

/** @param {Ctx} ctx @param {string} verb */
const doVerb = (ctx, verb) => onCurrent(ctx, (key, card) => (verbsOf(card).includes(verb) ? begin(ctx, key, verb) : ctx.notify(`${VERBS[verb].label} makes no sense for this card`)));

/** @param {Ctx} ctx @param {number} by */
const moveBy = (ctx, by) =>
  onCurrent(ctx, (key) => {
    const to = neighbour(new Address(ctx.route()), key, by);
    if (to !== null) moveTo(ctx, key, to);
  });

/** @param {Ctx} ctx @param {number} by */
const rank = (ctx, by) =>
  onCurrent(ctx, (key, card) => {
    const ladder = ['low', 'normal', 'high', 'critical'];
    const at = { 1: 0, 2: 1, 3: 2, 4: 3 }[card.priority_rank] ?? 1;
    const next = ladder[at + by];
    if (next !== undefined) void act(key, 'priority', { priority: next });
  });

/** @param {Ctx} ctx @param {'up'|'down'|'left'|'right'} way */
const go = (ctx, way) => step(ctx, new Address(ctx.route()), way);

/** @param {Ctx} ctx @param {Address} address */
function toolbar(ctx, address) {
  const option = (/** @type {string} */ value, /** @type {string} */ label, /** @type {string} */ chosen) => html`<option .value=${value} .selected=${value === chosen}>${clean(label, 80)}</option>`;
  const choice = (/** @type {string} */ name, /** @type {string} */ all, /** @type {string[]} */ list, /** @type {string} */ chosen) =>
    html`<select class="choice" aria-label=${all} @change=${(/** @type {any} */ e) => address.set(ctx, { [name]: e.target.value })}>
      ${option('', all, chosen)} ${[...new Set(chosen === '' ? list : [...list, chosen])].map((one) => option(one, one, chosen))}
    </select>`;
  const projects = names(model.board, (card) => card.project);
  const marks = Object.entries(MARKS).map(([mark, { label, has }]) => ({ mark, label, count: [...model.board.cards.values()].filter(has).length }));
  marks.push({ mark: 'invalid', label: 'Cannot be read', count: model.board.invalid.size });
  return html`<div class="toolbar">
    ${filterField(address.text, 'Filter tasks', 'Filter tasks', (q) => address.set(ctx, { q }))}
    <div class="groups" role="group" aria-label="Columns">
      <button type="button" class="group" aria-pressed=${address.by === 'lane' ? 'true' : 'false'} @click=${() => address.set(ctx, { by: null })}>By lane</button>
      <button type="button" class="group" aria-pressed=${address.by === 'agent' ? 'true' : 'false'} @click=${() => address.set(ctx, { by: 'agent' })}>By agent</button>
    </div>
    ${choice('agent', 'All agents', names(model.board, (card) => card.agent), address.agent)} ${choice('priority', 'All priorities', PRIORITIES, address.priority)}
    ${projects.length > 1 ? choice('only', 'All projects', projects, address.project) : nothing}
    <div class="groups" role="group" aria-label="Only these">
      ${marks
        .filter(({ mark, count }) => count > 0 || mark === address.mark)
        .map(
          ({ mark, label, count }) => html`<button type="button" class="group" aria-pressed=${address.mark === mark ? 'true' : 'false'} @click=${() => address.set(ctx, { mark: address.mark === mark ? null : mark })}>
            ${label}<span class="count">${whole(count)}</span>
          </button>`,
        )}
    </div>
    <button class="button primary new-task" type="button" data-control="new-task" @click=${() => beginNew(ctx)}>New task</button>
  </div>`;
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(ctx, route) {
    const address = new Address(route);
    const before = model.open;
    enter(ctx, address.id === null ? null : { id: address.id, project: address.of });
    // The card that was left gets the focus back.
    if (before !== null && address.id === null && model.selected !== null) select(ctx, address, model.selected);
  },
  leave,
  event,
  hello: again,
  view(ctx, route) {
    const address = new Address(route);
    const count = columnsOf(address).reduce((sum, column) => sum + column.count, 0);
    const { list } = model;
    return html`<div class="tasks ${address.id === null ? '' : 'has-detail'}">
      <section class="board" aria-label="Board">
        ${toolbar(ctx, address)}
        ${list.status === 'failed'
          ? html`<p class="banner tone-red" role="alert">
              ${icon('error')}<span>${model.board.cards.size > 0 ? 'Shown is what was known before. ' : ''}${list.error}${list.hint ? html` <code>${list.hint}</code>` : nothing}</span>
            </p>`
          : nothing}
        ${count > 0 ? kanbanView(ctx, address) : emptyView(ctx, address)}
      </section>
      ${address.id === null ? nothing : detailView(ctx, address)} ${askView()}
    </div>`;
  },
  keys: [
    { key: '/', label: 'Filter tasks', run: toFilter },
    { key: 'j', label: 'Next card', run: (ctx) => go(ctx, 'down') },
    { key: 'k', label: 'Previous card', run: (ctx) => go(ctx, 'up') },
    { key: 'h', label: 'Column to the left', run: (ctx) => go(ctx, 'left') },
    { key: 'l', label: 'Column to the right', run: (ctx) => go(ctx, 'right') },
    { key: '>', label: 'Move the card to the right', run: (ctx) => moveBy(ctx, 1) },
    { key: '<', label: 'Move the card to the left', run: (ctx) => moveBy(ctx, -1) },
    { key: '+', label: 'More urgent', run: (ctx) => rank(ctx, 1) },
    { key: '-', label: 'Less urgent', run: (ctx) => rank(ctx, -1) },
    { key: 'r', label: 'Run the card', run: (ctx) => doVerb(ctx, 'run') },
    { key: 'a', label: 'Assign the card', run: (ctx) => doVerb(ctx, 'assign') },
    { key: 'c', label: 'Complete the card', run: (ctx) => doVerb(ctx, 'complete') },
    { key: 'b', label: 'Block the card', run: (ctx) => doVerb(ctx, 'block') },
    { key: 'm', label: 'Note on the card', run: (ctx) => doVerb(ctx, 'note') },
    { key: 'n', label: 'New task', run: (ctx) => !isAsking() && beginNew(ctx) },
    {
      key: 'Escape',
      label: 'Close the task',
      run: (ctx) => {
        const address = new Address(ctx.route());
        if (address.id !== null && !isAsking()) ctx.navigate(address.closePath);
      },
    },
  ],
  commands(ctx) {
    const card = current();
    const key = model.selected;
    const own = card && key !== null ? verbsOf(card).map((verb) => ({ label: `${VERBS[verb].label}: ${clean(card.title, 60)}`, run: () => begin(ctx, key, verb) })) : [];
    return [
      { label: 'New task', run: () => beginNew(ctx) },
      ...own,
      ...[...model.board.cards.values()].slice(0, 2_000).map((one) => ({ label: `Open task ${clean(one.title, 80)}`, run: () => ctx.navigate(path(['tasks', one.id], { project: one.project })) })),
    ];
  },
};

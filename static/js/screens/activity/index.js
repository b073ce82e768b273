// @ts-check
// The screen of activity: every event as it happens, newest first, and back into what is stored.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { clean, counted, dateTime, moment, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { jsonText } from '../../plain.js';
import { copyButton, filterField, toFilter } from '../../views/parts.js';
import { Sight, spaced } from '../../views/sight.js';
import { Address } from './address.js';
import { KEPT, windowOf } from './log.js';
import { GROUPS, says, target, tone } from './look.js';
import { again, at, count, enter, event, fetchPast, hold, leave, model, settle, toggle } from './model.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./types.js').Entry} Entry */

/** Height of a row before one is measured, and of what an open one has beside it, in pixels, as in `activity.css`. */
const ROW = 34;
const OPEN = 320;

const place = new Sight();
/** The list that the place is in; another one is begun at its top. */
let placed = 0;

/** @param {Ctx} ctx @param {Address} address */
function toolbar(ctx, address) {
  const held = model.held !== null;
  return html`<div class="toolbar">
    ${filterField(address.text, 'Filter events', 'Filter events', (q) => address.set(ctx, { q }))}
    <div class="groups" role="group" aria-label="Kinds of events">
      ${GROUPS.map(
        ({ group, label }) => html`<button type="button" class="group" aria-pressed=${address.group === group ? 'true' : 'false'} @click=${() => address.set(ctx, { group: group === 'all' ? null : group })}>${label}</button>`,
      )}
    </div>
    ${address.operation === ''
      ? nothing
      : html`<button class="button quiet" type="button" @click=${() => address.set(ctx, { operation: null })}>${icon('close')}Only ${clean(address.operation, 40)}</button>`}
    <button class="button hold" type="button" data-control="hold" aria-pressed=${held ? 'true' : 'false'} @click=${hold}>
      ${icon(held ? 'play' : 'pause')}${held ? (model.waiting > 0 ? `Go on, ${whole(model.waiting)} waiting` : 'Go on') : 'Hold'}
    </button>
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address */
function listView(ctx, address) {
  const all = count();
  if (all === 0) {
    const text = { idle: 'Waiting for the daemon…', loading: 'Waiting for the daemon…', failed: model.error, ready: 'Nothing like this has happened', end: 'Nothing like this has happened' }[model.past];
    return html`<div class="empty">
      <div class="empty-mark">${icon('activity')}</div>
      <p class="empty-title">${text}</p>
      ${model.past === 'ready' ? html`<p><button class="button" type="button" @click=${() => void fetchPast()}>Look further back</button></p>` : nothing}
      ${model.past === 'failed' ? html`<p><button class="button" type="button" @click=${() => void fetchPast()}>Try again</button></p>` : nothing}
      ${model.past === 'end' && address.text === '' && address.group === 'all' ? html`<p>Every start, end, choice, cost and change of a task or server is told here as it happens.</p>` : nothing}
      <pre class="command"><code>llmctl events -f</code></pre>
    </div>`;
  }
  if (placed !== model.begun) {
    placed = model.begun;
    place.reset();
    // The scroll bar follows when the list is drawn.
    queueMicrotask(() => document.querySelector('.event-scroll')?.scrollTo(0, 0));
  }
  let open = -1;
  if (model.open !== null) {
    for (let n = 0; n < all; n += 1) {
      if (at(n)?.key !== model.open) continue;
      open = n;
      break;
    }
  }
  const shown = windowOf({ count: all, row: place.row || ROW, open, openHeight: OPEN, top: place.top, height: place.height });
  /** @type {Entry[]} */
  const entries = [];
  for (let n = shown.from; n < shown.to; n += 1) {
    const entry = at(n);
    if (entry) entries.push(entry);
  }
  if (shown.to >= all - 20 && model.past === 'ready' && !model.log.isFull) queueMicrotask(() => void fetchPast());
  const now = ctx.now();
  return html`<div class="event-scroll" tabindex="0" role="region" aria-label="Events" @scroll=${(/** @type {any} */ e) => place.scrolled(e.currentTarget, ctx.schedule)} ${place.measured(ctx.schedule, '.ev:not(.is-open)')}>
    <ol class="events" aria-label="Events, newest first" ${spaced(shown.before, shown.after)}>
      ${repeat(
        entries,
        (/** @type {import('./types.js').Entry} */ entry) => entry.key,
        (/** @type {import('./types.js').Entry} */ entry) => row(ctx, entry, now),
      )}
    </ol>
    <p class="list-end muted">${foot()}</p>
  </div>`;
}

function foot() {
  if (model.past === 'loading') return 'Looking further back…';
  if (model.past === 'failed') return html`${model.error} <button class="button" type="button" @click=${() => void fetchPast()}>Try again</button>`;
  if (model.log.isFull) return html`${whole(KEPT)} of the past are shown; <code>llmctl events --since 1h</code> has the rest`;
  return model.past === 'end' ? `${counted(count(), 'event')}: that is all that is stored` : '';
}

/** @param {Ctx} ctx @param {Entry} entry @param {number} now */
function row(ctx, entry, now) {
  const leads = target(entry.data);
  const open = model.open === entry.key;
  return html`<li class="ev tone-${tone(entry.type, entry.data)} ${open ? 'is-open' : ''}">
    <div class="ev-line">
      <button class="ev-toggle" type="button" aria-expanded=${open ? 'true' : 'false'} .ariaLabel=${`${clean(entry.type, 60)}, the whole event`} @click=${() => toggle(entry.key)}>${icon('chevron')}</button>
      <time class="ev-time num muted" .title=${dateTime(entry.at)}>${moment(entry.at, now)}</time>
      <span class="ev-type tone-text">${clean(entry.type, 60)}</span>
      <span class="ev-text"><bdi>${clean(says(entry.type, entry.data), 400)}</bdi></span>
      ${leads === null ? nothing : html`<a class="ev-link mono" .href=${leads.href}><bdi>${clean(leads.text, 40)}</bdi></a>`}
    </div>
    ${open ? html`<div class="ev-more code-box">${copyButton(ctx, JSON.stringify(entry.data, null, 2) ?? '', 'the event')}<pre tabindex="0">${jsonText(entry.data, 40_000)}</pre></div>` : nothing}
  </li>`;
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter: (ctx, route) => enter(ctx, new Address(route)),
  leave() {
    place.reset();
    leave();
  },
  event,
  hello: () => void again(),
  view(ctx, route) {
    settle();
    const address = new Address(route);
    const { log } = model;
    return html`<section class="list activity" aria-label="Activity">
      ${toolbar(ctx, address)}
      ${log.outputs > 0 || log.dropped > 0
        ? html`<p class="activity-note muted">
            ${log.outputs > 0 ? `${whole(log.outputs)} pieces of output are not listed. ` : ''}${log.dropped > 0 ? `${whole(log.dropped)} older ones have left the list; they are stored.` : ''}
          </p>`
        : nothing}
      ${listView(ctx, address)}
    </section>`;
  },
  keys: [
    { key: '/', label: 'Filter events', run: toFilter },
    { key: 'p', label: 'Hold the list still, or go on', run: hold },
    { key: 'Escape', label: 'Close the event', run: () => model.open !== null && toggle(model.open) },
  ],
};

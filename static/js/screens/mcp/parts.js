// @ts-check
// Small pieces of the views of MCP servers: pills, ages, buttons of actions.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { clean, clock, dateTime } from '../../format.js';
import { icon } from '../../icons.js';
import { act, model } from './model.js';
import { ACTIONS, actionsOf, healthLook, isOpen, stateLook } from './states.js';

/** @typedef {import('./types.js').Server} Server */
/** @typedef {import('./model.js').Verb} Verb */

/** @param {string} state */
export function statePill(state) {
  const look = stateLook(state);
  return html`<span class="pill tone-${look.tone} state-${look.icon}">${icon(look.icon)}<span>${look.label}</span></span>`;
}

/** What health checks have shown; of one that does not run there is nothing to say. @param {Server} server */
export function healthWord({ health, state }) {
  const look = healthLook(health);
  if (!isOpen(state)) return html`<span class="muted">–</span>`;
  return html`<span class="health tone-${look.tone}"><i class="dot"></i>${look.label}</span>`;
}

/** How long ago, with the exact time for the pointer. @param {string|null} iso @param {number} now */
export function ago(iso, now) {
  const at = iso === null ? NaN : Date.parse(iso);
  if (Number.isNaN(at)) return html`<span class="muted">–</span>`;
  const age = now - at;
  return html`<time .dateTime=${String(iso)} .title=${dateTime(iso)}>${age < 1_500 ? 'now' : `${coarse(age)} ago`}</time>`;
}

/** A length of time in its largest unit or two, so that it seldom changes. @param {number} ms */
export function coarse(ms) {
  const text = clock(ms);
  return ms >= 60_000 && ms < 3_600_000 ? `${Math.floor(ms / 60_000)}m` : text;
}

/** How long it has been ready. @param {Server} server @param {number} now */
export const uptime = (server, now) => (server.readyAt === null ? null : coarse(Math.max(0, now - server.readyAt)));

/** When it is started again. @param {Server} server @param {number} now */
export function countdown(server, now) {
  const at = server.next_start_at === null ? NaN : Date.parse(server.next_start_at);
  if (server.state !== 'backing_off' || Number.isNaN(at)) return null;
  return at <= now ? 'starts again now' : `starts again in ${clock(at - now + 999)}`;
}

/** @param {Server} server @param {{text: boolean, verbs?: Verb[]}} look */
export function actionButtons(server, look) {
  const pending = model.pending.get(server.name);
  const verbs = actionsOf(server.state).filter((verb) => look.verbs === undefined || look.verbs.includes(verb));
  if (pending !== undefined && !verbs.includes(pending) && (look.verbs === undefined || look.verbs.includes(pending))) verbs.unshift(pending);
  if (verbs.length === 0) return nothing;
  return verbs.map((verb) => actionButton(server, verb, pending, look.text));
}

/** @param {Server} server @param {Verb} verb @param {Verb|undefined} pending @param {boolean} text */
function actionButton(server, verb, pending, text) {
  const { label, doing, icon: name } = ACTIONS[verb];
  const waits = pending === verb;
  return html`<button
    class="button ${verb === 'stop' ? 'stop' : ''} ${text ? '' : 'only-icon'}"
    type="button"
    data-control=${verb}
    .title=${waits ? doing : label}
    .ariaLabel=${`${waits ? doing : label} ${clean(server.name, 100)}`}
    aria-busy=${waits ? 'true' : 'false'}
    ?disabled=${pending !== undefined}
    @click=${(/** @type {Event} */ event) => {
      event.stopPropagation();
      void act(server.name, verb);
    }}
  >
    ${icon(waits ? 'starting' : name)}${text ? html`<span>${waits ? doing : label}</span>` : nothing}
  </button>`;
}

/** @param {string} text */
export const tail = (text) => html`<details class="tail" open>
  <summary>End of its error stream</summary>
  <pre class="tail-text" tabindex="0">${text}</pre>
</details>`;

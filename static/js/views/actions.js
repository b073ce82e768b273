// @ts-check
// The buttons that act on one operation: pause, resume, stop, force.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { icon } from '../icons.js';
import { canPause, canResume, canStop } from '../states.js';
import { clean } from '../format.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {{pending: string|undefined, asked: boolean}} Doing */

/** Stops a click from also opening the row. @param {() => void} act */
const only = (act) => (/** @type {Event} */ event) => {
  event.stopPropagation();
  act();
};

/**
 * @param {Operation} op
 * @param {Doing} doing
 * @param {import('../verbs.js').Verbs} verbs
 */
export function operationButtons(op, doing, verbs) {
  if (!canStop(op)) return nothing;
  const name = clean(`${op.model ?? op.tool ?? 'operation'} ${op.operation_id}`, 120);
  return html`${pauseButton(op, doing, name, verbs)}${stopButton(op, doing, name, verbs)}`;
}

/** @param {Operation} op @param {Doing} doing @param {string} name @param {import('../verbs.js').Verbs} verbs */
function pauseButton(op, doing, name, verbs) {
  if (!canPause(op) && !canResume(op)) return nothing;
  const verb = canPause(op) ? 'pause' : 'resume';
  const text = canPause(op) ? 'Pause' : 'Resume';
  return html`<button
    class="button quiet"
    type="button"
    data-control="pause"
    .title=${text}
    .ariaLabel=${`${text} ${name}`}
    ?disabled=${doing.pending !== undefined}
    @click=${only(() => verbs.change(op.operation_id, verb))}
  >
    ${icon(canPause(op) ? 'pause' : 'play')}<span class="button-text">${text}</span>
  </button>`;
}

/** @param {Operation} op @param {Doing} doing @param {string} name @param {import('../verbs.js').Verbs} verbs */
function stopButton(op, doing, name, verbs) {
  const force = op.state === 'stopping' || doing.asked;
  const waits = doing.pending === 'stop' || doing.pending === 'force';
  const text = waits ? (force ? 'Forcing…' : 'Stopping…') : force ? 'Force' : 'Stop';
  const title = force ? 'End the whole process tree now' : 'Stop; the partial result is kept';
  return html`<button
    class="button ${force ? 'danger' : 'stop'}"
    type="button"
    data-control="stop"
    .title=${title}
    .ariaLabel=${`${waits ? text : force ? 'Force stop' : 'Stop'} ${name}`}
    ?disabled=${waits}
    @click=${only(() => verbs.stop(op.operation_id, force))}
  >
    ${icon(force ? 'bolt' : 'stop')}<span class="button-text">${text}</span>
  </button>`;
}

// @ts-check
// Ends and restarts of one MCP server, newest first.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { brief, clean, duration, whole } from '../../format.js';
import { block, withoutSequences } from '../../plain.js';
import { fetchRestarts, model } from './model.js';
import { ago } from './parts.js';
import { causeText } from './states.js';

/** @typedef {import('./types.js').Restart} Restart */

/** @param {import('./types.js').Server} server @param {import('./types.js').Detail} detail @param {number} now */
export function historyTab(server, detail, now) {
  const rows = model.restarts ?? detail.history ?? [];
  if (rows.length === 0) {
    return html`<div class="empty"><p class="empty-title">It has never ended</p><p>Each end, its reason and the wait before the next start will stand here.</p></div>`;
  }
  return html`<div class="restarts">
    <ol class="restart-list">
      ${rows.map((row) => restart(row, now))}
    </ol>
    ${model.restarts === null && (rows.length >= 20 || server.restarts > rows.length)
      ? html`<p class="more"><button class="button" type="button" @click=${() => void fetchRestarts()}>Show all that are kept</button></p>`
      : html`<p class="more muted">${whole(rows.length)} kept</p>`}
  </div>`;
}

/** @param {Restart} row @param {number} now */
function restart(row, now) {
  const ended = row.signal !== null ? `signal ${row.signal}` : row.exit_code !== null ? `exit ${row.exit_code}` : '';
  const tail = row.stderr_tail ? block(withoutSequences(row.stderr_tail), 4_096) : '';
  const wanted = row.cause === 'user' || row.cause === 'config' || row.cause === 'shutdown';
  return html`<li class="restart">
    <div class="restart-line">
      <span class="tag tone-${wanted ? 'slate' : 'red'}">${causeText(row.cause)}</span>
      <bdi class="restart-text">${clean(row.message, 600)}</bdi>
      <span class="muted num">${ago(row.at, now)}</span>
    </div>
    <p class="muted restart-about">
      ${[ended, `ready for ${duration(row.uptime_ms)}`, row.backoff_ms === null ? 'not started again by itself' : `next start after ${brief(row.backoff_ms)}`, row.era === null ? '' : clean(row.era, 40)]
        .filter(Boolean)
        .join(' · ')}
    </p>
    ${tail === ''
      ? nothing
      : html`<details class="tail"><summary>End of its error stream</summary><pre class="tail-text" tabindex="0">${tail}</pre></details>`}
  </li>`;
}

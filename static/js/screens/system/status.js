// @ts-check
// How the daemon is: its word, what is wrong and what helps, its queues, and its figures.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { brief, bytes, clean, clock, counted, dateTime, label, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { fact } from '../../views/parts.js';
import { fill, hintParts } from './data.js';
import { AGAIN_MS, model } from './model.js';

/** @typedef {import('./types.js').System} System */

/** Roots that are listed. */
const ROOTS = 100;

/** @type {Record<string, {tone: string, label: string, icon: string}>} */
const WORDS = {
  healthy: { tone: 'green', label: 'Healthy', icon: 'check' },
  degraded: { tone: 'amber', label: 'Degraded', icon: 'error' },
  stopping: { tone: 'orange', label: 'Stopping', icon: 'stopping' },
};
/** @type {Record<string, {tone: string, label: string}>} */
const WATCHED = {
  ok: { tone: 'green', label: 'Watched' },
  polling: { tone: 'amber', label: 'Looked at now and then' },
  stopped: { tone: 'red', label: 'Not watched' },
};

/** @param {string} text */
export const hint = (text) => hintParts(clean(text, 300)).map((part) => (part.code ? html`<code>${part.text}</code>` : part.text));

/** How long ago. @param {string|null} iso @param {number} now */
function ago(iso, now) {
  const at = iso === null ? NaN : Date.parse(iso);
  if (Number.isNaN(at)) return html`<span class="muted">never</span>`;
  const age = Math.max(0, now - at);
  return html`<time .dateTime=${String(iso)} .title=${dateTime(iso)}>${age < 1_500 ? 'now' : `${clock(age)} ago`}</time>`;
}

/** @param {unknown} n */
const number = (n) => (typeof n === 'number' && Number.isFinite(n) ? n : 0);

/** @param {System} system @param {number} now */
export function statusView(system, now) {
  return html`${head(system, now)}
    ${(system.degraded ?? []).map(
      (one) => html`<div class="banner tone-amber sys-wrong">
        ${icon('error')}<span><b>${label(clean(one.part, 60))}</b> <bdi>${clean(one.text, 500)}</bdi>${one.hint ? html`<br />${hint(one.hint)}` : nothing}</span>
      </div>`,
    )}
    ${figures(system, now)}
    <div class="sys-columns">${queues(system)} ${taskFiles(system, now)} ${events(system)} ${store(system)} ${gateway(system)} ${servers(system)}</div>`;
}

/** @param {System} system @param {number} now */
function head(system, now) {
  const word = Object.hasOwn(WORDS, system.status) ? WORDS[system.status] : { tone: 'slate', label: label(clean(system.status, 40)), icon: 'lost' };
  const age = now - model.at;
  return html`<div class="sys-head">
    <span class="pill tone-${word.tone}">${icon(word.icon)}<span>${word.label}</span></span>
    <span class="sys-about muted">
      <span>llmctld ${clean(system.version, 40)}</span>
      <span>protocol ${whole(number(system.protocol))}</span>
      <span>process ${String(number(system.pid))}</span>
      <span>${system.http_addr ? clean(system.http_addr, 60) : 'no gateway'}</span>
      <span>epoch <code>${clean(system.epoch, 40)}</code></span>
    </span>
    <span class="sys-age muted num">${age > 2 * AGAIN_MS ? `told ${clock(age)} ago` : `refreshed every ${AGAIN_MS / 1_000} s`}</span>
  </div>`;
}

/** @param {System} system @param {number} now */
function figures(system, now) {
  const { gateway = {}, store = {}, operations = {}, hub = {} } = /** @type {any} */ (system);
  const started = Date.parse(system.started_at);
  return html`<dl class="strip sys-strip">
    ${stat('Uptime', Number.isNaN(started) ? '–' : clock(Math.max(0, now - started)), `since ${dateTime(system.started_at)}`)}
    ${stat('Memory', system.memory_bytes === null || system.memory_bytes === undefined ? 'unknown' : bytes(system.memory_bytes), 'resident')}
    ${stat('Store', bytes(number(store.size_bytes)), store.state === 'ok' ? 'on disk' : html`<span class="tone-red tone-text">${label(clean(store.state, 40))}</span>`)}
    ${stat('Operations', whole(number(operations.running)), `under way, ${whole(number(operations.attached))} attached`)}
    ${stat('Followers', whole(number(hub.followers)), `of the stream, ${counted(number(gateway.sockets), 'browser tab')}`)}
  </dl>`;
}

/** @param {string} term @param {unknown} value @param {unknown} note */
const stat = (term, value, note) => html`<div class="stat"><dt>${term}</dt><dd>${value}</dd><dd class="stat-note">${note}</dd></div>`;

/** @param {System} system */
function queues(system) {
  return html`<section class="sys-wide" aria-labelledby="sys-queues">
    <h3 id="sys-queues">Queues</h3>
    <table class="plain sys-queues">
      <thead><tr><th scope="col">Queue</th><th scope="col">Filled</th><th scope="col" class="num">Lost</th><th scope="col">When it is full</th></tr></thead>
      <tbody>
        ${(system.queues ?? []).map((queue) => {
          const state = fill(queue);
          const name = clean(queue.name, 60);
          return html`<tr>
            <th scope="row">${label(name)}</th>
            <td class="sys-fill tone-${state.tone}">
              <progress max="100" .value=${state.percent} aria-label=${`${name}: ${queue.depth} of ${queue.limit}`}></progress>
              <span class="num">${whole(number(queue.depth))}</span> <span class="muted num">of ${whole(number(queue.limit))}</span>${state.word ? html`<b class="tone-text">${state.word}</b>` : nothing}
            </td>
            <td class="num ${queue.dropped === null ? 'is-never' : ''}">${queue.dropped === null ? html`<span class="muted" title="It loses nothing: who sends waits">–</span>` : html`<span class=${queue.dropped > 0 ? 'tone-amber tone-text' : ''}>${whole(number(queue.dropped))}</span>`}</td>
            <td class="muted">${clean(queue.when_full, 80)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </section>`;
}

/** @param {System} system @param {number} now */
function taskFiles(system, now) {
  const roots = system.tasks?.roots ?? [];
  return html`<section class="sys-wide" aria-labelledby="sys-tasks">
    <h3 id="sys-tasks">Task files</h3>
    ${roots.length === 0
      ? html`<p class="muted">No project is watched yet. <code>llmctl task list</code> in its directory tells the daemon of one.</p>`
      : html`<table class="plain sys-roots">
          <thead><tr><th scope="col">Project</th><th scope="col">State</th><th scope="col" class="num">Files</th><th scope="col">Last change</th><th scope="col">Last read</th></tr></thead>
          <tbody>
            ${roots.slice(0, ROOTS).map((root) => {
              const look = Object.hasOwn(WATCHED, root.state) ? WATCHED[root.state] : { tone: 'slate', label: label(clean(root.state, 40)) };
              return html`<tr>
                <th scope="row"><bdi>${clean(root.project, 100)}</bdi> <bdi class="muted sys-path">${clean(root.path, 200)}</bdi></th>
                <td><span class="health tone-${look.tone}"><i class="dot"></i>${look.label}</span>${root.reason ? html` <span class="muted">${clean(root.reason, 200).replaceAll('_', ' ')}</span>` : nothing}</td>
                <td class="num">${whole(number(root.files))}</td>
                <td>${ago(root.last_event_at, now)}</td>
                <td>${ago(root.last_scan_at, now)} <span class="muted">in ${brief(number(root.last_scan_us) / 1_000)}${root.failures > 0 ? `, ${counted(root.failures, 'failure')}` : ''}${root.overflows > 0 ? `, ${counted(root.overflows, 'overflow')}` : ''}</span></td>
              </tr>`;
            })}
          </tbody>
        </table>
        ${roots.length > ROOTS ? html`<p class="muted">and ${whole(roots.length - ROOTS)} more</p>` : nothing}`}
  </section>`;
}

/** @param {string} id @param {string} title @param {unknown} facts */
const group = (id, title, facts) => html`<section aria-labelledby=${id}><h3 id=${id}>${title}</h3><dl class="facts num">${facts}</dl></section>`;

/** A figure that ought to be zero. @param {unknown} n */
const bad = (n) => (number(n) > 0 ? html`<span class="tone-amber tone-text">${whole(number(n))}</span>` : '0');

/** @param {System} system */
function events({ hub }) {
  return group('sys-events', 'Events', [
    fact('Published', whole(number(hub?.published))), fact('Newest number', whole(number(hub?.last_seq))),
    fact('Sent twice', html`${whole(number(hub?.duplicates))} <span class="muted">left out</span>`), fact('Waiting', whole(number(hub?.waiting))),
  ]);
}

/** @param {System} system */
function store({ store: it }) {
  return group('sys-store', 'Store', [
    fact('Facts written', html`${whole(number(it?.committed))} <span class="muted">in ${counted(number(it?.commits), 'commit')}</span>`),
    fact('Failed commits', bad(it?.failed_commits)), fact('Waiting', whole(number(it?.waiting))), fact('Size', bytes(number(it?.size_bytes))),
  ]);
}

/** @param {System} system */
function gateway({ gateway: it = {} }) {
  return group('sys-gateway', 'Gateway', [
    fact('Connections', html`${whole(number(it.connections))} <span class="muted">of ${whole(number(it.connections_limit))}</span>`),
    fact('Sockets', html`${whole(number(it.sockets))} <span class="muted">of ${whole(number(it.sockets_limit))}</span>`),
    fact('Signed in', counted(number(it.sessions), 'browser')),
    fact('Fell behind', html`${bad(it.resyncs)} <span class="muted">${number(it.dropped_frames) > 0 ? `with ${counted(it.dropped_frames, 'event')} not sent` : ''}</span>`),
    fact('Cut off', html`${bad(it.shed)} <span class="muted">for reading too slowly</span>`),
    fact('Refused', html`${whole(number(it.refused))} <span class="muted">at the door</span>`),
  ]);
}

/** @param {System} system */
function servers({ mcp }) {
  if (!mcp) return nothing;
  return group('sys-mcp', 'MCP servers', [
    fact('Healthy', html`<a href="#/mcp">${whole(number(mcp.healthy))} of ${whole(number(mcp.total))}</a>`),
    fact('Need attention', bad(mcp.attention)), fact('Start with the daemon', whole(number(mcp.auto_managed))), fact('Tools', whole(number(mcp.total_tools))),
  ]);
}

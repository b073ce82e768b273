// @ts-check
// The screen of the daemon itself: is it well, how full are its queues, what is configured and where that was said.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { call } from '../../api.js';
import { bytes, clean, counted, dateTime, duration, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { block } from '../../plain.js';
import { changed, path } from '../../router.js';
import { fact } from '../../views/parts.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */

/** Between two looks at what the daemon says of itself. */
const AGAIN_MS = 5_000;

const model = {
  /** @type {any} */ system: null,
  /** @type {any} */ config: null,
  error: '',
  /** When it was told, by this browser's clock. */ at: 0,
};

/** @type {Ctx|null} */
let ctx = null;
let timer = 0;

async function look() {
  clearTimeout(timer);
  const asked = ctx;
  if (asked === null) return;
  const answer = await call('/api/system');
  if (ctx !== asked) return;
  if (answer.ok) Object.assign(model, { system: answer.value, error: '', at: Date.now() });
  else model.error = clean(answer.error, 300);
  asked.schedule();
  timer = window.setTimeout(() => void look(), AGAIN_MS);
}

async function readConfig() {
  const asked = ctx;
  const answer = await call('/api/config');
  if (ctx === null || ctx !== asked) return;
  model.config = answer.ok ? answer.value : { values: [], findings: [], failed: clean(answer.error, 300) };
  ctx.schedule();
}

/** @type {Record<string, {tone: string, label: string}>} */
const WORDS = {
  healthy: { tone: 'green', label: 'Healthy' },
  degraded: { tone: 'amber', label: 'Degraded' },
  stopping: { tone: 'orange', label: 'Stopping' },
};

/** @param {string} term @param {unknown} value @param {unknown} [note] */
const stat = (term, value, note = '') => html`<div class="stat"><dt>${term}</dt><dd>${value}</dd><dd class="stat-note">${note}</dd></div>`;

/** @param {any} system */
function overview(system) {
  const word = WORDS[system.status] ?? { tone: 'slate', label: clean(system.status, 40) };
  const { gateway = {}, store = {}, operations = {}, hub = {} } = system;
  return html`<div class="sys-head">
      <span class="pill tone-${word.tone}">${icon(system.status === 'healthy' ? 'check' : 'error')}<span>${word.label}</span></span>
      <span class="muted">llmctld ${clean(system.version, 40)}, process ${system.pid}, at ${clean(system.http_addr, 60)}</span>
    </div>
    ${(system.degraded ?? []).map(
      (/** @type {any} */ one) => html`<div class="banner tone-amber">${icon('error')}<span><b>${clean(one.part, 60)}</b> <bdi>${clean(one.text, 400)}</bdi> ${one.hint ? html`<code>${clean(one.hint, 200)}</code>` : nothing}</span></div>`,
    )}
    <dl class="strip sys-strip">
      ${stat('Uptime', duration(system.uptime_ms), dateTime(system.started_at))} ${stat('Memory', bytes(system.memory_bytes ?? 0), 'resident')}
      ${stat('Store', bytes(store.size_bytes ?? 0), store.state === 'ok' ? `${whole(store.committed ?? 0)} facts` : html`<span class="tone-red tone-text">${clean(store.state, 40)}</span>`)}
      ${stat('Operations', whole(operations.running ?? 0), `${whole(operations.attached ?? 0)} attached`)}
      ${stat('Browsers', whole(gateway.sockets ?? 0), `${counted(gateway.sessions ?? 0, 'session')}, of ${whole(gateway.sockets_limit ?? 0)}`)}
    </dl>
    <div class="sys-columns">
      <section>
        <h3>Queues</h3>
        <table class="plain">
          <thead><tr><th scope="col">Queue</th><th scope="col" class="num">Filled</th><th scope="col" class="num">Lost</th><th scope="col">When full</th></tr></thead>
          <tbody>
            ${(system.queues ?? []).map(
              (/** @type {any} */ queue) => html`<tr>
                <td>${clean(queue.name, 60)}</td>
                <td class="num"><progress max=${queue.limit} value=${queue.depth} aria-label=${`${clean(queue.name, 60)}: ${queue.depth} of ${queue.limit}`}></progress> ${whole(queue.depth)} / ${whole(queue.limit)}</td>
                <td class="num">${queue.dropped === null ? html`<span class="muted" title="The sender waits instead">none</span>` : whole(queue.dropped)}</td>
                <td class="muted">${clean(queue.when_full, 80)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </section>
      <section>
        <h3>Task files</h3>
        ${(system.tasks?.roots ?? []).length === 0 ? html`<p class="muted">No project is watched yet: <code>llmctl task list</code> in one tells the daemon of it.</p>` : nothing}
        ${(system.tasks?.roots ?? []).slice(0, 50).map(
          (/** @type {any} */ root) => html`<dl class="facts sys-root">
            ${fact('Project', html`<bdi>${clean(root.project, 80)}</bdi> ${root.state === 'ok' ? nothing : html`<span class="tag tone-amber">${clean(root.state, 40)}</span>`}`)}
            ${fact('Files', html`${whole(root.files ?? 0)} <span class="muted">last looked at ${dateTime(root.last_scan_at)}, in ${((root.last_scan_us ?? 0) / 1_000).toFixed(1)} ms</span>`)}
            ${root.reason ? fact('Why', html`<bdi>${clean(root.reason, 300)}</bdi>`) : nothing}
          </dl>`,
        )}
      </section>
      <section>
        <h3>Events</h3>
        <dl class="facts">
          ${fact('Published', whole(hub.published ?? 0))} ${fact('Known twice', whole(hub.duplicates ?? 0))} ${fact('Followers', whole(hub.followers ?? 0))}
          ${fact('Epoch', html`<code>${clean(system.epoch, 40)}</code>`)} ${fact('Failed commits', whole(store.failed_commits ?? 0))}
        </dl>
      </section>
      <section>
        <h3>Gateway</h3>
        <dl class="facts">
          ${fact('Connections', `${whole(gateway.connections ?? 0)} of ${whole(gateway.connections_limit ?? 0)}`)} ${fact('Refused', whole(gateway.refused ?? 0))}
          ${fact('Shed for being slow', whole(gateway.shed ?? 0))} ${fact('Started over', whole(gateway.resyncs ?? 0))} ${fact('Frames dropped', whole(gateway.dropped_frames ?? 0))}
        </dl>
      </section>
    </div>`;
}

/** @param {string} text @param {boolean} defaults @param {Ctx} given @param {import('../../screen.js').Route} route */
function configView(text, defaults, given, route) {
  const { config } = model;
  if (config === null) return html`<p class="muted">Loading…</p>`;
  if (config.failed) return html`<p class="tone-red tone-text">${config.failed}</p>`;
  const set = (/** @type {Record<string, string|null>} */ change) => given.navigate(path(['system'], changed(route.query, change)), { replace: true });
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const values = config.values.filter((/** @type {any} */ one) => {
    if (!defaults && one.origin?.name === 'default') return false;
    const all = `${one.path} ${one.value} ${one.about ?? ''}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const hidden = config.values.filter((/** @type {any} */ one) => one.origin?.name === 'default').length;
  return html`<div class="sys-config-bar">
      <div class="filter">
        ${icon('search')}
        <input id="filter" type="search" placeholder="Search the configuration" aria-label="Search the configuration" autocomplete="off" spellcheck="false" .value=${text} @input=${(/** @type {any} */ e) => set({ q: e.target.value.slice(0, 200) })} />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <button class="group" type="button" aria-pressed=${defaults ? 'true' : 'false'} @click=${() => set({ defaults: defaults ? null : '1' })}>Defaults<span class="count">${whole(hidden)}</span></button>
    </div>
    ${(config.findings ?? []).map(
      (/** @type {any} */ one) =>
        html`<p class="banner tone-amber">${icon('error')}<span><bdi>${clean(one.message ?? one.text ?? '', 400)}</bdi> <code>${clean(one.file ?? one.origin?.name ?? '', 200)}${one.line ? `:${one.line}` : ''}</code></span></p>`,
    )}
    ${values.length === 0
      ? html`<p class="muted">${words.length > 0 ? 'No key is like that.' : 'Nothing is set; everything is as it comes.'} <code>llmctl config init</code> writes a file to begin with.</p>`
      : html`<table class="plain config-table">
          <thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
          <tbody>
            ${values.slice(0, 500).map(
              (/** @type {any} */ one) => html`<tr>
                <td><code>${clean(one.path, 200)}</code>${one.about ? html`<p class="muted config-about">${clean(one.about, 300)}</p>` : nothing}</td>
                <td><bdi class="foreign mono">${block(one.value, 500)}</bdi></td>
                <td class="muted"><bdi>${clean(one.origin?.name, 200)}</bdi>${one.origin?.line ? `:${one.origin.line}` : ''}
                  ${(one.overridden ?? []).slice(0, 5).map((/** @type {any} */ other) => html`<p class="config-about">over <bdi>${clean(other.value, 80)}</bdi> of <bdi>${clean(other.origin?.name, 200)}</bdi>${other.origin?.line ? `:${other.origin.line}` : ''}</p>`)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`}`;
}

/** @type {import('../../screen.js').Screen} */
export const screen = {
  enter(given) {
    const first = ctx === null;
    ctx = given;
    if (!first) return;
    void look();
    void readConfig();
  },
  leave() {
    clearTimeout(timer);
    ctx = null;
    Object.assign(model, { system: null, config: null, error: '' });
  },
  event(envelope) {
    if (envelope.type === 'config.reloaded') void readConfig();
  },
  hello() {
    void look();
    void readConfig();
  },
  view(given, route) {
    const { system, error } = model;
    const old = model.at > 0 ? Date.now() - model.at : 0;
    return html`<section class="system" aria-label="System">
      ${error ? html`<p class="banner tone-red" role="alert">${icon('error')}<span>${error}${system === null ? '' : `; shown is what was told ${duration(old)} ago`}</span></p>` : nothing}
      ${system === null ? (error ? nothing : html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`) : overview(system)}
      <div class="sys-config">
        <h3>Configuration</h3>
        ${configView((route.query.get('q') ?? '').slice(0, 200), route.query.get('defaults') === '1', given, route)}
      </div>
    </section>`;
  },
  keys: [{ key: '/', label: 'Search the configuration', run: () => document.getElementById('filter')?.focus() }],
};

// @ts-check
// One MCP server: what it is, what is wrong with it, what it uses, and its tabs.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { tabKeys } from '../../a11y.js';
import { brief, bytes, clean, compact, counted, dateTime, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { block, jsonText } from '../../plain.js';
import { needsAttention } from '../../states.js';
import { copyButton, fact } from '../../views/parts.js';
import { historyTab } from './history.js';
import { logTab } from './log.js';
import { dismiss, model } from './model.js';
import { actionButtons, ago, countdown, healthWord, statePill, tail, uptime } from './parts.js';
import { ACTIONS, isOpen, stateLook } from './states.js';
import { resourcesTab, toolsTab } from './tools.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./types.js').Server} Server */
/** @typedef {import('./types.js').Detail} Detail */

/** @type {{tab: string, label: string, count?: (server: Server, detail: Detail|null) => number}[]} */
const TABS = [
  { tab: 'overview', label: 'Overview' },
  { tab: 'tools', label: 'Tools', count: (server, detail) => detail?.tools?.length ?? server.tools_count },
  { tab: 'resources', label: 'Resources', count: (_server, detail) => (detail?.resources?.length ?? 0) + (detail?.prompts?.length ?? 0) },
  { tab: 'log', label: 'Log' },
  { tab: 'history', label: 'History', count: (server) => server.restarts },
  { tab: 'config', label: 'Configuration' },
];

/** @param {Ctx} ctx @param {Address} address */
export function detailView(ctx, address) {
  const name = String(address.name);
  const server = model.servers.get(name);
  if (!server) return missing(address, name);
  const { detail } = model;
  const now = ctx.now();
  return html`<section class="detail server-detail" aria-label=${`MCP server ${clean(name, 100)}`}>
    <div class="detail-head">
      <a class="icon-button detail-close" .href=${address.closeHref} title="Close (Esc)" aria-label="Close">
        <span class="when-wide">${icon('close')}</span><span class="when-narrow">${icon('back')}</span>
      </a>
      <div class="detail-title">
        <div class="detail-line"><h2><bdi>${clean(name, 200)}</bdi></h2>${statePill(server.state)}</div>
        <p class="detail-about">
          ${[server.package, server.transport, server.note, ...server.tags].filter(Boolean).map((part) => html`<bdi>${clean(part, 200)}</bdi>`)}
        </p>
      </div>
      <div class="detail-buttons">${actionButtons(server, { text: true })}</div>
    </div>
    ${strip(server, now)} ${state(server, detail, now)}
    <div class="tabs" role="tablist" aria-label="About this server" @keydown=${tabKeys}>
      ${TABS.map((entry) => tabButton(ctx, address, server, entry))}
    </div>
    <div class="tab-panel" role="tabpanel" id="tab-panel" tabindex="0" aria-labelledby="tab-${address.tab}">${panel(ctx, address, server, now)}</div>
  </section>`;
}

/** @param {Address} address @param {string} name */
function missing(address, name) {
  const { about } = model;
  const text = about.status === 'failed' ? about.error : 'Loading…';
  return html`<section class="detail" aria-label="MCP server">
    <div class="detail-head"><a class="icon-button" .href=${address.closeHref} aria-label="Close">${icon('close')}</a></div>
    <div class="empty">
      <p class="empty-title">${text}</p>
      ${about.hint ? html`<pre class="command"><code>${about.hint}</code></pre>` : html`<p class="mono muted"><bdi>${clean(name, 100)}</bdi></p>`}
    </div>
  </section>`;
}

/** @param {string} term @param {unknown} value @param {unknown} note @param {string} [title] */
const stat = (term, value, note, title = '') => html`<div class="stat" .title=${title}>
  <dt>${term}</dt>
  <dd>${value}</dd>
  <dd class="stat-note">${note}</dd>
</div>`;

/** @param {Server} server @param {number} now */
function strip(server, now) {
  const { usage, last_check: check } = server;
  return html`<dl class="strip">
    ${stat('Uptime', uptime(server, now) ?? '–', server.pid === null ? '' : `PID ${server.pid}`, server.started_at === null ? '' : `Started ${dateTime(server.started_at)}`)}
    ${stat('Memory', usage === null ? '–' : bytes(usage.rss_bytes), usage === null ? '' : counted(usage.processes, 'process', 'processes'), usage === null ? '' : `Measured ${dateTime(usage.at)}`)}
    ${stat('CPU', usage === null ? '–' : `${usage.cpu_percent.toFixed(1)}%`, usage === null ? '' : 'of one processor')}
    ${stat('Health', healthWord(server), check === null ? '' : html`${check.ok ? brief(check.latency_ms) : 'no answer'}, ${ago(check.at, now)}`)}
    ${stat('Context', server.context_tokens_estimate === 0 ? '–' : compact(server.context_tokens_estimate), counted(server.tools_count, 'tool'), `About ${whole(server.context_tokens_estimate)} tokens of a model’s context`)}
  </dl>`;
}

/** What is wrong, what happened last, and what to do. @param {Server} server @param {Detail|null} detail @param {number} now */
function state(server, detail, now) {
  const parts = [];
  const outcome = model.outcomes.get(server.name);
  if (outcome) {
    parts.push(html`<div class="outcome tone-red" role="alert">
      <p class="outcome-title">${icon('error')}<b>${ACTIONS[outcome.verb].label} did not work</b>
        <button class="icon-button" type="button" aria-label="Dismiss" @click=${() => dismiss(server.name)}>${icon('close')}</button></p>
      <p class="outcome-text"><bdi>${outcome.error}</bdi></p>
      ${outcome.hint ? html`<p class="outcome-hint"><code>${outcome.hint}</code></p>` : nothing}
      ${outcome.tail ? tail(outcome.tail) : nothing}
    </div>`);
  }
  const waits = countdown(server, now);
  if (waits !== null || needsAttention(server.state)) {
    const look = stateLook(server.state);
    const text = server.reasons.length === 0 ? server.last_error : null;
    parts.push(html`<div class="outcome tone-${look.tone}">
      <p class="outcome-title">${icon(look.icon)}<b>${meaning(server.state)}</b>${waits === null ? nothing : html`<span class="num">${waits}</span>`}</p>
      ${server.reasons.length > 0 ? html`<ul class="reason-list">${server.reasons.map((reason) => html`<li><bdi>${clean(reason, 512)}</bdi></li>`)}</ul>` : nothing}
      ${text ? html`<p class="outcome-text"><bdi>${block(text, 1_024)}</bdi></p>` : nothing}
      ${detail && detail.required_tools_missing?.length > 0
        ? html`<p>Required and missing: ${detail.required_tools_missing.map((tool) => html`<code class="file">${clean(tool, 100)}</code> `)}</p>`
        : nothing}
      ${advice(server)}
    </div>`);
  }
  return parts;
}

/** @type {Record<string, string>} */
const MEANINGS = {
  degraded: 'It works, with something wrong that a restart would not mend',
  unhealthy: 'It runs and does not answer',
  backing_off: 'It ended',
  crash_loop: 'It ended too often; it is not started again by itself',
  needs_authentication: 'It wants credentials that it was not given',
  failed: 'It cannot be started as it is configured',
};

/** @param {string} name */
const meaning = (name) => (Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : stateLook(name).label);

/** @param {Server} server */
function advice(server) {
  if (server.state === 'crash_loop') return html`<p class="muted">The log and the history show why. Start it again when that is mended.</p>`;
  if (server.state === 'needs_authentication') return html`<p class="muted">Give it the credentials in <code>env</code> or <code>headers</code> of its configuration, then start it.</p>`;
  if (server.state === 'failed') return html`<p class="muted">Mend its configuration, then start it. <code>llmctl mcp doctor</code> checks programs and variables.</p>`;
  return nothing;
}

/** @param {Ctx} ctx @param {Address} address @param {Server} server @param {(typeof TABS)[number]} entry */
function tabButton(ctx, address, server, { tab, label, count }) {
  const on = address.tab === tab;
  const number = count?.(server, model.detail) ?? 0;
  return html`<button
    type="button"
    role="tab"
    id="tab-${tab}"
    aria-controls="tab-panel"
    aria-selected=${on ? 'true' : 'false'}
    .tabIndex=${on ? 0 : -1}
    @click=${() => ctx.navigate(address.tabPath(tab), { replace: true })}
  >
    ${label}${number > 0 ? html`<span class="count">${whole(number)}</span>` : nothing}
  </button>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Server} server @param {number} now */
function panel(ctx, address, server, now) {
  if (address.tab === 'log') return logTab(ctx);
  const { detail, about } = model;
  if (detail === null) {
    const failed = about.status === 'failed';
    return html`<div class="empty"><p class="empty-title">${failed ? about.error : 'Loading…'}</p>${failed && about.hint ? html`<p class="muted">${about.hint}</p>` : nothing}</div>`;
  }
  if (address.tab === 'tools') return toolsTab(ctx, server, detail, now);
  if (address.tab === 'resources') return resourcesTab(detail, now);
  if (address.tab === 'history') return historyTab(server, detail, now);
  if (address.tab === 'config') return configTab(ctx, detail);
  return overview(server, detail, now);
}

/** @type {Record<string, string>} */
const DESIRED = { configured: 'as configured', running: 'started by hand', stopped: 'stopped by hand' };
/** @type {Record<string, string>} */
const ERAS = { legacy: 'legacy handshake', modern: 'without handshake' };

/** @param {Server} server @param {Detail} detail @param {number} now */
function overview(server, detail, now) {
  const info = detail.server_info;
  const check = server.last_check;
  return html`<div class="sheet">
    <dl class="facts">
      ${fact('Package', server.package === null ? null : html`<bdi>${clean(server.package, 300)}</bdi>`)}
      ${fact(server.transport === 'http' ? 'Address' : 'Command', html`<code><bdi>${clean(server.target, 1_000)}</bdi></code>`)}
      ${fact('PID', server.pid === null ? null : html`<span class="num">${server.pid}</span>`)}
      ${fact('Started', server.started_at === null ? null : html`${dateTime(server.started_at)} <span class="muted">(${ago(server.started_at, now)}${detail.startup_ms === null ? nothing : html`, ready after ${brief(detail.startup_ms)}`})</span>`)}
      ${fact('Program', info === null ? null : html`<bdi>${clean(info.name, 200)}</bdi> <span class="muted"><bdi>${clean(info.version, 100)}</bdi></span>`)}
      ${fact('Protocol', detail.protocol_version === null ? null : html`<bdi>${clean(detail.protocol_version, 60)}</bdi>${detail.era === null ? nothing : html` <span class="muted">${ERAS[detail.era] ?? clean(detail.era, 40)}</span>`}`)}
      ${fact('Capabilities', detail.capabilities.length === 0 ? null : html`<span class="chips">${detail.capabilities.slice(0, 40).map((name) => html`<span class="tag tone-slate"><bdi>${clean(name, 60)}</bdi></span>`)}</span>`)}
      ${fact('Last check', check === null ? html`<span class="muted">not asked yet</span>` : html`${check.ok ? html`${brief(check.latency_ms)}` : html`<span class="tone-red tone-text">no answer</span>`} to <code>${clean(check.method, 60)}</code>, ${ago(check.at, now)}${check.failures_in_row > 0 ? html`, ${counted(check.failures_in_row, 'failure')} in a row` : nothing}${check.error ? html`<br /><bdi>${clean(check.error, 500)}</bdi>` : nothing}`)}
      ${fact('Auto-start', html`${server.auto_start ? 'with the daemon' : 'no, it is started by hand'} <span class="muted">${server.desired === 'configured' ? '' : `now ${DESIRED[server.desired] ?? ''}`}</span>`)}
      ${fact('Restarts', html`<span class="num">${whole(server.restarts)}</span> <span class="muted">since the daemon started</span>`)}
      ${fact('Last error', server.last_error === null ? null : html`<bdi>${clean(server.last_error, 600)}</bdi>`)}
    </dl>
    ${detail.instructions ? html`<h3>How to use it<span class="muted">in its own words</span></h3><p class="foreign">${block(detail.instructions, 8_000)}</p>` : nothing}
    <h3>Traffic<span class="muted">${isOpen(server.state) ? 'in this life' : 'in its last life'}</span></h3>
    ${traffic(detail.traffic ?? {})}
  </div>`;
}

/** @param {any} t */
function traffic(t) {
  const samples = Array.isArray(t.noise_samples) ? t.noise_samples : [];
  return html`<dl class="facts">
      ${fact('Requests', html`${whole(t.requests ?? 0)}${t.errors > 0 ? html`, <span class="tone-red tone-text">${whole(t.errors)} failed</span>` : nothing}`)}
      ${fact('To the server', `${counted(t.tx_messages ?? 0, 'message')}, ${bytes(t.tx_bytes ?? 0)}`)}
      ${fact('From the server', `${counted(t.rx_messages ?? 0, 'message')}, ${bytes(t.rx_bytes ?? 0)}`)}
      ${fact('Error stream', html`${bytes(t.stderr_bytes ?? 0)}${t.stderr_dropped > 0 ? html` <span class="muted">${bytes(t.stderr_dropped)} not kept, they came too fast</span>` : nothing}`)}
      ${fact('Declined', t.declined > 0 ? `${counted(t.declined, 'request')} of the server` : null)}
      ${fact('Too long', t.too_long > 0 ? `${counted(t.too_long, 'message')} dropped` : null)}
      ${fact('Noise', t.noise_lines > 0 ? `${counted(t.noise_lines, 'line')} on standard output that were no message` : null)}
    </dl>
    ${samples.length > 0 ? html`<pre class="tail-text" tabindex="0" aria-label="The first of these lines">${samples.slice(0, 50).map((/** @type {unknown} */ line) => `${block(line, 500)}\n`)}</pre>` : nothing}`;
}

/** @param {Ctx} ctx @param {Detail} detail */
function configTab(ctx, detail) {
  const text = jsonText(detail.config);
  return html`<div class="sheet">
    <dl class="facts">
      ${fact('Written in', detail.origin === null ? null : html`<code><bdi>${clean(detail.origin, 500)}</bdi></code>`)}
      ${fact('Shown', html`what may be seen; secrets stay references`)}
    </dl>
    <div class="code-box">
      <pre tabindex="0" aria-label="Configuration">${text}</pre>
      ${copyButton(ctx, text, 'the configuration')}
    </div>
    <p class="muted">Change the file, then <code>llmctl daemon reload</code>: the server is restarted only if it must be.</p>
  </div>`;
}

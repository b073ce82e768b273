// @ts-check
// The table of MCP servers with its sums, filters and sorting. Rows are made again only when what they show changes,
// and those out of sight are not laid out.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { guard } from '../../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { brief, bytes, clean, compact, counted, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { filterField } from '../../views/parts.js';
import { GROUPS } from './address.js';
import { arranged, inGroup, sums } from './fold.js';
import { model } from './model.js';
import { actionButtons, ago, countdown, healthWord, statePill, uptime } from './parts.js';
import { stateLook, trouble } from './states.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./types.js').Server} Server */

/** @type {{column: string, label: string, sort?: string, number?: boolean}[]} */
const COLUMNS = [
  { column: 'state', label: 'Status', sort: 'state' },
  { column: 'name', label: 'Server', sort: 'name' },
  { column: 'about', label: 'About' },
  { column: 'health', label: 'Health' },
  { column: 'tools', label: 'Tools', sort: 'tools', number: true },
  { column: 'context', label: 'Context', sort: 'context', number: true },
  { column: 'memory', label: 'Memory', sort: 'memory', number: true },
  { column: 'cpu', label: 'CPU', sort: 'cpu', number: true },
  { column: 'uptime', label: 'Uptime', sort: 'uptime', number: true },
  { column: 'check', label: 'Last check', sort: 'check', number: true },
];

/** @param {Ctx} ctx @param {Address} address */
export function tableView(ctx, address) {
  const { found, shown } = arranged(model.servers.values(), address);
  return html`<section class="list servers" aria-label="MCP servers">
    ${totals()}
    <div class="toolbar">
      ${filterField(address.text, 'Filter servers', 'Filter servers', (q) => address.set(ctx, { q }))}
      <div class="groups" role="group" aria-label="Filter by status">
        ${GROUPS.map(
          ({ group, label }) => html`<button
            type="button"
            class="group"
            aria-pressed=${address.group === group ? 'true' : 'false'}
            @click=${() => address.set(ctx, { group: group === 'all' ? null : group })}
          >
            ${label}<span class="count">${whole(found.filter((server) => inGroup(server, group)).length)}</span>
          </button>`,
        )}
      </div>
    </div>
    ${model.list.status === 'failed' ? notFetched() : nothing}
    ${shown.length > 0 ? table(ctx, address, shown) : empty(ctx, address)}
  </section>`;
}

/** The list could not be fetched; what was known stays, and says so. */
const notFetched = () => html`<p class="banner tone-red" role="alert">
  ${icon('error')}<span>${model.servers.size > 0 ? 'Shown is what was known before. ' : ''}${model.list.error}${model.list.hint
    ? html` <code>${model.list.hint}</code>`
    : nothing}</span>
</p>`;

function totals() {
  if (model.servers.size === 0) return nothing;
  const sum = sums(model.servers.values());
  return html`<dl class="totals">
    ${total('Healthy', `${whole(sum.healthy)}/${whole(sum.total)}`, 'Servers that run and have nothing wrong, of all that are configured')}
    ${total('Auto-managed', whole(sum.auto), 'Servers that start with the daemon')}
    ${total('Tools', whole(sum.tools), 'Tools of the servers that run')}
    ${total('Context cost', html`${compact(sum.tokens)}<span class="total-note">tokens</span>`, 'What the definitions of all these tools take of a model’s context, about')}
    ${sum.attention > 0
      ? html`<div class="total tone-red"><dt>Need attention</dt><dd class="tone-text">${whole(sum.attention)}</dd></div>`
      : nothing}
  </dl>`;
}

/** @param {string} term @param {unknown} value @param {string} title */
const total = (term, value, title) => html`<div class="total" .title=${title}><dt>${term}</dt><dd>${value}</dd></div>`;

/** @param {Ctx} ctx @param {Address} address */
function empty(ctx, address) {
  if (model.list.status === 'loading' || model.list.status === 'idle') return html`<div class="empty"><p class="empty-title">Waiting for the daemon…</p></div>`;
  if (model.servers.size > 0) {
    return html`<div class="empty">
      <p class="empty-title">No server matches</p>
      <p><button class="button" type="button" @click=${() => address.set(ctx, { q: null, group: null })}>Show all</button></p>
    </div>`;
  }
  if (model.list.status === 'failed') return nothing;
  return html`<div class="empty">
    <div class="empty-mark">${icon('mcp')}</div>
    <p class="empty-title">No MCP servers yet</p>
    <p>The daemon starts, watches and restarts the servers of your configuration. Take over those of your other tools:</p>
    <pre class="command"><code>llmctl mcp import</code></pre>
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Server[]} shown */
function table(ctx, address, shown) {
  return html`<div class="table-scroll" @keydown=${rowKeys}>
    <table role="table" aria-label="MCP servers" aria-rowcount=${shown.length + 1}>
      <thead role="rowgroup">
        <tr role="row" class="srv head">
          ${COLUMNS.map((column) => heading(ctx, address, column))}
          <th role="columnheader" class="s-actions"><span class="visually-hidden">Actions</span></th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${repeat(
          shown,
          (/** @type {Server} */ server) => server.name,
          (/** @type {Server} */ server) => guarded(ctx, address, server),
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {(typeof COLUMNS)[number]} column */
function heading(ctx, address, { column, label, sort, number }) {
  const on = sort !== undefined && address.sort === sort;
  const extra = number ? 'num' : '';
  if (sort === undefined) return html`<th role="columnheader" class="s-${column} ${extra}">${label}</th>`;
  return html`<th role="columnheader" class="s-${column} ${extra}" aria-sort=${on ? (number ? 'descending' : 'ascending') : 'none'}>
    <button type="button" class="sort ${on ? 'is-on' : ''}" @click=${() => address.set(ctx, { sort: sort === 'name' ? null : sort })}>
      ${label}${on ? icon('down') : nothing}
    </button>
  </th>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Server} server */
function guarded(ctx, address, server) {
  const now = ctx.now();
  const ticks = server.state === 'backing_off' ? Math.floor(now / 1_000) : Math.floor(now / 15_000);
  const selected = address.name === server.name;
  const href = address.href(server.name);
  return guard([server, ticks, selected, href, model.pending.get(server.name), model.outcomes.get(server.name)], () =>
    rowView(ctx, server, now, selected, href),
  );
}

/** @param {Ctx} ctx @param {Server} server @param {number} now @param {boolean} selected @param {string} href */
function rowView(ctx, server, now, selected, href) {
  const { usage, last_check: check } = server;
  return html`<tr
    role="row"
    class="srv ${selected ? 'is-selected' : ''}"
    data-server=${clean(server.name, 200)}
    @click=${(/** @type {MouseEvent} */ event) => rowClick(ctx, event, href)}
  >
    <td role="cell" class="s-state">${statePill(server.state)}</td>
    <td role="cell" class="s-name">
      <a class="row-link" data-control="open" .href=${href} .title=${clean(server.name, 200)} aria-current=${selected ? 'true' : 'false'}
        ><bdi>${clean(server.name, 120)}</bdi></a
      >${server.auto_start ? html`<span class="srv-auto" title="Starts with the daemon">auto</span>` : nothing}
    </td>
    <td role="cell" class="s-about">${about(server, now)}</td>
    <td role="cell" class="s-health">${healthWord(server)}</td>
    <td role="cell" class="s-tools num" .title=${counted(server.tools_count, 'tool')}>${server.tools_count === 0 ? dash() : whole(server.tools_count)}</td>
    <td role="cell" class="s-context num" .title=${`About ${whole(server.context_tokens_estimate)} tokens of a model’s context`}>
      ${server.context_tokens_estimate === 0 ? dash() : compact(server.context_tokens_estimate)}
    </td>
    <td role="cell" class="s-memory num" .title=${usage === null ? '' : counted(usage.processes, 'process', 'processes')}>${usage === null ? dash() : bytes(usage.rss_bytes)}</td>
    <td role="cell" class="s-cpu num">${usage === null ? dash() : `${usage.cpu_percent.toFixed(1)}%`}</td>
    <td role="cell" class="s-uptime num">${uptime(server, now) ?? dash()}</td>
    <td role="cell" class="s-check num">
      ${check === null
        ? dash()
        : html`<span class="check ${check.ok ? '' : 'tone-red tone-text'}">${check.ok ? brief(check.latency_ms) : 'no answer'}</span><span class="muted check-age">${ago(check.at, now)}</span>`}
    </td>
    <td role="cell" class="s-actions">${actionButtons(server, { text: false, verbs: ['start', 'stop', 'restart'] })}</td>
  </tr>`;
}

const dash = () => html`<span class="muted">–</span>`;

/** What is wrong, what it waits for, or else what it is. @param {Server} server @param {number} now */
function about(server, now) {
  const outcome = model.outcomes.get(server.name);
  const waits = countdown(server, now);
  const wrong = outcome ? outcome.error : trouble(server);
  const tone = outcome ? 'red' : stateLook(server.state).tone;
  const plain = server.note ?? server.package ?? server.target;
  if (waits === null && wrong === '') return html`<span class="srv-plain" .title=${clean(server.target, 500)}><bdi>${clean(plain, 200)}</bdi></span>`;
  return html`<span class="srv-wrong tone-${tone}" .title=${clean(wrong, 600)}
    >${waits === null ? nothing : html`<b class="num">${waits}</b>`}${wrong === '' ? nothing : html`<bdi>${clean(wrong, 300)}</bdi>`}</span
  >`;
}

/** @param {Ctx} ctx @param {MouseEvent} event @param {string} href */
function rowClick(ctx, event, href) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest('a, button') || getSelection()?.type === 'Range') return;
  ctx.navigate(href.slice(1));
}

/** Moves between rows. @param {KeyboardEvent} event */
function rowKeys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.servers .row-link')]);
  const row = document.activeElement?.closest('[data-server]');
  const at = links.findIndex((link) => row?.contains(link));
  const to = Math.min(links.length - 1, Math.max(0, at + step));
  event.preventDefault();
  links[to]?.focus();
  links[to]?.scrollIntoView({ block: 'nearest' });
}

// @ts-check
// One task: its head with the verbs, its text, what it depends on, its file, and what happened to it.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { tabKeys } from '../../a11y.js';
import { clean, cost, dateTime, moment } from '../../format.js';
import { icon } from '../../icons.js';
import { block, jsonText } from '../../plain.js';
import { drop } from '../../views/drop.js';
import { copyButton, fact, operationHref } from '../../views/parts.js';
import { begin } from './ask.js';
import { age, badges, priorityTag, statePill } from './card.js';
import { PRIORITIES, verbsOf } from './columns.js';
import { graphView } from './graph.js';
import { markdown } from './markdown.js';
import { act, cardOf, dismiss, fetchEvents, model } from './model.js';
import { valueView, words } from './value.js';
import { VERBS, commandOf } from './verbs.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./address.js').Address} Address */
/** @typedef {import('./fold.js').Card} Card */

/** Keys of a file that stand elsewhere in the pane. */
const SHOWN = new Set(['id', 'title', 'status', 'agent', 'priority', 'description', 'result', 'error', '_llmctl', 'tags', 'notes']);
/** Texts of a file that are Markdown, besides the description. */
const LONG = 120;
const TABS = [
  { tab: 'task', label: 'Task' },
  { tab: 'graph', label: 'Dependencies' },
  { tab: 'file', label: 'File' },
  { tab: 'history', label: 'History' },
];

/** @param {Ctx} ctx @param {Address} address */
export function detailView(ctx, address) {
  const { open } = model;
  if (open === null) return nothing;
  const entry = cardOf(open);
  const wrong = entry ? undefined : [...model.board.invalid.values()].find((file) => file.id === open.id && (open.project === '' || file.project === open.project));
  if (!entry) return wrong ? invalidDetail(ctx, address, wrong) : missing(address, open.id);
  const [key, card] = entry;
  return html`<section class="detail task-detail" aria-label=${`Task ${clean(card.title, 100)}`}>
    <div class="detail-head">
      ${closeLink(address)}
      <div class="detail-title">
        <div class="detail-line"><h2 .title=${clean(card.title, 400)}><bdi>${clean(card.title || card.id, 200)}</bdi></h2>${statePill(card.state)}</div>
        <p class="detail-about">
          ${card.agent === null ? html`<span>nobody has it</span>` : html`<bdi>${clean(card.agent, 100)}</bdi>`}
          <bdi>${clean(card.project, 60)}</bdi>
          <span class="detail-id"><code>${clean(card.id, 80)}</code>${copyButton(ctx, card.id, 'the id')}</span>
        </p>
        <p class="card-badges">${priorityTag(card)} ${badges(card)}</p>
      </div>
      <div class="detail-buttons">${buttons(ctx, key, card)}</div>
    </div>
    ${outcome(key)} ${running(card)} ${why(card)}
    <div class="tabs" role="tablist" aria-label="About this task" @keydown=${tabKeys}>
      ${TABS.map(
        ({ tab, label }) => html`<button
          type="button"
          role="tab"
          id="tab-${tab}"
          aria-controls="tab-panel"
          aria-selected=${address.tab === tab ? 'true' : 'false'}
          tabindex=${address.tab === tab ? '0' : '-1'}
          @click=${() => address.set(ctx, { tab: tab === 'task' ? null : tab })}
        >
          ${label}
        </button>`,
      )}
    </div>
    <div class="tab-panel" role="tabpanel" id="tab-panel" tabindex="0" aria-labelledby="tab-${address.tab}">${panel(ctx, address, card)}</div>
  </section>`;
}

/** @param {Address} address */
const closeLink = (address) => html`<a class="icon-button detail-close" .href=${`#${address.closePath}`} title="Close (Esc)" aria-label="Close">
  <span class="when-wide">${icon('close')}</span><span class="when-narrow">${icon('back')}</span>
</a>`;

/** @param {Address} address @param {string} id */
function missing(address, id) {
  const failed = model.about.status === 'failed';
  return html`<section class="detail" aria-label="Task">
    <div class="detail-head">${closeLink(address)}</div>
    <div class="empty">
      <p class="empty-title">${failed ? model.about.error : 'Loading…'}</p>
      <p class="mono muted"><bdi>${clean(id, 200)}</bdi></p>
      ${failed && model.about.hint ? html`<pre class="command"><code>${model.about.hint}</code></pre>` : nothing}
    </div>
  </section>`;
}

/** @param {Ctx} ctx @param {Address} address @param {import('./fold.js').Invalid} file */
function invalidDetail(ctx, address, file) {
  const where = file.line === null ? '' : `:${file.line}${file.column === null ? '' : `:${file.column}`}`;
  return html`<section class="detail task-detail" aria-label="File that cannot be read">
    <div class="detail-head">
      ${closeLink(address)}
      <div class="detail-title">
        <div class="detail-line"><h2><bdi>${clean(file.title ?? file.id, 200)}</bdi></h2><span class="pill tone-red">${icon('error')}<span>Cannot be read</span></span></div>
        <p class="detail-about"><span class="detail-id"><code>${clean(file.path, 300)}${where}</code>${copyButton(ctx, `${file.path}${where}`, 'the place')}</span></p>
      </div>
    </div>
    <div class="outcome tone-red" role="note">
      <p class="outcome-title">${icon('error')}<b>${clean(file.problem, 60)}${file.line === null ? '' : ` in line ${file.line}`}${file.column === null ? '' : `, column ${file.column}`}</b></p>
      <p class="outcome-text"><bdi>${block(file.message, 2_000)}</bdi></p>
      <p class="muted">The file is left as it is. Mend it in an editor, and the card comes by itself.</p>
    </div>
    ${model.detail?._llmctl?.raw ? html`<div class="tab-panel" tabindex="0">${fileText(ctx, model.detail._llmctl.raw)}</div>` : nothing}
  </section>`;
}

/** @param {Ctx} ctx @param {string} key @param {Card} card */
function buttons(ctx, key, card) {
  const pending = model.pending.get(key);
  const [first, second, ...rest] = verbsOf(card);
  const button = (/** @type {string} */ verb, /** @type {string} */ extra) => html`<button
    class="button ${extra}"
    type="button"
    data-control="task-${verb}"
    ?disabled=${pending !== undefined}
    aria-busy=${pending === verb ? 'true' : 'false'}
    .title=${commandOf(verb, card.id)}
    @click=${() => begin(ctx, key, verb)}
  >
    ${icon(VERBS[verb].icon)}${pending === verb ? `${VERBS[verb].label}…` : VERBS[verb].label}
  </button>`;
  return html`${button(first, 'primary')} ${button(second, '')}
  ${drop(
    'task-more',
    icon('more'),
    'More actions',
    html`<div class="drop-list">
        ${rest.map(
          (verb) => html`<button class="drop-item ${VERBS[verb].danger ? 'is-danger' : ''}" type="button" data-closes ?disabled=${pending !== undefined} @click=${() => begin(ctx, key, verb)}>
            ${icon(VERBS[verb].icon)}<span>${VERBS[verb].label}</span>
          </button>`,
        )}
      </div>
      <div class="drop-list">
        <p class="drop-title muted">Priority</p>
        <div class="priority-row" role="group" aria-label="Priority">
          ${PRIORITIES.map(
            (priority) => html`<button
              class="group"
              type="button"
              data-closes
              aria-pressed=${(card.priority ?? 'normal').toLowerCase() === priority ? 'true' : 'false'}
              ?disabled=${pending !== undefined}
              @click=${() => void act(key, 'priority', { priority })}
            >
              ${priority}
            </button>`,
          )}
        </div>
      </div>`,
  )}`;
}

/** What the last action came to, when it did not work. @param {string} key */
function outcome(key) {
  const told = model.outcomes.get(key);
  if (!told) return nothing;
  return html`<div class="outcome tone-red" role="alert">
    <p class="outcome-title">${icon('error')}<b>${VERBS[told.verb]?.label ?? told.verb} did not work</b>
      <button class="icon-button" type="button" aria-label="Dismiss" @click=${() => dismiss(key)}>${icon('close')}</button></p>
    <p class="outcome-text"><bdi>${told.error}</bdi></p>
    ${told.values.map((value) => html`<p><code>${value.key}</code> is now <bdi><b>${value.current}</b></bdi>, you wanted <bdi><b>${value.wanted}</b></bdi></p>`)}
    ${told.hint ? html`<p class="outcome-hint"><code>${told.hint}</code></p>` : nothing}
  </div>`;
}

/** @param {Card} card */
function running(card) {
  if (card.running.length === 0) return nothing;
  return html`<div class="outcome tone-blue">
    ${card.running.slice(0, 5).map((id) => html`<p class="outcome-title">${icon('running')}<b>Runs now</b> <a .href=${operationHref(id)}>${clean(id, 60)}</a></p>`)}
  </div>`;
}

/** @param {Card} card */
function why(card) {
  if (card.blocked_reason === null || card.blocked_reason === '') return nothing;
  return html`<div class="outcome tone-amber"><p class="outcome-title">${icon('paused')}<b>Blocked</b></p><p class="outcome-text"><bdi>${block(card.blocked_reason, 1_000)}</bdi></p></div>`;
}

/** @param {Ctx} ctx @param {Address} address @param {Card} card */
function panel(ctx, address, card) {
  if (address.tab === 'graph') return graphView(model.board.cards, card, (one) => address.href(one.id, one.project));
  const { detail, about } = model;
  if (detail === null) return html`<div class="empty"><p class="empty-title">${about.status === 'failed' ? about.error : 'Loading…'}</p></div>`;
  if (address.tab === 'file') return fileText(ctx, detail._llmctl?.raw ?? '');
  if (address.tab === 'history') return history(ctx);
  return sheet(ctx, card, detail);
}

/** @param {Ctx} ctx @param {Card} card @param {any} detail */
function sheet(ctx, card, detail) {
  const now = ctx.now();
  const own = detail._llmctl ?? {};
  const path = String(own.path ?? card.path);
  const operations = Array.isArray(own.operation_ids) ? own.operation_ids.slice(0, 20) : [];
  const rest = Object.entries(detail).filter(([key]) => !SHOWN.has(key));
  const long = rest.filter(([, value]) => typeof value === 'string' && (value.length > LONG || value.includes('\n')));
  const short = rest.filter((entry) => !long.includes(entry));
  return html`<div class="sheet">
    ${typeof detail.description === 'string' ? markdown(detail.description) : valueView(detail.description)} ${result(detail)}
    ${long.map(([key, value]) => html`<h3>${words(key)}</h3>${markdown(value)}`)}
    <h3>About</h3>
    <dl class="facts">
      ${fact('Status', html`<bdi>${clean(card.status ?? 'none written', 60)}</bdi>`)} ${fact('Priority', html`<bdi>${clean(card.priority ?? 'none written', 60)}</bdi>`)}
      ${fact('Created', card.created === null ? null : html`${dateTime(card.created)} <span class="muted">${ago(card.created, now)}</span>`)}
      ${fact('Changed', html`${dateTime(card.modified)} <span class="muted">${ago(card.modified, now)}</span>`)}
      ${fact('Cost', card.cost_nano_usd === null ? null : html`<span class="num">${cost(card.cost_nano_usd)}</span>`)}
      ${fact('Operations', operations.length === 0 ? null : operations.map((/** @type {string} */ id) => html`<a class="mono" .href=${operationHref(String(id))}>${clean(id, 60)}</a> `))}
      ${fact('Labels', card.tags.length === 0 ? null : card.tags.map((tag) => html`<span class="tag tone-slate"><bdi>${clean(tag, 60)}</bdi></span> `))}
      ${fact('File', html`<code>${clean(path, 400)}</code> ${copyButton(ctx, path, 'the path')}`)}
      ${short.map(([key, value]) => fact(words(key), valueView(value)))}
    </dl>
    ${notes(detail.notes)} ${problems(own.problems)}
  </div>`;
}

/** @param {string} iso @param {number} now */
function ago(iso, now) {
  const text = age(iso, now);
  return text === null || text === 'now' ? (text ?? '') : `${text} ago`;
}

/** @param {any} detail */
function result(detail) {
  const parts = [];
  if (detail.result) {
    const summary = typeof detail.result === 'string' ? detail.result : detail.result.summary;
    parts.push(html`<h3>Result</h3>${typeof summary === 'string' ? markdown(summary) : nothing}`);
    const rest = typeof detail.result === 'object' ? Object.entries(detail.result).filter(([key]) => key !== 'summary') : [];
    if (rest.length > 0) parts.push(html`<dl class="facts">${rest.map(([key, value]) => fact(words(key), valueView(value)))}</dl>`);
  }
  if (detail.error) {
    const text = typeof detail.error === 'string' ? detail.error : (detail.error.message ?? jsonText(detail.error, 4_000));
    parts.push(html`<h3>Error</h3><p class="foreign tone-red tone-text">${block(text, 4_000)}</p>`);
  }
  return parts;
}

/** @param {any} value */
function notes(value) {
  if (value === null || value === undefined) return nothing;
  const list = Array.isArray(value) ? value.slice(-100) : [value];
  return html`<h3>Notes</h3>
    <ul class="notes">
      ${list.map((note) => html`<li class="foreign">${typeof note === 'string' ? block(note, 4_000) : jsonText(note, 4_000)}</li>`)}
    </ul>`;
}

/** @param {any} list */
function problems(list) {
  if (!Array.isArray(list) || list.length === 0) return nothing;
  return html`<h3>What is odd about the file</h3>
    <ul class="notes">
      ${list.slice(0, 50).map((one) => html`<li class="foreign">${typeof one === 'string' ? block(one, 500) : `${one.line ? `line ${one.line}: ` : ''}${block(one.message ?? one.kind ?? jsonText(one, 500), 500)}`}</li>`)}
    </ul>`;
}

/** @param {Ctx} ctx @param {unknown} raw */
const fileText = (ctx, raw) => html`<div class="sheet code-box">${copyButton(ctx, String(raw), 'the file')}<pre class="file-text" dir="ltr">${block(raw, 400_000)}</pre></div>`;

/** @param {Ctx} ctx */
function history(ctx) {
  if (model.events === null) {
    void fetchEvents();
    return html`<div class="empty"><p class="empty-title">Loading…</p></div>`;
  }
  if (model.events.length === 0) return html`<div class="empty"><p>Nothing is stored yet. <code>llmctl task history</code> reads it from git.</p></div>`;
  const now = ctx.now();
  return html`<ol class="timeline">
    ${[...model.events].reverse().map((envelope) => {
      const data = envelope.data ?? {};
      const moved = data.from_lane ? `${clean(data.from_lane, 20)} → ${clean(data.lane, 20)}` : '';
      const changed = Array.isArray(data.changed) && data.changed.length > 0 ? `changed ${clean(data.changed.slice(0, 8).join(', '), 200)}` : '';
      const text = [moved, changed, data.actor ? `by ${clean(data.actor, 60)}` : '', clean(data.summary ?? data.error ?? data.message ?? '', 200)].filter(Boolean).join(' · ');
      return html`<li class="task-event"><span class="num muted" .title=${dateTime(envelope.at)}>${moment(envelope.at, now)}</span><b>${clean(String(envelope.type).replace('task.', ''), 30)}</b><bdi>${text}</bdi></li>`;
    })}
  </ol>`;
}

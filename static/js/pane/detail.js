// @ts-check
// One operation: what it is, how it ended, and its tabs.

import { html, nothing } from '../../vendor/lit-html/lit-html.js';
import { tabKeys } from '../a11y.js';
import { GIVEN, partialPath } from '../api/operations.js';
import { brief, bytes, clean, compact, cost, costExact, counted, whole } from '../format.js';
import { icon } from '../icons.js';
import { isFinal, totalTokens } from '../state.js';
import { costText, elapsedText, neverRan, placeText, stopText } from '../states.js';
import { operationButtons } from '../views/actions.js';
import { callsTab } from './calls.js';
import { controlsView } from './controls.js';
import { activity, rateText, sparkline, tokenTitle } from '../views/activity.js';
import { outputTab } from './output-tab.js';
import { copyButton, statePill } from '../views/parts.js';
import { requestTab } from './request.js';
import { routingTab } from './routing.js';
import { timelineTab } from './timeline.js';
import { retryView } from './retry.js';
import { usageTab } from './usage.js';

/** @typedef {import('../state.js').Operation} Operation */
/** @typedef {import('../screen.js').Ctx} Ctx */
/** @typedef {import('./pane.js').Pane} Pane */

/** @type {{tab: string, label: string, count?: (pane: Pane, op: Operation) => number}[]} */
const TABS = [
  { tab: 'output', label: 'Output' },
  { tab: 'timeline', label: 'Timeline' },
  { tab: 'routing', label: 'Routing', count: (pane) => pane.extra.routing.at(-1)?.candidates?.length ?? 0 },
  { tab: 'calls', label: 'Tool calls', count: (_pane, op) => op.calls },
  { tab: 'usage', label: 'Cost' },
  { tab: 'request', label: 'Request' },
];

/** @param {Ctx} ctx @param {Pane} pane */
export function detailView(ctx, pane) {
  if (pane.id === null) return nothing;
  const op = pane.operation();
  if (!op) return missing(pane);
  const now = ctx.now();
  return html`<section class="detail" aria-label="Operation ${pane.id}">
    ${head(ctx, pane, op)} ${strip(ctx.store, op, now)} ${outcome(op, ctx)}
    <div class="tabs" role="tablist" aria-label="About this operation" @keydown=${tabKeys}>
      ${TABS.map((entry) => tabButton(ctx, pane, op, entry))}
    </div>
    <div class="tab-panel" role="tabpanel" id="tab-panel" tabindex="0" aria-labelledby="tab-${known(pane.tab)}">
      ${panel(ctx, pane, op)}
    </div>
  </section>`;
}

/** The name of a tab that exists. @param {string} tab */
const known = (tab) => (TABS.some((entry) => entry.tab === tab) ? tab : 'output');

/** @param {Pane} pane */
function missing({ id, extra, place }) {
  const { status } = extra;
  const text = status === 'missing' ? 'There is no such operation' : status === 'failed' ? 'It could not be read' : 'Loading…';
  return html`<section class="detail" aria-label="Operation">
    <div class="detail-head">
      <a class="icon-button" .href=${place.closeHref} aria-label="Close">${icon('close')}</a>
    </div>
    <div class="empty">
      <p class="empty-title">${text}</p>
      <p class="mono muted">${clean(id, 60)}</p>
    </div>
  </section>`;
}

/** @param {Ctx} ctx @param {Pane} pane @param {Operation} op */
function head(ctx, pane, op) {
  const { model } = ctx.store;
  const doing = { pending: model.pending.get(op.operation_id), asked: model.asked.has(op.operation_id) };
  const about = [op.tool, op.provider, op.agent && `agent ${op.agent}`, op.attempt > 1 && `attempt ${op.attempt}`];
  return html`<div class="detail-head">
    <a class="icon-button detail-close" .href=${pane.place.closeHref} title="Close (Esc)" aria-label="Close">
      <span class="when-wide">${icon('close')}</span><span class="when-narrow">${icon('back')}</span>
    </a>
    <div class="detail-title">
      <div class="detail-line">
        <h2><bdi>${op.model === null ? 'Default model' : clean(op.model, 200)}</bdi></h2>
        ${statePill(op.state)}
      </div>
      <p class="detail-about">
        ${about.filter(Boolean).map((part) => html`<bdi>${clean(part, 120)}</bdi>`)}
        <span class="detail-id"><span class="mono">${op.operation_id}</span>${copyButton(ctx, op.operation_id, 'the id')}</span>
      </p>
      ${isFinal(op.state) ? nothing : html`<p class="detail-activity">${activity(op)}</p>`}
    </div>
    <div class="detail-buttons">${operationButtons(op, doing, ctx.verbs)}${isFinal(op.state) ? retryView(ctx, op, doing.pending) : nothing}${controlsView(ctx, op, doing.pending)}${pane.place.fullHref === null
      ? nothing
      : html`<a class="icon-button full-link" .href=${pane.place.fullHref} title="On a page of its own" aria-label="Open on a page of its own">${icon('expand')}</a>`}</div>
  </div>`;
}

/** @param {Ctx['store']} store @param {Operation} op @param {number} now */
function strip(store, op, now) {
  const rate = isFinal(op.state) ? null : rateText(store, op.operation_id);
  const limit = op.max_cost_nano_usd === null ? '' : `of ${cost(op.max_cost_nano_usd)}`;
  return html`<dl class="strip">
    ${stat('Elapsed', elapsedText(op, now), op.first_output_ms === null ? '' : `first output ${brief(op.first_output_ms)}`)}
    ${stat('Tokens', compact(totalTokens(op.tokens)), `${compact(op.tokens.output)} out`, tokenTitle(op))}
    ${stat('Cost', op.cost_nano_usd === null ? cost(null) : cost(op.cost_nano_usd), limit || costNote(op), `${costExact(op.cost_nano_usd)}\n${costText(op)}`)}
    ${isFinal(op.state)
      ? stat('Exit', exitText(op), op.calls > 0 ? counted(op.calls, 'tool call') : '')
      : stat('Rate', rate ?? '–', sparkline(store.rates.graph(op.operation_id)))}
    ${stat('Output', bytes(op.stdout_bytes), op.stderr_bytes > 0 ? `${bytes(op.stderr_bytes)} stderr` : '')}
  </dl>`;
}

/** Where the figure comes from; what never ran cost nothing, whoever says so. @param {Operation} op */
function costNote(op) {
  if (neverRan(op)) return 'it never ran';
  return op.cost_nano_usd === null ? '' : op.cost_basis;
}

/** @param {Operation} op */
function exitText(op) {
  if (op.signal !== null) return `signal ${op.signal}`;
  return op.exit_code === null ? '–' : String(op.exit_code);
}

/** @param {string} term @param {unknown} value @param {unknown} note @param {string} [title] */
const stat = (term, value, note, title = '') => html`<div class="stat" .title=${title}>
  <dt>${term}</dt>
  <dd>${value}</dd>
  <dd class="stat-note">${note}</dd>
</div>`;

/** How it ended, what is kept and how to go on. @param {Operation} op @param {Ctx} ctx */
function outcome(op, ctx) {
  const parts = [];
  if (op.error) {
    parts.push(html`<p class="outcome-title">${icon('error')}<b>${clean(op.error.class, 60)}</b></p>
      <p class="outcome-text"><bdi>${clean(op.error.message, 2_048)}</bdi></p>
      ${op.error.hint ? html`<p class="outcome-hint"><span class="muted">Hint</span> <bdi>${clean(op.error.hint, 500)}</bdi></p>` : nothing}
      ${op.error.retryable ? html`<p class="muted">The same request may succeed later.</p>` : nothing}`);
  }
  if (op.stopped) {
    const killed = op.stopped.killed_processes;
    parts.push(html`<p class="outcome-title">${icon('stopped')}<b>${stopText(op.stopped)}</b></p>
      ${op.stopped.reason ? html`<p class="outcome-text"><bdi>${clean(op.stopped.reason, 500)}</bdi></p>` : nothing}
      ${killed > 0 ? html`<p class="muted">${counted(killed, 'process', 'processes')} had to be killed.</p>` : nothing}`);
  }
  if (op.queue) {
    parts.push(html`<p class="outcome-title">${icon('queued')}<b><bdi>${clean(placeText(op.queue), 200)}</bdi></b></p>
      <p class="muted">Priority ${whole(op.queue.priority)}</p>`);
  }
  const failed = op.attempts.filter((attempt) => attempt.error_class !== null);
  if (op.attempts.length > 1) {
    parts.push(html`<p class="muted">${counted(op.attempts.length, 'attempt')}:
      ${failed.map((a) => html`<span class="file"><code>${clean(a.model === null ? a.tool : `${a.tool}:${a.model}`, 120)}</code> <span class="tone-red">${clean(a.error_class, 40)}</span></span>`)}</p>`);
  }
  if (op.drift) {
    parts.push(html`<p class="muted">The tool's own figure for the cost differs from ours; <code>llmctl cost explain</code> has both.</p>`);
  }
  if (op.state === 'lost') {
    parts.push(html`<p class="outcome-title">${icon('lost')}<b>Its runner ended without a word</b></p>
      <p class="outcome-text">Figures are those of its last report. They are corrected if its journal is found.</p>`);
  }
  if (op.state === 'detached') {
    parts.push(html`<p class="outcome-title">${icon('detached')}<b>No link to its runner</b></p>
      <p class="outcome-text">The operation goes on; figures are those of its last report.</p>`);
  }
  if (op.partial) parts.push(partialView(op.partial, op.operation_id));
  if (op.resume_command) parts.push(resumeView(op.resume_command, ctx));
  if (parts.length === 0) return nothing;
  const tone = op.state === 'error' ? 'red' : op.state === 'refused' ? 'orange' : op.state === 'lost' ? 'rose' : op.state === 'detached' ? 'violet' : 'grey';
  return html`<div class="outcome tone-${tone}">${parts}</div>`;
}

/** @param {NonNullable<Operation['partial']>} partial @param {string} id */
const partialView = (partial, id) => html`<p class="outcome-kept">
  <span class="muted">Kept in</span> <code>${clean(partial.dir_name, 120)}</code>
  ${partial.files.slice(0, 20).map((f) => html`<span class="file">${GIVEN.has(f.name)
    ? html`<a .href=${partialPath(id, f.name)} download><code>${clean(f.name, 80)}</code></a>`
    : html`<code>${clean(f.name, 80)}</code>`} <span class="muted">${bytes(f.bytes)}</span></span>`)}
  ${partial.files.length > 20 ? html`<span class="muted">and ${whole(partial.files.length - 20)} more</span>` : nothing}
</p>`;

/** @param {string} command @param {Ctx} ctx */
const resumeView = (command, ctx) => html`<div class="resume">
  <span class="muted">Go on with</span>
  <code class="resume-command"><bdi>${clean(command, 1_000)}</bdi></code>
  ${copyButton(ctx, command, 'the resume command')}
</div>`;

/** @param {Ctx} ctx @param {Pane} pane @param {Operation} op @param {(typeof TABS)[number]} entry */
function tabButton(ctx, pane, op, entry) {
  const on = known(pane.tab) === entry.tab;
  const number = entry.count?.(pane, op) ?? 0;
  return html`<button
    type="button"
    role="tab"
    id="tab-${entry.tab}"
    aria-controls="tab-panel"
    aria-selected=${on ? 'true' : 'false'}
    .tabIndex=${on ? 0 : -1}
    @click=${() => ctx.navigate(pane.place.tabPath(entry.tab), { replace: true })}
  >
    ${entry.label}${number > 0 ? html`<span class="count">${whole(number)}</span>` : nothing}
  </button>`;
}

/** @param {Ctx} ctx @param {Pane} pane @param {Operation} op */
function panel(ctx, pane, op) {
  const tab = known(pane.tab);
  if (tab === 'usage') return usageTab(op, pane);
  if (tab === 'timeline') return timelineTab(pane, op);
  if (tab === 'routing') return routingTab(pane.extra);
  if (tab === 'calls') return callsTab(pane.extra);
  if (tab === 'request') return requestTab(op, ctx);
  return outputTab(ctx, pane, op);
}

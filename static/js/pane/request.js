// @ts-check
// What was asked: command, prompt, place, times.

import { html } from '../../vendor/lit-html/lit-html.js';
import { bytes, clean, dateTime, shellWords } from '../format.js';
import { isOperationId } from '../state.js';
import { modeText } from '../states.js';
import { copyButton, fact, operationHref } from '../views/parts.js';

/** @typedef {import('../state.js').Operation} Operation */

/** @param {Operation} op @param {import('../screen.js').Ctx} ctx */
export function requestTab(op, ctx) {
  const words = shellWords(op.command);
  return html`<div class="sheet">
    <h3>Command</h3>
    ${op.command.length > 0
      ? html`<div class="command-line"><code>${op.command.map((word, i) => html`${i > 0 ? ' ' : ''}<span class="word"><bdi>${clean(shellWords([word]), 2_000)}</bdi></span>`)}</code>${copyButton(ctx, words, 'the command')}</div>`
      : html`<p class="muted">Not started yet.</p>`}
    <dl class="facts">
      ${fact('Directory', op.cwd && html`<code>${clean(op.cwd, 500)}</code>`)}
      ${fact('Why this model', op.reason && html`<bdi>${clean(op.reason, 500)}</bdi>`)}
      ${fact('Mode', modeText(op.mode))}
      ${fact('Agent', op.agent && html`<bdi>${clean(op.agent, 200)}</bdi>`)}
      ${fact('Task type', op.task_type && html`<bdi>${clean(op.task_type, 200)}</bdi>`)}
      ${fact('Attempt', op.attempt > 0 ? String(op.attempt) : '')}
      ${fact('Repeats', link(op.retry_of))} ${fact('Repeated by', link(op.retried_by))}
    </dl>
    <h3>Prompt</h3>
    ${op.prompt ? prompt(op.prompt) : html`<p class="muted">Not known yet.</p>`}
    <h3>Times</h3>
    <dl class="facts">
      ${fact('Submitted', html`<span class="num">${dateTime(op.submitted_at)}</span>`)}
      ${fact('Started', op.started_at && html`<span class="num">${dateTime(op.started_at)}</span>`)}
      ${fact('Ended', op.ended_at && html`<span class="num">${dateTime(op.ended_at)}</span>`)}
      ${fact('Exit code', op.exit_code === null ? '' : String(op.exit_code))}
      ${fact('Signal', op.signal === null ? '' : String(op.signal))}
      ${fact('Session', op.session_id && html`<code>${clean(op.session_id, 200)}</code>`)}
    </dl>
  </div>`;
}

/** The text of a prompt is never here. @param {NonNullable<Operation['prompt']>} p */
const prompt = (p) => html`<dl class="facts">
  ${fact('File', p.file && html`<code>${clean(p.file, 500)}</code>`)}
  ${fact('Size', bytes(p.bytes))}
  ${fact('SHA-256', html`<code class="hash">${clean(p.sha256, 64)}</code>`)}
</dl>`;

/** @param {string|null} id */
const link = (id) => (isOperationId(id) ? html`<a class="mono" .href=${operationHref(String(id))}>${id}</a>` : '');

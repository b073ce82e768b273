// @ts-check
// What an MCP server offers: tools with schema and use, the form that calls one, resources and prompts. All names and
// descriptions are the server's own words.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { guard } from '../../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { brief, clean, compact, counted, duration, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { block, jsonText } from '../../plain.js';
import { copyButton } from '../../views/parts.js';
import { LONGEST_CALL_S, act, editCall, model, offerCall, runCall, toggle } from './model.js';
import { ago, tail } from './parts.js';
import { parameters } from './schema.js';
import { isOpen } from './states.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./types.js').Server} Server */
/** @typedef {import('./types.js').Tool} Tool */
/** @typedef {import('./types.js').Detail} Detail */

/** @param {Ctx} ctx @param {Server} server @param {Detail} detail @param {number} now */
export function toolsTab(ctx, server, detail, now) {
  const tools = detail.tools ?? [];
  const open = isOpen(server.state);
  if (tools.length === 0) {
    return html`<div class="empty">
      <p class="empty-title">${detail.discovered_at === null ? 'Its tools are not known yet' : 'It offers no tools'}</p>
      <p>${open ? 'Ask it what it offers.' : 'They are read when it runs.'}</p>
      ${open ? html`<button class="button" type="button" ?disabled=${model.pending.has(server.name)} @click=${() => void act(server.name, 'discover')}>${icon('search')}<span>Discover</span></button>` : nothing}
    </div>`;
  }
  return html`<p class="tab-note muted">
      ${detail.discovered_at === null ? nothing : html`Read ${ago(detail.discovered_at, now)}. `}Their definitions take about
      ${whole(server.context_tokens_estimate)} tokens of a model’s context.
    </p>
    <ul class="tools">
      ${repeat(
        tools,
        (/** @type {Tool} */ tool) => tool.name,
        (/** @type {Tool} */ tool, /** @type {number} */ i) => toolView(ctx, tool, i, open),
      )}
    </ul>`;
}

/** @param {Ctx} ctx @param {Tool} tool @param {number} i @param {boolean} callable */
function toolView(ctx, tool, i, callable) {
  const open = model.open.has(tool.name);
  const calls = tool.calls === 0 ? null : `${counted(tool.calls, 'call')} · ${brief(tool.total_ms / tool.calls)} on average · ${brief(tool.max_ms)} at most`;
  return html`<li class="tool ${open ? 'is-open' : ''}">
    <div class="tool-line">
      <button class="tool-toggle" type="button" aria-expanded=${open ? 'true' : 'false'} aria-controls="tool-${i}" @click=${() => toggle(tool.name)}>
        ${icon('chevron')}<code><bdi>${clean(tool.name, 200)}</bdi></code>
        ${tool.title ? html`<span class="muted tool-title"><bdi>${clean(tool.title, 200)}</bdi></span>` : nothing}
      </button>
      ${tool.errors > 0 ? html`<span class="tag tone-red" .title=${clean(tool.last_error, 500)}>${counted(tool.errors, 'error')}</span>` : nothing}
      <span class="muted num tool-tokens" .title=${`About ${whole(tool.context_tokens_estimate)} tokens of a model’s context`}>${compact(tool.context_tokens_estimate)} tokens</span>
      <button
        class="button"
        type="button"
        .ariaLabel=${`Call ${clean(tool.name, 100)}`}
        .title=${callable ? 'Call it with arguments of your own' : 'The server does not run'}
        ?disabled=${!callable}
        @click=${() => offerCall(model.call?.tool === tool.name ? null : tool)}
      >
        ${icon('play')}<span>Call</span>
      </button>
    </div>
    ${!open && tool.description ? html`<p class="tool-about muted"><bdi>${clean(tool.description, 300)}</bdi></p>` : nothing}
    ${calls === null ? nothing : html`<p class="tool-about num">${calls}</p>`}
    ${model.call?.tool === tool.name ? callForm(ctx) : nothing}
    <div id="tool-${i}" class="tool-more" ?hidden=${!open}>${open ? more(ctx, tool) : nothing}</div>
  </li>`;
}

/** @param {Ctx} ctx @param {Tool} tool */
function more(ctx, tool) {
  const text = jsonText(tool.input_schema);
  const fields = parameters(tool.input_schema);
  return html`${tool.description ? html`<p class="foreign">${block(tool.description, 8_000)}</p>` : nothing}
    ${tool.last_error ? html`<p class="tone-red tone-text foreign">${block(tool.last_error, 1_000)}</p>` : nothing}
    ${fields.length > 0
      ? html`<table class="plain params">
          <thead><tr><th scope="col">Argument</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
          <tbody>
            ${fields.map(
              (field) => html`<tr>
                <th scope="row"><code><bdi>${clean(field.name, 100)}</bdi></code>${field.required ? html` <span class="tag tone-blue">required</span>` : nothing}</th>
                <td><bdi>${clean(field.type, 60)}</bdi></td>
                <td class="foreign">${block(field.description, 1_000)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`
      : nothing}
    <details>
      <summary>Schema</summary>
      <div class="code-box"><pre tabindex="0" aria-label="Schema of its arguments">${text}</pre>${copyButton(ctx, text, 'the schema')}</div>
    </details>`;
}

/** @param {Ctx} ctx */
function callForm(ctx) {
  const call = model.call;
  if (call === null) return nothing;
  const running = call.status === 'running';
  return html`<form
    class="call-form"
    aria-label=${`Call ${clean(call.tool, 100)}`}
    @submit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void runCall();
    }}
    @keydown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        void runCall();
      }
    }}
  >
    <label for="call-arguments">Arguments, as JSON</label>
    <textarea
      id="call-arguments"
      class="code"
      rows="7"
      spellcheck="false"
      autocomplete="off"
      aria-invalid=${call.problem === '' ? 'false' : 'true'}
      aria-describedby="call-problem"
      .value=${call.text}
      ?disabled=${running}
      @input=${(/** @type {any} */ event) => editCall({ text: event.target.value.slice(0, 60_000) })}
    ></textarea>
    <p id="call-problem" class="problem" role="status">${call.problem}</p>
    <div class="call-buttons">
      <label class="seconds">Time limit
        <input type="number" min="1" max=${LONGEST_CALL_S} .value=${String(call.seconds)} ?disabled=${running}
          @change=${(/** @type {any} */ event) => editCall({ seconds: Math.min(LONGEST_CALL_S, Math.max(1, Math.trunc(Number(event.target.value)) || 30)) })} /> s</label>
      <span class="output-space"></span>
      <button class="button quiet" type="button" ?disabled=${running} @click=${() => offerCall(null)}>Close</button>
      <button class="button primary" type="submit" ?disabled=${running || call.problem !== ''} aria-busy=${running ? 'true' : 'false'}>
        ${icon(running ? 'starting' : 'play')}<span>${running ? 'Waiting for the answer…' : 'Call'}</span>
      </button>
    </div>
    ${result(ctx, call)}
  </form>`;
}

/** @param {Ctx} ctx @param {import('./model.js').Call} call */
function result(ctx, call) {
  if (call.failure) {
    return html`<div class="outcome tone-red" role="alert">
      <p class="outcome-title">${icon('error')}<b>The call failed</b></p>
      <p class="outcome-text"><bdi>${call.failure.error}</bdi></p>
      ${call.failure.hint ? html`<p class="outcome-hint"><code>${call.failure.hint}</code></p>` : nothing}
      ${call.failure.tail ? tail(call.failure.tail) : nothing}
    </div>`;
  }
  if (call.status !== 'done' || !call.answer) return nothing;
  // It may be megabytes: written once, not at each drawing.
  return guard([call.answer], () => answerView(ctx, call.answer));
}

/** @param {Ctx} ctx @param {any} answer */
function answerView(ctx, { is_error: failed, text, result: whole, duration_ms: ms }) {
  const shown = block(text, 100_000);
  const all = jsonText(whole, 200_000);
  return html`<div class="call-result">
    <p class="outcome-title tone-${failed ? 'red' : 'green'}">${icon(failed ? 'error' : 'check')}<b>${failed ? 'The tool reports an error' : 'Answer'}</b>
      <span class="muted num">${ms < 1_000 ? brief(ms) : duration(ms)}</span><span class="output-space"></span>${copyButton(ctx, shown === '' ? all : shown, 'the answer')}</p>
    ${shown === '' ? html`<p class="muted">It has no text.</p>` : html`<pre class="tail-text" tabindex="0" aria-label="Text of the answer">${shown}</pre>`}
    <details>
      <summary>Whole answer</summary>
      <pre class="tail-text" tabindex="0">${all}</pre>
    </details>
  </div>`;
}

/** @param {Detail} detail @param {number} now */
export function resourcesTab(detail, now) {
  const { resources = [], prompts = [] } = detail;
  if (resources.length + prompts.length === 0) {
    return html`<div class="empty"><p class="empty-title">No resources and no prompts</p><p>${detail.discovered_at === null ? 'They are read when it runs.' : html`Read ${ago(detail.discovered_at, now)}.`}</p></div>`;
  }
  return html`<div class="sheet">
    ${resources.length === 0
      ? nothing
      : html`<h3>Resources<span class="count">${whole(resources.length)}</span></h3>
          <ul class="offers">
            ${resources.map(
              (one) => html`<li>
                <p><b><bdi>${clean(one.name, 200)}</bdi></b> ${one.mime_type ? html`<span class="tag tone-slate"><bdi>${clean(one.mime_type, 80)}</bdi></span>` : nothing}</p>
                <p><code><bdi>${clean(one.uri, 1_000)}</bdi></code></p>
                ${one.description ? html`<p class="foreign muted">${block(one.description, 2_000)}</p>` : nothing}
              </li>`,
            )}
          </ul>`}
    ${prompts.length === 0
      ? nothing
      : html`<h3>Prompts<span class="count">${whole(prompts.length)}</span></h3>
          <ul class="offers">
            ${prompts.map(
              (one) => html`<li>
                <p><b><bdi>${clean(one.name, 200)}</bdi></b> ${one.arguments.map((name) => html`<code class="file"><bdi>${clean(name, 100)}</bdi></code> `)}</p>
                ${one.description ? html`<p class="foreign muted">${block(one.description, 2_000)}</p>` : nothing}
              </li>`,
            )}
          </ul>`}
  </div>`;
}

// @ts-check
// The question before a verb that has to be told something: an agent, a result, a reason; and the form of a new task.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { ref } from '../../../vendor/lit-html/directives/ref.js';
import { clean } from '../../format.js';
import { showDialog } from '../../shell/confirm.js';
import { PRIORITIES, names } from './columns.js';
import { act, create, model } from './model.js';
import { VERBS } from './verbs.js';

/** Longest text that is taken, in characters; the daemon has limits of its own. */
const MAX_TEXT = 20_000;

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {{kind: 'verb', key: string, verb: string, body: Record<string, unknown>, agent: string}|{kind: 'new'}} Question */

/** @type {{question: Question|null, problem: string, busy: boolean}} */
const asked = { question: null, problem: '', busy: false };
/** @type {Ctx|null} */
let ctx = null;

export const isAsking = () => asked.question !== null;

/** @param {Ctx} given @param {Question} question */
function show(given, question) {
  ctx = given;
  Object.assign(asked, { question, problem: '', busy: false });
  given.schedule();
}

function close() {
  if (asked.question === null) return;
  asked.question = null;
  ctx?.schedule();
}

/** Asks what a verb has to be told, or does it at once. @param {Ctx} given @param {string} key @param {string} verb @param {Record<string, unknown>} [body] */
export function begin(given, key, verb, body = {}) {
  const card = model.board.cards.get(key);
  const look = VERBS[verb];
  if (!card || !look) return;
  const asks = look.asks;
  const running = verb === 'run' && card.agent === null;
  if (running || (asks && body[asks.field] === undefined)) {
    show(given, { kind: 'verb', key, verb, body, agent: card.agent ?? '' });
    return;
  }
  if (verb === 'archive') {
    void given
      .confirm({ title: 'Archive this task?', body: 'Its file is moved to the archive and leaves the board.', action: 'Archive' })
      .then((yes) => (yes ? act(key, verb, body) : undefined));
    return;
  }
  void act(key, verb, body);
}

/** @param {Ctx} given */
export const beginNew = (given) => show(given, { kind: 'new' });

/** @param {SubmitEvent} event */
async function submit(event) {
  event.preventDefault();
  const { question } = asked;
  if (!(event.target instanceof HTMLFormElement) || question === null) return;
  const data = new FormData(event.target);
  const get = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
  if (question.kind === 'verb') {
    const look = VERBS[question.verb];
    const field = question.verb === 'run' ? 'agent' : (look.asks?.field ?? 'text');
    const body = { ...question.body, [field]: get('value') };
    close();
    await act(question.key, question.verb, body);
    return;
  }
  asked.busy = true;
  ctx?.schedule();
  const agent = get('agent');
  const wrong = await create(get('project') || null, {
    title: get('title'),
    priority: get('priority'),
    description: get('description') || null,
    agent: agent === '' ? null : agent,
    assign: agent !== '' && data.get('assign') !== null,
  });
  asked.busy = false;
  if (wrong === null) close();
  else asked.problem = wrong;
  ctx?.schedule();
}

export function askView() {
  const { question } = asked;
  return html`<dialog
    class="dialog task-ask"
    aria-labelledby="ask-title"
    @close=${close}
    ${ref((/** @type {any} */ element) => showDialog(element, question !== null))}
  >
    ${question === null ? nothing : html`<form @submit=${submit}>${question.kind === 'new' ? newForm() : verbForm(question)}</form>`}
  </dialog>`;
}

const agents = () => html`<datalist id="known-agents">${names(model.board, (card) => card.agent).map((name) => html`<option .value=${clean(name, 100)}></option>`)}</datalist>`;

/** @param {string} action @param {boolean} [danger] */
const buttons = (action, danger = false) => html`<div class="dialog-buttons">
  <button class="button" type="button" @click=${close}>Cancel</button>
  <button class="button ${danger ? 'danger' : 'primary'}" type="submit" ?disabled=${asked.busy}>${action}</button>
</div>`;

/** @param {Extract<Question, {kind: 'verb'}>} question */
function verbForm(question) {
  const look = VERBS[question.verb];
  const card = model.board.cards.get(question.key);
  const asks = question.verb === 'run' ? { label: 'Agent', agent: true, many: false } : look.asks;
  return html`<h2 id="ask-title">${look.label}</h2>
    <p><bdi>${clean(card?.title ?? '', 120)}</bdi></p>
    ${look.about ? html`<p>${look.about}</p>` : nothing}
    <label class="field"
      ><span>${asks?.label}</span>
      ${asks?.many
        ? html`<textarea name="value" rows="4" required maxlength=${MAX_TEXT} autofocus @keydown=${chord}></textarea>`
        : html`<input name="value" required maxlength="200" list="known-agents" autocomplete="off" spellcheck="false" .value=${question.agent} autofocus />`}</label
    >
    ${asks?.agent ? agents() : nothing} ${buttons(look.label, look.danger)}`;
}

/** Ctrl+Enter sends what has several lines. @param {KeyboardEvent} event */
function chord(event) {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (event.target instanceof HTMLTextAreaElement) event.target.form?.requestSubmit();
}

function newForm() {
  const projects = names(model.board, (card) => card.project);
  return html`<h2 id="ask-title">New task</h2>
    <label class="field"><span>Title</span><input name="title" required maxlength="200" autocomplete="off" autofocus /></label>
    <div class="field-row">
      <label class="field"><span>Agent</span><input name="agent" maxlength="100" list="known-agents" autocomplete="off" spellcheck="false" /></label>
      <label class="field"
        ><span>Priority</span>
        <select name="priority">
          ${PRIORITIES.map((one) => html`<option value=${one} ?selected=${one === 'normal'}>${one}</option>`)}
        </select></label
      >
    </div>
    ${projects.length > 1
      ? html`<label class="field"
          ><span>Project</span><select name="project">
            ${projects.map((one) => html`<option .value=${one}>${clean(one, 100)}</option>`)}
          </select></label
        >`
      : nothing}
    <label class="field"><span>Description</span><textarea name="description" rows="6" maxlength=${MAX_TEXT} @keydown=${chord}></textarea></label>
    <label class="check-field"><input type="checkbox" name="assign" /> Assign it to the agent at once</label>
    ${asked.problem === '' ? nothing : html`<p class="problem" role="alert">${asked.problem}</p>`} ${agents()} ${buttons('Create')}`;
}

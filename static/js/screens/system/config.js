// @ts-check
// The configuration in force: each key with its value, who said so, and what was found wrong in the files.

import { html, nothing } from '../../../vendor/lit-html/lit-html.js';
import { guard } from '../../../vendor/lit-html/directives/guard.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { clean, counted, label, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { block } from '../../plain.js';
import { filterField } from '../../views/parts.js';
import { KEYS_SHOWN, SHOW, inShow, isDefault, matches, originText, sections } from './data.js';
import { again, model } from './model.js';
import { hint } from './status.js';

/** @typedef {import('../../screen.js').Ctx} Ctx */
/** @typedef {import('./data.js').Address} Address */
/** @typedef {import('./types.js').Value} Value */

/** @type {Record<string, string>} */
const TONES = { error: 'red', warning: 'amber', information: 'blue' };
/** @type {Record<string, string>} */
const LAYERS = { user: 'user', project: 'project', env: 'variable', flag: 'flag' };

/** @param {Ctx} ctx @param {Address} address */
export function configView(ctx, address) {
  const { config, configFailed } = model;
  return html`<section class="sys-config" aria-labelledby="sys-config">
    <h3 id="sys-config">Configuration ${config === null ? nothing : html`<span class="muted">from ${counted(config.files, 'file')}</span>`}</h3>
    ${configFailed === null
      ? nothing
      : html`<div class="banner tone-red" role="alert">${icon('error')}<span>${config === null ? '' : 'Shown is what was known before. '}${configFailed.error} ${hint(configFailed.hint)}</span><button class="button" type="button" @click=${again}>Try again</button></div>`}
    ${config === null
      ? configFailed === null ? html`<p class="muted">Waiting for the daemon…</p>` : nothing
      : html`${findings(config)} ${guard([config, address.text, address.show], () => keys(ctx, address, config))}`}
  </section>`;
}

/** @param {import('./types.js').Config} config */
function findings({ findings: list, omitted }) {
  if (list.length === 0) return nothing;
  return html`<ul class="findings" aria-label="Found in the files">
    ${list.map((one) => {
      const where = originText(one.origin);
      return html`<li class="finding tone-${Object.hasOwn(TONES, one.severity) ? TONES[one.severity] : 'slate'}">
        <span class="tag">${label(clean(one.severity, 20))}</span>
        <div>
          <p>${one.path ? html`<code>${clean(one.path, 200)}</code> ` : nothing}<bdi>${clean(one.message, 500)}</bdi></p>
          <p class="muted">${where ? html`<code><bdi>${clean(where, 300)}</bdi></code>` : nothing} ${one.hint ? html`<span>${hint(one.hint)}</span>` : nothing} <span>${clean(one.code, 60)}</span></p>
        </div>
      </li>`;
    })}
    ${omitted > 0 ? html`<li class="muted">and ${whole(omitted)} more: <code>llmctl config validate</code></li>` : nothing}
  </ul>`;
}

/** @param {Ctx} ctx @param {Address} address @param {import('./types.js').Config} config */
function keys(ctx, address, config) {
  const found = config.values.filter((value) => matches(value, address.words));
  const shown = found.filter((value) => inShow(value, address.show));
  const drawn = shown.slice(0, KEYS_SHOWN);
  return html`<div class="toolbar sys-bar">
      ${filterField(address.text, 'Search keys, values, files', 'Search the configuration', (q) => address.set(ctx, { q }))}
      <div class="groups" role="group" aria-label="Which keys">
        ${SHOW.map(
          ({ show, label: text }) => html`<button
            type="button" class="group" aria-pressed=${address.show === show ? 'true' : 'false'}
            @click=${() => address.set(ctx, { show: show === 'all' ? null : show })}
          >${text}<span class="count">${whole(found.filter((value) => inShow(value, show)).length)}</span></button>`,
        )}
      </div>
    </div>
    ${drawn.length === 0 ? noKey(ctx, address) : table(drawn)}
    ${shown.length > drawn.length ? html`<p class="muted">${whole(KEYS_SHOWN)} keys are shown at most; ${whole(shown.length - drawn.length)} more are found by a search.</p>` : nothing}`;
}

/** @param {Ctx} ctx @param {Address} address */
function noKey(ctx, address) {
  if (address.words.length > 0) {
    return html`<div class="empty"><p class="empty-title">No key matches</p><p><button class="button" type="button" @click=${() => address.set(ctx, { q: null, show: null })}>Show all</button></p></div>`;
  }
  return html`<div class="empty"><p class="empty-title">${address.show === 'overridden' ? 'No key is set twice' : 'Nothing is set; everything is as it comes'}</p>
    ${address.show === 'set' ? html`<p>Write a file to begin with:</p><pre class="command"><code>llmctl config init</code></pre>` : nothing}</div>`;
}

/** @typedef {{section: string, values: Value[]}} Section */

/** @param {Value[]} values */
function table(values) {
  return html`<table class="config-table" aria-label="Configuration">
    <thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
    ${repeat(
      sections(values),
      (/** @type {Section} */ { section }) => section,
      (/** @type {Section} */ { section, values: list }) => html`<tbody>
        <tr class="config-section"><th colspan="3" scope="rowgroup">${clean(section, 100)}<span class="count">${whole(list.length)}</span></th></tr>
        ${list.map(row)}
      </tbody>`,
    )}
  </table>`;
}

/** @param {Value} value */
function row(value) {
  const unset = isDefault(value);
  return html`<tr class=${unset ? 'is-default' : ''}>
    <th scope="row"><code><bdi>${clean(value.path, 300)}</bdi></code>${value.about ? html`<p class="muted">${clean(value.about, 300)}</p>` : nothing}</th>
    <td><code class="foreign">${block(value.value, 2_000)}</code></td>
    <td>
      ${unset
        ? html`<span class="tag tone-slate">default</span>`
        : html`<span class="tag tone-blue">${Object.hasOwn(LAYERS, value.origin.layer) ? LAYERS[value.origin.layer] : clean(value.origin.layer, 20)}</span> <code class="config-from"><bdi>${clean(originText(value.origin), 300)}</bdi></code>`}
      ${(value.overridden ?? []).slice(0, 5).map(
        (other) => html`<p class="muted">instead of <s><code>${clean(other.value, 100)}</code></s> ${isDefault(/** @type {any} */ (other)) ? 'by default' : html`<bdi>${clean(originText(other.origin), 300)}</bdi>`}</p>`,
      )}
    </td>
  </tr>`;
}

// @ts-check
// How the screen Models looks: a table of figures, and for the chosen model why it was chosen, what it costs and who
// offers it. Pure in what it is given.

import { html, nothing, svg } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { brief, clean, compact, cost, costExact, counted, dateTime, duration, label, moment, whole } from '../../format.js';
import { icon } from '../../icons.js';
import { changed, path } from '../../router.js';
import { filterField } from '../../views/parts.js';
import { CLASSES, idOf, origin, percent, perMillion, rate, sorted, SPAN_NAMES, SPANS } from './data.js';

/** @typedef {import('./data.js').Model} Model */
/** @typedef {import('./index.js').ModelsModel} ModelsModel */
/** @typedef {import('../../screen.js').Route} Route */

/** @param {Route} route @param {Record<string, string|null>} change */
const to = (route, change) => `#${path(['models'], changed(route.query, change))}`;

/** @param {ModelsModel} model @param {Route} route @param {import('./index.js').Actions} actions */
export function modelsView(model, route, actions) {
  return html`<div class="models">
    <div class="cost-bar">
      ${filterField(model.asked.q, 'Search, the price table too', 'Search models', actions.search)}
      <nav class="segment" aria-label="Time">
        ${SPANS.map((span) => html`<a href=${to(route, { since: span === '30d' ? null : span })} aria-current=${span === model.asked.since ? 'true' : 'false'}>${SPAN_NAMES[span]}</a>`)}
      </nav>
    </div>
    ${model.failed ? html`<p class="problem" role="alert">${icon('error')}<span>${clean(model.failed.error, 300)} ${clean(model.failed.hint, 200)}</span></p>` : nothing}
    ${model.answer === null ? html`<p class="loading muted">${model.failed ? '' : 'Loading…'}</p>` : content(model, route)}
  </div>`;
}

/** @param {ModelsModel} model @param {Route} route */
function content(model, route) {
  const answer = /** @type {import('./data.js').Models} */ (model.answer);
  const { sort, up, q } = model.asked;
  if (answer.models.length === 0) return q ? nobody(q) : empty();
  return html`
    <div class="rows-scroll is-wide" tabindex="0" role="region" aria-label="Models">
      <table class="rows models-table">
        <thead>
          <tr>
            ${head(route, model, 'name', 'Model')}
            ${head(route, model, 'share', 'Share', 'Part of all ended operations')}
            ${head(route, model, 'success', 'Success', 'Complete among complete and failed; what somebody stopped says nothing of quality')}
            ${head(route, model, 'p50', 'Median', 'Duration of complete operations, median')}
            ${head(route, model, 'p95', '95 %', 'Duration that 95 % of complete operations did not exceed')}
            ${head(route, model, 'first', 'First output', 'Time to the first output, median')}
            ${head(route, model, 'rate', 'Tokens/s', 'Output tokens a second over the whole running time of complete operations')}
            ${head(route, model, 'each', 'Each', 'Cost of one operation, among those whose cost is known')}
            ${head(route, model, 'cost', 'Cost')}
            ${head(route, model, 'tokens', 'Tokens', 'All classes')}
            ${head(route, model, 'used', 'Last used')}
            <th scope="col" class="num" title="US dollars for a million tokens, today">In / out per M</th>
          </tr>
        </thead>
        <tbody>
          ${repeat(sorted(answer.models, sort, up), (/** @type {Model} */ m) => `${m.provider}/${m.model}`, (/** @type {Model} */ m) => row(model, m, route))}
        </tbody>
      </table>
    </div>
    <p class="foot muted">
      ${counted(answer.operations, 'ended operation')} looked at${answer.truncated ? ', the newest; older ones are left out' : ''}. Times are those of whole operations, tool calls included.
      ${answer.omitted > 0 ? `${counted(answer.omitted, 'further model')} match; search for more of the name.` : ''}
      Built-in prices: ${clean(answer.price_table, 80)}.
    </p>
  `;
}

/** @param {Route} route @param {ModelsModel} model @param {import('./data.js').Sort} key @param {string} name @param {string} [title] */
function head(route, model, key, name, title = '') {
  const here = model.asked.sort === key;
  const turned = here && !model.asked.up;
  const down = (key === 'name') === model.asked.up;
  return html`<th scope="col" class=${key === 'name' ? '' : 'num'} aria-sort=${here ? (down ? 'descending' : 'ascending') : 'none'}>
    <a class="sort" href=${to(route, { sort: `${turned ? '-' : ''}${key}` })} title=${title || nothing}>${name}${here ? html`<span aria-hidden="true">${down ? ' ↓' : ' ↑'}</span>` : nothing}</a>
  </th>`;
}

/** What has no name: a tool chose for itself, or nothing was chosen because nothing could take it. @param {Model} m */
function nameless(m) {
  const all = m.stats?.operations ?? 0;
  const ran = m.offered_by.reduce((sum, offer) => sum + offer.operations, 0);
  if (ran === 0 && all > 0) return 'none chosen';
  return all > ran ? `default of the tool; none chosen ${whole(all - ran)}×` : 'default of the tool';
}

/** The built-in model asks nobody, so that it has no price. @param {Model} m */
const isFree = (m) => m.provider === 'practice' && m.price === null;

/** @param {Model} m */
const nameOf = (m) => (m.model === null ? html`<span class="muted">${nameless(m)}</span>` : html`<bdi>${clean(m.model, 120)}</bdi>`);

/** @param {ModelsModel} model @param {Model} m @param {Route} route */
function row(model, m, route) {
  const open = model.asked.open === idOf(m);
  const s = m.stats;
  const rates = m.price?.rates;
  const price = (/** @type {number|null|undefined} */ pico) => (pico === null || pico === undefined ? '–' : costExact(perMillion(pico)));
  return html`<tr class=${open ? 'is-open' : ''}>
      <th scope="row">
        <a class="model-name" href=${to(route, { model: open ? null : idOf(m) || '-' })} aria-expanded=${open ? 'true' : 'false'}>
          <span class="turn ${open ? 'is-open' : ''}">${icon('chevron')}</span>${nameOf(m)}
        </a>
        <span class="muted model-by"><bdi>${clean(m.provider, 60)}</bdi></span>
        ${marks(m)}
      </th>
      <td class="num c-share" data-name="Share">${s ? html`<span title=${counted(s.operations, 'operation')}>${percent(s.selected_permille)}</span>${bar(s.selected_permille ?? 0)}` : '–'}</td>
      <td class="num" data-name="Success" title=${s ? `${whole(s.complete)} complete, ${whole(s.failed)} failed, ${whole(s.stopped)} stopped` : nothing}>
        <span class=${s?.success_permille !== null && s !== null && s.success_permille < 900 ? 'tone-amber tone-text' : ''}>${percent(s?.success_permille)}</span>
      </td>
      <td class="num" data-name="Median">${brief(s?.p50_ms)}</td>
      <td class="num" data-name="95 %">${brief(s?.p95_ms)}</td>
      <td class="num" data-name="First output">${brief(s?.first_output_p50_ms)}</td>
      <td class="num" data-name="Tokens/s">${rate(s?.tokens_per_s_milli)}</td>
      <td class="num" data-name="Each" title=${s?.cost_each_nano_usd ? costExact(s.cost_each_nano_usd) : nothing}>${s ? cost(s.cost_each_nano_usd) : '–'}</td>
      <td class="num" data-name="Cost" title=${s ? costTitle(s) : nothing}>${s ? `${s.cost_unknown === s.operations ? 'unknown' : cost(s.cost_nano_usd)}${s.cost_unknown > 0 && s.cost_unknown < s.operations ? ' +' : ''}` : '–'}</td>
      <td class="num" data-name="Tokens" title=${s ? whole(s.tokens) : nothing}>${s ? compact(s.tokens) : '–'}</td>
      <td class="num" data-name="Last used" title=${m.last_used_at ? dateTime(m.last_used_at) : nothing}>${m.last_used_at ? moment(m.last_used_at, model.nowMs) : 'never'}</td>
      <td class="num" data-name="In / out per M">${m.price ? html`${price(rates?.input_pico_usd)} <span class="muted">/</span> ${price(rates?.output_pico_usd)}` : html`<span class="muted">${isFree(m) ? 'free' : 'unknown'}</span>`}</td>
    </tr>
    ${open ? html`<tr class="model-more"><td colspan="12">${more(m)}</td></tr>` : nothing}`;
}

/** @param {import('./data.js').Stats} s */
const costTitle = (s) => `${costExact(s.cost_nano_usd)}${s.cost_unknown > 0 ? ` and ${counted(s.cost_unknown, 'operation')} of unknown cost` : ''}`;

/** @param {Model} m */
function marks(m) {
  return html`${m.retired ? html`<span class="tag tone-red">retired</span>` : nothing}
    ${m.deprecated && !m.retired ? html`<span class="tag tone-amber" title=${m.superseded_by ? `use ${clean(m.superseded_by, 100)}` : nothing}>deprecated</span>` : nothing}
    ${m.broken ? html`<span class="tag tone-red" title=${clean(m.broken, 300)}>not usable</span>` : nothing}`;
}

/** @param {number} permille */
const bar = (permille) => html`<svg class="share slot-1" viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">
  <rect class="share-ground" width="1000" height="6" />${svg`<rect class="share-part" width=${permille} height="6" />`}
</svg>`;

/** @param {Model} m */
function more(m) {
  const s = m.stats;
  const chosen = m.reasons.reduce((sum, reason) => sum + reason.count, 0);
  return html`<div class="model-cards">
    <section>
      <h3>Why it was chosen</h3>
      ${m.reasons.length === 0
        ? html`<p class="muted">It was not chosen in this time.</p>`
        : html`<ul class="reasons">
            ${m.reasons.map((reason) => html`<li><span>${clean(label(reason.code), 80)}</span>${bar(Math.round((reason.count * 1_000) / Math.max(1, chosen)))}<span class="num">${whole(reason.count)}</span></li>`)}
          </ul>`}
      ${s
        ? html`<p class="muted">
            ${counted(s.operations, 'operation')}: ${whole(s.complete)} complete, ${whole(s.failed)} failed, ${whole(s.stopped)} stopped or refused.
            ${counted(s.retries, 'further attempt')}. Another model took over ${whole(s.fallbacks_from)}×, it took over ${whole(s.fallbacks_to)}×.
          </p>`
        : nothing}
    </section>
    <section>
      <h3>Price <span class="muted">US dollars for a million tokens</span></h3>
      ${m.price ? priceView(m.price) : isFree(m) ? html`<p class="muted">It is built in, asks no provider and costs nothing.</p>` : html`<p class="muted">${m.price_missing === 'no_row_today' ? 'The price table has no price for today.' : 'No price is known: costs of this model are unknown, never zero.'}</p>`}
    </section>
    <section>
      <h3>Offered by</h3>
      ${m.offered_by.length === 0
        ? html`<p class="muted">No tool of the configuration names it, and none has run it. <code>llmctl models</code> looks for what is installed.</p>`
        : html`<ul class="offers">
            ${m.offered_by.map(
              (offer) => html`<li>
                <bdi>${clean(offer.tool, 80)}</bdi>
                <span class="muted">${[offer.configured ? 'configured' : '', offer.operations > 0 ? `ran ${whole(offer.operations)}×` : ''].filter(Boolean).join(', ')}</span>
                ${offer.reason ? html`<span class="tag tone-amber">${clean(offer.reason, 120)}</span>` : nothing}
              </li>`,
            )}
          </ul>`}
      <dl class="facts">
        ${m.context_window ? html`<div><dt>Context window</dt><dd>${whole(m.context_window)} tokens</dd></div>` : nothing}
        ${m.aliases && m.aliases.length > 0 ? html`<div><dt>Aliases</dt><dd>${clean(m.aliases.join(', '), 300)}</dd></div>` : nothing}
        ${m.superseded_by ? html`<div><dt>Use instead</dt><dd>${clean(m.superseded_by, 120)}</dd></div>` : nothing}
        ${m.note ? html`<div><dt>Note</dt><dd>${clean(m.note, 500)}</dd></div>` : nothing}
      </dl>
    </section>
  </div>`;
}

/** @param {import('./data.js').Price} price */
function priceView(price) {
  const line = (/** @type {import('./data.js').Rates} */ rates) =>
    CLASSES.filter(([key]) => rates[key] !== null && rates[key] !== undefined).map(
      ([key, name]) => html`<tr><th scope="row">${name}</th><td class="num">${costExact(perMillion(rates[key]))}</td></tr>`,
    );
  const use = (/** @type {number|null} */ pico, /** @type {string} */ name) =>
    pico === null ? nothing : html`<tr><th scope="row">${name}</th><td class="num">${costExact(BigInt(pico) / 1_000n)} each</td></tr>`;
  return html`<table class="prices">
      <tbody>
        ${line(price.rates)} ${use(price.web_search_pico_usd, 'Web search')} ${use(price.request_pico_usd, 'Request')}
        ${price.tiers.map(
          (tier) => html`<tr class="tier"><th scope="colgroup" colspan="2">Above ${whole(tier.above_input_tokens)} input tokens${tier.applies_to === 'excess' ? ', for what is above' : ''}</th></tr>
            ${line(tier.rates)}`,
        )}
      </tbody>
    </table>
    <p class="muted">
      ${price.valid_from ? html`Since <span title=${price.valid_from}>${dateTime(price.valid_from).slice(0, 10)}</span>` : 'Without a first day'}${price.valid_to ? html` until ${dateTime(price.valid_to).slice(0, 10)}` : nothing},
      from ${clean(origin(price), 120)}${price.note ? html`: <bdi>${clean(price.note, 300)}</bdi>` : nothing}.
      ${price.hours ? html`In the hours ${duration(price.hours.start_ms)}–${duration(price.hours.end_ms)} of the day, UTC.` : nothing}
      ${price.modes.length > 0 ? `Other prices for ${clean(price.modes.join(', '), 120)}.` : ''}
    </p>`;
}

/** @param {string} q */
const nobody = (q) => html`<div class="empty"><h2 class="empty-title">No model has “${clean(q, 80)}” in its name</h2><p>Neither what is configured, nor what ran, nor the price table.</p></div>`;

function empty() {
  return html`<div class="empty">
    <span class="empty-mark">${icon('models')}</span>
    <h2 class="empty-title">No model has run yet</h2>
    <p>Here is how models do: how often each is chosen and why, how fast, how reliable, how dear. Search to look up a price.</p>
    <pre class="command"><code>llmctl execute --prompt FILE --model auto</code></pre>
  </div>`;
}

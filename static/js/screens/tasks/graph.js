// @ts-check
// What a task waits for and what waits for it, as a small drawing and as lists that say the same.

import { html, nothing, svg } from '../../../vendor/lit-html/lit-html.js';
import { clean, counted } from '../../format.js';
import { stateLook } from './columns.js';
import { MOST, layers } from './layers.js';

/** Measures of the drawing, in its own units. */
const WIDTH = 190;
const HEIGHT = 44;
const GAP_X = 46;
const GAP_Y = 12;

/** @typedef {import('./fold.js').Card} Card */
/** @typedef {import('./layers.js').Node} Node */
/** @typedef {import('./layers.js').Graph} Graph */

/** @param {ReadonlyMap<string, Card>} cards @param {Card} centre @param {(card: Card) => string} href */
export function graphView(cards, centre, href) {
  const graph = layers(cards, centre);
  const before = graph.nodes.filter((node) => node.layer < 0);
  const after = graph.nodes.filter((node) => node.layer > 0);
  if (before.length + after.length === 0) return html`<div class="sheet"><p class="muted">It waits for nothing, and nothing waits for it.</p></div>`;
  return html`<div class="sheet">
    ${graph.nodes.length > 1 && graph.nodes.length <= MOST ? drawing(graph, centre) : nothing}
    ${list('Waits for', before, href)} ${list('Waits for this', after, href)}
    ${graph.cut ? html`<p class="muted">There are more, further away: <code>llmctl task graph ${clean(centre.id, 100)}</code></p>` : nothing}
  </div>`;
}

/** @param {string} title @param {Node[]} nodes @param {(card: Card) => string} href */
function list(title, nodes, href) {
  if (nodes.length === 0) return nothing;
  const sorted = [...nodes].sort((a, b) => Math.abs(a.layer) - Math.abs(b.layer));
  return html`<h3>${title}<span class="muted">${counted(nodes.length, 'task')}</span></h3>
    <ul class="dep-list">
      ${sorted.map(
        (node) =>
          html`<li>
            ${node.card === null
              ? html`<span class="tag tone-slate">unknown</span><bdi>${clean(node.id, 200)}</bdi>`
              : html`<span class="tag tone-${stateLook(node.card.state).tone}">${stateLook(node.card.state).label}</span><a .href=${href(node.card)}><bdi>${clean(node.card.title, 160)}</bdi></a>`}
            ${Math.abs(node.layer) > 1 ? html`<span class="muted">${counted(Math.abs(node.layer), 'step')} away</span>` : nothing}
          </li>`,
      )}
    </ul>`;
}

/** @param {Graph} graph @param {Card} centre */
function drawing(graph, centre) {
  const numbers = [...new Set(graph.nodes.map((node) => node.layer))].sort((a, b) => a - b);
  /** @type {Map<string, {x: number, y: number}>} */
  const places = new Map();
  let height = 0;
  numbers.forEach((layer, column) => {
    graph.nodes
      .filter((node) => node.layer === layer)
      .forEach((node, row) => {
        places.set(node.id, { x: column * (WIDTH + GAP_X), y: row * (HEIGHT + GAP_Y) });
        height = Math.max(height, (row + 1) * (HEIGHT + GAP_Y));
      });
  });
  const width = numbers.length * (WIDTH + GAP_X) - GAP_X;
  const at = (/** @type {string} */ id) => places.get(id) ?? { x: 0, y: 0 };
  // The lists below say the same in words.
  return html`<div class="graph" tabindex="0" role="img" aria-label=${`Dependencies of ${clean(centre.title, 100)}; the lists below say the same`}>
    <svg viewBox="0 0 ${width} ${height}" width=${width} height=${height} aria-hidden="true">
      ${graph.edges.map(([from, to]) => edge(at(from), at(to)))} ${graph.nodes.map((node) => box(node, at(node.id), node.id === centre.id))}
    </svg>
  </div>`;
}

/** @param {{x: number, y: number}} from @param {{x: number, y: number}} to */
function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return svg`<path class="graph-edge" d="M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" />`;
}

/** @param {Node} node @param {{x: number, y: number}} place @param {boolean} centre */
function box(node, place, centre) {
  const look = node.card === null ? { tone: 'slate', label: 'unknown' } : stateLook(node.card.state);
  const text = clean(node.card?.title ?? node.id, 26);
  return svg`<g class="graph-box tone-${look.tone} ${centre ? 'is-centre' : ''}" transform="translate(${place.x} ${place.y})">
    <rect width=${WIDTH} height=${HEIGHT} rx="6" /><rect class="graph-tone" width="3" height=${HEIGHT - 12} x="6" y="6" rx="1.5" />
    <text x="16" y="18">${text}</text><text class="graph-state" x="16" y="34">${look.label}</text>
  </g>`;
}

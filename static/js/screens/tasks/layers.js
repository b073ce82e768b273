// @ts-check
// The surroundings of a task in layers: what it waits for, and what waits for it. Pure.

/** Cards in the graph; more are said, not drawn. */
export const MOST = 40;
/** Steps in each direction. */
const DEEP = 4;

/** @typedef {import('./fold.js').Card} Card */
/** @typedef {{id: string, card: Card|null, layer: number}} Node */
/** @typedef {{nodes: Node[], edges: [string, string][], cut: boolean}} Graph edges lead from what is waited for to what waits */

/**
 * The surroundings of a task: what it waits for to the left (negative layers), what waits for it to the right.
 * @param {ReadonlyMap<string, Card>} cards
 * @param {Card} centre
 * @returns {Graph}
 */
export function layers(cards, centre) {
  /** @type {Map<string, Card>} */
  const byId = new Map();
  /** @type {Map<string, string[]>} */
  const waiting = new Map();
  for (const card of cards.values()) {
    if (card.project !== centre.project) continue;
    byId.set(card.id, card);
    for (const id of card.dependencies) {
      const list = waiting.get(id);
      if (list) list.push(card.id);
      else waiting.set(id, [card.id]);
    }
  }
  /** @type {Map<string, Node>} */
  const nodes = new Map([[centre.id, { id: centre.id, card: centre, layer: 0 }]]);
  /** @type {Map<string, [string, string]>} */
  const edges = new Map();
  let cut = false;
  for (const way of [-1, 1]) {
    let border = [centre.id];
    for (let step = 1; step <= DEEP && border.length > 0; step += 1) {
      const next = [];
      for (const id of border) {
        const others = way < 0 ? (byId.get(id)?.dependencies ?? []) : (waiting.get(id) ?? []);
        for (const other of others) {
          if (!nodes.has(other)) {
            if (nodes.size >= MOST) {
              cut = true;
              continue;
            }
            nodes.set(other, { id: other, card: byId.get(other) ?? null, layer: way * step });
            next.push(other);
          }
          const edge = /** @type {[string, string]} */ (way < 0 ? [other, id] : [id, other]);
          edges.set(edge.join('\u0000'), edge);
        }
      }
      border = next;
    }
    if (border.some((id) => (way < 0 ? (byId.get(id)?.dependencies ?? []) : (waiting.get(id) ?? [])).some((other) => !nodes.has(other)))) cut = true;
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()], cut };
}

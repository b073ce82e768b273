// @ts-check
// How fast operations produce output, from their progress events. Kept apart from the projection, which has no
// history. Pure of clocks: only the runner's own elapsed time counts.

/** The window a rate is taken over. */
const WINDOW_MS = 10_000;
/** Samples kept for each operation, for the small graph: at four a second some fifteen seconds. */
const KEPT = 60;
/** Points of the small graph. */
const POINTS = 24;

/**
 * @typedef {{at: number, tokens: number, bytes: number}} Sample
 * @typedef {{value: number, unit: 'tok/s'|'B/s'}} Rate
 */

export class Rates {
  constructor() {
    /** @type {Map<string, Sample[]>} */
    this.samples = new Map();
  }

  /** @param {any} progress payload of `execution.progress` */
  sample(progress) {
    const id = progress?.operation_id;
    const at = Number(progress?.elapsed_ms);
    if (typeof id !== 'string' || !Number.isFinite(at)) return;
    const list = this.samples.get(id) ?? [];
    // A new attempt starts its time again.
    if (list.length > 0 && at < list[list.length - 1].at) list.length = 0;
    list.push({ at, tokens: Number(progress.tokens?.output) || 0, bytes: Number(progress.stdout_bytes) || 0 });
    if (list.length > KEPT) list.shift();
    this.samples.set(id, list);
  }

  /** Tokens a second where the tool reports them while it runs, else bytes. @param {string} id @returns {Rate|null} */
  of(id) {
    const list = this.samples.get(id);
    if (!list || list.length < 2) return null;
    const last = list[list.length - 1];
    const first = list.find((s) => last.at - s.at <= WINDOW_MS) ?? last;
    const ms = last.at - first.at;
    if (ms < 500) return null;
    const tokens = last.tokens - first.tokens;
    if (tokens > 0) return { value: (tokens * 1_000) / ms, unit: 'tok/s' };
    const bytes = last.bytes - first.bytes;
    return bytes > 0 ? { value: (bytes * 1_000) / ms, unit: 'B/s' } : null;
  }

  /** Heights from 0 to 1 for the small graph, oldest first; empty when there is too little. @param {string} id */
  graph(id) {
    const list = this.samples.get(id);
    if (!list || list.length < 4) return [];
    const tokens = list[list.length - 1].tokens > list[0].tokens;
    const steps = [];
    for (let i = Math.max(1, list.length - POINTS); i < list.length; i += 1) {
      const [a, b] = [list[i - 1], list[i]];
      const gained = tokens ? b.tokens - a.tokens : b.bytes - a.bytes;
      steps.push(b.at > a.at ? Math.max(0, gained) / (b.at - a.at) : 0);
    }
    const top = Math.max(...steps);
    return top > 0 ? steps.map((s) => s / top) : [];
  }

  /** Forgets operations that are gone or have ended. @param {ReadonlyMap<string, {state: string}>} operations */
  keepOnly(operations) {
    for (const id of this.samples.keys()) {
      const state = operations.get(id)?.state;
      if (state !== 'running' && state !== 'paused' && state !== 'stopping') this.samples.delete(id);
    }
  }
}

// What is measured inside of the page: when a figure is on the screen, how long frames take, when the first row is
// there. Functions that are run in the browser, and sums over what they say.

/** Times are milliseconds since 1970 with a fraction, by the clock of this machine. */
export const clockNow = () => performance.timeOrigin + performance.now();

/** @param {number[]} values @param {number} share 0 to 1 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Runs before the page: when the first row of an operation has been painted. */
export function markFirstRow() {
  const look = () => {
    if (!document.querySelector('[data-operation]')) return requestAnimationFrame(look);
    // A task after the frame: by then it is painted.
    const channel = new MessageChannel();
    channel.port1.onmessage = () => (window.firstRowAt = performance.now());
    channel.port2.postMessage(null);
    return undefined;
  };
  requestAnimationFrame(look);
}

/** Notes, for each number the row of an operation shows, when it was painted; and how long frames take. @param {string} id */
export function watchRow(id) {
  const seen = [];
  const gaps = [];
  const work = [];
  const long = [];
  const cell = () => document.querySelector(`[data-operation="${id}"] .c-tokens`);
  const read = () => Number(/output ([\d\u202f]+)/.exec(cell()?.title ?? '')?.[1].replace(/\D/g, '') ?? -1);
  let last = -1;
  let before = 0;
  let running = true;
  const channel = new MessageChannel();
  let begun = 0;
  channel.port1.onmessage = () => {
    const now = performance.now();
    work.push(now - begun);
    const n = read();
    if (n > last) {
      last = n;
      seen.push([n, performance.timeOrigin + now]);
    }
  };
  const frame = (at) => {
    if (!running) return;
    begun = performance.now();
    if (before > 0) gaps.push(at - before);
    before = at;
    // Asked for before the page's own callback of this frame runs, answered after the frame is painted.
    channel.port2.postMessage(null);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => long.push(entry.duration)));
  observer.observe({ entryTypes: ['longtask'] });
  window.stopWatching = () => {
    running = false;
    observer.disconnect();
    return { seen, gaps, work, long };
  };
}

/** Delays of all numbers that were sent, by when a number as high or higher was on the screen. @param {Map<number, number>} sent @param {[number, number][]} seen */
export function delays(sent, seen) {
  const found = [];
  let at = 0;
  for (const [n, time] of [...sent.entries()].sort((a, b) => a[0] - b[0])) {
    while (at < seen.length && seen[at][0] < n) at += 1;
    if (at === seen.length) break;
    found.push(seen[at][1] - time);
  }
  return found;
}

/** What the page says of all operations and of their sums, without what ticks. */
export function picture() {
  const text = (element) => (element?.textContent ?? '').replace(/\s+/g, ' ').trim();
  const rows = [...document.querySelectorAll('[data-operation]')].map((row) =>
    [row.dataset.operation, ...['c-state', 'c-model', 'c-tool', 'c-tokens', 'c-cost'].map((name) => text(row.querySelector(`.${name}`)))].join(' | '));
  return { rows, groups: [...document.querySelectorAll('.group')].map(text), totals: [...document.querySelectorAll('[data-total]')].map(text), title: document.title };
}

// @ts-check
// The address: what stands behind the `#`, read into a route and written from one. Knows no screen.

/** @typedef {import('./screen.js').Route} Route */

/** Longest address that is read; a longer one counts as `#/`. */
const LONGEST = 4_096;

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {string} hash as `location.hash` has it @returns {Route} */
export function parse(hash) {
  const text = hash.startsWith('#/') && hash.length <= LONGEST ? hash.slice(2) : '';
  const at = text.indexOf('?');
  const path = at < 0 ? text : text.slice(0, at);
  const [name = '', ...parts] = path.split('/').filter(Boolean).map(decoded);
  return { name, parts, query: new URLSearchParams(at < 0 ? '' : text.slice(at + 1)) };
}

/**
 * A path for `navigate` and, with `#` before it, for links.
 * @param {readonly string[]} parts `['tasks', 'my-card']`
 * @param {URLSearchParams|Record<string, string|null|undefined>} [query] empty values are left out
 */
export function path(parts, query = {}) {
  const entries = query instanceof URLSearchParams ? [...query] : Object.entries(query);
  const kept = new URLSearchParams(entries.filter((e) => e[1] !== null && e[1] !== undefined && e[1] !== '').map(([k, v]) => [k, String(v)]));
  const text = kept.toString();
  return `/${parts.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/**
 * A query with some values changed; null, undefined and '' take one away.
 * @param {URLSearchParams} query
 * @param {Record<string, string|null|undefined>} change
 */
export function changed(query, change) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(change)) {
    if (value === null || value === undefined || value === '') next.delete(name);
    else next.set(name, value);
  }
  return next;
}

export class Router {
  /** @param {(route: Route) => void} onRoute */
  constructor(onRoute) {
    this.onRoute = onRoute;
    this.route = parse('');
  }

  start() {
    window.addEventListener('hashchange', () => this.read());
    this.read();
  }

  read() {
    this.route = parse(location.hash);
    this.onRoute(this.route);
  }

  /** @param {string} to @param {{replace?: boolean}} [options] */
  navigate(to, { replace = false } = {}) {
    const hash = `#${to}`;
    if (hash === location.hash) return;
    try {
      if (replace) history.replaceState(history.state, '', hash);
      else history.pushState(null, '', hash);
    } catch {
      // Browsers refuse changes that come too fast; the page goes on, its address lags behind.
    }
    // Neither tells of itself.
    this.route = parse(hash);
    this.onRoute(this.route);
  }
}

// @ts-check
// Notifications of the desktop, for who wants them: what ended, failed, ran out of budget, or went down while nobody
// looked. Off until it is switched on here; the browser has to allow it too.

import { clean, cost } from '../format.js';

const KEY = 'llmctl-notify';
/** More than so many in so long become one. */
const AT_ONCE = 3;
const WINDOW_MS = 10_000;

/**
 * What an event is worth telling: nothing for most. Pure.
 * @param {any} envelope
 * @returns {{tag: string, title: string, body: string, hash: string}|null}
 */
export function news({ type, data }) {
  if (data === null || typeof data !== 'object') return null;
  const id = String(data.operation_id ?? '');
  const about = (/** @type {string} */ title, /** @type {unknown} */ body) => ({ tag: id, title, body: clean(body, 200), hash: `#/operations/${encodeURIComponent(id)}` });
  switch (type) {
    case 'execution.complete':
      return about('Done', [data.model, data.cost_nano_usd === null || data.cost_nano_usd === undefined ? '' : cost(data.cost_nano_usd)].filter(Boolean).join(' · '));
    case 'execution.error':
      // Another attempt follows where it is not the last one.
      return data.final === false ? null : about('Failed', data.message ?? data.class);
    case 'execution.stopped':
      return data.by === 'budget' ? about('Stopped by its budget', data.reason) : null;
    case 'execution.lost':
      return about('Lost', 'Its runner ended without a word');
    case 'budget.refused':
      return data.action === 'refuse' ? about('Refused by a budget', data.message ?? '') : null;
    case 'execution.detached':
      return about('No link to its runner', 'It goes on; its figures are those of the last report');
    case 'cost.warning': {
      if (data.level !== 'limit') return null;
      const whose = data.scope === 'all' ? '' : ` of ${clean(data.scope, 40)} ${clean(data.name, 60)}`;
      return {
        tag: `budget-${data.scope}-${data.name}-${data.period}`,
        title: `The budget of the ${clean(data.period, 20)}${whose} is used up`,
        body: `${cost(data.spent_nano_usd)} of ${cost(data.limit_nano_usd)}`,
        hash: '#/cost',
      };
    }
    case 'mcp.server.failed':
      if (data.state === 'needs_authentication') {
        return { tag: `mcp-${data.server_name}`, title: `MCP server ${clean(data.server_name, 60)} needs credentials`, body: clean(data.message, 200), hash: `#/mcp/${encodeURIComponent(String(data.server_name))}` };
      }
      return { tag: `mcp-${data.server_name}`, title: `MCP server ${clean(data.server_name, 60)} is down`, body: clean(data.message, 200), hash: `#/mcp/${encodeURIComponent(String(data.server_name))}` };
    default:
      return null;
  }
}

export class Notifier {
  /** @param {(text: string, hint?: string, tone?: 'error'|'info') => void} notify */
  constructor(notify) {
    this.notify = notify;
    /** @type {number[]} */ this.times = [];
    this.held = 0;
    this.timer = 0;
    /** Kept, because the browser takes a while to say it, and it is wanted at each drawing. */
    this.on = this.read();
    document.addEventListener('visibilitychange', () => (this.on = this.read()));
  }

  get possible() {
    return typeof Notification === 'function';
  }

  /** Whether the user wants them and the browser allows them. */
  read() {
    return this.possible && Notification.permission === 'granted' && localStorage.getItem(KEY) === 'on';
  }

  /** Switches it on or off, asking the browser where it has to be asked. */
  async toggle() {
    if (this.on) {
      localStorage.setItem(KEY, 'off');
      this.on = false;
      this.notify('Notifications are off', '', 'info');
      return;
    }
    if (!this.possible || (await Notification.requestPermission()) !== 'granted') {
      this.notify('The browser does not allow notifications of this page', 'allow them in its settings for this address');
      return;
    }
    localStorage.setItem(KEY, 'on');
    this.on = this.read();
    this.notify('Notifications are on, for what happens while the page is hidden', '', 'info');
  }

  /** @param {any} envelope */
  event(envelope) {
    if (document.visibilityState === 'visible' || !this.on) return;
    const told = news(envelope);
    if (told === null) return;
    const now = Date.now();
    this.times = this.times.filter((at) => now - at < WINDOW_MS);
    if (this.times.length >= AT_ONCE) {
      this.held += 1;
      if (this.timer === 0) this.timer = window.setTimeout(() => this.tellHeld(), WINDOW_MS);
      return;
    }
    this.times.push(now);
    this.tell(told.title, told.body, told.tag, told.hash);
  }

  tellHeld() {
    const { held } = this;
    this.held = 0;
    this.timer = 0;
    if (held > 0 && document.visibilityState !== 'visible') this.tell(`${held} more have ended or failed`, '', 'llmctl-more', '#/');
  }

  /** @param {string} title @param {string} body @param {string} tag @param {string} hash */
  tell(title, body, tag, hash) {
    let shown;
    try {
      shown = new Notification(title, { body, tag });
    } catch {
      // Some browsers let only a service worker tell.
      return;
    }
    shown.onclick = () => {
      window.focus();
      location.hash = hash;
      shown?.close();
    };
  }
}

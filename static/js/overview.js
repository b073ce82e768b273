// @ts-check
// What the page knows beside the operations, in figures: spend of the day and its budgets, tasks in motion, servers
// that need attention. Asked at each connection and kept up to date by events; asked again at most every 2 s.

import { call } from './api.js';
import { needsAttention } from './states.js';

/** Wait before a figure is asked for again, so that a burst of events is one question. */
const AGAIN_MS = 2_000;
/** Servers listed by name; the others are counted. */
const NAMED = 20;

/**
 * @typedef {object} Budget as the daemon tells it, amounts in nano-dollars
 * @property {string} scope `all`, `project`, `model`, `agent`, `tool` or `provider`
 * @property {string|null} name
 * @property {string} period `operation`, `day` or `month`
 * @property {string} type `soft` or `hard`
 * @property {number} limit_nano_usd
 * @property {number} spent_nano_usd
 * @property {number} reserved_nano_usd
 * @property {number} used_percent
 * @property {number} threshold_percent
 * @property {string} policy
 * @property {string|null} resets_at
 *
 * @typedef {object} Spend
 * @property {number} today recorded today
 * @property {number} live of operations that have not ended, not yet recorded; 0 until the first update
 * @property {string} timezone
 *
 * @typedef {{name: string, state: string, error: string}} Trouble
 */

/** Which budget it is. @param {Budget} b */
const keyOf = (b) => JSON.stringify([b.scope, b.name, b.period, b.policy, b.type]);

/** @param {unknown} value */
const number = (value) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0);

/** Budgets with those that moved put in their place. @param {Budget[]} known @param {Budget[]} moved */
export function merged(known, moved) {
  const news = new Map(moved.map((b) => [keyOf(b), b]));
  const kept = known.map((b) => news.get(keyOf(b)) ?? b);
  const there = new Set(known.map(keyOf));
  return kept.concat(moved.filter((b) => !there.has(keyOf(b))));
}

/** The one budget the day is measured by: the whole day's, else the fullest of a day. @param {Budget[]} budgets */
export function budgetOfDay(budgets) {
  const days = budgets.filter((b) => b.period === 'day');
  const fullest = [...days].sort((a, b) => b.used_percent - a.used_percent);
  return days.find((b) => b.scope === 'all') ?? fullest[0] ?? null;
}

export class Overview {
  /** @param {() => void} schedule */
  constructor(schedule) {
    this.schedule = schedule;
    /** @type {Spend|null} */ this.spend = null;
    /** @type {Budget[]} */ this.budgets = [];
    /** @type {Record<string, number>|null} */ this.tasks = null;
    /** @type {{count: number, trouble: Trouble[], troubled: number}|null} */ this.servers = null;
    /** The daemon has no servers to tell of. */
    this.withoutServers = false;
    /** @type {Map<string, number>} */ this.timers = new Map();
  }

  /** Asks for everything. */
  refresh() {
    void this.readStats();
    void this.readBudgets();
    void this.readServers();
  }

  /** @param {any} envelope */
  event({ type, data }) {
    if (type === 'cost.update') this.update(data);
    else if (type === 'cost.warning') this.budgets = merged(this.budgets, [data]);
    else if (type === 'config.reloaded') this.later('budgets', () => this.readBudgets());
    else if (type.startsWith('task.')) this.later('stats', () => this.readStats());
    else if (type.startsWith('mcp.') && type !== 'mcp.server.usage') this.later('servers', () => this.readServers());
    else return;
    this.schedule();
  }

  /** @param {any} data payload of `cost.update` */
  update(data) {
    this.spend = { today: number(data?.today_nano_usd), live: number(data?.live_nano_usd), timezone: String(data?.timezone ?? '') };
    if (Array.isArray(data?.budgets)) this.budgets = merged(this.budgets, data.budgets);
  }

  /** @param {string} what @param {() => Promise<void>} read */
  later(what, read) {
    if (this.timers.has(what)) return;
    const timer = window.setTimeout(() => {
      this.timers.delete(what);
      void read();
    }, AGAIN_MS);
    this.timers.set(what, timer);
  }

  async readStats() {
    const answer = await call('/api/stats');
    if (!answer.ok) return;
    const { tasks, costs } = answer.value ?? {};
    this.tasks = tasks && typeof tasks === 'object' ? tasks : null;
    if (costs) this.spend = { today: number(costs.today_nano_usd), live: this.spend?.live ?? 0, timezone: String(costs.timezone ?? '') };
    this.schedule();
  }

  async readBudgets() {
    const answer = await call('/api/budgets');
    if (answer.ok && Array.isArray(answer.value)) this.budgets = answer.value;
    this.schedule();
  }

  async readServers() {
    if (this.withoutServers) return;
    const answer = await call('/api/mcp/servers');
    this.withoutServers = !answer.ok && answer.status === 404;
    if (!answer.ok || !Array.isArray(answer.value?.servers)) return;
    const all = answer.value.servers;
    const trouble = all.filter((/** @type {any} */ s) => needsAttention(s?.state));
    this.servers = {
      count: all.length,
      troubled: trouble.length,
      trouble: trouble.slice(0, NAMED).map((/** @type {any} */ s) => ({ name: String(s.name), state: String(s.state), error: String(s.last_error ?? '') })),
    };
    this.schedule();
  }
}

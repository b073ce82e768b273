// @ts-check
// What an event says, in one line for people. Pure; the screens of the page share it.

import { brief, bytes, clean, compact, cost, counted, label } from '../format.js';
import { totalTokens } from '../state.js';

/**
 * @typedef {object} Told
 * @property {string} icon
 * @property {string} tone
 * @property {string} title
 * @property {string} text from outside, cleaned
 */

/** @param {any} data */
const pair = (data) => clean([data?.tool, data?.model].filter(Boolean).join(' : '), 200);

/** @param {any} tokens */
function tokenText(tokens) {
  const zero = { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0, reasoning: 0, web_searches: 0 };
  const total = totalTokens({ ...zero, ...tokens });
  return total > 0 ? `${compact(total)} tokens` : '';
}

/** @param {any} d */
const ended = (d) => [brief(d.duration_ms), tokenText(d.tokens), cost(d.cost_nano_usd)].filter(Boolean).join(' · ');

/** @type {Record<string, (d: any) => Told>} */
const TELL = {
  'routing.decision': (d) => ({
    icon: 'route', tone: d.selected ? 'violet' : 'red', title: d.selected ? 'Routed' : 'No candidate was left',
    text: d.selected ? `${pair(d.selected)} ${clean(d.selected.reason, 300)}` : '',
  }),
  'model.selected': (d) => ({ icon: 'check', tone: 'violet', title: 'Model selected', text: `${pair(d)} ${clean(d.reason, 300)}` }),
  'execution.queued': (d) => ({ icon: 'queued', tone: 'slate', title: 'Queued', text: `place ${Number(d.position) || '–'}, ${label(clean(d.reason, 60)).toLowerCase()}` }),
  'execution.start': (d) => ({ icon: 'play', tone: 'blue', title: `Started, attempt ${Number(d.attempt) || 1}`, text: pair(d) }),
  'execution.complete': (d) => ({ icon: 'complete', tone: 'green', title: 'Complete', text: ended(d) }),
  'execution.error': (d) => ({
    icon: 'error', tone: 'red', title: d.final === false ? 'Attempt failed' : 'Failed', text: `${clean(d.class, 60)}: ${clean(d.message, 300)}`,
  }),
  'execution.stopped': (d) => ({ icon: 'stopped', tone: 'grey', title: 'Stopped', text: [clean(d.reason, 200), ended(d)].filter(Boolean).join(' · ') }),
  'execution.detached': (d) => ({ icon: 'detached', tone: 'violet', title: 'Link to the runner lost', text: clean(d.reason, 200) }),
  'execution.lost': (d) => ({ icon: 'lost', tone: 'rose', title: 'Lost', text: clean(d.reason, 200) }),
  'tool.invoked': (d) => ({ icon: 'tool', tone: 'slate', title: clean(d.name, 100), text: clean(d.summary, 300) }),
  'tool.response': (d) => ({
    icon: d.ok === false ? 'close' : 'check', tone: d.ok === false ? 'red' : 'green', title: d.ok === false ? 'Call failed' : 'Call answered',
    text: [brief(d.duration_ms), d.output_bytes ? bytes(Number(d.output_bytes)) : '', d.exit_code ? `exit ${Number(d.exit_code)}` : ''].filter(Boolean).join(' · '),
  }),
  'cost.recorded': (d) => ({
    icon: 'coins', tone: 'amber', title: 'Cost recorded', text: `${cost(d.cost_nano_usd)}, ${counted(Array.isArray(d.rows) ? d.rows.length : 0, 'model')}`,
  }),
  'cost.warning': (d) => ({
    icon: 'coins', tone: d.level === 'limit' ? 'red' : 'amber', title: d.level === 'limit' ? 'Budget used up' : 'Budget nearly used',
    text: `${clean(d.scope, 40)} ${clean(d.name, 80)} ${clean(d.period, 20)}, ${Number(d.used_percent) || 0} %`,
  }),
  'budget.refused': (d) => ({ icon: 'coins', tone: 'orange', title: `Budget: ${label(clean(d.action, 40)).toLowerCase()}`, text: clean(d.message, 300) }),
  'budget.changed': (d) => ({
    icon: 'coins', tone: 'blue', title: 'Cost limit changed', text: d.max_cost_nano_usd === null ? 'no limit any more' : cost(d.max_cost_nano_usd),
  }),
};

/** @param {string} type @param {any} data @returns {Told} */
export function describe(type, data) {
  const tell = Object.hasOwn(TELL, type) ? TELL[type] : null;
  if (tell && data && typeof data === 'object') return tell(data);
  return { icon: 'more', tone: 'slate', title: clean(type, 80), text: '' };
}

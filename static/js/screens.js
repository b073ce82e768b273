// @ts-check
// The screens, in the order of the navigation: what is known of each before it is fetched. Each has a directory of its
// own, which is fetched when it is first gone to.

import { whole } from './format.js';
import { Lazy, bring, charts } from './lazy.js';
import { screen as live } from './screens/live/index.js';
import { sums } from './sums.js';

/** @typedef {import('./screen.js').Head} Head */

/** @param {() => Promise<{screen: import('./screen.js').Screen}>} fetch @param {...string} parts that it is drawn with */
const own = (fetch, ...parts) => new Lazy(async () => (await Promise.all([fetch(), bring(...parts)]))[0].screen);

/** What is shown first is there at once. */
const there = new Lazy(async () => live);
there.value = live;

/** @type {readonly Head[]} */
export const screens = [
  {
    name: 'live',
    title: 'Live',
    key: 'l',
    icon: 'live',
    also: ['', 'operations'],
    body: there,
    badge({ store }) {
      const { running } = sums(store.model.data);
      return running === 0 ? null : { text: whole(running), tone: 'blue', label: `${whole(running)} running` };
    },
  },
  { name: 'history', title: 'History', key: 'h', icon: 'history', body: own(() => import('./screens/history/index.js'), 'history') },
  {
    name: 'tasks',
    title: 'Tasks',
    key: 't',
    icon: 'tasks',
    body: own(() => import('./screens/tasks/index.js'), 'tasks'),
    badge({ overview }) {
      const { error = 0, invalid = 0 } = overview.tasks ?? {};
      const wrong = error + invalid;
      return wrong === 0 ? null : { text: whole(wrong), tone: 'amber', label: `${whole(error)} failed, ${whole(invalid)} cannot be read` };
    },
  },
  { name: 'cost', title: 'Cost', key: 'c', icon: 'cost', body: own(() => import('./screens/cost/index.js'), ...charts, 'cost') },
  { name: 'models', title: 'Models', key: 'm', icon: 'models', body: own(() => import('./screens/models/index.js'), ...charts, 'cost') },
  {
    name: 'mcp',
    title: 'MCP',
    key: 'p',
    icon: 'mcp',
    body: own(() => import('./screens/mcp/index.js'), 'output', 'mcp'),
    badge({ overview }) {
      const { troubled = 0, count = 0 } = overview.servers ?? {};
      return troubled === 0 ? null : { text: whole(troubled), tone: 'red', label: `${whole(troubled)} of ${whole(count)} need attention` };
    },
  },
  { name: 'activity', title: 'Activity', key: 'a', icon: 'activity', body: own(() => import('./screens/activity/index.js'), 'activity') },
  { name: 'system', title: 'System', key: 's', icon: 'system', body: own(() => import('./screens/system/index.js'), 'system') },
];

/** The screen of an address; the first when nobody knows it. @param {import('./screen.js').Route} route */
export const screenOf = (route) =>
  screens.find((screen) => screen.name === route.name || screen.also?.includes(route.name)) ?? screens[0];

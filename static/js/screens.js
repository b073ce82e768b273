// @ts-check
// The screens, in the order of the navigation. Each has a directory of its own.

import { screen as live } from './screens/live/index.js';
import { screen as history } from './screens/history/index.js';
import { screen as tasks } from './screens/tasks/index.js';
import { screen as cost } from './screens/cost/index.js';
import { screen as models } from './screens/models/index.js';
import { screen as mcp } from './screens/mcp/index.js';
import { screen as activity } from './screens/activity/index.js';
import { screen as system } from './screens/system/index.js';

/** @type {readonly import('./screen.js').Screen[]} */
export const screens = [
  live,
  history,
  tasks,
  cost,
  models,
  mcp,
  activity,
  system,
];

/** The screen of an address; the first when nobody knows it. @param {import('./screen.js').Route} route */
export const screenOf = (route) =>
  screens.find((screen) => screen.name === route.name || screen.also?.includes(route.name)) ?? screens[0];

// Pictures of every screen of the page on a real daemon with something on it, dark and light, at a desk and on a phone:
//   npm run shots -- DIRECTORY [part of a name]
// Ends with 1 when the page did what it must not do.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { goTo, launch } from './browser.mjs';
import { begin, registered, settled, signedIn } from './real/stage.mjs';

const WIDTHS = [[1_440, 900], [400, 840]];
const OPERATION_TABS = ['output', 'timeline', 'routing', 'calls', 'usage', 'request'];
const SERVER_TABS = ['overview', 'tools', 'resources', 'log', 'history', 'config'];
/** A task that is among the provided ones, and the hostile one. */
const TASK = '2026-02-12T1101-planning-petra-roadmap-update';

/** @param {import('./real/stage.mjs').Stage} stage @param {{name: string}[]} screens @returns {{name: string, path: string, act?: (page: any) => Promise<void>}[]} */
function wishes(stage, screens) {
  const { ops } = stage;
  const has = (/** @type {string} */ name) => screens.some((screen) => screen.name === name);
  const server = stage.realServers ? 'everything' : 'plain';
  return [
    ...screens.map(({ name }) => ({ name, path: name === 'live' ? '/' : `/${name}` })),
    ...OPERATION_TABS.map((tab) => ({ name: `operation-${tab}`, path: `/operations/${ops.answered}${tab === 'output' ? '' : `?tab=${tab}`}` })),
    ...['failed', 'refused', 'stopped', 'hostile'].map((end) => ({ name: `operation-${end}`, path: `/operations/${ops[end]}` })),
    { name: 'operation-running', path: `/operations/${ops.running?.[0]}` },
    { name: 'operation-full', path: `/operations/${ops.running?.[1]}/full` },
    ...(has('mcp') ? [...SERVER_TABS.map((tab) => ({ name: `server-${tab}`, path: `/mcp/${server}?tab=${tab}` })), { name: 'server-crashing', path: '/mcp/crashing' }, { name: 'server-hostile', path: '/mcp/hostile?tab=tools' }] : []),
    ...(has('cost') ? [{ name: 'cost-agent', path: '/cost?range=month&by=agent' }, { name: 'cost-tokens', path: '/cost?range=week&metric=tokens' }] : []),
    ...(has('tasks') ? [{ name: 'task-open', path: `/tasks/${TASK}` }, { name: 'task-hostile', path: '/tasks/2026-11-20T1000-scribe-hostile' }] : []),
    { name: 'dialog', path: '/', act: (page) => page.locator('.stop-all').click() },
    { name: 'nobody-knows', path: '/operations/exec-0000000000000000' },
  ];
}

const [directory = 'shots', only = ''] = process.argv.slice(2);
// npm runs this in its own directory; a path is meant from where one stands.
const into = resolve(process.env.INIT_CWD ?? '.', directory);
await mkdir(into, { recursive: true });
const browser = await launch();
const stage = await begin();
const wrong = [];
let count = 0;
try {
  for (const colorScheme of ['dark', 'light']) {
    const { context, page, faults } = await signedIn(stage, browser, { colorScheme });
    const screens = await registered(page);
    for (const { name, path, act } of wishes(stage, screens).filter((wish) => wish.name.includes(only))) {
      for (const [width, height] of WIDTHS) {
        await page.setViewportSize({ width, height });
        // From a fresh page, so that nothing of the last picture is left.
        await goTo(page, '/');
        await page.reload();
        await page.waitForSelector('.connection.is-live');
        await goTo(page, path);
        await settled(page).catch(() => wrong.push(`${name}: it never settled`));
        await page.waitForTimeout(900);
        await act?.(page);
        if (act) await page.waitForTimeout(300);
        await page.screenshot({ path: join(into, `${name}-${width}-${colorScheme}.png`) });
        count += 1;
        // What is not there is answered with 404, and the browser tells of that itself.
        const told = faults.splice(0).filter((fault) => name !== 'nobody-knows' || !/status of 404/.test(fault));
        wrong.push(...told.map((fault) => `${name} ${width} ${colorScheme}: ${fault}`));
      }
    }
    await context.close();
  }
} finally {
  await browser.close();
  await stage.close();
}
console.log(`${count} pictures in ${into}`);
for (const line of wrong) console.log(line);
if (wrong.length > 0) process.exitCode = 1;

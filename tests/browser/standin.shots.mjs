// Takes pictures of the page with the demo scene of the stand-in: node standin.shots.mjs DIRECTORY [name-part]

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { opId } from './scenes.mjs';
import { start } from './standin.mjs';

const SHOTS = [
  { name: 'list', widths: [400, 800, 1280, 1920, 2560], hash: '' },
  { name: 'output', widths: [400, 1280, 1920], hash: opId(940) },
  { name: 'stopped', widths: [1280], hash: opId(924) },
  { name: 'error', widths: [400, 1280], hash: opId(926) },
  { name: 'usage', widths: [400, 1280], hash: opId(940), tab: 'usage' },
  { name: 'routing', widths: [400, 1280], hash: opId(940), tab: 'routing' },
  { name: 'calls', widths: [400, 1280], hash: opId(940), tab: 'calls' },
  { name: 'request', widths: [1280], hash: opId(940), tab: 'request' },
  { name: 'dialog', widths: [1280], hash: '', act: (page) => page.click('.stop-all') },
  { name: 'empty', widths: [400, 1280], hash: '', scene: 'empty' },
  { name: 'offline', widths: [1280], hash: '', act: async (page, s) => { s.accepting = false; s.drop(); await page.waitForSelector('.is-offline'); } },
  { name: 'session', widths: [400, 1280], hash: '', anonymous: true },
];

const [directory = 'shots', only = ''] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const browser = await launch();
for (const shot of SHOTS.filter((s) => s.name.includes(only))) {
  for (const width of shot.widths) {
    for (const colorScheme of ['light', 'dark']) {
      const standin = await start({ scene: shot.scene ?? 'demo' });
      const height = width === 400 ? 840 : width === 1280 ? 800 : 1080;
      const { context, page, faults } = await open(browser, { viewport: { width, height }, colorScheme });
      await page.goto(shot.anonymous ? standin.url : standin.loginUrl());
      await page.waitForSelector(shot.anonymous ? '.message-card' : '.list');
      if (shot.hash) {
        await page.evaluate((hash) => (location.hash = hash), `#/operations/${shot.hash}`);
        await page.waitForSelector('.detail');
        if (shot.tab) await page.click(`#tab-${shot.tab}`);
      }
      await shot.act?.(page, standin);
      await page.waitForTimeout(2500);
      await page.screenshot({ path: join(directory, `${shot.name}-${width}-${colorScheme}.png`) });
      if (faults.length > 0 && !shot.anonymous && shot.name !== 'offline') console.log(shot.name, width, faults);
      await context.close();
      await standin.close();
    }
  }
}
await browser.close();

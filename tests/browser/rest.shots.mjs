// Pictures of the screens MCP, Activity and System: node rest.shots.mjs DIRECTORY [name-part]

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { start } from './standin.mjs';
import { withServers } from './standin/mcp.mjs';

const LOG = Array.from({ length: 60 }, (_, i) => `2026-11-23T10:${String(i % 60).padStart(2, '0')}:12Z \u001b[3${2 + (i % 4)}mINFO\u001b[0m request ${i} answered in ${3 + (i % 9)} ms`);

/** @type {{name: string, hash: string, scene?: string, prepare?: (s: any) => void, act?: (page: any, s: any) => Promise<void>}[]} */
const SHOTS = [
  { name: 'mcp-list', hash: '#/mcp', prepare: withServers },
  { name: 'mcp-empty', hash: '#/mcp' },
  { name: 'mcp-overview', hash: '#/mcp/git', prepare: withServers },
  { name: 'mcp-crash', hash: '#/mcp/slack?tab=history', prepare: withServers },
  { name: 'mcp-degraded', hash: '#/mcp/jira', prepare: withServers },
  {
    name: 'mcp-tools', hash: '#/mcp/git?tab=tools', prepare: withServers,
    act: async (page) => {
      await page.click('.tool-toggle >> nth=1');
      await page.click('.tool-line .button >> nth=0');
      await page.click('.call-form [type=submit]');
      await page.waitForSelector('.call-result');
    },
  },
  { name: 'mcp-log', hash: '#/mcp/git?tab=log', prepare: (s) => (withServers(s), s.mcpLogs.set('git', LOG)) },
  {
    name: 'mcp-refused', hash: '#/mcp/sentry', prepare: (s) => {
      withServers(s);
      s.mcpRefuse.set('sentry/start', { body: { error: 'It ended before it was ready', code: 'failed', hint: 'npm install -g sentry-mcp', stderr_tail: "Error: Cannot find module 'sentry'\n    at Module._resolveFilename\n" } });
    },
    act: async (page) => {
      await page.click('.detail-buttons .button');
      await page.waitForSelector('.outcome .tail-text');
    },
  },
  { name: 'activity', hash: '#/activity', scene: 'demo', prepare: withServers },
  {
    name: 'activity-open', hash: '#/activity?group=operations', scene: 'demo', prepare: withServers,
    act: async (page) => {
      await page.click('.ev-toggle >> nth=2');
      await page.waitForSelector('.ev-more pre');
    },
  },
  { name: 'system', hash: '#/system' },
  {
    name: 'system-degraded', hash: '#/system', prepare: (s) => {
      s.system.status = 'degraded';
      s.system.degraded = [
        { part: 'watcher', text: 'Changes of the task files of ledger (work/collaboration) are noticed late: watch limit.', hint: 'raise fs.inotify.max_user_watches with sysctl; the daemon notices by itself' },
        { part: 'store', text: '212 facts wait: the last commit failed.', hint: 'see `llmctl daemon logs`; the disk may be full' },
      ];
      Object.assign(s.system.tasks.roots[0], { state: 'polling', reason: 'watch_limit' });
      s.system.queues[1].depth = 912;
    },
  },
];

const [directory = 'shots', only = ''] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const browser = await launch();
for (const shot of SHOTS.filter((s) => s.name.includes(only))) {
  for (const width of [400, 1_440]) {
    for (const colorScheme of ['light', 'dark']) {
      const standin = await start({ scene: shot.scene ?? 'empty' });
      shot.prepare?.(standin);
      const { context, page, faults } = await open(browser, { viewport: { width, height: 900 }, colorScheme });
      await page.goto(standin.loginUrl());
      await page.waitForSelector('.connection.is-live');
      await page.evaluate((hash) => (location.hash = hash), shot.hash);
      await page.waitForTimeout(700);
      await shot.act?.(page, standin);
      await page.waitForTimeout(600);
      await page.screenshot({ path: join(directory, `${shot.name}-${width}-${colorScheme}.png`) });
      if (faults.length > 0) console.log(shot.name, width, faults);
      await context.close();
      await standin.close();
    }
  }
}
await browser.close();

// A minute of bad luck for one page: its socket is cut, the daemon is killed without a word and started again, the daemon
// stands still. Operations run, begin and end meanwhile. What the page shows afterwards must be what a fresh page shows.

import { setTimeout as pause } from 'node:timers/promises';

import { signedIn } from './stage.mjs';
import { until } from './sandbox.mjs';
import { picture } from './watch.mjs';

/** Runs before the page: keeps its sockets, so that they can be cut. */
function keepSockets() {
  const Native = window.WebSocket;
  window.sockets = [];
  window.WebSocket = class extends Native {
    constructor(...words) {
      super(...words);
      window.sockets.push(this);
    }
  };
}

/** Signs the browser in again: a daemon that was killed knows no session. @param {import('./stage.mjs').Stage} stage */
async function signInAgain(stage, context) {
  const code = new URL(await stage.login()).hash.slice('#code='.length);
  const answer = await context.request.post(`${stage.url}/auth`, { data: { code }, headers: { Origin: stage.url } });
  if (!answer.ok()) throw new Error(`no session: ${answer.status()} ${await answer.text()}`);
}

/**
 * @param {import('./stage.mjs').Stage} stage @param {import('playwright-core').Browser} browser @param {number} ms
 * @returns {Promise<{cuts: number, kills: number, freezes: number, reloads: number, equal: boolean, difference: string, faults: string[], backMs: number[]}>}
 */
export async function chaos(stage, browser, ms) {
  const { context, page, faults } = await signedIn(stage, browser);
  await page.addInitScript(keepSockets);
  await page.goto(stage.url);
  const live = () => page.waitForSelector('.connection.is-live', { timeout: 45_000 });
  await live();
  const told = { cuts: 0, kills: 0, freezes: 0, reloads: 0, equal: false, difference: '', faults: [], backMs: [] };
  const words = ['execute', '--quiet', '--tool', 'practice', '--prompt-text', 'in between'];
  const end = Date.now() + ms;
  for (let round = 0; Date.now() < end; round += 1) {
    const runs = stage.sandbox.spawn(words, { LLMCTL_PRACTICE_TOKEN_MS: '2' });
    runs.on('error', () => undefined);
    await pause(Math.random() * 1_200);
    const luck = round % 3 === 2 ? 1 : Math.random();
    const begun = Date.now();
    if (luck < 0.6) {
      told.cuts += 1;
      await page.evaluate(() => window.sockets.at(-1)?.close());
      await page.waitForSelector('.connection.is-offline').catch(() => undefined);
    } else if (luck < 0.75) {
      told.freezes += 1;
      const pid = stage.daemonPid();
      process.kill(pid, 'SIGSTOP');
      await pause(500 + Math.random() * 1_500);
      process.kill(pid, 'SIGCONT');
    } else {
      told.kills += 1;
      await stage.killDaemon();
      await pause(Math.random() * 1_000);
      await stage.startDaemon();
      await signInAgain(stage, context);
    }
    // It found the daemon before the browser was signed in again: then it has given up, as it says.
    const gaveUp = () => page.locator('.message-card').isVisible();
    await Promise.race([live(), page.waitForSelector('.message-card', { timeout: 45_000 })]).catch(() => undefined);
    if (await gaveUp()) {
      told.reloads += 1;
      await page.reload();
    }
    await live();
    told.backMs.push(Date.now() - begun);
  }
  await stage.sandbox.run(['stop', '--all'], { codes: [0, 1] });
  await until('all to have ended', async () => (await stage.sandbox.json('ps', '--running')).length === 0);
  // The browser itself tells of connections that failed; anything else is a fault of the page.
  told.faults = faults.filter((fault) => !/WebSocket|ERR_CONNECTION|Failed to load resource/.test(fault));
  const fresh = await context.newPage();
  await fresh.goto(stage.url);
  await fresh.waitForSelector('.connection.is-live');
  let last = { old: '', anew: '' };
  await until('the pages to agree', async () => {
    last = { old: JSON.stringify(await page.evaluate(picture), null, 1), anew: JSON.stringify(await fresh.evaluate(picture), null, 1) };
    return last.old === last.anew;
  }, 20_000).then(() => (told.equal = true), () => undefined);
  if (!told.equal) told.difference = difference(last.old, last.anew);
  await context.close();
  return told;
}

/** Lines that only one of two texts has. @param {string} old @param {string} anew */
function difference(old, anew) {
  const [a, b] = [old.split('\n'), anew.split('\n')];
  return [...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`), ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`)].slice(0, 20).join('\n');
}

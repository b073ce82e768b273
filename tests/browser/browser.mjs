// Chromium for the tests: started once, and every page watched for what must not happen.

import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ARGS });

/** `LLMCTL_TEST_SLOW=8`: a browser eight times slower with 80 ms to the daemon, to find tests that hope instead of waiting. */
const SLOW = Number(process.env.LLMCTL_TEST_SLOW ?? 0);
const LATENCY_MS = 80;

async function slowDown(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOW });
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: LATENCY_MS, downloadThroughput: -1, uploadThroughput: -1 });
}

/** Goes to an address of the page, and comes back when the page has drawn it as far as it is known. @param {string} path with or without its `#` */
export async function goTo(page, path) {
  await page.evaluate(
    (to) =>
      new Promise((done) => {
        const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done(undefined)));
        if (location.hash === to) return drawn();
        addEventListener('hashchange', drawn, { once: true });
        location.hash = to;
        return undefined;
      }),
    path.startsWith('#') ? path : `#${path}`,
  );
  await page.waitForSelector('#main[aria-busy=false]');
}

/** A page in a fresh context; `faults` collects policy violations, errors and console errors. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(SLOW > 0 ? 60_000 : 15_000);
  if (SLOW > 0) await slowDown(page);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`);
  });
  await page.exposeFunction('reportViolation', (text) => faults.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
    );
  });
  return { context, page, faults };
}

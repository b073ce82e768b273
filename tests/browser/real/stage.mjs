// The real daemon with something on it: MCP servers that run, wait and fail, task files, operations that have ended in
// every way and some that run on. Owns what is asked of `llmctl` and how a browser signs in.

import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { open } from '../browser.mjs';
import { HOSTILE, MARKUP, TERMINAL, TURNED, hostileOutput, hostileTask } from './hostile.mjs';
import { ROOT, Sandbox, built, freePort, realServer, until } from './sandbox.mjs';

/** The provided task files: where `LLMCTL_TEST_TASKS` says, else in `shared` beside the repository. */
const TASKS = process.env.LLMCTL_TEST_TASKS ?? join(ROOT, '../shared/data/tasks');
const HOSTILE_SERVER = fileURLToPath(new URL('hostile.mjs', import.meta.url));
/** Output of an operation that runs on for the whole test. */
const LONG = ['--deltas', 1_000_000, '--delay-ms', 120, '--delta-bytes', 48];

/** @typedef {{done: string, answered: string, failed: string, stopped: string, refused: string, hostile: string, running: string[]}} Operations */

export class Stage {
  constructor() {
    this.sandbox = new Sandbox();
    this.port = 0;
    /** @type {string|null} */ this.tasks = null;
    /** Whether the provided task files are among them. */
    this.providedTasks = false;
    /** @type {Partial<Operations>} */ this.ops = {};
    /** Whether the real MCP servers are installed. */
    this.realServers = realServer('everything') !== null;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    this.port = await freePort();
    await this.startDaemon();
  }

  async startDaemon() {
    await this.sandbox.run(['dashboard', 'start', '--port', String(this.port)]);
  }

  /** @returns {number} */
  daemonPid() {
    return JSON.parse(readFileSync(this.sandbox.path('run/llmctl/llmctld.lock'), 'utf8')).daemon.pid;
  }

  /** Kills the daemon without a word, and waits until it is gone. */
  async killDaemon() {
    const pid = this.daemonPid();
    process.kill(pid, 'SIGKILL');
    await until('the end of the daemon', () => !existsSync(`/proc/${pid}/exe`) || !this.sandbox.processes().some((p) => p.pid === pid));
  }

  /** An address that signs a browser in, once. */
  async login() {
    const { stdout } = await this.sandbox.run(['dashboard', 'open', '--print']);
    return stdout.trim();
  }

  /** The content of an address of the gateway, asked with the token for scripts. @param {string} path */
  async get(path) {
    const token = readFileSync(this.sandbox.path('run/llmctl/token'), 'utf8').trim();
    const response = await fetch(this.url + path, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** One operation as `llmctl ps` has it. @param {string} id */
  async operation(id) {
    const all = await this.sandbox.json('ps', '-n', '200');
    return all.find((/** @type {any} */ op) => op.operation_id === id);
  }

  /** One server as `llmctl mcp list` has it. @param {string} name */
  async server(name) {
    const listed = await this.sandbox.json('mcp', 'list');
    return (listed.servers ?? listed).find((/** @type {any} */ server) => server.name === name);
  }

  /** Runs an operation to its end and gives its id. @param {string[]} words @param {number[]} codes @param {Record<string, string>} [env] */
  async ended(words, codes = [0], env = {}) {
    const before = new Set((await this.sandbox.json('ps', '-n', '200')).map((/** @type {any} */ op) => op.operation_id));
    await this.sandbox.run(['execute', '--quiet', ...words], { codes, env });
    const fresh = await until('a new operation', async () => {
      const all = await this.sandbox.json('ps', '-n', '200');
      return all.find((/** @type {any} */ op) => !before.has(op.operation_id));
    });
    return fresh.operation_id;
  }

  /** Starts an operation of the fake Claude Code and waits for its first output. @param {(string|number)[]} options @param {string[]} words */
  async running(options = LONG, words = []) {
    this.sandbox.fakeTool('claude', options);
    const { stdout } = await this.sandbox.run(['execute', '--detach', '--prompt-text', 'Work for long', '--tool', 'claude-code', '--model', 'claude-haiku-4-5', ...words]);
    const id = /exec-[0-9a-z]+/.exec(stdout)?.[0];
    if (!id) throw new Error(`no id of an operation: ${stdout}`);
    await until('its first output', async () => (await this.operation(id))?.stdout_bytes > 0);
    return id;
  }

  async close() {
    return this.sandbox.close();
  }
}

/** @param {Stage} stage */
function configureServers({ sandbox }) {
  const fake = (/** @type {string[]} */ ...words) => [built('fake-mcp'), ...words];
  const real = (/** @type {string} */ name, /** @type {string[]} */ more = []) => {
    const program = realServer(name);
    return program === null ? {} : { [name]: { command: [program, ...more], startup_timeout_seconds: 60, health_check: { interval_seconds: 2, timeout_seconds: 2 } } };
  };
  sandbox.write('project/shelf/book.txt', 'text\n');
  sandbox.configure('mcp.yaml', {
    mcp_servers: {
      ...real('everything'), ...real('filesystem', [sandbox.path('project/shelf')]), ...real('time'),
      plain: { command: fake('--tools', '12', '--extras', '3', '--stderr', 'ready'), auto_start: true, health_check: { interval_seconds: 1, timeout_seconds: 1 } },
      hostile: { command: [process.execPath, HOSTILE_SERVER], auto_start: true },
      crashing: { command: fake('--exit-after-handshake', '--stderr', 'out of luck'), auto_start: true },
      missing: { command: ['no-such-program-here'], auto_start: true },
      slow: { command: fake('--slow', '1500') },
    },
  });
}

/** @param {Stage} stage */
function configureTools({ sandbox }) {
  sandbox.configure('tools.yaml', {
    tools: {
      hostile: { binary: 'hostile', command_template: '{binary} {model}', models: ['hostile-1'] },
      breaks: { binary: 'breaks', command_template: '{binary}', models: ['breaks-1'] },
    },
    policies: { default: { daily_budget_usd: 5, limit: { type: 'soft', threshold_percent: 80 } } },
  });
  sandbox.write('tmp/hostile.txt', hostileOutput());
  sandbox.script('hostile', `cat '${sandbox.path('tmp/hostile.txt')}'; cat '${sandbox.path('tmp/hostile.txt')}' | head -c 20000 >&2`);
  sandbox.script('breaks', `echo 'half of an answer'; cat '${sandbox.path('tmp/words.txt')}' >&2; exit 3`);
  sandbox.write('tmp/words.txt', `${HOSTILE}\n`);
}

/** Copies the provided task files, with a hostile one and one that cannot be read. @param {Stage} stage */
function takeTasks(stage) {
  const root = stage.sandbox.path('project/work/collaboration');
  stage.providedTasks = existsSync(join(TASKS, 'inbox'));
  if (stage.providedTasks) cpSync(TASKS, root, { recursive: true });
  mkdirSync(join(root, 'inbox'), { recursive: true });
  stage.sandbox.write('project/work/collaboration/inbox/2026-11-20T1000-scribe-hostile.yaml', hostileTask('2026-11-20T1000-scribe-hostile'));
  stage.sandbox.write('project/work/collaboration/inbox/2026-11-20T1001-scribe-broken.yaml', 'id: "2026-11-20T1001-scribe-broken\n  status: [new\n');
  stage.sandbox.configure('tasks.yaml', { tasks: { roots: [root] } });
  stage.tasks = root;
}

/** Operations that ended in every way, and two that run on. @param {Stage} stage */
async function operate(stage) {
  const { sandbox, ops } = stage;
  const claude = ['--tool', 'claude-code', '--model', 'claude-haiku-4-5', '--prompt-text', 'What is the answer?'];
  ops.done = await stage.ended(['--prompt-text', 'Say something', '--tool', 'practice'], [0], { LLMCTL_PRACTICE_TOKEN_MS: '1' });
  sandbox.fakeTool('claude', ['--deltas', 40, '--tool-calls', 3, '--delta-bytes', 64]);
  ops.answered = await stage.ended([...claude, '--agent', 'architect', '--task-type', 'coding']);
  sandbox.fakeTool('codex', ['--deltas', 5, '--tool-calls', 1]);
  await stage.ended(['--tool', 'codex', '--model', 'gpt-5', '--prompt-text', 'Review it', '--agent', 'backend-dev']);
  sandbox.fakeTool('gemini', ['--deltas', 5]);
  await stage.ended(['--tool', 'gemini', '--model', 'gemini-2.5-pro', '--prompt-text', 'Draw it']);
  sandbox.fakeTool('claude', ['--fail', '401']);
  ops.failed = await stage.ended([...claude, '--agent', 'scribe'], [1]);
  await stage.ended(['--tool', 'breaks', '--prompt-text', 'Break'], [1]);
  ops.refused = await stage.ended(['--tool', 'hostile', '--require', 'images', '--prompt-text', 'Nobody can'], [2, 5, 6]);
  ops.hostile = await stage.ended(['--tool', 'hostile', '--prompt-text', HOSTILE, '--agent', MARKUP + TURNED + TERMINAL, '--task-type', MARKUP + TURNED]);
  ops.stopped = await stage.running();
  await sandbox.run(['stop', ops.stopped, '--reason', HOSTILE]);
  ops.running = [await stage.running(), await stage.running([...LONG.slice(0, 2), '--delay-ms', 300], ['--agent', 'architect', '--max-cost', '2.50'])];
}

/**
 * The real daemon, ready to be looked at.
 * @param {{servers?: boolean, tasks?: boolean, operations?: boolean}} [wish] all by default
 */
export async function begin({ servers = true, tasks = true, operations = true } = {}) {
  const stage = new Stage();
  try {
    configureTools(stage);
    if (servers) configureServers(stage);
    if (tasks) takeTasks(stage);
    await stage.start();
    if (operations) await operate(stage);
    if (servers) {
      if (stage.realServers) await stage.sandbox.run(['mcp', 'start', 'everything', 'filesystem', 'time']);
      await until('the servers', async () => (await stage.server('plain'))?.state === 'running' && (await stage.server('hostile'))?.state === 'running');
    }
    return stage;
  } catch (error) {
    await stage.close();
    throw error;
  }
}

/**
 * A signed-in page; what must not happen on it is in `faults`.
 * @param {Stage} stage @param {import('playwright-core').Browser} browser @param {object} [options] of a browser context
 */
export async function signedIn(stage, browser, options = {}) {
  const { context, page, faults } = await open(browser, options);
  await page.addInitScript(() => {
    window.addEventListener('unhandledrejection', (event) => console.error(`unhandled rejection: ${event.reason}`));
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(await stage.login());
  await page.waitForSelector('.connection.is-live');
  return { context, page, faults };
}

/** The screens that the page has registered. @returns {Promise<{name: string, title: string, key: string}[]>} */
export const registered = (page) =>
  page.evaluate(async () => {
    const { screens } = await import('/static/js/screens.js');
    return screens.map(({ name, title, key }) => ({ name, title, key }));
  });

/** Waits until nothing on the page says that it is still loading. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const main = document.getElementById('main');
    const text = main?.innerText ?? '';
    return main?.ariaBusy === 'false' && text.trim().length > 20 && !/^\s*(Loading…|Waiting for the daemon…)/m.test(text);
  });
}

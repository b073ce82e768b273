// An environment of its own for the real daemon: own home, own directories, own programs, and nothing left behind.
// Owns a temporary directory and every process that carries its marker; passes on no key of the user.

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const DEBUG = join(ROOT, 'target/debug');
const BIN = resolve(process.env.LLMCTL_BIN_DIR || DEBUG);
const TOOLS = resolve(process.env.LLMCTL_TEST_TOOLS || join(ROOT, 'tests/.cache/tools'), 'bin');
const MARKER = 'LLMCTL_TEST_MARKER';
/** How long a verb may take that takes no time. */
const SOON = 60_000;
/** Longest answer of a verb that is kept. */
const MOST_TEXT = 64 * 1_024 * 1_024;

/** A program of this repository, as it was built; those that only tests need may lie apart. @param {string} name */
export function built(name) {
  const found = [join(BIN, name), ...(name.startsWith('fake-') ? [join(DEBUG, name)] : [])].find((path) => existsSync(path));
  if (!found) throw new Error(`${join(BIN, name)} is not there; run \`cargo build --workspace\` or set LLMCTL_BIN_DIR`);
  return found;
}

/** A real MCP server by the last word of its name; null where the tools of the tests are not installed. @param {string} name */
export function realServer(name) {
  const path = join(TOOLS, `mcp-server-${name}`);
  return existsSync(path) ? path : null;
}

/** Waits until something is so, and gives what was found. @template T @param {string} what @param {() => T|Promise<T>} look */
export async function until(what, look, ms = SOON) {
  const end = Date.now() + ms;
  for (let last; ; ) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`, { cause: last });
    await pause(40);
  }
}

/** A port that nobody has. @returns {Promise<number>} */
export const freePort = () =>
  new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** A word for the shell. @param {string} word */
const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Sandboxes that are open; a run that is broken off leaves none of their processes behind. @type {Set<Sandbox>} */
const opened = new Set();
process.on('exit', () => opened.forEach((sandbox) => sandbox.abandon()));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) process.once(signal, () => process.exit(code));

export class Sandbox {
  constructor() {
    opened.add(this);
    // Short, because paths of sockets are limited.
    this.dir = mkdtempSync('/tmp/lb-');
    this.marker = randomBytes(8).toString('hex');
    for (const name of ['home', 'state', 'run', 'config/llmctl', 'data', 'cache', 'bin', 'project', 'tmp']) {
      mkdirSync(this.path(name), { recursive: true });
    }
    chmodSync(this.path('run'), 0o700);
    const path = `${this.path('bin')}:/usr/local/bin:/usr/bin:/bin`;
    /** @type {Record<string, string>} */
    this.env = {
      HOME: this.path('home'), XDG_STATE_HOME: this.path('state'), XDG_RUNTIME_DIR: this.path('run'),
      XDG_CONFIG_HOME: this.path('config'), XDG_DATA_HOME: this.path('data'), XDG_CACHE_HOME: this.path('cache'),
      TMPDIR: this.path('tmp'), PATH: path, LANG: 'C.UTF-8', TERM: 'dumb', TZ: 'UTC', SHELL: '/bin/bash', [MARKER]: this.marker,
    };
    // The page as it is here, whatever was compiled in.
    this.env.LLMCTL_STATIC_DIR = process.env.LLMCTL_STATIC_DIR ?? join(ROOT, 'static');
  }

  /** @param {string} relative */
  path(relative) {
    return join(this.dir, relative);
  }

  /** @param {string} relative @param {string|Buffer} content */
  write(relative, content) {
    const path = this.path(relative);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** JSON is YAML too. @param {string} name @param {object} value */
  configure(name, value) {
    return this.write(`config/llmctl/${name}`, `${JSON.stringify(value, null, 1)}\n`);
  }

  /** Puts a shell script on the path, in one step. @param {string} name @param {string} text */
  script(name, text) {
    const path = this.path(`bin/${name}`);
    writeFileSync(`${path}.new`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    renameSync(`${path}.new`, path);
    return path;
  }

  /** Puts the fake tool on the path under a name. @param {string} name @param {(string|number)[]} options */
  fakeTool(name, options) {
    const words = options.map((word) => quoted(String(word))).join(' ');
    return this.script(name, `exec ${quoted(built('fake-tool'))} --as ${quoted(name)} ${words} -- "$@"`);
  }

  /** @param {string} name @param {string} target */
  link(name, target) {
    symlinkSync(target, this.path(`bin/${name}`));
  }

  /**
   * Runs `llmctl` to its end.
   * @param {string[]} words
   * @param {{env?: Record<string, string>, codes?: number[], ms?: number}} [options] `codes`: ends that are as meant
   * @returns {Promise<{code: number, stdout: string, stderr: string}>}
   */
  run(words, { env = {}, codes = [0], ms = SOON } = {}) {
    const options = { cwd: this.path('project'), env: { ...this.env, ...env }, timeout: ms, maxBuffer: MOST_TEXT };
    return new Promise((done, failed) => {
      const child = execFile(built('llmctl'), words, options, (error, stdout, stderr) => {
        const code = error ? Number(error.code ?? -1) : 0;
        if (codes.includes(code)) done({ code, stdout, stderr });
        else failed(new Error(`llmctl ${words.join(' ')} ended with ${error?.code ?? error?.signal}: ${stderr.slice(-2_000)}${stdout.slice(-500)}`));
      });
      child.stdin?.end();
    });
  }

  /** What a verb says as JSON. @param {string[]} words */
  async json(...words) {
    const { stdout } = await this.run([...words, '--json']);
    return JSON.parse(stdout);
  }

  /** Starts `llmctl` and leaves it. @param {string[]} words @param {Record<string, string>} [env] */
  spawn(words, env = {}) {
    return spawn(built('llmctl'), words, { cwd: this.path('project'), env: { ...this.env, ...env }, stdio: 'ignore' });
  }

  /** Processes of this sandbox. @returns {{pid: number, name: string}[]} */
  processes() {
    const mark = `${MARKER}=${this.marker}\0`;
    const found = [];
    for (const pid of readdirSync('/proc').map(Number).filter(Boolean)) {
      try {
        if (pid !== process.pid && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)) {
          found.push({ pid, name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() });
        }
      } catch {
        // It has ended, or belongs to somebody else.
      }
    }
    return found;
  }

  /** Kills every process of this sandbox. */
  kill() {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }

  /** What can still be done when this process ends: no waiting. */
  abandon() {
    this.kill();
    // A killed daemon takes its servers along, and what it had just begun is seen in a second look.
    this.kill();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Ends everything of this sandbox and takes its directory away. @returns {Promise<string[]>} what an orderly stop left */
  async close() {
    await this.run(['stop', '--all', '--force'], { codes: [0, 1, 2, 3] }).catch(() => undefined);
    await this.run(['daemon', 'stop'], { codes: [0, 1, 3] }).catch(() => undefined);
    const empty = () => this.processes().length === 0;
    await until('processes to leave', empty, 8_000).catch(() => undefined);
    const left = this.processes();
    this.kill();
    await until('the last processes to leave', empty, 8_000).catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
    opened.delete(this);
    return left.map(({ pid, name }) => `${pid} ${name}`);
  }
}

// A stand-in for the daemon: serves `static/` with the daemon's headers and speaks its WebSocket and REST for scripted
// operations. For the page's tests and for looking at the page; it proves nothing about the daemon itself.
//
//   node standin.mjs [--port 8099] [--scene demo|empty|many]

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

import { applyAll, initial, isFinal } from '../../static/js/state.js';
import { scenes } from './scenes.mjs';
import * as live from './standin/live.mjs';
import * as tasks from './standin/tasks.mjs';
import * as cost from './standin/cost.mjs';
import * as history from './standin/history.mjs';
import * as mcp from './standin/mcp.mjs';
import * as stream from './standin/stream.mjs';
import * as system from './standin/system.mjs';

/**
 * Further routes: each module exports `begin(standin)`, which makes its data, and
 * `handle(standin, {request, response, url, message})`, which answers with `standin.json(…)` and gives true when the
 * path is its own.
 */
const MORE = [
  tasks,
  cost,
  history,
  mcp,
  system,
  stream,
  // The last: what a screen's own file answers is not asked here.
  live,
];

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = process.env.LLMCTL_STATIC_DIR ?? join(HERE, '../../static');

export const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
    'trusted-types lit-html',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
const TAIL_BYTES = 65_536;
const PIECE_BYTES = 16_384;
const RING = 4_096;

export class Standin {
  constructor() {
    this.epoch = randomBytes(4).toString('hex');
    this.seq = 0;
    this.state = initial();
    this.ring = [];
    this.sockets = new Set();
    this.outputs = new Map();
    this.routing = new Map();
    this.calls = new Map();
    this.codes = new Set();
    this.sessions = new Set();
    this.requests = [];
    this.accepting = true;
    this.webSockets = true;
    this.timers = new Set();
    MORE.forEach((more) => more.begin(this));
    this.http = createServer((request, response) => void this.handle(request, response));
    this.ws = new WebSocketServer({ noServer: true, handleProtocols: () => 'llmctl.v1', maxPayload: 65_536 });
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.http.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  async close() {
    this.timers.forEach(clearInterval);
    this.drop(1001);
    for (const socket of this.sockets) socket.terminate();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** An address that signs a browser in, once. */
  loginUrl() {
    const code = randomBytes(16).toString('hex');
    this.codes.add(code);
    return `${this.url}/auth#code=${code}`;
  }

  // --- events ---

  publish(type, data, at = Date.now()) {
    this.seq += 1;
    const envelope = { v: 1, epoch: this.epoch, seq: this.seq, at: new Date(at).toISOString(), type, data };
    this.state = applyAll(this.state, [envelope]);
    const id = data.operation_id;
    if (type === 'routing.decision') this.routing.set(id, [...(this.routing.get(id) ?? []), data]);
    if (type === 'tool.invoked') this.calls.set(id, [...(this.calls.get(id) ?? []), { ...data, ok: null }]);
    if (type === 'tool.response') {
      const calls = this.calls.get(id) ?? [];
      this.calls.set(id, calls.map((c) => (c.call_id === data.call_id ? { ...c, ...data } : c)));
    }
    const json = JSON.stringify(envelope);
    this.ring.push({ seq: this.seq, json });
    if (this.ring.length > RING) this.ring.shift();
    this.sockets.forEach((s) => s.send(json));
    return envelope;
  }

  /** The facts of one operation, as the store has them. */
  facts(id) {
    const live = ['execution.progress', 'execution.output', 'cost.update'];
    const all = this.ring.map((frame) => JSON.parse(frame.json));
    return all.filter((e) => e.data.operation_id === id && !live.includes(e.type)).slice(-1_000);
  }

  /** Adds to a recorded stream; those who follow it get the piece. */
  output(id, stream, text) {
    const key = `${id}/${stream}`;
    const before = this.outputs.get(key) ?? Buffer.alloc(0);
    const piece = Buffer.from(text);
    this.outputs.set(key, Buffer.concat([before, piece]));
    for (const socket of this.sockets) {
      if (socket.follows.has(key)) this.sendOutput(socket, id, stream, before.length);
    }
  }

  sendOutput(socket, id, stream, from) {
    const all = this.outputs.get(`${id}/${stream}`) ?? Buffer.alloc(0);
    for (let offset = from; offset < all.length; offset += PIECE_BYTES) {
      const piece = all.subarray(offset, offset + PIECE_BYTES);
      const data = { operation_id: id, stream, offset, text: piece.toString(), bytes: piece.length };
      const at = new Date().toISOString();
      const envelope = { v: 1, epoch: this.epoch, seq: this.seq, at, type: 'execution.output', data };
      socket.send(JSON.stringify(envelope));
    }
  }

  every(ms, act) {
    this.timers.add(setInterval(act, ms));
  }

  /** Breaks every connection. */
  drop(code) {
    for (const socket of this.sockets) code ? socket.close(code) : socket.terminate();
  }

  /** What a stop does; scenes may replace it. */
  stop(id, { force = false, reason = null } = {}) {
    const op = this.state.operations.get(id);
    if (!op) return { error: 'Operation not found', code: 'operation_not_found', hint: 'llmctl list --all', status: 404 };
    if (isFinal(op.state)) return { error: 'The operation has ended', code: 'operation_ended', status: 409 };
    const spend = {
      tokens: op.tokens,
      usage_source: op.usage_source,
      cost_nano_usd: op.cost_nano_usd,
      cost_basis: op.cost_basis,
      reported_cost_nano_usd: op.reported_cost_nano_usd,
    };
    const common = { ...spend, operation_id: id, stdout_bytes: op.stdout_bytes, stderr_bytes: op.stderr_bytes };
    this.publish('execution.progress', { ...common, state: 'stopping', phase: op.phase ?? 'streaming', model: op.model, elapsed_ms: op.elapsed_ms, idle_ms: 0 });
    if (this.stubborn?.has(id) && !force) return { state: 'stopping' };
    const end = () =>
      this.publish('execution.stopped', {
        ...common, by: 'user', via: 'page', reason, signal: force ? 9 : 2, step: force ? 'kill' : 'interrupt',
        killed_processes: force ? 3 : 0, exit_code: null, model: op.model, duration_ms: op.elapsed_ms,
        partial: { dir_name: id, files: [{ name: 'stdout', bytes: op.stdout_bytes }, { name: 'journal.jsonl', bytes: 8_204 }] },
        session_id: 'b8f4-71', resume_command: `claude --resume b8f4-71`,
      });
    setTimeout(end, this.stopMs ?? 300);
    return { state: 'stopping' };
  }

  // --- HTTP ---

  hasSession(request) {
    const cookie = /(?:^|; )llmctl_session=([^;]+)/.exec(request.headers.cookie ?? '');
    return Boolean(cookie && this.sessions.has(cookie[1]));
  }

  json(response, status, value, headers = {}) {
    response.writeHead(status, { ...HEADERS, 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
    response.end(value === undefined ? '' : JSON.stringify(value));
  }

  async handle(request, response) {
    const url = new URL(request.url, this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    if (request.method === 'GET' && (url.pathname === '/' || url.pathname === '/auth')) return this.file(response, 'index.html');
    if (request.method === 'GET' && url.pathname.startsWith('/static/')) return this.file(response, url.pathname.slice(8));
    const body = await new Promise((resolve) => {
      let text = '';
      request.on('data', (piece) => (text += piece));
      request.on('end', () => resolve(text));
    });
    if (request.method !== 'GET' && request.headers['content-type'] !== 'application/json') {
      return this.json(response, 400, { error: 'Send JSON', code: 'bad_request' });
    }
    const message = body ? JSON.parse(body) : {};
    if (url.pathname === '/auth' && request.method === 'POST') return this.auth(response, message);
    if (!this.hasSession(request)) {
      return this.json(response, 401, { error: 'No session', code: 'session_required', hint: 'llmctl dashboard open' });
    }
    return this.api(request, response, url, message);
  }

  auth(response, { code }) {
    if (!this.codes.delete(code)) return this.json(response, 401, { error: 'The code is not valid', code: 'session_required' });
    const session = randomBytes(16).toString('hex');
    this.sessions.add(session);
    const cookie = `llmctl_session=${session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800`;
    return this.json(response, 204, undefined, { 'Set-Cookie': cookie });
  }

  api(request, response, url, message) {
    if (MORE.some((more) => more.handle(this, { request, response, url, message }))) return undefined;
    const [, , what, id, verb] = url.pathname.split('/').map(decodeURIComponent);
    if (what !== 'operations') return this.json(response, 404, { error: 'No such path', code: 'not_found' });
    if (id === 'stop' && request.method === 'POST') {
      const stopping = [...this.state.operations.values()].filter((op) => !isFinal(op.state)).map((op) => op.operation_id);
      stopping.forEach((one) => this.stop(one, message));
      return this.json(response, 202, { stopping });
    }
    if (!id) return this.json(response, 200, [...this.state.operations.values()].reverse().slice(0, 50));
    const op = this.state.operations.get(id);
    if (!op) return this.json(response, 404, { error: 'Operation not found', code: 'operation_not_found' });
    if (!verb) return this.json(response, 200, { ...op, routing: this.routing.get(id) ?? [], calls: this.calls.get(id) ?? [] });
    if (verb === 'output') return this.recorded(request, response, id, url.searchParams.get('stream') ?? 'stdout');
    if (verb === 'stop') {
      const answer = this.stop(id, message);
      return this.json(response, answer.status ?? 202, answer);
    }
    if (verb === 'pause' || verb === 'resume') return this.pause(response, op, verb);
    return this.json(response, 404, { error: 'No such path', code: 'not_found' });
  }

  pause(response, op, verb) {
    if (op.mode === 'http') {
      return this.json(response, 409, { error: 'A request to a provider cannot be paused', code: 'not_pausable', hint: `llmctl stop ${op.operation_id}` });
    }
    this.publish('execution.progress', { ...op, state: verb === 'pause' ? 'paused' : 'running', phase: op.phase ?? 'streaming' });
    return this.json(response, 200, this.state.operations.get(op.operation_id));
  }

  recorded(request, response, id, stream) {
    const all = this.outputs.get(`${id}/${stream}`) ?? Buffer.alloc(0);
    const suffix = /^bytes=-(\d+)$/.exec(request.headers.range ?? '');
    const from = suffix ? Math.max(0, all.length - Number(suffix[1])) : 0;
    const headers = { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };
    if (suffix) headers['Content-Range'] = `bytes ${from}-${all.length - 1}/${all.length}`;
    response.writeHead(suffix ? 206 : 200, headers);
    response.end(all.subarray(from));
  }

  async file(response, name) {
    const path = normalize(join(STATIC, name));
    const type = TYPES[path.split('.').pop()];
    const content = path.startsWith(normalize(STATIC) + sep) && type ? await readFile(path).catch(() => null) : null;
    if (!content) return this.json(response, 404, { error: 'No such file', code: 'not_found' });
    const etag = `"${createHash('sha256').update(content).digest('hex')}"`;
    response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Cache-Control': 'no-cache', ETag: etag });
    return response.end(content);
  }

  // --- WebSocket ---

  upgrade(request, socket, head) {
    if (!this.accepting || !this.webSockets) return socket.destroy();
    if (!this.hasSession(request) || request.headers.origin !== this.url) {
      return socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
    }
    const after = new URL(request.url, this.url).searchParams.get('after');
    return this.ws.handleUpgrade(request, socket, head, (ws) => this.connected(ws, after));
  }

  connected(ws, after) {
    const [epoch, seq] = (after ?? '').split('-');
    const first = this.ring[0]?.seq ?? this.seq + 1;
    const backlog = epoch === this.epoch && Number(seq) + 1 >= first && Number(seq) <= this.seq;
    ws.follows = new Set();
    this.sockets.add(ws);
    ws.on('close', () => this.sockets.delete(ws));
    ws.on('message', (data) => this.message(ws, JSON.parse(String(data))));
    const say = (value) => ws.send(JSON.stringify(value));
    this.resumes = [...(this.resumes ?? []), backlog ? 'backlog' : 'snapshot'];
    say({
      type: 'hello', v: 1, protocol: 1, version: '0.1.0', epoch: this.epoch, seq: this.seq,
      server_time: new Date().toISOString(), resume: backlog ? 'backlog' : 'snapshot', limits: {}, requests: ws.requests,
    });
    if (backlog) this.ring.filter((f) => f.seq > Number(seq)).forEach((f) => ws.send(f.json));
    else this.snapshot(ws);
  }

  snapshot(ws) {
    const operations = [...this.state.operations.values()].sort((a, b) => (a.operation_id < b.operation_id ? 1 : -1));
    const state = { operations, totals: this.state.totals };
    ws.send(JSON.stringify({ type: 'snapshot', epoch: this.epoch, seq: this.seq, state }));
  }

  message(ws, message) {
    const reply = (value) => ws.send(JSON.stringify({ type: 'reply', reply_to: message.id, ...value }));
    if (message.type === 'ping') ws.send(JSON.stringify({ type: 'pong', t: message.t, at: new Date().toISOString() }));
    else if (message.type === 'follow_output') {
      const { operation_id: id, stream } = message;
      const length = this.outputs.get(`${id}/${stream}`)?.length ?? 0;
      const offset = message.from === 'tail' ? Math.max(0, length - TAIL_BYTES) : message.from;
      reply({ ok: true, result: { offset } });
      ws.follows.add(`${id}/${stream}`);
      this.sendOutput(ws, id, stream, offset);
    } else if (message.type === 'unfollow_output') {
      for (const key of ws.follows) if (key.startsWith(`${message.operation_id}/`)) ws.follows.delete(key);
      if (message.id) reply({ ok: true, result: {} });
    } else if (message.type === 'stop_operation') {
      const answer = this.stop(message.operation_id, message);
      reply(answer.error ? { ok: false, ...answer } : { ok: true, result: answer });
    } else reply({ ok: false, code: 'unknown_type', error: 'Unknown type' });
  }
}

/** Starts one with a scene. */
export async function start({ port = 0, scene = 'empty' } = {}) {
  const standin = await new Standin().listen(port);
  scenes[scene](standin);
  return standin;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const value = (name, other) => {
    const at = process.argv.indexOf(name);
    return at > 0 ? process.argv[at + 1] : other;
  };
  const standin = await start({ port: Number(value('--port', '8099')), scene: value('--scene', 'demo') });
  console.log(standin.loginUrl());
}

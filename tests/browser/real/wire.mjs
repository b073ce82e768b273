// A runner of the control socket in a few lines: events of made-up operations, as many a second as are wanted. Speaks
// gRPC over HTTP/2 by hand, so that no further package is needed; only what is sent is encoded.

import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';

/** @param {number|bigint} value */
function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** @param {number} field @param {number|bigint} value */
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
/** @param {number} field @param {Buffer|string} value */
const bytes = (field, value) => {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
};
/** @param {Buffer} message */
const framed = (message) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** An id of the daemon's form; a higher number is a newer one. @param {number} n */
export const madeUp = (n) => {
  const at = Date.now();
  let text = '';
  for (let value = BigInt(at) * 1_000n + BigInt(n % 1_000); text.length < 11; value >>= 5n) text = LETTERS[Number(value & 31n)] + text;
  return `exec-${text}${Array.from({ length: 5 }, () => LETTERS[Math.floor(Math.random() * 32)]).join('')}`;
};

const NO_TOKENS = { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0, reasoning: 0, web_searches: 0 };

export class Runner {
  /** @param {string} socket @param {string} version */
  constructor(socket, version) {
    this.socket = socket;
    this.version = version;
    /** Streams of operations, each on a connection of its own as runners have it. @type {Map<string, {session: import('node:http2').ClientHttp2Session, stream: import('node:http2').ClientHttp2Stream, seq: number}>} */
    this.streams = new Map();
    /** @type {string|null} */ this.failed = null;
  }

  /** Attaches an operation that runs. @param {string} id @param {{model: string, tool: string, agent: string|null}} about */
  attach(id, about) {
    const headers = { ':method': 'POST', ':path': '/llmctl.v1.Control/Attach', 'content-type': 'application/grpc', te: 'trailers' };
    const session = connect('http://llmctld.local', { createConnection: () => connectSocket(this.socket) });
    session.on('error', (error) => (this.failed ??= String(error)));
    const stream = session.request(headers, { endStream: false });
    stream.on('error', (error) => (this.failed ??= String(error)));
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] !== '0') this.failed ??= `${trailers['grpc-status']} ${trailers['grpc-message']}`;
    });
    stream.resume();
    this.streams.set(id, { session, stream, seq: 0 });
    const hello = Buffer.concat([number(1, 1), bytes(2, this.version), bytes(3, id), number(4, process.pid)]);
    stream.write(framed(bytes(1, hello)));
    this.send(id, 'execution.start', {
      operation_id: id, attempt: 1, tool: about.tool, model: about.model, provider: 'anthropic', mode: 'cli', agent: about.agent,
      task_type: null, cwd: '/home/dev/src/billing', pid: null, prompt: { bytes: 12, sha256: 'be75ce1d216fa3dae14c9038d81aeb87c134fbaa0c6a385e13e9bc7e9df62da6', file: null },
      command: [about.tool, '-p'], max_cost_nano_usd: null, reservation_nano_usd: 0, project: '/home/dev/src/billing', policy: 'default',
      task_id: null, retry_of: null, started_at: new Date().toISOString(),
    }, true);
  }

  /** @param {string} id @param {string} type @param {object} data @param {boolean} [fact] it is stored */
  send(id, type, data, fact = false) {
    const known = this.streams.get(id);
    if (!known) return;
    if (fact) known.seq += 1;
    const event = Buffer.concat([number(1, fact ? known.seq : 0), number(2, Date.now()), bytes(3, type), bytes(4, JSON.stringify(data))]);
    known.stream.write(framed(bytes(2, event)));
  }

  /** Its figures, with a number that grows by one. @param {string} id @param {number} n @param {string} model @param {number} sinceMs */
  progress(id, n, model, sinceMs) {
    this.send(id, 'execution.progress', {
      operation_id: id, state: 'running', phase: 'streaming', model, tokens: { ...NO_TOKENS, input: 1_200, output: n },
      usage_source: 'reported', cost_nano_usd: 1_200_000 + n, cost_basis: 'computed', reported_cost_nano_usd: null,
      elapsed_ms: Math.round(Date.now() - sinceMs), idle_ms: 0, stdout_bytes: n * 4, stderr_bytes: 0,
    });
  }

  /** Ends an operation well. @param {string} id @param {number} n @param {string} model */
  complete(id, n, model) {
    this.send(id, 'execution.complete', {
      operation_id: id, tokens: { ...NO_TOKENS, input: 1_200, output: n }, usage_source: 'reported', cost_nano_usd: 1_200_000 + n,
      cost_basis: 'computed', reported_cost_nano_usd: null, model, duration_ms: 10, exit_code: 0, calls: 0, stdout_bytes: n * 4, stderr_bytes: 0,
      partial: null, session_id: null, resume_command: null, first_output_ms: 1,
    }, true);
  }

  close() {
    for (const { session } of this.streams.values()) session.destroy();
  }
}

/**
 * So many events a second over some operations, by the clock: what is late is sent at once.
 * @param {Runner} runner @param {string[]} ids @param {number} perSecond
 * @param {(n: number, id: string) => void} [sent] told of each, right before it goes
 * @param {(n: number) => string} [whose] which operation the event belongs to
 */
export function pour(runner, ids, perSecond, sent = () => undefined, whose = (n) => ids[n % ids.length]) {
  const begun = performance.now();
  const since = Date.now();
  let n = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) * perSecond) / 1_000);
    while (n < due) {
      n += 1;
      const id = whose(n);
      sent(n, id);
      runner.progress(id, n, 'claude-haiku-4-5', since);
    }
  }, 1);
  return { stop: () => clearInterval(timer), count: () => n };
}

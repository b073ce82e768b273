// @ts-check
// The connection: connects, resumes by cursor, answers by id, and says what state it is in. It keeps no picture of
// the operations and never touches the page. Waits between attempts grow from 0.5 s to 15 s with full jitter. Where a
// WebSocket cannot be opened twice in a row although the daemon answers, it goes over to server-sent events, and tries
// a WebSocket beside them every few minutes.

import { SocketWire, StreamWire } from './wire.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const PING_EVERY_MS = 20_000;
const SILENT_AFTER_MS = 45_000;
const OPEN_WITHIN_MS = 10_000;
const REPLY_WITHIN_MS = 10_000;
/** The daemon takes 20 messages a second; a burst and what may follow in its second stay below. */
const MESSAGES_PER_SECOND = 10;
const MESSAGES_AT_ONCE = 8;
/** Messages that may wait for their turn; more are refused at once. */
const OUTBOX = 64;
/** Attempts in a row that fail though the daemon answers, after which the other transport is tried. */
const REFUSALS = 2;
const TRIAL_EVERY_MS = 180_000;

/**
 * @typedef {'connecting'|'live'|'offline'|'ended'} Phase
 * @typedef {object} Status
 * @property {Phase} phase
 * @property {number} lastHeardMs when the daemon was last heard, by this machine's clock; 0 before
 * @property {number} retryAtMs when the next attempt starts; 0 when none is planned
 * @property {string} version of the daemon
 * @property {import('./wire.js').Transport} transport of the connection, or of the last one
 *
 * @typedef {import('./wire.js').Wire} Wire
 *
 * @typedef {object} Handlers
 * @property {(status: Status) => void} onStatus
 * @property {(hello: any) => void} onHello
 * @property {(message: any) => void} onSnapshot
 * @property {(envelope: any) => void} onEvent
 * @property {(missed: number, reason: string) => void} [onResync]
 * @property {() => Promise<'ok'|'none'|'refused'|'unreachable'>} probe says why a socket could not be opened
 * @property {(why: 'none'|'refused', message: string) => void} onEnd no further attempt will be made
 *
 * @typedef {object} Reply
 * @property {boolean} ok
 * @property {any} [result]
 * @property {string} [error]
 * @property {string} [code]
 * @property {string} [hint]
 */

export class Link {
  /** @param {string} url @param {Handlers} handlers */
  constructor(url, handlers) {
    this.url = url;
    this.on = handlers;
    /** @type {Wire|null} */ this.wire = null;
    /** @type {Wire|null} a WebSocket that is tried beside the stream */ this.trial = null;
    /** @type {import('./wire.js').Transport} what the next attempt takes */ this.by = 'socket';
    this.refusals = 0;
    /** @type {{epoch: string, seq: number}|null} */ this.cursor = null;
    /** @type {Status} */
    this.status = { phase: 'connecting', lastHeardMs: 0, retryAtMs: 0, version: '', transport: 'socket' };
    this.attempt = 0;
    this.nextId = 1;
    /** @type {Map<string, {resolve: (r: Reply) => void, timer: number}>} */ this.waiting = new Map();
    /** @type {string[]} */ this.outbox = [];
    this.allowance = MESSAGES_AT_ONCE;
    this.retryTimer = 0;
    this.openTimer = 0;
    this.pingTimer = 0;
    this.paceTimer = 0;
    this.trialTimer = 0;
    this.bye = { code: 0, reason: '', waitMs: 0 };
    this.greeted = false;
  }

  /** Connects now and for good. */
  start() {
    const now = () => {
      if (document.visibilityState === 'visible') this.now();
    };
    window.addEventListener('online', now);
    document.addEventListener('visibilitychange', now);
    window.addEventListener('pageshow', now);
    this.connect();
  }

  /** Skips the wait before the next attempt. */
  now() {
    if (this.status.phase !== 'offline' || this.retryTimer === 0) return;
    this.attempt = 0;
    this.connect();
  }

  /** @param {Partial<Status>} change */
  set(change) {
    this.status = { ...this.status, ...change };
    this.on.onStatus(this.status);
  }

  connect() {
    clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.greeted = false;
    this.set({ phase: this.status.lastHeardMs ? 'offline' : 'connecting', retryAtMs: 0 });
    const wire = this.open(this.by);
    this.wire = wire;
    this.openTimer = window.setTimeout(() => this.drop(wire, 4000), OPEN_WITHIN_MS);
  }

  /** @param {import('./wire.js').Transport} transport @returns {Wire} */
  open(transport) {
    const after = this.cursor ? `?after=${this.cursor.epoch}-${this.cursor.seq}` : '';
    /** @type {import('./wire.js').Ends} */
    const ends = {
      onText: (text) => {
        // The first that a trial hears is its hello.
        if (wire === this.trial) this.adopt(wire);
        if (wire === this.wire) this.heard(text);
      },
      onClose: (code, reason) => {
        if (wire === this.trial) this.endTrial();
        else if (wire === this.wire) this.closed(code, reason);
      },
    };
    /** @type {Wire} */
    const wire = transport === 'socket' ? new SocketWire(this.url + after, ends) : new StreamWire(after, ends);
    return wire;
  }

  /** Closes without waiting for the other side, which may be gone. @param {Wire} wire @param {number} code */
  drop(wire, code) {
    if (this.wire !== wire) return;
    wire.close();
    this.closed(code, '');
  }

  /** Tries a WebSocket beside the stream, which goes on until the WebSocket has said hello. */
  tryAgain() {
    this.trial = this.open('socket');
    this.trialTimer = window.setTimeout(() => this.endTrial(), OPEN_WITHIN_MS);
  }

  /** The trial came to nothing; the next one is later. */
  endTrial() {
    clearTimeout(this.trialTimer);
    this.trial?.close();
    this.trial = null;
    if (this.wire?.transport === 'stream') this.trialTimer = window.setTimeout(() => this.tryAgain(), TRIAL_EVERY_MS);
  }

  /** Goes on over the WebSocket. It began at the cursor of a moment ago: what comes twice is known. @param {Wire} trial */
  adopt(trial) {
    this.trial = null;
    this.abandon();
    this.wire = trial;
    this.by = 'socket';
  }

  /** @param {unknown} data */
  heard(data) {
    this.status.lastHeardMs = Date.now();
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    const type = message?.type;
    if (typeof type !== 'string') return;
    if (type.includes('.')) this.event(message);
    else if (type === 'snapshot') {
      this.cursor = { epoch: message.epoch, seq: message.seq };
      this.on.onSnapshot(message);
    } else if (type === 'hello') this.hello(message);
    else if (type === 'reply') this.reply(message);
    else if (type === 'resync') this.on.onResync?.(message.missed, message.reason);
    else if (type === 'bye') {
      const { code, reason, retry_after_ms: waitMs } = message;
      this.bye = { code: Number(code) || 0, reason: String(reason ?? ''), waitMs: Number(waitMs) || 0 };
    }
  }

  /** @param {any} envelope */
  event(envelope) {
    const cursor = this.cursor;
    if (Number.isSafeInteger(envelope.seq)) {
      const repeated = cursor && cursor.epoch === envelope.epoch && envelope.seq <= cursor.seq;
      // Pieces of output have their own place in the file; their order is checked there.
      if (repeated && envelope.type !== 'execution.output') return;
      if (!repeated && typeof envelope.epoch === 'string') {
        this.cursor = { epoch: envelope.epoch, seq: envelope.seq };
      }
    }
    this.on.onEvent(envelope);
  }

  /** @param {any} message */
  hello(message) {
    clearTimeout(this.openTimer);
    this.greeted = true;
    this.attempt = 0;
    this.refusals = 0;
    this.bye = { code: 0, reason: '', waitMs: 0 };
    this.wire?.greeted(message);
    if (this.cursor && this.cursor.epoch !== message.epoch) this.cursor = null;
    this.allowance = MESSAGES_AT_ONCE;
    clearInterval(this.pingTimer);
    this.pingTimer = window.setInterval(() => this.ping(), PING_EVERY_MS);
    this.endTrial();
    this.set({
      phase: 'live', retryAtMs: 0, version: String(message.version ?? ''), transport: this.wire?.transport ?? this.by,
    });
    this.on.onHello(message);
  }

  ping() {
    if (Date.now() - this.status.lastHeardMs > SILENT_AFTER_MS && this.wire) {
      this.drop(this.wire, 4000);
      return;
    }
    this.send({ type: 'ping', t: Date.now() });
  }

  /** @param {number} code @param {string} reason */
  closed(code, reason) {
    this.abandon();
    // A stream has no close code of its own: its last message says why it ends.
    const why = this.bye.code || code;
    if (why === 4001) this.end('none', '');
    else if (why === 1008) this.end('refused', reason || this.bye.reason || 'The daemon refused this connection');
    else if (why === 4003 && this.reloadOnce()) return;
    else this.retry(why);
  }

  /** Nothing more goes over the present wire, and nothing that was asked is answered. */
  abandon() {
    const wire = this.wire;
    this.wire = null;
    wire?.close();
    this.endTrial();
    clearTimeout(this.openTimer);
    clearInterval(this.pingTimer);
    clearTimeout(this.paceTimer);
    this.paceTimer = 0;
    this.outbox = [];
    for (const { resolve, timer } of this.waiting.values()) {
      clearTimeout(timer);
      resolve({ ok: false, code: 'link_lost', error: 'The connection to the daemon was lost' });
    }
    this.waiting.clear();
  }

  /** @param {number} code */
  async retry(code) {
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempt);
    this.attempt += 1;
    const least = code === 4008 ? 5_000 : Math.min(this.bye.waitMs, LONGEST_WAIT_MS);
    const wait = least + Math.random() * ceiling;
    const refused = !this.greeted;
    this.set({ phase: 'offline', retryAtMs: Date.now() + wait });
    this.retryTimer = window.setTimeout(() => this.connect(), wait);
    if (!refused) return;
    // The browser does not say why an upgrade failed; a plain request does.
    const why = await this.on.probe();
    if (this.greeted || this.status.phase === 'ended') return;
    if (why === 'none' || why === 'refused') this.end(why, '');
    else if (why !== 'ok') this.refusals = 0;
    else if ((this.refusals += 1) >= REFUSALS) {
      this.refusals = 0;
      this.by = this.by === 'socket' ? 'stream' : 'socket';
    }
  }

  /** A page older than the daemon is loaded anew, but never in a circle. */
  reloadOnce() {
    const key = 'llmctl-reloaded';
    if (sessionStorage.getItem(key)) {
      this.end('refused', 'This page and the daemon speak different versions. Reload the page.');
      return true;
    }
    sessionStorage.setItem(key, '1');
    location.reload();
    return true;
  }

  /** @param {'none'|'refused'} why @param {string} message */
  end(why, message) {
    clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.abandon();
    this.set({ phase: 'ended', retryAtMs: 0 });
    this.on.onEnd(why, message);
  }

  /** Whether a message would go out now. */
  get live() {
    return this.status.phase === 'live' && this.wire?.open === true;
  }

  /**
   * Sends in order, never faster than the daemon allows.
   * @param {object} message
   * @returns {boolean} false when it cannot be sent
   */
  send(message) {
    if (!this.live || this.outbox.length >= OUTBOX) return false;
    this.outbox.push(JSON.stringify(message));
    this.pace();
    return true;
  }

  pace() {
    while (this.live && this.allowance > 0 && this.outbox.length > 0) {
      this.allowance -= 1;
      this.wire?.send(/** @type {string} */ (this.outbox.shift()));
    }
    if (this.paceTimer === 0 && this.allowance < MESSAGES_AT_ONCE) {
      this.paceTimer = window.setTimeout(() => {
        this.paceTimer = 0;
        this.allowance += 1;
        this.pace();
      }, 1_000 / MESSAGES_PER_SECOND);
    }
  }

  /**
   * Sends and waits for the reply.
   * @param {object} message
   * @returns {Promise<Reply>}
   */
  request(message) {
    const id = String(this.nextId++);
    return new Promise((resolve) => {
      const timer = window.setTimeout(() => {
        this.waiting.delete(id);
        resolve({ ok: false, code: 'timeout', error: 'The daemon did not answer in time' });
      }, REPLY_WITHIN_MS);
      this.waiting.set(id, { resolve, timer });
      if (this.send({ ...message, id })) return;
      clearTimeout(timer);
      this.waiting.delete(id);
      resolve({ ok: false, code: 'offline', error: 'Not connected to the daemon' });
    });
  }

  /** @param {any} message */
  reply(message) {
    const id = String(message.reply_to);
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(message);
  }
}

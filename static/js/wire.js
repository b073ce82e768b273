// @ts-check
// The two ways to the daemon's messages: a WebSocket, or server-sent events with requests posted to the address that
// the hello names. Both carry the same texts. A wire that has closed says so once and never comes back by itself.

import { call } from './api.js';

const STREAM = '/api/stream';

/**
 * @typedef {'socket'|'stream'} Transport
 *
 * @typedef {object} Ends
 * @property {(text: string) => void} onText
 * @property {(code: number, reason: string) => void} onClose not after `close`
 *
 * @typedef {object} Wire
 * @property {Transport} transport
 * @property {boolean} open whether something can be sent
 * @property {(hello: any) => void} greeted takes from the hello what it needs
 * @property {(text: string) => void} send
 * @property {() => void} close
 */

/** @implements {Wire} */
export class SocketWire {
  /** @type {Transport} */ transport = 'socket';

  /** @param {string} url @param {Ends} ends */
  constructor(url, ends) {
    this.socket = new WebSocket(url, 'llmctl.v1');
    this.socket.onmessage = (event) => ends.onText(String(event.data));
    this.socket.onclose = (event) => ends.onClose(event.code, event.reason);
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  greeted() {}

  /** @param {string} text */
  send(text) {
    this.socket.send(text);
  }

  close() {
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
  }
}

/** @implements {Wire} */
export class StreamWire {
  /** @type {Transport} */ transport = 'stream';

  /** @param {string} after the query with the cursor, or nothing @param {Ends} ends */
  constructor(after, ends) {
    this.ends = ends;
    this.requests = '';
    /** One request at a time: on connections of their own they could overtake each other. */
    this.posting = Promise.resolve();
    this.source = new EventSource(STREAM + after);
    this.source.onmessage = (event) => ends.onText(String(event.data));
    // It would come back by itself, but without a wait that grows and without saying so.
    this.source.onerror = () => this.fail();
  }

  get open() {
    return this.source.readyState === EventSource.OPEN && this.requests !== '';
  }

  /** @param {any} hello */
  greeted(hello) {
    const address = String(hello?.requests ?? '');
    if (address.startsWith(`${STREAM}/`)) this.requests = address;
  }

  /** @param {string} text */
  send(text) {
    this.posting = this.posting.then(() => this.post(text));
  }

  /** @param {string} text */
  async post(text) {
    if (!this.open) return;
    const answer = await call(this.requests, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: text });
    // A request that got lost must not be waited for: the next connection asks again.
    if (!answer.ok) this.fail();
  }

  fail() {
    if (this.source.onerror === null) return;
    this.close();
    this.ends.onClose(1006, '');
  }

  close() {
    this.source.onmessage = null;
    this.source.onerror = null;
    this.source.close();
  }
}

// The fallback of the WebSocket: the same messages as server-sent events, requests by POST.

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';

import { HEADERS } from '../standin.mjs';

/** A stream that the stand-in takes for one of its sockets. */
class Stream extends EventEmitter {
  constructor(response) {
    super();
    this.id = randomBytes(8).toString('hex');
    this.requests = `/api/stream/${this.id}`;
    this.response = response;
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', Connection: 'close' });
    response.write('retry: 1000\n\n');
    response.on('close', () => this.emit('close'));
  }

  send(json) {
    const { epoch, seq, type } = JSON.parse(json);
    const id = type === 'hello' || seq === undefined ? '' : `id: ${epoch}-${seq}\n`;
    this.response.write(`${id}data: ${json}\n\n`);
  }

  close(code) {
    this.send(JSON.stringify({ type: 'bye', code, reason: '', retry_after_ms: 500 }));
    this.response.end();
  }

  terminate() {
    this.response.destroy();
  }
}

export function begin(s) {
  s.requestsPosted = [];
}

export function handle(s, { request, response, url, message }) {
  const [, api, what, id] = url.pathname.split('/');
  if (api !== 'api' || what !== 'stream') return false;
  if (!id && request.method === 'GET') {
    if (s.accepting) s.connected(new Stream(response), url.searchParams.get('after'));
    else response.destroy();
    return true;
  }
  const stream = [...s.sockets].find((one) => one.id !== undefined && one.id === id);
  if (!stream || request.method !== 'POST') s.json(response, 404, { error: 'No such stream', code: 'not_found' });
  else {
    s.requestsPosted.push(message.type);
    s.json(response, 202);
    stream.emit('message', JSON.stringify(message));
  }
  return true;
}

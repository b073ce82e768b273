// @ts-check
// The REST calls the page makes. Every answer is a value: nothing here throws, nothing here touches the page.

/**
 * @typedef {{ok: true, value: any, next?: string|null}} Good `next`: the address of the next page of a list
 * @typedef {{ok: false, status: number, code: string, error: string, hint: string, value?: any}} Bad `status` 0: not
 * reached; `value`: the whole answer, for what only some errors tell
 */

const WITHIN_MS = 30_000;

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Good|Bad>}
 */
export async function call(path, init = {}) {
  let response;
  try {
    response = await fetch(path, {
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(WITHIN_MS),
      ...init,
    });
  } catch {
    return { ok: false, status: 0, code: 'unreachable', error: 'The daemon cannot be reached', hint: '' };
  }
  const text = await response.text().catch(() => '');
  let value = null;
  try {
    value = text === '' ? null : JSON.parse(text);
  } catch {
    value = null;
  }
  if (response.ok) return { ok: true, value, next: /<([^>]+)>; rel="next"/.exec(response.headers.get('Link') ?? '')?.[1] ?? null };
  return {
    ok: false,
    status: response.status,
    code: String(value?.code ?? ''),
    error: String(value?.error ?? `The daemon answered ${response.status}`),
    hint: String(value?.hint ?? ''),
    value,
  };
}

/** @param {string} path @param {object} body @param {RequestInit} [init] */
export const post = (path, body, init = {}) =>
  call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), ...init });

/** @param {string} id */
const operation = (id) => `/api/operations/${encodeURIComponent(id)}`;

/** Changes a one-time code into a session. @param {string} code */
export const signIn = (code) => post('/auth', { code });

/** One operation with its routing decisions and tool calls. @param {string} id */
export const getOperation = (id) => call(operation(id));

/** @param {string} id @param {'pause'|'resume'} verb */
export const change = (id, verb) => post(`${operation(id)}/${verb}`, {});

/** @param {string} id @param {{force?: boolean, reason?: string}} body */
export const stop = (id, body) => post(`${operation(id)}/stop`, body);

/** Stops everything that runs. */
export const stopAll = () => post('/api/operations/stop', { all: true, reason: 'stopped from the dashboard' });

/** Where the recorded output is. @param {string} id @param {string} stream */
export const outputPath = (id, stream) => `${operation(id)}/output?stream=${encodeURIComponent(stream)}`;

/**
 * The end of a recorded stream, for operations that nobody streams any more.
 * @param {string} id
 * @param {string} stream
 * @param {number} bytes
 * @returns {Promise<{text: string, offset: number}|null>}
 */
export async function outputTail(id, stream, bytes) {
  try {
    const response = await fetch(outputPath(id, stream), {
      headers: { Range: `bytes=-${bytes}` },
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    if (!response.ok) return null;
    const from = /^bytes (\d+)-/.exec(response.headers.get('Content-Range') ?? '');
    return { text: await response.text(), offset: from ? Number(from[1]) : 0 };
  } catch {
    return null;
  }
}

/**
 * Whether there is a session, asked in the cheapest way.
 * @returns {Promise<'ok'|'none'|'refused'|'unreachable'>}
 */
export async function probe() {
  const answer = await call('/api/operations?limit=1');
  if (answer.ok) return 'ok';
  if (answer.status === 401) return 'none';
  if (answer.status === 403) return 'refused';
  return 'unreachable';
}

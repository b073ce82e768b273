// @ts-check
// Changes the one-time code of the address into a session.

import * as api from '../api.js';
import { clean } from '../format.js';

/** @typedef {import('../store.js').Session} Session */

/** @returns {Promise<Session|null>} why there is no session; null when the page may go on */
export async function signIn() {
  const code = /^#code=(.+)$/.exec(location.hash)?.[1];
  if (location.pathname !== '/auth' || !code) {
    if (location.pathname === '/auth') history.replaceState(null, '', '/');
    return null;
  }
  // The code leaves the address, and so the history, before anything else happens.
  history.replaceState(null, '', '/');
  const answer = await api.signIn(code);
  if (answer.ok || answer.status === 0) return null;
  if ((await api.probe()) === 'ok') return null;
  const used = answer.status === 401;
  const message = used ? 'The link was used already, or is older than a minute.' : clean(answer.error, 300);
  return { kind: used ? 'none' : 'refused', message };
}

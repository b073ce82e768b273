// @ts-check
// Wires the page: session, connection, address, keyboard, actions. Nothing is computed here that a test would want.

import { render } from '../vendor/lit-html/lit-html.js';
import { announce, rememberFocus, restoreFocus } from './a11y.js';
import * as api from './api.js';
import { clean } from './format.js';
import { Link } from './link.js';
import { Output } from './output.js';
import { isFinal, isOperationId } from './state.js';
import { Store } from './store.js';
import { sums } from './views/header.js';
import { frameView } from './views/frame.js';

/** Stopping that nobody confirmed is offered again after this. */
const PENDING_MS = 8_000;
/** A row that is only passed over with the keyboard is not followed. */
const FOLLOW_AFTER_MS = 120;
/** Tool calls kept for the detail view. */
const CALLS_KEPT = 200;

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
const store = new Store(draw);
store.onChange = announce;

/** @type {Output|null} */
let output = null;
let followTimer = 0;
let wrapped = true;

const link = new Link(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, {
  onStatus: (status) => store.set({ link: status }),
  onHello,
  onSnapshot: (message) => store.snapshot(message),
  onEvent,
  probe: api.probe,
  onEnd: (why, message) => store.set({ session: { kind: why, message } }),
});

/** What the views may do. */
const actions = {
  /** @param {string} id @param {boolean} force */
  async stop(id, force) {
    mark(id, force ? 'force' : 'stop');
    const reason = 'stopped from the dashboard';
    let answer = await link.request({ type: 'stop_operation', operation_id: id, reason, force });
    if (!answer.ok && ['offline', 'link_lost', 'unknown_type'].includes(answer.code ?? '')) {
      const posted = await api.stop(id, { force, reason });
      answer = posted.ok ? { ok: true } : posted;
    }
    if (answer.ok) store.set({ asked: new Set(store.model.asked).add(id) });
    else refused(id, answer);
  },
  /** @param {string} id @param {'pause'|'resume'} verb */
  async change(id, verb) {
    mark(id, verb);
    const answer = await api.change(id, verb);
    store.setPending(id, null);
    if (!answer.ok) refused(id, answer);
  },
  /** @param {boolean} open */
  askStopAll(open) {
    if (store.model.confirmStopAll !== open) store.set({ confirmStopAll: open });
  },
  async stopAll() {
    store.set({ confirmStopAll: false });
    for (const op of store.model.data.operations.values()) {
      if (!isFinal(op.state)) mark(op.operation_id, 'stop');
    }
    const answer = await api.stopAll();
    if (!answer.ok) {
      store.set({ pending: new Map() });
      store.notify(clean(answer.error, 300), clean(answer.hint, 200));
    }
  },
  /** @param {string} text */
  filter: (text) => store.set({ filter: text.slice(0, 200) }),
  /** @param {import('./store.js').Group} group */
  group: (group) => store.set({ group }),
  clearFilter() {
    const input = document.getElementById('filter');
    if (input instanceof HTMLInputElement) input.value = '';
    store.set({ filter: '', group: 'all' });
  },
  /** @param {string} tab */
  tab: (tab) => store.set({ tab }),
  /** @param {MouseEvent} event @param {string} id */
  rowClick(event, id) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest('a, button') || getSelection()?.type === 'Range') return;
    location.hash = `#/operations/${encodeURIComponent(id)}`;
  },
  output: () => output,
  wrapped: () => wrapped,
  toggleWrap() {
    wrapped = !wrapped;
    store.schedule();
  },
  toggleStderr() {
    store.set({ stderr: !store.model.stderr });
    if (store.model.stderr) void output?.follow('stderr');
  },
  /** @param {string} text @param {string} what */
  async copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      store.notify(`Copied ${what}`, '', 'info');
    } catch {
      store.notify(`The browser did not allow copying ${what}`);
    }
  },
  theme() {
    const next = { '': 'dark', dark: 'light', light: '' }[document.documentElement.dataset.theme ?? ''] ?? '';
    setTheme(next);
    try {
      localStorage.setItem('llmctl-theme', next);
    } catch {
      // Without storage the choice lasts until the page is left.
    }
  },
};

/** @typedef {typeof actions} Actions */

/** @param {string} id @param {string} action */
function mark(id, action) {
  store.setPending(id, action);
  setTimeout(() => {
    if (store.model.pending.get(id) === action) store.setPending(id, null);
  }, PENDING_MS);
}

/** @param {string} id @param {{error?: string, hint?: string}} answer */
function refused(id, answer) {
  store.setPending(id, null);
  store.notify(clean(answer.error ?? 'The daemon refused', 300), clean(answer.hint, 200));
}

/** @param {any} hello */
function onHello(hello) {
  const there = Date.parse(hello.server_time);
  sessionStorage.removeItem('llmctl-reloaded');
  store.set({
    session: { kind: 'open', message: '' },
    clockOffsetMs: Number.isNaN(there) ? 0 : there - Date.now(),
  });
  output?.resume();
  if (store.model.selected !== null) void fetchExtra(store.model.selected);
}

/** @param {any} envelope */
function onEvent(envelope) {
  const data = envelope.data;
  if (envelope.type === 'execution.output') {
    output?.event(data);
    return;
  }
  store.event(envelope);
  if (data?.operation_id === store.model.selected) extraEvent(envelope.type, data);
}

/** Keeps routing and calls of the selected operation up to date. @param {string} type @param {any} data */
function extraEvent(type, data) {
  const extra = store.model.extra;
  if (!extra) return;
  if (type === 'routing.decision') {
    const routing = extra.routing.filter((d) => d.attempt !== data.attempt).concat(data);
    store.set({ extra: { ...extra, routing } });
  } else if (type === 'tool.invoked') {
    const calls = extra.calls.filter((c) => c.call_id !== data.call_id).concat({ ...data, ok: null });
    store.set({ extra: { ...extra, calls: calls.slice(-CALLS_KEPT) } });
  } else if (type === 'tool.response') {
    const calls = extra.calls.map((c) => (c.call_id === data.call_id ? { ...c, ...data } : c));
    store.set({ extra: { ...extra, calls } });
  }
}

/** @param {string} id */
async function fetchExtra(id) {
  const answer = await api.getOperation(id);
  if (store.model.selected !== id) return;
  const empty = { routing: [], calls: [], operation: null };
  if (!answer.ok) {
    const status = answer.status === 404 ? 'missing' : 'failed';
    store.set({ extra: { ...empty, ...store.model.extra, status } });
    return;
  }
  const value = answer.value ?? {};
  const operation = isOperationId(value.operation_id) ? value : null;
  const calls = mergeCalls(list(value.calls), store.model.extra?.calls ?? []);
  store.set({ extra: { status: 'ready', operation, routing: list(value.routing), calls } });
}

/** What was fetched, and what arrived while it was on its way. @param {any[]} fetched @param {any[]} live */
function mergeCalls(fetched, live) {
  const calls = new Map(fetched.map((call) => [call.call_id, call]));
  for (const call of live) {
    const known = calls.get(call.call_id);
    if (!known || ((known.ok === null || known.ok === undefined) && call.ok !== null)) calls.set(call.call_id, call);
  }
  return [...calls.values()].slice(-CALLS_KEPT);
}

/** @param {unknown} value */
const list = (value) => (Array.isArray(value) ? value : []);

/** Shows what the address names. */
function readAddress() {
  const id = /^#\/operations\/([^/]+)$/.exec(location.hash)?.[1] ?? '';
  const selected = isOperationId(id) ? id : null;
  if (selected === store.model.selected) return;
  const before = store.model.selected;
  clearTimeout(followTimer);
  output?.close();
  output = null;
  store.set({ selected, extra: null, stderr: false });
  if (selected === null) {
    if (before !== null) requestAnimationFrame(() => requestAnimationFrame(() => focusRow(before)));
    return;
  }
  output = new Output(link, selected, () => store.schedule());
  store.set({ extra: { status: 'loading', routing: [], calls: [], operation: null } });
  followTimer = window.setTimeout(() => {
    void output?.follow('stdout');
    void fetchExtra(selected);
  }, FOLLOW_AFTER_MS);
}

/** @param {string} id */
function focusRow(id) {
  const active = document.activeElement;
  if (active && active !== document.body) return;
  restoreFocus({ id, control: 'open' });
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const typing = event.target instanceof HTMLInputElement && event.target.type === 'search';
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById('filter')?.focus();
  } else if (event.key === 'Escape' && !store.model.confirmStopAll) {
    if (typing) actions.clearFilter();
    else if (store.model.selected !== null) location.hash = '#/';
  }
}

/** @param {Store} current */
function draw(current) {
  const kept = rememberFocus();
  const { running } = sums(current.model.data);
  const title = running > 0 ? `(${running}) llmctl` : 'llmctl';
  if (document.title !== title) document.title = title;
  render(frameView(current, actions), root);
  restoreFocus(kept);
}

/** @param {string} theme */
function setTheme(theme) {
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function savedTheme() {
  try {
    return localStorage.getItem('llmctl-theme') ?? '';
  } catch {
    return '';
  }
}

/** Changes the one-time code of the address into a session. @returns {Promise<boolean>} */
async function signIn() {
  const code = /^#code=(.+)$/.exec(location.hash)?.[1];
  if (location.pathname !== '/auth' || !code) {
    if (location.pathname === '/auth') history.replaceState(null, '', '/');
    return true;
  }
  // The code leaves the address, and so the history, before anything else happens.
  history.replaceState(null, '', '/');
  const answer = await api.signIn(code);
  if (answer.ok || answer.status === 0) return true;
  if ((await api.probe()) === 'ok') return true;
  const used = answer.status === 401;
  const message = used ? 'The link was used already, or is older than a minute.' : clean(answer.error, 300);
  store.set({ session: { kind: used ? 'none' : 'refused', message } });
  return false;
}

async function main() {
  setTheme(savedTheme());
  if (!(await signIn())) return;
  window.addEventListener('hashchange', readAddress);
  document.addEventListener('keydown', onKey);
  readAddress();
  link.start();
  // What ticks: elapsed times while connected, the age of the picture while not.
  setInterval(() => {
    if (document.visibilityState !== 'visible') return;
    const { data, link: status } = store.model;
    if (status.phase !== 'live' || [...data.operations.values()].some((op) => !isFinal(op.state))) store.schedule();
  }, 1_000);
}

void main();

// @ts-check
// Wires the page: session, connection, address, keyboard, screens. Nothing is computed here that a test would want.

import { render } from '../vendor/lit-html/lit-html.js';
import { announce, forgetFocus, rememberFocus, restoreFocus } from './a11y.js';
import * as api from './api.js';
import { counted } from './format.js';
import { Keys, isTyping } from './keys.js';
import { Link } from './link.js';
import { Overview } from './overview.js';
import { Router } from './router.js';
import { screenOf, screens } from './screens.js';
import { Confirm } from './shell/confirm.js';
import { drawIcon, tabTitle } from './shell/favicon.js';
import { frameView } from './shell/frame.js';
import { nextTheme } from './shell/header.js';
import { hrefOf } from './shell/nav.js';
import { Notifier } from './shell/notifier.js';
import { Palette } from './shell/palette.js';
import { Shortcuts } from './shell/shortcuts.js';
import { signIn } from './shell/sign-in.js';
import { restoreTheme } from './shell/theme.js';
import { isFinal } from './state.js';
import { Store } from './store.js';
import { sums } from './sums.js';
import { operationVerbs } from './verbs.js';
import { closeDropsOutside } from './views/drop.js';

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
const store = new Store(draw);
store.onChange = announce;
const schedule = () => store.schedule();
const confirm = new Confirm(schedule);
const keys = new Keys();
const overview = new Overview(schedule);
const router = new Router(onRoute);
/** Where one is, and its content once that is there. */
let head = screens[0];
/** @type {import('./screen.js').Screen|null} */
let shown = null;
/** Operations that have failed since somebody looked. */
let failed = 0;

const link = new Link(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, {
  onStatus,
  onHello,
  onSnapshot: (message) => store.snapshot(message),
  onEvent(envelope) {
    if (envelope.type !== 'execution.output') {
      store.event(envelope);
      overview.event(envelope);
      notifier.event(envelope);
      if (document.visibilityState !== 'visible') whileHidden(envelope);
    }
    shown?.event(envelope);
  },
  onResync(missed, reason) {
    // The whole state follows; what happened in between was not seen here, and that is said.
    if (reason !== 'epoch') store.notify(missed > 0 ? `The page fell behind by ${counted(missed, 'message')} and was brought up to date` : 'The page was away for long and was brought up to date', '', 'info');
    overview.refresh();
    shown?.hello();
  },
  probe: api.probe,
  onEnd: (why, message) => store.set({ session: { kind: why, message } }),
});

/** @type {import('./screen.js').Ctx} */
const ctx = {
  store,
  link,
  api,
  overview,
  verbs: operationVerbs({ store, link, confirm: (question) => confirm.ask(question) }),
  now: () => store.now(),
  schedule,
  navigate: (to, options) => router.navigate(to, options),
  route: () => router.route,
  notify: (text, hint, tone) => store.notify(text, hint, tone),
  announce(text) {
    const announcer = document.getElementById('announcer');
    if (announcer) announcer.textContent = text;
  },
  async copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      store.notify(`Copied ${what}`, '', 'info');
    } catch {
      store.notify(`The browser did not allow copying ${what}`);
    }
  },
  confirm: (question) => confirm.ask(question),
};

const notifier = new Notifier(ctx.notify);
const palette = new Palette(ctx, () => shown, () => [
  { label: 'Show all shortcuts', hint: '?', run: () => shortcuts.set(true) },
  { label: notifier.on ? 'Switch notifications off' : 'Switch notifications on', hint: '', run: () => void notifier.toggle().then(schedule) },
  { label: 'Change the colour scheme', hint: '', run: () => nextTheme(ctx) },
  { label: 'Stop all operations', hint: '', run: () => void ctx.verbs.stopAll() },
]);
const shortcuts = new Shortcuts(schedule, () => head);

/** A hidden tab draws nothing but its title and icon: what runs, and what has failed. @param {any} envelope */
function whileHidden({ type, data }) {
  if (!String(type).startsWith('execution.') || type === 'execution.progress') return;
  if (type === 'execution.lost' || (type === 'execution.error' && data?.final !== false)) failed += 1;
  store.fold();
  showTab();
}

/** Told to a screen reader when it changes, not while it goes on. @param {import('./link.js').Status} status */
function onStatus(status) {
  const { phase } = store.model.link;
  store.set({ link: status });
  if (phase === 'live' && status.phase === 'offline') ctx.announce('The connection to the daemon is lost; shown is what was known');
  if (phase === 'offline' && status.phase === 'live') ctx.announce('Connected to the daemon again');
  if (document.visibilityState !== 'visible') showTab();
}

/** @param {any} hello */
function onHello(hello) {
  const there = Date.parse(hello.server_time);
  sessionStorage.removeItem('llmctl-reloaded');
  store.set({
    session: { kind: 'open', message: '' },
    clockOffsetMs: Number.isNaN(there) ? 0 : there - Date.now(),
  });
  overview.refresh();
  if (shown !== null) shown.hello();
  else void fetchScreen(head);
}

/** @param {import('./screen.js').Route} route */
function onRoute(route) {
  const next = screenOf(route);
  if (next !== head) {
    shown?.leave();
    shown = null;
    forgetFocus();
    // What had the focus goes with the screen it was on.
    ctx.announce(next.title);
  }
  head = next;
  shown = next.body.value;
  if (shown !== null) shown.enter(ctx, route);
  else void fetchScreen(next);
  schedule();
}

/** @param {import('./screen.js').Head} wanted */
async function fetchScreen(wanted) {
  try {
    await wanted.body.load();
  } catch {
    // Without a connection it is asked for again when there is one.
    if (head === wanted) store.notify(`${wanted.title} could not be fetched from the daemon`);
    return;
  }
  if (head === wanted && shown === null) onRoute(router.route);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (confirm.open || palette.open || shortcuts.open || event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    if (document.querySelector('dialog[open]') === null) palette.show();
    return;
  }
  const own = shown?.keys ?? [];
  const typing = isTyping(event.target);
  const meant = keys.press(
    { key: event.key, chord: event.ctrlKey || event.metaKey || event.altKey, typing, at: event.timeStamp },
    own.map((entry) => entry.key),
    screens.map((screen) => screen.key),
  );
  if (meant === null) return;
  if (meant.kind === 'own' && meant.key === 'Escape' && typing && leaveField(event.target)) return;
  if (meant.kind !== 'own' || meant.key !== 'Escape') event.preventDefault();
  if (meant.kind === 'own') own.find((entry) => entry.key === meant.key)?.run(ctx);
  if (meant.kind === 'shell') shortcuts.set(true);
  const target = meant.kind === 'go' ? screens.find((screen) => screen.key === meant.key) : undefined;
  if (target) ctx.navigate(hrefOf(target).slice(1));
}

/** Escape in a search empties it first; elsewhere it leaves the field. @param {EventTarget|null} target */
function leaveField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === 'search' && target.value !== '') {
    target.value = '';
    target.dispatchEvent(new Event('input', { bubbles: true }));
  } else target.blur();
  return true;
}

/** What the tab says of the page. */
function showTab() {
  const { data, link: status } = store.model;
  const tab = { running: sums(data).running, failed, live: status.phase === 'live' || status.lastHeardMs === 0 };
  const title = tabTitle(tab, head === screens[0] ? '' : head.title);
  if (document.title !== title) document.title = title;
  drawIcon(tab);
}

/** Draws the page as it is known now. @param {Store} _current */
function draw(_current) {
  const kept = rememberFocus();
  showTab();
  const dialogs = [confirm.view(), palette.view(), shortcuts.view()];
  render(frameView(ctx, head, shown, dialogs, { palette: () => palette.show(), notifier }), root);
  restoreFocus(kept);
}

async function main() {
  restoreTheme();
  const refused = await signIn();
  if (refused !== null) {
    store.set({ session: refused });
    return;
  }
  document.addEventListener('keydown', onKey);
  closeDropsOutside();
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || failed === 0) return;
    failed = 0;
    schedule();
  });
  router.start();
  link.start();
  // What ticks: elapsed times while connected, the age of the picture while not.
  setInterval(() => {
    if (document.visibilityState !== 'visible') return;
    const { data, link: status } = store.model;
    if (status.phase !== 'live' || [...data.operations.values()].some((op) => !isFinal(op.state))) store.schedule();
  }, 1_000);
}

void main();

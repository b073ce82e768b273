// @ts-check
// The verbs on a card: what their buttons say, and what they have to be told. Names and fields are the daemon's.

/**
 * @typedef {object} VerbLook
 * @property {string} label
 * @property {string} icon
 * @property {{field: string, label: string, many?: boolean, agent?: boolean, optional?: boolean}} [asks]
 * @property {boolean} [danger]
 * @property {string} [about] said in the question
 */

/** @type {Record<string, VerbLook>} */
export const VERBS = {
  run: { label: 'Run', icon: 'play' },
  start: { label: 'Start', icon: 'up' },
  assign: { label: 'Assign', icon: 'route', asks: { field: 'agent', label: 'Agent', agent: true } },
  give_back: { label: 'Back to the inbox', icon: 'back' },
  put_down: { label: 'Put down', icon: 'pause', about: 'The card waits for its agent again.' },
  complete: {
    label: 'Complete',
    icon: 'check',
    asks: { field: 'summary', label: 'Result', many: true },
    about: 'The result is written into the file.',
  },
  fail: { label: 'Fail', icon: 'error', danger: true, asks: { field: 'message', label: 'What went wrong', many: true } },
  block: { label: 'Block', icon: 'paused', asks: { field: 'reason', label: 'Reason', many: true } },
  unblock: { label: 'Unblock', icon: 'play' },
  reopen: { label: 'Reopen', icon: 'retrying' },
  note: { label: 'Note', icon: 'streaming', asks: { field: 'text', label: 'Note', many: true } },
  cancel: { label: 'Cancel task', icon: 'close', danger: true, asks: { field: 'reason', label: 'Reason', many: true } },
  freeze: { label: 'Freeze', icon: 'stopping', asks: { field: 'reason', label: 'Reason', many: true }, about: 'It leaves the board; `llmctl task thaw` brings it back.' },
  archive: { label: 'Archive', icon: 'down', about: 'It leaves the board.' },
  priority: { label: 'Priority', icon: 'up' },
  move: { label: 'Move', icon: 'route' },
};

/** What the command line would do the same with. @param {string} verb @param {string} id */
export const commandOf = (verb, id) => `llmctl task ${verb.replace('_', '-')} ${/^[\w.:-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`}`;

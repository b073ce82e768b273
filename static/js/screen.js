// @ts-check
// What a screen is and what it is given. Types only; the screens themselves are listed in `screens.js`.

/**
 * @typedef {object} Route An address of the page, from what stands behind the `#`: `#/tasks/my-card?lane=inbox`.
 * @property {string} name first part: `tasks`; empty for `#/`
 * @property {string[]} parts further parts, decoded: `['my-card']`
 * @property {URLSearchParams} query filters, sort and selection; never changed in place
 *
 * @typedef {object} Question
 * @property {string} title
 * @property {string} body
 * @property {string} action what the button says
 * @property {boolean} [danger] work is lost
 *
 * @typedef {object} Ctx What the shell gives to screens.
 * @property {import('./store.js').Store} store
 * @property {import('./link.js').Link} link
 * @property {typeof import('./api.js')} api
 * @property {import('./verbs.js').Verbs} verbs what may be done to operations
 * @property {import('./overview.js').Overview} overview spend, budgets, tasks and servers in figures
 * @property {() => number} now the daemon's time in milliseconds since 1970; stands still while there is no connection
 * @property {() => void} schedule asks for one drawing in the next animation frame
 * @property {(path: string, options?: {replace?: boolean}) => void} navigate `path` begins with `/`
 * @property {() => Route} route the address as it is now
 * @property {(text: string, hint?: string, tone?: 'error'|'info') => void} notify a notice that goes by itself
 * @property {(text: string) => void} announce for screen readers only
 * @property {(text: string, what: string) => Promise<void>} copy to the clipboard, and says so
 * @property {(question: Question) => Promise<boolean>} confirm
 *
 * @typedef {{text: string, tone: string, label: string}} Badge `tone` as in `tone-red`; `label` for screen readers
 * @typedef {{key: string, label: string, run: (ctx: Ctx) => void}} Key `key` as `KeyboardEvent.key` has it
 * @typedef {{label: string, run: (ctx: Ctx) => void, hint?: string}} Command
 *
 * @typedef {object} Head What is known of a screen before it is fetched.
 * @property {string} name address `#/name`
 * @property {string} title
 * @property {string} key `g` and then this goes there
 * @property {string} icon a name of `icons.js`
 * @property {string[]} [also] further first parts of addresses that belong to it
 * @property {(ctx: Ctx) => Badge|null} [badge] shown beside its title, whatever screen is shown; from what is known
 * @property {import('./lazy.js').Lazy<Screen>} body
 *
 * @typedef {object} Screen
 * @property {(ctx: Ctx, route: Route) => void} enter shown, or its address changed: called again
 * @property {() => void} leave hidden: drops timers and big data
 * @property {(envelope: any) => void} event each event of the stream while it is shown
 * @property {() => void} hello connected while shown, or the stream fell behind: fetches anew
 * @property {(ctx: Ctx, route: Route) => unknown} view template of the content of `main`; pure
 * @property {Key[]} [keys]
 * @property {(ctx: Ctx) => Command[]} [commands] further entries of the command palette
 */

export {};

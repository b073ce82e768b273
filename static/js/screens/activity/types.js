// @ts-check
// Types of the Activity screen only.

/**
 * @typedef {object} Entry One event as it is listed.
 * @property {string} key `epoch-seq`, and the place in the stream for pieces of output
 * @property {string} epoch
 * @property {number} seq
 * @property {string} at
 * @property {string} type
 * @property {any} data
 * @property {string|null} text what is searched, made when it is first asked for
 */

export {};

// @ts-check
// Icons as inline SVG, 16 by 16, drawn with the text's colour. Always beside a text or a label, so hidden from readers.

import { html, nothing } from '../vendor/lit-html/lit-html.js';

/** @type {Record<string, {d: string, fill?: boolean}>} */
const SHAPES = {
  submitted: { d: 'M8 3v6m-3-2 3 3 3-3M3.5 13h9' },
  queued: { d: 'M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z' },
  running: { d: 'M5 3.6v8.8c0 .5.5.8.9.5l6.8-4.4a.6.6 0 0 0 0-1L5.9 3.1a.6.6 0 0 0-.9.5Z', fill: true },
  paused: { d: 'M4.5 3h2.2v10H4.5zM9.3 3h2.2v10H9.3z', fill: true },
  stopping: { d: 'M5 5h6v6H5zM8 1.5a6.5 6.5 0 1 1-6.5 6.5' },
  detached: { d: 'm6.5 9.5-2 2a2.1 2.1 0 0 1-3-3l2-2m6-0 2-2a2.1 2.1 0 0 1 3 3l-2 2M3 3l10 10' },
  complete: { d: 'm3 8.5 3.2 3.2L13 4.5' },
  error: { d: 'M8 4.5v4.2M8 11.3v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z' },
  stopped: { d: 'M4 4h8v8H4z', fill: true },
  lost: { d: 'M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.9-1.1 1.7M8 12v.1' },
  stop: { d: 'M4.5 4.5h7v7h-7z', fill: true },
  bolt: { d: 'M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z', fill: true },
  play: { d: 'M5 3.6v8.8c0 .5.5.8.9.5l6.8-4.4a.6.6 0 0 0 0-1L5.9 3.1a.6.6 0 0 0-.9.5Z', fill: true },
  pause: { d: 'M4.5 3h2.2v10H4.5zM9.3 3h2.2v10H9.3z', fill: true },
  live: { d: 'M1.5 8h3l2-5 3 10 2-5h3' },
  history: { d: 'M2.2 6.2A6 6 0 1 1 2 8.6M2 2.8v3.4h3.4M8 5v3.2l2.2 1.4' },
  expand: { d: 'M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5 9 7M2.5 13.5 7 9' },
  up: { d: 'M8 13V4m-4 4 4-4 4 4' },
  route: { d: 'M3.5 13.5v-3a3 3 0 0 1 3-3h3a3 3 0 0 0 3-3v-2m-2.5 2 2.5-2.5L15 4.5' },
  coins: { d: 'M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM9.8 6.2C9.5 5.6 8.8 5.3 8 5.3c-1 0-1.8.5-1.8 1.3 0 2 3.7.8 3.7 2.8 0 .8-.8 1.4-1.9 1.4-.9 0-1.6-.4-1.9-1M8 4.2v1.1M8 10.8v1' },
  more: { d: 'M3.5 8h.1M8 8h.1M12.5 8h.1' },
  cost: { d: 'M8 1.8v12.4M11.2 4.9C10.7 3.9 9.6 3.4 8 3.4c-1.9 0-3.2.9-3.2 2.2 0 3.2 6.6 1.5 6.6 4.7 0 1.4-1.4 2.3-3.4 2.3-1.7 0-2.9-.6-3.5-1.7' },
  models: { d: 'm8 1.8 5.6 3.1v6.2L8 14.2l-5.6-3.1V4.9zM2.4 4.9 8 8l5.6-3.1M8 8v6.2' },
  table: { d: 'M2.5 3h11v10h-11zM2.5 6.4h11M2.5 9.7h11M6.5 6.4V13' },
  download: { d: 'M8 2.2v7.6M4.9 6.9 8 9.9l3.1-3M2.8 13.4h10.4' },
  chevron: { d: 'm6 3.5 4.5 4.5L6 12.5' },
  search: { d: 'm10.5 10.5 3.5 3.5M11.8 7a4.8 4.8 0 1 1-9.6 0 4.8 4.8 0 0 1 9.6 0Z' },
  close: { d: 'm4 4 8 8m0-8-8 8' },
  back: { d: 'M10 3 5 8l5 5' },
  copy: { d: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z' },
  check: { d: 'm3 8.5 3.2 3.2L13 4.5' },
  down: { d: 'M8 3v9m-4-4 4 4 4-4' },
  open: { d: 'M9.5 2.5h4v4m0-4L8 8M12 9.5v4H2.5V4h4' },
  offline: { d: 'M2 6a9 9 0 0 1 3-2m3-.7A9 9 0 0 1 14 6M4.5 8.8a5.5 5.5 0 0 1 2.5-1.4M11.5 8.8l-1-.8M8 12.2v.1M2.5 2l11 12' },
  theme: { d: 'M8 2v12a6 6 0 0 0 0-12Zm6 6A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z' },
  terminal: { d: 'm3 4.5 3.5 3.5L3 11.5M8.5 12H13' },
  tool: { d: 'M13.5 4.5 11 7 9 5l2.5-2.5a3.5 3.5 0 0 0-4.6 4.6L2.5 11.5a1.4 1.4 0 0 0 2 2l4.4-4.4a3.5 3.5 0 0 0 4.6-4.6Z' },
  thinking: { d: 'M4 8v.1M8 8v.1M12 8v.1' },
  streaming: { d: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h6' },
  network: { d: 'M8 13V8m-3.5-.5a5 5 0 0 1 7 0M2 5a8.5 8.5 0 0 1 12 0' },
  retrying: { d: 'M13 8a5 5 0 1 1-1.5-3.5M13 2.5v3h-3' },
  bell: { d: 'M4 11V7.5a4 4 0 0 1 8 0V11l1 1.5H3zM6.8 14.2h2.4' },
  key: { d: 'M9.5 6.5a3.2 3.2 0 1 0-3 3l1 1H9v1.5h1.5V13.5H13v-2l-3.8-3.8M5.6 6.1v.1' },
  mcp: { d: 'M5 2v3m6-3v3M3.5 5h9v2.5a4.5 4.5 0 0 1-9 0zM8 12v2.5' },
  tasks: { d: 'M2.5 2.5h3v11h-3zM6.5 2.5h3v7h-3zM10.5 2.5h3v9h-3z' },
  activity: { d: 'M3 4h.1M3 8h.1M3 12h.1M6 4h7.5M6 8h7.5M6 12h7.5' },
  system: { d: 'M4.5 4.5h7v7h-7zM6.5 1.5v3m3-3v3m-3 7v3m3-3v3m-8-8h3m-3 3h3m7-3h3m-3 3h3' },
  starting: { d: 'M8 2v2.5M8 11.5V14M2 8h2.5M11.5 8H14M3.8 3.8l1.7 1.7M10.5 10.5l1.7 1.7M3.8 12.2l1.7-1.7M10.5 5.5l1.7-1.7' },
};

/** @param {string} name a key of the table above @param {string} [extra] class names from our own code */
export function icon(name, extra = '') {
  const shape = SHAPES[name];
  if (!shape) return nothing;
  return html`<svg class="icon ${shape.fill ? 'solid' : ''} ${extra}" viewBox="0 0 16 16" aria-hidden="true">
    <path d=${shape.d} />
  </svg>`;
}

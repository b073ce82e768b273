// Texts that try to be more than text: markup, terminal sequences, marks that turn the direction of writing around.
// Run as a program it is an MCP server over standard input and output whose every name and word is hostile.

import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Markup that would call `window.hacked` if it were ever taken for markup. */
export const MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>';
/** A title of a window, a link, the clipboard, colours, a bell, C1 controls, a screen cleared. */
export const TERMINAL = '\u001b]0;stolen title\u0007\u001b]8;;javascript:window.hacked=3\u001b\\a link\u001b]8;;\u001b\\\u001b]52;c;aGFja2Vk\u0007\u001b[31mred\u001b[0m\u001b[2J\u001b[1;1H\u009b31m\u0085\u0007';
/** `abc` and, after marks, what reads backwards in a careless page. */
export const TURNED = '\u202egnp.exe\u202c \u2066\u202e gpj.txt \u2069\u200f';
export const HOSTILE = `${MARKUP} ${TERMINAL} ${TURNED} \${7*7} {{7*7}} %s javascript:alert(1)`;

/** An output with all of it, one line of 5 MB, and bytes that are no UTF-8. */
export function hostileOutput() {
  const lines = [MARKUP, TERMINAL, TURNED, HOSTILE, `${'x'.repeat(5_000_000)}${MARKUP}`, '\0\u0001\u0002 nul', 'אבג עברית ثلاثة مرحبا', `end of it ${MARKUP}`];
  return Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x0a]), Buffer.from('last line\n')]);
}

/** A task file of hostile fields. @param {string} id */
export const hostileTask = (id) => {
  const text = JSON.stringify(HOSTILE.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' '));
  return `id: ${id}\nagent: scribe\nstatus: new\npriority: high\ntitle: ${text}\ndescription: ${text}\ntags: [${text}]\ncontext: {notes: [${text}]}\ncreated_at: '2026-02-01T10:00:00Z'\n`;
};

const TOOLS = [
  { name: `evil ${MARKUP}`, title: HOSTILE, description: HOSTILE, inputSchema: { type: 'object', title: HOSTILE, properties: { [MARKUP]: { type: 'string', description: HOSTILE, default: MARKUP } } } },
  { name: 'speak', title: MARKUP, description: `${HOSTILE}\n${HOSTILE}`, inputSchema: { type: 'object', properties: {} } },
  { name: 'constructor', description: '__proto__', inputSchema: { type: 'object', properties: { __proto__x: { type: 'string' } } } },
];

/** @param {{method: string, params?: any}} request */
function answer({ method, params }) {
  if (method === 'initialize') {
    return { protocolVersion: params?.protocolVersion ?? '2025-11-25', capabilities: { tools: {}, resources: {}, prompts: {} }, serverInfo: { name: MARKUP, version: HOSTILE, title: HOSTILE }, instructions: HOSTILE };
  }
  if (method === 'ping') return {};
  if (method === 'tools/list') return { tools: TOOLS };
  if (method === 'resources/list') return { resources: [{ uri: 'javascript:window.hacked=4', name: HOSTILE, description: HOSTILE, mimeType: MARKUP }] };
  if (method === 'resources/templates/list') return { resourceTemplates: [] };
  if (method === 'prompts/list') return { prompts: [{ name: MARKUP, description: HOSTILE, arguments: [{ name: MARKUP }] }] };
  if (method === 'tools/call') return { content: [{ type: 'text', text: HOSTILE }, { type: 'text', text: MARKUP }], isError: false };
  return null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stderr.write(`${HOSTILE}\n${MARKUP}\n`);
  createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line);
    if (request.id === undefined) return;
    const result = answer(request);
    const body = result === null ? { error: { code: -32_601, message: `${MARKUP} Method not found` } } : { result };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: request.id, ...body })}\n`);
  });
}

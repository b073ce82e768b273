// What the tests of the screen of MCP servers have in common.

export const HASH = '#/mcp';
export const rows = (page) => page.locator('.servers tbody tr');
export const row = (page, name) => page.locator(`[data-server="${name}"]`);
export const rowsAre = (page, count) => page.waitForFunction((n) => document.querySelectorAll('.servers tbody tr').length === n, count);
export const detail = (page) => page.locator('.server-detail');
export const button = (scope, name) => scope.getByRole('button', { name, exact: true });

/** Something that is held until a test lets it go. */
export function gate() {
  let open;
  const held = new Promise((done) => (open = done));
  return { wait: () => held, open };
}

/** Lines of a log, in colours. */
export const lines = (count, from = 0) => Array.from({ length: count }, (_, n) => `2026-11-23T10:00:00.000Z \u001b[3${1 + (n % 6)}mline\u001b[0m ${from + n}`);

// What the Live screen and the detail of an operation ask for, beside the operations themselves.

/** @param {any} s the stand-in */
export function begin(s) {
  s.budgets = [];
  s.today = { today_nano_usd: 0, month_nano_usd: 0, total_nano_usd: 0, timezone: 'UTC' };
  s.taskCounts = null;
  s.servers = null;
}

export function handle(s, { request, response, url }) {
  if (request.method !== 'GET') return false;
  if (url.pathname === '/api/budgets') s.json(response, 200, s.budgets);
  else return false;
  return true;
}

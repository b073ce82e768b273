// @ts-check
// Shapes of what the daemon says of itself (daemon/src/health.rs, daemon/src/web/system.rs). Types only.

/**
 * @typedef {{name: string, depth: number, limit: number, dropped: number|null, when_full: string}} Queue
 * @typedef {{part: string, text: string, hint: string}} Degraded
 * @typedef {{project: string, path: string, files: number, state: string, reason: string|null, last_scan_at: string|null, last_scan_us: number, scans: number, last_event_at: string|null, overflows: number, failures: number}} Root
 *
 * @typedef {object} System
 * @property {string} status
 * @property {Degraded[]} degraded
 * @property {string} version
 * @property {number} protocol
 * @property {number} pid
 * @property {string} epoch
 * @property {string} started_at
 * @property {number} uptime_ms
 * @property {number|null} memory_bytes
 * @property {string|null} http_addr
 * @property {Record<string, number>} gateway
 * @property {{running: number, attached: number, totals: any}} operations
 * @property {{last_seq: number, published: number, duplicates: number, waiting: number, followers: number}} hub
 * @property {{healthy: number, total: number, auto_managed: number, total_tools: number, attention: number}} [mcp]
 * @property {Queue[]} queues
 * @property {{state: string, roots: Root[]}} tasks
 * @property {{state: string, committed: number, commits: number, failed_commits: number, waiting: number, size_bytes: number}} store
 *
 * @typedef {{layer: string, name: string, line: number, column: number}} Origin
 * @typedef {{path: string, value: string, origin: Origin, overridden: {value: string, origin: Origin}[], about: string|null}} Value
 * @typedef {{severity: string, code: string, path: string, message: string, hint: string|null, origin: Origin|null}} Finding
 * @typedef {{values: Value[], findings: Finding[], omitted: number, files: number}} Config
 */

export {};

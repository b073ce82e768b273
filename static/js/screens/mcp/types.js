// @ts-check
// Shapes of MCP servers as the daemon tells them (proto/src/mcp.rs). Types only.

/**
 * @typedef {{at: string, method: string, ok: boolean, latency_ms: number|null, failures_in_row: number, error: string|null}} LastCheck
 * @typedef {{at: string, cpu_percent: number, rss_bytes: number, processes: number}} Usage
 *
 * @typedef {object} Server
 * @property {string} name
 * @property {string} state
 * @property {string} health
 * @property {string[]} reasons
 * @property {string} transport
 * @property {string} target
 * @property {string|null} package
 * @property {string|null} note
 * @property {string[]} tags
 * @property {boolean} auto_start
 * @property {'configured'|'running'|'stopped'} desired
 * @property {number|null} pid
 * @property {string|null} started_at
 * @property {number|null} uptime_ms
 * @property {number} restarts
 * @property {string|null} next_start_at
 * @property {number} tools_count
 * @property {number} context_tokens_estimate
 * @property {string|null} last_error
 * @property {LastCheck|null} last_check
 * @property {Usage|null} usage
 * @property {number|null} readyAt when it became ready, in milliseconds by the daemon's clock; ours, not the daemon's
 *
 * @typedef {object} Tool
 * @property {string} name
 * @property {string|null} title
 * @property {string|null} description
 * @property {any} input_schema
 * @property {number} context_tokens_estimate
 * @property {number} calls
 * @property {number} errors
 * @property {number} total_ms
 * @property {number} max_ms
 * @property {string|null} last_error
 *
 * @typedef {object} Restart
 * @property {string} at
 * @property {string} cause
 * @property {string} message
 * @property {number|null} exit_code
 * @property {number|null} signal
 * @property {number} uptime_ms
 * @property {string|null} era
 * @property {string} stderr_tail
 * @property {number|null} backoff_ms
 *
 * @typedef {object} Detail What only the server's own address gives, beside all of `Server`.
 * @property {string|null} era
 * @property {string|null} protocol_version
 * @property {{name: string, version: string}|null} server_info
 * @property {string[]} capabilities
 * @property {string|null} instructions
 * @property {Tool[]} tools
 * @property {{uri: string, name: string, description: string|null, mime_type: string|null}[]} resources
 * @property {{name: string, description: string|null, arguments: string[]}[]} prompts
 * @property {string|null} discovered_at
 * @property {number|null} startup_ms
 * @property {string[]} required_tools_missing
 * @property {any} traffic
 * @property {Restart[]} history
 * @property {any} config
 * @property {string|null} origin
 * @property {string|null} log_path
 */

export {};

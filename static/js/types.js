// @ts-check
// The shapes of the projection, as the daemon serialises them.

/**
 * @typedef {object} Usage Tokens in disjoint classes; `reasoning` is part of `output`, `web_searches` are calls.
 * @property {number} input
 * @property {number} cache_read
 * @property {number} cache_write_5m
 * @property {number} cache_write_1h
 * @property {number} output
 * @property {number} reasoning
 * @property {number} web_searches
 *
 * @typedef {'submitted'|'queued'|'running'|'paused'|'stopping'|'detached'|'complete'|'error'|'stopped'|'refused'|'lost'} OperationState
 *
 * @typedef {object} Operation
 * @property {string} operation_id
 * @property {OperationState} state
 * @property {string|null} tool
 * @property {string|null} model
 * @property {string|null} provider
 * @property {string|null} mode
 * @property {string|null} agent
 * @property {string|null} task_type
 * @property {string|null} cwd
 * @property {string[]} command
 * @property {string|null} reason
 * @property {number} attempt
 * @property {string|null} phase
 * @property {string} submitted_at
 * @property {string|null} started_at
 * @property {string|null} ended_at
 * @property {number} elapsed_ms
 * @property {number} idle_ms
 * @property {number|null} first_output_ms
 * @property {Usage} tokens
 * @property {string} usage_source
 * @property {number|null} cost_nano_usd
 * @property {string} cost_basis
 * @property {number|null} reported_cost_nano_usd
 * @property {number|null} max_cost_nano_usd
 * @property {{bytes: number, sha256: string, file: string|null}|null} prompt
 * @property {number} stdout_bytes
 * @property {number} stderr_bytes
 * @property {number} calls
 * @property {string|null} open_call
 * @property {number|null} exit_code
 * @property {number|null} signal
 * @property {{class: string, message: string, hint: string|null, retryable: boolean}|null} error
 * @property {{by: string, via: string, reason: string|null, step: string, killed_processes: number}|null} stopped
 * @property {{dir_name: string, files: {name: string, bytes: number}[]}|null} partial
 * @property {string|null} session_id
 * @property {string|null} resume_command
 * @property {string|null} retry_of
 * @property {string|null} retried_by
 * @property {string|null} project
 * @property {string|null} policy
 * @property {string|null} task_id
 * @property {string|null} reason_code
 * @property {number|null} reservation_nano_usd
 * @property {{position: number, reason: string, limit: string|null, wait_until: string|null, held: boolean, priority: number}|null} queue
 * @property {{attempt: number, tool: string, model: string|null, started_at: string|null, ended_at: string|null, error_class: string|null, cost_nano_usd: number|null}[]} attempts
 * @property {boolean} drift
 *
 * @typedef {object} Totals Sums over all operations that have ended.
 * @property {number} ended
 * @property {number} complete
 * @property {number} error
 * @property {number} stopped
 * @property {number} refused
 * @property {number} lost
 * @property {number} tokens
 * @property {number} cost_nano_usd
 * @property {number} cost_unknown
 *
 * @typedef {object} State
 * @property {ReadonlyMap<string, Operation>} operations
 * @property {Totals} totals
 * @property {readonly string[]} ended Ids of the ended operations, ascending, for pruning.
 *
 * @typedef {object} Envelope
 * @property {string} type
 * @property {string} at
 * @property {any} data
 * @property {string} [epoch]
 * @property {number} [seq]
 */

export {};

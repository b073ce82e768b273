//! Payloads of `mcp.*`.
//!
//! What happened to a server, never what it said: descriptions and names are its own words and bounded here.

use serde::{Deserialize, Serialize};

use crate::mcp::{ServerIdentityInfo, ServerState};
use crate::time::UnixMs;

/// Tools that an event names; the others are counted.
pub const MAX_EVENT_TOOLS: usize = 100;
/// Longest description of a tool in an event, in bytes.
pub const MAX_EVENT_DESCRIPTION: usize = 200;

/// `mcp.server.starting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServerStarting {
    /// Server.
    pub server_name: String,
    /// `user`, `auto_start`, `restart`, `config` or `required`.
    pub trigger: String,
    /// Number of this start since somebody wanted it, from 1.
    pub attempt: u32,
    /// Who wanted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `mcp.server.started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpServerStarted {
    /// Server.
    pub server_name: String,
    /// Main process; none over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// `stdio` or `http`.
    pub transport: String,
    /// Revision that is spoken.
    pub protocol_version: String,
    /// Name and version in its words.
    pub server_info: ServerIdentityInfo,
    /// Names of what it can do.
    pub capabilities: Vec<String>,
    /// From spawn to ready, in milliseconds.
    pub startup_ms: u64,
    /// Tools it offers.
    pub tools_count: u32,
    /// State it is in now: `running`, or `degraded`.
    pub state: ServerState,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// `mcp.server.stopped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServerStopped {
    /// Server.
    pub server_name: String,
    /// `user`, `shutdown`, `config`, `unhealthy`, `limit`, `handshake` or `exited`.
    pub reason: String,
    /// Exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// How long it had been ready, in milliseconds.
    pub uptime_ms: u64,
}

/// `mcp.server.health_check`: at once when the result differs from the one before, else at most every 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpServerHealthCheck {
    /// Server.
    pub server_name: String,
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: String,
    /// What was asked.
    pub method: String,
    /// How long the answer took, in milliseconds; none when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Checks in a row that failed.
    pub failures_in_row: u32,
    /// State it is in now.
    pub state: ServerState,
    /// What is wrong with it while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `mcp.server.restarting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServerRestarting {
    /// Server.
    pub server_name: String,
    /// `exited`, `unhealthy`, `limit`, `handshake`, `session_lost`, `config` or `user`.
    pub cause: String,
    /// Restarts within the window, this one included.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// Wait before the start, in milliseconds.
    pub backoff_ms: u64,
    /// When that is over.
    pub next_at: UnixMs,
}

/// `mcp.server.failed`: it is not started again until somebody says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServerFailed {
    /// Server.
    pub server_name: String,
    /// `spawn`, `handshake`, `crash_loop`, `unhealthy`, `limit`, `command_missing`, `configuration` or
    /// `authentication`.
    pub cause: String,
    /// What happened, for people.
    pub message: String,
    /// Last lines of its error stream, at most 2 KiB, without secrets.
    #[serde(default)]
    pub stderr_tail: String,
    /// Starts that were tried.
    pub attempts: u32,
    /// State it is in now: `failed`, `crash_loop` or `needs_authentication`.
    pub state: ServerState,
}

/// A tool as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpToolName {
    /// Name.
    pub name: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, at most 200 bytes.
    #[serde(default)]
    pub description: String,
    /// About how many tokens its definition takes in a model's context.
    pub context_tokens_estimate: u64,
}

/// `mcp.tools.discovered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpToolsDiscovered {
    /// Server.
    pub server_name: String,
    /// Its tools; at most 100.
    pub tools: Vec<McpToolName>,
    /// All of them.
    pub tools_count: u32,
    /// Names that are new since the last time; at most 100.
    pub added: Vec<String>,
    /// Names that are gone; at most 100.
    pub removed: Vec<String>,
    /// Names whose description or schema is another; at most 100.
    pub changed: Vec<String>,
}

/// `mcp.server.usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpServerUsage {
    /// Server.
    pub server_name: String,
    /// Main process.
    pub pid: u32,
    /// Per cent of one processor.
    pub cpu_percent: f32,
    /// Resident memory of the whole tree, in bytes.
    pub rss_bytes: u64,
    /// Processes of the tree.
    pub processes: u32,
    /// How long it has been ready, in milliseconds.
    pub uptime_ms: u64,
    /// Requests to it in this life.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
}

//! What is told of MCP servers: the same values in gRPC, HTTP and the command line.
//!
//! Owns shapes alone. The daemon's supervisor fills them; nothing here talks to a server.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::time::UnixMs;

/// Restarts that are kept of each server.
pub const RESTARTS_KEPT: usize = 200;
/// Longest end of an error stream that is told with a failure, in bytes.
pub const STDERR_TAIL_BYTES: usize = 2 * 1024;
/// Longest reason of a failure, in bytes.
pub const REASON_BYTES: usize = 512;

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It does not run, and nobody wants it to.
    #[default]
    Stopped,
    /// It was started and is not ready yet.
    Starting,
    /// It runs and answers.
    Running,
    /// It runs, and something is wrong that a restart would not mend; the reasons say what.
    Degraded,
    /// It runs and does not answer.
    Unhealthy,
    /// It ended, and is started again in a moment.
    BackingOff,
    /// It ended too often; it is not started again until somebody says so.
    CrashLoop,
    /// It wants credentials that it was not given.
    NeedsAuthentication,
    /// It cannot be started as it is configured.
    Failed,
    /// It is being stopped.
    Stopping,
    /// It is configured not to start by itself, and was not started.
    Manual,
}

impl ServerState {
    /// The name in configuration, API and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::BackingOff => "backing_off",
            Self::CrashLoop => "crash_loop",
            Self::NeedsAuthentication => "needs_authentication",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Manual => "manual",
        }
    }

    /// Whether it can be asked something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Degraded | Self::Unhealthy)
    }

    /// Whether somebody should look at it.
    pub fn needs_attention(self) -> bool {
        matches!(
            self,
            Self::Degraded | Self::Unhealthy | Self::CrashLoop | Self::NeedsAuthentication | Self::Failed
        )
    }
}

/// What health checks have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerHealth {
    /// It does not run, or was not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Healthy,
    /// It answers, with something wrong.
    Degraded,
    /// It does not answer.
    Unhealthy,
}

impl ServerHealth {
    /// The name in API and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What the user wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Whatever the configuration says.
    #[default]
    Configured,
    /// It was started by hand.
    Running,
    /// It was stopped by hand.
    Stopped,
}

/// A server in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerSummary {
    /// Name in the configuration.
    pub name: String,
    /// Where it is.
    pub state: ServerState,
    /// What health checks have shown.
    pub health: ServerHealth,
    /// What is wrong with it while it runs; empty when nothing is.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// `stdio` or `http`.
    pub transport: String,
    /// Its command line or address, without what may be secret.
    pub target: String,
    /// Package it comes from, as configured.
    #[serde(default)]
    pub package: Option<String>,
    /// Note of the configuration.
    #[serde(default)]
    pub note: Option<String>,
    /// Tags of the configuration.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it starts with the daemon.
    pub auto_start: bool,
    /// What the user wants of it.
    pub desired: Desired,
    /// Main process, while there is one.
    #[serde(default)]
    pub pid: Option<u32>,
    /// When the present life began.
    #[serde(default)]
    pub started_at: Option<UnixMs>,
    /// How long it has been ready, in milliseconds; none unless it is.
    #[serde(default)]
    pub uptime_ms: Option<u64>,
    /// Restarts since the daemon started.
    pub restarts: u32,
    /// When it is started again, while it backs off.
    #[serde(default)]
    pub next_start_at: Option<UnixMs>,
    /// Tools it offers, within what the configuration allows.
    pub tools_count: u32,
    /// What their definitions take of a model's context, about, in tokens.
    pub context_tokens_estimate: u64,
    /// Why it failed last, at most 512 bytes.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The newest health check.
    #[serde(default)]
    pub last_check: Option<LastCheck>,
    /// Memory and processor of the whole tree.
    #[serde(default)]
    pub usage: Option<ServerUsage>,
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastCheck {
    /// When.
    pub at: UnixMs,
    /// `ping`, `server/discover`, `tools_list`, `tool_call`, or `answer` where it had just answered something else.
    pub method: String,
    /// Whether it answered.
    pub ok: bool,
    /// How long that took, in milliseconds.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// Checks in a row that failed.
    pub failures_in_row: u32,
    /// What went wrong.
    #[serde(default)]
    pub error: Option<String>,
}

/// What a server's whole tree of processes uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ServerUsage {
    /// When it was measured.
    pub at: UnixMs,
    /// Per cent of one processor since the measurement before.
    pub cpu_percent: f32,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Processes.
    pub processes: u32,
}

/// A server in full.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerDetail {
    /// What a list has too.
    #[serde(flatten)]
    pub summary: ServerSummary,
    /// `legacy` or `modern`.
    #[serde(default)]
    pub era: Option<String>,
    /// Revision that is spoken.
    #[serde(default)]
    pub protocol_version: Option<String>,
    /// Name and version in the server's words.
    #[serde(default)]
    pub server_info: Option<ServerIdentityInfo>,
    /// Names of what it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// How to use it, in its words.
    #[serde(default)]
    pub instructions: Option<String>,
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<ToolInfo>,
    /// Its resources.
    #[serde(default)]
    pub resources: Vec<ResourceInfo>,
    /// Its prompts.
    #[serde(default)]
    pub prompts: Vec<PromptInfo>,
    /// When tools, resources and prompts were read.
    #[serde(default)]
    pub discovered_at: Option<UnixMs>,
    /// How long the start took, in milliseconds.
    #[serde(default)]
    pub startup_ms: Option<u64>,
    /// Tools that are required and missing.
    #[serde(default)]
    pub required_tools_missing: Vec<String>,
    /// What passed on the wire in this life.
    pub traffic: Traffic,
    /// Ends and restarts, newest first; at most 20 here.
    #[serde(default)]
    pub history: Vec<Restart>,
    /// What it was configured with, as far as it may be shown.
    pub config: Value,
    /// Where that is written, `file:line`.
    #[serde(default)]
    pub origin: Option<String>,
    /// File its error stream is kept in.
    #[serde(default)]
    pub log_path: Option<String>,
}

/// Name and version of a server's program, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentityInfo {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// A tool, what it costs to know it, and how it was used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToolInfo {
    /// Name.
    pub name: String,
    /// Name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// Schema of its arguments, as the server sent it.
    pub input_schema: Box<RawValue>,
    /// About how many tokens its definition takes in a model's context.
    pub context_tokens_estimate: u64,
    /// Calls through llmctl since the daemon started.
    #[serde(default)]
    pub calls: u64,
    /// Those that failed.
    #[serde(default)]
    pub errors: u64,
    /// Time of all calls together, in milliseconds.
    #[serde(default)]
    pub total_ms: u64,
    /// Longest call, in milliseconds.
    #[serde(default)]
    pub max_ms: u64,
    /// What went wrong in the last one that failed.
    #[serde(default)]
    pub last_error: Option<String>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceInfo {
    /// Address.
    pub uri: String,
    /// Name.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub description: Option<String>,
    /// Media type.
    #[serde(default)]
    pub mime_type: Option<String>,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptInfo {
    /// Name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Names of its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// What passed between llmctl and a server in its present life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests to the server.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Messages from the server.
    pub rx_messages: u64,
    /// Bytes from the server.
    pub rx_bytes: u64,
    /// Messages to the server.
    pub tx_messages: u64,
    /// Bytes to the server.
    pub tx_bytes: u64,
    /// Lines on standard output that were no message.
    pub noise_lines: u64,
    /// The first of them, without secrets.
    #[serde(default)]
    pub noise_samples: Vec<String>,
    /// Messages that were too long and dropped.
    pub too_long: u64,
    /// Requests of the server that were declined.
    pub declined: u64,
    /// Bytes on the error stream.
    pub stderr_bytes: u64,
    /// Bytes of the error stream that were not kept, since they came too fast.
    pub stderr_dropped: u64,
}

/// The end of one life, and what followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When it ended.
    pub at: UnixMs,
    /// `exited`, `unhealthy`, `limit`, `user`, `config`, `handshake`, `spawn`, `shutdown` or `daemon_died`.
    pub cause: String,
    /// What happened, for people.
    pub message: String,
    /// Exit code.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// How long it had been ready, in milliseconds.
    pub uptime_ms: u64,
    /// Era it was opened in.
    #[serde(default)]
    pub era: Option<String>,
    /// Last lines of its error stream, at most 2 KiB, without secrets.
    #[serde(default)]
    pub stderr_tail: String,
    /// Wait before the next start, in milliseconds; none when there is none.
    #[serde(default)]
    pub backoff_ms: Option<u64>,
}

/// Sums over all servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServersSummary {
    /// Servers that run and answer.
    pub healthy: u32,
    /// All configured servers.
    pub total: u32,
    /// Servers that start with the daemon.
    pub auto_managed: u32,
    /// Tools of all that run.
    pub total_tools: u32,
    /// Servers that somebody should look at.
    pub attention: u32,
}

impl ServersSummary {
    /// Adds up.
    pub fn of<'a>(servers: impl IntoIterator<Item = &'a ServerSummary>) -> Self {
        let mut sum = Self::default();
        for server in servers {
            sum.total += 1;
            sum.healthy += u32::from(server.state == ServerState::Running);
            sum.auto_managed += u32::from(server.auto_start);
            sum.attention += u32::from(server.state.needs_attention());
            if server.state.is_open() {
                sum.total_tools += server.tools_count;
            }
        }
        sum
    }
}

/// What a reload of the configuration did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Servers that are new.
    pub added: Vec<String>,
    /// Servers that are gone, and were stopped.
    pub removed: Vec<String>,
    /// Servers that run with another configuration now.
    pub restarted: Vec<String>,
    /// Servers whose configuration changed without need for a restart.
    pub updated: Vec<String>,
    /// Servers that were not touched.
    pub unchanged: u32,
}

/// What a call of a tool gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The tool says that it has failed.
    pub is_error: bool,
    /// The texts of the result.
    pub text: String,
    /// The whole result, as the server sent it.
    pub result: Box<RawValue>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

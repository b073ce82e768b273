//! `mcp_servers` and `mcp_settings`, typed.
//!
//! Values that may be secret stay references here and are expanded only when a server is started, so that neither
//! a display nor a log nor a comparison ever holds one. Nothing is started or asked here.

mod fetch;
mod secret;
mod shown;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub use secret::{SecretError, SecretText};

/// All servers, and what holds for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct McpConfig {
    /// Servers, in the order of the files.
    pub servers: Vec<McpServerConfig>,
    /// What holds for all.
    pub settings: McpSettings,
}

/// `mcp_settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpSettings {
    /// Where the error streams of servers are kept; none is below the state directory.
    pub log_directory: Option<PathBuf>,
    /// Servers that are started at the same time.
    pub parallel_starts: usize,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self { log_directory: None, parallel_starts: 8 }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq)]
pub struct McpServerConfig {
    /// Name.
    pub name: String,
    /// How it is reached.
    pub transport: McpTransport,
    /// Whether it starts with the daemon.
    pub auto_start: bool,
    /// Whether it is started again when it ends.
    pub restart: RestartPolicy,
    /// Restarts within the window before it is given up.
    pub max_restart_attempts: u32,
    /// That window.
    pub restart_window: Duration,
    /// From spawn until it has answered and its tools are known.
    pub startup_timeout: Duration,
    /// For one request.
    pub request_timeout: Duration,
    /// From the end of its standard input until it is killed, in two halves: for leaving by itself, and after
    /// SIGTERM.
    pub shutdown_timeout: Duration,
    /// How its health is asked.
    pub health: HealthCheck,
    /// Which era it is opened in.
    pub era: EraChoice,
    /// Memory and processor.
    pub limits: Option<McpLimits>,
    /// Tools without which it is degraded.
    pub required_tools: Vec<String>,
    /// The only tools that may be called; none allows all.
    pub allowed_tools: Option<Vec<String>>,
    /// One process may serve several clients.
    pub shared: bool,
    /// For people and filters.
    pub tags: Vec<String>,
    /// Package it comes from; shown.
    pub package: Option<String>,
    /// Shown.
    pub note: Option<String>,
    /// File and line it is written in.
    pub origin: Option<String>,
    /// The entry cannot be used, for this reason; it is listed, and not started.
    pub broken: Option<String>,
}

/// How a server is reached. Its `Debug` form is what may be shown of it.
#[derive(Clone, PartialEq, Eq)]
pub enum McpTransport {
    /// A program that speaks on its standard input and output.
    Stdio {
        /// Program and arguments; empty only in a broken entry.
        command: Vec<SecretText>,
        /// For its environment, beside what every server gets.
        env: Vec<(String, SecretText)>,
        /// Working directory; none is the home directory.
        cwd: Option<PathBuf>,
    },
    /// Streamable HTTP.
    Http {
        /// Address.
        url: SecretText,
        /// Headers of each request.
        headers: Vec<(String, SecretText)>,
    },
}

/// When a server that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// However it ended.
    Always,
    /// Unless it ended with exit code 0.
    #[default]
    OnFailure,
    /// Not at all.
    Never,
}

/// Which era a server is opened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EraChoice {
    /// The server is asked.
    #[default]
    Auto,
    /// `initialize`.
    Legacy,
    /// `server/discover`.
    Modern,
}

/// How a server's health is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is asked.
    pub method: HealthMethod,
    /// Between two checks, before jitter.
    pub interval: Duration,
    /// For one answer.
    pub timeout: Duration,
    /// Checks in a row that fail before it is replaced.
    pub failures: u32,
}

/// What is asked. The `Debug` form leaves out arguments, which may hold anything.
#[derive(Clone, PartialEq, Default)]
pub enum HealthMethod {
    /// What its era has for this: `ping`, or `server/discover`.
    #[default]
    Auto,
    /// The first page of its tools.
    ToolsList,
    /// A call of a tool.
    ToolCall {
        /// Tool.
        tool: String,
        /// Arguments, an object.
        args: Value,
    },
}

/// Memory and processor that a server's tree may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct McpLimits {
    /// Resident memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Per cent of one processor, over 10 s.
    pub cpu_percent: Option<u32>,
    /// What happens beyond.
    pub on_exceed: OnExceed,
}

/// What happens beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExceed {
    /// It is said, and the server is degraded.
    #[default]
    Warn,
    /// The server is replaced.
    Restart,
    /// The server is stopped, and failed.
    Stop,
}

impl McpServerConfig {
    /// Whether a running server must be started anew for the other configuration: it is reached or opened in another
    /// way. How long is waited for it, what is allowed of it and what is said of it need no new start, and neither
    /// does another order of its variables or headers.
    pub fn needs_restart(&self, other: &Self) -> bool {
        self.era != other.era || !self.transport.same(&other.transport)
    }
}

impl McpTransport {
    fn same(&self, other: &Self) -> bool {
        let sorted = |pairs: &[(String, SecretText)]| {
            let mut pairs = pairs.to_vec();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            pairs
        };
        match (self, other) {
            (
                Self::Stdio { command, env, cwd },
                Self::Stdio { command: other_command, env: other_env, cwd: other_cwd },
            ) => command == other_command && cwd == other_cwd && sorted(env) == sorted(other_env),
            (Self::Http { url, headers }, Self::Http { url: other_url, headers: other_headers }) => {
                url == other_url && sorted(headers) == sorted(other_headers)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for McpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown::transport(self))
    }
}

impl fmt::Debug for HealthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("Auto"),
            Self::ToolsList => f.write_str("ToolsList"),
            Self::ToolCall { tool, .. } => {
                f.debug_struct("ToolCall").field("tool", tool).finish_non_exhaustive()
            }
        }
    }
}

//! Payloads of `daemon.*` and `config.*`.

use serde::{Deserialize, Serialize};

/// `daemon.started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStarted {
    /// Build.
    pub version: String,
    /// Protocol between client and daemon.
    pub protocol: u32,
    /// Process.
    pub pid: u32,
    /// From process start to ready.
    pub startup_ms: u64,
    /// `clean`, `crash` or `first`.
    pub previous_end: String,
}

/// `daemon.stopping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStopping {
    /// `signal` or `command`.
    pub reason: String,
    /// Operations that go on without it.
    pub operations_running: u32,
}

/// `config.reloaded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigReloaded {
    /// Counts reloads since the daemon's start.
    pub generation: u32,
    /// Key paths whose value changed.
    pub changed: Vec<String>,
    /// Warnings of the files that were read.
    pub warnings: u32,
    /// Errors, each with code, file and line; any leaves the running configuration in force.
    pub errors: Vec<String>,
    /// The new configuration is in force.
    pub applied: bool,
    /// Changed keys that need a restart.
    pub restart_needed: Vec<String>,
}

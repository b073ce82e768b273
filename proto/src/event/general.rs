//! Payloads of `daemon.*`.

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

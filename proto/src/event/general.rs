//! Payloads of `daemon.*`, `config.*` and `watcher.*`.

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

/// `watcher.started`: a directory of task files is watched from now on. What a reader knew of its tasks is replaced
/// by a new snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherStarted {
    /// Project.
    pub project: String,
    /// Task files in its lanes.
    pub files: u32,
}

/// `watcher.stopped`: a directory of task files is no longer watched; its tasks leave the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherStopped {
    /// Project.
    pub project: String,
}

/// `watcher.degraded`: changes of task files are noticed late, or again as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherDegraded {
    /// Project.
    pub project: String,
    /// The directory below the project.
    pub path: String,
    /// `watch_limit`, `overflow`, `unsupported` or `error`.
    pub reason: String,
    /// `polling`, or `rescan` when everything was looked at once.
    pub mode: String,
    /// Between two looks, in milliseconds.
    pub interval_ms: u64,
    /// It is over: changes are noticed at once again.
    pub recovered: bool,
    /// What the system said, without a path.
    #[serde(default)]
    pub message: Option<String>,
}

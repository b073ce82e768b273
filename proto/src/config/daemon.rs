//! Typed settings of the daemon.

use std::collections::BTreeMap;

/// `daemon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// The first command that wants it starts it.
    pub autostart: bool,
    /// Seconds without work after which it leaves; 0 never.
    pub idle_exit_s: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// The dashboard's gateway.
    pub http: Http,
    /// Operations at once.
    pub concurrency: Concurrency,
    /// Grace of the stop ladder.
    pub stop: StopGrace,
    /// What is kept.
    pub retention: Retention,
    /// Whether a history is kept at all.
    pub history_enabled: bool,
    /// Seconds for its own shutdown.
    pub shutdown_s: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            autostart: true,
            idle_exit_s: 0,
            log_level: "info".to_owned(),
            http: Http::default(),
            concurrency: Concurrency::default(),
            stop: StopGrace::default(),
            retention: Retention::default(),
            history_enabled: true,
            shutdown_s: 10,
        }
    }
}

/// `daemon.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Whether it may be started.
    pub enabled: bool,
    /// Address.
    pub host: String,
    /// Port; none is the default port, or the next free one.
    pub port: Option<u16>,
    /// Host names accepted besides loopback's.
    pub allowed_hosts: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { enabled: true, host: "127.0.0.1".to_owned(), port: None, allowed_hosts: Vec::new() }
    }
}

/// `daemon.concurrency`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Concurrency {
    /// In all; 0 is no limit.
    pub total: u32,
    /// By tool.
    pub per_tool: BTreeMap<String, u32>,
    /// By provider.
    pub per_provider: BTreeMap<String, u32>,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { total: 4, per_tool: BTreeMap::new(), per_provider: BTreeMap::new() }
    }
}

/// `daemon.stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopGrace {
    /// Seconds between the interrupt and the next step.
    pub interrupt_grace_s: u64,
    /// Seconds between the second step and the kill.
    pub terminate_grace_s: u64,
}

impl Default for StopGrace {
    fn default() -> Self {
        Self { interrupt_grace_s: 10, terminate_grace_s: 5 }
    }
}

/// `daemon.retention`. Zero keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events, in days.
    pub events_days: u32,
    /// Recorded output, in days.
    pub output_days: u32,
    /// Recorded output, in mebibytes.
    pub output_max_mb: u64,
    /// Log of each MCP server, in mebibytes.
    pub server_log_mb: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 30, output_days: 30, output_max_mb: 2_048, server_log_mb: 8 }
    }
}

//! Handle to the supervisor of all servers.

use std::time::Duration;

use llmctl_proto::config::McpConfig;
use llmctl_proto::mcp::{CallAnswer, ReloadReport, Restart, ServerDetail, ServerSummary};
use serde_json::Value;
use tokio::sync::broadcast;

use super::error::McpError;

/// The end of a server's error stream, and what follows.
#[derive(Debug)]
pub struct LogTail {
    /// Lines, oldest first, without secrets.
    pub lines: Vec<String>,
    /// Lines from here on; one that is too slow misses some and is told how many.
    pub follow: broadcast::Receiver<String>,
}

/// Handle to all servers.
#[derive(Debug, Clone, Default)]
pub struct Servers {}

impl Servers {
    /// All servers, in the order of the configuration.
    pub fn list(&self) -> Vec<ServerSummary> {
        Vec::new()
    }

    /// One server in full, from what is known.
    pub fn detail(&self, name: &str) -> Result<ServerDetail, McpError> {
        Err(unknown(name))
    }

    /// Starts a server, and answers when it is ready or has failed. One that runs is left alone. `by` is who wants
    /// it: `cli`, `http`.
    pub async fn start(
        &self,
        name: &str,
        _by: &str,
        _timeout: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        Err(unknown(name))
    }

    /// Stops a server, and answers when no process of it is left. It stays stopped.
    pub async fn stop(
        &self,
        name: &str,
        _by: &str,
        _timeout: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        Err(unknown(name))
    }

    /// Stops and starts a server, whatever state it is in.
    pub async fn restart(
        &self,
        name: &str,
        _by: &str,
        _timeout: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        Err(unknown(name))
    }

    /// Asks a server again for what it offers.
    pub async fn discover(&self, name: &str) -> Result<ServerDetail, McpError> {
        Err(unknown(name))
    }

    /// Calls a tool. `timeout` is by default the server's request timeout.
    pub async fn call(
        &self,
        name: &str,
        _tool: &str,
        _args: Value,
        _timeout: Option<Duration>,
    ) -> Result<CallAnswer, McpError> {
        Err(unknown(name))
    }

    /// The last lines of a server's error stream, and a receiver of the next ones.
    pub fn log(&self, name: &str, _tail: usize) -> Result<LogTail, McpError> {
        Err(unknown(name))
    }

    /// Ends and restarts of a server, newest first.
    pub fn history(&self, name: &str) -> Result<Vec<Restart>, McpError> {
        Err(unknown(name))
    }

    /// Takes another configuration; only servers whose entry changed are touched. Answers when all of them are
    /// stopped or told to start.
    pub async fn reload(&self, _config: McpConfig) -> ReloadReport {
        ReloadReport::default()
    }
}

fn unknown(name: &str) -> McpError {
    McpError::Unknown { name: name.to_owned(), near: None }
}

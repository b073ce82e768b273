//! Reaching the daemon: connect, shake hands, start it when nobody answers.

pub mod attach;
mod connect;
mod start;

pub use connect::{Client, connect, connect_any, handshake};
pub use start::{ensure_running, find_daemon, stop_and_wait};

use std::path::PathBuf;

/// Why there is no daemon to talk to.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens on the socket.
    #[error("llmctld is not running (nobody answers on {0})")]
    NotRunning(PathBuf),
    /// The socket cannot be used.
    #[error("cannot reach llmctld on {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The daemon speaks another protocol.
    #[error("{0}")]
    Protocol(String),
    /// The connection ended before there was an answer.
    #[error("llmctld closed the connection: {0}")]
    Closed(String),
    /// The daemon answered with an error.
    #[error("llmctld answered: {0}")]
    Answer(String),
    /// The daemon's program is nowhere to be found.
    #[error("the program llmctld was not found beside llmctl nor in PATH; set LLMCTLD to its path")]
    NoProgram,
    /// It did not start.
    #[error("llmctld did not start: {0}")]
    Start(String),
    /// The directories cannot be used.
    #[error(transparent)]
    Paths(#[from] llmctl_proto::paths::PathsError),
}

impl From<LinkError> for crate::error::CliError {
    fn from(error: LinkError) -> Self {
        use crate::error::{CliError, Exit};
        let hint = match &error {
            LinkError::NotRunning(_) => Some("start it with `llmctl daemon start`"),
            LinkError::Start(_) => Some("`llmctl daemon logs` shows what it said"),
            LinkError::Protocol(_) => Some("`llmctl daemon restart` starts the daemon of this version"),
            _ => None,
        };
        let mut cli = CliError::new(Exit::Unreachable, error.to_string());
        if let Some(source) = std::error::Error::source(&error) {
            cli = cli.caused_by(source.to_string());
        }
        cli.hints.extend(hint.map(str::to_owned));
        cli
    }
}

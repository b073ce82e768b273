//! Why a verb on a server did not do what was wanted.

use llmctl_proto::mcp::ServerState;

/// Why a verb on a server failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum McpError {
    /// No server has this name.
    #[error("no MCP server is called {name:?}{}", near.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The nearest name there is.
        near: Option<String>,
    },
    /// It is not in a state for this verb.
    #[error("MCP server {name:?} is {}; {hint}", state.name())]
    WrongState {
        /// The server.
        name: String,
        /// Where it is.
        state: ServerState,
        /// What can be done.
        hint: String,
    },
    /// It did not start, or not end, or not answer.
    #[error("MCP server {name:?}: {message}")]
    Failed {
        /// The server.
        name: String,
        /// As in `mcp.server.failed`, or `call`.
        cause: String,
        /// What happened, for people.
        message: String,
        /// Last lines of its error stream, at most 2 KiB, without secrets.
        stderr_tail: String,
    },
    /// It did not happen in time.
    #[error("MCP server {name:?}: {message}")]
    Timeout {
        /// The server.
        name: String,
        /// What was waited for.
        message: String,
    },
    /// The tool does not exist, or may not be called.
    #[error("MCP server {name:?} {message}")]
    BadTool {
        /// The server.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

//! Why a session was not opened, a request not answered, a conversation ended.
//!
//! Messages hold what a server said only where that is bounded; never values of headers or arguments.

use std::time::Duration;

use super::message::RpcError;

/// Why no session was opened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// The server ended while it was asked which era it speaks. Some legacy servers die of any question before
    /// `initialize`: start it once more with `EraPlan::Forced(Era::Legacy)`, and do not count this as a crash.
    #[error("the server ended when it was asked which protocol it speaks")]
    ClosedDuringProbe,
    /// The server ended.
    #[error("the server ended during {step}")]
    Closed {
        /// What was waited for.
        step: &'static str,
    },
    /// The time to start is over.
    #[error("no answer to {step} within {} s", after.as_secs_f64())]
    Timeout {
        /// What was waited for.
        step: &'static str,
        /// The time that was given.
        after: Duration,
    },
    /// The server speaks, but not in a way that can be understood.
    #[error("{message}")]
    Protocol {
        /// What was wrong.
        message: String,
    },
    /// The server wants to know who asks (HTTP 401 or 403).
    #[error("the server wants authentication")]
    NeedsAuthentication {
        /// Its `WWW-Authenticate` header, at most 1 KiB.
        www_authenticate: Option<String>,
    },
    /// No connection, or no HTTP.
    #[error("{message}")]
    Connect {
        /// Which address, and why.
        message: String,
    },
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// No answer in time.
    #[error("no answer to {method} within {} s", after.as_secs_f64())]
    Timeout {
        /// What was asked.
        method: String,
        /// The time that was given.
        after: Duration,
    },
    /// The conversation is over.
    #[error("the server has ended the conversation")]
    Closed,
    /// The server answered with an error. It is alive.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The answer was beyond the limit and was dropped.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The answer cannot be understood.
    #[error("{message}")]
    Protocol {
        /// What was wrong.
        message: String,
    },
    /// A tool wants to ask a user or a model, which nobody here may answer.
    #[error("the tool wants an answer to {methods}, which is declined")]
    NeedsInput {
        /// The questions' methods, comma-separated.
        methods: String,
    },
    /// More requests are under way than are allowed at once.
    #[error("{limit} requests are waiting for this server already")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The server no longer knows the HTTP session: open a new one.
    #[error("the server no longer knows the session")]
    SessionLost,
    /// The server wants to know who asks (HTTP 401 or 403).
    #[error("the server wants authentication")]
    NeedsAuthentication {
        /// Its `WWW-Authenticate` header, at most 1 KiB.
        www_authenticate: Option<String>,
    },
    /// An HTTP status that says nothing in the protocol.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// No connection.
    #[error("{message}")]
    Connect {
        /// Which address, and why.
        message: String,
    },
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server closed its standard output, or cannot be read any more.
    Output,
    /// The server no longer takes input.
    Input,
    /// The server forgot the HTTP session.
    SessionLost,
}

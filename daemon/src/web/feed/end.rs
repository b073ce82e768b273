//! Why a feed ends, and in which words the browser is told.

use std::time::Duration;

/// How long a browser gets to read why it is closed.
pub(in super::super) const GOODBYE: Duration = Duration::from_millis(500);

/// Why a feed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum End {
    /// The browser left, or the connection broke.
    Gone,
    /// The daemon or the gateway closes.
    Closing,
    /// The session ended.
    Session,
    /// The browser broke a rule.
    Policy(&'static str),
    /// It does not speak our protocol.
    Protocol,
    /// It is too slow.
    Slow,
}

impl End {
    /// Close code and reason; none for a browser that is not there to be told.
    pub(in super::super) fn words(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Gone => return None,
            Self::Closing => (1001, "the daemon is stopping"),
            Self::Policy(reason) => (1008, reason),
            Self::Session => (4001, "the session has ended"),
            Self::Protocol => (4003, "the subprotocol llmctl.v1 is required"),
            Self::Slow => (4008, "too slow"),
        })
    }
}

//! How a socket ends, and what the browser is told.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Ws, text};

/// How long a browser gets to read why it is closed.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why a socket ends, and what the browser is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It left, or the connection broke.
    Gone,
    /// The daemon or the gateway closes.
    Closing,
    /// The session ended.
    Session,
    /// It broke a rule.
    Policy(&'static str),
    /// It does not speak our protocol.
    Protocol,
    /// It is too slow.
    Slow,
}

/// Says why and closes; a browser that does not listen is not waited for.
pub(super) async fn close(ws: &mut Ws, end: End) {
    let (code, reason) = match end {
        End::Gone => return,
        End::Closing => (1001, "the daemon is stopping"),
        End::Policy(reason) => (1008, reason),
        End::Session => (4001, "the session has ended"),
        End::Protocol => (4003, "the subprotocol llmctl.v1 is required"),
        End::Slow => (4008, "too slow"),
    };
    let goodbye = async {
        if end == End::Closing {
            let bye = json!({"type": "bye", "reason": reason, "retry_after_ms": 500});
            ws.feed(text(&bye)).await?;
        }
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        ws.close(Some(frame)).await?;
        // Closing over unread bytes would be a reset, and the browser would not see the reason.
        let mut rest = [0; 4096];
        while ws.get_mut().read(&mut rest).await? > 0 {}
        Ok::<(), tokio_tungstenite::tungstenite::Error>(())
    };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

/// What an error of the connection means.
pub(super) fn broken(error: &tokio_tungstenite::tungstenite::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;
    match error {
        Error::Capacity(_) => End::Policy("a message over 64 KiB"),
        Error::Utf8(_) | Error::Protocol(_) => End::Policy("not the WebSocket protocol"),
        _ => End::Gone,
    }
}

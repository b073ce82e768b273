//! `GET /api/export`: operations, the ledger or stored events as one file, written while it is read.
//!
//! One page of the store and a few pieces of the file are in memory at a time. What cannot be read to its end is
//! broken off without an end, so that half a file is never taken for a whole one.

mod csv;
mod rows;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::{Body, Frame, Incoming};
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::costs::{moment, zone};
use super::reply::{self, Reply};
use super::routes::query;
use super::serve::Ctx;
use rows::{Format, Kind, Source};

/// Files that are written at once; further requests are told to come again.
const AT_ONCE: usize = 2;
/// Pieces that wait for the reader; the next waits until one is taken.
const PIECES: usize = 4;
/// How long a reader may take for a piece.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who may write an export now.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A body that is made while it is sent.
#[derive(Debug)]
pub(super) struct Written {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Written {
    /// A body of these pieces; it ends when there is nobody to send more.
    pub(super) fn new(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { pieces }
    }
}

impl Body for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Answers with the file.
pub(super) async fn export(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let deps = &ctx.shared.deps;
    let configured = match deps.hub.overview().await {
        Ok(overview) => overview.timezone,
        Err(error) => return reply::stopping(error),
    };
    let (kind, format, span) = match asked(request, &configured) {
        Ok(asked) => asked,
        Err(text) => return reply::bad("invalid_value", &text),
    };
    let Ok(place) = Arc::clone(&ctx.shared.exports.0).try_acquire_owned() else {
        let text = "Two exports are being written; try again when one is done.";
        return reply::error(StatusCode::TOO_MANY_REQUESTS, "busy", text, None);
    };
    let mut source = Source::new(deps.store.clone(), kind, format, span);
    let first = match source.next().await {
        Ok(first) => first,
        Err(error) => return reply::store_gone(error),
    };
    let (tx, pieces) = mpsc::channel(PIECES);
    deps.tracker.spawn(write(source, first, tx, place, deps.shutdown.clone()));
    let mut reply = reply::written(StatusCode::OK, format.content_type(), Written::new(pieces));
    let day = UnixMs::now().to_string();
    let name = format!(
        "attachment; filename=\"llmctl-{}-{}.{}\"",
        kind.as_str(),
        day.get(..10).unwrap_or_default(),
        format.as_str()
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        reply.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    reply
}

/// First and last moment of what is exported; the last is not in it.
type Span = (Option<UnixMs>, Option<UnixMs>);

fn asked(request: &Request<Incoming>, configured: &str) -> Result<(Kind, Format, Span), String> {
    let one = |name: &str| query(request, name).pop();
    let kind =
        Kind::named(&one("kind").unwrap_or_default()).ok_or("kind must be operations, costs or events.")?;
    let format = Format::named(&one("format").unwrap_or_else(|| "jsonl".to_owned()))
        .ok_or("format must be jsonl, json or csv.")?;
    let zone = zone(one("timezone").as_deref().unwrap_or(configured))?;
    Ok((kind, format, (moment(one("from"), "from", &zone)?, moment(one("to"), "to", &zone)?)))
}

/// Writes what is left; ends early, and without an end of the file, when the reader or the store is gone.
async fn write(
    mut source: Source,
    first: Option<Bytes>,
    tx: mpsc::Sender<io::Result<Bytes>>,
    _place: OwnedSemaphorePermit,
    shutdown: tokio_util::sync::CancellationToken,
) {
    let mut next = Ok(first);
    loop {
        let (piece, more) = match next {
            Ok(None) => return,
            Ok(Some(piece)) => (Ok(piece), true),
            Err(error) => (Err(io::Error::other(error)), false),
        };
        let sent = tokio::select! {
            sent = tx.send_timeout(piece, PATIENCE) => sent.is_ok(),
            () = shutdown.cancelled() => false,
        };
        if !sent {
            // A reader that is only slow must not take what it has for the whole.
            let _ = tx.try_send(Err(io::ErrorKind::TimedOut.into()));
            return;
        }
        if !more {
            return;
        }
        next = source.next().await;
    }
}

//! `GET /api/stream`: the WebSocket's messages as server-sent events, for browsers that get no WebSocket through.
//!
//! Each message is one event without a name: `data` is the JSON that the socket would carry, `id` the cursor from which
//! a browser resumes (`EPOCH-SEQ`, by `Last-Event-ID` or the query of `/ws`). What a browser would send over the socket
//! it posts, one message a request, to the address that `hello` names in `requests`; it is answered by 202 at once and
//! by the usual `reply` over the stream. So subscriptions and followed outputs live as long as the stream, as with the
//! socket. Where the socket has a close code, the stream ends with a `bye` that has it as `code`.

use std::collections::HashMap;
use std::io;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::ids::Cursor;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::export::Written;
use super::feed::{BEAT, Carrier, End, Feed, GOODBYE, MAX_FEEDS, Step, Wish, guarded};
use super::reply::{self, Reply};
use super::serve::{Ctx, Cut, Place, json_body};
use super::session::{Caller, secret};

/// The header with which a browser resumes by itself.
const LAST_EVENT_ID: &str = "last-event-id";
/// Bytes that are collected before they are sent on.
const PIECE: usize = 16 * 1024;
/// Pieces that wait for the connection; the next waits until one is taken.
const PIECES: usize = 2;
/// Requests of one browser that wait for their turn.
const REQUESTS: usize = 32;
/// What comes first: a browser that resumes by itself waits this long, in milliseconds.
const FIRST: &[u8] = b"retry: 1000\n\n";
/// A comment: says that the connection is there, and nothing to the page.
const COMMENT: &[u8] = b":\n\n";

/// The open streams' ways in, by the secret part of their addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, mpsc::Sender<Value>>>>);

impl Streams {
    /// Streams that are open.
    pub(super) fn open(&self) -> usize {
        self.all().len()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: String) -> (Entry, mpsc::Receiver<Value>) {
        let (tx, requests) = mpsc::channel(REQUESTS);
        self.all().insert(id.clone(), tx);
        (Entry { streams: self.clone(), id }, requests)
    }
}

/// A stream's entry, taken back even by a task that panics.
#[derive(Debug)]
struct Entry {
    streams: Streams,
    id: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.streams.all().remove(&self.id);
    }
}

/// Answers with the stream and starts its task.
pub(super) fn open(ctx: &Ctx, mut request: Request<Incoming>, caller: Caller) -> Reply {
    let mut wish = Wish::of(&request);
    let last = request.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    if let Some(last) = last.and_then(|last| Cursor::from_str(last).ok()) {
        // A browser that resumes by itself asks with the address it began with.
        wish.after = Some(last);
    }
    let Some(place) = Place::take(&ctx.shared, |shared| &shared.stats.sockets, MAX_FEEDS) else {
        return reply::too_many_feeds();
    };
    let (Ok(id), Some(Cut(cut))) = (secret(), request.extensions_mut().remove::<Cut>()) else {
        let text = "The stream cannot be opened.";
        return reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", text, None);
    };
    let (tx, pieces) = mpsc::channel(PIECES);
    let (shared, closing) = (Arc::clone(&ctx.shared), ctx.closing.clone());
    ctx.shared.deps.tracker.spawn(async move {
        let _place = place;
        let address = format!("/api/stream/{id}");
        let (_entry, mut requests) = shared.streams.add(id);
        let mut stream = Stream { tx, waiting: FIRST.to_vec(), patience: shared.deps.send_patience, address };
        let via = caller.via();
        let end = guarded(caller, closing, run(&mut stream, &mut requests, &shared, wish, via)).await;
        if end == End::Slow {
            shared.stats.shed.fetch_add(1, Ordering::Relaxed);
        }
        stream.close(end, cut).await;
    });
    let mut reply = reply::written(StatusCode::OK, "text/event-stream", Written::new(pieces));
    for (name, value) in [
        (CACHE_CONTROL, "no-store, no-transform"),
        // The connection ends with the stream, so that it can be cut without cutting another request.
        (CONNECTION, "close"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Hands a browser's message to its stream, which answers it.
pub(super) async fn post(ctx: &Ctx, request: Request<Incoming>, id: &str) -> Reply {
    let message = match json_body(request).await {
        Ok(message) => message,
        Err(reply) => return reply,
    };
    let way_in = ctx.shared.streams.all().get(id).cloned();
    match way_in.map(|tx| tx.try_send(message)) {
        Some(Ok(())) => reply::empty(StatusCode::ACCEPTED),
        Some(Err(mpsc::error::TrySendError::Full(_))) => {
            let text = "The stream has as many requests waiting as it takes.";
            reply::error(StatusCode::TOO_MANY_REQUESTS, "busy", text, None)
        }
        Some(Err(mpsc::error::TrySendError::Closed(_))) | None => reply::not_found(),
    }
}

async fn run(
    stream: &mut Stream,
    requests: &mut mpsc::Receiver<Value>,
    shared: &Arc<Shared>,
    wish: Wish,
    via: &'static str,
) -> End {
    let mut feed = match Feed::open(stream, shared, wish, via).await {
        Ok(feed) => feed,
        Err(end) => return end,
    };
    let mut beat = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Err(end) = turn(&mut feed, requests, &mut beat).await {
            return end;
        }
    }
}

/// Whatever comes next. Frames come last: they may never pause, and all else is rare.
async fn turn(
    feed: &mut Feed<'_, Stream>,
    requests: &mut mpsc::Receiver<Value>,
    beat: &mut Interval,
) -> Step {
    tokio::select! {
        biased;
        () = feed.carrier.tx.closed() => Err(End::Gone),
        Some(message) = requests.recv() => {
            feed.count()?;
            feed.on_request(&message).await
        }
        _ = beat.tick() => feed.carrier.comment().await,
        frame = feed.subscription.frames.recv() => feed.on_frame(frame).await,
    }
}

#[derive(Debug)]
struct Stream {
    tx: mpsc::Sender<io::Result<Bytes>>,
    /// Whole events that are not sent yet; at most [`PIECE`] and one event.
    waiting: Vec<u8>,
    patience: Duration,
    address: String,
}

impl Carrier for Stream {
    async fn queue(&mut self, json: Utf8Bytes, cursor: Option<Cursor>) -> Step {
        write_event(&mut self.waiting, &json, cursor);
        if self.waiting.len() < PIECE { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Step {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // Only when there is room is anything taken: whoever is interrupted here loses nothing.
        match tokio::time::timeout(self.patience, self.tx.reserve()).await {
            Ok(Ok(room)) => {
                room.send(Ok(std::mem::take(&mut self.waiting).into()));
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    fn address(&self) -> Option<&str> {
        Some(&self.address)
    }
}

impl Stream {
    async fn comment(&mut self) -> Step {
        self.waiting.extend_from_slice(COMMENT);
        self.flush().await
    }

    /// Says why and closes. A browser that does not listen is not waited for: what it has not taken by then is cut off
    /// with its connection.
    async fn close(mut self, end: End, cut: CancellationToken) {
        if let Some((code, reason)) = end.words() {
            let bye = json!({"type": "bye", "code": code, "reason": reason, "retry_after_ms": 500});
            let _ = tokio::time::timeout(GOODBYE, self.queue(bye.to_string().into(), None)).await;
            let _ = tokio::time::timeout(GOODBYE, self.flush()).await;
        }
        drop(self);
        let _ = tokio::time::timeout(GOODBYE, cut.cancelled()).await;
        cut.cancel();
    }
}

/// Writes one event. JSON that somebody has spread over lines stays the same JSON: its lines are put together again.
fn write_event(out: &mut Vec<u8>, json: &str, cursor: Option<Cursor>) {
    if let Some(cursor) = cursor {
        out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
    }
    for line in json.split(['\n', '\r']) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_or_put_together_from_lines() {
        let mut out = Vec::new();
        write_event(&mut out, "{\"a\":\"\\n\"}", Some("00000001-7".parse().expect("cursor")));
        write_event(&mut out, "{\r\n}", None);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "id: 00000001-7\ndata: {\"a\":\"\\n\"}\n\ndata: {\ndata: \ndata: }\n\n");
    }
}

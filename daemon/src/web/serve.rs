//! The listener and its connections: bounded in number, in head, in body, in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::gate::Allowed;
use super::reply::{self, Reply};
use super::{Shared, routes};

/// Connections at once.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// Connections beyond those that are told why at once; the next are closed without a word.
const MAX_TURNED_AWAY: usize = 64;
/// Longest request head, and how long it may take.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(5);
const MAX_HEADERS: usize = 100;
/// Longest body, and how long it may take.
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);
/// Wait after a failed accept.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// How long a connection that is turned away gets to listen.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long open requests get at the end.
const DRAIN: Duration = Duration::from_secs(2);

/// One of a counted number, given back even by a task that panics.
#[derive(Debug)]
pub(super) struct Place(Arc<Shared>, fn(&Shared) -> &AtomicUsize);

impl Place {
    /// Takes a place; none when `most` are taken.
    pub(super) fn take(
        shared: &Arc<Shared>,
        counter: fn(&Shared) -> &AtomicUsize,
        most: usize,
    ) -> Option<Self> {
        let place = Self(Arc::clone(shared), counter);
        // Beyond the limit the place is given back at once, by its drop.
        (counter(shared).fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Cancelled when a request's connection is over; to cancel it is to cut the connection, whatever is still to be sent.
#[derive(Debug, Clone)]
pub(super) struct Cut(pub(super) CancellationToken);

/// What requests of one listener share.
#[derive(Debug)]
pub(super) struct Ctx {
    pub(super) shared: Arc<Shared>,
    pub(super) allowed: Allowed,
    pub(super) addr: SocketAddr,
    pub(super) closing: CancellationToken,
}

/// Accepts until cancelled; the listener is closed before the connections are drained.
pub(super) async fn accept(
    listener: TcpListener,
    addr: SocketAddr,
    shared: Arc<Shared>,
    closing: CancellationToken,
) {
    let ctx = Arc::new(Ctx { shared, allowed: Allowed::of(addr), addr, closing });
    loop {
        let accepted = tokio::select! {
            () = ctx.closing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let place = Place::take(&ctx.shared, |shared| &shared.stats.connections, MAX_CONNECTIONS);
                ctx.shared.deps.tracker.spawn(connection(stream, Arc::clone(&ctx), place));
            }
            Err(error) => {
                tracing::warn!(error = %error, "accept failed");
                let _ = tokio::time::timeout(ACCEPT_BACKOFF, ctx.closing.cancelled()).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, ctx: Arc<Ctx>, place: Option<Place>) {
    // Small frames must not wait for each other.
    let _ = stream.set_nodelay(true);
    if place.is_some() {
        serve(stream, &ctx).await;
    } else if let Some(_turned_away) =
        Place::take(&ctx.shared, |shared| &shared.stats.turned_away, MAX_TURNED_AWAY)
    {
        let text = "The dashboard has as many connections as it takes.";
        turn_away(stream, StatusCode::SERVICE_UNAVAILABLE, "busy", text).await;
    }
}

/// Says why and closes, without waiting for a peer that does not listen.
async fn turn_away(mut stream: TcpStream, status: StatusCode, code: &str, text: &str) {
    let words = reply::last_words(status, code, text);
    let say = async {
        stream.write_all(&words).await?;
        stream.shutdown().await?;
        // Closing over unread bytes would be a reset, and the peer would not see the answer.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(LAST_WORDS, say).await;
}

async fn serve(stream: TcpStream, ctx: &Arc<Ctx>) {
    let cut = CancellationToken::new();
    let _over = cut.clone().drop_guard();
    let service = {
        let (ctx, cut) = (Arc::clone(ctx), cut.clone());
        service_fn(move |mut request| {
            let ctx = Arc::clone(&ctx);
            request.extensions_mut().insert(Cut(cut.clone()));
            async move {
                Ok::<Reply, std::convert::Infallible>(reply::harden(routes::handle(&ctx, request).await))
            }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = connection;
    let result = tokio::select! {
        result = &mut connection => result,
        () = cut.cancelled() => return,
        () = ctx.closing.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            // A peer that says nothing is not waited for.
            let _ = tokio::time::timeout(DRAIN, connection).await;
            return;
        }
    };
    let late = result.is_err_and(|error| error.is_timeout());
    if late
        && let Some(parts) = connection.into_parts()
        // A connection that was only kept open has asked nothing and gets no answer.
        && !parts.read_buf.is_empty()
    {
        let text = "The request's head did not arrive within 5 s.";
        turn_away(parts.io.into_inner(), StatusCode::REQUEST_TIMEOUT, "timeout", text).await;
    }
}

/// Reads a body as a JSON object; nothing counts as an empty one.
pub(super) async fn json_body(request: Request<Incoming>) -> Result<serde_json::Value, Reply> {
    let is_json =
        request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
            |value| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"),
        );
    if !is_json {
        let text = "A change needs the header Content-Type: application/json.";
        return Err(reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_request", text, None));
    }
    let body = Limited::new(request.into_body(), BODY_BYTES).collect();
    let bytes = match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let text = "The body is longer than 64 KiB.";
            return Err(reply::error(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", text, None));
        }
        Ok(Err(_)) => return Err(reply::bad("bad_request", "The body cannot be read.")),
        Err(_) => {
            let text = "The body did not arrive in time.";
            return Err(reply::error(StatusCode::REQUEST_TIMEOUT, "timeout", text, None));
        }
    };
    if bytes.is_empty() {
        return Ok(serde_json::json!({}));
    }
    match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(reply::bad("bad_json", "The body must be a JSON object.")),
        Err(error) => Err(reply::bad("bad_json", &format!("The body is not valid JSON: {error}."))),
    }
}

//! The listener and its connections: bounded in number, in head, in body, in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::gate::Allowed;
use super::reply::{self, Reply};
use super::{Shared, routes};

/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// Longest request head, and how long it may take.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(5);
const MAX_HEADERS: usize = 100;
/// Longest body, and how long it may take.
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);
/// Wait after a failed accept.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// How long open requests get at the end.
const DRAIN: Duration = Duration::from_secs(2);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

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
                let open = ctx.shared.stats.connections.fetch_add(1, Ordering::Relaxed);
                let connection = connection(stream, Arc::clone(&ctx), open < MAX_CONNECTIONS);
                ctx.shared.deps.tracker.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(error = %error, "accept failed");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn connection(mut stream: TcpStream, ctx: Arc<Ctx>, room: bool) {
    // Small frames must not wait for each other.
    let _ = stream.set_nodelay(true);
    if room {
        serve(stream, &ctx).await;
    } else {
        let _ = tokio::time::timeout(HEAD_TIME, stream.write_all(FULL)).await;
    }
    ctx.shared.stats.connections.fetch_sub(1, Ordering::Relaxed);
}

async fn serve(stream: TcpStream, ctx: &Arc<Ctx>) {
    let service = {
        let ctx = Arc::clone(ctx);
        service_fn(move |request| {
            let ctx = Arc::clone(&ctx);
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
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ctx.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // A peer that says nothing is not waited for.
    let _ = tokio::time::timeout(DRAIN, connection).await;
}

/// Reads a body as a JSON object; nothing counts as an empty one.
pub(super) async fn json_body(request: Request<Incoming>) -> Result<serde_json::Value, Reply> {
    use http::StatusCode;
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

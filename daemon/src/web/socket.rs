//! One browser's WebSocket: carries a feed, and the browser's messages to it. What is sent is `feed`'s.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use llmctl_proto::ids::Cursor;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::Shared;
use super::feed::{BEAT, Carrier, End, Feed, GOODBYE, MAX_FEEDS, MAX_MESSAGE, SEND, Step, Wish, guarded};
use super::reply::{self, Reply};
use super::serve::{Ctx, Place};
use super::session::Caller;

/// The protocol both sides speak.
const SUBPROTOCOL: &str = "llmctl.v1";
/// A browser that has said nothing for so long, not even that it is there, is gone.
const SILENT: Duration = Duration::from_secs(45);

type Ws = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers the upgrade and starts the socket's task.
pub(super) fn upgrade(ctx: &Ctx, mut request: Request<Incoming>, caller: Caller) -> Reply {
    let offered = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim() == SUBPROTOCOL);
    let wish = Wish::of(&request);
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let Ok(mut response) = create_response(&Request::from_parts(parts, ())) else {
        let text = "This address speaks WebSocket.";
        return reply::error(StatusCode::UPGRADE_REQUIRED, "bad_request", text, None);
    };
    let Some(place) = Place::take(&ctx.shared, |shared| &shared.stats.sockets, MAX_FEEDS) else {
        return reply::too_many_feeds();
    };
    if offered {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let (shared, closing) = (Arc::clone(&ctx.shared), ctx.closing.clone());
    ctx.shared.deps.tracker.spawn(async move {
        let _place = place;
        if let Ok(Ok(upgraded)) = tokio::time::timeout(SEND, upgraded).await {
            let io = TokioIo::new(upgraded);
            let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await;
            let mut socket = Socket { ws, patience: shared.deps.send_patience, heard: Instant::now() };
            let via = caller.via();
            let end = if offered {
                guarded(caller, closing, run(&mut socket, &shared, wish, via)).await
            } else {
                End::Protocol
            };
            if end == End::Slow {
                shared.stats.shed.fetch_add(1, Ordering::Relaxed);
            }
            socket.close(end).await;
        }
    });
    response.map(|()| Either::Left(http_body_util::Full::default()))
}

/// Largest message that is sent: a snapshot, of somewhat more than a kilobyte for each operation in the projection.
const MAX_SNAPSHOT: usize = 256 * 1024 * 1024;

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(MAX_SNAPSHOT)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

async fn run(socket: &mut Socket, shared: &Arc<Shared>, wish: Wish, via: &'static str) -> End {
    let mut feed = match Feed::open(socket, shared, wish, via).await {
        Ok(feed) => feed,
        Err(end) => return end,
    };
    let mut ping = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = pin!(tokio::time::sleep_until(feed.carrier.heard + SILENT));
    loop {
        if let Err(end) = turn(&mut feed, &mut ping, silence.as_mut()).await {
            return end;
        }
    }
}

/// Whatever comes next. Frames come last: they may never pause, and all else is rare.
async fn turn(feed: &mut Feed<'_, Socket>, ping: &mut Interval, mut silence: Pin<&mut Sleep>) -> Step {
    tokio::select! {
        biased;
        message = feed.carrier.ws.next() => match message {
            Some(Ok(message)) => on_message(feed, message).await,
            Some(Err(error)) => Err(broken(&error)),
            None => Err(End::Gone),
        },
        () = silence.as_mut() => {
            // Moved only when it is due: a timer that is set anew at every frame is the dearer one.
            silence.reset(feed.carrier.heard + SILENT);
            if feed.carrier.heard.elapsed() >= SILENT { Err(End::Gone) } else { Ok(()) }
        }
        _ = ping.tick() => feed.carrier.ping().await,
        frame = feed.subscription.frames.recv() => feed.on_frame(frame).await,
    }
}

async fn on_message(feed: &mut Feed<'_, Socket>, message: Message) -> Step {
    feed.carrier.heard = Instant::now();
    let body = match message {
        Message::Text(body) => body,
        Message::Binary(_) => return Err(End::Policy("text only")),
        Message::Close(_) => return Err(End::Gone),
        Message::Ping(_) => {
            feed.count()?;
            // Answering is the library's work; it goes out with the next flush.
            return feed.carrier.flush().await;
        }
        Message::Pong(_) | Message::Frame(_) => return Ok(()),
    };
    feed.count()?;
    let value: Value = serde_json::from_str(&body).map_err(|_| End::Policy("not JSON"))?;
    if !value.is_object() {
        return Err(End::Policy("not a JSON object"));
    }
    feed.on_request(&value).await
}

/// What an error of the connection means.
fn broken(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Policy("a message over 64 KiB"),
        Error::Utf8(_) | Error::Protocol(_) => End::Policy("not the WebSocket protocol"),
        _ => End::Gone,
    }
}

#[derive(Debug)]
struct Socket {
    ws: Ws,
    patience: Duration,
    heard: Instant,
}

impl Carrier for Socket {
    async fn queue(&mut self, json: Utf8Bytes, _: Option<Cursor>) -> Step {
        patient(self.patience, self.ws.feed(Message::Text(json))).await
    }

    async fn flush(&mut self) -> Step {
        patient(self.patience, self.ws.flush()).await
    }

    fn taken(&mut self) {
        self.heard = Instant::now();
    }
}

async fn patient(patience: Duration, sending: impl Future<Output = Result<(), Error>>) -> Step {
    match tokio::time::timeout(patience, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Slow),
    }
}

impl Socket {
    async fn ping(&mut self) -> Step {
        patient(self.patience, self.ws.send(Message::Ping(bytes::Bytes::new()))).await
    }

    /// Says why and closes; a browser that does not listen is not waited for.
    async fn close(mut self, end: End) {
        let Some((code, reason)) = end.words() else { return };
        let goodbye = async {
            if end == End::Closing {
                let bye = json!({"type": "bye", "reason": reason, "retry_after_ms": 500});
                self.ws.feed(Message::Text(bye.to_string().into())).await?;
            }
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            self.ws.close(Some(frame)).await?;
            // Closing over unread bytes would be a reset, and the browser would not see the reason.
            let mut rest = [0; 4096];
            while self.ws.get_mut().read(&mut rest).await? > 0 {}
            Ok::<(), Error>(())
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

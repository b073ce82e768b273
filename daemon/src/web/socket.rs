//! One browser's WebSocket: snapshot, numbered events, followed output, a few verbs. A slow one starts over or
//! goes; it never slows anybody else.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use llmctl_proto::PROTOCOL;
use llmctl_proto::ids::Cursor;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::follow::Follow;
use super::reply::{self, Reply};
use super::requests::MAX_FOLLOWS;
use super::routes::query;
use super::serve::Ctx;
use super::session::Caller;
use crate::hub::{Before, Frame, Subscription};

/// Sockets at once.
const MAX_SOCKETS: usize = 50;
/// The protocol both sides speak.
const SUBPROTOCOL: &str = "llmctl.v1";
/// Longest message of a browser.
const MAX_MESSAGE: usize = 64 * 1024;
/// Messages of a browser in a second.
const MAX_MESSAGES: u32 = 20;
/// Frames and bytes that are written before a flush.
const BATCH_FRAMES: usize = 256;
const BATCH_BYTES: usize = 64 * 1024;
/// A send that takes longer belongs to a browser that has stopped reading.
const SEND: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENT: Duration = Duration::from_secs(45);
/// Times a socket may start over in a minute.
const MAX_RESYNCS: usize = 3;
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
    let after = query(&request, "after").pop().and_then(|text| Cursor::from_str(&text).ok());
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let Ok(mut response) = create_response(&Request::from_parts(parts, ())) else {
        let text = "This address speaks WebSocket.";
        return reply::error(StatusCode::UPGRADE_REQUIRED, "bad_request", text, None);
    };
    let open = ctx.shared.stats.sockets.fetch_add(1, Ordering::Relaxed);
    if open >= MAX_SOCKETS {
        ctx.shared.stats.sockets.fetch_sub(1, Ordering::Relaxed);
        let text = "Too many dashboards are open.";
        return reply::error(StatusCode::SERVICE_UNAVAILABLE, "busy", text, None);
    }
    if offered {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let (shared, closing) = (Arc::clone(&ctx.shared), ctx.closing.clone());
    ctx.shared.deps.tracker.spawn(async move {
        if let Ok(Ok(upgraded)) = tokio::time::timeout(SEND, upgraded).await {
            let ws =
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config())).await;
            run(ws, &shared, caller, after, offered, closing).await;
        }
        shared.stats.sockets.fetch_sub(1, Ordering::Relaxed);
    });
    response.map(|()| Full::default())
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

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

async fn run(
    mut ws: Ws,
    shared: &Arc<Shared>,
    caller: Caller,
    after: Option<Cursor>,
    offered: bool,
    closing: CancellationToken,
) {
    let end = if offered {
        match shared.deps.hub.subscribe(after).await {
            Ok(subscription) => {
                let socket = Socket::new(&mut ws, shared, subscription, after.is_some(), &caller);
                socket.serve(caller, closing).await
            }
            Err(_) => End::Closing,
        }
    } else {
        End::Protocol
    };
    if end == End::Slow {
        shared.stats.shed.fetch_add(1, Ordering::Relaxed);
    }
    close(&mut ws, end).await;
}

async fn close(ws: &mut Ws, end: End) {
    let (code, reason) = match end {
        End::Gone => return,
        End::Closing => (1001, "the daemon is stopping"),
        End::Policy(reason) => (1008, reason),
        End::Session => (4001, "the session has ended"),
        End::Protocol => (4003, "the subprotocol llmctl.v1 is required"),
        End::Slow => (4008, "too slow"),
    };
    if end == End::Closing {
        let bye = json!({"type": "bye", "reason": reason, "retry_after_ms": 500});
        let _ = tokio::time::timeout(Duration::from_millis(200), ws.send(text(&bye))).await;
    }
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let _ = tokio::time::timeout(Duration::from_millis(500), ws.close(Some(frame))).await;
}

pub(super) fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

/// The snapshot message of a subscription.
pub(super) fn snapshot_text(subscription: &Subscription) -> String {
    let Before::Snapshot { state, .. } = &subscription.before else { return "{}".to_owned() };
    let Cursor { epoch, seq } = subscription.cursor;
    // The state is JSON already; parsing it only to write it again would cost a browser its first milliseconds.
    format!("{{\"type\":\"snapshot\",\"epoch\":\"{epoch}\",\"seq\":{seq},\"state\":{state}}}")
}

pub(super) struct Socket<'a> {
    pub(super) ws: &'a mut Ws,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) subscription: Subscription,
    resumed: bool,
    pub(super) seen: u64,
    pub(super) topics: Option<Vec<String>>,
    pub(super) follows: Vec<Follow>,
    resyncs: VecDeque<Instant>,
    heard: Instant,
    second: Instant,
    messages: u32,
    pub(super) via: &'static str,
}

/// A step of a socket; an error ends it.
pub(super) type Step = Result<(), End>;

impl<'a> Socket<'a> {
    fn new(
        ws: &'a mut Ws,
        shared: &'a Arc<Shared>,
        subscription: Subscription,
        resumed: bool,
        caller: &Caller,
    ) -> Self {
        let now = Instant::now();
        Self {
            ws,
            shared,
            seen: subscription.cursor.seq,
            subscription,
            resumed,
            topics: None,
            follows: Vec::new(),
            resyncs: VecDeque::new(),
            heard: now,
            second: now,
            messages: 0,
            via: if matches!(caller, Caller::Browser(_)) { "page" } else { "api" },
        }
    }

    async fn serve(mut self, caller: Caller, closing: CancellationToken) -> End {
        let session = match caller {
            Caller::Browser(ended) => ended,
            Caller::Script => CancellationToken::new(),
        };
        if let Err(end) = self.greet().await {
            return end;
        }
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            let step = tokio::select! {
                () = closing.cancelled() => Err(End::Closing),
                () = session.cancelled() => Err(End::Session),
                frame = self.subscription.frames.recv() => self.on_frame(frame).await,
                message = self.ws.next() => match message {
                    Some(Ok(message)) => self.on_message(message).await,
                    Some(Err(error)) => Err(broken(&error)),
                    None => Err(End::Gone),
                },
                _ = ping.tick() => self.on_tick().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Step {
        match tokio::time::timeout(SEND, self.ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    pub(super) async fn feed(&mut self, json: Utf8Bytes) -> Step {
        match tokio::time::timeout(SEND, self.ws.feed(Message::Text(json))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    pub(super) async fn flush(&mut self) -> Step {
        match tokio::time::timeout(SEND, self.ws.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    async fn greet(&mut self) -> Step {
        let backlog = matches!(self.subscription.before, Before::Backlog(_));
        let hello = json!({
            "type": "hello",
            "v": 1,
            "protocol": PROTOCOL,
            "version": self.shared.deps.version,
            "epoch": self.subscription.cursor.epoch.to_string(),
            "seq": self.subscription.cursor.seq,
            "server_time": UnixMs::now(),
            "resume": if backlog { "backlog" } else { "snapshot" },
            "limits": {
                "message_bytes": MAX_MESSAGE, "messages_per_second": MAX_MESSAGES, "follow_outputs": MAX_FOLLOWS,
            },
        });
        self.feed(hello.to_string().into()).await?;
        let before = std::mem::replace(&mut self.subscription.before, Before::Backlog(Vec::new()));
        match before {
            Before::Backlog(frames) => {
                for frame in frames {
                    self.feed(frame.json).await?;
                }
            }
            Before::Snapshot { state, reason } => {
                if let (true, Some(reason)) = (self.resumed, reason) {
                    let resync = json!({"type": "resync", "missed": 0, "reason": reason});
                    self.feed(resync.to_string().into()).await?;
                }
                self.subscription.before = Before::Snapshot { state, reason };
                let snapshot = snapshot_text(&self.subscription);
                self.subscription.before = Before::Backlog(Vec::new());
                self.feed(snapshot.into()).await?;
            }
        }
        self.flush().await
    }

    /// Sends a frame and everything that already waits behind it, with one flush.
    async fn on_frame(&mut self, frame: Result<Frame, RecvError>) -> Step {
        let mut next = frame;
        let (mut frames, mut bytes) = (0, 0);
        loop {
            match next {
                Ok(frame) => {
                    frames += 1;
                    bytes += frame.json.len();
                    self.pass_on(&frame).await?;
                }
                Err(RecvError::Lagged(missed)) => return self.resync(missed).await,
                Err(RecvError::Closed) => return Err(End::Closing),
            }
            if frames >= BATCH_FRAMES || bytes >= BATCH_BYTES {
                break;
            }
            next = match self.subscription.frames.try_recv() {
                Ok(frame) => Ok(frame),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            };
        }
        self.flush().await
    }

    async fn pass_on(&mut self, frame: &Frame) -> Step {
        if frame.seq <= self.seen {
            return Ok(());
        }
        self.seen = frame.seq;
        let cursor = Cursor { epoch: self.subscription.cursor.epoch, seq: self.seen };
        for at in 0..self.follows.len() {
            for json in self.follows[at].on_frame(frame, &cursor).await {
                self.feed(json).await?;
            }
        }
        if frame.output.is_none() && self.wants(&frame.type_name) {
            self.feed(frame.json.clone()).await?;
        }
        Ok(())
    }

    fn wants(&self, type_name: &str) -> bool {
        let Some(topics) = &self.topics else { return true };
        let topic = match type_name.split('.').next().unwrap_or_default() {
            "routing" | "model" | "execution" | "tool" => "operations",
            "cost" | "budget" => "costs",
            "task" => "tasks",
            "mcp" => "mcp",
            _ => "daemon",
        };
        topics.iter().any(|wanted| wanted == topic)
    }

    async fn resync(&mut self, missed: u64) -> Step {
        let now = Instant::now();
        self.resyncs.push_back(now);
        while self.resyncs.front().is_some_and(|at| now.duration_since(*at) > Duration::from_secs(60)) {
            self.resyncs.pop_front();
        }
        self.shared.stats.resyncs.fetch_add(1, Ordering::Relaxed);
        if self.resyncs.len() >= MAX_RESYNCS {
            return Err(End::Slow);
        }
        let again = self.shared.deps.hub.subscribe(None).await.map_err(|_| End::Closing)?;
        let resync = json!({"type": "resync", "missed": missed, "reason": "slow"});
        self.feed(resync.to_string().into()).await?;
        self.feed(snapshot_text(&again).into()).await?;
        self.seen = again.cursor.seq;
        self.subscription = again;
        self.flush().await
    }

    async fn on_tick(&mut self) -> Step {
        if self.heard.elapsed() > SILENT {
            return Err(End::Gone);
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    async fn on_message(&mut self, message: Message) -> Step {
        self.heard = Instant::now();
        let body = match message {
            Message::Text(body) => body,
            Message::Binary(_) => return Err(End::Policy("text only")),
            Message::Close(_) => return Err(End::Gone),
            // Answering a ping is the library's work; it goes out with the next flush.
            Message::Ping(_) => return self.flush().await,
            Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.messages = 0;
        }
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(End::Policy("more than 20 messages in a second"));
        }
        let value: Value = serde_json::from_str(&body).map_err(|_| End::Policy("not JSON"))?;
        if !value.is_object() {
            return Err(End::Policy("not a JSON object"));
        }
        self.on_request(&value).await
    }
}

fn broken(error: &tokio_tungstenite::tungstenite::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;
    match error {
        Error::Capacity(_) => End::Policy("a message over 64 KiB"),
        Error::Utf8(_) | Error::Protocol(_) => End::Policy("not the WebSocket protocol"),
        _ => End::Gone,
    }
}

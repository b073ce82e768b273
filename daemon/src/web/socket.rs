//! One browser's WebSocket: snapshot, numbered events, followed output. A slow one starts over or goes; it never
//! slows anybody else. What a browser asks for is `requests`'s.

mod end;
mod outputs;
mod requests;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use llmctl_proto::PROTOCOL;
use llmctl_proto::ids::Cursor;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::follow::Follow;
use super::reply::{self, Reply};
use super::routes::query;
use super::serve::{Ctx, Place};
use super::session::Caller;
use crate::hub::{Before, Frame, Subscription};

pub(super) use requests::reason;

use end::{End, broken, close};

/// Sockets at once.
pub(super) const MAX_SOCKETS: usize = 50;
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
pub(super) const SEND: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENT: Duration = Duration::from_secs(45);
/// Times in a minute after which a socket that is told to start over is too slow.
const MAX_RESYNCS: usize = 3;
const RESYNC_WINDOW: Duration = Duration::from_secs(60);
/// Topics a browser may name, known or not.
const MAX_TOPICS: usize = 16;
/// Outputs one socket may follow.
const MAX_FOLLOWS: usize = 8;

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
    let wish = Wish {
        after: query(&request, "after").pop().and_then(|text| Cursor::from_str(&text).ok()),
        topics: query(&request, "topics").pop().map(|text| topics(text.split(','))),
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let Ok(mut response) = create_response(&Request::from_parts(parts, ())) else {
        let text = "This address speaks WebSocket.";
        return reply::error(StatusCode::UPGRADE_REQUIRED, "bad_request", text, None);
    };
    let Some(place) = Place::take(&ctx.shared, |shared| &shared.stats.sockets, MAX_SOCKETS) else {
        let text = "Too many dashboards are open.";
        return reply::error(StatusCode::SERVICE_UNAVAILABLE, "busy", text, None);
    };
    if offered {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let (shared, closing) = (Arc::clone(&ctx.shared), ctx.closing.clone());
    ctx.shared.deps.tracker.spawn(async move {
        let _place = place;
        if let Ok(Ok(upgraded)) = tokio::time::timeout(SEND, upgraded).await {
            let io = TokioIo::new(upgraded);
            let mut ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await;
            let end =
                if offered { run(&mut ws, &shared, caller, wish, closing).await } else { End::Protocol };
            if end == End::Slow {
                shared.stats.shed.fetch_add(1, Ordering::Relaxed);
            }
            close(&mut ws, end).await;
        }
    });
    response.map(|()| Either::Left(http_body_util::Full::default()))
}

/// What a browser asks for with the upgrade.
struct Wish {
    after: Option<Cursor>,
    topics: Option<Vec<String>>,
}

fn topics<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(|name| name.trim().to_owned()).take(MAX_TOPICS).collect()
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

async fn run(
    ws: &mut Ws,
    shared: &Arc<Shared>,
    caller: Caller,
    wish: Wish,
    closing: CancellationToken,
) -> End {
    let Ok(subscription) = shared.deps.hub.subscribe(wish.after).await else { return End::Closing };
    let via = caller.via();
    let (session, expiry) = match caller {
        Caller::Browser { ended, until } => (ended, Some(until)),
        Caller::Script => (CancellationToken::new(), None),
    };
    let expired = async {
        match expiry {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    };
    let mut socket = Socket::new(ws, shared, subscription, wish, via);
    // However long a browser takes to read, these three are noticed at once.
    tokio::select! {
        biased;
        () = closing.cancelled() => End::Closing,
        () = session.cancelled() => End::Session,
        () = expired => End::Session,
        end = socket.serve() => end,
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

/// The snapshot message of a subscription.
pub(super) fn snapshot_text(subscription: &Subscription) -> String {
    match &subscription.before {
        Before::Snapshot { state, .. } => snapshot_of(subscription.cursor, state),
        Before::Backlog(_) => "{}".to_owned(),
    }
}

fn snapshot_of(Cursor { epoch, seq }: Cursor, state: &Utf8Bytes) -> String {
    // The state is JSON already; parsing it only to write it again would cost a browser its first milliseconds.
    format!("{{\"type\":\"snapshot\",\"epoch\":\"{epoch}\",\"seq\":{seq},\"state\":{state}}}")
}

struct Socket<'a> {
    ws: &'a mut Ws,
    shared: &'a Arc<Shared>,
    subscription: Subscription,
    resumed: bool,
    seen: u64,
    topics: Option<Vec<String>>,
    follows: Vec<Follow>,
    resyncs: VecDeque<Instant>,
    heard: Instant,
    second: Instant,
    messages: u32,
    via: &'static str,
}

type Step = Result<(), End>;

impl<'a> Socket<'a> {
    fn new(
        ws: &'a mut Ws,
        shared: &'a Arc<Shared>,
        subscription: Subscription,
        wish: Wish,
        via: &'static str,
    ) -> Self {
        let now = Instant::now();
        Self {
            ws,
            shared,
            seen: subscription.cursor.seq,
            subscription,
            resumed: wish.after.is_some(),
            topics: wish.topics,
            follows: Vec::new(),
            resyncs: VecDeque::new(),
            heard: now,
            second: now,
            messages: 0,
            via,
        }
    }

    async fn serve(&mut self) -> End {
        if let Err(end) = self.greet().await {
            return end;
        }
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = pin!(tokio::time::sleep_until(self.heard + SILENT));
        loop {
            if let Err(end) = self.turn(&mut ping, silence.as_mut()).await {
                return end;
            }
        }
    }

    /// Whatever comes next. Frames come last: they may never pause, and all else is rare.
    async fn turn(&mut self, ping: &mut Interval, mut silence: Pin<&mut Sleep>) -> Step {
        tokio::select! {
            biased;
            message = self.ws.next() => match message {
                Some(Ok(message)) => self.on_message(message).await,
                Some(Err(error)) => Err(broken(&error)),
                None => Err(End::Gone),
            },
            () = silence.as_mut() => {
                // Moved only when it is due: a timer that is set anew at every frame is the dearer one.
                silence.reset(self.heard + SILENT);
                if self.heard.elapsed() >= SILENT { Err(End::Gone) } else { Ok(()) }
            }
            _ = ping.tick() => self.send(Message::Ping(bytes::Bytes::new())).await,
            frame = self.subscription.frames.recv() => self.on_frame(frame).await,
        }
    }

    async fn send(&mut self, message: Message) -> Step {
        match tokio::time::timeout(self.shared.deps.send_patience, self.ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    async fn feed(&mut self, json: Utf8Bytes) -> Step {
        match tokio::time::timeout(self.shared.deps.send_patience, self.ws.feed(Message::Text(json))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }

    async fn flush(&mut self) -> Step {
        match tokio::time::timeout(self.shared.deps.send_patience, self.ws.flush()).await {
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
                for frame in
                    frames.into_iter().filter(|frame| self.wants(&frame.type_name)).collect::<Vec<_>>()
                {
                    self.feed(frame.json).await?;
                }
            }
            Before::Snapshot { state, reason } => {
                if let (true, Some(reason)) = (self.resumed, reason) {
                    let resync = json!({"type": "resync", "missed": 0, "reason": reason});
                    self.feed(resync.to_string().into()).await?;
                }
                self.feed(snapshot_of(self.subscription.cursor, &state).into()).await?;
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
        self.pass_to_follows(frame).await?;
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
            "task" | "watcher" => "tasks",
            "mcp" => "mcp",
            _ => "daemon",
        };
        topics.iter().any(|wanted| wanted == topic)
    }

    async fn resync(&mut self, missed: u64) -> Step {
        let now = Instant::now();
        self.resyncs.push_back(now);
        while self.resyncs.front().is_some_and(|at| now.duration_since(*at) > RESYNC_WINDOW) {
            self.resyncs.pop_front();
        }
        self.shared.stats.resyncs.fetch_add(1, Ordering::Relaxed);
        self.shared.stats.dropped_frames.fetch_add(missed, Ordering::Relaxed);
        if self.resyncs.len() >= MAX_RESYNCS {
            return Err(End::Slow);
        }
        let again = self.shared.deps.hub.subscribe(None).await.map_err(|_| End::Closing)?;
        let snapshot = snapshot_text(&again);
        self.seen = again.cursor.seq;
        // The state is sent below; a socket keeps none for itself.
        self.subscription = Subscription { before: Before::Backlog(Vec::new()), ..again };
        let resync = json!({"type": "resync", "missed": missed, "reason": "slow"});
        self.feed(resync.to_string().into()).await?;
        self.feed(snapshot.into()).await?;
        self.catch_up_all().await?;
        self.flush().await
    }
}

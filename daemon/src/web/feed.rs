//! What one browser is sent, whatever carries it: hello, snapshot or backlog, numbered events, followed output.
//!
//! `socket` and `stream` carry the same messages in the same order and differ only in how a message becomes bytes and
//! how a browser's request arrives. A slow browser starts over or goes; it never slows anybody else. What a browser
//! asks for is `requests`'s.

mod end;
mod outputs;
mod requests;

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use llmctl_proto::PROTOCOL;
use llmctl_proto::ids::Cursor;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::follow::Follow;
use super::routes::query;
use super::session::Caller;
use crate::hub::{Before, Frame, Subscription};

pub(super) use end::{End, GOODBYE};
pub(super) use requests::reason;

/// Sockets and streams at once, together.
pub(super) const MAX_FEEDS: usize = 50;
/// Longest message of a browser.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Messages of a browser in a second.
const MAX_MESSAGES: u32 = 20;
/// Frames and bytes that are written before a flush.
const BATCH_FRAMES: usize = 256;
const BATCH_BYTES: usize = 64 * 1024;
/// A send that takes longer belongs to a browser that has stopped reading.
pub(super) const SEND: Duration = Duration::from_secs(10);
/// How often something is said when nothing happens.
pub(super) const BEAT: Duration = Duration::from_secs(20);
/// Times in a minute after which a browser that is told to start over is too slow.
const MAX_RESYNCS: usize = 3;
const RESYNC_WINDOW: Duration = Duration::from_secs(60);
/// Topics a browser may name, known or not.
const MAX_TOPICS: usize = 16;
/// Outputs one browser may follow.
const MAX_FOLLOWS: usize = 8;

/// One thing done, or why the feed ends.
pub(super) type Step = Result<(), End>;

/// How messages get to a browser. Each call ends within the patience for a slow one, with [`End::Slow`].
pub(super) trait Carrier: Send {
    /// Queues a message. `cursor`: from where a browser resumes that has got this far; none where that is unchanged.
    fn queue(&mut self, json: Utf8Bytes, cursor: Option<Cursor>) -> impl Future<Output = Step> + Send;
    /// Sends what is queued.
    fn flush(&mut self) -> impl Future<Output = Step> + Send;
    /// The browser has taken a piece of a long answer in.
    fn taken(&mut self) {}
    /// Where the browser sends its requests, when that is not where its messages come from.
    fn address(&self) -> Option<&str> {
        None
    }
}

/// What a browser asks for to begin with.
#[derive(Debug)]
pub(super) struct Wish {
    /// Where it was.
    pub(super) after: Option<Cursor>,
    topics: Option<Vec<String>>,
}

impl Wish {
    /// `after=CURSOR`, or `after=SEQ&epoch=EPOCH`, and `topics=A,B`. A cursor that is none counts as absent.
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let one = |name: &str| query(request, name).pop();
        let after = one("after").map(|after| match one("epoch") {
            Some(epoch) => format!("{epoch}-{after}"),
            None => after,
        });
        Self {
            after: after.and_then(|text| Cursor::from_str(&text).ok()),
            topics: one("topics").map(|text| topics(text.split(','))),
        }
    }
}

fn topics<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(|name| name.trim().to_owned()).take(MAX_TOPICS).collect()
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

/// Serves until the browser, the gateway or the session ends. However long a browser takes to read, the latter two are
/// noticed at once.
pub(super) async fn guarded(
    caller: Caller,
    closing: CancellationToken,
    serve: impl Future<Output = End>,
) -> End {
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
    tokio::select! {
        biased;
        () = closing.cancelled() => End::Closing,
        () = session.cancelled() => End::Session,
        () = expired => End::Session,
        end = serve => end,
    }
}

/// One browser's messages.
#[derive(Debug)]
pub(super) struct Feed<'a, C> {
    pub(super) carrier: &'a mut C,
    /// What comes next; whoever carries it waits for this and for the browser.
    pub(super) subscription: Subscription,
    shared: &'a Arc<Shared>,
    resumed: bool,
    /// All up to this one was passed on.
    seen: u64,
    topics: Option<Vec<String>>,
    follows: Vec<Follow>,
    resyncs: VecDeque<Instant>,
    second: Instant,
    messages: u32,
    via: &'static str,
}

impl<'a, C: Carrier> Feed<'a, C> {
    /// Subscribes and says hello; `via` names the caller in what is done for it.
    pub(super) async fn open(
        carrier: &'a mut C,
        shared: &'a Arc<Shared>,
        wish: Wish,
        via: &'static str,
    ) -> Result<Self, End> {
        let subscription = shared.deps.hub.subscribe(wish.after).await.map_err(|_| End::Closing)?;
        let mut feed = Self {
            carrier,
            shared,
            seen: subscription.cursor.seq,
            subscription,
            resumed: wish.after.is_some(),
            topics: wish.topics,
            follows: Vec::new(),
            resyncs: VecDeque::new(),
            second: Instant::now(),
            messages: 0,
            via,
        };
        feed.greet().await?;
        Ok(feed)
    }

    fn cursor(&self, seq: u64) -> Cursor {
        Cursor { epoch: self.subscription.cursor.epoch, seq }
    }

    /// Sends a message of the link itself, which has no place among the events.
    async fn say(&mut self, message: &Value) -> Step {
        self.carrier.queue(message.to_string().into(), None).await?;
        self.carrier.flush().await
    }

    async fn pass(&mut self, frame: &Frame) -> Step {
        let cursor = self.cursor(frame.seq);
        self.carrier.queue(frame.json.clone(), Some(cursor)).await
    }

    async fn greet(&mut self) -> Step {
        let backlog = matches!(self.subscription.before, Before::Backlog(_));
        let mut hello = json!({
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
        if let Some(address) = self.carrier.address() {
            hello["requests"] = address.into();
        }
        self.carrier.queue(hello.to_string().into(), None).await?;
        let before = std::mem::replace(&mut self.subscription.before, Before::Backlog(Vec::new()));
        match before {
            Before::Backlog(frames) => {
                for frame in
                    frames.into_iter().filter(|frame| self.wants(&frame.type_name)).collect::<Vec<_>>()
                {
                    self.pass(&frame).await?;
                }
            }
            Before::Snapshot { state, reason } => {
                if let (true, Some(reason)) = (self.resumed, reason) {
                    let resync = json!({"type": "resync", "missed": 0, "reason": reason});
                    self.carrier.queue(resync.to_string().into(), None).await?;
                }
                let cursor = self.subscription.cursor;
                self.carrier.queue(snapshot_of(cursor, &state).into(), Some(cursor)).await?;
            }
        }
        self.carrier.flush().await
    }

    /// Sends a frame and everything that already waits behind it, with one flush.
    pub(super) async fn on_frame(&mut self, frame: Result<Frame, RecvError>) -> Step {
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
        self.carrier.flush().await
    }

    async fn pass_on(&mut self, frame: &Frame) -> Step {
        if frame.seq <= self.seen {
            return Ok(());
        }
        // What a file is read for goes out before the frame, and so under the number of what is before it: a browser
        // that leaves between them has not seen the frame, and one that stays must not take it for a repetition.
        self.pass_to_follows(frame).await?;
        self.seen = frame.seq;
        if frame.output.is_none() && self.wants(&frame.type_name) {
            self.pass(frame).await?;
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
        let cursor = again.cursor;
        // The state is sent below; a feed keeps none for itself.
        self.subscription = Subscription { before: Before::Backlog(Vec::new()), ..again };
        let resync = json!({"type": "resync", "missed": missed, "reason": "slow"});
        self.carrier.queue(resync.to_string().into(), None).await?;
        self.carrier.queue(snapshot.into(), Some(cursor)).await?;
        self.catch_up_all().await?;
        self.carrier.flush().await
    }
}

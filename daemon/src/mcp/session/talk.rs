//! The state of one open conversation, whatever carries it.
//!
//! Owns request numbers, deadlines, what the modern era wants in each request, and what arrives unasked. Knows
//! pipes and HTTP only as two carriers. Never retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::changes::{Changes, Marks};
use super::counters::Counters;
use super::decline;
use super::error::{Ended, SessionError};
use super::http::Http;
use super::identity::ServerIdentity;
use super::list::{Listed, Tool};
use super::message::{self, Answer};
use super::param_headers::ToolHeaders;
use super::setup::{ClientInfo, Era, WireLimits};
use super::stdio::Stdio;

/// Requests that may wait for one server.
const MAX_IN_FLIGHT: usize = 256;

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) params: Value,
    /// Headers made from arguments; used over HTTP in the modern era.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Nothing is said when the time is over: before a handshake a notification would be out of turn.
    pub(super) quiet: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: &'a str, params: Value) -> Self {
        Self { method, params, headers: Vec::new(), quiet: false }
    }
}

/// What arrives without being an answer, and what is counted.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) counters: Counters,
    pub(super) limits: WireLimits,
    marks: watch::Sender<Marks>,
    /// Whether a subscription was acknowledged and has not ended.
    subscribed: watch::Sender<bool>,
    ended: watch::Sender<Option<Ended>>,
}

impl Inbox {
    pub(super) fn new(limits: WireLimits) -> Self {
        Self {
            counters: Counters::new(),
            limits,
            marks: watch::Sender::default(),
            subscribed: watch::Sender::default(),
            ended: watch::Sender::default(),
        }
    }

    /// Takes a notification.
    pub(super) fn notice(&self, method: &str) {
        match method {
            "notifications/tools/list_changed" => self.mark(|marks| marks.tools += 1),
            "notifications/resources/list_changed" => self.mark(|marks| marks.resources += 1),
            "notifications/prompts/list_changed" => self.mark(|marks| marks.prompts += 1),
            "notifications/subscriptions/acknowledged" => {
                self.subscribed.send_replace(true);
            }
            // Progress, log messages and what is yet to come: heard, not needed.
            _ => {}
        }
    }

    /// The answer to a request of the server.
    pub(super) fn decline(&self, id: &RawValue, method: &str) -> Vec<u8> {
        self.counters.declined();
        message::reply(id, &decline::answer(method))
    }

    /// Counts what is no message.
    pub(super) fn noise(&self, bytes: &[u8]) {
        self.counters.noise(bytes, &self.limits);
    }

    pub(super) fn mark(&self, change: impl FnOnce(&mut Marks)) {
        self.marks.send_modify(change);
    }

    pub(super) fn changes(&self) -> Changes {
        Changes::new(self.marks.subscribe())
    }

    pub(super) fn subscribed(&self) -> &watch::Sender<bool> {
        &self.subscribed
    }

    /// Says that the conversation is over; the first reason stays.
    pub(super) fn end(&self, how: Ended) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(how);
            first
        });
    }

    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as self.
        let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| *how);
        how.unwrap_or(Ended::Output)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

/// What carries messages.
#[derive(Debug)]
pub(super) enum Carrier {
    Pipes(Stdio),
    Http(Http),
}

/// Requests and notifications on a carrier, in any era.
#[derive(Debug)]
pub(super) struct Wire {
    carrier: Carrier,
    inbox: Arc<Inbox>,
    client: ClientInfo,
    last_id: AtomicU64,
}

impl Wire {
    pub(super) fn new(carrier: Carrier, inbox: Arc<Inbox>, client: ClientInfo) -> Self {
        Self { carrier, inbox, client, last_id: AtomicU64::new(0) }
    }

    pub(super) fn client(&self) -> &ClientInfo {
        &self.client
    }

    pub(super) fn http(&self) -> Option<&Http> {
        match &self.carrier {
            Carrier::Http(http) => Some(http),
            Carrier::Pipes(_) => None,
        }
    }

    /// Asks and waits for the answer, for ever without a timeout.
    pub(super) async fn ask(
        &self,
        era: Era,
        mut ask: Ask<'_>,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, SessionError> {
        let Some(_counted) = self.inbox.counters.begin(MAX_IN_FLIGHT) else {
            return Err(SessionError::Busy { limit: MAX_IN_FLIGHT });
        };
        if era == Era::Modern {
            self.dress(&mut ask.params);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = self.carry(id, era, &ask);
        let Some(after) = timeout else { return Ok(asked.await??) };
        match tokio::time::timeout(after, asked).await {
            Ok(answer) => Ok(answer??),
            Err(_) => {
                if !ask.quiet {
                    self.cancel(id, era);
                }
                Err(SessionError::Timeout { method: ask.method.to_owned(), after })
            }
        }
    }

    async fn carry(&self, id: u64, era: Era, ask: &Ask<'_>) -> Result<Answer, SessionError> {
        let bytes = message::request(id, ask.method, &ask.params);
        match &self.carrier {
            Carrier::Pipes(pipes) => pipes.request(id, bytes).await,
            Carrier::Http(http) => http.request(id, era, ask, bytes).await,
        }
    }

    /// Adds what the modern era wants in each request.
    fn dress(&self, params: &mut Value) {
        let Some(params) = params.as_object_mut() else { return };
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        let Some(meta) = meta.as_object_mut() else { return };
        meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), json!(Era::Modern.version()));
        meta.insert("io.modelcontextprotocol/clientCapabilities".to_owned(), json!({}));
        let ClientInfo { name, version } = &self.client;
        let info = json!({"name": name, "version": version});
        meta.insert("io.modelcontextprotocol/clientInfo".to_owned(), info);
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, era: Era, method: &str, params: &Value) -> Result<(), SessionError> {
        let bytes = message::notice(method, params);
        match &self.carrier {
            Carrier::Pipes(pipes) => pipes.send(bytes).await,
            Carrier::Http(http) => http.notify(era, method, bytes).await,
        }
    }

    /// Tells the server that an answer is no longer waited for, without waiting for anything itself.
    fn cancel(&self, id: u64, era: Era) {
        let params = json!({"requestId": id, "reason": "timeout"});
        let bytes = message::notice("notifications/cancelled", &params);
        match &self.carrier {
            Carrier::Pipes(pipes) => pipes.send_if_room(bytes),
            Carrier::Http(http) if era == Era::Legacy => http.notify_later(bytes),
            // The modern way is to close the stream of the answer, which has happened.
            Carrier::Http(_) => {}
        }
    }

    async fn close(self) {
        match self.carrier {
            Carrier::Pipes(pipes) => pipes.close().await,
            Carrier::Http(http) => http.close().await,
        }
    }
}

/// A conversation after its handshake.
#[derive(Debug)]
pub(super) struct Talk {
    wire: Wire,
    identity: ServerIdentity,
    tool_headers: watch::Sender<Arc<ToolHeaders>>,
    /// How long the server lets its lists be kept, in milliseconds; `u64::MAX` if it says nothing.
    ttl_ms: AtomicU64,
}

impl Talk {
    pub(super) fn new(wire: Wire, identity: ServerIdentity) -> Self {
        Self { wire, identity, tool_headers: watch::Sender::default(), ttl_ms: AtomicU64::new(u64::MAX) }
    }

    pub(super) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.wire.inbox
    }

    pub(super) fn http(&self) -> Option<&Http> {
        self.wire.http()
    }

    /// Asks in the era of the session.
    pub(super) async fn ask(
        &self,
        ask: Ask<'_>,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, SessionError> {
        self.wire.ask(self.identity.era, ask, timeout).await
    }

    /// Keeps what later calls need to know of the tools.
    pub(super) fn remember(&self, listed: &Listed<Tool>) {
        let ttl = listed.ttl.map_or(u64::MAX, |ttl| ttl.as_millis() as u64);
        self.ttl_ms.store(ttl, Ordering::Relaxed);
        if self.http().is_some() && self.identity.era == Era::Modern {
            self.tool_headers.send_replace(Arc::new(ToolHeaders::of(&listed.items)));
        }
    }

    /// How long the server lets its lists be kept, if it has said so.
    pub(super) fn ttl(&self) -> Option<Duration> {
        let ms = self.ttl_ms.load(Ordering::Relaxed);
        (ms != u64::MAX).then(|| Duration::from_millis(ms))
    }

    pub(super) fn tool_headers(&self) -> Arc<ToolHeaders> {
        Arc::clone(&self.tool_headers.borrow())
    }

    pub(super) async fn close(self) {
        self.wire.close().await;
    }
}

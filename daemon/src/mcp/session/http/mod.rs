//! Messages over Streamable HTTP, one request a message.
//!
//! Owns the HTTP session of the legacy era, streams that are gone on with after they broke, and what a status means.
//! A body or event is read up to the limit of a message. At most 8 answers to a server's own questions are under way.

mod client;
mod sse;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use self::client::Client;
use self::sse::Events;
use super::bounded;
use super::error::{Ended, OpenError, SessionError};
use super::message::{self, Answer, For, Incoming};
use super::param_headers::header_value;
use super::setup::{Era, HttpTarget};
use super::talk::{Ask, Inbox};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const STREAM: &str = "text/event-stream";

/// Longest body of an error that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;
/// Pause before a broken stream is asked for again where the server gives none, and the longest it can want.
const USUAL_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The shortest: a server that wants none would be asked without end.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest `WWW-Authenticate` that is kept, in bytes.
const MAX_CHALLENGE: usize = 1024;
/// Time for messages nobody waits for, and for the end of a session.
const ASIDE: Duration = Duration::from_secs(2);
/// Answers to the server's own questions at once; further questions go without.
const ASIDES: usize = 8;

/// What an HTTP session is, from the server's `initialize` on.
#[derive(Debug, Clone, Default)]
struct Held {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    inbox: Arc<Inbox>,
    held: watch::Sender<Held>,
    asides: Arc<Semaphore>,
}

/// A handle on one address.
#[derive(Debug)]
pub(super) struct Http(Arc<Shared>);

/// How the reading of a stream ended.
enum Read {
    Answer(Result<Answer, SessionError>),
    /// Without the answer; to be gone on with after this event and pause.
    Broken {
        after: Option<HeaderValue>,
        pause: Duration,
    },
}

impl Http {
    pub(super) async fn new(target: &HttpTarget, inbox: Arc<Inbox>) -> Result<Self, OpenError> {
        let client = Client::new(target).await?;
        let asides = Arc::new(Semaphore::new(ASIDES));
        Ok(Self(Arc::new(Shared { client, inbox, held: watch::Sender::default(), asides })))
    }

    /// Keeps the legacy revision that was agreed on.
    pub(super) fn speaks(&self, version: &str) {
        let version = HeaderValue::try_from(version).ok();
        self.0.held.send_modify(|held| held.version = version);
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(
        &self,
        id: u64,
        era: Era,
        ask: &Ask<'_>,
        bytes: Vec<u8>,
    ) -> Result<Answer, SessionError> {
        let shared = &self.0;
        let mut headers = shared.headers(era, ask.method);
        if era == Era::Modern {
            let named = ask.params.get("name").or_else(|| ask.params.get("uri")).and_then(Value::as_str);
            if let ("tools/call" | "resources/read" | "prompts/get", Some(name)) = (ask.method, named) {
                headers.insert(NAME, header_value(name));
            }
            headers.extend(ask.headers.iter().cloned());
        }
        let response = shared.post(bytes, headers).await?;
        if ask.method == "initialize"
            && let Some(session) = response.headers().get(SESSION)
        {
            let mut session = session.clone();
            session.set_sensitive(true);
            shared.held.send_modify(|held| held.id = Some(session));
        }
        let mut read = shared.read(response, Some(id), era).await?;
        loop {
            match read {
                Read::Answer(answer) => return answer,
                Read::Broken { after: Some(after), pause } if era == Era::Legacy => {
                    sleep(pause).await;
                    read = shared.go_on(Some(after), Some(id)).await?;
                }
                Read::Broken { .. } => {
                    return Err(protocol("the stream of the answer ended before the answer"));
                }
            }
        }
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, era: Era, method: &str, bytes: Vec<u8>) -> Result<(), SessionError> {
        self.0.tell(bytes, self.0.headers(era, method)).await
    }

    /// Sends a notification in the background, within 2 s or not at all.
    pub(super) fn notify_later(&self, bytes: Vec<u8>) {
        self.0.tell_later(bytes);
    }

    /// Holds the stream on which a legacy server tells what has changed; ends when there is none to be had.
    pub(super) async fn hold_stream(&self) {
        let mut after = None;
        loop {
            match self.0.go_on(after.take(), None).await {
                Ok(Read::Broken { after: next, pause }) => {
                    after = next;
                    sleep(pause).await;
                }
                Ok(Read::Answer(_)) | Err(SessionError::Connect { .. }) => sleep(LONGEST_PAUSE).await,
                Err(_) => return,
            }
        }
    }

    /// Ends the HTTP session, if there is one.
    pub(super) async fn close(self) {
        if self.0.held.borrow().id.is_some() && !self.0.inbox.has_ended() {
            let headers = self.0.headers(Era::Legacy, "");
            let _ = timeout(ASIDE, self.0.client.send(Method::DELETE, Vec::new(), headers)).await;
        }
    }
}

impl Shared {
    fn headers(&self, era: Era, method: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        match era {
            Era::Modern => {
                headers.insert(VERSION, HeaderValue::from_static(Era::Modern.version()));
                headers.insert(METHOD, header_value(method));
            }
            Era::Legacy => {
                let held = self.held.borrow();
                headers.extend(held.version.clone().map(|version| (VERSION, version)));
                headers.extend(held.id.clone().map(|id| (SESSION, id)));
            }
        }
        headers
    }

    async fn post(&self, bytes: Vec<u8>, mut headers: HeaderMap) -> Result<Response<Body>, SessionError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let sent = bytes.len();
        let response = self.client.send(Method::POST, bytes, headers).await?;
        self.inbox.counters.sent(sent);
        Ok(response)
    }

    /// Sends what has no answer.
    async fn tell(self: &Arc<Self>, bytes: Vec<u8>, headers: HeaderMap) -> Result<(), SessionError> {
        let response = self.post(bytes, headers).await?;
        if response.status().is_success() {
            return Ok(());
        }
        match self.refused(response, None).await? {
            // What a server thinks of a notification changes nothing.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn tell_later(self: &Arc<Self>, bytes: Vec<u8>) {
        let Ok(permit) = Arc::clone(&self.asides).try_acquire_owned() else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let headers = shared.headers(Era::Legacy, "");
            let _ = timeout(ASIDE, shared.post(bytes, headers)).await;
            drop(permit);
        });
    }

    /// Asks for the stream of the session, or for the rest of one after an event.
    async fn go_on(
        self: &Arc<Self>,
        after: Option<HeaderValue>,
        id: Option<u64>,
    ) -> Result<Read, SessionError> {
        let mut headers = self.headers(Era::Legacy, "");
        headers.insert(header::ACCEPT, HeaderValue::from_static(STREAM));
        headers.extend(after.map(|after| (LAST_EVENT, after)));
        let response = self.client.send(Method::GET, Vec::new(), headers).await?;
        self.read(response, id, Era::Legacy).await
    }

    /// Reads an answer of any kind, up to the reply to `id`.
    async fn read(
        self: &Arc<Self>,
        response: Response<Body>,
        id: Option<u64>,
        era: Era,
    ) -> Result<Read, SessionError> {
        let status = response.status();
        if !status.is_success() {
            return self.refused(response, id).await.map(|answer| Read::Answer(Ok(answer)));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            STREAM => self.stream(response.into_body(), id, era).await,
            "application/json" => {
                let limit = self.inbox.limits.message_bytes;
                let Some(body) = self.body(response.into_body(), limit).await? else {
                    self.inbox.counters.too_long();
                    return Err(SessionError::TooLong { limit });
                };
                self.take(&body, id).map(Read::Answer).ok_or_else(|| protocol("the answer holds no reply"))
            }
            _ => Err(protocol("the answer is neither JSON nor a stream of events")),
        }
    }

    async fn stream(
        self: &Arc<Self>,
        mut body: Body,
        id: Option<u64>,
        era: Era,
    ) -> Result<Read, SessionError> {
        let limit = self.inbox.limits.message_bytes;
        let mut events = Events::new(limit);
        loop {
            let Some(Ok(frame)) = body.frame().await else { break };
            let Ok(bytes) = frame.into_data() else { continue };
            self.inbox.counters.received_bytes(bytes.len() as u64);
            let Ok(messages) = events.push(&bytes) else {
                self.inbox.counters.too_long();
                return Err(SessionError::TooLong { limit });
            };
            for message in messages {
                if let Some(answer) = self.take(&message, id) {
                    return Ok(Read::Answer(answer));
                }
            }
        }
        let pause = events.retry_ms().map_or(USUAL_PAUSE, Duration::from_millis);
        let pause = pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let after = events.last_id().and_then(|id| HeaderValue::try_from(id).ok());
        // The modern era has no way to go on.
        Ok(Read::Broken { after: after.filter(|_| era == Era::Legacy), pause })
    }

    /// Takes the messages of a body or event, and gives the reply to `id` if it is among them.
    fn take(self: &Arc<Self>, bytes: &[u8], id: Option<u64>) -> Option<Result<Answer, SessionError>> {
        let Some(messages) = message::read(bytes) else {
            self.inbox.noise(bytes);
            return None;
        };
        let mut found = None;
        for message in messages {
            self.inbox.counters.received();
            match message {
                Incoming::Notice { method } => self.inbox.notice(&method),
                Incoming::Request { id, method } => self.tell_later(self.inbox.decline(id, &method)),
                Incoming::Reply { whose, answer } => {
                    self.inbox.counters.answered();
                    // An error without a number can only be about what was asked here.
                    if id.is_some_and(|id| whose == For::Id(id) || whose == For::Unknown) {
                        found = Some(Ok(answer));
                    }
                }
            }
        }
        found
    }

    /// What a status that is no success means: a reply all the same, or an error of its own.
    async fn refused(
        self: &Arc<Self>,
        response: Response<Body>,
        id: Option<u64>,
    ) -> Result<Answer, SessionError> {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            let wanted =
                response.headers().get(header::WWW_AUTHENTICATE).and_then(|wanted| wanted.to_str().ok());
            let www_authenticate = bounded::some(wanted.map(str::to_owned), MAX_CHALLENGE);
            return Err(SessionError::NeedsAuthentication { www_authenticate });
        }
        let held = self.held.borrow().id.is_some();
        if held && status == StatusCode::NOT_FOUND {
            return Err(self.lost());
        }
        let body = self.body(response.into_body(), MAX_ERROR).await?.unwrap_or_default();
        // The protocol says 404; in practice it is often 400 with words.
        if held && status == StatusCode::BAD_REQUEST && speaks_of_session(&body) {
            return Err(self.lost());
        }
        match self.take(&body, id) {
            Some(answer) => answer,
            None => Err(SessionError::Status { status: status.as_u16() }),
        }
    }

    fn lost(&self) -> SessionError {
        self.inbox.end(Ended::SessionLost);
        SessionError::SessionLost
    }

    /// A whole body; none of one beyond the limit.
    async fn body(&self, mut body: Body, limit: usize) -> Result<Option<Vec<u8>>, SessionError> {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let broken = |error| SessionError::Connect { message: format!("the answer broke off: {error}") };
            let Ok(bytes) = frame.map_err(broken)?.into_data() else { continue };
            self.inbox.counters.received_bytes(bytes.len() as u64);
            if whole.len() + bytes.len() > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(Some(whole))
    }
}

fn speaks_of_session(body: &[u8]) -> bool {
    body.windows(7).any(|window| window.eq_ignore_ascii_case(b"session"))
}

fn protocol(message: &str) -> SessionError {
    SessionError::Protocol { message: message.to_owned() }
}

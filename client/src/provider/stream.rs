//! Calls a provider and hands out its answer as it arrives.
//!
//! Every piece comes twice: raw, for the record, and decoded. Limits: connect 10 s, silence 120 s, head 64 KiB,
//! line 1 MiB, error body 64 KiB; redirects are errors. Dropping a `Streaming` closes the connection. Never
//! retries, never prints, reads no environment; TLS roots are loaded only for an https address.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use llmctl_proto::time::UnixMs;
use tokio::time::{Instant, timeout, timeout_at};
use tower::ServiceExt as _;

use super::decode::Decoder;
use super::error::{ProviderError, request_id};
use super::request::{self, ChatRequest, ProviderSpec};
use super::sse::{Frame, Framing, MAX_LINE_BYTES, Splitter, TooLong};
use super::wire::{self, Exchange};
use crate::tool::{AdapterEvent, ErrorClass, Final, Outcome};

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// Longest silence, before the answer's head and between its bytes.
    pub idle: Duration,
    /// Longest head of an answer, in bytes.
    pub head_bytes: usize,
    /// Longest line of a stream, in bytes.
    pub line_bytes: usize,
    /// Longest part read of an error's body, in bytes.
    pub error_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            head_bytes: 64 * 1024,
            line_bytes: MAX_LINE_BYTES,
            error_bytes: 64 * 1024,
        }
    }
}

/// What arrived with one read.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The bytes as they came; empty in the chunk that only says how it ended.
    pub raw: Bytes,
    /// What they say. The last chunk of every answer ends with `AdapterEvent::Final`.
    pub events: Vec<AdapterEvent>,
}

/// An answer under way.
pub struct Streaming {
    exchange: Option<Exchange>,
    splitter: Splitter,
    decoder: Decoder,
    idle: Duration,
    // Kept here and not in `next`: a caller that drops the future at every tick must not feed the clock.
    silent_until: Instant,
    frames: Vec<Frame>,
    request_id: Option<String>,
}

/// Sends the prompt and waits for the head of the answer.
///
/// # Errors
/// When the settings make no request, nobody answers in time, the answer is not 200, or it is not a stream.
/// Words of the provider that hold the key have it replaced.
pub async fn open(
    spec: &ProviderSpec,
    ask: &ChatRequest,
    limits: Limits,
) -> Result<Streaming, ProviderError> {
    let request = request::build(spec, ask)
        .map_err(|error| ProviderError::new(ErrorClass::Invalid, error.to_string()))?;
    send(spec, request, limits).await.map_err(|mut error| {
        if let Some(key) = &spec.key {
            error.message = key.hide_in(&error.message);
        }
        error
    })
}

async fn send(
    spec: &ProviderSpec,
    request: Request<Bytes>,
    limits: Limits,
) -> Result<Streaming, ProviderError> {
    let uri = request.uri().clone();
    let mut exchange = connect(uri.clone(), request, limits).await?;
    let status = exchange.head.status;
    if status.is_redirection() {
        return Err(redirected(&uri, status, &exchange.head.headers));
    }
    if status != StatusCode::OK {
        // A body that never ends must not hold the status back.
        let read = timeout(limits.idle, exchange.read(limits.error_bytes)).await;
        let (body, _) = read.unwrap_or_default();
        return Err(ProviderError::of_response(status, &exchange.head.headers, &body, UnixMs::now().0));
    }
    if let Some(kind) = not_a_stream(spec.api.framing(), &exchange.head.headers) {
        let read = timeout(limits.idle, exchange.read(limits.error_bytes)).await;
        return Err(unstreamed(&kind, &exchange.head.headers, &read.unwrap_or_default().0));
    }
    Ok(Streaming {
        request_id: request_id(&exchange.head.headers),
        exchange: Some(exchange),
        splitter: Splitter::with_limit(spec.api.framing(), limits.line_bytes),
        decoder: Decoder::new(spec.api),
        idle: limits.idle,
        silent_until: Instant::now() + limits.idle,
        frames: Vec::new(),
    })
}

async fn connect(uri: Uri, request: Request<Bytes>, limits: Limits) -> Result<Exchange, ProviderError> {
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let late =
        |_| network(format!("{host} did not accept a connection within {} s", limits.connect.as_secs()));
    let refused =
        |error: &dyn std::error::Error| network(format!("no connection to {host}: {}", causes(error)));
    let deadline = Instant::now() + limits.connect;
    if uri.scheme_str() != Some("https") {
        let connecting = timeout_at(deadline, tcp.oneshot(uri)).await;
        let io = connecting.map_err(late)?.map_err(|error| refused(&error))?;
        return answered(&host, wire::exchange(io, request, limits.head_bytes), limits).await;
    }
    // Reading the system's certificates blocks for some milliseconds; plain addresses never pay for it.
    let builder = tokio::task::spawn_blocking(|| HttpsConnectorBuilder::new().with_native_roots()).await;
    let builder = builder.map_err(|error| refused(&error))?.map_err(|error| refused(&error))?;
    let tls = builder.https_only().enable_http1().wrap_connector(tcp);
    let connecting = timeout_at(deadline, tls.oneshot(uri)).await;
    let io = connecting.map_err(late)?.map_err(|error| refused(error.as_ref()))?;
    answered(&host, wire::exchange(io, request, limits.head_bytes), limits).await
}

async fn answered(
    host: &str,
    exchange: impl Future<Output = Result<Exchange, hyper::Error>>,
    limits: Limits,
) -> Result<Exchange, ProviderError> {
    match timeout(limits.idle, exchange).await {
        Ok(Ok(exchange)) => Ok(exchange),
        Ok(Err(error)) if error.is_parse() => {
            let message = format!("{host} did not answer in HTTP: {}", causes(&error));
            Err(ProviderError::new(ErrorClass::InvalidOutput, message))
        }
        Ok(Err(error)) => Err(network(format!("{host} broke off before its answer: {}", causes(&error)))),
        Err(_) => Err(network(format!("{host} sent nothing for {} s", limits.idle.as_secs()))),
    }
}

impl Streaming {
    /// The next piece; none after the end. Dropping the future loses nothing, dropping the `Streaming` closes
    /// the connection.
    pub async fn next(&mut self) -> Option<Chunk> {
        let exchange = self.exchange.as_mut()?;
        let read = timeout_at(self.silent_until, exchange.next()).await;
        Some(match read {
            Ok(Some(Ok(raw))) => {
                self.silent_until = Instant::now() + self.idle;
                self.take(raw)
            }
            Ok(Some(Err(error))) => self.lost(format!("the stream broke: {}", causes(&error))),
            Ok(None) => self.end(),
            Err(_) => self.lost(format!("the stream was silent for {} s", self.idle.as_secs())),
        })
    }

    /// The provider's name for the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn take(&mut self, raw: Bytes) -> Chunk {
        let mut events = Vec::new();
        let split = self.splitter.push(&raw, &mut self.frames);
        self.decode(&mut events);
        check(split, &mut events);
        if has_ended(&events) {
            self.exchange = None;
        }
        Chunk { raw, events }
    }

    fn end(&mut self) -> Chunk {
        let mut events = Vec::new();
        let split = self.splitter.finish(&mut self.frames);
        self.decode(&mut events);
        check(split, &mut events);
        self.close(events)
    }

    /// Ends an answer whose connection failed; an answer that was whole before stays a success.
    fn lost(&mut self, why: String) -> Chunk {
        let mut events = Vec::new();
        self.decoder.finish(&mut events);
        let whole = |event: &AdapterEvent| matches!(event, AdapterEvent::Final(end) if end.outcome == Outcome::Success);
        if !events.iter().any(whole) {
            events.insert(0, AdapterEvent::Warning(why));
        }
        self.close(events)
    }

    fn close(&mut self, mut events: Vec<AdapterEvent>) -> Chunk {
        if !has_ended(&events) {
            self.decoder.finish(&mut events);
        }
        self.exchange = None;
        Chunk { raw: Bytes::new(), events }
    }

    fn decode(&mut self, events: &mut Vec<AdapterEvent>) {
        for frame in self.frames.drain(..) {
            self.decoder.event(frame.name.as_deref(), &frame.data, events);
        }
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

fn has_ended(events: &[AdapterEvent]) -> bool {
    events.iter().any(|event| matches!(event, AdapterEvent::Final(_)))
}

/// A line beyond the limit ends the answer, unless it had ended before.
fn check(split: Result<(), TooLong>, events: &mut Vec<AdapterEvent>) {
    if let (Err(error), false) = (split, has_ended(events)) {
        let outcome = Outcome::Failed { class: ErrorClass::InvalidOutput, message: error.to_string() };
        events.push(AdapterEvent::Final(Final::of(outcome)));
    }
}

fn network(message: String) -> ProviderError {
    ProviderError::new(ErrorClass::Network, message)
}

/// A redirect could carry the key to another host, so it is an error that says where it pointed.
fn redirected(from: &Uri, status: StatusCode, headers: &HeaderMap) -> ProviderError {
    let target = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = target.and_then(|text| text.parse::<Uri>().ok());
    let place = match target.as_ref().map(|uri| (uri.scheme_str(), uri.host())) {
        Some((Some(scheme), Some(host))) => format!("{scheme}://{host}"),
        Some(_) => format!("another path of {}", from.host().unwrap_or_default()),
        None => "nowhere".to_owned(),
    };
    let message = format!(
        "{} redirects to {place}, which is not followed; set base_url (HTTP {})",
        from.host().unwrap_or_default(),
        status.as_u16()
    );
    ProviderError { http_status: Some(status.as_u16()), ..ProviderError::new(ErrorClass::Invalid, message) }
}

/// The content type, when it says that the answer is not the stream that was asked for.
fn not_a_stream(framing: Framing, headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Some(format!("content-encoding {encoding}"));
    }
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Some servers leave the type out or write text/plain; only what cannot be a stream is refused.
    let other = kind == "text/html" || (framing == Framing::Sse && kind == "application/json");
    other.then_some(kind)
}

fn unstreamed(kind: &str, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let value = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let (class, message) = if value.get("error").is_some_and(|error| !error.is_null()) {
        let (class, message, _) = super::error::of_stream(&value);
        (class, message)
    } else {
        (
            ErrorClass::InvalidOutput,
            format!("the provider answered with {kind} instead of a stream; check base_url"),
        )
    };
    let request_id = request_id(headers);
    ProviderError { http_status: Some(200), request_id, ..ProviderError::new(class, message) }
}

/// An error and what caused it, in one line, without saying the same twice.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;

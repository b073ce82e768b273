//! The five wire formats: one answer becomes a list of writes.
//!
//! Owns the shapes of frames, errors and usage. Every write says what it carries, so that the ledger can count
//! only what was sent. It never paces, splits or breaks anything; that is the sender's work.

mod anthropic;
mod chat;
mod gemini;
mod ollama;
mod responses;

use bytes::Bytes;
use llmctl_proto::usage::Usage;
use serde_json::{Value, json};

use super::ledger::ServedCall;
use super::request::{Api, Ask};
use super::scenario::{Fault, Scenario};

/// What a write brings to the client.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Carries {
    /// Frames around the answer.
    Nothing,
    /// A piece of the answer's text.
    Text(String),
    /// The end of a tool call.
    Call(ServedCall),
    /// Usage before the end.
    EarlyUsage(Usage),
    /// Usage as the last word.
    Usage(Usage),
}

/// One write.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) bytes: Bytes,
    pub(super) carries: Carries,
}

/// An answer to a request.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) ask: &'a Ask,
    pub(super) scenario: &'a Scenario,
    /// In the classes this format can express; none when it is not to be reported.
    pub(super) usage: Option<Usage>,
    pub(super) call: Option<ServedCall>,
    pub(super) number: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn new(ask: &'a Ask, scenario: &'a Scenario, number: u64) -> Self {
        let prefix = if ask.api == Api::Anthropic { "toolu" } else { "call" };
        let call = scenario.command.as_ref().zip(ask.shell.as_ref()).map(|(command, shell)| ServedCall {
            id: format!("{prefix}_fixture{number}"),
            name: shell.name.clone(),
            arguments: shell.arguments(command),
        });
        let reported = scenario.with_usage && (ask.api != Api::Chat || !ask.stream || ask.include_usage);
        let usage = reported.then(|| expressible(ask.api, scenario.usage(ask.turn)));
        Self { ask, scenario, usage, call, number }
    }

    /// The streamed answer.
    pub(super) fn steps(&self) -> Vec<Step> {
        match self.ask.api {
            Api::Anthropic => anthropic::steps(self),
            Api::Responses => responses::steps(self),
            Api::Chat => chat::steps(self),
            Api::Gemini => gemini::steps(self),
            Api::Ollama | Api::Other => ollama::steps(self),
        }
    }

    /// The answer as one JSON document.
    pub(super) fn whole(&self) -> Value {
        match self.ask.api {
            Api::Anthropic => anthropic::whole(self),
            Api::Responses => responses::whole(self),
            Api::Chat => chat::whole(self),
            Api::Gemini => gemini::whole(self),
            Api::Ollama | Api::Other => ollama::whole(self),
        }
    }

    /// The write that ends a stream with an error in its middle.
    pub(super) fn mid_error(&self) -> Bytes {
        match self.ask.api {
            Api::Anthropic => anthropic::mid_error(),
            Api::Responses => responses::mid_error(self),
            Api::Chat => sse(&error_body(Api::Chat, 503)),
            Api::Gemini => sse(&error_body(Api::Gemini, 503)),
            Api::Ollama | Api::Other => ndjson(&error_body(Api::Ollama, 503)),
        }
    }

    /// The media type of the streamed answer.
    pub(super) fn stream_type(&self) -> &'static str {
        if self.ask.api == Api::Ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    fn text_of(&self) -> String {
        self.scenario.text()
    }
}

/// HTTP status of a fault that refuses the request; none for faults in the middle of an answer.
pub(super) fn refusal(api: Api, fault: Fault) -> Option<u16> {
    Some(match fault {
        Fault::RateLimit => 429,
        Fault::Overload if api == Api::Anthropic => 529,
        Fault::Overload => 503,
        Fault::Unauthorised => 401,
        Fault::Broken => 500,
        Fault::Cut | Fault::Stall | Fault::MidError => return None,
    })
}

/// The body of an error in the shape of its format.
pub(super) fn error_body(api: Api, status: u16) -> Value {
    let (kind, google, message) = match status {
        401 => ("authentication_error", "UNAUTHENTICATED", "invalid x-api-key"),
        404 => ("not_found_error", "NOT_FOUND", "no such address here"),
        400 => ("invalid_request_error", "INVALID_ARGUMENT", "the request cannot be read"),
        429 => ("rate_limit_error", "RESOURCE_EXHAUSTED", "This request would exceed your rate limit"),
        503 | 529 => ("overloaded_error", "UNAVAILABLE", "Overloaded"),
        _ => ("api_error", "INTERNAL", "Internal server error"),
    };
    match api {
        Api::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message},
            "request_id": "req_fixture"}),
        Api::Gemini => {
            let retry = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]);
            let details = if status == 429 { retry } else { json!([]) };
            json!({"error": {"code": status, "message": message, "status": google, "details": details}})
        }
        Api::Ollama => json!({ "error": message }),
        _ => json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}),
    }
}

/// The classes a format has words for; what it cannot say is counted as plain input or output.
fn expressible(api: Api, usage: Usage) -> Usage {
    let no_writes = Usage { cache_write_5m: 0, cache_write_1h: 0, ..usage };
    match api {
        Api::Anthropic => usage,
        Api::Ollama | Api::Other => Usage { cache_read: 0, reasoning: 0, ..no_writes },
        Api::Responses | Api::Chat | Api::Gemini => no_writes,
    }
}

/// An event with its data line and no name.
fn sse(data: &Value) -> Bytes {
    format!("data: {data}\n\n").into()
}

/// An event with its name, which is also the data's `type`.
fn named(data: &Value) -> Bytes {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("message")).into()
}

fn ndjson(data: &Value) -> Bytes {
    format!("{data}\n").into()
}

fn plain(bytes: Bytes) -> Step {
    Step { bytes, carries: Carries::Nothing }
}

/// A JSON text in pieces of at most 20 bytes (or a little more, at a character's end).
fn json_pieces(value: &Value) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in value.to_string().chars() {
        if pieces.last().is_some_and(|p| p.len() >= 20) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

//! What the decoders of all APIs share: the choice between them, who answered, usage keys, tool calls, the end.
//!
//! Decoders are pure: a frame in, events out. They show the calls a model asks for and never carry one out.
//! After the first `Final` they are deaf, so an error frame cannot be followed by a success.

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::anthropic::Anthropic;
use super::chat::Chat;
use super::gemini::Gemini;
use super::ollama::Ollama;
use super::request::Api;
use super::responses::Responses;
use crate::tool::{AdapterEvent, ErrorClass, Final, Outcome, ToolCall, ToolKind};

/// Arguments of one call kept for its summary, in bytes; what is beyond is only counted.
const ARGUMENTS_KEPT: usize = 64 * 1024;

/// Longest summary of a call, in bytes.
const SUMMARY_BYTES: usize = 512;

/// Calls that may be open at once in one answer; more are not shown.
pub(super) const OPEN_CALLS: usize = 128;

/// The decoder of one answer.
#[derive(Debug)]
pub enum Decoder {
    /// Anthropic Messages.
    Anthropic(Anthropic),
    /// OpenAI Responses.
    Responses(Responses),
    /// OpenAI Chat Completions and everything compatible with it.
    Chat(Chat),
    /// Gemini `streamGenerateContent`.
    Gemini(Gemini),
    /// Ollama `/api/chat`.
    Ollama(Ollama),
}

impl Decoder {
    /// A decoder for one answer of `api`.
    pub fn new(api: Api) -> Self {
        match api {
            Api::Anthropic => Self::Anthropic(Anthropic::default()),
            Api::Responses => Self::Responses(Responses::default()),
            Api::Chat => Self::Chat(Chat::default()),
            Api::Gemini => Self::Gemini(Gemini::default()),
            Api::Ollama => Self::Ollama(Ollama::default()),
        }
    }

    /// Reads one frame and appends what it says.
    pub fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        match self {
            Self::Anthropic(decoder) => decoder.event(name, data, out),
            Self::Responses(decoder) => decoder.event(name, data, out),
            Self::Chat(decoder) => decoder.event(name, data, out),
            Self::Gemini(decoder) => decoder.event(name, data, out),
            Self::Ollama(decoder) => decoder.event(name, data, out),
        }
    }

    /// The stream has ended, well or not: without a terminal frame before it the answer is lost.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        match self {
            Self::Anthropic(decoder) => decoder.finish(out),
            Self::Responses(decoder) => decoder.finish(out),
            Self::Chat(decoder) => decoder.finish(out),
            Self::Gemini(decoder) => decoder.finish(out),
            Self::Ollama(decoder) => decoder.finish(out),
        }
    }
}

/// Longest name of a service tier that is kept.
const MAX_TIER_BYTES: usize = 64;

/// Who answers and under which key its usage is filed.
#[derive(Debug, Default)]
pub(super) struct Track {
    model: Option<String>,
    id: Option<String>,
    usage_key: Option<(Option<String>, String)>,
    tier: Option<String>,
    warned: bool,
    closed: bool,
}

impl Track {
    /// Keeps the first model and the first message id; the model is announced once.
    pub(super) fn learn(&mut self, model: Option<&str>, id: Option<&str>, out: &mut Vec<AdapterEvent>) {
        if let (None, Some(model)) = (&self.model, model.filter(|model| !model.is_empty())) {
            self.model = Some(model.to_owned());
            out.push(AdapterEvent::Init { model: self.model.clone(), session_id: None });
        }
        if self.id.is_none() {
            self.id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        }
    }

    /// Reports the service tier, when it is another than before.
    pub(super) fn tier(&mut self, tier: Option<&str>, out: &mut Vec<AdapterEvent>) {
        if let Some(tier) = tier.filter(|tier| !tier.is_empty() && self.tier.as_deref() != Some(*tier)) {
            let tier = crate::tool::short(tier, MAX_TIER_BYTES);
            self.tier = Some(tier.clone());
            out.push(AdapterEvent::ServiceTier(tier));
        }
    }

    /// Reports absolute usage. The key of the first report is kept: a name that becomes known later must not
    /// look like a second message.
    pub(super) fn usage(&mut self, usage: Usage, complete: bool, out: &mut Vec<AdapterEvent>) {
        let (model, message_id) = self
            .usage_key
            .get_or_insert_with(|| {
                (self.model.clone(), self.id.clone().unwrap_or_else(|| "answer".to_owned()))
            })
            .clone();
        out.push(AdapterEvent::Usage { model, message_id, usage, complete });
    }

    /// `total - parts`, never below zero; says so once when it would be.
    pub(super) fn rest(&mut self, total: u64, parts: u64, out: &mut Vec<AdapterEvent>) -> u64 {
        if parts > total && !self.warned {
            self.warned = true;
            out.push(AdapterEvent::Warning("usage names more cached tokens than input tokens".to_owned()));
        }
        total.saturating_sub(parts)
    }

    /// Says how it ended, once.
    pub(super) fn close(&mut self, outcome: Outcome, out: &mut Vec<AdapterEvent>) {
        self.close_with(Final::of(outcome), out);
    }

    /// Says how it ended, once, with all that is known.
    pub(super) fn close_with(&mut self, closing: Final, out: &mut Vec<AdapterEvent>) {
        if !self.closed {
            self.closed = true;
            out.push(AdapterEvent::Final(closing));
        }
    }

    /// Ends with an error the provider wrote into a stream that had begun well.
    pub(super) fn fail(&mut self, error: &Value, out: &mut Vec<AdapterEvent>) {
        let (class, message, http_status) = super::error::of_stream(error);
        let outcome = Outcome::Failed { class, message };
        self.close_with(Final { http_status, ..Final::of(outcome) }, out);
    }

    /// Whether the end was said.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Reads a frame as JSON; what is not JSON becomes `Unknown`.
pub(super) fn json(data: &str, out: &mut Vec<AdapterEvent>) -> Option<Value> {
    let value = serde_json::from_str::<Value>(data).ok().filter(Value::is_object);
    if value.is_none() {
        out.push(unknown(data));
    }
    value
}

/// A frame nobody knows, cut to a length that fits a log line.
pub(super) fn unknown(what: &str) -> AdapterEvent {
    AdapterEvent::Unknown(clip(what, 200).to_owned())
}

/// Appends a piece of the answer unless it is empty.
pub(super) fn text(piece: Option<&str>, out: &mut Vec<AdapterEvent>) -> bool {
    match piece {
        Some(piece) if !piece.is_empty() => {
            out.push(AdapterEvent::Text(piece.as_bytes().to_vec()));
            true
        }
        _ => false,
    }
}

/// Says that an answer is there but was cut short or withheld.
pub(super) fn cut_short(reason: &str, out: &mut Vec<AdapterEvent>) {
    out.push(AdapterEvent::Warning(format!("the answer was cut short: {}", clip(reason, 100))));
}

/// A whole non-negative number; floats without a fraction count, as some servers write `12.0`.
pub(super) fn count(value: &Value, field: &str) -> Option<u64> {
    let number = value.get(field)?;
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        (float >= 0.0 && float.fract() == 0.0 && float < 9e15).then_some(float as u64)
    })
}

/// A field as text.
pub(super) fn string<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

/// The longest start of `text` of at most `limit` bytes that ends between characters.
pub(super) fn clip(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A call the model asks for, while its arguments arrive.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) name: String,
    arguments: String,
    bytes: u64,
}

impl Draft {
    /// A call of which id and name are known.
    pub(super) fn new(id: &str, name: &str) -> Self {
        Self { id: clip(id, 256).to_owned(), name: clip(name, 256).to_owned(), ..Self::default() }
    }

    /// Adds a piece of the arguments.
    pub(super) fn add(&mut self, piece: &str) {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        let room = ARGUMENTS_KEPT.saturating_sub(self.arguments.len());
        self.arguments.push_str(clip(piece, room));
    }

    /// Adds arguments that came as JSON and not as text.
    pub(super) fn add_json(&mut self, arguments: Option<&Value>) {
        match arguments {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => self.add(text),
            Some(value) => self.add(&value.to_string()),
        }
    }

    /// The call as it is shown.
    pub(super) fn start(self, kind: ToolKind, server_name: Option<&str>) -> AdapterEvent {
        AdapterEvent::ToolStart(ToolCall {
            summary: summary(&self.arguments),
            call_id: self.id,
            name: self.name,
            kind,
            server_name: server_name.map(|name| clip(name, 256).to_owned()),
            input_bytes: self.bytes,
        })
    }
}

/// The argument a person looks for: a command, path, query or address, else the arguments themselves.
fn summary(arguments: &str) -> String {
    const TELLING: &[&str] = &["command", "cmd", "file_path", "path", "query", "pattern", "url", "prompt"];
    let parsed = serde_json::from_str::<Value>(arguments).ok();
    let telling = parsed.as_ref().and_then(|value| TELLING.iter().find_map(|key| value.get(key)));
    let text = match telling {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => arguments.to_owned(),
    };
    clip(text.trim(), SUMMARY_BYTES).to_owned()
}

/// A failure of which only a sentence is known.
pub(super) fn failed(class: ErrorClass, message: impl Into<String>) -> Outcome {
    Outcome::Failed { class, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_the_call_is_about() {
        assert_eq!(summary(r#"{"description":"hi","command":"ls -l"}"#), "ls -l");
        assert_eq!(summary(r#"{"command":["bash","-lc","ls"]}"#), "bash -lc ls");
        assert_eq!(summary(r#"{"a":1}"#), r#"{"a":1}"#);
        assert_eq!(summary("{\"command\":\"half"), "{\"command\":\"half");
        assert_eq!(summary(&"é".repeat(400)).len(), 512);
        assert!(summary(&"🌟".repeat(400)).len() <= 512);
    }

    #[test]
    fn arguments_beyond_the_limit_are_counted_not_kept() {
        let mut draft = Draft::new("c", "n");
        for _ in 0..100 {
            draft.add(&"x".repeat(10_000));
        }
        assert_eq!(draft.arguments.len(), ARGUMENTS_KEPT);
        assert_eq!(draft.bytes, 1_000_000);
    }

    #[test]
    fn the_key_of_usage_is_that_of_its_first_report() {
        let mut track = Track::default();
        let mut out = Vec::new();
        track.usage(Usage::default(), false, &mut out);
        track.learn(Some("m"), Some("id"), &mut out);
        track.usage(Usage::default(), true, &mut out);
        let keys: Vec<_> = out
            .iter()
            .filter_map(|event| match event {
                AdapterEvent::Usage { model, message_id, .. } => Some((model.clone(), message_id.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(keys[0], keys[1]);
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        let value = serde_json::json!({"a": 1, "b": 2.0, "c": -1, "d": 1.5, "e": "7", "f": null});
        assert_eq!(count(&value, "a"), Some(1));
        assert_eq!(count(&value, "b"), Some(2));
        for field in ["c", "d", "e", "f", "g"] {
            assert_eq!(count(&value, field), None);
        }
    }
}

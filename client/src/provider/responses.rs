//! Decodes the stream of OpenAI's `POST /v1/responses`.
//!
//! Usage comes only with the closing event; a stream cut before it is lost and its tokens are unknown.
//! Input includes cached tokens, so they are taken out. Servers that repeat `response.created` are tolerated.

use std::collections::BTreeSet;

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::decode::{self, Draft, OPEN_CALLS, Track};
use crate::tool::{AdapterEvent, Final, Outcome, ToolKind};

/// State of one answer.
#[derive(Debug, Default)]
pub struct Responses {
    track: Track,
    saw_text: bool,
    /// Calls already shown; at most 128.
    calls: BTreeSet<String>,
}

impl Responses {
    /// Reads one frame and appends what it says.
    pub fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        // Not part of this API, but some compatible servers close with it.
        if self.track.is_closed() || data.trim() == "[DONE]" {
            return;
        }
        let Some(value) = decode::json(data, out) else { return };
        let response = &value["response"];
        match decode::string(&value, "type").or(name).unwrap_or_default() {
            "response.created" | "response.in_progress" | "response.queued" => self.learn(response, out),
            "response.output_text.delta" | "response.refusal.delta" => {
                self.saw_text |= decode::text(decode::string(&value, "delta"), out);
            }
            "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning.delta" => out.push(AdapterEvent::Thinking),
            "response.output_item.done" => self.call(&value["item"], out),
            "response.completed" => self.completed(response, out),
            "response.incomplete" => {
                let reason = decode::string(&response["incomplete_details"], "reason");
                decode::cut_short(reason.unwrap_or("incomplete"), out);
                self.completed(response, out);
            }
            "response.failed" => {
                self.learn(response, out);
                self.take_usage(response, out);
                self.track.fail(response, out);
            }
            "response.cancelled" => {
                self.take_usage(response, out);
                self.track.close(Outcome::Stopped, out);
            }
            "error" => self.track.fail(&value, out),
            other if is_quiet(other) => {}
            other => out.push(decode::unknown(other)),
        }
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        self.track.close(Outcome::Lost, out);
    }

    fn learn(&mut self, response: &Value, out: &mut Vec<AdapterEvent>) {
        self.track.learn(decode::string(response, "model"), decode::string(response, "id"), out);
    }

    fn completed(&mut self, response: &Value, out: &mut Vec<AdapterEvent>) {
        self.learn(response, out);
        let items = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
        for item in items {
            self.call(item, out);
        }
        self.take_usage(response, out);
        let answer = if self.saw_text { None } else { whole_text(items) };
        self.track.close_with(Final { answer, ..Final::of(Outcome::Success) }, out);
    }

    fn call(&mut self, item: &Value, out: &mut Vec<AdapterEvent>) {
        let (kind, arguments) = match decode::string(item, "type").unwrap_or_default() {
            "function_call" => (ToolKind::Other, "arguments"),
            "custom_tool_call" => (ToolKind::Other, "input"),
            "mcp_call" => (ToolKind::Mcp, "arguments"),
            "web_search_call" => (ToolKind::Web, "action"),
            _ => return,
        };
        let id = decode::string(item, "call_id").or(decode::string(item, "id")).unwrap_or_default();
        if self.calls.len() >= OPEN_CALLS || !self.calls.insert(id.to_owned()) {
            return;
        }
        let mut draft = Draft::new(id, decode::string(item, "name").unwrap_or("web_search"));
        draft.add_json(item.get(arguments));
        out.push(draft.start(kind, decode::string(item, "server_label")));
    }

    fn take_usage(&mut self, response: &Value, out: &mut Vec<AdapterEvent>) {
        self.track.tier(decode::string(response, "service_tier"), out);
        let value = &response["usage"];
        let (input, output) = (decode::count(value, "input_tokens"), decode::count(value, "output_tokens"));
        if input.is_none() && output.is_none() {
            return;
        }
        let details = &value["input_tokens_details"];
        let cache_read = decode::count(details, "cached_tokens").unwrap_or(0);
        let cache_write_5m = decode::count(details, "cache_write_tokens").unwrap_or(0);
        let cached = cache_read.saturating_add(cache_write_5m);
        let output = output.unwrap_or(0);
        let reasoning = decode::count(&value["output_tokens_details"], "reasoning_tokens").unwrap_or(0);
        let items = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
        let searches = items.iter().filter(|item| is_search(item)).count();
        let usage = Usage {
            input: self.track.rest(input.unwrap_or(0), cached, out),
            cache_read,
            cache_write_5m,
            cache_write_1h: 0,
            output,
            reasoning: reasoning.min(output),
            web_searches: u64::try_from(searches).unwrap_or(u64::MAX),
        };
        self.track.usage(usage, true, out);
    }
}

/// Whether an item is a search that is billed by itself; opening a page it found is not.
fn is_search(item: &Value) -> bool {
    item["type"] == "web_search_call" && matches!(item["action"]["type"].as_str(), None | Some("search"))
}

/// Event types that are known and say nothing new: what they repeat comes in deltas or at the end.
fn is_quiet(name: &str) -> bool {
    const QUIET: &[&str] = &[
        "response.output_item.",
        "response.content_part.",
        "response.output_text.",
        "response.refusal.",
        "response.reasoning",
        "response.function_call_arguments.",
        "response.custom_tool_call_input.",
        "response.mcp_",
        "response.web_search_call.",
        "keepalive",
    ];
    QUIET.iter().any(|start| name.starts_with(start))
}

/// The answer as the closing event repeats it.
fn whole_text(items: &[Value]) -> Option<String> {
    let mut text = String::new();
    for part in items.iter().filter_map(|item| item["content"].as_array()).flatten() {
        if decode::string(part, "type") == Some("output_text") {
            text.push_str(decode::string(part, "text").unwrap_or_default());
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(frames: &[&str]) -> Vec<AdapterEvent> {
        let mut decoder = Responses::default();
        let mut out = Vec::new();
        for frame in frames {
            decoder.event(None, frame, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn an_answer_without_deltas_comes_from_the_closing_event() {
        let events = run(&[r#"{"type":"response.completed","response":{"id":"r","model":"m","output":[
            {"type":"message","content":[{"type":"output_text","text":"Hi"}]},
            {"type":"function_call","call_id":"c","name":"f","arguments":"{\"path\":\"a\"}"}],
            "usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},
            "output_tokens":5}}}"#]);
        assert!(events.iter().any(|e| matches!(e, AdapterEvent::ToolStart(call) if call.summary == "a")));
        let usage = Usage { input: 3, cache_read: 4, cache_write_5m: 3, output: 5, ..Usage::default() };
        assert!(events.iter().any(|e| matches!(e, AdapterEvent::Usage { usage: u, .. } if *u == usage)));
        let Some(AdapterEvent::Final(end)) = events.last() else { panic!("no end") };
        assert_eq!(end.answer.as_deref(), Some("Hi"));
    }

    #[test]
    fn incomplete_is_an_answer_with_a_warning() {
        let events = run(&[r#"{"type":"response.incomplete","response":{
            "incomplete_details":{"reason":"max_output_tokens"},"usage":null}}"#]);
        assert!(matches!(&events[0], AdapterEvent::Warning(text) if text.contains("max_output_tokens")));
        assert!(matches!(events.last(), Some(AdapterEvent::Final(end)) if end.outcome == Outcome::Success));
    }

    #[test]
    fn more_cached_than_input_saturates_and_warns() {
        let events = run(&[r#"{"type":"response.completed","response":{"usage":{"input_tokens":1,
            "input_tokens_details":{"cached_tokens":4},"output_tokens":5}}}"#]);
        assert!(events.iter().any(|e| matches!(e, AdapterEvent::Warning(_))));
        assert!(events.iter().any(|e| matches!(e, AdapterEvent::Usage { usage, .. } if usage.input == 0)));
    }

    #[test]
    fn searches_are_counted_and_opened_pages_are_not() {
        let frame = r#"{"type":"response.completed","response":{"id":"r","model":"gpt-5","service_tier":"flex",
            "usage":{"input_tokens":10,"output_tokens":5},"output":[
            {"type":"web_search_call","id":"a","action":{"type":"search","query":"q"}},
            {"type":"web_search_call","id":"b","action":{"type":"open_page","url":"u"}},
            {"type":"web_search_call","id":"c"}]}}"#;
        let events = run(&[frame]);
        let searches = events.iter().find_map(|event| match event {
            AdapterEvent::Usage { usage, .. } => Some(usage.web_searches),
            _ => None,
        });
        assert_eq!(searches, Some(2));
        assert!(events.contains(&AdapterEvent::ServiceTier("flex".into())));
    }
}

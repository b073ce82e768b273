//! Decodes the stream of Anthropic's `POST /v1/messages`.
//!
//! Input is known at the start, output grows in `message_delta`; cached tokens stand beside input, not in it.
//! Only `message_stop` ends an answer: a stream that stops before it is lost.

use std::collections::BTreeMap;

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::decode::{self, Draft, OPEN_CALLS, Track};
use crate::tool::{AdapterEvent, Outcome, ToolKind};

/// State of one answer.
#[derive(Debug, Default)]
pub struct Anthropic {
    track: Track,
    usage: Option<Usage>,
    /// Calls by block index, with their kind and MCP server; at most 128.
    calls: BTreeMap<u64, (Draft, ToolKind, Option<String>)>,
}

impl Anthropic {
    /// Reads one frame and appends what it says.
    pub fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        if self.track.is_closed() {
            return;
        }
        let Some(value) = decode::json(data, out) else { return };
        match decode::string(&value, "type").or(name).unwrap_or_default() {
            "message_start" => self.message_start(&value["message"], out),
            "content_block_start" => self.block_start(&value, out),
            "content_block_delta" => self.block_delta(&value, out),
            "content_block_stop" => self.block_stop(&value, out),
            "message_delta" => self.message_delta(&value, out),
            "message_stop" => self.track.close(Outcome::Success, out),
            "error" => self.track.fail(&value, out),
            "ping" => {}
            other => out.push(decode::unknown(other)),
        }
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        self.track.close(Outcome::Lost, out);
    }

    fn message_start(&mut self, message: &Value, out: &mut Vec<AdapterEvent>) {
        self.track.learn(decode::string(message, "model"), decode::string(message, "id"), out);
        self.take_usage(&message["usage"], false, out);
    }

    fn message_delta(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        let reason = decode::string(&value["delta"], "stop_reason");
        self.take_usage(&value["usage"], reason.is_some(), out);
        if let Some(reason @ ("max_tokens" | "model_context_window_exceeded" | "refusal")) = reason {
            decode::cut_short(reason, out);
        }
    }

    fn block_start(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        let block = &value["content_block"];
        let kind = match decode::string(block, "type").unwrap_or_default() {
            "text" => {
                decode::text(decode::string(block, "text"), out);
                return;
            }
            "thinking" | "redacted_thinking" => return out.push(AdapterEvent::Thinking),
            "tool_use" => ToolKind::Other,
            "server_tool_use" => ToolKind::Web,
            "mcp_tool_use" => ToolKind::Mcp,
            _ => return,
        };
        let id = decode::string(block, "id").unwrap_or_default();
        let name = decode::string(block, "name").unwrap_or_default();
        let mut draft = Draft::new(id, name);
        // The input comes in pieces; only some compatible servers send it whole at the start.
        if block["input"].as_object().is_some_and(|input| !input.is_empty()) {
            draft.add_json(block.get("input"));
        }
        if self.calls.len() < OPEN_CALLS {
            let server = decode::string(block, "server_name").map(str::to_owned);
            self.calls.insert(decode::count(value, "index").unwrap_or(0), (draft, kind, server));
        }
    }

    fn block_delta(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        let delta = &value["delta"];
        match decode::string(delta, "type").unwrap_or_default() {
            "text_delta" => {
                decode::text(decode::string(delta, "text"), out);
            }
            "thinking_delta" => out.push(AdapterEvent::Thinking),
            "input_json_delta" => {
                let index = decode::count(value, "index").unwrap_or(0);
                if let Some((draft, ..)) = self.calls.get_mut(&index) {
                    draft.add(decode::string(delta, "partial_json").unwrap_or_default());
                }
            }
            "signature_delta" | "citations_delta" => {}
            other => out.push(decode::unknown(other)),
        }
    }

    fn block_stop(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        let index = decode::count(value, "index").unwrap_or(0);
        if let Some((draft, kind, server)) = self.calls.remove(&index) {
            out.push(draft.start(kind, server.as_deref()));
        }
    }

    /// Figures that are named replace the old ones; output is cumulative and never goes down.
    fn take_usage(&mut self, value: &Value, complete: bool, out: &mut Vec<AdapterEvent>) {
        if !value.is_object() {
            return;
        }
        let input = input_classes(value, self.usage.as_ref());
        let output = decode::count(value, "output_tokens");
        if input.is_none() && output.is_none() {
            return;
        }
        let mut usage = self.usage.unwrap_or_default();
        // A proxy that does not know the input writes zeros at the end; what the start said is better.
        if let Some(input) = input.filter(|input| self.usage.is_none() || !input.is_zero()) {
            let Usage { output, reasoning, web_searches, .. } = usage;
            usage = Usage { output, reasoning, web_searches, ..input };
        }
        usage.output = usage.output.max(output.unwrap_or(0));
        let searches = decode::count(&value["server_tool_use"], "web_search_requests");
        usage.web_searches = usage.web_searches.max(searches.unwrap_or(0));
        let thinking = decode::count(&value["output_tokens_details"], "thinking_tokens");
        usage.reasoning = usage.reasoning.max(thinking.unwrap_or(0)).min(usage.output);
        self.usage = Some(usage);
        self.track.tier(decode::string(value, "service_tier"), out);
        self.track.usage(usage, complete, out);
    }
}

/// The input side of a usage object; none when it names no input at all. Only the start of a message splits cache
/// writes by their life: `before` keeps that split where a later object has the sum alone.
fn input_classes(value: &Value, before: Option<&Usage>) -> Option<Usage> {
    let input = decode::count(value, "input_tokens");
    let read = decode::count(value, "cache_read_input_tokens");
    let written = decode::count(value, "cache_creation_input_tokens");
    let by_life = &value["cache_creation"];
    let hour = decode::count(by_life, "ephemeral_1h_input_tokens");
    let minutes = decode::count(by_life, "ephemeral_5m_input_tokens");
    let known_hour = before.map_or(0, |usage| usage.cache_write_1h).min(written.unwrap_or(0));
    let hour = hour.unwrap_or(if minutes.is_some() { 0 } else { known_hour });
    input.or(read).or(written).or(minutes)?;
    // Without the split, or beyond it, a write counts as the short-lived kind.
    let minutes = minutes.unwrap_or(0).max(written.unwrap_or(0).saturating_sub(hour));
    Some(Usage {
        input: input.unwrap_or(0),
        cache_read: read.unwrap_or(0),
        cache_write_5m: minutes,
        cache_write_1h: hour,
        output: 0,
        reasoning: 0,
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(frames: &[&str]) -> Vec<AdapterEvent> {
        let mut decoder = Anthropic::default();
        let mut out = Vec::new();
        for frame in frames {
            decoder.event(None, frame, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    fn last_usage(events: &[AdapterEvent]) -> Usage {
        let mut usages = events.iter().filter_map(|event| match event {
            AdapterEvent::Usage { usage, .. } => Some(*usage),
            _ => None,
        });
        usages.next_back().expect("usage")
    }

    const START: &str = r#"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":12,
        "cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,
        "ephemeral_1h_input_tokens":200},"output_tokens":1}}}"#;

    #[test]
    fn writes_are_split_by_life_and_the_rest_is_short() {
        let usage = last_usage(&run(&[START]));
        assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (100, 200));
        let whole = START.replace("\"ephemeral_1h_input_tokens\":200", "\"ephemeral_1h_input_tokens\":50");
        assert_eq!(last_usage(&run(&[&whole])).cache_write_5m, 250);
    }

    #[test]
    fn a_later_sum_keeps_the_split_of_the_start() {
        let delta = r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":12,
            "cache_creation_input_tokens":300,"output_tokens":9}}"#;
        let usage = last_usage(&run(&[START, delta]));
        assert_eq!((usage.cache_write_5m, usage.cache_write_1h, usage.output), (100, 200, 9));
    }

    #[test]
    fn message_delta_replaces_and_output_is_never_lowered() {
        let delta =
            |n: u64| format!(r#"{{"type":"message_delta","delta":{{}},"usage":{{"output_tokens":{n}}}}}"#);
        let events = run(&[START, &delta(5), &delta(9), &delta(26), &delta(1)]);
        let usage = last_usage(&events);
        assert_eq!((usage.input, usage.output), (12, 26));
    }

    #[test]
    fn zeros_at_the_end_do_not_erase_the_input() {
        let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},
            "usage":{"input_tokens":0,"output_tokens":3,"output_tokens_details":{"thinking_tokens":2}}}"#;
        let usage = last_usage(&run(&[START, end]));
        assert_eq!((usage.input, usage.output, usage.reasoning), (12, 3, 2));
    }

    #[test]
    fn nothing_follows_an_error() {
        let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let events = run(&[START, error, r#"{"type":"message_stop"}"#]);
        assert_eq!(events.iter().filter(|event| matches!(event, AdapterEvent::Final(_))).count(), 1);
    }

    #[test]
    fn frames_of_the_wrong_shape_do_no_harm() {
        let events =
            run(&["", "[]", "null", "{", "{}", r#"{"type":7}"#, r#"{"type":"content_block_delta"}"#]);
        assert!(matches!(events.last(), Some(AdapterEvent::Final(end)) if end.outcome == Outcome::Lost));
    }

    #[test]
    fn searches_are_counted_and_the_tier_is_named_once() {
        let events = run(&[
            r#"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":5,"output_tokens":1,
                "service_tier":"priority","server_tool_use":{"web_search_requests":0}}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":90,
                "output_tokens":7,"service_tier":"priority","server_tool_use":{"web_search_requests":2}}}"#,
        ]);
        let usage = last_usage(&events);
        assert_eq!((usage.input, usage.output, usage.web_searches), (90, 7, 2));
        let tiers = events.iter().filter(|e| **e == AdapterEvent::ServiceTier("priority".into()));
        assert_eq!(tiers.count(), 1);
    }
}

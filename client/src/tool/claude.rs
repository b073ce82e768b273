//! Reads Claude Code's `stream-json`.
//!
//! Tokens are live from the provider's own events; at the end `modelUsage` replaces them all, since the frame's
//! `usage` is zero after an interrupt and doubled after a silent retry. Text comes from deltas, or from `assistant`
//! frames of messages that were not streamed, never from both. Subagents count for tokens, not for text.

use std::collections::VecDeque;

use llmctl_proto::money::PicoUsd;
use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::classify;
use super::event::{AdapterEvent, ErrorClass, Final, ModelTotal, Outcome};
use super::frame::{Base, count, short, size_of, status};

/// Messages under way at once (the main thread and its subagents).
const MAX_OPEN: usize = 64;
/// Streamed messages remembered, so that their `assistant` frames are not counted again.
const MAX_STREAMED: usize = 256;

/// Parser of one run.
#[derive(Debug, Default)]
pub struct ClaudeStream {
    pub(super) base: Base,
    open: Vec<Message>,
    streamed: VecDeque<Streamed>,
    unnamed: u64,
    service_tier: Option<String>,
    /// What a `<synthetic>` message said and the error name beside it.
    refusal: Option<(String, String)>,
}

/// A message that the provider is sending.
#[derive(Debug)]
struct Message {
    parent: Option<String>,
    id: String,
    model: Option<String>,
    usage: Usage,
    /// The provider named a reason to stop: the count is its last word.
    ended: bool,
}

#[derive(Debug)]
struct Streamed {
    id: String,
    text: bool,
}

impl ClaudeStream {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        let Some(frame) = self.base.frame(line, out) else { return };
        match frame["type"].as_str().unwrap_or_default() {
            "system" => self.system(&frame, out),
            "stream_event" => self.stream_event(&frame, out),
            "assistant" => self.assistant(&frame, out),
            "user" => tool_results(&frame, out),
            "result" => self.result(&frame, out),
            "control_response" | "control_request" | "keep_alive" => {}
            other => out.push(AdapterEvent::Unknown(short(other, 64))),
        }
    }

    fn system(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        match frame["subtype"].as_str().unwrap_or_default() {
            "init" => self.base.init(frame["model"].as_str(), frame["session_id"].as_str(), out),
            "api_retry" => out.push(AdapterEvent::Retry {
                attempt: count(&frame["attempt"]).map_or(1, |n| n.min(u64::from(u32::MAX)) as u32),
                max: count(&frame["max_retries"]).and_then(|n| u32::try_from(n).ok()),
                delay_ms: count(&frame["retry_delay_ms"]),
                status: status(&frame["error_status"]),
            }),
            "status" | "task_started" | "task_progress" | "task_notification" | "compact_boundary" => {}
            other => out.push(AdapterEvent::Unknown(short(&format!("system/{other}"), 64))),
        }
    }

    fn stream_event(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        let event = &frame["event"];
        let parent = frame["parent_tool_use_id"].as_str();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.message_start(&event["message"], parent, out),
            "content_block_start" => match event["content_block"]["type"].as_str() {
                Some("thinking" | "redacted_thinking") => out.push(AdapterEvent::Thinking),
                Some("text") => self.delta(&event["content_block"]["text"], parent, out),
                _ => {}
            },
            "content_block_delta" => match event["delta"]["type"].as_str() {
                Some("text_delta") => self.delta(&event["delta"]["text"], parent, out),
                Some("thinking_delta") => out.push(AdapterEvent::Thinking),
                _ => {}
            },
            "message_delta" => {
                if let Some(message) = self.open.iter_mut().find(|m| m.parent.as_deref() == parent) {
                    raise(&mut message.usage, &event["usage"]);
                    message.ended |= event["delta"]["stop_reason"].is_string();
                    out.push(message.report(false));
                }
            }
            "message_stop" => {
                if let Some(at) = self.open.iter().position(|m| m.parent.as_deref() == parent) {
                    let message = self.open.swap_remove(at);
                    if message.ended {
                        out.push(message.report(true));
                    }
                }
            }
            "content_block_stop" | "ping" => {}
            "error" => {
                let said = event["error"]["message"].as_str().unwrap_or("the provider broke the stream off");
                self.base.warn(said, out);
            }
            other => out.push(AdapterEvent::Unknown(short(&format!("stream_event/{other}"), 64))),
        }
    }

    fn message_start(&mut self, message: &Value, parent: Option<&str>, out: &mut Vec<AdapterEvent>) {
        let model = message["model"].as_str();
        if parent.is_none() && self.base.model.is_none() {
            self.base.init(model, None, out);
        }
        let id = self.name(message);
        let mut usage = Usage::default();
        raise(&mut usage, &message["usage"]);
        self.tier(&message["usage"], out);
        // A message without an end (the stream broke and was retried) makes room for the next of its thread.
        self.open.retain(|open| open.parent.as_deref() != parent);
        if self.open.len() == MAX_OPEN {
            self.open.remove(0);
        }
        if self.streamed.len() == MAX_STREAMED {
            self.streamed.pop_front();
        }
        self.streamed.push_back(Streamed { id: id.clone(), text: false });
        let message = Message {
            parent: parent.map(str::to_owned),
            id,
            model: model.map(|name| short(name, 256)),
            usage,
            ended: false,
        };
        out.push(message.report(false));
        self.open.push(message);
    }

    fn delta(&mut self, text: &Value, parent: Option<&str>, out: &mut Vec<AdapterEvent>) {
        let (None, Some(text)) = (parent, text.as_str().filter(|text| !text.is_empty())) else { return };
        self.base.text(text.as_bytes(), out);
        let open = self.open.iter().find(|message| message.parent.is_none());
        if let Some(streamed) = open.and_then(|open| self.streamed.iter_mut().rfind(|s| s.id == open.id)) {
            streamed.text = true;
        }
    }

    fn assistant(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        let message = &frame["message"];
        let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        if message["model"] == "<synthetic>" {
            let said = blocks.iter().find_map(|block| block["text"].as_str()).unwrap_or_default();
            self.refusal = Some((short(said, 2048), short(frame["error"].as_str().unwrap_or_default(), 64)));
            return;
        }
        let main = frame["parent_tool_use_id"].is_null();
        let id = self.name(message);
        let streamed = self.streamed.iter().rfind(|streamed| streamed.id == id);
        let (usage_known, text_known) = (streamed.is_some(), streamed.is_some_and(|s| s.text));
        for block in blocks {
            match block["type"].as_str().unwrap_or_default() {
                "text" if main && !text_known => {
                    self.base.text(block["text"].as_str().unwrap_or_default().as_bytes(), out);
                }
                "thinking" | "redacted_thinking" => out.push(AdapterEvent::Thinking),
                "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                    let id = block["id"].as_str().unwrap_or_default();
                    let name = block["name"].as_str().unwrap_or("tool");
                    self.base.call_starts(id, name, &block["input"], out);
                }
                _ => {}
            }
        }
        if !usage_known && message["usage"].is_object() {
            let mut usage = Usage::default();
            raise(&mut usage, &message["usage"]);
            self.tier(&message["usage"], out);
            let model = message["model"].as_str().map(|name| short(name, 256));
            let complete = message["stop_reason"].is_string();
            out.push(AdapterEvent::Usage { model, message_id: id, usage, complete });
        }
    }

    fn result(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        self.base.init(None, frame["session_id"].as_str(), out);
        let totals = self.totals(frame);
        if let Some(cost) = PicoUsd::from_json(&frame["total_cost_usd"]) {
            let known_basis = !totals.is_empty() && totals.iter().all(|row| row.known_basis);
            out.push(AdapterEvent::CostReported { pico_usd: cost.0, known_basis });
        }
        if !totals.is_empty() {
            out.push(AdapterEvent::ModelTotals(totals));
        }
        let end = self.end(frame);
        self.open.clear();
        self.base.close(end, out);
    }

    /// The closing account, without rows of no tokens; an older version has only the sum.
    fn totals(&self, frame: &Value) -> Vec<ModelTotal> {
        let estimated = frame["terminal_reason"] == "aborted_streaming";
        let Some(rows) = frame["modelUsage"].as_object() else {
            let mut usage = Usage::default();
            raise(&mut usage, &frame["usage"]);
            let model = self.base.model.clone().unwrap_or_default();
            let row = ModelTotal {
                model,
                provider: None,
                usage,
                reported_pico_usd: None,
                known_basis: false,
                estimated,
            };
            return if usage.is_zero() { Vec::new() } else { vec![row] };
        };
        let row = |(model, row): (&String, &Value)| ModelTotal {
            model: short(model, 256),
            provider: row["provider"].as_str().map(|name| short(name, 64)),
            usage: row_usage(row),
            reported_pico_usd: PicoUsd::from_json(&row["costUSD"]).map(|cost| cost.0),
            known_basis: row["costBasis"].as_str().is_some_and(|basis| basis != "unknown"),
            estimated,
        };
        rows.iter().map(row).filter(|row| !row.usage.is_zero()).collect()
    }

    fn end(&mut self, frame: &Value) -> Final {
        let reason = frame["terminal_reason"].as_str().unwrap_or_default();
        let subtype = frame["subtype"].as_str().unwrap_or_default();
        // Some versions end at a limit with `error_max_turns` and `is_error: false`.
        let is_error =
            frame["is_error"].as_bool().unwrap_or(subtype != "success") || subtype.starts_with("error");
        let said = frame["result"].as_str().unwrap_or_default();
        if reason.starts_with("aborted") {
            return Final::of(Outcome::Stopped);
        }
        if reason == "budget_exhausted" || subtype == "error_max_budget_usd" {
            return Final::of(Outcome::StoppedBudget);
        }
        if !is_error {
            let answer = (!said.is_empty()).then(|| said.to_owned());
            return Final { answer, ..Final::of(Outcome::Success) };
        }
        let http_status = status(&frame["api_error_status"]);
        let (refusal, name) = self.refusal.take().unwrap_or_default();
        let first_error =
            frame["errors"].as_array().and_then(|errors| errors.first()).and_then(Value::as_str);
        let message = [said, first_error.unwrap_or_default(), &refusal, subtype]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or("the tool failed");
        let words = format!("{message} {name} {}", frame["api_error_type"].as_str().unwrap_or_default());
        let class = classify::class_of(http_status, &words).unwrap_or(ErrorClass::ExitCode);
        Final { http_status, ..Final::of(Outcome::Failed { class, message: message.to_owned() }) }
    }

    /// Reports the service tier, when it is another than before.
    fn tier(&mut self, usage: &Value, out: &mut Vec<AdapterEvent>) {
        let said = usage["service_tier"].as_str().filter(|tier| !tier.is_empty());
        if let Some(tier) = said.filter(|tier| self.service_tier.as_deref() != Some(*tier)) {
            self.service_tier = Some(short(tier, 64));
            out.extend(self.service_tier.clone().map(AdapterEvent::ServiceTier));
        }
    }

    fn name(&mut self, message: &Value) -> String {
        if let Some(id) = message["id"].as_str().filter(|id| !id.is_empty()) {
            return short(id, 256);
        }
        self.unnamed += 1;
        format!("message-{}", self.unnamed)
    }
}

impl Message {
    fn report(&self, complete: bool) -> AdapterEvent {
        let (model, message_id) = (self.model.clone(), self.id.clone());
        AdapterEvent::Usage { model, message_id, usage: self.usage, complete }
    }
}

/// The ends of tool calls come back as messages of the user.
fn tool_results(frame: &Value, out: &mut Vec<AdapterEvent>) {
    for block in frame["message"]["content"].as_array().map_or(&[][..], Vec::as_slice) {
        if block["type"] != "tool_result" {
            continue;
        }
        let content = &block["content"];
        let code = content.as_str().and_then(|text| {
            let digits = text.strip_prefix("Exit code ")?;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        let failed = block["is_error"].as_bool().unwrap_or(false);
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        Base::call_ends(id, !failed, size_of(content), code, out);
    }
}

/// Takes over what a usage object says. Counts only grow: after an interrupt the last event says one token of
/// output, and some proxies repeat the input as zero.
fn raise(usage: &mut Usage, said: &Value) {
    let raise = |old: &mut u64, new: &Value| *old = (*old).max(count(new).unwrap_or(0));
    raise(&mut usage.input, &said["input_tokens"]);
    raise(&mut usage.cache_read, &said["cache_read_input_tokens"]);
    raise(&mut usage.output, &said["output_tokens"]);
    raise(&mut usage.reasoning, &said["output_tokens_details"]["thinking_tokens"]);
    usage.reasoning = usage.reasoning.min(usage.output);
    raise(&mut usage.web_searches, &said["server_tool_use"]["web_search_requests"]);
    raise(&mut usage.cache_write_5m, &said["cache_creation"]["ephemeral_5m_input_tokens"]);
    raise(&mut usage.cache_write_1h, &said["cache_creation"]["ephemeral_1h_input_tokens"]);
    // A write of which only the sum is known counts as one for five minutes.
    let sum = count(&said["cache_creation_input_tokens"]).unwrap_or(0);
    usage.cache_write_5m = usage.cache_write_5m.max(sum.saturating_sub(usage.cache_write_1h));
}

fn row_usage(row: &Value) -> Usage {
    let of = |name: &str| count(&row[name]).unwrap_or(0);
    let hour = of("cacheCreationEphemeral1hInputTokens");
    let rest = of("cacheCreationInputTokens").saturating_sub(hour);
    Usage {
        input: of("inputTokens"),
        cache_read: of("cacheReadInputTokens"),
        cache_write_5m: of("cacheCreationEphemeral5mInputTokens").max(rest),
        cache_write_1h: hour,
        output: of("outputTokens"),
        reasoning: of("thinkingTokens").min(of("outputTokens")),
        web_searches: of("webSearchRequests"),
    }
}

//! Reads `codex exec --json`.
//!
//! Whole items, usage once at the end of the turn. An item of type `error` is a warning and an `error` frame is a
//! retry or the announcement of a failure: only `turn.failed` ends the run badly.

use std::collections::VecDeque;

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::classify;
use super::event::{AdapterEvent, Final, Outcome};
use super::frame::{Base, count, short, size_of};

/// Finished items remembered: a retry repeats those it had.
const MAX_ITEMS: usize = 1024;

/// Parser of one run.
#[derive(Debug, Default)]
pub struct CodexStream {
    pub(super) base: Base,
    turns: u64,
    done: VecDeque<String>,
    started: VecDeque<String>,
    /// An error that is only a warning if no `turn.failed` follows.
    pending: Option<String>,
}

impl CodexStream {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        let Some(frame) = self.base.frame(line, out) else { return };
        let kind = frame["type"].as_str().unwrap_or_default();
        if kind != "turn.failed" {
            self.flush_pending(out);
        }
        match kind {
            "thread.started" => self.base.init(None, frame["thread_id"].as_str(), out),
            "turn.started" => self.base.reopen(),
            "item.started" => self.item_started(&frame["item"], out),
            "item.updated" => {}
            "item.completed" => self.item_completed(&frame["item"], out),
            "turn.completed" => self.turn_completed(&frame["usage"], out),
            "turn.failed" => {
                self.pending = None;
                let message = frame["error"]["message"].as_str().unwrap_or("the turn failed");
                self.base.fail(None, message, out);
            }
            "error" => self.error(frame["message"].as_str().unwrap_or_default(), out),
            other => out.push(AdapterEvent::Unknown(short(other, 64))),
        }
    }

    /// An error that nothing followed is told before the run is closed.
    pub(super) fn flush_pending(&mut self, out: &mut Vec<AdapterEvent>) {
        if let Some(text) = self.pending.take() {
            self.base.warn(text, out);
        }
    }

    fn item_started(&mut self, item: &Value, out: &mut Vec<AdapterEvent>) {
        let kind = item["type"].as_str().unwrap_or_default();
        match kind {
            "command_execution" | "file_change" | "mcp_tool_call" | "web_search" => {
                let id = item["id"].as_str().unwrap_or_default();
                if remember(&mut self.started, id) {
                    self.call_starts(kind, id, item, out);
                }
            }
            "reasoning" => out.push(AdapterEvent::Thinking),
            _ => {}
        }
    }

    fn call_starts(&mut self, kind: &str, id: &str, item: &Value, out: &mut Vec<AdapterEvent>) {
        if kind == "mcp_tool_call" {
            let part = |key: &str| item[key].as_str().unwrap_or_default();
            let name = format!("mcp__{}__{}", part("server"), part("tool"));
            self.base.call_starts(id, &name, &item["arguments"], out);
        } else {
            self.base.call_starts(id, kind, item, out);
        }
    }

    fn item_completed(&mut self, item: &Value, out: &mut Vec<AdapterEvent>) {
        let id = item["id"].as_str().unwrap_or_default();
        if !id.is_empty() && !remember(&mut self.done, id) {
            return;
        }
        match item["type"].as_str().unwrap_or_default() {
            "agent_message" => self.base.text(item["text"].as_str().unwrap_or_default().as_bytes(), out),
            "reasoning" => out.push(AdapterEvent::Thinking),
            "error" => self.base.warn(item["message"].as_str().unwrap_or("the tool warns"), out),
            kind @ ("command_execution" | "file_change" | "mcp_tool_call" | "web_search") => {
                if remember(&mut self.started, id) {
                    self.call_starts(kind, id, item, out);
                }
                let code = item["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok());
                let ok = code.unwrap_or(0) == 0 && item["status"] != "failed" && item["status"] != "declined";
                let bytes = size_of(&item["aggregated_output"]) + size_of(&item["result"]);
                Base::call_ends(id, ok, bytes, code, out);
            }
            "todo_list" => {}
            other => out.push(AdapterEvent::Unknown(short(&format!("item/{other}"), 64))),
        }
    }

    fn turn_completed(&mut self, said: &Value, out: &mut Vec<AdapterEvent>) {
        self.turns += 1;
        if said.is_object() {
            let of = |name: &str| count(&said[name]).unwrap_or(0);
            let (all, read, write) =
                (of("input_tokens"), of("cached_input_tokens"), of("cache_write_input_tokens"));
            let input = all.checked_sub(read).and_then(|rest| rest.checked_sub(write));
            if input.is_none() {
                self.base.warn("the tool counts more cached input than input", out);
            }
            let usage = Usage {
                input: input.unwrap_or(0),
                cache_read: read,
                cache_write_5m: write,
                cache_write_1h: 0,
                output: of("output_tokens"),
                reasoning: of("reasoning_output_tokens").min(of("output_tokens")),
                ..Usage::default()
            };
            let message_id = format!("turn-{}", self.turns);
            out.push(AdapterEvent::Usage { model: None, message_id, usage, complete: true });
        }
        self.base.close(Final::of(Outcome::Success), out);
    }

    fn error(&mut self, message: &str, out: &mut Vec<AdapterEvent>) {
        let Some(rest) = message.strip_prefix("Reconnecting...") else {
            self.pending = Some(message.to_owned());
            return;
        };
        let number =
            |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        let (attempt, max) = rest.trim_start().split_once('/').unwrap_or((rest.trim_start(), ""));
        let status = classify::status_in(message);
        out.push(AdapterEvent::Retry {
            attempt: number(attempt).unwrap_or(1),
            max: number(max),
            delay_ms: None,
            status,
        });
    }
}

/// Notes an id and tells whether it is new. An item without an id is always new.
fn remember(ids: &mut VecDeque<String>, id: &str) -> bool {
    let id = short(id, 256);
    if !id.is_empty() && ids.contains(&id) {
        return false;
    }
    if ids.len() == MAX_ITEMS {
        ids.pop_front();
    }
    ids.push_back(id);
    true
}

//! The stream of each kind of tool, frame by frame.
//!
//! Owns the shapes of Codex's, Gemini's and plain output; Claude's are in their own file. It never writes.

use llmctl_proto::usage::Usage;
use serde_json::{Value, json};

use super::claude;
use super::options::{Fail, Kind, Options};

/// What has been said so far.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) kind: Kind,
    pub(super) model: String,
    pub(super) session_id: String,
    pub(super) text: String,
    pub(super) deltas: u64,
}

impl Scene {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            kind: options.kind(),
            model: options.model(),
            session_id: options.session_id(),
            text: String::new(),
            deltas: 0,
        }
    }

    /// Usage of the text so far.
    pub(super) fn usage(&self) -> Usage {
        super::usage(self.text.len())
    }

    /// Frames before the text.
    pub(super) fn start(&self) -> Vec<Value> {
        match self.kind {
            Kind::Claude => claude::start(self),
            Kind::Codex => vec![
                json!({"type": "thread.started", "thread_id": self.session_id}),
                json!({"type": "turn.started"}),
            ],
            Kind::Gemini => vec![
                json!({"type": "init", "timestamp": TIME, "session_id": self.session_id, "model": self.model}),
                json!({"type": "message", "timestamp": TIME, "role": "user", "content": "prompt"}),
            ],
            Kind::Plain => Vec::new(),
        }
    }

    /// The frame of a piece of text, which is then part of what was said; none for plain output.
    pub(super) fn delta(&mut self, text: &str) -> Option<Value> {
        self.text.push_str(text);
        self.deltas += 1;
        match self.kind {
            Kind::Claude => Some(claude::delta(self, text)),
            Kind::Codex => {
                Some(json!({"type": "item.completed", "item": {"id": format!("item_{}", self.deltas),
                "type": "agent_message", "text": text}}))
            }
            Kind::Gemini => Some(json!({"type": "message", "timestamp": TIME, "role": "assistant",
                "content": text, "delta": true})),
            Kind::Plain => None,
        }
    }

    /// Frames at the end of the text, before tool calls.
    pub(super) fn text_done(&self) -> Vec<Value> {
        if self.kind == Kind::Claude { claude::text_done(self) } else { Vec::new() }
    }

    /// A tool call begins.
    pub(super) fn call_start(&self, number: u32) -> Option<Value> {
        match self.kind {
            Kind::Claude => Some(claude::call_start(self, number)),
            Kind::Codex => Some(json!({"type": "item.started", "item": codex_call(number, false)})),
            Kind::Gemini => {
                Some(json!({"type": "tool_use", "timestamp": TIME, "tool_name": "run_shell_command",
                "tool_id": format!("call_{number}"), "parameters": {"command": "sleep 300"}}))
            }
            Kind::Plain => None,
        }
    }

    /// A tool call ends.
    pub(super) fn call_end(&self, number: u32) -> Option<Value> {
        match self.kind {
            Kind::Claude => Some(claude::call_end(self, number)),
            Kind::Codex => Some(json!({"type": "item.completed", "item": codex_call(number, true)})),
            Kind::Gemini => Some(json!({"type": "tool_result", "timestamp": TIME,
                "tool_id": format!("call_{number}"), "status": "success", "output": "done"})),
            Kind::Plain => None,
        }
    }

    /// Frames at the end; the last is the terminal one.
    pub(super) fn end(&self) -> Vec<Value> {
        let usage = self.usage();
        let input = usage.input + usage.cache_read;
        match self.kind {
            Kind::Claude => claude::end(self),
            Kind::Codex => vec![json!({"type": "turn.completed", "usage": {"input_tokens": input,
                "cached_input_tokens": usage.cache_read, "cache_write_input_tokens": 0,
                "output_tokens": usage.output, "reasoning_output_tokens": 0}})],
            Kind::Gemini => vec![json!({"type": "result", "timestamp": TIME, "status": "success",
                "stats": gemini_stats(self, &usage)})],
            Kind::Plain => Vec::new(),
        }
    }

    /// Frames after SIGINT; none for tools that say nothing more.
    pub(super) fn interrupted(&self, open_call: Option<u32>) -> Vec<Value> {
        if self.kind == Kind::Claude { claude::interrupted(self, open_call) } else { Vec::new() }
    }

    /// The whole stream of a run that the provider refused.
    pub(super) fn failed(&self, fail: Fail) -> Vec<Value> {
        let status = match fail {
            Fail::Unauthorised => "401 Unauthorized",
            Fail::RateLimit => "429 Too Many Requests",
            Fail::Overloaded => "529 Overloaded",
        };
        let message = format!("exceeded retry limit, last status: {status}");
        match self.kind {
            Kind::Claude => claude::failed(self, fail),
            Kind::Codex => {
                let mut frames = self.start();
                frames.push(json!({"type": "error", "message": message}));
                frames.push(json!({"type": "turn.failed", "error": {"message": message}}));
                frames
            }
            Kind::Gemini => {
                let mut frames = self.start();
                frames.push(json!({"type": "result", "timestamp": TIME, "status": "error",
                    "error": {"type": "Error", "message": message}, "stats": {"total_tokens": 0,
                    "input_tokens": 0, "output_tokens": 0, "cached": 0, "input": 0}}));
                frames
            }
            Kind::Plain => Vec::new(),
        }
    }
}

const TIME: &str = "2026-11-23T00:00:00.000Z";

fn codex_call(number: u32, done: bool) -> Value {
    let (output, code, status) =
        if done { ("done\n", json!(0), "completed") } else { ("", Value::Null, "in_progress") };
    json!({"id": format!("call_{number}"), "type": "command_execution", "command": "/bin/bash -lc 'sleep 300'",
        "aggregated_output": output, "exit_code": code, "status": status})
}

fn gemini_stats(scene: &Scene, usage: &Usage) -> Value {
    let input = usage.input + usage.cache_read;
    let figures = json!({"total_tokens": input + usage.output, "input_tokens": input,
        "output_tokens": usage.output, "cached": usage.cache_read, "input": usage.input});
    let mut stats = figures.clone();
    stats["duration_ms"] = json!(1);
    stats["tool_calls"] = json!(0);
    stats["models"] = json!({&scene.model: figures});
    stats
}

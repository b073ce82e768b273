//! Decodes the lines of Ollama's `POST /api/chat`.
//!
//! One JSON object a line; the last has `done: true` and the counts. An error is a line of its own.

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::decode::{self, Draft, Track};
use crate::tool::{AdapterEvent, Outcome, ToolKind};

/// State of one answer.
#[derive(Debug, Default)]
pub struct Ollama {
    track: Track,
    calls: u32,
}

impl Ollama {
    /// Reads one line and appends what it says.
    pub fn event(&mut self, _name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        if self.track.is_closed() {
            return;
        }
        let Some(value) = decode::json(data, out) else { return };
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return self.track.fail(&value, out);
        }
        self.track.learn(decode::string(&value, "model"), None, out);
        let message = &value["message"];
        if decode::string(message, "thinking").is_some_and(|text| !text.is_empty()) {
            out.push(AdapterEvent::Thinking);
        }
        decode::text(decode::string(message, "content"), out);
        for call in message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default() {
            self.call(call, out);
        }
        if value["done"].as_bool() == Some(true) {
            self.done(&value, out);
        }
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        self.track.close(Outcome::Lost, out);
    }

    fn call(&mut self, call: &Value, out: &mut Vec<AdapterEvent>) {
        self.calls = self.calls.saturating_add(1);
        let function = &call["function"];
        let numbered = format!("call-{}", self.calls);
        let id = decode::string(call, "id").unwrap_or(&numbered);
        let mut draft = Draft::new(id, decode::string(function, "name").unwrap_or_default());
        draft.add_json(function.get("arguments"));
        out.push(draft.start(ToolKind::Other, None));
    }

    fn done(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        let input = decode::count(value, "prompt_eval_count");
        let output = decode::count(value, "eval_count");
        if input.is_some() || output.is_some() {
            if input.is_none() {
                // The server leaves it out when the whole prompt was in its cache.
                out.push(AdapterEvent::Warning("the server did not say how many input tokens".to_owned()));
            }
            let usage = Usage { input: input.unwrap_or(0), output: output.unwrap_or(0), ..Usage::default() };
            self.track.usage(usage, true, out);
        }
        if let Some(reason @ "length") = decode::string(value, "done_reason") {
            decode::cut_short(reason, out);
        }
        self.track.close(Outcome::Success, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::ErrorClass;

    fn run(lines: &[&str]) -> Vec<AdapterEvent> {
        let mut decoder = Ollama::default();
        let mut out = Vec::new();
        for line in lines {
            decoder.event(None, line, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn an_error_line_after_text_fails_the_answer() {
        let events = run(&[
            r#"{"model":"m","message":{"content":"Hi","thinking":"hm"},"done":false}"#,
            r#"{"error":"model 'm' not found"}"#,
        ]);
        assert!(events.contains(&AdapterEvent::Thinking));
        assert!(events.contains(&AdapterEvent::Text(b"Hi".to_vec())));
        let Some(AdapterEvent::Final(end)) = events.last() else { panic!("no end") };
        assert!(matches!(&end.outcome, Outcome::Failed { class: ErrorClass::ModelUnavailable, .. }));
    }

    #[test]
    fn a_missing_input_count_is_said_and_missing_counts_are_no_usage() {
        let events = run(&[r#"{"done":true,"done_reason":"stop","eval_count":3}"#]);
        assert!(matches!(&events[0], AdapterEvent::Warning(_)));
        assert!(matches!(&events[1], AdapterEvent::Usage { usage, .. } if usage.output == 3));
        let events = run(&[r#"{"done":true}"#]);
        assert_eq!(events.len(), 1);
    }

    #[test]
    fn calls_are_shown() {
        let events =
            run(&[r#"{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"path":"x"}}}]}}"#]);
        assert!(
            matches!(&events[0], AdapterEvent::ToolStart(call) if call.summary == "x" && call.name == "f")
        );
    }
}

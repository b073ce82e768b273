//! Decodes the stream of Gemini's `streamGenerateContent?alt=sse`.
//!
//! Usage comes with every chunk; input includes cached tokens, thinking stands beside the candidates.
//! `finishReason` is the terminal mark; the end is said when the stream closes, as usage may follow it.

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::decode::{self, Draft, Track};
use crate::tool::{AdapterEvent, ErrorClass, Outcome, ToolKind};

/// State of one answer.
#[derive(Debug, Default)]
pub struct Gemini {
    track: Track,
    counts: Counts,
    calls: u32,
    finished: bool,
}

/// The last value of each figure; a chunk that leaves one out does not take it back.
#[derive(Debug, Default)]
struct Counts {
    prompt: u64,
    cached: u64,
    tool_prompt: u64,
    candidates: u64,
    thoughts: u64,
}

impl Gemini {
    /// Reads one frame and appends what it says.
    pub fn event(&mut self, _name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        if self.track.is_closed() {
            return;
        }
        let Some(value) = decode::json(data, out) else { return };
        if value["error"].is_object() {
            return self.track.fail(&value, out);
        }
        self.track.learn(decode::string(&value, "modelVersion"), decode::string(&value, "responseId"), out);
        let candidate = &value["candidates"][0];
        for part in candidate["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default() {
            self.part(part, out);
        }
        let reason = decode::string(candidate, "finishReason").filter(|r| *r != "FINISH_REASON_UNSPECIFIED");
        if let Some(reason) = reason {
            self.finished = true;
            if reason != "STOP" {
                decode::cut_short(reason, out);
            }
        }
        self.take_usage(&value["usageMetadata"], out);
        if let Some(reason) = decode::string(&value["promptFeedback"], "blockReason") {
            let message = format!("the prompt was blocked: {}", decode::clip(reason, 100));
            self.track.close(decode::failed(ErrorClass::Invalid, message), out);
        }
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        let outcome = if self.finished { Outcome::Success } else { Outcome::Lost };
        self.track.close(outcome, out);
    }

    fn part(&mut self, part: &Value, out: &mut Vec<AdapterEvent>) {
        if part["thought"].as_bool() == Some(true) {
            out.push(AdapterEvent::Thinking);
        } else if let Some(call) = part.get("functionCall") {
            self.calls = self.calls.saturating_add(1);
            let numbered = format!("call-{}", self.calls);
            let id = decode::string(call, "id").unwrap_or(&numbered);
            let mut draft = Draft::new(id, decode::string(call, "name").unwrap_or_default());
            draft.add_json(call.get("args"));
            out.push(draft.start(ToolKind::Other, None));
        } else {
            decode::text(decode::string(part, "text"), out);
        }
    }

    fn take_usage(&mut self, value: &Value, out: &mut Vec<AdapterEvent>) {
        if !value.is_object() {
            return;
        }
        let Counts { prompt, cached, tool_prompt, candidates, thoughts } = &mut self.counts;
        let fields = [
            ("promptTokenCount", prompt),
            ("cachedContentTokenCount", cached),
            ("toolUsePromptTokenCount", tool_prompt),
            ("candidatesTokenCount", candidates),
            ("thoughtsTokenCount", thoughts),
        ];
        let mut named = false;
        for (field, kept) in fields {
            if let Some(count) = decode::count(value, field) {
                *kept = count;
                named = true;
            }
        }
        if !named {
            return;
        }
        let counts = &self.counts;
        let usage = Usage {
            input: self.track.rest(counts.prompt, counts.cached, out).saturating_add(counts.tool_prompt),
            cache_read: counts.cached,
            output: counts.candidates.saturating_add(counts.thoughts),
            reasoning: counts.thoughts,
            ..Usage::default()
        };
        self.track.usage(usage, self.finished, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(frames: &[&str]) -> Vec<AdapterEvent> {
        let mut decoder = Gemini::default();
        let mut out = Vec::new();
        for frame in frames {
            decoder.event(None, frame, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn thoughts_are_thinking_and_part_of_the_output() {
        let events = run(&[
            r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]}}],
                "usageMetadata":{"promptTokenCount":10,"thoughtsTokenCount":5}}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],
                "usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":2}}"#,
        ]);
        assert_eq!(events[0], AdapterEvent::Thinking);
        let Some(AdapterEvent::Usage { usage, complete, .. }) = events.get(events.len() - 2) else {
            panic!("no usage")
        };
        assert_eq!((usage.input, usage.output, usage.reasoning, *complete), (10, 7, 5, true));
    }

    #[test]
    fn a_blocked_prompt_is_a_failure_and_a_safety_stop_a_warning() {
        let events = run(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#]);
        assert!(
            matches!(&events[..], [AdapterEvent::Final(end)] if matches!(end.outcome, Outcome::Failed { .. }))
        );
        let events = run(&[r#"{"candidates":[{"finishReason":"SAFETY"}]}"#]);
        assert!(matches!(&events[..], [AdapterEvent::Warning(_), AdapterEvent::Final(end)]
            if end.outcome == Outcome::Success));
    }

    #[test]
    fn an_error_chunk_fails_the_answer() {
        let events = run(&[r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#]);
        let Some(AdapterEvent::Final(end)) = events.first() else { panic!("no end") };
        assert!(matches!(&end.outcome, Outcome::Failed { class: ErrorClass::Overloaded, .. }));
        assert_eq!(end.http_status, Some(503));
    }
}

//! Decodes the stream of `POST /v1/chat/completions`, OpenAI's and everybody's who speaks it.
//!
//! Tolerant where servers differ: usage in the last chunk, in every chunk or nowhere; reasoning under several
//! names; `[DONE]` left out after a `finish_reason`. Input includes cached tokens, so they are taken out.

use std::collections::BTreeMap;

use llmctl_proto::money::PicoUsd;
use llmctl_proto::usage::Usage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::decode::{self, Draft, OPEN_CALLS, Track};
use crate::tool::{AdapterEvent, Outcome, ToolKind};

/// State of one answer.
#[derive(Debug, Default)]
pub struct Chat {
    track: Track,
    /// Calls by index, at most 128.
    calls: BTreeMap<u64, Draft>,
    finished: bool,
    reported: bool,
}

impl Chat {
    /// Reads one frame and appends what it says.
    pub fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<AdapterEvent>) {
        if self.track.is_closed() {
            return;
        }
        if data.trim() == "[DONE]" {
            self.show_calls(out);
            return self.track.close(Outcome::Success, out);
        }
        let Some(value) = decode::json(data, out) else { return };
        let choice = first_choice(&value);
        if let Some(error) = error_in(name, &value, choice) {
            self.take_usage(data, &value, out);
            return self.track.fail(error, out);
        }
        self.track.learn(decode::string(&value, "model"), decode::string(&value, "id"), out);
        if let Some(choice) = choice {
            self.delta(&choice["delta"], out);
            if let Some(reason) = decode::string(choice, "finish_reason").filter(|reason| !reason.is_empty())
            {
                self.finished = true;
                self.show_calls(out);
                if matches!(reason, "length" | "content_filter" | "model_length") {
                    decode::cut_short(reason, out);
                }
            }
        }
        self.take_usage(data, &value, out);
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<AdapterEvent>) {
        let outcome = if self.finished { Outcome::Success } else { Outcome::Lost };
        self.track.close(outcome, out);
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<AdapterEvent>) {
        let thinks = |field: &str| match &delta[field] {
            Value::String(text) => !text.is_empty(),
            Value::Array(parts) => !parts.is_empty(),
            _ => false,
        };
        if ["reasoning", "reasoning_content", "reasoning_details"].into_iter().any(thinks) {
            out.push(AdapterEvent::Thinking);
        }
        match &delta["content"] {
            Value::String(text) => {
                decode::text(Some(text), out);
            }
            // Mistral's reasoning models send parts instead of a string.
            Value::Array(parts) => parts.iter().for_each(|part| match decode::string(part, "type") {
                Some("thinking") => out.push(AdapterEvent::Thinking),
                _ => {
                    decode::text(decode::string(part, "text"), out);
                }
            }),
            _ => {}
        }
        decode::text(decode::string(delta, "refusal"), out);
        for (place, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
            self.call(place as u64, call, out);
        }
    }

    fn call(&mut self, place: u64, call: &Value, out: &mut Vec<AdapterEvent>) {
        let index = decode::count(call, "index").unwrap_or(place);
        let id = decode::string(call, "id").filter(|id| !id.is_empty());
        let function = &call["function"];
        let name = decode::string(function, "name").filter(|name| !name.is_empty());
        // Some servers number every call 0 and send each whole: another id is another call.
        let other = self.calls.get(&index).is_some_and(|draft| id.is_some_and(|id| id != draft.id));
        if other && let Some(draft) = self.calls.remove(&index) {
            out.push(draft.start(ToolKind::Other, None));
        }
        if !self.calls.contains_key(&index) {
            if self.calls.len() >= OPEN_CALLS {
                return;
            }
            let numbered = format!("call-{index}");
            self.calls.insert(index, Draft::new(id.unwrap_or(&numbered), name.unwrap_or_default()));
        }
        if let Some(draft) = self.calls.get_mut(&index) {
            if draft.name.is_empty() {
                name.unwrap_or_default().clone_into(&mut draft.name);
            }
            draft.add_json(function.get("arguments"));
        }
    }

    fn show_calls(&mut self, out: &mut Vec<AdapterEvent>) {
        for draft in std::mem::take(&mut self.calls).into_values() {
            out.push(draft.start(ToolKind::Other, None));
        }
    }

    fn take_usage(&mut self, data: &str, value: &Value, out: &mut Vec<AdapterEvent>) {
        let nested = &value["x_groq"]["usage"];
        let usage = if value["usage"].is_object() { &value["usage"] } else { nested };
        let (prompt, completion) =
            (decode::count(usage, "prompt_tokens"), decode::count(usage, "completion_tokens"));
        self.track.tier(decode::string(value, "service_tier"), out);
        if prompt.is_some() || completion.is_some() {
            self.reported = true;
            let last = self.finished || first_choice(value).is_none();
            let usage = self.classes(usage, prompt.unwrap_or(0), completion.unwrap_or(0), out);
            self.track.usage(usage, last, out);
        } else if !self.reported
            && let Some(usage) = from_timings(&value["timings"])
        {
            self.track.usage(usage, false, out);
        }
        if usage["cost"].is_number() || usage["cost"].is_string() {
            let known_basis = usage["is_byok"].as_bool() != Some(true);
            match charged(data) {
                Some(pico_usd) => out.push(AdapterEvent::CostReported { pico_usd, known_basis }),
                None => out.push(AdapterEvent::Warning("the provider's charge is not an amount".to_owned())),
            }
        }
    }

    fn classes(&mut self, usage: &Value, prompt: u64, completion: u64, out: &mut Vec<AdapterEvent>) -> Usage {
        let details = &usage["prompt_tokens_details"];
        let cache_read = decode::count(details, "cached_tokens")
            .or_else(|| decode::count(usage, "prompt_cache_hit_tokens"))
            .or_else(|| decode::count(usage, "cached_tokens"))
            .unwrap_or(0);
        let cache_write_5m = decode::count(details, "cache_write_tokens").unwrap_or(0);
        let reasoning = decode::count(&usage["completion_tokens_details"], "reasoning_tokens").unwrap_or(0);
        // xAI counts reasoning beside the completion; its total tells.
        let beside = prompt.saturating_add(completion).saturating_add(reasoning);
        let apart = reasoning > completion || decode::count(usage, "total_tokens") == Some(beside);
        Usage {
            input: self.track.rest(prompt, cache_read.saturating_add(cache_write_5m), out),
            cache_read,
            cache_write_5m,
            cache_write_1h: 0,
            output: if apart { completion.saturating_add(reasoning) } else { completion },
            reasoning,
            ..Usage::default()
        }
    }
}

/// The first answer of a chunk; we never ask for a second.
fn first_choice(value: &Value) -> Option<&Value> {
    let choices = value["choices"].as_array()?;
    choices.iter().find(|choice| decode::count(choice, "index").unwrap_or(0) == 0)
}

/// The error a chunk carries instead of, or beside, a piece of the answer.
fn error_in<'v>(name: Option<&str>, value: &'v Value, choice: Option<&'v Value>) -> Option<&'v Value> {
    let has_error = |value: &Value| value.get("error").is_some_and(|error| !error.is_null());
    if has_error(value) || name == Some("error") || value["object"] == "error" {
        return Some(value);
    }
    choice.filter(|choice| has_error(choice) || choice["finish_reason"] == "error")
}

/// llama-server's running counts: absolute, cached tokens already apart.
fn from_timings(timings: &Value) -> Option<Usage> {
    Some(Usage {
        input: decode::count(timings, "prompt_n")?,
        cache_read: decode::count(timings, "cache_n").unwrap_or(0),
        output: decode::count(timings, "predicted_n")?,
        ..Usage::default()
    })
}

/// What the provider charged, from the text of the chunk: a parsed number would already be a binary float.
fn charged(data: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        usage: Charge<'a>,
    }
    #[derive(Deserialize)]
    struct Charge<'a> {
        #[serde(borrow)]
        cost: &'a RawValue,
    }
    let text = serde_json::from_str::<Chunk<'_>>(data).ok()?.usage.cost.get();
    let text = text.trim().trim_matches('"');
    // Finer than a pico-dollar is float noise.
    let amount = PicoUsd::parse(text).or_else(|_| PicoUsd::parse_reported(text)).ok()?;
    (amount.0 >= 0).then_some(amount.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::ErrorClass;

    fn run(frames: &[&str]) -> Vec<AdapterEvent> {
        let mut decoder = Chat::default();
        let mut out = Vec::new();
        for frame in frames {
            decoder.event(None, frame, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    fn usage(json: &str) -> Usage {
        let events = run(&[&format!("{{\"choices\":[],\"usage\":{json}}}")]);
        let found = events.iter().find_map(|event| match event {
            AdapterEvent::Usage { usage, complete: true, .. } => Some(*usage),
            _ => None,
        });
        found.expect("usage")
    }

    fn outcome(events: &[AdapterEvent]) -> &Outcome {
        match events.last() {
            Some(AdapterEvent::Final(end)) => &end.outcome,
            _ => panic!("no end"),
        }
    }

    #[test]
    fn cached_tokens_are_found_under_every_name() {
        let names = [
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}"#,
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":4}"#,
            r#"{"prompt_tokens":10,"completion_tokens":2,"cached_tokens":4}"#,
        ];
        for name in names {
            assert_eq!(usage(name), Usage { input: 6, cache_read: 4, output: 2, ..Usage::default() });
        }
        let groq = run(&[r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#]);
        assert!(matches!(&groq[0], AdapterEvent::Usage { usage, .. } if usage.output == 2));
    }

    #[test]
    fn reasoning_is_a_subset_unless_the_total_says_otherwise() {
        let inside = r#"{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19,
            "completion_tokens_details":{"reasoning_tokens":5}}"#;
        assert_eq!((usage(inside).output, usage(inside).reasoning), (9, 5));
        let beside = inside.replace("19", "24");
        assert_eq!((usage(&beside).output, usage(&beside).reasoning), (14, 5));
    }

    #[test]
    fn a_charge_is_exact_and_a_fee_beside_an_own_key_is_a_guess() {
        let chunk =
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.00120000001}}"#;
        let charge = AdapterEvent::CostReported { pico_usd: 1_200_000_000 + 10, known_basis: true };
        assert!(run(&[chunk]).contains(&charge));
        let byok = chunk.replace("\"cost\"", "\"is_byok\":true,\"cost\"");
        let charge = AdapterEvent::CostReported { pico_usd: 1_200_000_000 + 10, known_basis: false };
        assert!(run(&[&byok]).contains(&charge));
        assert!(matches!(run(&[&chunk.replace("0.0012", "-1.0")])[1], AdapterEvent::Warning(_)));
    }

    #[test]
    fn a_finish_reason_without_done_is_an_end_and_silence_is_not() {
        assert_eq!(
            outcome(&run(&[r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#])),
            &Outcome::Success
        );
        assert_eq!(outcome(&run(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#])), &Outcome::Lost);
        assert_eq!(outcome(&run(&["[DONE]"])), &Outcome::Success);
    }

    #[test]
    fn errors_come_in_many_shapes() {
        for frame in [
            r#"{"error":{"message":"slow down","code":429}}"#,
            r#"{"object":"error","message":"slow down","code":429}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"code":429,"message":"slow down"}}]}"#,
        ] {
            let events = run(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#, frame, "[DONE]"]);
            let want = Outcome::Failed { class: ErrorClass::RateLimit, message: "slow down".into() };
            assert_eq!(outcome(&events), &want, "{frame}");
        }
    }

    #[test]
    fn thinking_has_several_names_and_shapes() {
        for delta in [
            r#"{"reasoning":"a"}"#,
            r#"{"reasoning_content":"a","content":null}"#,
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#,
        ] {
            let events = run(&[&format!("{{\"choices\":[{{\"delta\":{delta}}}]}}")]);
            assert_eq!(events[0], AdapterEvent::Thinking, "{delta}");
        }
    }

    #[test]
    fn calls_in_pieces_and_whole_calls_under_one_index() {
        let piece = |fields: &str| format!("{{\"choices\":[{{\"delta\":{{\"tool_calls\":[{fields}]}}}}]}}");
        let end = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
        let events = run(&[
            &piece(r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#),
            &piece(r#"{"index":0,"function":{"arguments":"{\"path\":"}}"#),
            &piece(r#"{"index":0,"function":{"arguments":"\"x\"}"}}"#),
            &piece(r#"{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}"#),
            end,
        ]);
        let calls: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                AdapterEvent::ToolStart(call) => Some((call.call_id.as_str(), call.summary.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(calls, [("a", "x"), ("b", "{}")]);
    }
}

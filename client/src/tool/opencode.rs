//! Reads `opencode run --format json`.
//!
//! Whole text parts, usage and cost once for each step; input excludes cached tokens. There is no closing frame: a
//! step that ends for another reason than a tool call closes the run, unless another step follows.

use std::collections::VecDeque;

use llmctl_proto::money::PicoUsd;
use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::event::{AdapterEvent, ErrorClass, Final, Outcome};
use super::frame::{Base, count, short, size_of, status};

/// Steps remembered, so that one told twice is counted once.
const MAX_STEPS: usize = 256;

/// Parser of one run.
#[derive(Debug, Default)]
pub struct OpencodeStream {
    pub(super) base: Base,
    steps: VecDeque<String>,
    unnamed: u64,
    cost: PicoUsd,
    /// A step with tokens and no price: opencode writes 0 where it knows none.
    price_missing: bool,
}

impl OpencodeStream {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        let Some(frame) = self.base.frame(line, out) else { return };
        self.base.init(None, frame["sessionID"].as_str(), out);
        let part = &frame["part"];
        match frame["type"].as_str().unwrap_or_default() {
            "step_start" => self.base.reopen(),
            "text" => self.base.text(part["text"].as_str().unwrap_or_default().as_bytes(), out),
            "reasoning" => out.push(AdapterEvent::Thinking),
            "tool_use" => self.tool_use(part, out),
            "step_finish" => self.step_finish(part, out),
            "error" => self.error(&frame["error"], out),
            other => out.push(AdapterEvent::Unknown(short(other, 64))),
        }
    }

    fn tool_use(&mut self, part: &Value, out: &mut Vec<AdapterEvent>) {
        let id = part["callID"].as_str().or(part["id"].as_str()).unwrap_or_default();
        let state = &part["state"];
        self.base.call_starts(id, part["tool"].as_str().unwrap_or("tool"), &state["input"], out);
        let code = state["metadata"]["exit"].as_i64().and_then(|code| i32::try_from(code).ok());
        let ok = state["status"] == "completed" && code.unwrap_or(0) == 0;
        Base::call_ends(id, ok, size_of(&state["output"]), code, out);
    }

    fn step_finish(&mut self, part: &Value, out: &mut Vec<AdapterEvent>) {
        let id = part["id"].as_str().or(part["messageID"].as_str()).filter(|id| !id.is_empty());
        let id = id.map_or_else(
            || {
                self.unnamed += 1;
                format!("step-{}", self.unnamed)
            },
            |id| short(id, 256),
        );
        let said = &part["tokens"];
        let usage = usage_of(said);
        if said.is_object() {
            let message_id = id.clone();
            out.push(AdapterEvent::Usage { model: None, message_id, usage, complete: true });
        }
        if !self.steps.contains(&id) {
            if self.steps.len() == MAX_STEPS {
                self.steps.pop_front();
            }
            self.steps.push_back(id);
            self.add_cost(&part["cost"], usage, out);
        }
        let goes_on = matches!(part["reason"].as_str(), Some("tool-calls" | "tool_calls"));
        if !goes_on {
            self.base.close(Final::of(Outcome::Success), out);
        }
    }

    fn add_cost(&mut self, said: &Value, usage: Usage, out: &mut Vec<AdapterEvent>) {
        let step = PicoUsd::from_json(said);
        self.price_missing |= step.is_none_or(|cost| cost == PicoUsd::ZERO) && !usage.is_zero();
        match step.map(|step| PicoUsd::sum([self.cost, step])) {
            Some(Ok(sum)) => self.cost = sum,
            // Out of range is no amount at all.
            Some(Err(_)) => self.price_missing = true,
            None => return,
        }
        out.push(AdapterEvent::CostReported { pico_usd: self.cost.0, known_basis: !self.price_missing });
    }

    fn error(&mut self, error: &Value, out: &mut Vec<AdapterEvent>) {
        let name = error["name"].as_str().unwrap_or_default();
        if name == "MessageAbortedError" {
            return self.base.close(Final::of(Outcome::Stopped), out);
        }
        let data = &error["data"];
        let said = [data["message"].as_str(), error["message"].as_str(), Some(name)];
        let message = said.into_iter().flatten().find(|text| !text.is_empty()).unwrap_or("the tool failed");
        if name == "ProviderAuthError" {
            let outcome = Outcome::Failed { class: ErrorClass::Auth, message: message.to_owned() };
            return self.base.close(Final::of(outcome), out);
        }
        self.base.fail(status(&data["statusCode"]), message, out);
    }
}

fn usage_of(said: &Value) -> Usage {
    let of = |value: &Value| count(value).unwrap_or(0);
    let reasoning = of(&said["reasoning"]);
    Usage {
        input: of(&said["input"]),
        cache_read: of(&said["cache"]["read"]),
        cache_write_5m: of(&said["cache"]["write"]),
        cache_write_1h: 0,
        output: of(&said["output"]).saturating_add(reasoning),
        reasoning,
        ..Usage::default()
    }
}

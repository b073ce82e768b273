//! Ollama chat: one JSON object a line, counts in the last.

use serde_json::{Value, json};

use super::super::scenario::REASONING_TEXT;
use super::{Answer, Carries, Step, ndjson, plain};

const CREATED_AT: &str = "2026-01-01T00:00:00Z";

pub(super) fn steps(answer: &Answer<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    if answer.scenario.think {
        let thought = json!({"role": "assistant", "content": "", "thinking": REASONING_TEXT});
        steps.push(plain(ndjson(&line(answer, &thought))));
    }
    for piece in &answer.scenario.pieces {
        let bytes = ndjson(&line(answer, &json!({"role": "assistant", "content": piece})));
        steps.push(Step { bytes, carries: Carries::Text(piece.clone()) });
    }
    if let Some(call) = &answer.call {
        let bytes = ndjson(&line(answer, &message(answer, "")));
        steps.push(Step { bytes, carries: Carries::Call(call.clone()) });
    }
    let last = ended(answer, line(answer, &json!({"role": "assistant", "content": ""})));
    let carries = answer.usage.map_or(Carries::Nothing, Carries::Usage);
    steps.push(Step { bytes: ndjson(&last), carries });
    steps
}

pub(super) fn whole(answer: &Answer<'_>) -> Value {
    ended(answer, line(answer, &message(answer, &answer.text_of())))
}

fn message(answer: &Answer<'_>, text: &str) -> Value {
    let mut message = json!({"role": "assistant", "content": text});
    if let Some(call) = &answer.call {
        message["tool_calls"] = json!([{"function": {"name": call.name, "arguments": call.arguments}}]);
    }
    message
}

fn line(answer: &Answer<'_>, message: &Value) -> Value {
    json!({"model": answer.ask.model, "created_at": CREATED_AT, "message": message, "done": false})
}

fn ended(answer: &Answer<'_>, mut line: Value) -> Value {
    line["done"] = json!(true);
    line["done_reason"] = json!("stop");
    line["total_duration"] = json!(5_000_000_000_u64);
    line["load_duration"] = json!(1_000_000);
    if let Some(usage) = answer.usage {
        line["prompt_eval_count"] = json!(usage.input);
        line["prompt_eval_duration"] = json!(130_079_000);
        line["eval_count"] = json!(usage.output);
        line["eval_duration"] = json!(4_232_710_000_u64);
    }
    line
}

//! Anthropic Messages: named events, input usage at the start, output at the end.
//!
//! The start names both lives of cache writes, the end only their sum, as the real interface does: a reader
//! that takes the end alone misprices the hour's share.

use bytes::Bytes;
use llmctl_proto::usage::Usage;
use serde_json::{Value, json};

use super::super::scenario::REASONING_TEXT;
use super::{Answer, Carries, Step, json_pieces, named, plain};

pub(super) fn steps(answer: &Answer<'_>) -> Vec<Step> {
    let mut steps = vec![start(answer)];
    let mut index = 0;
    if answer.scenario.think {
        block(&mut steps, index, &json!({"type": "thinking", "thinking": "", "signature": ""}));
        let deltas = [
            json!({"type": "thinking_delta", "thinking": REASONING_TEXT}),
            json!({"type": "signature_delta", "signature": "Zml4dHVyZQ=="}),
        ];
        steps.extend(deltas.iter().map(|d| plain(delta(index, d))));
        steps.push(plain(block_stop(index)));
        index += 1;
    }
    block(&mut steps, index, &json!({"type": "text", "text": ""}));
    steps.push(plain(named(&json!({"type": "ping"}))));
    for piece in &answer.scenario.pieces {
        let bytes = delta(index, &json!({"type": "text_delta", "text": piece}));
        steps.push(Step { bytes, carries: Carries::Text(piece.clone()) });
    }
    steps.push(plain(block_stop(index)));
    if let Some(call) = &answer.call {
        index += 1;
        block(&mut steps, index, &json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}));
        for piece in json_pieces(&call.arguments) {
            steps.push(plain(delta(index, &json!({"type": "input_json_delta", "partial_json": piece}))));
        }
        steps.push(Step { bytes: block_stop(index), carries: Carries::Call(call.clone()) });
    }
    steps.push(end(answer));
    steps.push(plain(named(&json!({"type": "message_stop"}))));
    steps
}

pub(super) fn whole(answer: &Answer<'_>) -> Value {
    let mut content = vec![json!({"type": "text", "text": answer.text_of()})];
    if let Some(call) = &answer.call {
        content.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}));
    }
    json!({"id": message_id(answer), "type": "message", "role": "assistant", "model": answer.ask.model,
        "content": content, "stop_reason": stop_reason(answer), "stop_sequence": null,
        "usage": start_usage(&answer.usage.unwrap_or_default())})
}

pub(super) fn mid_error() -> Bytes {
    named(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}))
}

fn start(answer: &Answer<'_>) -> Step {
    // The first word on output is a placeholder, never the count.
    let early = answer.usage.map(|usage| Usage { output: 1, reasoning: 0, ..usage });
    let message = json!({"id": message_id(answer), "type": "message", "role": "assistant",
        "model": answer.ask.model, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": start_usage(&early.unwrap_or_default())});
    let bytes = named(&json!({"type": "message_start", "message": message}));
    Step { bytes, carries: early.map_or(Carries::Nothing, Carries::EarlyUsage) }
}

fn end(answer: &Answer<'_>) -> Step {
    let usage = answer.usage.unwrap_or_default();
    let bytes = named(&json!({"type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": {"input_tokens": usage.input, "cache_read_input_tokens": usage.cache_read,
            "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning}}}));
    Step { bytes, carries: answer.usage.map_or(Carries::Nothing, Carries::Usage) }
}

fn start_usage(usage: &Usage) -> Value {
    json!({"input_tokens": usage.input, "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h},
        "output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard"})
}

fn block(steps: &mut Vec<Step>, index: usize, content: &Value) {
    let start = json!({"type": "content_block_start", "index": index, "content_block": content});
    steps.push(plain(named(&start)));
}

fn delta(index: usize, delta: &Value) -> Bytes {
    named(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn block_stop(index: usize) -> Bytes {
    named(&json!({"type": "content_block_stop", "index": index}))
}

fn stop_reason(answer: &Answer<'_>) -> &'static str {
    if answer.call.is_some() { "tool_use" } else { "end_turn" }
}

fn message_id(answer: &Answer<'_>) -> String {
    format!("msg_fixture{}", answer.number)
}

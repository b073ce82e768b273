//! OpenAI Chat Completions: chunks, and a last one with usage and no choices when it was asked for.

use serde_json::{Value, json};

use super::super::scenario::REASONING_TEXT;
use super::{Answer, Carries, Step, json_pieces, plain, sse};

pub(super) fn steps(answer: &Answer<'_>) -> Vec<Step> {
    let delta =
        |delta: Value| sse(&chunk(answer, &json!([{"index": 0, "delta": delta, "finish_reason": null}])));
    let mut steps = vec![plain(delta(json!({"role": "assistant", "content": ""})))];
    if answer.scenario.think {
        steps.push(plain(delta(json!({"reasoning_content": REASONING_TEXT}))));
    }
    for piece in &answer.scenario.pieces {
        let bytes = delta(json!({ "content": piece }));
        steps.push(Step { bytes, carries: Carries::Text(piece.clone()) });
    }
    if let Some(call) = &answer.call {
        let head = json!({"index": 0, "id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": ""}});
        steps.push(plain(delta(json!({"tool_calls": [head]}))));
        let mut pieces = json_pieces(&call.arguments);
        let last = pieces.pop().unwrap_or_default();
        let piece =
            |text: &str| delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}));
        steps.extend(pieces.iter().map(|text| plain(piece(text))));
        steps.push(Step { bytes: piece(&last), carries: Carries::Call(call.clone()) });
    }
    let end = json!([{"index": 0, "delta": {}, "finish_reason": finish_reason(answer)}]);
    steps.push(plain(sse(&chunk(answer, &end))));
    if let Some(usage) = answer.usage {
        let mut last = chunk(answer, &json!([]));
        last["usage"] = usage_of(answer);
        steps.push(Step { bytes: sse(&last), carries: Carries::Usage(usage) });
    }
    steps.push(plain("data: [DONE]\n\n".into()));
    steps
}

pub(super) fn whole(answer: &Answer<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text_of()});
    if let Some(call) = &answer.call {
        message["tool_calls"] = json!([{"id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.to_string()}}]);
    }
    let choices = json!([{"index": 0, "message": message, "finish_reason": finish_reason(answer)}]);
    let mut whole = chunk(answer, &choices);
    whole["object"] = json!("chat.completion");
    whole["usage"] = usage_of(answer);
    whole
}

fn chunk(answer: &Answer<'_>, choices: &Value) -> Value {
    json!({"id": format!("chatcmpl-fixture{}", answer.number), "object": "chat.completion.chunk",
        "created": 1_795_000_000, "model": answer.ask.model, "choices": choices})
}

fn finish_reason(answer: &Answer<'_>) -> &'static str {
    if answer.call.is_some() { "tool_calls" } else { "stop" }
}

fn usage_of(answer: &Answer<'_>) -> Value {
    answer.usage.map_or(Value::Null, |usage| {
        let prompt = usage.input + usage.cache_read;
        json!({"prompt_tokens": prompt, "completion_tokens": usage.output,
            "total_tokens": prompt + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning}})
    })
}

//! Gemini `generateContent`: every chunk has the usage so far; thoughts are counted beside the candidates.

use serde_json::{Value, json};

use super::super::scenario::REASONING_TEXT;
use super::{Answer, Carries, Step, plain, sse};

pub(super) fn steps(answer: &Answer<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    if answer.scenario.think {
        let thought = json!([{"text": REASONING_TEXT, "thought": true}]);
        steps.push(plain(sse(&chunk(answer, &thought, None, 0))));
    }
    let candidates = answer.usage.map_or(0, |usage| usage.output - usage.reasoning);
    let count = answer.scenario.pieces.len() as u64;
    for (index, piece) in answer.scenario.pieces.iter().enumerate() {
        let so_far = candidates * (index as u64 + 1) / (count + 1);
        let bytes = sse(&chunk(answer, &json!([{ "text": piece }]), None, so_far));
        steps.push(Step { bytes, carries: Carries::Text(piece.clone()) });
    }
    if let Some(call) = &answer.call {
        let bytes = sse(&chunk(answer, &call_parts(answer), None, candidates));
        steps.push(Step { bytes, carries: Carries::Call(call.clone()) });
    }
    let bytes = sse(&chunk(answer, &json!([{"text": ""}]), Some("STOP"), candidates));
    steps.push(Step { bytes, carries: answer.usage.map_or(Carries::Nothing, Carries::Usage) });
    steps
}

pub(super) fn whole(answer: &Answer<'_>) -> Value {
    let mut parts = json!([{"text": answer.text_of()}]);
    if let (Some(list), Value::Array(calls)) = (parts.as_array_mut(), call_parts(answer)) {
        list.extend(calls);
    }
    let candidates = answer.usage.map_or(0, |usage| usage.output - usage.reasoning);
    chunk(answer, &parts, Some("STOP"), candidates)
}

fn call_parts(answer: &Answer<'_>) -> Value {
    let part =
        |call: &super::ServedCall| json!({"functionCall": {"name": call.name, "args": call.arguments}});
    Value::Array(answer.call.iter().map(part).collect())
}

fn chunk(answer: &Answer<'_>, parts: &Value, finish: Option<&str>, candidates: u64) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(reason) = finish {
        candidate["finishReason"] = json!(reason);
    }
    let mut chunk = json!({"candidates": [candidate], "modelVersion": answer.ask.model,
        "responseId": format!("fixture{}", answer.number)});
    if let Some(usage) = answer.usage {
        let prompt = usage.input + usage.cache_read;
        chunk["usageMetadata"] = json!({"promptTokenCount": prompt, "candidatesTokenCount": candidates,
            "thoughtsTokenCount": usage.reasoning, "cachedContentTokenCount": usage.cache_read,
            "totalTokenCount": prompt + candidates + usage.reasoning});
    }
    chunk
}

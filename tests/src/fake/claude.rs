//! Frames of Claude Code's `stream-json`, in the shapes of version 2.1.330.

use llmctl_proto::usage::Usage;
use serde_json::{Value, json};

use super::frames::Scene;
use super::options::Fail;
use crate::price;

const MESSAGE_ID: &str = "msg_fake1";
const CALL_ID: &str = "toolu_fake1";
const UUID: &str = "00000000-0000-4000-8000-0000000000ff";

pub(super) fn start(scene: &Scene) -> Vec<Value> {
    let usage = Usage { output: 1, ..scene.usage() };
    vec![
        json!({"type": "system", "subtype": "init", "cwd": "/", "session_id": scene.session_id,
            "tools": ["Bash", "Read"], "mcp_servers": [], "model": scene.model, "permissionMode": "default",
            "apiKeySource": "ANTHROPIC_API_KEY", "claude_code_version": "2.1.330", "uuid": UUID}),
        json!({"type": "system", "subtype": "status", "status": "requesting", "session_id": scene.session_id,
            "uuid": UUID}),
        event(
            scene,
            &json!({"type": "message_start", "message": {"id": MESSAGE_ID, "type": "message",
            "role": "assistant", "model": scene.model, "content": [], "stop_reason": null,
            "usage": usage_of(&usage)}}),
        ),
        event(
            scene,
            &json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        ),
    ]
}

pub(super) fn delta(scene: &Scene, text: &str) -> Value {
    let delta = json!({"type": "text_delta", "text": text});
    event(scene, &json!({"type": "content_block_delta", "index": 0, "delta": delta}))
}

/// The whole text once more, as the tool does, and the end of its block.
pub(super) fn text_done(scene: &Scene) -> Vec<Value> {
    let content = json!([{"type": "text", "text": scene.text}]);
    vec![assistant(scene, &content, false), event(scene, &json!({"type": "content_block_stop", "index": 0}))]
}

pub(super) fn call_start(scene: &Scene, number: u32) -> Value {
    let input = json!({"command": "sleep 300", "description": "Wait"});
    let id = format!("{CALL_ID}_{number}");
    assistant(scene, &json!([{"type": "tool_use", "id": id, "name": "Bash", "input": input}]), false)
}

pub(super) fn call_end(scene: &Scene, number: u32) -> Value {
    let id = format!("{CALL_ID}_{number}");
    json!({"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id,
            "content": "done", "is_error": false}]}, "parent_tool_use_id": null, "session_id": scene.session_id,
        "uuid": UUID, "tool_use_result": {"stdout": "done", "stderr": "", "interrupted": false},
        "tool_result_meta": [{"id": id, "permission_decision": {"decision": "accept", "source": "config"}}]})
}

pub(super) fn end(scene: &Scene) -> Vec<Value> {
    let mut result = result(scene, "success", "completed", false);
    result["result"] = json!(scene.text);
    result["stop_reason"] = json!("end_turn");
    result["usage"] = usage_of(&scene.usage());
    let mut frames = message_end(scene, "end_turn", &scene.usage());
    frames.push(result);
    frames
}

/// What comes after SIGINT: the partial answer, a note, stale usage, and a result without a text.
pub(super) fn interrupted(scene: &Scene, open_call: Option<u32>) -> Vec<Value> {
    let user = |content: Value| {
        json!({"type": "user", "message": {"role": "user", "content": content}, "parent_tool_use_id": null,
            "session_id": scene.session_id, "uuid": UUID})
    };
    let (note, reason) = match open_call {
        Some(_) => ("[Request interrupted by user for tool use]", "aborted_tools"),
        None => ("[Request interrupted by user]", "aborted_streaming"),
    };
    let mut frames = Vec::new();
    match open_call {
        Some(number) => frames
            .push(user(json!([{"type": "tool_result", "content": "rejected", "is_error": true,
            "tool_use_id": format!("{CALL_ID}_{number}")}]))),
        None => frames.push(assistant(scene, &json!([{"type": "text", "text": scene.text}]), true)),
    }
    frames.push(user(json!([{"type": "text", "text": note}])));
    if open_call.is_none() {
        frames.push(event(scene, &json!({"type": "content_block_stop", "index": 0})));
        // The real tool lowers the count here; a reader must not.
        frames.extend(message_end(scene, "", &Usage { output: 1, ..scene.usage() }));
    }
    let mut result = result(scene, "error_during_execution", reason, true);
    result["errors"] = json!(["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"]);
    result["usage"] = usage_of(&Usage::default());
    frames.push(result);
    frames
}

pub(super) fn failed(scene: &Scene, fail: Fail) -> Vec<Value> {
    let (status, kind, text) = match fail {
        Fail::Unauthorised => (401, "authentication_failed", "API Error: 401 invalid x-api-key"),
        Fail::RateLimit => (429, "rate_limit", "API Error: 429 This request would exceed your rate limit"),
        Fail::Overloaded => (529, "overloaded", "API Error: 529 Overloaded"),
    };
    let mut result = result(scene, "success", "api_error", true);
    result["result"] = json!(text);
    result["api_error_status"] = json!(status);
    result["usage"] = usage_of(&Usage::default());
    result["modelUsage"] = json!({});
    result["total_cost_usd"] = json!(0);
    let mut frames = start(scene);
    frames.truncate(2);
    frames.push(json!({"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 2,
        "retry_delay_ms": 10, "error_status": status, "error": kind, "session_id": scene.session_id,
        "uuid": UUID}));
    frames.push(json!({"type": "assistant", "message": {"id": "synthetic", "type": "message",
            "role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": text}],
            "usage": usage_of(&Usage::default())}, "parent_tool_use_id": null,
        "session_id": scene.session_id, "uuid": UUID, "error": kind}));
    frames.push(result);
    frames
}

fn event(scene: &Scene, event: &Value) -> Value {
    json!({"type": "stream_event", "event": event, "session_id": scene.session_id, "parent_tool_use_id": null,
        "uuid": UUID, "api_message_id": MESSAGE_ID})
}

fn assistant(scene: &Scene, content: &Value, aborted: bool) -> Value {
    let usage = usage_of(&Usage { output: 1, ..scene.usage() });
    let mut frame = json!({"type": "assistant", "message": {"id": MESSAGE_ID, "type": "message",
            "role": "assistant", "model": scene.model, "content": content, "stop_reason": null, "usage": usage},
        "parent_tool_use_id": null, "session_id": scene.session_id, "uuid": UUID, "request_id": "req_fake1"});
    if aborted {
        frame["aborted"] = json!(true);
    }
    frame
}

fn message_end(scene: &Scene, stop_reason: &str, usage: &Usage) -> Vec<Value> {
    let reason = if stop_reason.is_empty() { Value::Null } else { json!(stop_reason) };
    let usage = json!({"input_tokens": usage.input, "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m, "output_tokens": usage.output});
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    vec![
        event(scene, &json!({"type": "message_delta", "delta": delta, "usage": usage})),
        event(scene, &json!({"type": "message_stop"})),
    ]
}

fn result(scene: &Scene, subtype: &str, reason: &str, is_error: bool) -> Value {
    let usage = scene.usage();
    // The real tool prices a model it does not know like its default and says so.
    let known = price::of(&scene.model);
    let prices = known.or(price::of(super::DEFAULT_MODEL));
    let nano = prices.map_or(0, |prices| prices.nano_usd(&usage));
    let usd = nano as f64 / 1e9;
    let account = json!({"inputTokens": usage.input, "outputTokens": usage.output,
        "cacheReadInputTokens": usage.cache_read, "cacheCreationInputTokens": usage.cache_write_5m,
        "cacheCreationEphemeral5mInputTokens": usage.cache_write_5m,
        "cacheCreationEphemeral1hInputTokens": 0, "thinkingTokens": 0, "webSearchRequests": 0, "costUSD": usd,
        "contextWindow": 1_000_000, "maxOutputTokens": 128_000, "canonicalModel": scene.model,
        "provider": "firstParty", "costBasis": if known.is_some() { "list" } else { "unknown" }});
    json!({"type": "result", "subtype": subtype, "is_error": is_error, "terminal_reason": reason,
        "api_error_status": null, "duration_ms": 1, "duration_api_ms": 1, "num_turns": 1,
        "session_id": scene.session_id, "total_cost_usd": usd, "modelUsage": {&scene.model: account},
        "permission_denials": [], "stop_reason": null, "uuid": UUID})
}

fn usage_of(usage: &Usage) -> Value {
    json!({"input_tokens": usage.input, "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output, "service_tier": "standard"})
}

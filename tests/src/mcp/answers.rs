//! Frames in both eras, field for field as real servers write them.

use serde_json::{Value, json};

use super::{LEGACY, MODERN};

/// The key of the revision a modern request names.
pub(super) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// Method not found.
pub(super) const NOT_FOUND: i64 = -32601;
/// Arguments that do not fit.
pub(super) const INVALID: i64 = -32602;
/// A revision it does not speak.
pub(super) const UNSUPPORTED: i64 = -32022;

/// Who it says it is.
pub(super) fn server_info(name: &str) -> Value {
    json!({"name": name, "title": "Fake MCP server", "version": env!("CARGO_PKG_VERSION")})
}

/// An answer.
pub(super) fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// A refusal.
pub(super) fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A refusal of a revision, which names the ones it speaks.
pub(super) fn unsupported(id: &Value, requested: &str) -> Value {
    let data = json!({"supported": [MODERN], "requested": requested});
    json!({"jsonrpc": "2.0", "id": id,
           "error": {"code": UNSUPPORTED, "message": "Unsupported protocol version", "data": data}})
}

/// What a legacy handshake is answered with.
pub(super) fn initialized(name: &str, asked: &str, extras: bool) -> Value {
    // Its own version when it does not know the one that was asked for.
    let known = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY];
    let version = if known.contains(&asked) { asked } else { LEGACY };
    json!({"protocolVersion": version, "capabilities": capabilities(extras), "serverInfo": server_info(name),
           "instructions": "Does what a test says."})
}

/// What `server/discover` is answered with.
pub(super) fn discovered(name: &str, ttl: u64, extras: bool) -> Value {
    let answer = json!({"supportedVersions": [MODERN], "capabilities": capabilities(extras),
                        "instructions": "Does what a test says."});
    complete(answer, name, Some(ttl))
}

/// Adds what each modern result has, and to a list how long it may be kept.
pub(super) fn complete(mut answer: Value, name: &str, ttl: Option<u64>) -> Value {
    answer["resultType"] = json!("complete");
    answer["_meta"] = json!({SERVER_KEY: server_info(name)});
    if let Some(ttl) = ttl {
        answer["ttlMs"] = json!(ttl);
        answer["cacheScope"] = json!("private");
    }
    answer
}

/// The first message of a modern subscription.
pub(super) fn acknowledged(subscription: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
           "params": {"notifications": {"toolsListChanged": true}, "_meta": {SUBSCRIPTION_KEY: subscription}}})
}

/// A notice that the tools have changed: to a subscriber, or to everybody in the legacy protocol.
pub(super) fn tools_changed(subscription: Option<&Value>) -> Value {
    let mut notice = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    if let Some(id) = subscription {
        notice["params"] = json!({"_meta": {SUBSCRIPTION_KEY: id}});
    }
    notice
}

fn capabilities(extras: bool) -> Value {
    let mut known = json!({"tools": {"listChanged": true}});
    if extras {
        known["resources"] = json!({});
        known["prompts"] = json!({});
    }
    known
}

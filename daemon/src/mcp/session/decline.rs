//! What a server gets when it asks something of us.
//!
//! A supervisor has no user to ask, no model to sample and no files to show, and says so in the way each question
//! has for it, so that no server waits. Grants nothing.

use serde_json::{Value, json};

/// The answer to a request: a result, or a code and text of an error.
pub(super) fn answer(method: &str) -> Result<Value, (i64, &'static str)> {
    match method {
        "ping" => Ok(json!({})),
        "elicitation/create" => Ok(json!({"action": "decline"})),
        "sampling/createMessage" => Err((-1, "User rejected sampling request")),
        "roots/list" => Err((-32601, "Roots not supported")),
        _ => Err((-32601, "Method not found")),
    }
}

/// The answer to a question inside a result; none if there is no way to decline it there.
pub(super) fn input(method: &str) -> Option<Value> {
    match method {
        "elicitation/create" => Some(json!({"action": "decline"})),
        _ => None,
    }
}

//! The tools it offers: numbered ones that only echo, and a few by which a test makes things happen.

use serde_json::{Value, json};

/// Tools that act, with what they do.
const ACTING: [(&str, &str); 8] = [
    ("echo", "Gives its arguments back."),
    ("work", "Is busy for `ms` milliseconds and reads nothing meanwhile."),
    ("change", "Offers one tool more and says so `times` times."),
    ("exit", "Exits with `code` and gives no answer."),
    ("hang", "Never answers, and reads nothing any more."),
    ("huge", "Answers with a text of `bytes`."),
    ("fail", "Answers that it has failed."),
    ("pid", "Gives its process id."),
];

/// All tools: those that act, `count` numbered ones, and so many that came later.
pub(super) fn list(count: usize, added: usize) -> Vec<Value> {
    let acting = ACTING.iter().map(|(name, does)| tool(name, does));
    let numbered = (1..=count).map(|n| tool(&format!("tool-{n:04}"), "Gives its arguments back."));
    let later = (1..=added).map(|n| tool(&format!("added-{n:04}"), "Came later."));
    acting.chain(numbered).chain(later).collect()
}

/// How many tools act.
pub(super) const fn acting() -> usize {
    ACTING.len()
}

fn tool(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "title": format!("Tool {name}"),
        "description": description,
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": true},
    })
}

/// A text as the answer of a call.
pub(super) fn content(text: &str, failed: bool) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": failed})
}

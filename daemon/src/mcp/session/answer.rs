//! Calls a tool and reads what it gives.
//!
//! Goes on by itself where a modern server wants another round, as far as its questions can be declined. The
//! result stays the text that was sent.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::error::SessionError;
use super::setup::ListCaps;
use super::talk::{Ask, Talk};
use super::{bounded, decline, list};

/// Most further rounds a call may take.
const MAX_ROUNDS: usize = 5;
/// Most questions of one round.
const MAX_QUESTIONS: usize = 64;
/// Headers of a call do not match what the server wants.
const HEADER_MISMATCH: i64 = -32_020;

/// What a tool has given.
#[derive(Debug, Clone)]
pub struct ToolAnswer {
    /// The tool says that it has failed.
    pub is_error: bool,
    /// The whole result, as JSON.
    pub result: Box<RawValue>,
}

impl ToolAnswer {
    /// The texts in the result, one after the other, at most `limit` bytes.
    pub fn text(&self, limit: usize) -> String {
        #[derive(Deserialize)]
        struct Sent {
            #[serde(default)]
            content: Vec<Block>,
        }
        #[derive(Deserialize)]
        struct Block {
            #[serde(default)]
            text: Option<String>,
        }
        let sent = serde_json::from_str::<Sent>(self.result.get());
        let blocks = sent.map(|sent| sent.content).unwrap_or_default();
        let mut text = String::new();
        for block in blocks.into_iter().filter_map(|block| block.text) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&block);
            if text.len() > limit {
                break;
            }
        }
        bounded::text(text, limit)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(default)]
    result_type: Option<String>,
    #[serde(borrow, default)]
    input_requests: Option<&'a RawValue>,
    #[serde(default)]
    request_state: Option<Value>,
}

/// Calls a tool within `timeout`, all rounds together.
pub(super) async fn call(
    talk: &Talk,
    tool: &str,
    args: &Value,
    timeout: Duration,
) -> Result<ToolAnswer, SessionError> {
    let until = Instant::now() + timeout;
    let late = |error| match error {
        SessionError::Timeout { method, .. } => SessionError::Timeout { method, after: timeout },
        other => other,
    };
    let mut params = Map::from_iter([("name".to_owned(), json!(tool))]);
    if !args.is_null() {
        params.insert("arguments".to_owned(), args.clone());
    }
    let mut again = Map::new();
    for _ in 0..=MAX_ROUNDS {
        let mut params = params.clone();
        params.append(&mut again);
        let result = once(talk, tool, args, Value::Object(params), until).await.map_err(late)?;
        let sent: Sent<'_> = serde_json::from_str(result.get()).map_err(|_| SessionError::Protocol {
            message: "the answer to tools/call is not what the protocol says".to_owned(),
        })?;
        if sent.result_type.as_deref() != Some("input_required") {
            return Ok(ToolAnswer { is_error: sent.is_error.unwrap_or(false), result });
        }
        if let Some(questions) = sent.input_requests {
            again.insert("inputResponses".to_owned(), declined(questions)?);
        }
        if let Some(state) = sent.request_state {
            again.insert("requestState".to_owned(), state);
        }
    }
    Err(SessionError::Protocol { message: format!("the tool wants more than {MAX_ROUNDS} further rounds") })
}

async fn once(
    talk: &Talk,
    tool: &str,
    args: &Value,
    params: Value,
    until: Instant,
) -> Result<Box<RawValue>, SessionError> {
    let left = || until.saturating_duration_since(Instant::now());
    let ask = || {
        let mut ask = Ask::new("tools/call", params.clone());
        ask.headers = talk.tool_headers().for_call(tool, args);
        ask
    };
    match talk.ask(ask(), Some(left())).await {
        Err(SessionError::Rpc(error)) if error.code == HEADER_MISMATCH && talk.http().is_some() => {
            // The schema may have changed since it was listed.
            let caps = ListCaps { time: left(), ..ListCaps::default() };
            talk.remember(&list::tools(talk, caps).await?);
            talk.ask(ask(), Some(left())).await
        }
        answer => answer,
    }
}

fn declined(questions: &RawValue) -> Result<Value, SessionError> {
    #[derive(Deserialize)]
    struct Question {
        #[serde(default)]
        method: String,
    }
    let wrong = || SessionError::Protocol { message: "a tool's questions cannot be understood".to_owned() };
    let questions: std::collections::BTreeMap<String, Question> =
        serde_json::from_str(questions.get()).map_err(|_| wrong())?;
    if questions.len() > MAX_QUESTIONS {
        return Err(wrong());
    }
    let mut answers = Map::new();
    for (key, question) in &questions {
        let Some(answer) = decline::input(&question.method) else {
            let methods: Vec<&str> = questions.values().map(|question| question.method.as_str()).collect();
            return Err(SessionError::NeedsInput { methods: bounded::text(methods.join(", "), 256) });
        };
        answers.insert(key.clone(), answer);
    }
    Ok(Value::Object(answers))
}

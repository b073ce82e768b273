//! What a browser asks for, one message at a time.

use std::time::Duration;

use llmctl_proto::event::Stream;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::follow::{Follow, From, Until};
use super::end::End;
use super::{Carrier, Feed, MAX_FOLLOWS, MAX_MESSAGES, Step, topics};
use crate::hub::StopOrder;

/// Longest reason of a stop, in characters.
const REASON: usize = 500;
/// How long a stop that a browser asked for is followed up.
const STOP_WAIT: Duration = Duration::from_secs(60);

/// Code and sentence of a reply that is no success.
type Failed = (&'static str, String);

/// A reason in the words of whoever asked, cut.
pub(in super::super) fn reason(text: &str) -> String {
    text.chars().take(REASON).collect()
}

impl<C: Carrier> Feed<'_, C> {
    /// Counts a message against the limit of a second.
    pub(in super::super) fn count(&mut self) -> Step {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.messages = 0;
        }
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(End::Policy("more than 20 messages in a second"));
        }
        Ok(())
    }

    /// Does what a message asks for and answers it.
    pub(in super::super) async fn on_request(&mut self, request: &Value) -> Step {
        let answer = match request["type"].as_str().unwrap_or_default() {
            "ping" => {
                let pong = json!({"type": "pong", "t": request["t"], "at": UnixMs::now()});
                return self.say(&pong).await;
            }
            "subscribe" => match request["topics"].as_array() {
                Some(names) => {
                    self.topics = Some(topics(names.iter().filter_map(Value::as_str)));
                    Ok(json!({"topics": self.topics}))
                }
                None => Err(("missing_field", "subscribe needs a list of topics.".to_owned())),
            },
            "follow_output" => return self.follow(request).await,
            "unfollow_output" => {
                self.unfollow(request);
                Ok(json!({}))
            }
            "stop_operation" => self.stop(request).await,
            other => Err(("unknown_type", format!("There is no message type {other:?}."))),
        };
        self.answer(request, answer).await
    }

    async fn answer(&mut self, request: &Value, answer: Result<Value, Failed>) -> Step {
        let reply_to = &request["id"];
        let reply = match answer {
            Ok(result) => json!({"type": "reply", "reply_to": reply_to, "ok": true, "result": result}),
            Err((code, error)) => {
                json!({"type": "reply", "reply_to": reply_to, "ok": false, "code": code, "error": error})
            }
        };
        self.say(&reply).await
    }

    fn unfollow(&mut self, request: &Value) {
        let id = request["operation_id"].as_str().unwrap_or_default();
        let stream = request["stream"].as_str().and_then(stream_of);
        self.follows
            .retain(|f| f.operation_id.as_str() != id || stream.is_some_and(|stream| stream != f.stream));
    }

    async fn follow(&mut self, request: &Value) -> Step {
        let (follow, ended) = match self.begin_follow(request).await {
            Ok(begun) => begun,
            Err(failed) => return self.answer(request, Err(failed)).await,
        };
        let size = follow.size().await.unwrap_or(0);
        let result = json!({"operation_id": follow.operation_id, "offset": follow.next()});
        self.answer(request, Ok(result)).await?;
        self.follows.push(follow);
        let at = self.follows.len() - 1;
        if ended {
            // Nothing comes after what is there.
            self.catch_up(at, Until::Ended).await?;
            self.follows.pop();
        } else {
            // What is written while this is read comes as frames.
            self.catch_up(at, Until::Recorded(size)).await?;
        }
        self.carrier.flush().await
    }

    async fn begin_follow(&mut self, request: &Value) -> Result<(Follow, bool), Failed> {
        let id = request["operation_id"].as_str().unwrap_or_default();
        let operation = self.shared.deps.operations.get(id).await.map_err(|e| (e.code, e.message))?;
        let stream = match &request["stream"] {
            Value::Null => Some(Stream::Stdout),
            Value::String(name) => stream_of(name),
            _ => None,
        };
        let stream = stream.ok_or(("invalid_value", "stream must be stdout or stderr.".to_owned()))?;
        let from = match &request["from"] {
            Value::Null => Some(From::Tail),
            Value::String(tail) if tail == "tail" => Some(From::Tail),
            other => other.as_u64().map(From::Offset),
        };
        let from = from.ok_or(("invalid_value", "from must be a byte offset or \"tail\".".to_owned()))?;
        self.follows.retain(|f| f.operation_id != operation.operation_id || f.stream != stream);
        if self.follows.len() >= MAX_FOLLOWS {
            return Err(("busy", format!("At most {MAX_FOLLOWS} outputs can be followed at once.")));
        }
        let follow = Follow::begin(&self.shared.deps.paths, operation.operation_id.clone(), stream, from)
            .await
            .map_err(|_| ("internal", "The output cannot be read.".to_owned()))?;
        Ok((follow, operation.state.is_final()))
    }

    /// Starts a stop; its end shows as an event.
    async fn stop(&mut self, request: &Value) -> Result<Value, Failed> {
        let id = request["operation_id"].as_str().unwrap_or_default();
        let operation = self.shared.deps.operations.get(id).await.map_err(|e| (e.code, e.message))?;
        if operation.state.is_final() {
            return Err(("operation_ended", format!("It has already ended ({}).", operation.state.as_str())));
        }
        let order = StopOrder {
            by: "user".into(),
            via: self.via.to_owned(),
            reason: request["reason"].as_str().map(reason),
            force: request["force"].as_bool().unwrap_or(false),
            grace_ms: None,
        };
        let operations = self.shared.deps.operations.clone();
        self.shared.deps.tracker.spawn(async move {
            // Whoever asked sees the operation end.
            let _ = operations.stop(&operation.operation_id, order, STOP_WAIT).await;
        });
        Ok(json!({"state": "stopping"}))
    }
}

fn stream_of(name: &str) -> Option<Stream> {
    match name {
        "stdout" => Some(Stream::Stdout),
        "stderr" => Some(Stream::Stderr),
        _ => None,
    }
}

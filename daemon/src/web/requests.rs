//! What a browser asks over its WebSocket: topics, output to follow, a stop.

use std::time::Duration;

use llmctl_proto::event::Stream;
use llmctl_proto::ids::Cursor;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use super::follow::{Follow, From};
use super::socket::{Socket, Step, text};
use crate::hub::StopOrder;

/// Outputs one socket may follow.
pub(super) const MAX_FOLLOWS: usize = 8;

impl Socket<'_> {
    pub(super) async fn on_request(&mut self, request: &Value) -> Step {
        let answer = match request["type"].as_str().unwrap_or_default() {
            "ping" => {
                let pong = json!({"type": "pong", "t": request["t"], "at": UnixMs::now()});
                return self.send(text(&pong)).await;
            }
            "subscribe" => {
                let topics = request["topics"].as_array().cloned().unwrap_or_default();
                self.topics =
                    Some(topics.iter().filter_map(|t| t.as_str().map(str::to_owned)).take(16).collect());
                Ok(json!({}))
            }
            "follow_output" => return self.follow(request).await,
            "unfollow_output" => {
                let id = request["operation_id"].as_str().unwrap_or_default();
                let stream = request["stream"].as_str().and_then(stream_of);
                self.follows.retain(|f| {
                    f.operation_id.as_str() != id || stream.is_some_and(|stream| stream != f.stream)
                });
                Ok(json!({}))
            }
            "stop_operation" => self.stop(request).await,
            other => Err(("unknown_type", format!("There is no message type {other:?}."))),
        };
        self.answer(request, answer).await
    }

    async fn answer(&mut self, request: &Value, answer: Result<Value, (&'static str, String)>) -> Step {
        let reply_to = &request["id"];
        let reply = match answer {
            Ok(result) => json!({"type": "reply", "reply_to": reply_to, "ok": true, "result": result}),
            Err((code, error)) => {
                json!({"type": "reply", "reply_to": reply_to, "ok": false, "code": code, "error": error})
            }
        };
        self.send(text(&reply)).await
    }

    async fn follow(&mut self, request: &Value) -> Step {
        let begun = self.begin_follow(request).await;
        let answer = match &begun {
            Ok(follow) => Ok(json!({"offset": follow.next()})),
            Err((code, error)) => Err((*code, error.clone())),
        };
        self.answer(request, answer).await?;
        if let Ok(mut follow) = begun {
            let cursor = Cursor { epoch: self.subscription.cursor.epoch, seq: self.seen };
            for json in follow.read_recorded(&cursor).await {
                self.feed(json).await?;
            }
            self.follows.push(follow);
            self.flush().await?;
        }
        Ok(())
    }

    async fn begin_follow(&mut self, request: &Value) -> Result<Follow, (&'static str, String)> {
        let id = request["operation_id"].as_str().unwrap_or_default();
        let operation = self.shared.deps.operations.get(id).await.map_err(|e| (e.code, e.message))?;
        let stream = match request["stream"].as_str() {
            None => Stream::Stdout,
            Some(name) => {
                stream_of(name).ok_or(("invalid_value", "stream must be stdout or stderr.".to_owned()))?
            }
        };
        let from = match &request["from"] {
            Value::Number(offset) => From::Offset(offset.as_u64().unwrap_or(0)),
            _ => From::Tail,
        };
        self.follows.retain(|f| f.operation_id != operation.operation_id || f.stream != stream);
        if self.follows.len() >= MAX_FOLLOWS {
            return Err(("busy", format!("At most {MAX_FOLLOWS} outputs can be followed at once.")));
        }
        Follow::begin(&self.shared.deps.paths, operation.operation_id.clone(), stream, from)
            .await
            .map_err(|_| ("internal", "The output cannot be read.".to_owned()))
    }

    /// Starts a stop; its end shows as an event.
    async fn stop(&mut self, request: &Value) -> Result<Value, (&'static str, String)> {
        let id = request["operation_id"].as_str().unwrap_or_default();
        let operation = self.shared.deps.operations.get(id).await.map_err(|e| (e.code, e.message))?;
        if operation.state.is_final() {
            return Err(("operation_ended", format!("It has already ended ({}).", operation.state.as_str())));
        }
        let order = StopOrder {
            via: self.via.to_owned(),
            reason: request["reason"].as_str().map(|reason| reason.chars().take(500).collect()),
            force: request["force"].as_bool().unwrap_or(false),
            grace_ms: None,
        };
        let operations = self.shared.deps.operations.clone();
        self.shared.deps.tracker.spawn(async move {
            // Whoever asked sees the operation end.
            let _ = operations.stop(&operation.operation_id, order, Duration::from_secs(60)).await;
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

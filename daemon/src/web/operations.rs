//! REST on operations: list, one, its recorded output, and the verbs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, HeaderValue, LINK, RANGE};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::event::{Envelope, Event, Stream};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::state::Operation;
use serde_json::{Value, json};

use super::files::{read_at, whole_characters};
use super::reply::{self, Reply};
use super::routes::{limit, not_allowed, percent_decode, query};
use super::serve::{Ctx, json_body};
use super::session::Caller;
use crate::hub::StopOrder;
use crate::operations::VerbError;
use crate::store::{EventQuery, OperationQuery};

/// How long `stop` waits for the end before it answers that the stop is under way.
const STOP_WAIT_MS: u64 = 20_000;
/// Most that one range answers.
const RANGE_BYTES: u64 = 4 * 1024 * 1024;
/// Stored facts of one operation that are looked through for its decisions and calls.
const FACTS: usize = 2_000;
/// Tool calls that are listed.
const CALLS: usize = 200;
/// Longest line that is shown.
const LINE_BYTES: usize = 16 * 1024;

/// Routes below `/api/operations`.
pub(super) async fn route(
    ctx: &Ctx,
    request: Request<Incoming>,
    caller: Option<Caller>,
    rest: &[&str],
) -> Reply {
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = *request.method() == Method::POST;
    match rest {
        [] if get => list(ctx, &request).await,
        [] => not_allowed("GET, HEAD"),
        ["stop"] if post => stop_all(ctx, request, caller).await,
        ["stop"] => not_allowed("POST"),
        [id, rest @ ..] => {
            let operation = match ctx.shared.deps.operations.get(&percent_decode(id)).await {
                Ok(operation) => operation,
                Err(error) => return reply::verb_error(&error),
            };
            let dir = OperationDir::of(&ctx.shared.deps.paths, &operation.operation_id);
            match rest {
                [] if get => one(ctx, &operation).await,
                ["output"] if get => output(&request, &operation, &dir).await,
                ["lines"] if get => lines(&request, &operation, &dir).await,
                ["journal"] if get => whole(dir.journal(), "application/jsonl; charset=utf-8").await,
                ["partial", name] if get => partial(&dir, name).await,
                ["stop"] if post => stop(ctx, request, caller, &operation).await,
                ["pause"] if post => suspend(ctx, request, &operation, true).await,
                ["resume"] if post => suspend(ctx, request, &operation, false).await,
                [] | ["output" | "lines" | "journal"] | ["partial", _] => not_allowed("GET, HEAD"),
                ["stop" | "pause" | "resume"] => not_allowed("POST"),
                _ => reply::not_found(),
            }
        }
    }
}

struct Filter {
    states: Vec<String>,
    tools: Vec<String>,
    models: Vec<String>,
    agents: Vec<String>,
    text: Option<String>,
    after: Option<String>,
}

impl Filter {
    fn of(request: &Request<Incoming>) -> Self {
        Self {
            states: query(request, "state"),
            tools: query(request, "tool"),
            models: query(request, "model"),
            agents: query(request, "agent"),
            text: query(request, "q").pop(),
            after: query(request, "after").pop(),
        }
    }

    fn wants(&self, operation: &Operation) -> bool {
        let is = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|w| w == value))
        };
        let text = self.text.as_ref().is_none_or(|text| {
            operation.operation_id.as_str().contains(text.as_str())
                || operation.agent.as_ref().is_some_and(|agent| agent.contains(text.as_str()))
                || operation.error.as_ref().is_some_and(|error| error.message.contains(text.as_str()))
        });
        is(&self.states, Some(operation.state.as_str()))
            && is(&self.tools, operation.tool.as_deref())
            && is(&self.models, operation.model.as_deref())
            && is(&self.agents, operation.agent.as_deref())
            && text
            && self.after.as_ref().is_none_or(|after| operation.operation_id.as_str() < after.as_str())
    }
}

async fn list(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let limit = match limit(request, 50, 500) {
        Ok(limit) => limit,
        Err(reply) => return *reply,
    };
    let filter = Filter::of(request);
    let deps = &ctx.shared.deps;
    let known = match deps.hub.list().await {
        Ok((known, _)) => known,
        Err(error) => return reply::stopping(error),
    };
    let mut found: Vec<Operation> =
        known.iter().filter(|o| filter.wants(o)).take(limit + 1).cloned().collect();
    if found.len() <= limit && known.len() >= llmctl_proto::state::ENDED_KEPT {
        let oldest = known.last().map(|o| o.operation_id.clone());
        let wanted = filter.after.as_ref().and_then(|after| after.parse().ok());
        let before = [oldest, wanted].into_iter().flatten().min();
        match deps
            .store
            .operations(OperationQuery { before, limit: 5_000, ..OperationQuery::default() })
            .await
        {
            Ok(older) => {
                let room = limit + 1 - found.len();
                found.extend(older.into_iter().filter(|o| filter.wants(o)).take(room));
            }
            Err(error) => return reply::store_gone(error),
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let mut reply = reply::ok(&found);
    if let (true, Some(last)) = (more, found.last()) {
        let next = format!("</api/operations?after={}&limit={limit}>; rel=\"next\"", last.operation_id);
        if let Ok(next) = HeaderValue::from_str(&next) {
            reply.headers_mut().insert(LINK, next);
        }
    }
    reply
}

async fn one(ctx: &Ctx, operation: &Operation) -> Reply {
    let query = EventQuery {
        operation_id: Some(operation.operation_id.clone()),
        limit: FACTS,
        newest: true,
        ..EventQuery::default()
    };
    let facts = match ctx.shared.deps.store.events(query).await {
        Ok(facts) => facts,
        Err(error) => return reply::store_gone(error),
    };
    let events: Vec<Event> =
        facts.iter().filter_map(|json| Some(Envelope::from_json(json).ok()?.event)).collect();
    let routing: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::RoutingDecision(decision) = event { Some(decision) } else { None })
        .collect();
    let mut body = serde_json::to_value(operation).unwrap_or_default();
    body["routing"] = serde_json::to_value(&routing).unwrap_or_default();
    body["calls"] = calls(&events).into();
    reply::ok(&body)
}

/// Calls with their results, newest first.
fn calls(events: &[Event]) -> Vec<Value> {
    let mut order: Vec<Value> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for event in events {
        match event {
            Event::ToolInvoked(call) => {
                at.insert(&call.call_id, order.len());
                order.push(json!({
                    "call_id": call.call_id, "name": call.name, "kind": call.kind, "server_name": call.server_name,
                    "summary": call.summary, "input_bytes": call.input_bytes, "ok": null, "duration_ms": null,
                    "output_bytes": null, "exit_code": null,
                }));
            }
            Event::ToolResponded(result) => {
                if let Some(call) = at.get(result.call_id.as_str()).and_then(|at| order.get_mut(*at)) {
                    call["ok"] = result.ok.into();
                    call["duration_ms"] = result.duration_ms.into();
                    call["output_bytes"] = result.output_bytes.into();
                    call["exit_code"] = result.exit_code.into();
                }
            }
            _ => {}
        }
    }
    order.reverse();
    order.truncate(CALLS);
    order
}

fn stream_of(request: &Request<Incoming>) -> Result<Stream, Box<Reply>> {
    match query(request, "stream").pop().as_deref() {
        None | Some("stdout") => Ok(Stream::Stdout),
        Some("stderr") => Ok(Stream::Stderr),
        Some(_) => Err(Box::new(reply::bad("invalid_value", "stream must be stdout or stderr."))),
    }
}

/// A byte range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64, Option<u64>),
    Last(u64),
}

fn parse_range(text: &str) -> Option<Wanted> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Wanted::Last(last.parse().ok()?)),
        (first, "") => Some(Wanted::From(first.parse().ok()?, None)),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Wanted::From(first, Some(last)))
        }
    }
}

async fn output(request: &Request<Incoming>, operation: &Operation, dir: &OperationDir) -> Reply {
    let stream = match stream_of(request) {
        Ok(stream) => stream,
        Err(reply) => return *reply,
    };
    let path = dir.stream(stream);
    let size = tokio::fs::metadata(&path).await.map_or(0, |meta| meta.len());
    let complete = operation.state.is_final();
    let range = request.headers().get(RANGE).and_then(|value| value.to_str().ok()).and_then(parse_range);
    let (start, end) = match range {
        None => (0, size),
        Some(Wanted::Last(count)) => (size.saturating_sub(count), size),
        Some(Wanted::From(start, last)) => {
            (start, last.map_or(size, |last| last.saturating_add(1)).min(size))
        }
    };
    if range.is_some() && (start > size || (start == size && complete && start > 0)) {
        let text = "The range begins behind the end of the output.";
        let mut reply = reply::error(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", text, None);
        if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
            reply.headers_mut().insert(CONTENT_RANGE, value);
        }
        return reply;
    }
    let wanted = end.saturating_sub(start).min(RANGE_BYTES);
    let Ok((bytes, _)) = read_at(path, start, wanted as usize).await else {
        return reply::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The output cannot be read.",
            None,
        );
    };
    let sent = bytes.len() as u64;
    let partial = range.is_some() || sent < size;
    let status = if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut reply = reply::bytes(status, "text/plain; charset=utf-8", bytes);
    let headers = reply.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("x-output-complete", HeaderValue::from_static(if complete { "true" } else { "false" }));
    if partial && sent > 0 {
        let value = format!("bytes {start}-{}/{size}", start + sent - 1);
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(CONTENT_RANGE, value);
        }
    }
    reply
}

async fn lines(request: &Request<Incoming>, operation: &Operation, dir: &OperationDir) -> Reply {
    let stream = match stream_of(request) {
        Ok(stream) => stream,
        Err(reply) => return *reply,
    };
    let limit = match limit(request, 500, 5_000) {
        Ok(limit) => limit,
        Err(reply) => return *reply,
    };
    let path = dir.stream(stream);
    let size = tokio::fs::metadata(&path).await.map_or(0, |meta| meta.len());
    let start = size.saturating_sub(RANGE_BYTES);
    let Ok((bytes, _)) = read_at(path, start, RANGE_BYTES as usize).await else {
        return reply::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The output cannot be read.",
            None,
        );
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let first = all.len().saturating_sub(limit);
    let lines: Vec<Value> = all[first..]
        .iter()
        .enumerate()
        .map(|(n, line)| {
            let truncated = line.len() > LINE_BYTES;
            let cut = if truncated { whole_characters(&line.as_bytes()[..LINE_BYTES]) } else { line.len() };
            json!({"n": first + n, "stream": stream, "text": line.get(..cut), "truncated": truncated})
        })
        .collect();
    reply::ok(&json!({"lines": lines, "next": all.len(), "complete": operation.state.is_final()}))
}

async fn whole(path: std::path::PathBuf, content_type: &'static str) -> Reply {
    match read_at(path, 0, 64 * 1024 * 1024).await {
        Ok((bytes, _)) => reply::bytes(StatusCode::OK, content_type, bytes),
        Err(_) => {
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The file cannot be read.", None)
        }
    }
}

async fn partial(dir: &OperationDir, name: &str) -> Reply {
    const FILES: [&str; 4] = ["journal.jsonl", "output.txt", "raw.jsonl", "stderr.txt"];
    let Some(name) = FILES.iter().find(|known| **known == name) else { return reply::not_found() };
    let mut reply = whole(dir.root().join(name), "text/plain; charset=utf-8").await;
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}-{name}\"", dir.id)) {
        reply.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    reply
}

fn order(body: &Value, caller: Option<&Caller>) -> StopOrder {
    StopOrder {
        via: if matches!(caller, Some(Caller::Browser(_))) { "page" } else { "api" }.to_owned(),
        reason: body["reason"].as_str().map(|reason| reason.chars().take(500).collect()),
        force: body["force"].as_bool().unwrap_or(false),
        grace_ms: body["grace_ms"].as_u64(),
    }
}

async fn stop(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>, operation: &Operation) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let wait = Duration::from_millis(body["wait_ms"].as_u64().unwrap_or(STOP_WAIT_MS).min(60_000));
    let order = order(&body, caller.as_ref());
    match ctx.shared.deps.operations.stop(&operation.operation_id, order, wait).await {
        Ok(operation) => reply::ok(&operation),
        Err(VerbError { code: "timeout", operation: Some(operation), .. }) => {
            reply::json(StatusCode::ACCEPTED, &operation)
        }
        Err(error) => reply::verb_error(&error),
    }
}

async fn stop_all(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let (state, tool) = (body["state"].as_str(), body["tool"].as_str());
    if state.is_none() && tool.is_none() && body["all"] != true {
        return reply::bad("missing_field", "An empty filter needs \"all\": true.");
    }
    let known = match ctx.shared.deps.hub.list().await {
        Ok((known, _)) => known,
        Err(error) => return reply::stopping(error),
    };
    let order = order(&body, caller.as_ref());
    let mut stopping = Vec::new();
    for operation in known.into_iter().filter(|o| !o.state.is_final()) {
        let wanted = state.is_none_or(|state| state == operation.state.as_str())
            && tool.is_none_or(|tool| operation.tool.as_deref() == Some(tool));
        if !wanted {
            continue;
        }
        stopping.push(operation.operation_id.to_string());
        let (operations, order) = (ctx.shared.deps.operations.clone(), order.clone());
        ctx.shared.deps.tracker.spawn(async move {
            // Whoever asked watches the operations end; there is nobody left to tell of a failure here.
            let _ =
                operations.stop(&operation.operation_id, order, Duration::from_millis(STOP_WAIT_MS)).await;
        });
    }
    reply::json(StatusCode::ACCEPTED, &json!({"stopping": stopping}))
}

async fn suspend(ctx: &Ctx, request: Request<Incoming>, operation: &Arc<Operation>, suspend: bool) -> Reply {
    if let Err(reply) = json_body(request).await {
        return reply;
    }
    match ctx.shared.deps.operations.suspend(&operation.operation_id, suspend).await {
        Ok(operation) => reply::ok(&operation),
        Err(error) => reply::verb_error(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-99"), Some(Wanted::From(0, Some(99))));
        assert_eq!(parse_range("bytes=100-"), Some(Wanted::From(100, None)));
        assert_eq!(parse_range("bytes=-500"), Some(Wanted::Last(500)));
        for bad in ["bytes=9-1", "bytes=", "bytes=a-b", "items=0-1", "bytes=0-1,2-3"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}

//! REST on task files: lists from kept bodies, one task, statistics, history and lint. Changes are `task_edits`'s,
//! and `POST /api/tasks/{id}/run` is `task_runs`'s.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::event::{Envelope, TaskEvent};
use llmctl_proto::task::{MAX_ID_BYTES, Task};
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use super::reply::{self, Reply};
use super::routes::{dollars, not_allowed, percent_decode, query};
use super::serve::Ctx;
use super::session::Caller;
use super::{task_edits, task_runs};
use crate::board::{BoardError, Fields, List, Query, findings};
use crate::store::EventQuery;

/// Stored facts that are looked through for the history of one task.
const FACTS: usize = 5_000;
/// Events of one task that are given, the newest.
const HISTORY: usize = 200;

/// Routes below `/api/tasks`.
pub(super) async fn route(
    ctx: &Ctx,
    request: Request<Incoming>,
    caller: Option<Caller>,
    rest: &[&str],
) -> Reply {
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let (post, patch) = (*request.method() == Method::POST, *request.method() == Method::PATCH);
    match rest {
        [] if get => board(ctx, &request).await,
        [] if post => task_edits::create(ctx, request, caller).await,
        [] => not_allowed("GET, HEAD, POST"),
        ["finished"] if get => finished(ctx, &request).await,
        ["lint"] if get => lint(ctx, &request).await,
        ["finished" | "lint"] => not_allowed("GET, HEAD"),
        [id, rest @ ..] => {
            let id = match task_id(id) {
                Ok(id) => id,
                Err(reply) => return *reply,
            };
            match rest {
                [] if get => one(ctx, &request, &id).await,
                [] if patch => task_edits::set(ctx, request, caller, &id).await,
                ["history"] if get => history(ctx, &request, &id).await,
                ["priority"] if patch => task_edits::priority(ctx, request, caller, &id).await,
                ["run"] if post => task_runs::run(ctx, request, caller, &id).await,
                [verb] if post && task_edits::is_verb(verb) => {
                    task_edits::verb(ctx, request, caller, &id, verb).await
                }
                [] => not_allowed("GET, HEAD, PATCH"),
                ["history"] => not_allowed("GET, HEAD"),
                ["priority"] => not_allowed("PATCH"),
                ["run"] => not_allowed("POST"),
                [verb] if task_edits::is_verb(verb) => not_allowed("POST"),
                _ => reply::not_found(),
            }
        }
    }
}

/// The id in a path: 1 to 200 bytes without control characters, of which every one may be percent-encoded.
fn task_id(segment: &str) -> Result<String, Box<Reply>> {
    // A plus sign is a plus sign in a path.
    let plain: Cow<'_, str> =
        if segment.contains('+') { segment.replace('+', "%2B").into() } else { segment.into() };
    let id = percent_decode(&plain);
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
        let text = "An id is 1 to 200 bytes without control characters.";
        return Err(Box::new(reply::bad("invalid_id", text)));
    }
    Ok(id)
}

pub(super) fn project(request: &Request<Incoming>) -> Option<String> {
    query(request, "project").pop()
}

async fn board(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let fields = match query(request, "fields").pop().as_deref() {
        None | Some("all") => Fields::All,
        Some("card") => Fields::Card,
        Some(_) => return reply::bad("invalid_value", "fields is all or card."),
    };
    let list = match query(request, "include_done").pop().as_deref() {
        None | Some("true" | "1") => List::Board,
        Some("false" | "0") => List::Open,
        Some(_) => return reply::bad("invalid_value", "include_done is true or false."),
    };
    listed(ctx, request, Query { list, fields, project: project(request) }).await
}

async fn finished(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let flat = matches!(query(request, "flat").pop().as_deref(), Some("true" | "1"));
    let list = if flat { List::FinishedFlat } else { List::Finished };
    listed(ctx, request, Query { list, fields: Fields::All, project: project(request) }).await
}

async fn listed(ctx: &Ctx, request: &Request<Incoming>, query: Query) -> Reply {
    match ctx.shared.deps.board.list(query).await {
        Ok(rendered) => tagged(request, &rendered.etag, || rendered.body.clone()),
        Err(error) => failed(&error),
    }
}

/// An answer with its tag, or that nothing changed.
fn tagged(request: &Request<Incoming>, etag: &str, body: impl FnOnce() -> Bytes) -> Reply {
    let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let same = known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    });
    let mut reply = if same {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes(StatusCode::OK, "application/json; charset=utf-8", body())
    };
    tag(&mut reply, etag);
    reply
}

pub(super) fn tag(reply: &mut Reply, etag: &str) {
    if let Ok(value) = HeaderValue::from_str(etag) {
        reply.headers_mut().insert(ETAG, value);
    }
}

async fn one(ctx: &Ctx, request: &Request<Incoming>, id: &str) -> Reply {
    match ctx.shared.deps.board.show(id, project(request).as_deref(), false).await {
        Ok((found, task)) => {
            let mut reply = reply::ok(&task);
            tag(&mut reply, &format!("\"{}\"", found.raw.rev()));
            reply
        }
        Err(error) => failed(&error),
    }
}

/// Counts of the board and sums of the ledger, both from memory.
pub(super) async fn stats(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let deps = &ctx.shared.deps;
    let overview = match deps.hub.overview().await {
        Ok(overview) => overview,
        Err(error) => return reply::stopping(error),
    };
    let counts = deps.board.scanned().await.counts(project(request).as_deref());
    reply::ok(&json!({
        "tasks": counts,
        "costs": {
            "today": dollars(overview.today_nano_usd),
            "month": dollars(overview.month_nano_usd),
            "total": dollars(overview.total_nano_usd),
            "today_nano_usd": overview.today_nano_usd,
            "month_nano_usd": overview.month_nano_usd,
            "total_nano_usd": overview.total_nano_usd,
            "timezone": overview.timezone,
        },
        "timestamp": UnixMs::now(),
    }))
}

async fn lint(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let (view, project) = (ctx.shared.deps.board.scanned().await, project(request));
    match tokio::task::spawn_blocking(move || findings(&view, project.as_deref())).await {
        Ok(findings) => reply::ok(&json!({"findings": findings, "timestamp": UnixMs::now()})),
        Err(_) => failed(&BoardError::Failed),
    }
}

/// The stored events of one task, oldest first.
async fn history(ctx: &Ctx, request: &Request<Incoming>, id: &str) -> Reply {
    let deps = &ctx.shared.deps;
    let found = deps.board.scanned().await.find(id, project(request).as_deref(), false);
    let name = match &found {
        Ok(found) => Task::new(&found.raw).id().value.to_owned(),
        // One that is no longer there has its history all the same.
        Err(BoardError::Find(llmctl_proto::task::FindError::NotFound(_))) => id.to_owned(),
        Err(error) => return failed(error),
    };
    let query = EventQuery { limit: FACTS, newest: true, ..EventQuery::default() };
    let facts = match deps.store.events(query).await {
        Ok(facts) => facts,
        Err(error) => return reply::store_gone(error),
    };
    let ours = |json: &&String| {
        json.contains("\"type\":\"task.")
            && Envelope::from_json(json)
                .ok()
                .and_then(|envelope| TaskEvent::from_event(&envelope.event))
                .is_some_and(|event| event.subject().0 == name)
    };
    let events: Vec<Value> =
        facts.iter().filter(ours).filter_map(|json| serde_json::from_str(json).ok()).collect();
    if events.is_empty() && found.is_err() {
        return failed(&BoardError::Find(llmctl_proto::task::FindError::NotFound(id.to_owned())));
    }
    let from = events.len().saturating_sub(HISTORY);
    reply::ok(&json!({"task_id": name, "events": events[from..]}))
}

/// An error of the board as an answer.
pub(super) fn failed(error: &BoardError) -> Reply {
    let code = error.code();
    let status = match code {
        "task_not_found" => StatusCode::NOT_FOUND,
        "invalid_value" | "missing_field" => StatusCode::BAD_REQUEST,
        "write_failed" | "internal" => StatusCode::INTERNAL_SERVER_ERROR,
        "busy" | "stopping" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    reply::json(status, &told(error, code))
}

pub(super) fn told(error: &BoardError, code: &str) -> Value {
    use llmctl_proto::task::FindError;
    let mut body = json!({"error": error.to_string(), "code": code});
    if let Some(hint) = error.hint() {
        body["hint"] = hint.into();
    }
    match error {
        BoardError::Find(FindError::NotFound(id)) => {
            body["error"] = format!("Task not found: {id}").into();
            body["detail"] = json!({"task_id": id});
        }
        BoardError::Find(FindError::Ambiguous { text, paths, count }) => {
            body["detail"] = json!({"task_id": text, "paths": paths, "count": count});
        }
        BoardError::Changed { path, seen, current, .. } => {
            body["detail"] = json!({"path": path, "seen": seen, "rev": current});
        }
        _ => {}
    }
    let values = error.values();
    if !values.is_empty() {
        let values =
            values.iter().map(|(key, theirs, ours)| json!({"key": key, "current": theirs, "wanted": ours}));
        body["detail"]["values"] = values.collect();
    }
    body
}

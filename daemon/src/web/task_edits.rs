//! REST that changes task files: priority, single keys, the verbs, new tasks. Each answer comes when the board shows
//! the change.

use http::header::IF_MATCH;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::task::{NewTask, Task, Verb};
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use super::reply::{self, Refused, Reply};
use super::serve::{Ctx, json_body};
use super::session::Caller;
use super::tasks::{failed, project, tag, told};
use crate::board::{Act, BoardError, Carried, Fields, VERBS, Wish};

/// Priorities that can be set.
const PRIORITIES: [&str; 5] = ["critical", "high", "medium", "low", "normal"];
/// Keys that one request may set.
const MAX_KEYS: usize = 16;
/// Artefacts that one request may name.
const MAX_ARTEFACTS: usize = 200;

/// A change as a request asks for it.
pub(super) struct Change {
    pub(super) project: Option<String>,
    /// Version that the sender saw, by `If-Match`.
    pub(super) rev: Option<String>,
    actor: &'static str,
    force: Option<String>,
}

/// Verbs with an address of their own; `set` and `priority` have others.
pub(super) fn is_verb(name: &str) -> bool {
    VERBS.contains(&name) && !matches!(name, "set" | "priority")
}

pub(super) async fn priority(
    ctx: &Ctx,
    request: Request<Incoming>,
    caller: Option<Caller>,
    id: &str,
) -> Reply {
    let (mut change, body) = match read(request, caller.as_ref()).await {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let priority = match &body["priority"] {
        Value::Null => return reply::bad("missing_field", "The body needs a priority."),
        Value::String(word) if PRIORITIES.contains(&word.to_ascii_lowercase().as_str()) => word.clone(),
        _ => {
            let text = "priority is one of CRITICAL, HIGH, MEDIUM, LOW, normal.";
            return reply::bad("invalid_value", text);
        }
    };
    if let Some(seen) = body.get("last_modified").filter(|seen| !seen.is_null()) {
        match last_modified(ctx, &change, id, seen).await {
            Ok(rev) => change.rev = change.rev.or(Some(rev)),
            Err(reply) => return *reply,
        }
    }
    carry_out(ctx, &change, id, Verb::Priority { priority }).await
}

/// The version of the file if it is the one whose time of change was seen.
async fn last_modified(ctx: &Ctx, change: &Change, id: &str, seen: &Value) -> Result<String, Refused> {
    let view = ctx.shared.deps.board.scanned().await;
    let found = view.find(id, change.project.as_deref(), false).map_err(|error| failed(&error))?;
    let task = Task::new(&found.raw);
    let written = task.get("last_modified").and_then(|node| node.text()).map(str::to_owned);
    let modified = UnixMs(i64::try_from(found.raw.stat.mtime_ns / 1_000_000).unwrap_or(0));
    let modified = serde_json::to_value(modified).unwrap_or_default();
    if modified == *seen || written.as_deref() == seen.as_str() && written.is_some() {
        return Ok(found.raw.rev());
    }
    let current = written.map_or(modified, Value::from);
    let body = json!({
        "error": "The task has changed since you saw it.", "code": "conflict",
        "detail": {"task_id": id, "values": [{"key": "last_modified", "current": current, "wanted": seen}]},
    });
    Err(Box::new(reply::json(StatusCode::CONFLICT, &body)))
}

/// `PATCH` with `{"set": {key: scalar}}`: one change after the other, each verified.
pub(super) async fn set(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>, id: &str) -> Reply {
    let (mut change, body) = match read(request, caller.as_ref()).await {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let Some(keys) = body["set"].as_object().filter(|keys| !keys.is_empty()) else {
        return reply::bad("missing_field", "The body needs \"set\": {key: value}.");
    };
    if keys.len() > MAX_KEYS {
        return reply::bad("invalid_value", &format!("At most {MAX_KEYS} keys at once."));
    }
    let mut verbs = Vec::with_capacity(keys.len());
    for (key, value) in keys {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                return reply::bad(
                    "invalid_value",
                    &format!("{key:?} needs a text, a number or a truth value."),
                );
            }
        };
        verbs.push(Verb::Set { key: key.clone(), value });
    }
    let mut last = None;
    for verb in verbs {
        match act(ctx, &change, id, verb).await {
            Ok(carried) => {
                // Between two of them nobody else may have written, if the sender wanted to know.
                change.rev = change.rev.map(|_| carried.raw.rev());
                last = Some(carried);
            }
            Err(error) => return refused(&error, &change),
        }
    }
    match last {
        Some(carried) => success(ctx, StatusCode::OK, &carried).await,
        None => reply::bad("missing_field", "The body sets nothing."),
    }
}

pub(super) async fn verb(
    ctx: &Ctx,
    request: Request<Incoming>,
    caller: Option<Caller>,
    id: &str,
    name: &str,
) -> Reply {
    let (change, body) = match read(request, caller.as_ref()).await {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let wish = match wish(name, &body, change.force.is_some()) {
        Ok(wish) => wish,
        Err(reply) => return *reply,
    };
    match wish.verb() {
        Ok(verb) => carry_out(ctx, &change, id, verb).await,
        Err(refusal) => failed(&refusal.into()),
    }
}

/// What a body says of a verb: `agent`; `reason`, `message`, `summary` or `text`; `artefacts`; `to_inbox`.
fn wish(name: &str, body: &Value, force: bool) -> Result<Wish, Refused> {
    let text = |key: &str| match &body[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Box::new(reply::bad("invalid_value", &format!("{key} must be a text.")))),
    };
    let agent = text("agent")?;
    if matches!(name, "claim" | "assign") && agent.is_none() {
        return Err(Box::new(reply::bad("missing_field", "The body needs an agent.")));
    }
    let key = match name {
        "fail" => "message",
        "complete" => "summary",
        "note" => "text",
        _ => "reason",
    };
    let said = text(key)?;
    if matches!(name, "block" | "fail" | "cancel" | "freeze" | "note") && said.is_none() {
        return Err(Box::new(reply::bad("missing_field", &format!("The body needs a {key}."))));
    }
    let artefacts = match &body["artefacts"] {
        Value::Null => Vec::new(),
        value => serde_json::from_value::<Vec<String>>(value.clone())
            .ok()
            .filter(|list| list.len() <= MAX_ARTEFACTS)
            .ok_or_else(|| Box::new(reply::bad("invalid_value", "artefacts must be a list of texts.")))?,
    };
    Ok(Wish {
        verb: name.to_owned(),
        agent: agent.unwrap_or_default(),
        text: said.unwrap_or_default(),
        key: String::new(),
        artefacts,
        to_inbox: body["to_inbox"] == true,
        force,
    })
}

pub(super) async fn create(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>) -> Reply {
    let (change, body) = match read(request, caller.as_ref()).await {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let text = |key: &str| match &body[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        _ => Err(Box::new(reply::bad("invalid_value", &format!("{key} must be a text.")))),
    };
    let fields = ["title", "agent", "priority", "description"].map(text);
    let [title, agent, priority, description] = match all(fields) {
        Ok(fields) => fields,
        Err(reply) => return *reply,
    };
    let Some(title) = title else { return reply::bad("missing_field", "The body needs a title.") };
    let created_by = Some("dashboard".to_owned());
    let new = NewTask {
        title,
        agent,
        priority,
        description,
        created_by,
        assign: body["assign"] == true,
        template: None,
    };
    let carried =
        ctx.shared.deps.board.carry_out(change.project.as_deref(), Act::Create(new), change.actor).await;
    match carried {
        Ok(carried) => success(ctx, StatusCode::CREATED, &carried).await,
        Err(error) => failed(&error),
    }
}

fn all<T: Default, const N: usize>(fields: [Result<T, Refused>; N]) -> Result<[T; N], Refused> {
    let mut good = std::array::from_fn(|_| T::default());
    for (slot, field) in good.iter_mut().zip(fields) {
        *slot = field?;
    }
    Ok(good)
}

/// What every change has: project, version, author, force. Then the body.
pub(super) async fn read(
    request: Request<Incoming>,
    caller: Option<&Caller>,
) -> Result<(Change, Value), Refused> {
    let (project, rev) = (project(&request), if_match(request.headers()));
    let body = json_body(request).await.map_err(Box::new)?;
    let force = match &body["force"] {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => match body["force_reason"].as_str().map(str::trim) {
            Some(reason) if !reason.is_empty() => Some(reason.to_owned()),
            _ => return Err(Box::new(reply::bad("missing_field", "force needs a force_reason."))),
        },
        _ => return Err(Box::new(reply::bad("invalid_value", "force must be true or false."))),
    };
    Ok((Change { project, rev, actor: caller.map_or("api", Caller::via), force }, body))
}

/// The version of `If-Match`; `*` is any.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(IF_MATCH)?.to_str().ok()?.trim();
    let tag = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    (tag != "*").then(|| tag.to_owned())
}

async fn act(ctx: &Ctx, change: &Change, id: &str, verb: Verb) -> Result<Carried, BoardError> {
    let act = Act::Verb {
        target: id.to_owned(),
        prefix: false,
        verb,
        rev: change.rev.clone(),
        force: change.force.clone(),
        cost: None,
    };
    ctx.shared.deps.board.carry_out(change.project.as_deref(), act, change.actor).await
}

async fn carry_out(ctx: &Ctx, change: &Change, id: &str, verb: Verb) -> Reply {
    match act(ctx, change, id, verb).await {
        Ok(carried) => success(ctx, StatusCode::OK, &carried).await,
        Err(error) => refused(&error, change),
    }
}

/// A version that was demanded and is not there is a failed precondition, anything else a conflict.
pub(super) fn refused(error: &BoardError, change: &Change) -> Reply {
    if matches!(error, BoardError::Changed { .. }) && change.rev.is_some() {
        return reply::json(StatusCode::PRECONDITION_FAILED, &told(error, "precondition_failed"));
    }
    failed(error)
}

async fn success(ctx: &Ctx, status: StatusCode, carried: &Carried) -> Reply {
    let listed = match ctx.shared.deps.board.listed(carried, Fields::All).await {
        Ok(listed) => listed,
        Err(error) => return failed(&error),
    };
    let body = format!("{{\"success\":true,\"task\":{listed}}}");
    let mut reply = reply::bytes(status, "application/json; charset=utf-8", body);
    tag(&mut reply, &format!("\"{}\"", carried.raw.rev()));
    reply
}

//! REST on operations: one with its decisions and calls, and the verbs. Lists are `listing`'s, files `recorded`'s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::event::{Envelope, Event, RoutingDecision};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::state::Operation;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::recorded::{self, Asked};
use super::reply::{self, Reply};
use super::routes::{limit, not_allowed, percent_decode};
use super::serve::{Ctx, json_body};
use super::session::Caller;
use super::{costs, feed, listing, retries};
use crate::hub::StopOrder;
use crate::operations::VerbError;
use crate::store::EventQuery;

/// How long `stop` waits for the end before it answers that the stop is under way.
const STOP_WAIT_MS: u64 = 20_000;
/// Longest wait and longest grace that may be asked for.
const MAX_WAIT_MS: u64 = 60_000;
const MAX_GRACE_MS: u64 = 600_000;
/// Newest stored facts of one operation that are looked through for its calls, and oldest for its decisions.
const NEWEST_FACTS: usize = 1_000;
const OLDEST_FACTS: usize = 32;
/// Tool calls that are listed.
const CALLS: usize = 200;

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
        [] if get => listing::list(ctx, &request).await,
        [] => not_allowed("GET, HEAD"),
        ["stop"] if post => stop_all(ctx, request, caller).await,
        ["stop"] => not_allowed("POST"),
        [id, rest @ ..] => {
            let operation = match ctx.shared.deps.operations.get(&percent_decode(id)).await {
                Ok(operation) => operation,
                Err(error) => return reply::verb_error(&error),
            };
            let dir = OperationDir::of(&ctx.shared.deps.paths, &operation.operation_id);
            let asked = Asked { request: &request, operation: &operation, dir: &dir };
            match rest {
                [] if get => one(ctx, &operation).await,
                ["cost"] if get => costs::explain(ctx, &operation).await,
                ["output"] if get => recorded::output(&asked).await,
                ["lines"] if get => recorded::lines(&asked).await,
                ["journal"] if get => recorded::journal(&dir).await,
                ["events"] if get => events(ctx, &request, &operation).await,
                ["partial", name] if get => recorded::partial(&dir, name).await,
                ["stop"] if post => stop(ctx, request, caller, &operation).await,
                ["pause"] if post => suspend(ctx, request, &operation, true).await,
                ["resume"] if post => suspend(ctx, request, &operation, false).await,
                ["budget"] if post => budget(ctx, request, &operation).await,
                ["queue"] if post => queue(ctx, request, &operation).await,
                ["retry"] if post => retries::retry(ctx, request, &operation).await,
                [] | ["cost" | "output" | "lines" | "journal" | "events"] | ["partial", _] => {
                    not_allowed("GET, HEAD")
                }
                ["stop" | "pause" | "resume" | "budget" | "queue" | "retry"] => not_allowed("POST"),
                _ => reply::not_found(),
            }
        }
    }
}

async fn one(ctx: &Ctx, operation: &Operation) -> Reply {
    let facts = async |newest, limit| {
        let operation_id = Some(operation.operation_id.clone());
        let query = EventQuery { operation_id, limit, newest, ..EventQuery::default() };
        ctx.shared.deps.store.events(query).await
    };
    // The first decision is an operation's oldest fact; thousands of calls may follow it.
    let (oldest, newest) = match (facts(false, OLDEST_FACTS).await, facts(true, NEWEST_FACTS).await) {
        (Ok(oldest), Ok(newest)) => (oldest, newest),
        (Err(error), _) | (_, Err(error)) => return reply::store_gone(error),
    };
    let parse = |facts: &[String]| -> Vec<Envelope> {
        facts.iter().filter_map(|json| Envelope::from_json(json).ok()).collect()
    };
    let (oldest, newest) = (parse(&oldest), parse(&newest));
    let first_newest = newest.first().map_or(u64::MAX, |envelope| envelope.cursor.seq);
    let before = oldest.iter().filter(|envelope| envelope.cursor.seq < first_newest);
    let routing: Vec<&RoutingDecision> = before
        .chain(&newest)
        .filter_map(|envelope| match &envelope.event {
            Event::RoutingDecision(decision) => Some(decision),
            _ => None,
        })
        .collect();
    let mut body = serde_json::to_value(operation).unwrap_or_default();
    body["routing"] = serde_json::to_value(&routing).unwrap_or_default();
    body["calls"] = calls(newest.iter().map(|envelope| &envelope.event)).into();
    reply::ok(&body)
}

/// Calls with their results, newest first.
fn calls<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<Value> {
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

/// A field of a body; `null` counts as absent.
fn field<T: DeserializeOwned>(body: &Value, name: &str) -> Result<Option<T>, Box<Reply>> {
    serde_json::from_value(body[name].clone())
        .map_err(|_| Box::new(reply::bad("invalid_value", &format!("{name} has the wrong type."))))
}

fn millis(body: &Value, name: &str, most: u64) -> Result<Option<u64>, Box<Reply>> {
    match field::<u64>(body, name)? {
        Some(value) if value > most => {
            let text = format!("{name} must be a number of milliseconds up to {most}.");
            Err(Box::new(reply::bad("invalid_value", &text)))
        }
        value => Ok(value),
    }
}

fn order(body: &Value, caller: Option<&Caller>) -> Result<StopOrder, Box<Reply>> {
    Ok(StopOrder {
        by: "user".into(),
        via: caller.map_or("api", Caller::via).to_owned(),
        reason: field::<String>(body, "reason")?.as_deref().map(feed::reason),
        force: field(body, "force")?.unwrap_or(false),
        grace_ms: millis(body, "grace_ms", MAX_GRACE_MS)?,
    })
}

async fn stop(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>, operation: &Operation) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let asked =
        order(&body, caller.as_ref()).and_then(|order| Ok((order, millis(&body, "wait_ms", MAX_WAIT_MS)?)));
    let (order, wait) = match asked {
        Ok((order, wait_ms)) => (order, Duration::from_millis(wait_ms.unwrap_or(STOP_WAIT_MS))),
        Err(reply) => return *reply,
    };
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
    let asked = || -> Result<_, Box<Reply>> {
        let (state, tool) = (field::<String>(&body, "state")?, field::<String>(&body, "tool")?);
        Ok((state, tool, order(&body, caller.as_ref())?))
    };
    let (state, tool, order) = match asked() {
        Ok(asked) => asked,
        Err(reply) => return *reply,
    };
    if state.is_none() && tool.is_none() && body["all"] != true {
        return reply::bad("missing_field", "An empty filter needs \"all\": true.");
    }
    let known = match ctx.shared.deps.hub.list().await {
        Ok((known, _)) => known,
        Err(error) => return reply::stopping(error),
    };
    let mut stopping = Vec::new();
    for operation in known.into_iter().filter(|o| !o.state.is_final()) {
        let wanted = state.as_deref().is_none_or(|state| state == operation.state.as_str())
            && tool.as_ref().is_none_or(|tool| operation.tool.as_ref() == Some(tool));
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

/// The newest stored facts of one operation, oldest first.
async fn events(ctx: &Ctx, request: &Request<Incoming>, operation: &Operation) -> Reply {
    let limit = match limit(request, NEWEST_FACTS, NEWEST_FACTS) {
        Ok(limit) => limit,
        Err(reply) => return *reply,
    };
    let operation_id = Some(operation.operation_id.clone());
    let query = EventQuery { operation_id, limit, newest: true, ..EventQuery::default() };
    match ctx.shared.deps.store.events(query).await {
        // They are JSON already.
        Ok(facts) => {
            let body = format!("[{}]", facts.join(","));
            reply::bytes(StatusCode::OK, "application/json; charset=utf-8", body)
        }
        Err(error) => reply::store_gone(error),
    }
}

/// Another cost limit, or none with `null`.
async fn budget(ctx: &Ctx, request: Request<Incoming>, operation: &Operation) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    // Taking the limit away is said, never left out.
    if body.get("max_cost_nano_usd").is_none() {
        return reply::bad(
            "missing_field",
            "The body needs max_cost_nano_usd: a number, or null for no limit.",
        );
    }
    let limit = match field::<i64>(&body, "max_cost_nano_usd") {
        Ok(limit) if limit.is_some_and(|limit| limit <= 0) => {
            return reply::bad("invalid_value", "max_cost_nano_usd must be more than zero.");
        }
        Ok(limit) => limit,
        Err(reply) => return *reply,
    };
    match ctx.shared.deps.operations.set_budget(&operation.operation_id, limit).await {
        Ok(operation) => reply::ok(&operation),
        Err(error) => reply::verb_error(&error),
    }
}

/// Another place in the queue: priority, held back or let go.
async fn queue(ctx: &Ctx, request: Request<Incoming>, operation: &Operation) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let asked = || Ok((field::<i32>(&body, "priority")?, field::<bool>(&body, "held")?));
    let (priority, held) = match asked() {
        Ok((None, None)) => return reply::bad("missing_field", "The body needs priority or held."),
        Ok(asked) => asked,
        Err::<_, Box<Reply>>(reply) => return *reply,
    };
    if priority.is_some_and(|priority| !(-100..=100).contains(&priority)) {
        return reply::bad("invalid_value", "priority must be a whole number from -100 to 100.");
    }
    match ctx.shared.deps.operations.change_queue(&operation.operation_id, priority, held).await {
        Ok(operation) => reply::ok(&operation),
        Err(error) => reply::verb_error(&error),
    }
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

//! REST over MCP servers: what is known of them, and the verbs, each answered when its result is known.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::mcp::{ServerDetail, ServersSummary};
use serde_json::{Value, json};

use super::reply::{self, Reply};
use super::routes::{not_allowed, percent_decode, query};
use super::serve::{Ctx, json_body};
use crate::mcp::{McpError, Servers};

/// Lines of a log, where nobody says how many, and at most.
const TAIL: usize = 500;
const MAX_TAIL: usize = 1_000;
/// Longest time a request may wait for a verb.
const MAX_WAIT_MS: u64 = 15 * 60 * 1_000;

/// `/api/mcp/…`.
pub(super) async fn route(ctx: &Ctx, request: Request<Incoming>, rest: &[&str]) -> Reply {
    let servers = ctx.shared.deps.servers.clone();
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = request.method() == Method::POST;
    let rest: Vec<String> = rest.iter().map(|part| percent_decode(part)).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let answer = match (rest.as_slice(), get, post) {
        (["servers"], true, _) => Ok(list(&servers)),
        (["server", name], true, _) => servers.detail(name).map(|detail| reply::ok(&detail)),
        (["server", name, verb @ ("start" | "stop" | "restart")], _, true) => {
            verb_on(&servers, &request, name, verb).await
        }
        (["server", name, "discover"], true, _) => known(&servers, name),
        (["server", name, "discover"], _, true) => {
            servers.discover(name).await.map(|detail| reply::ok(&offer(&detail)))
        }
        (["server", name, "log" | "logs"], true, _) => log(&servers, &request, name),
        (["server", name, "restarts"], true, _) => {
            servers.history(name).map(|restarts| reply::ok(&json!({"restarts": restarts})))
        }
        (["server", name, "call"], _, true) => return call(&servers, request, name).await,
        (["servers"] | ["server", _] | ["server", _, "log" | "logs" | "restarts"], ..) => {
            return not_allowed("GET, HEAD");
        }
        (["server", _, "discover"], ..) => return not_allowed("GET, HEAD, POST"),
        (["server", _, "start" | "stop" | "restart" | "call"], ..) => return not_allowed("POST"),
        _ => return reply::not_found(),
    };
    answer.unwrap_or_else(|error| failed(&error))
}

fn list(servers: &Servers) -> Reply {
    let all = servers.list();
    reply::ok(&json!({"servers": all, "summary": ServersSummary::of(&all)}))
}

async fn verb_on(
    servers: &Servers,
    request: &Request<Incoming>,
    name: &str,
    verb: &str,
) -> Result<Reply, McpError> {
    let within = match query(request, "timeout_ms").first() {
        None => None,
        Some(text) => match text.parse::<u64>() {
            Ok(ms) if (1..=MAX_WAIT_MS).contains(&ms) => Some(Duration::from_millis(ms)),
            _ => return Err(McpError::Invalid(format!("timeout_ms is a number from 1 to {MAX_WAIT_MS}"))),
        },
    };
    let server = match verb {
        "start" => servers.start(name, "http", within).await?,
        "stop" => servers.stop(name, within).await?,
        _ => servers.restart(name, "http", within).await?,
    };
    Ok(reply::ok(&json!({"status": "ok", "server": server})))
}

/// What is known of an open server's offer, without asking it.
fn known(servers: &Servers, name: &str) -> Result<Reply, McpError> {
    let detail = servers.detail(name)?;
    if detail.summary.state.is_open() {
        return Ok(reply::ok(&offer(&detail)));
    }
    let hint = format!("start it with `llmctl mcp start {name}`");
    Err(McpError::WrongState { name: name.to_owned(), state: detail.summary.state, hint })
}

fn offer(detail: &ServerDetail) -> Value {
    json!({
        "server_name": detail.summary.name,
        "tools": detail.tools,
        "resources": detail.resources,
        "prompts": detail.prompts,
        "discovered_at": detail.discovered_at,
        "protocol_version": detail.protocol_version,
    })
}

fn log(servers: &Servers, request: &Request<Incoming>, name: &str) -> Result<Reply, McpError> {
    let tail = query(request, "tail").first().and_then(|text| text.parse().ok()).unwrap_or(TAIL);
    let log = servers.log(name, tail.min(MAX_TAIL))?;
    Ok(reply::ok(&json!({"lines": log.lines, "path": log.path.display().to_string()})))
}

async fn call(servers: &Servers, request: Request<Incoming>, name: &str) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(tool) = body["tool"].as_str() else {
        return reply::bad("missing_field", "The body needs a tool.");
    };
    let within = body["timeout_ms"].as_u64().map(|ms| Duration::from_millis(ms.clamp(1, MAX_WAIT_MS)));
    let arguments = match &body["arguments"] {
        Value::Null => json!({}),
        given => given.clone(),
    };
    match servers.call(name, tool, arguments, within).await {
        Ok(answer) => reply::ok(&answer),
        Err(error) => failed(&error),
    }
}

fn failed(error: &McpError) -> Reply {
    let (status, code) = match error {
        McpError::Unknown { .. } => (StatusCode::NOT_FOUND, "server_not_found"),
        McpError::WrongState { .. } => (StatusCode::CONFLICT, "wrong_state"),
        McpError::Failed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "server_failed"),
        McpError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        McpError::BadTool { .. } => (StatusCode::BAD_REQUEST, "bad_tool"),
        McpError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_value"),
        McpError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let mut body = json!({"error": error.to_string(), "code": code});
    match error {
        McpError::WrongState { name, state, hint } => {
            // The hint has a field of its own here.
            body["error"] = format!("MCP server {name:?} is {}", state.name()).into();
            body["hint"] = hint.as_str().into();
            body["detail"] = json!({"state": state});
        }
        McpError::Failed { cause, stderr_tail, .. } => {
            body["cause"] = cause.as_str().into();
            body["stderr_tail"] = stderr_tail.as_str().into();
        }
        _ => {}
    }
    reply::json(status, &body)
}

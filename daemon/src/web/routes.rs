//! Gate first, then the way: every address the gateway knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::header::{ALLOW, HeaderValue, SET_COOKIE};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::PROTOCOL;
use llmctl_proto::state::OperationState;
use llmctl_proto::time::UnixMs;
use serde_json::json;

use super::gate::{Refusal, Shown, require_origin};
use super::reply::{self, Reply};
use super::serve::{Ctx, json_body};
use super::session::{Caller, NoCaller, SESSION_LIFE};
use super::{costs, events, export, feed, history, mcp, models, operations, socket, stream, system, tasks};

/// Answers one request.
pub(super) async fn handle(ctx: &Ctx, request: Request<Incoming>) -> Reply {
    match admit(ctx, &request) {
        Ok(caller) => route(ctx, request, caller).await,
        Err(refusal) => {
            ctx.shared.stats.refused.fetch_add(1, Ordering::Relaxed);
            reply::refused(refusal)
        }
    }
}

/// What anybody on this machine may ask without a session.
fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/auth" | "/health") || path.starts_with("/static/")
}

/// The gate: Host, Origin, session, pace. Nothing of the path but whether it is open is looked at before.
fn admit(ctx: &Ctx, request: &Request<Incoming>) -> Result<Option<Caller>, Refusal> {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let open = is_open(uri.path());
    let shown = ctx.allowed.check(method, uri, headers, open)?;
    let upgrade = headers.contains_key(http::header::UPGRADE);
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let now = Instant::now();
    let caller = match ctx.shared.sessions().caller(shown.bearer, &shown.cookies, now) {
        Ok(caller) => Some(caller),
        // The page itself still loads, to say why.
        Err(NoCaller::Locked) if open && reads => None,
        Err(NoCaller::Locked) => return Err(LOCKED),
        Err(NoCaller::Missing | NoCaller::Wrong) if open => None,
        Err(NoCaller::Missing | NoCaller::Wrong) => return Err(NO_SESSION),
    };
    if caller.is_some() || !reads {
        require_origin(&shown, method, upgrade)?;
    }
    if !reads && caller.is_some() && !ctx.shared.sessions().may_change(&shown.cookies, now) {
        return Err(TOO_FAST);
    }
    Ok(caller)
}

const NO_SESSION: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    code: "session_required",
    text: "This needs a session or the bearer token.",
};
const LOCKED: Refusal = Refusal {
    status: StatusCode::TOO_MANY_REQUESTS,
    code: "too_many_failures",
    text: "Too many wrong tokens or codes; wait a minute.",
};
const TOO_FAST: Refusal = Refusal {
    status: StatusCode::TOO_MANY_REQUESTS,
    code: "too_many_requests",
    text: "More than 20 changes in a second.",
};

async fn route(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>) -> Reply {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let get = matches!(method, Method::GET | Method::HEAD);
    let post = method == Method::POST;
    match (segments.as_slice(), get, post) {
        (["" | "auth"], true, _) => ctx.shared.assets.serve("index.html", request.headers()).await,
        (["static", rest @ ..], true, _) => ctx.shared.assets.serve(&rest.join("/"), request.headers()).await,
        (["health"], true, _) => health(ctx, caller.is_some()).await,
        (["auth"], _, true) => sign_in(ctx, request).await,
        (["logout"], _, true) => sign_out(ctx, &request),
        (["ws"], true, _) => match caller {
            Some(caller) => socket::upgrade(ctx, request, caller),
            None => reply::refused(NO_SESSION),
        },
        (["api", "stream"], ..) if method == Method::GET => match caller {
            Some(caller) => stream::open(ctx, request, caller),
            None => reply::refused(NO_SESSION),
        },
        (["api", "stream", id], _, true) => stream::post(ctx, request, id).await,
        (["api", "events"], true, _) if events::wanted(&request) => events::backwards(ctx, &request).await,
        (["api", "events"], true, _) => history::events(ctx, &request).await,
        (["api", "system"], true, _) => system::system(ctx).await,
        (["api", "config"], true, _) => system::config(ctx),
        (["api", "costs"], true, _) => costs::costs(ctx, &request).await,
        (["api", "budgets"], true, _) => costs::budgets(ctx).await,
        (["api", "models"], true, _) => models::models(ctx, &request).await,
        (["api", "export"], true, _) => export::export(ctx, &request).await,
        (["api", "snapshot"], true, _) => snapshot(ctx).await,
        (["api", "metrics"], true, _) => metrics(ctx).await,
        (["metrics"], true, _) => prometheus(ctx),
        (["api", "stats"], true, _) => tasks::stats(ctx, &request).await,
        (["api", "tasks", rest @ ..], _, _) => tasks::route(ctx, request, caller, rest).await,
        (["api", "mcp", rest @ ..], _, _) => mcp::route(ctx, request, rest).await,
        (["api", "operations", rest @ ..], _, _) => operations::route(ctx, request, caller, rest).await,
        (
            ["" | "health" | "ws" | "metrics"]
            | ["static", ..]
            | [
                "api",
                "events" | "snapshot" | "metrics" | "costs" | "budgets" | "models" | "export" | "stats"
                | "system" | "config",
            ],
            ..,
        ) => not_allowed("GET, HEAD"),
        (["api", "stream"], ..) => not_allowed("GET"),
        (["auth"], ..) => not_allowed("GET, HEAD, POST"),
        (["logout"] | ["api", "stream", _], ..) => not_allowed("POST"),
        _ => reply::not_found(),
    }
}

pub(super) fn not_allowed(allow: &'static str) -> Reply {
    let text = "This address does not take this method.";
    let mut reply = reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text, None);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// The value of a query parameter, percent-decoded.
pub(super) fn query(request: &Request<Incoming>, name: &str) -> Vec<String> {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| percent_decode(value))
        .filter(|value| !value.is_empty())
        .collect()
}

/// Percent-decoded text; broken escapes stay as they are.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Text that means the same in a link, whatever it has in it.
pub(super) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

async fn health(ctx: &Ctx, long: bool) -> Reply {
    let deps = &ctx.shared.deps;
    let (_, _, failures) = deps.store.stats.read();
    let store_failed = failures > 0 && deps.store.depth() > 0;
    let board = deps.board.view();
    let degraded = store_failed || !board.is_healthy();
    let stopping = deps.shutdown.is_cancelled();
    let mut body = json!({
        "status": if stopping { "stopping" } else if degraded { "degraded" } else { "healthy" },
        "service": "llmctld",
        "timestamp": UnixMs::now(),
    });
    if long && let Ok((operations, _)) = deps.hub.list().await {
        body["version"] = deps.version.into();
        body["protocol"] = PROTOCOL.into();
        body["epoch"] = deps.hub.epoch().to_string().into();
        body["uptime_ms"] = (ctx.shared.started.elapsed().as_millis() as u64).into();
        body["http_addr"] = ctx.addr.to_string().into();
        body["operations_running"] = operations.iter().filter(|o| !o.state.is_final()).count().into();
        let servers = deps.servers.sums();
        body["mcp"] = json!({"healthy": servers.healthy, "total": servers.total});
        body["watcher"] = json!({"state": board.watching(), "roots": board.lines()});
        body["store"] = json!({
            "state": if store_failed { "failed" } else { "ok" },
            "lag_facts": deps.store.depth(),
            "size_bytes": tokio::fs::metadata(deps.store.path.as_ref()).await.map_or(0, |m| m.len()),
        });
    }
    reply::json(if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, &body)
}

async fn sign_in(ctx: &Ctx, request: Request<Incoming>) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(code) = body["code"].as_str() else {
        return reply::bad("missing_field", "The body needs a code.");
    };
    let redeemed = ctx.shared.sessions().redeem(code, Instant::now());
    match redeemed {
        Ok(value) => {
            let cookie = format!(
                "{}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}",
                ctx.allowed.cookie,
                SESSION_LIFE.as_secs()
            );
            let mut reply = reply::empty(StatusCode::NO_CONTENT);
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                reply.headers_mut().insert(SET_COOKIE, cookie);
            }
            reply
        }
        Err(NoCaller::Locked) => reply::refused(LOCKED),
        Err(_) => {
            let text = "This login code was used already, is older than 60 s, or is not right.";
            reply::error(StatusCode::UNAUTHORIZED, "session_required", text, Some("llmctl dashboard open"))
        }
    }
}

fn sign_out(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let shown: Result<Shown<'_>, Refusal> =
        ctx.allowed.check(request.method(), request.uri(), request.headers(), false);
    if let Ok(shown) = shown {
        ctx.shared.sessions().end(&shown.cookies);
    }
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    let gone = format!("{}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0", ctx.allowed.cookie);
    if let Ok(gone) = HeaderValue::from_str(&gone) {
        reply.headers_mut().insert(SET_COOKIE, gone);
    }
    reply
}

/// `limit` of a query, from 1 to `most`.
pub(super) fn limit(request: &Request<Incoming>, default: usize, most: usize) -> Result<usize, Box<Reply>> {
    match query(request, "limit").pop() {
        None => Ok(default),
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(Box::new(reply::bad(
                "invalid_value",
                &format!("limit must be a number from 1 to {most}."),
            ))),
        },
    }
}

async fn snapshot(ctx: &Ctx) -> Reply {
    match ctx.shared.deps.hub.subscribe(None).await {
        Ok(subscription) => {
            let text = feed::snapshot_text(&subscription);
            reply::bytes(StatusCode::OK, "application/json; charset=utf-8", text)
        }
        Err(error) => reply::stopping(error),
    }
}

async fn metrics(ctx: &Ctx) -> Reply {
    let (operations, totals) = match ctx.shared.deps.hub.list().await {
        Ok(listed) => listed,
        Err(error) => return reply::stopping(error),
    };
    // The projection has all that have not ended, and the sums all that have.
    let running = operations.iter().filter(|o| !o.state.is_final());
    let mut by_state = BTreeMap::from([
        (OperationState::Complete.as_str(), totals.complete),
        (OperationState::Error.as_str(), totals.error),
        (OperationState::Stopped.as_str(), totals.stopped),
        (OperationState::Lost.as_str(), totals.lost),
    ]);
    let mut count = 0;
    let mut cost_nano_usd = totals.cost_nano_usd;
    for operation in running {
        count += 1;
        *by_state.entry(operation.state.as_str()).or_default() += 1;
        cost_nano_usd = cost_nano_usd.saturating_add(operation.spend.cost_nano_usd.unwrap_or(0));
    }
    reply::ok(&json!({
        "total_operations": totals.ended + count,
        "total_tokens": totals.tokens,
        "total_cost": dollars(totals.cost_nano_usd),
        "cost_nano_usd": totals.cost_nano_usd,
        "cost_with_running_nano_usd": cost_nano_usd,
        "running": count,
        "by_state": by_state,
        "totals": totals,
    }))
}

/// Dollars as a number with at most nine decimals, written from the integer.
pub(super) fn dollars(nano_usd: i64) -> serde_json::Value {
    let (sign, nano) = (if nano_usd < 0 { "-" } else { "" }, nano_usd.unsigned_abs());
    let text = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.parse::<f64>().unwrap_or_default().into()
}

fn prometheus(ctx: &Ctx) -> Reply {
    let deps = &ctx.shared.deps;
    let (published, duplicates, _) = deps.hub.stats.read();
    let (committed, commits, failures) = deps.store.stats.read();
    let (stats, streams) = (&ctx.shared.stats, ctx.shared.streams.open());
    let rows: [(&str, &str, u64); 15] = [
        ("llmctl_events_published_total", "counter", published),
        ("llmctl_events_duplicate_total", "counter", duplicates),
        ("llmctl_hub_inbox_depth", "gauge", deps.hub.depth() as u64),
        ("llmctl_followers", "gauge", deps.hub.frames.receiver_count() as u64),
        ("llmctl_store_queue_depth", "gauge", deps.store.depth() as u64),
        ("llmctl_store_facts_total", "counter", committed),
        ("llmctl_store_commits_total", "counter", commits),
        ("llmctl_store_failed_commits_total", "counter", failures),
        ("llmctl_http_connections", "gauge", stats.connections.load(Ordering::Relaxed) as u64),
        // Counted together against their limit; told apart here.
        ("llmctl_websockets", "gauge", stats.sockets.load(Ordering::Relaxed).saturating_sub(streams) as u64),
        ("llmctl_event_streams", "gauge", streams as u64),
        ("llmctl_websocket_resyncs_total", "counter", stats.resyncs.load(Ordering::Relaxed)),
        ("llmctl_websocket_dropped_frames_total", "counter", stats.dropped_frames.load(Ordering::Relaxed)),
        ("llmctl_http_refused_total", "counter", stats.refused.load(Ordering::Relaxed)),
        ("llmctl_websockets_shed_total", "counter", stats.shed.load(Ordering::Relaxed)),
    ];
    let mut text = String::new();
    for (name, kind, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    }
    reply::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_escapes() {
        assert_eq!(percent_decode("a%20b+c%2F%zz%4"), "a b c/%zz%4");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn parameters_survive_their_encoding() {
        assert_eq!(percent_encode("a b&c=é/1.2-x"), "a%20b%26c%3D%C3%A9%2F1.2-x");
    }

    #[test]
    fn money_is_written_from_the_integer() {
        assert_eq!(dollars(1_500_000_001).to_string(), "1.500000001");
        assert_eq!(dollars(0).to_string(), "0.0");
        assert_eq!(dollars(-1).to_string(), "-1e-9");
    }

    #[test]
    fn four_routes_are_open() {
        for open in ["/", "/auth", "/health", "/static/js/main.js"] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["/ws", "/api/operations", "/metrics", "/logout", "/static", "/healthz", "//", ""] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}

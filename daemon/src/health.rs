//! What the daemon says about itself: one collection for `llmctl daemon status` and for the page.
//!
//! Owns the reading of figures and what they mean; names no path, so that a browser may be told all of it.

use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use serde::Serialize;
use serde_json::{Value, json};

use crate::board::Board;
use crate::hub::{BROADCAST, Hub, HubError, INBOX};
use crate::mcp::Servers;
use crate::store::{QUEUE, Store};
use crate::web::GatewayFigures;

/// A queue is nearly full from here on, in per cent of its limit.
const NEARLY_FULL: usize = 75;

/// Where the figures come from.
pub struct Parts<'a> {
    /// Events and the projection.
    pub hub: &'a Hub,
    /// History.
    pub store: &'a Store,
    /// Task files.
    pub board: &'a Board,
    /// MCP servers.
    pub servers: &'a Servers,
    /// The dashboard's gateway.
    pub gateway: GatewayFigures,
    /// When the daemon became ready.
    pub started_at: UnixMs,
    /// It is leaving.
    pub stopping: bool,
}

/// A queue with its limit and what happens there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Queue {
    name: &'static str,
    depth: usize,
    limit: usize,
    /// Lost at the limit since the daemon's start; none where the sender waits instead.
    dropped: Option<u64>,
    when_full: &'static str,
}

/// Something that is not as it should be, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Degraded {
    part: &'static str,
    text: String,
    hint: &'static str,
}

/// The status as `llmctl daemon status` and the page show it.
///
/// # Errors
/// The daemon is stopping.
pub async fn status(parts: &Parts<'_>) -> Result<Value, HubError> {
    let (hub, store) = (parts.hub, parts.store);
    let (operations, totals) = hub.list().await?;
    let attached = hub.attached().await?;
    let (published, duplicates, last_seq) = hub.stats.read();
    let (committed, commits, failures) = store.stats.read();
    let queues = queues(parts);
    let degraded = degraded(parts, &queues, failures);
    let size_bytes = tokio::fs::metadata(store.path.as_ref()).await.map_or(0, |m| m.len());
    let word = match (parts.stopping, degraded.is_empty()) {
        (true, _) => "stopping",
        (false, false) => "degraded",
        (false, true) => "healthy",
    };
    Ok(json!({
        "status": word,
        "degraded": degraded,
        "version": VERSION,
        "protocol": PROTOCOL,
        "pid": std::process::id(),
        "epoch": hub.epoch().to_string(),
        "started_at": parts.started_at,
        "uptime_ms": UnixMs::now().since(parts.started_at),
        "memory_bytes": memory_bytes(),
        "http_addr": parts.gateway.http_addr,
        "gateway": parts.gateway,
        "operations": {
            "running": operations.iter().filter(|o| !o.state.is_final()).count(),
            "attached": attached.len(),
            "totals": totals,
        },
        "hub": {
            "last_seq": last_seq,
            "published": published,
            "duplicates": duplicates,
            "waiting": hub.depth(),
            "followers": hub.frames.receiver_count(),
        },
        "mcp": parts.servers.sums(),
        "queues": queues,
        "tasks": crate::control::tasks_status(parts.board),
        "store": {
            "state": if store_fails(store, failures) { "failing" } else { "ok" },
            "committed": committed,
            "commits": commits,
            "failed_commits": failures,
            "waiting": store.depth(),
            "size_bytes": size_bytes,
        },
    }))
}

fn store_fails(store: &Store, failures: u64) -> bool {
    failures > 0 && store.depth() > 0
}

fn queues(parts: &Parts<'_>) -> Vec<Queue> {
    vec![
        Queue {
            name: "events to the hub",
            depth: parts.hub.depth(),
            limit: INBOX,
            dropped: None,
            when_full: "the sender waits",
        },
        Queue {
            name: "facts to the store",
            depth: parts.store.depth(),
            limit: QUEUE,
            dropped: None,
            when_full: "the hub waits",
        },
        Queue {
            name: "frames to browsers",
            depth: parts.hub.frames.len(),
            limit: BROADCAST,
            dropped: Some(parts.gateway.dropped_frames),
            when_full: "a slow browser starts over",
        },
    ]
}

fn degraded(parts: &Parts<'_>, queues: &[Queue], failures: u64) -> Vec<Degraded> {
    let mut found = Vec::new();
    if store_fails(parts.store, failures) {
        found.push(Degraded {
            part: "store",
            text: format!("{} facts wait: the last commit failed.", parts.store.depth()),
            hint: "see `llmctl daemon logs`; the disk may be full",
        });
    }
    // A queue whose oldest entries are overwritten by newer ones is always full.
    for queue in queues.iter().filter(|queue| queue.dropped.is_none()) {
        if queue.depth * 100 >= queue.limit * NEARLY_FULL {
            found.push(Degraded {
                part: "queue",
                text: format!("{} of {} {} wait.", queue.depth, queue.limit, queue.name),
                hint: "the machine or its disk is too busy; `llmctl daemon logs` may say why",
            });
        }
    }
    found.extend(watching(parts.board));
    found
}

/// Task files that are not watched as they should be.
fn watching(board: &Board) -> Vec<Degraded> {
    let view = board.view();
    if view.is_healthy() {
        return Vec::new();
    }
    let late = view.late_roots();
    if late.is_empty() {
        return vec![Degraded {
            part: "watcher",
            text: "Task files are not watched.".to_owned(),
            hint: "llmctl daemon restart",
        }];
    }
    let told = late.into_iter().map(|root| {
        let reason = root.status.reason.as_deref().unwrap_or("error");
        let text = format!(
            "Changes of the task files of {} ({}) are noticed late: {}.",
            root.project,
            root.path,
            reason.replace('_', " ")
        );
        Degraded { part: "watcher", text, hint: watch_hint(reason) }
    });
    told.collect()
}

fn watch_hint(reason: &str) -> &'static str {
    match reason {
        "watch_limit" => "raise fs.inotify.max_user_watches with sysctl; the daemon notices by itself",
        "unsupported" => "this file system tells of no changes; the directory is read every now and then",
        "overflow" => "too many changes at once; everything was read again",
        _ => "see `llmctl daemon logs`",
    }
}

/// Resident memory of this process, where the system says.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

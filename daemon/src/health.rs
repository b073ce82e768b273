//! What the daemon says about itself.

use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use serde_json::{Value, json};

use crate::control::ControlDeps;
use crate::hub::HubError;

/// The status as `llmctl daemon status` shows it.
///
/// # Errors
/// The daemon is stopping.
pub async fn status(deps: &ControlDeps) -> Result<Value, HubError> {
    let (operations, totals) = deps.hub.list().await?;
    let attached = deps.hub.attached().await?;
    let (published, duplicates, last_seq) = deps.hub.stats.read();
    let (committed, commits, failures) = deps.store.stats.read();
    Ok(json!({
        "version": VERSION,
        "protocol": PROTOCOL,
        "pid": std::process::id(),
        "epoch": deps.hub.epoch().to_string(),
        "started_at": deps.started_at,
        "uptime_ms": UnixMs::now().since(deps.started_at),
        "memory_bytes": memory_bytes(),
        "socket": deps.paths.socket,
        "state_dir": deps.paths.state,
        "http_addr": deps.gateway.addr().map(|a| a.to_string()),
        "operations": {
            "running": operations.iter().filter(|o| !o.state.is_final()).count(),
            "attached": attached.len(),
            "totals": totals,
        },
        "hub": {
            "last_seq": last_seq,
            "published": published,
            "duplicates": duplicates,
            "waiting": deps.hub.depth(),
            "followers": deps.hub.frames.receiver_count(),
        },
        "mcp": deps.servers.sums(),
        "tasks": crate::control::tasks_status(deps),
        "store": {
            "state": if failures > 0 && deps.store.depth() > 0 { "failing" } else { "ok" },
            "committed": committed,
            "commits": commits,
            "failed_commits": failures,
            "waiting": deps.store.depth(),
            "size_bytes": std::fs::metadata(deps.store.path.as_ref()).map_or(0, |m| m.len()),
        },
    }))
}

/// Resident memory of this process, where the system says.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

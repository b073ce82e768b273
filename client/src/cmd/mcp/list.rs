//! `llmctl mcp list`: all servers and their sums.

use llmctl_proto::mcp::{ServerState, ServerSummary, ServersSummary};
use llmctl_proto::paths::Paths;
use serde_json::json;
use std::fmt::Write as _;

use super::print_safe;
use super::source::servers;
use crate::cmd::println;
use crate::error::{Exit, Outcome};
use crate::term::{Table, bytes, duration, one_line, tokens};

pub(super) async fn run(paths: &Paths, as_json: bool) -> Outcome {
    let (all, daemon) = servers(paths).await?;
    let sum = ServersSummary::of(&all);
    if as_json {
        println(&json!({"servers": all, "summary": sum, "daemon": daemon}).to_string())?;
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        println("no MCP server is configured")?;
        println(
            "`llmctl mcp import` takes over what other programs have, `llmctl mcp add NAME -- COMMAND` adds one",
        )?;
        return Ok(Exit::Ok);
    }
    print_safe(&table(&all))?;
    let context: u64 =
        all.iter().filter(|server| server.state.is_open()).map(|server| server.context_tokens_estimate).sum();
    println(&format!(
        "\nhealthy {}/{} · auto-managed {} · tools {} · context ~{} tokens",
        sum.healthy,
        sum.total,
        sum.auto_managed,
        sum.total_tools,
        tokens(context)
    ))?;
    if !daemon {
        println("no daemon runs: these are the servers that are configured")?;
    }
    Ok(Exit::Ok)
}

fn table(all: &[ServerSummary]) -> String {
    let mut table = Table::new(&["SERVER", "STATUS", "HEALTH", "TOOLS", "MEMORY", "UPTIME", "RESTARTS"]);
    for server in all {
        let open = server.state.is_open();
        let known = |text: String| if open { text } else { "-".to_owned() };
        table.row(vec![
            one_line(&server.name, 40),
            state(server.state).to_owned(),
            server.health.name().to_owned(),
            known(server.tools_count.to_string()),
            server.usage.map_or_else(|| "-".to_owned(), |usage| bytes(usage.rss_bytes)),
            server.uptime_ms.map_or_else(|| "-".to_owned(), duration),
            server.restarts.to_string(),
        ]);
    }
    let rendered = table.render();
    let mut lines = rendered.lines();
    let mut text = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    for (line, server) in lines.zip(all) {
        text.push_str(line);
        text.push('\n');
        for why in reasons(server) {
            let _ = writeln!(text, "    {}", one_line(&why, 200));
        }
    }
    text
}

/// Why a server is not as it should be.
fn reasons(server: &ServerSummary) -> Vec<String> {
    let mut all = server.reasons.clone();
    if !server.state.is_open() && !matches!(server.state, ServerState::Manual) {
        all.extend(server.last_error.clone());
    }
    all
}

/// A state in words.
pub(super) fn state(state: ServerState) -> &'static str {
    match state {
        ServerState::Stopped => "stopped",
        ServerState::Starting => "starting",
        ServerState::Running => "running",
        ServerState::Degraded => "degraded",
        ServerState::Unhealthy => "unhealthy",
        ServerState::BackingOff => "backing off",
        ServerState::CrashLoop => "crash loop",
        ServerState::NeedsAuthentication => "needs authentication",
        ServerState::Failed => "failed",
        ServerState::Stopping => "stopping",
        ServerState::Manual => "manual",
    }
}

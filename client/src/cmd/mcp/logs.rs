//! `llmctl mcp logs` and `llmctl mcp history`.

use std::fmt::Write as _;

use llmctl_proto::mcp::Restart;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{GetMcpHistoryRequest, ReadMcpLogRequest};
use serde_json::json;

use super::source::failed;
use super::{print_safe, unreadable};
use crate::cli::mcp::{McpLogs, McpOne};
use crate::cmd::println;
use crate::error::{Exit, Outcome};
use crate::link;
use crate::term::{duration, one_line};

pub(super) async fn run(paths: &Paths, args: &McpLogs) -> Outcome {
    let mut client = link::connect(paths).await?;
    let request = ReadMcpLogRequest { name: args.name.clone(), tail: args.tail, follow: args.follow };
    let mut lines = client.read_mcp_log(request).await.map_err(failed)?.into_inner();
    while let Some(answer) = lines.message().await.map_err(failed)? {
        if args.json {
            println(&json!({"line": answer.line, "missed": answer.missed}).to_string())?;
            continue;
        }
        if answer.missed > 0 {
            println(&format!("… {} lines came too fast to be shown", answer.missed))?;
        }
        print_safe(&format!("{}\n", answer.line))?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn history(paths: &Paths, args: &McpOne) -> Outcome {
    let mut client = link::connect(paths).await?;
    let request = GetMcpHistoryRequest { name: args.name.clone() };
    let rows = client.get_mcp_history(request).await.map_err(failed)?.into_inner().restarts;
    if args.json {
        println(&format!("[{}]", rows.join(",")))?;
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        println("it has not ended yet, as far as is known")?;
    }
    for row in &rows {
        print_safe(&told(&serde_json::from_str(row).map_err(unreadable)?))?;
    }
    Ok(Exit::Ok)
}

/// An end on a line, and what the server said last below it.
pub(super) fn told(restart: &Restart) -> String {
    let mut text = format!("{}  {}: {}", restart.at, restart.cause, one_line(&restart.message, 200));
    if restart.uptime_ms > 0 {
        let _ = write!(text, " (was up for {})", duration(restart.uptime_ms));
    }
    if let Some(wait) = restart.backoff_ms {
        let _ = write!(text, ", started again after {}", duration(wait));
    }
    text.push('\n');
    let said: Vec<&str> = restart.stderr_tail.lines().collect();
    for line in &said[said.len().saturating_sub(5)..] {
        let _ = writeln!(text, "    {}", one_line(line, 200));
    }
    text
}

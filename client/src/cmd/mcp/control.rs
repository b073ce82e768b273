//! `llmctl mcp start`, `stop`, `restart` and `reload`.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use llmctl_proto::mcp::{ReloadReport, ServerSummary};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{ControlMcpServerRequest, ReloadMcpServersRequest};

use super::source::{failed, named};
use super::{print_safe, unreadable};
use crate::cli::mcp::McpControl;
use crate::cmd::println;
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, Client, LinkError};
use crate::term::one_line;

pub(super) async fn run(paths: &Paths, verb: &str, args: &McpControl) -> Outcome {
    // A mistyped name is told before a daemon is started for it.
    let client = match link::connect(paths).await {
        Err(LinkError::NotRunning(_)) => {
            for name in &args.names {
                named(paths, name)?;
            }
            link::ensure_running(paths).await?
        }
        other => other?,
    };
    let all = args.names.iter().map(|name| one(client.clone(), verb, name, args.timeout));
    let mut worst: Option<CliError> = None;
    let mut rows = Vec::new();
    for result in join_all(all).await {
        match result {
            Ok((server, text)) => {
                if !args.json {
                    print_safe(&told(&server))?;
                }
                rows.push(text);
            }
            Err(error) => match &mut worst {
                None => worst = Some(error),
                Some(first) => {
                    first.message = format!("{}\n{}", first.message, error.message);
                    first.exit = if first.exit == Exit::Timeout { error.exit } else { first.exit };
                }
            },
        }
    }
    if args.json {
        println(&format!("[{}]", rows.join(",")))?;
    }
    worst.map_or(Ok(Exit::Ok), Err)
}

async fn one(
    mut client: Client,
    verb: &str,
    name: &str,
    within: Option<Duration>,
) -> Result<(ServerSummary, String), CliError> {
    let request = ControlMcpServerRequest {
        name: name.to_owned(),
        verb: verb.to_owned(),
        timeout_ms: within.map_or(0, |within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1)),
    };
    let text = client.control_mcp_server(request).await.map_err(failed)?.into_inner().server;
    Ok((serde_json::from_str(&text).map_err(unreadable)?, text))
}

fn told(server: &ServerSummary) -> String {
    let mut text = format!("{}: {}", one_line(&server.name, 80), super::list::state(server.state));
    if server.state.is_open() {
        let _ = write!(text, ", {} tools", server.tools_count);
    }
    if let Some(pid) = server.pid {
        let _ = write!(text, ", pid {pid}");
    }
    text.push('\n');
    for why in &server.reasons {
        let _ = writeln!(text, "    {}", one_line(why, 200));
    }
    text
}

pub(super) async fn reload(paths: &Paths, json: bool) -> Outcome {
    let mut client = link::connect(paths).await?;
    let answer = client.reload_mcp_servers(ReloadMcpServersRequest {}).await.map_err(failed)?.into_inner();
    if json {
        println(&answer.report)?;
        return Ok(Exit::Ok);
    }
    let report: ReloadReport = serde_json::from_str(&answer.report).map_err(unreadable)?;
    let parts = [
        ("added", &report.added),
        ("removed", &report.removed),
        ("restarted", &report.restarted),
        ("updated", &report.updated),
    ];
    for (word, names) in parts.iter().filter(|(_, names)| !names.is_empty()) {
        print_safe(&format!("{word}: {}\n", names.join(", ")))?;
    }
    println(&format!("not touched: {}", report.unchanged))?;
    Ok(Exit::Ok)
}

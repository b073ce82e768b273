//! Where what is known of servers comes from: the daemon, or the configuration where none runs.

use llmctl_proto::config::{Loaded, McpServerConfig, McpTransport, nearest};
use llmctl_proto::mcp::{Desired, ServerDetail, ServerHealth, ServerState, ServerSummary};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{GetMcpServerRequest, ListMcpServersRequest};
use std::fmt::Write as _;
use tonic::{Code, Status};

use super::unreadable;
use crate::error::{CliError, Exit};
use crate::link::{self, Client, LinkError};

/// The daemon, where one runs.
pub(super) async fn daemon(paths: &Paths) -> Result<Option<Client>, CliError> {
    match link::connect(paths).await {
        Ok(client) => Ok(Some(client)),
        Err(LinkError::NotRunning(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// All servers in short, and whether a daemon told of them.
pub(super) async fn servers(paths: &Paths) -> Result<(Vec<ServerSummary>, bool), CliError> {
    let Some(mut client) = daemon(paths).await? else {
        return Ok((configured(paths)?.iter().map(at_rest).collect(), false));
    };
    let rows = client.list_mcp_servers(ListMcpServersRequest {}).await.map_err(failed)?.into_inner().servers;
    let rows: Result<Vec<ServerSummary>, _> = rows.iter().map(|row| serde_json::from_str(row)).collect();
    Ok((rows.map_err(unreadable)?, true))
}

/// One server in full, from the daemon.
pub(super) async fn server(client: &mut Client, name: &str) -> Result<(ServerDetail, String), CliError> {
    let request = GetMcpServerRequest { name: name.to_owned() };
    let text = client.get_mcp_server(request).await.map_err(failed)?.into_inner().server;
    Ok((serde_json::from_str(&text).map_err(unreadable)?, text))
}

/// What is configured.
pub(super) fn configured(paths: &Paths) -> Result<Vec<McpServerConfig>, CliError> {
    let loaded = Loaded::load_for_daemon(paths).map_err(|error| CliError::usage(error.to_string()))?;
    Ok(loaded.config.mcp.servers)
}

/// A server of the configuration by its name.
pub(super) fn named(paths: &Paths, name: &str) -> Result<McpServerConfig, CliError> {
    let all = configured(paths)?;
    if let Some(found) = all.iter().find(|server| server.name == name) {
        return Ok(found.clone());
    }
    let near = nearest(name, all.iter().map(|server| server.name.as_str()));
    let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    Err(CliError::usage(format!("no MCP server is called {name:?}{near}"))
        .hint("`llmctl mcp add NAME -- COMMAND` configures one, `llmctl mcp import` takes over what other programs have"))
}

/// A server that nobody runs.
pub(super) fn at_rest(config: &McpServerConfig) -> ServerSummary {
    ServerSummary {
        name: config.name.clone(),
        state: if config.auto_start { ServerState::Stopped } else { ServerState::Manual },
        health: ServerHealth::Unknown,
        reasons: Vec::new(),
        transport: match config.transport {
            McpTransport::Stdio { .. } => "stdio".to_owned(),
            McpTransport::Http { .. } => "http".to_owned(),
        },
        target: config.target(),
        package: config.package.clone(),
        note: config.note.clone(),
        tags: config.tags.clone(),
        auto_start: config.auto_start,
        desired: Desired::Configured,
        pid: None,
        started_at: None,
        uptime_ms: None,
        restarts: 0,
        next_start_at: None,
        tools_count: 0,
        context_tokens_estimate: 0,
        last_error: config.broken.clone(),
        last_check: None,
        usage: None,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
/// An error of a verb: its first line is what happened, the others are what the server said last.
pub(super) fn failed(status: Status) -> CliError {
    let (first, said) = status.message().split_once('\n').unwrap_or((status.message(), ""));
    let exit = match status.code() {
        Code::DeadlineExceeded => Exit::Timeout,
        Code::NotFound | Code::InvalidArgument => Exit::Usage,
        Code::Unavailable => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let mut error = CliError::new(exit, first);
    if !said.is_empty() {
        let lines: Vec<String> =
            said.lines().map(|line| format!("    {}", crate::term::one_line(line, 500))).collect();
        let _ = write!(error.message, "\n  its last words:\n{}", lines.join("\n"));
    }
    if status.code() == Code::Aborted {
        error =
            error.hint("`llmctl mcp doctor NAME` looks for the reason, `llmctl mcp logs NAME` shows more");
    }
    error
}

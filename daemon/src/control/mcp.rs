//! The verbs on MCP servers.

use std::time::Duration;

use llmctl_proto::pb::{
    CallMcpToolRequest, CallMcpToolResponse, ControlMcpServerRequest, ControlMcpServerResponse,
    DiscoverMcpServerRequest, DiscoverMcpServerResponse, GetMcpHistoryRequest, GetMcpHistoryResponse,
    GetMcpServerRequest, GetMcpServerResponse, ListMcpServersResponse, ReadMcpLogRequest, ReadMcpLogResponse,
    ReloadMcpServersResponse,
};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::service::{ControlDeps, to_json};
use crate::mcp::McpError;

/// Lines that wait for a follower; a slow one makes its own task wait, nobody else.
const QUEUE: usize = 256;
/// Lines of the past.
const TAIL: usize = 1_000;

pub(super) type LogStream = ReceiverStream<Result<ReadMcpLogResponse, Status>>;

impl From<McpError> for Status {
    fn from(error: McpError) -> Self {
        let code = match &error {
            McpError::Unknown { .. } => Code::NotFound,
            McpError::WrongState { .. } => Code::FailedPrecondition,
            McpError::Failed { .. } => Code::Aborted,
            McpError::Timeout { .. } => Code::DeadlineExceeded,
            McpError::BadTool { .. } | McpError::Invalid(_) => Code::InvalidArgument,
            McpError::Stopping => Code::Unavailable,
        };
        let mut message = error.to_string();
        // From the second line on: what the server said last.
        if let McpError::Failed { stderr_tail, .. } = &error
            && !stderr_tail.is_empty()
        {
            message.push('\n');
            message.push_str(stderr_tail);
        }
        Self::new(code, message)
    }
}

fn within(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

pub(super) fn list(deps: &ControlDeps) -> ListMcpServersResponse {
    ListMcpServersResponse { servers: deps.servers.list().iter().map(to_json).collect() }
}

pub(super) fn get(deps: &ControlDeps, request: &GetMcpServerRequest) -> Result<GetMcpServerResponse, Status> {
    Ok(GetMcpServerResponse { server: to_json(&deps.servers.detail(&request.name)?) })
}

pub(super) async fn control(
    deps: &ControlDeps,
    request: ControlMcpServerRequest,
) -> Result<ControlMcpServerResponse, Status> {
    let (name, limit) = (request.name.as_str(), within(request.timeout_ms));
    let server = match request.verb.as_str() {
        "start" => deps.servers.start(name, "cli", limit).await,
        "stop" => deps.servers.stop(name, limit).await,
        "restart" => deps.servers.restart(name, "cli", limit).await,
        other => return Err(Status::invalid_argument(format!("{other:?} is no verb of an MCP server"))),
    };
    Ok(ControlMcpServerResponse { server: to_json(&server?) })
}

pub(super) async fn discover(
    deps: &ControlDeps,
    request: DiscoverMcpServerRequest,
) -> Result<DiscoverMcpServerResponse, Status> {
    Ok(DiscoverMcpServerResponse { server: to_json(&deps.servers.discover(&request.name).await?) })
}

pub(super) async fn call(
    deps: &ControlDeps,
    request: CallMcpToolRequest,
) -> Result<CallMcpToolResponse, Status> {
    let arguments: Value = serde_json::from_str(&request.arguments)
        .map_err(|error| Status::invalid_argument(format!("the arguments are no JSON: {error}")))?;
    let limit = within(request.timeout_ms);
    let answer = deps.servers.call(&request.name, &request.tool, arguments, limit).await?;
    Ok(CallMcpToolResponse { answer: to_json(&answer) })
}

pub(super) fn history(
    deps: &ControlDeps,
    request: &GetMcpHistoryRequest,
) -> Result<GetMcpHistoryResponse, Status> {
    let restarts = deps.servers.history(&request.name)?;
    Ok(GetMcpHistoryResponse { restarts: restarts.iter().map(to_json).collect() })
}

pub(super) async fn reload(deps: &ControlDeps) -> Result<ReloadMcpServersResponse, Status> {
    let read = deps.settings.reload(&deps.hub).await;
    if !read.applied {
        return Err(Status::failed_precondition(read.errors.join("\n")));
    }
    let report = deps.servers.reload().await;
    Ok(ReloadMcpServersResponse { report: to_json(&report) })
}

pub(super) fn log(deps: &ControlDeps, request: &ReadMcpLogRequest) -> Result<LogStream, Status> {
    let tail = (request.tail as usize).min(TAIL);
    let log = deps.servers.log(&request.name, tail)?;
    let (tx, rx) = mpsc::channel(QUEUE);
    let (follow, shutdown) = (request.follow, deps.shutdown.clone());
    deps.tracker.spawn(async move {
        for line in log.lines {
            if tx.send(Ok(ReadMcpLogResponse { line, missed: 0 })).await.is_err() {
                return;
            }
        }
        if !follow {
            return;
        }
        let (mut lines, mut missed) = (log.follow, 0);
        loop {
            let next = tokio::select! {
                next = lines.recv() => next,
                () = shutdown.cancelled() => return,
                () = tx.closed() => return,
            };
            match next {
                Ok(line) => {
                    if tx.send(Ok(ReadMcpLogResponse { line, missed })).await.is_err() {
                        return;
                    }
                    missed = 0;
                }
                Err(RecvError::Lagged(lines)) => missed += lines,
                Err(RecvError::Closed) => return,
            }
        }
    });
    Ok(ReceiverStream::new(rx))
}

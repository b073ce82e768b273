//! `llmctl stop`: ends operations, keeps what they have.

use std::time::Duration;

use futures_util::future::join_all;
use llmctl_proto::event::{StopBy, StopVia};
use llmctl_proto::ids::{ResolveError, resolve};
use llmctl_proto::opdir::{self, OperationDir, Wish};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{StopOperationsRequest, StopResult};
use llmctl_proto::process::{Identity, Signal};
use llmctl_proto::state::Operation;

use super::{find, println};
use crate::cli;
use crate::error::{Exit, Outcome};
use crate::execute::millis;
use crate::link::{self, LinkError};
use crate::term::{bytes, cost, tokens};

/// Longest wait for an end without a daemon: the whole ladder of the slowest tool.
const WAIT: Duration = Duration::from_secs(30);
/// What a runner gets to leave after it has closed its journal.
const LEAVE: Duration = Duration::from_secs(3);

pub(super) async fn run(paths: &Paths, args: cli::Stop) -> Outcome {
    let json = args.json;
    let results = match link::connect(paths).await {
        Ok(mut client) => {
            let grace = args.grace.map(millis).unwrap_or_default();
            let request = StopOperationsRequest {
                ids: args.ids,
                all: args.all,
                via: "cli".into(),
                reason: args.reason.unwrap_or_default(),
                force: args.force,
                grace_ms: grace,
                wait_ms: grace + millis(WAIT),
            };
            client.stop_operations(request).await?.into_inner().results
        }
        Err(LinkError::NotRunning(_)) => without_daemon(paths, &args).await,
        Err(error) => return Err(error.into()),
    };
    if results.is_empty() {
        println(if json { "[]" } else { "nothing is running" })?;
        return Ok(Exit::Ok);
    }
    report(&results, json)
}

fn report(results: &[StopResult], json: bool) -> Outcome {
    let mut exit = Exit::Ok;
    let mut rows = Vec::new();
    for result in results {
        let operation: Option<Operation> = serde_json::from_str(&result.operation).ok();
        exit = match result.code.as_str() {
            "" => exit,
            // An id that names nothing is a wrong call, unless something worse happened too.
            "operation_not_found" | "ambiguous_id" if exit != Exit::Failed => Exit::Usage,
            _ => Exit::Failed,
        };
        if json {
            let code = Some(&result.code).filter(|code| !code.is_empty());
            rows.push(serde_json::json!({"id": result.id, "code": code, "message": result.message, "operation": operation}));
        } else if let (Some(operation), true) = (&operation, result.code.is_empty()) {
            println(&format!(
                "{} {}: {} of output kept, {} tokens, {}",
                result.id,
                operation.state.as_str(),
                bytes(operation.stdout_bytes),
                tokens(operation.spend.tokens.total()),
                cost(operation.spend.cost_nano_usd)
            ))?;
        } else {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {}", result.message);
        }
    }
    if json {
        println(&serde_json::to_string_pretty(&rows).unwrap_or_default())?;
    }
    Ok(exit)
}

/// Lays the wish down in each operation's directory and waits for the runners' ends.
async fn without_daemon(paths: &Paths, args: &cli::Stop) -> Vec<StopResult> {
    let all = opdir::all(paths);
    let mut results = Vec::new();
    let mut dirs: Vec<OperationDir> = Vec::new();
    if args.all {
        let alive = |dir: &OperationDir| dir.read().is_ok_and(|file| file.runner.is_alive());
        dirs.extend(opdir::pending(paths).iter().map(|id| OperationDir::of(paths, id)).filter(alive));
    }
    for prefix in &args.ids {
        match resolve(prefix, all.iter()) {
            Ok(id) => dirs.push(OperationDir::of(paths, &id)),
            Err(error) => results.push(unresolved(prefix, &error)),
        }
    }
    let wish = Wish::Stop {
        by: StopBy::User,
        via: StopVia::Cli,
        reason: args.reason.clone(),
        force: args.force,
        grace_ms: args.grace.map(millis),
    };
    results.extend(join_all(dirs.iter().map(|dir| stop_one(dir, &wish))).await);
    results
}

fn unresolved(prefix: &str, error: &ResolveError) -> StopResult {
    let code = match error {
        ResolveError::NotFound(_) => "operation_not_found",
        ResolveError::Ambiguous { .. } => "ambiguous_id",
    };
    StopResult {
        id: prefix.to_owned(),
        code: code.to_owned(),
        message: error.to_string(),
        ..StopResult::default()
    }
}

async fn stop_one(dir: &OperationDir, wish: &Wish) -> StopResult {
    let runner = dir.read().ok().map(|file| file.runner).filter(Identity::is_alive);
    let (code, message) = match runner {
        None => ("operation_ended", format!("operation {} has already ended", dir.id)),
        Some(runner) => match tell(dir, wish, &runner) {
            Err(error) => {
                ("runner_gone", format!("the runner of operation {} cannot be told: {error}", dir.id))
            }
            Ok(()) if ended(dir, &runner).await => ("", String::new()),
            Ok(()) => {
                ("timeout", format!("operation {} is still running after {} s", dir.id, WAIT.as_secs()))
            }
        },
    };
    let operation = find::fold(dir).and_then(|o| serde_json::to_string(&o).ok()).unwrap_or_default();
    StopResult { id: dir.id.to_string(), operation, code: code.to_owned(), message }
}

/// Lays a wish down and makes the runner look.
pub(super) fn tell(dir: &OperationDir, wish: &Wish, runner: &Identity) -> std::io::Result<()> {
    dir.write_wish(wish)?;
    runner.signal(Signal::USR1)?;
    // A suspended runner hears nothing until it goes on.
    runner.signal(Signal::CONT)
}

/// Waits for the runner's end. One whose own reader does not read stays, with everything else done.
async fn ended(dir: &OperationDir, runner: &Identity) -> bool {
    let gone = async {
        while runner.is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let closed = async {
        while find::fold(dir).is_none_or(|operation| !operation.state.is_final()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(LEAVE).await;
    };
    let either = async {
        tokio::select! {
            () = gone => {}
            () = closed => {}
        }
    };
    tokio::time::timeout(WAIT, either).await.is_ok()
}

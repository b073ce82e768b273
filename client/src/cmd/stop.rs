//! `llmctl stop`: ends operations, keeps what they have.

use std::time::Duration;

use llmctl_proto::event::{StopBy, StopVia};
use llmctl_proto::opdir::{self, OperationDir, Wish};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{StopOperationsRequest, StopResult};
use llmctl_proto::process::{Identity, Signal};
use llmctl_proto::state::Operation;

use super::{find, println};
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::millis;
use crate::link::{self, LinkError};
use crate::term::{bytes, cost, tokens};

/// Longest wait for an end without a daemon: the whole ladder of the slowest tool.
const WAIT: Duration = Duration::from_secs(30);

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
        Err(LinkError::NotRunning(_)) => without_daemon(paths, &args).await?,
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
        if !result.code.is_empty() {
            exit = Exit::Failed;
        }
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
async fn without_daemon(paths: &Paths, args: &cli::Stop) -> Result<Vec<StopResult>, CliError> {
    let dirs: Vec<OperationDir> = if args.all {
        opdir::pending(paths)
            .iter()
            .map(|id| OperationDir::of(paths, id))
            .filter(|dir| dir.read().is_ok_and(|file| file.runner.is_alive()))
            .collect()
    } else {
        args.ids.iter().map(|id| find::directory(paths, id)).collect::<Result<_, _>>()?
    };
    let wish = Wish::Stop {
        by: StopBy::User,
        via: StopVia::Cli,
        reason: args.reason.clone(),
        force: args.force,
        grace_ms: args.grace.map(millis),
    };
    let mut results = Vec::new();
    for dir in dirs {
        results.push(stop_one(&dir, &wish).await);
    }
    Ok(results)
}

async fn stop_one(dir: &OperationDir, wish: &Wish) -> StopResult {
    let runner = dir.read().ok().map(|file| file.runner).filter(Identity::is_alive);
    let (code, message) = match runner {
        None => ("operation_ended", format!("operation {} has already ended", dir.id)),
        Some(runner) => match tell(dir, wish, &runner) {
            Err(error) => {
                ("runner_gone", format!("the runner of operation {} cannot be told: {error}", dir.id))
            }
            Ok(()) if ended(&runner).await => ("", String::new()),
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

async fn ended(runner: &Identity) -> bool {
    let gone = async {
        while runner.is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, gone).await.is_ok()
}

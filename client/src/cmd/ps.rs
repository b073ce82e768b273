//! `llmctl ps`: the operations as a table.

use std::time::Duration;

use llmctl_proto::paths::Paths;
use llmctl_proto::pb::ListOperationsRequest;
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::time::UnixMs;

use super::{find, print, println};
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::millis;
use crate::link::{self, LinkError};
use crate::term::{Table, ago, cost, duration, one_line, tokens};

pub(super) async fn run(paths: &Paths, args: cli::Ps) -> Outcome {
    let request = request(&args)?;
    let operations =
        if args.no_daemon { from_journals(paths, &request) } else { ask(paths, request).await? };
    if args.json {
        let text = serde_json::to_string_pretty(&operations).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
    } else if operations.is_empty() {
        println("no operations; start one with `llmctl execute --prompt FILE --model auto`")?;
    } else {
        print(&table(&operations, UnixMs::now()))?;
    }
    Ok(Exit::Ok)
}

fn request(args: &cli::Ps) -> Result<ListOperationsRequest, CliError> {
    let known: Vec<String> = OperationState::ALL.iter().map(|state| state.as_str().to_owned()).collect();
    if let Some(unknown) = args.states.iter().find(|state| !known.contains(state)) {
        return Err(CliError::usage(format!("unknown state {unknown:?}; known: {}", known.join(", "))));
    }
    let states = if args.running {
        OperationState::ALL
            .iter()
            .filter(|state| !state.is_final())
            .map(|state| state.as_str().to_owned())
            .collect()
    } else {
        args.states.clone()
    };
    let since = |time: Duration| UnixMs::now().0 - i64::try_from(millis(time)).unwrap_or(i64::MAX);
    Ok(ListOperationsRequest {
        states,
        tool: args.tool.clone().unwrap_or_default(),
        model: args.model.clone().unwrap_or_default(),
        agent: args.agent.clone().unwrap_or_default(),
        since_ms: args.since.map(since).unwrap_or_default(),
        limit: args.limit,
        before: String::new(),
    })
}

/// Asks the daemon if one runs; the journals say the same when none does.
async fn ask(paths: &Paths, request: ListOperationsRequest) -> Result<Vec<Operation>, CliError> {
    let mut client = match link::connect(paths).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(_)) => return Ok(from_journals(paths, &request)),
        Err(error) => return Err(error.into()),
    };
    let answer = client.list_operations(request).await?.into_inner();
    Ok(answer.operations.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
}

fn from_journals(paths: &Paths, request: &ListOperationsRequest) -> Vec<Operation> {
    let is = |filter: &str, value: Option<&str>| filter.is_empty() || value == Some(filter);
    find::newest(paths, request.limit as usize, |operation| {
        (request.states.is_empty() || request.states.iter().any(|s| s == operation.state.as_str()))
            && is(&request.tool, operation.tool.as_deref())
            && is(&request.model, operation.model.as_deref())
            && is(&request.agent, operation.agent.as_deref())
            && operation.submitted_at.0 >= request.since_ms
    })
}

fn table(operations: &[Operation], now: UnixMs) -> String {
    let mut table = Table::new(&["ID", "STATE", "TOOL", "MODEL", "TOKENS", "COST", "TIME", "STARTED"]);
    for operation in operations {
        let elapsed = match (operation.started_at, operation.ended_at) {
            (_, Some(_)) => operation.elapsed_ms,
            (Some(started), None) => now.since(started),
            (None, None) => 0,
        };
        let dash =
            |value: &Option<String>| value.as_deref().map_or("-".to_owned(), |text| one_line(text, 32));
        table.row(vec![
            operation.operation_id.to_string(),
            operation.state.as_str().to_owned(),
            dash(&operation.tool),
            dash(&operation.model),
            tokens(operation.spend.tokens.total()),
            operation.spend.cost_nano_usd.map_or_else(|| "unknown".to_owned(), |nano| cost(Some(nano))),
            duration(elapsed),
            format!("{} ago", ago(now.since(operation.submitted_at))),
        ]);
    }
    table.render()
}

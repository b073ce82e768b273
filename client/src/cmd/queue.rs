//! `llmctl queue`: who waits for a place and why, and in which order.

use llmctl_proto::admission::QueueRow;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{ChangeQueueRequest, GetQueueRequest};
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;

use super::{print, println};
use crate::cli::{QueueArgs, QueueVerb};
use crate::error::{CliError, Exit, Outcome};
use crate::link;
use crate::term::{Table, duration, one_line};

pub(super) async fn run(paths: &Paths, args: QueueArgs) -> Outcome {
    match args.verb {
        None => list(paths, args.json).await,
        Some(QueueVerb::Priority { id, priority }) => {
            change(paths, ChangeQueueRequest { id, priority: Some(priority), held: None }).await
        }
        Some(QueueVerb::Hold(one)) => {
            change(paths, ChangeQueueRequest { id: one.id, priority: None, held: Some(true) }).await
        }
        Some(QueueVerb::Release(one)) => {
            change(paths, ChangeQueueRequest { id: one.id, priority: None, held: Some(false) }).await
        }
    }
}

async fn list(paths: &Paths, json: bool) -> Outcome {
    // Without a daemon nobody waits: every operation starts at once.
    let rows = match link::connect(paths).await {
        Ok(mut client) => client.get_queue(GetQueueRequest {}).await?.into_inner().rows,
        Err(link::LinkError::NotRunning(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if json {
        println(&format!("[{}]", rows.join(",")))?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<QueueRow> = rows
        .iter()
        .map(|row| serde_json::from_str(row))
        .collect::<Result<_, _>>()
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
    if rows.is_empty() {
        println("nobody waits")?;
        return Ok(Exit::Ok);
    }
    let now = UnixMs::now();
    let mut table = Table::new(&["PLACE", "ID", "PRIORITY", "TOOL", "MODEL", "AGENT", "WAITS", "FOR"]);
    for row in rows {
        let limit = row.place.limit.map(|limit| format!(" ({limit})")).unwrap_or_default();
        let waits = u64::try_from(now.0 - row.submitted_at.0).unwrap_or(0);
        table.row(vec![
            row.place.position.to_string(),
            row.operation_id.to_string(),
            row.place.priority.to_string(),
            one_line(&row.tool, 24),
            one_line(row.model.as_deref().unwrap_or("-"), 32),
            one_line(row.agent.as_deref().unwrap_or("-"), 24),
            duration(waits),
            one_line(&format!("{}{limit}", row.place.reason), 48),
        ]);
    }
    print(&table.render())?;
    Ok(Exit::Ok)
}

async fn change(paths: &Paths, request: ChangeQueueRequest) -> Outcome {
    let mut client = link::connect(paths).await?;
    let answer = client.change_queue(request).await?.into_inner();
    let operation: Operation = serde_json::from_str(&answer.operation)
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
    let text = match &operation.queue {
        Some(place) if place.held => {
            format!("{} is held back, place {}", operation.operation_id, place.position)
        }
        Some(place) => {
            format!(
                "{} waits at place {}, priority {}",
                operation.operation_id, place.position, place.priority
            )
        }
        None => format!("{} is {}", operation.operation_id, operation.state.as_str()),
    };
    println(&text)?;
    Ok(Exit::Ok)
}

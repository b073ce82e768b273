//! Reading one operation's journal into the hub, and closing it when its runner died.

use std::collections::HashSet;
use std::time::Duration;

use llmctl_proto::event::{Event, ExecutionDetached, ExecutionLost, Stream};
use llmctl_proto::ids::OperationId;
use llmctl_proto::journal::{Reader, Writer};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::process::{Identity, boot_id, descendants, kill_all, tagged};
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::time::UnixMs;

use super::Deps;
use super::last_seen;
use crate::hub::Publish;

/// How long killed leftovers get to be gone.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// What was found.
pub(super) enum Found {
    /// It has ended and everything is stored.
    Settled,
    /// Its runner goes on without a link.
    Running(Identity),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("operation.json cannot be read")]
    File(#[source] std::io::Error),
    #[error("the journal cannot be closed")]
    Journal(#[source] std::io::Error),
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

pub(super) async fn take_in(deps: &Deps, id: &OperationId) -> Result<Found, ImportError> {
    let dir = OperationDir::of(&deps.paths, id);
    if !dir.exists() {
        // Its directory was removed by hand; there is nothing to take in.
        dir.settle();
        return Ok(Found::Settled);
    }
    // Whether it lives is asked before the journal is read: a runner that ends in between has written everything.
    let file = dir.read();
    let lives = file.as_ref().is_ok_and(|file| file.runner.is_alive());
    let ended = publish_journal(deps, &dir).await?;
    if ended {
        dir.settle();
        return Ok(Found::Settled);
    }
    match file {
        Ok(file) if lives => {
            note_detached(deps, id).await?;
            Ok(Found::Running(file.runner))
        }
        Ok(_) if !dir.journal().exists() => {
            // The runner died before it could say anything: nothing ever ran.
            dir.settle();
            Ok(Found::Settled)
        }
        Ok(file) => {
            let killed = end_leftovers(file.tag.clone(), file.tool.clone()).await;
            close(deps, &dir, &file.runner, killed).await?;
            Ok(Found::Settled)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The file was removed by hand: nobody can say who ran it.
            dir.settle();
            Ok(Found::Settled)
        }
        Err(error) => Err(ImportError::File(error)),
    }
}

/// Publishes the facts that are not stored yet; tells whether the journal says how the operation ended.
pub(super) async fn publish_journal(deps: &Deps, dir: &OperationDir) -> Result<bool, ImportError> {
    let path = dir.journal();
    let entries = tokio::task::spawn_blocking(move || Reader::entries(&path)).await.unwrap_or_default();
    let stored = deps.store.watermark(dir.id.clone()).await?;
    let known = deps.hub.watermark(dir.id.clone(), stored).await?;
    let mut ended = false;
    for entry in entries {
        let Ok(event) = entry.event() else { continue };
        let client_seq = entry.client_seq;
        let is_end = is_end(&event);
        ended |= is_end;
        // A checkpoint is only worth something while the operation has not ended in the projection.
        if client_seq > known || (client_seq == 0 && known == 0) {
            let publish =
                Publish { at: entry.at, event, data: entry.data, client_seq, durable: None, done: None };
            if is_end {
                deps.hub.publish_durably(publish).await?;
            } else {
                deps.hub.publish(publish).await?;
            }
        }
    }
    Ok(ended)
}

fn is_end(event: &Event) -> bool {
    event.ends_operation() || matches!(event, Event::ExecutionLost(_))
}

async fn note_detached(deps: &Deps, id: &OperationId) -> Result<(), ImportError> {
    let known = deps.hub.get(id.as_str()).await?;
    let goes_on = known.is_ok_and(|o| !o.state.is_final() && o.state != OperationState::Detached);
    if goes_on {
        let event = ExecutionDetached { operation_id: id.clone(), reason: "no_link".into() };
        deps.hub.publish(Publish::own(event.into())).await?;
    }
    Ok(())
}

/// Ends what a dead runner left running: the tool if it is proven to be itself, what is below it, and whatever
/// carries the tag.
async fn end_leftovers(tag: String, tool: Option<Identity>) -> u32 {
    let find = move || {
        let mut left = match &tool {
            Some(tool) if tool.is_alive() => descendants(&[tool.pid]),
            _ => Vec::new(),
        };
        left.extend(tagged(&tag));
        let mut seen = HashSet::new();
        left.retain(|process| seen.insert(process.clone()));
        left
    };
    let Ok(left) = tokio::task::spawn_blocking(find.clone()).await else { return 0 };
    // A killed process may take a moment, and is one however often it is seen.
    let mut killed: HashSet<Identity> = kill_all(&left).into_iter().collect();
    let deadline = tokio::time::Instant::now() + KILL_WAIT;
    while tokio::time::Instant::now() < deadline {
        // What was forked while we looked is found by looking again.
        let Ok(left) = tokio::task::spawn_blocking(find.clone()).await else { break };
        if left.is_empty() {
            break;
        }
        killed.extend(kill_all(&left));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    u32::try_from(killed.len()).unwrap_or(u32::MAX)
}

/// Writes what the operation cost, as far as it is known, and `execution.lost` into the journal, and publishes both.
async fn close(deps: &Deps, dir: &OperationDir, runner: &Identity, killed: u32) -> Result<(), ImportError> {
    let entries = Reader::entries(&dir.journal());
    let mut operation: Option<Operation> = None;
    let mut records = Vec::new();
    for entry in &entries {
        if let Ok(event) = entry.event() {
            operation.get_or_insert_with(|| Operation::new(dir.id.clone(), entry.at)).apply(entry.at, &event);
            if let Event::CostRecorded(record) = event {
                records.push(record);
            }
        }
    }
    let now = UnixMs::now();
    let cost = operation.as_ref().and_then(|operation| last_seen::cost(operation, &records, now));
    let size = |stream| std::fs::metadata(dir.stream(stream)).map_or(0, |m| m.len());
    let lost = ExecutionLost {
        operation_id: dir.id.clone(),
        reason: if runner.boot_id == boot_id() { "runner_gone" } else { "rebooted" }.to_owned(),
        last_event_at: entries.last().map(|entry| entry.at),
        spend: operation.map(|o| o.spend).unwrap_or_default(),
        stdout_bytes: size(Stream::Stdout),
        stderr_bytes: size(Stream::Stderr),
        killed_processes: killed,
        partial: Some(dir.partial()),
    };
    tracing::info!(operation.id = %dir.id, killed, "operation lost");
    let mut journal = Writer::after_crash(&dir.journal()).map_err(ImportError::Journal)?;
    let events = cost.map(Event::from).into_iter().chain([Event::from(lost)]);
    let written: Vec<_> = events
        .map(|event| {
            let (entry, _) = journal.append(now, &event);
            (event, entry)
        })
        .collect();
    journal.sync().map_err(ImportError::Journal)?;
    for (event, entry) in written {
        let publish = Publish {
            at: entry.at,
            event,
            data: entry.data,
            client_seq: entry.client_seq,
            durable: None,
            done: None,
        };
        deps.hub.publish_durably(publish).await?;
    }
    dir.settle();
    Ok(())
}

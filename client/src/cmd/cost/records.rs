//! Records of the ledger: asked of the daemon, or read from the journals when none runs.

use llmctl_proto::event::{CostRecorded, Event};
use llmctl_proto::journal::Reader;
use llmctl_proto::ledger::last_seen;
use llmctl_proto::ledger::report::Span;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::ReadLedgerRequest;

use crate::cmd::find;
use crate::error::CliError;
use crate::link::{self, LinkError};

/// Hands each record of a span to `take`, oldest first.
///
/// # Errors
/// The daemon runs and does not answer, or `take` fails.
pub(super) async fn each(
    paths: &Paths,
    span: Span,
    mut take: impl FnMut(CostRecorded) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let request = ReadLedgerRequest {
        from_ms: span.from.map_or(0, |from| from.0),
        to_ms: span.to.map_or(0, |to| to.0),
        operation_id: String::new(),
    };
    match ask(paths, request).await? {
        Some(mut stream) => {
            while let Some(answer) = stream.message().await? {
                for record in answer.records {
                    take(read(&record)?)?;
                }
            }
            Ok(())
        }
        None => from_journals(paths, span).into_iter().try_for_each(take),
    }
}

/// The records of one operation, in the order of its attempts.
///
/// # Errors
/// As [`each`].
pub(super) async fn of(paths: &Paths, id: &str) -> Result<Vec<CostRecorded>, CliError> {
    let request = ReadLedgerRequest { operation_id: id.to_owned(), ..ReadLedgerRequest::default() };
    let Some(mut stream) = ask(paths, request).await? else {
        return Ok(of_journal(&OperationDir::of(paths, &find::directory(paths, id)?.id)));
    };
    let mut found = Vec::new();
    while let Some(answer) = stream.message().await? {
        for record in answer.records {
            found.push(read(&record)?);
        }
    }
    Ok(found)
}

type Stream = tonic::Streaming<llmctl_proto::pb::ReadLedgerResponse>;

async fn ask(paths: &Paths, request: ReadLedgerRequest) -> Result<Option<Stream>, CliError> {
    match link::connect(paths).await {
        Ok(mut client) => Ok(Some(client.read_ledger(request).await?.into_inner())),
        Err(LinkError::NotRunning(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read(text: &str) -> Result<CostRecorded, CliError> {
    serde_json::from_str(text)
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))
}

/// What journals say, in the order of the ledger.
fn from_journals(paths: &Paths, span: Span) -> Vec<CostRecorded> {
    let mut found: Vec<CostRecorded> = opdir::all(paths)
        .iter()
        .flat_map(|id| of_journal(&OperationDir::of(paths, id)))
        .filter(|record| span.holds(record))
        .collect();
    found.sort_by(|a, b| {
        (a.recorded_at, &a.operation_id, a.attempt).cmp(&(b.recorded_at, &b.operation_id, b.attempt))
    });
    found
}

/// The records of one journal; an operation that ended without any is counted as it was last seen.
fn of_journal(dir: &OperationDir) -> Vec<CostRecorded> {
    let mut records = Vec::new();
    for entry in Reader::entries(&dir.journal()) {
        if let Ok(Event::CostRecorded(record)) = entry.event() {
            records.push(record);
        }
    }
    let operation = find::fold(dir).filter(|operation| operation.state.is_final());
    if let Some(operation) = operation {
        let ended = operation.ended_at.unwrap_or(operation.submitted_at);
        records.extend(last_seen(&operation, &records, ended));
    }
    records
}

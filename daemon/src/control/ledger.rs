//! Records of the ledger for whoever reports on them: streamed in pages, so that a long history costs no memory.

use llmctl_proto::ids::OperationId;
use llmctl_proto::pb::{ReadLedgerRequest, ReadLedgerResponse};
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::service::{ControlDeps, to_json};
use crate::store::LedgerQuery;

/// Records of one answer.
const PAGE: usize = 500;
/// Answers that wait for the reader.
const AHEAD: usize = 2;

pub(super) type RecordStream = ReceiverStream<Result<ReadLedgerResponse, Status>>;

pub(super) fn open(deps: ControlDeps, request: &ReadLedgerRequest) -> Result<RecordStream, Status> {
    let operation_id: Option<OperationId> = match request.operation_id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?),
    };
    let moment = |ms: i64| (ms != 0).then_some(UnixMs(ms));
    let query = LedgerQuery {
        from: moment(request.from_ms),
        to: moment(request.to_ms),
        operation_id,
        after: None,
        limit: PAGE,
    };
    let (tx, rx) = mpsc::channel(AHEAD);
    deps.tracker.clone().spawn(async move {
        // What ran without a daemon belongs to the answer.
        deps.adopter.first_look().await;
        deps.adopter.look_at_all_now().await;
        if let Err(status) = send(&deps, query, &tx).await {
            let _ = tx.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(rx))
}

async fn send(
    deps: &ControlDeps,
    mut query: LedgerQuery,
    tx: &mpsc::Sender<Result<ReadLedgerResponse, Status>>,
) -> Result<(), Status> {
    loop {
        let page = deps.store.ledger(query.clone()).await?;
        let Some(last) = page.last() else { return Ok(()) };
        query.after = Some((last.recorded_at, last.operation_id.to_string(), last.attempt));
        let whole = page.len() < PAGE || query.operation_id.is_some();
        let records = page.iter().map(to_json).collect();
        if tx.send(Ok(ReadLedgerResponse { records })).await.is_err() || whole {
            return Ok(());
        }
    }
}

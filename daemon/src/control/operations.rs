//! The verbs on operations: what there is, one of them, and their ends.

use std::time::Duration;

use futures_util::future::join_all;
use llmctl_proto::pb::{
    GetOperationRequest, GetOperationResponse, ListOperationsRequest, ListOperationsResponse,
    StopOperationsRequest, StopOperationsResponse, StopResult,
};
use llmctl_proto::state::Operation;
use tonic::Status;

use super::service::{ControlDeps, to_json};
use crate::hub::StopOrder;
use crate::operations::VerbError;
use crate::store::{EventQuery, OperationQuery};

/// Default wait for the end of a stopped operation: the whole ladder of the slowest tool fits.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Facts of one operation that `GetOperation` gives.
const FACTS: usize = 2_000;

pub(super) async fn list(
    deps: &ControlDeps,
    request: ListOperationsRequest,
) -> Result<ListOperationsResponse, Status> {
    let limit = if request.limit == 0 { 50 } else { request.limit.min(500) } as usize;
    deps.adopter.first_look().await;
    let (known, _) = deps.hub.list().await?;
    let mut found: Vec<String> =
        known.iter().filter(|o| wanted(&request, o)).take(limit).map(to_json).collect();
    // The projection holds the newest; older ones are asked of the store only when they are wanted.
    if found.len() < limit && known.len() >= llmctl_proto::state::ENDED_KEPT {
        let older = older(deps, &request, &known).await?;
        found.extend(older.iter().filter(|o| wanted(&request, o)).take(limit - found.len()).map(to_json));
    }
    Ok(ListOperationsResponse { operations: found })
}

pub(super) async fn get(
    deps: &ControlDeps,
    request: GetOperationRequest,
) -> Result<GetOperationResponse, Status> {
    let operation = deps.operations.get(&request.id).await?;
    let query = EventQuery {
        operation_id: Some(operation.operation_id.clone()),
        limit: FACTS,
        newest: true,
        ..EventQuery::default()
    };
    let facts = deps.store.events(query).await?;
    Ok(GetOperationResponse { operation: to_json(operation.as_ref()), facts })
}

pub(super) async fn stop(
    deps: &ControlDeps,
    request: StopOperationsRequest,
) -> Result<StopOperationsResponse, Status> {
    let ids = if request.all {
        deps.operations.running().await?.iter().map(ToString::to_string).collect()
    } else {
        request.ids
    };
    let order = StopOrder {
        by: "user".into(),
        via: request.via,
        reason: Some(request.reason).filter(|r| !r.is_empty()),
        force: request.force,
        grace_ms: Some(request.grace_ms).filter(|g| *g > 0),
    };
    let wait = if request.wait_ms == 0 { STOP_WAIT } else { Duration::from_millis(request.wait_ms) };
    let results = join_all(ids.iter().map(|id| stop_one(deps, id, order.clone(), wait))).await;
    Ok(StopOperationsResponse { results })
}

async fn stop_one(deps: &ControlDeps, prefix: &str, order: StopOrder, wait: Duration) -> StopResult {
    let stopped = match deps.operations.get(prefix).await {
        Ok(operation) => deps.operations.stop(&operation.operation_id, order, wait).await,
        Err(error) => Err(error),
    };
    match stopped {
        Ok(operation) => StopResult {
            id: operation.operation_id.to_string(),
            operation: to_json(&operation),
            ..StopResult::default()
        },
        Err(VerbError { code, message, operation }) => StopResult {
            id: operation.as_ref().map_or_else(|| prefix.to_owned(), |o| o.operation_id.to_string()),
            operation: operation.map(|o| to_json(o.as_ref())).unwrap_or_default(),
            code: code.to_owned(),
            message,
        },
    }
}

async fn older(
    deps: &ControlDeps,
    request: &ListOperationsRequest,
    have: &[Operation],
) -> Result<Vec<Operation>, Status> {
    let oldest = have.last().map(|o| o.operation_id.clone());
    let before = match request.before.as_str() {
        "" => oldest,
        text => Some(text.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?),
    };
    Ok(deps.store.operations(OperationQuery { before, limit: 5_000, ..OperationQuery::default() }).await?)
}

fn wanted(request: &ListOperationsRequest, operation: &Operation) -> bool {
    let is = |filter: &str, value: Option<&str>| filter.is_empty() || value == Some(filter);
    (request.states.is_empty() || request.states.iter().any(|s| s == operation.state.as_str()))
        && is(&request.tool, operation.tool.as_deref())
        && is(&request.model, operation.model.as_deref())
        && is(&request.agent, operation.agent.as_deref())
        && operation.submitted_at.0 >= request.since_ms
        && (request.before.is_empty() || operation.operation_id.as_str() < request.before.as_str())
}

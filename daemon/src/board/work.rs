//! Which operations work for a task, and what they cost: a join at the moment of the answer.

use std::path::Path;

use llmctl_proto::ids::OperationId;
use llmctl_proto::state::OperationState;
use serde::Serialize;

use crate::hub::TaskWork;

/// Running operations that an answer names.
const MAX_RUNNING: usize = 4;

/// An operation that works for a task now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Operation.
    pub operation_id: OperationId,
    /// Where it is in its life.
    pub state: OperationState,
    /// What it cost so far, in nano-dollars.
    pub cost_nano_usd: Option<i64>,
}

/// All operations of one task that the projection has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub operations: u32,
    /// What they cost together, in nano-dollars; nothing when no cost is known.
    pub cost_nano_usd: Option<i64>,
    /// Those that have not ended, the newest first, at most four.
    pub running: Vec<Running>,
    /// Ids of all, the newest first.
    pub ids: Vec<String>,
}

/// The operations of a task in a project's directory.
pub fn of(all: &[TaskWork], task_id: &str, project_dir: &Path) -> Sum {
    let mut sum = Sum::default();
    for work in all {
        let here = work.project.as_deref().is_none_or(|project| Path::new(project) == project_dir);
        if work.task_id != task_id || !here {
            continue;
        }
        sum.operations += 1;
        if let Some(cost) = work.cost_nano_usd {
            sum.cost_nano_usd = Some(sum.cost_nano_usd.unwrap_or(0).saturating_add(cost));
        }
        if !work.state.is_final() && sum.running.len() < MAX_RUNNING {
            sum.running.push(Running {
                operation_id: work.operation_id.clone(),
                state: work.state,
                cost_nano_usd: work.cost_nano_usd,
            });
        }
        sum.ids.push(work.operation_id.to_string());
    }
    sum
}

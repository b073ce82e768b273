//! The projection: what all events so far add up to.
//!
//! `State::apply` is pure: no clock, no I/O. The daemon's hub keeps one live, the CLI folds journals through it
//! when no daemon runs, and the page has the same rules in `static/js/state.js`; shared fixtures hold them together.

mod fold;
mod operation;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::{BudgetAction, Envelope, Event, Spend};
use crate::ids::OperationId;
use crate::time::UnixMs;

pub use self::operation::{
    ATTEMPTS_KEPT, AttemptInfo, Operation, OperationError, OperationState, StoppedInfo,
};

/// Ended operations a projection keeps; older ones are in the store.
pub const ENDED_KEPT: usize = 500;

/// Ended operations a snapshot for a browser carries.
pub const ENDED_IN_SNAPSHOT: usize = 200;

/// Sums over all operations that have ended, in every epoch; they never shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Operations that ended.
    pub ended: u64,
    /// Of which with a whole answer.
    pub complete: u64,
    /// Of which failed.
    pub error: u64,
    /// Of which stopped.
    pub stopped: u64,
    /// Of which a budget did not let start.
    pub refused: u64,
    /// Of which lost.
    pub lost: u64,
    /// Tokens of ended operations, the five disjoint classes.
    pub tokens: u64,
    /// Known costs of ended operations.
    pub cost_nano_usd: i64,
    /// Ended operations whose cost nobody knows.
    pub cost_unknown: u64,
}

/// What all events so far add up to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Operations by id: all that are not final, and the newest that are.
    pub operations: BTreeMap<OperationId, Operation>,
    /// Sums over the ended ones.
    pub totals: Totals,
    /// Ended operations in the order of their ids, for pruning.
    #[serde(skip)]
    ended: BTreeSet<OperationId>,
}

impl State {
    /// Rebuilds a projection from stored operations and totals.
    pub fn restore(operations: impl IntoIterator<Item = Operation>, totals: Totals) -> Self {
        let mut state = Self { totals, ..Self::default() };
        for operation in operations {
            if operation.state.is_final() {
                state.ended.insert(operation.operation_id.clone());
            }
            state.operations.insert(operation.operation_id.clone(), operation);
        }
        // Rows of the store do not know who came later; what is known already, as in a snapshot, stays.
        let repeats: Vec<(OperationId, OperationId)> = state
            .operations
            .values()
            .filter_map(|o| Some((o.retry_of.clone()?, o.operation_id.clone())))
            .filter(|(first, _)| state.operations.get(first).is_some_and(|first| first.retried_by.is_none()))
            .collect();
        for (first, by) in repeats {
            if let Some(first) = state.operations.get_mut(&first) {
                first.retried_by = Some(by);
            }
        }
        state.prune();
        state
    }

    /// Folds one event in and prunes. An event of an operation that has left the projection brings it back.
    pub fn apply(&mut self, envelope: &Envelope) {
        self.fold(envelope.at, &envelope.event);
        self.prune();
    }

    /// Folds one event in without pruning, so that the operation can still be looked at afterwards.
    pub fn fold(&mut self, at: UnixMs, event: &Event) {
        let Some(id) = event.operation_id() else { return };
        if matches!(event, Event::ExecutionOutput(_)) {
            return;
        }
        let operation = self.operations.entry(id.clone()).or_insert_with(|| Operation::new(id.clone(), at));
        let before = operation.state;
        let counted = operation.state.is_final().then_some(operation.spend);
        operation.apply(at, event);
        let after = operation.state;
        if let (Event::ExecutionStarted(e), Some(first)) = (event, event.retry_of()) {
            let by = e.operation_id.clone();
            if let Some(first) = self.operations.get_mut(&first) {
                first.retried_by = Some(by);
            }
        }
        if after.is_final() && (before != after) {
            self.count_end(id, counted);
        }
    }

    /// `counted` is what was counted for it when it was `lost`: a journal found later corrects that.
    fn count_end(&mut self, id: &OperationId, counted: Option<Spend>) {
        let Some(operation) = self.operations.get(id) else { return };
        let (spend, totals) = (operation.spend, &mut self.totals);
        match counted {
            Some(before) => {
                totals.lost = totals.lost.saturating_sub(1);
                totals.tokens = totals.tokens.saturating_sub(before.tokens.total());
                match before.cost_nano_usd {
                    Some(cost) => totals.cost_nano_usd = totals.cost_nano_usd.saturating_sub(cost),
                    None => totals.cost_unknown = totals.cost_unknown.saturating_sub(1),
                }
            }
            None => totals.ended += 1,
        }
        totals.tokens = totals.tokens.saturating_add(spend.tokens.total());
        match spend.cost_nano_usd {
            Some(cost) => totals.cost_nano_usd = totals.cost_nano_usd.saturating_add(cost),
            None => totals.cost_unknown += 1,
        }
        match operation.state {
            OperationState::Complete => totals.complete += 1,
            OperationState::Error => totals.error += 1,
            OperationState::Stopped => totals.stopped += 1,
            OperationState::Refused => totals.refused += 1,
            _ => totals.lost += 1,
        }
        self.ended.insert(id.clone());
    }

    /// Lets the oldest ended operations go, beyond `ENDED_KEPT`.
    pub fn prune(&mut self) {
        while self.ended.len() > ENDED_KEPT {
            let Some(oldest) = self.ended.pop_first() else { break };
            self.operations.remove(&oldest);
        }
    }

    /// Operations newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values().rev()
    }

    /// All operations that are not final, and the newest `ended` that are, newest first.
    pub fn snapshot(&self, ended: usize) -> Vec<&Operation> {
        let mut left = ended;
        self.newest_first()
            .filter(|operation| {
                if !operation.state.is_final() {
                    return true;
                }
                let keep = left > 0;
                left = left.saturating_sub(1);
                keep
            })
            .collect()
    }
}

impl Event {
    /// Whether it is the closing event of an operation, as a runner writes it.
    pub fn ends_operation(&self) -> bool {
        match self {
            Self::ExecutionCompleted(_) | Self::ExecutionStopped(_) => true,
            Self::ExecutionFailed(e) => e.is_final,
            Self::BudgetRefused(e) => e.action == BudgetAction::Refuse,
            _ => false,
        }
    }

    fn retry_of(&self) -> Option<OperationId> {
        match self {
            Self::ExecutionStarted(e) => e.retry_of.clone(),
            _ => None,
        }
    }
}

//! Operations newest first. A page ends at an operation's id, and ids sort by time: operations that start meanwhile are
//! newer than every page that follows, so none is shown twice and none is left out.

use std::collections::VecDeque;

use llmctl_proto::ids::OperationId;
use llmctl_proto::state::{ENDED_KEPT, Operation};

use super::{FIRST_ROWS, MAX_ROWS_AT_ONCE};
use crate::store::{OperationQuery, Store, StoreError};

/// Operations newest first: those of the projection, and between and behind them those that only the store has.
pub(super) struct Newest<'a> {
    known: VecDeque<Operation>,
    store: &'a Store,
    rows: VecDeque<Operation>,
    /// Where the next rows begin; none when the store has no more, or nothing that the projection lacks.
    before: Option<OperationId>,
    at_once: usize,
}

impl<'a> Newest<'a> {
    /// `known` is the whole projection, newest first.
    pub(super) fn new(known: Vec<Operation>, after: Option<&OperationId>, store: &'a Store) -> Self {
        // The store has what the projection lacks only when the projection is full, and then only behind its
        // newest `ENDED_KEPT`: it drops nothing that is newer than so many others. What is behind them is mixed,
        // since an operation that still runs may be older than thousands that have ended.
        let floor = known.get(ENDED_KEPT - 1).map(|operation| operation.operation_id.clone());
        let before = floor.map(|floor| after.cloned().into_iter().fold(floor, OperationId::min));
        let wanted = |operation: &Operation| after.is_none_or(|after| operation.operation_id < *after);
        Self {
            known: known.into_iter().filter(wanted).collect(),
            store,
            rows: VecDeque::new(),
            before,
            at_once: FIRST_ROWS,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Operation>, StoreError> {
        loop {
            if self.rows.is_empty() && self.must_read() {
                self.read().await?;
                continue;
            }
            let (known, row) = (self.known.front(), self.rows.front());
            return Ok(match (known, row) {
                (Some(known), Some(row)) if row.operation_id == known.operation_id => {
                    // The projection's is the newer.
                    self.rows.pop_front();
                    self.known.pop_front()
                }
                (Some(known), Some(row)) if row.operation_id > known.operation_id => self.rows.pop_front(),
                (Some(_), _) => self.known.pop_front(),
                (None, _) => self.rows.pop_front(),
            });
        }
    }

    /// Whether the store may have something newer than the next of the projection.
    fn must_read(&self) -> bool {
        match (&self.before, self.known.front()) {
            (None, _) => false,
            (Some(before), Some(known)) => known.operation_id < *before,
            (Some(_), None) => true,
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let before = self.before.take();
        let query = OperationQuery { before, limit: self.at_once, ..OperationQuery::default() };
        self.at_once = (self.at_once * 2).min(MAX_ROWS_AT_ONCE);
        self.rows = self.store.operations(query).await?.into();
        self.before = self.rows.back().map(|last| last.operation_id.clone());
        Ok(())
    }
}

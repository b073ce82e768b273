//! Operations by a figure, the greatest first. What has ended keeps its place, so a page that begins behind a place is
//! the same whenever it is asked for; what still runs stands where its figures are at the time.

use std::collections::{HashSet, VecDeque};

use llmctl_proto::ids::OperationId;
use llmctl_proto::state::{ENDED_KEPT, Operation};

use super::{FIRST_ROWS, MAX_ROWS_AT_ONCE};
use crate::store::{Figure, OrderQuery, Place, Store, StoreError};

/// A place as links have it.
pub(super) fn written(place: &Place) -> String {
    format!("{}-{}", place.value, place.operation_id)
}

/// A place from a link.
pub(super) fn read(text: &str) -> Option<Place> {
    let (value, id) = text.split_once('-')?;
    Some(Place { value: value.parse().ok()?, operation_id: id.parse().ok()? })
}

pub(super) struct Ranked<'a> {
    figure: Figure,
    store: &'a Store,
    /// What of the projection is behind the last page, the greatest first.
    known: VecDeque<(Place, Operation)>,
    /// All of the projection: it is newer than the store's.
    ids: HashSet<OperationId>,
    rows: VecDeque<(Place, Operation)>,
    /// Where the next rows begin; none at the very beginning.
    before: Option<Place>,
    /// Whether the store has rows that were not read.
    more: bool,
    at_once: usize,
}

impl<'a> Ranked<'a> {
    /// `known` is the whole projection.
    pub(super) fn new(known: Vec<Operation>, figure: Figure, after: Option<Place>, store: &'a Store) -> Self {
        let ids: HashSet<_> = known.iter().map(|operation| operation.operation_id.clone()).collect();
        // Only a full projection has dropped something.
        let more = known.len() >= ENDED_KEPT;
        let place = |operation: &Operation| Place {
            value: figure.of(operation),
            operation_id: operation.operation_id.clone(),
        };
        let mut known: Vec<_> = known
            .into_iter()
            .map(|operation| (place(&operation), operation))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place < after))
            .collect();
        known.sort_by(|(a, _), (b, _)| b.cmp(a));
        Self {
            figure,
            store,
            known: known.into(),
            ids,
            rows: VecDeque::new(),
            before: after,
            more,
            at_once: FIRST_ROWS,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<(Place, Operation)>, StoreError> {
        while self.rows.is_empty() && self.more {
            self.read().await?;
        }
        let known_first = match (self.known.front(), self.rows.front()) {
            (Some((known, _)), Some((row, _))) => known > row,
            (known, _) => known.is_some(),
        };
        Ok(if known_first { self.known.pop_front() } else { self.rows.pop_front() })
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let query = OrderQuery { figure: self.figure, before: self.before.take(), limit: self.at_once };
        let rows = self.store.ordered(query).await?;
        self.more = !rows.is_empty();
        self.at_once = (self.at_once * 2).min(MAX_ROWS_AT_ONCE);
        self.before = rows.last().map(|(place, _)| place.clone());
        self.rows = rows.into_iter().filter(|(place, _)| !self.ids.contains(&place.operation_id)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_link() {
        let place = Place { value: u64::MAX, operation_id: OperationId::new() };
        assert_eq!(read(&written(&place)), Some(place));
        for bad in ["", "5", "5-", "-exec-1", "x-exec-1", "exec-1", "18446744073709551616-exec-1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

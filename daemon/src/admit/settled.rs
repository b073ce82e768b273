//! Which attempts are in the sums already, so that a record that comes twice counts once.
//!
//! Keeps the newest `MAX_OPERATIONS` operations with the amount recorded for each; of an operation with more than
//! `MAX_ATTEMPTS` attempts only the highest number is remembered beyond that.

use std::collections::{HashMap, VecDeque};

use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;

/// Operations remembered, newest first to come and last to go.
pub(super) const MAX_OPERATIONS: usize = 32_768;
/// Attempts of one operation remembered one by one.
const MAX_ATTEMPTS: usize = 64;

#[derive(Debug, Default)]
struct Attempts {
    numbers: Vec<u32>,
    highest: u32,
    cost: i64,
}

/// Attempts that were recorded.
#[derive(Debug, Default)]
pub(super) struct Settled {
    by: HashMap<OperationId, Attempts>,
    order: VecDeque<OperationId>,
}

impl Settled {
    /// Notes an attempt; false when it was noted before.
    pub(super) fn note(&mut self, id: &OperationId, attempt: u32, cost: PicoUsd) -> bool {
        if !self.by.contains_key(id) {
            if self.order.len() >= MAX_OPERATIONS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by.remove(&oldest);
            }
            self.order.push_back(id.clone());
        }
        let known = self.by.entry(id.clone()).or_default();
        let full = known.numbers.len() >= MAX_ATTEMPTS;
        if known.numbers.contains(&attempt) || (full && attempt <= known.highest) {
            return false;
        }
        if !full {
            known.numbers.push(attempt);
        }
        known.highest = known.highest.max(attempt);
        known.cost = known.cost.saturating_add(cost.0.max(0));
        true
    }

    /// Recorded for an operation so far.
    pub(super) fn cost(&self, id: &OperationId) -> PicoUsd {
        PicoUsd(self.by.get(id).map_or(0, |known| known.cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_once_and_memory_has_an_end() {
        let mut settled = Settled::default();
        let id = |n: usize| format!("exec-{n}").parse::<OperationId>().expect("an id");
        assert!(settled.note(&id(0), 1, PicoUsd(5)));
        assert!(!settled.note(&id(0), 1, PicoUsd(5)));
        assert!(settled.note(&id(0), 2, PicoUsd(6)));
        assert_eq!(settled.cost(&id(0)), PicoUsd(11));
        for attempt in 1..=100 {
            assert!(settled.note(&id(1), attempt, PicoUsd(1)));
            assert!(!settled.note(&id(1), attempt, PicoUsd(1)));
        }
        assert_eq!(settled.cost(&id(1)), PicoUsd(100));
        for n in 2..MAX_OPERATIONS + 10 {
            settled.note(&id(n), 1, PicoUsd(1));
        }
        assert_eq!(settled.by.len(), MAX_OPERATIONS);
        assert_eq!(settled.cost(&id(0)), PicoUsd::ZERO);
    }
}

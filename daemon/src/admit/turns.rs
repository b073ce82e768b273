//! The order of the queue.
//!
//! Higher priority first. Among equals the fair keys take turns: each key's operations get turn numbers one after
//! the other, from where the key or the queue stands, and the lowest number starts; then the earlier submission,
//! then the id. Ageing: an operation that `AGED_AFTER` operations of higher priority, submitted after it, have
//! passed is served before every priority, the oldest of such first; so nobody waits for ever. The order depends
//! on starts alone, never on the clock. Turns of at most `MAX_KEYS` keys without a waiting operation are kept.

use std::collections::{HashMap, HashSet};

use llmctl_proto::admission::Submission;
use llmctl_proto::ids::OperationId;

/// Starts of higher priority that pass an operation before it is served first.
pub(super) const AGED_AFTER: u32 = 16;
/// Fair keys whose turn is remembered while nothing of theirs waits.
pub(super) const MAX_KEYS: usize = 1_024;

/// What the order asks of a waiting operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) submission: &'a Submission,
    /// Starts of higher priority that passed it.
    pub(super) passed: u32,
}

/// The turns of one priority.
#[derive(Debug, Default)]
struct Round {
    /// Turn of the last start.
    at: u64,
    /// Next turn of a key.
    next: HashMap<String, u64>,
}

/// Turns by priority.
#[derive(Debug, Default)]
pub(super) struct Turns {
    rounds: HashMap<i32, Round>,
    keys: usize,
}

impl Waiting<'_> {
    fn aged(&self) -> bool {
        self.passed >= AGED_AFTER
    }
}

impl Turns {
    /// Sorts waiting operations into the order in which they would start; those held come last.
    pub(super) fn order(&self, mut waiting: Vec<Waiting<'_>>) -> Vec<OperationId> {
        waiting.sort_by(|a, b| {
            let (a, b) = (a.submission, b.submission);
            (a.submitted_at, &a.operation_id).cmp(&(b.submitted_at, &b.operation_id))
        });
        let mut used: HashMap<(i32, &str), u64> = HashMap::new();
        let mut placed: Vec<_> = waiting
            .iter()
            .map(|one| {
                let submission = one.submission;
                // Held and aged ones take no turns.
                let (rank, turn) = match (submission.held, one.aged()) {
                    (true, _) => (i64::MAX, 0),
                    (false, true) => (i64::MIN, 0),
                    (false, false) => {
                        let key = (submission.priority, submission.fair_key.as_str());
                        let before = used.entry(key).or_default();
                        let turn = self.next(key.0, key.1).saturating_add(*before);
                        *before += 1;
                        (-i64::from(submission.priority), turn)
                    }
                };
                (rank, turn, submission)
            })
            .collect();
        // Stable, so equals stay by time and id.
        placed.sort_by_key(|(rank, turn, _)| (*rank, *turn));
        placed.into_iter().map(|(_, _, submission)| submission.operation_id.clone()).collect()
    }

    /// Notes the start of a waiting operation.
    pub(super) fn started(&mut self, submission: &Submission, passed: u32) {
        if passed >= AGED_AFTER {
            return;
        }
        let turn = self.next(submission.priority, &submission.fair_key);
        let round = self.rounds.entry(submission.priority).or_default();
        round.at = turn;
        if round.next.insert(submission.fair_key.clone(), turn.saturating_add(1)).is_none() {
            self.keys += 1;
        }
    }

    /// Forgets the turns of keys that wait for nothing, once there are too many.
    pub(super) fn trim<'a>(&mut self, waiting: impl Iterator<Item = &'a Submission>) {
        if self.keys <= MAX_KEYS {
            return;
        }
        let waiting: HashSet<(i32, &str)> = waiting.map(|s| (s.priority, s.fair_key.as_str())).collect();
        for (priority, round) in &mut self.rounds {
            round.next.retain(|key, _| waiting.contains(&(*priority, key.as_str())));
        }
        self.rounds.retain(|_, round| !round.next.is_empty());
        self.keys = self.rounds.values().map(|round| round.next.len()).sum();
    }

    fn next(&self, priority: i32, key: &str) -> u64 {
        let Some(round) = self.rounds.get(&priority) else { return 0 };
        round.next.get(key).copied().unwrap_or(0).max(round.at)
    }
}

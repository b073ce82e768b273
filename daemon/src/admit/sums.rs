//! Sums of what was recorded, in quarters of an hour, by everything a budget can count.
//!
//! Days of every zone are whole numbers of quarters, so one set of sums answers for all budgets exactly. Amounts
//! that are reserved are not here. Limits: 62 days back, `MAX_SERIES` values with sums of their own and
//! `MAX_CELLS` quarters of all of them together; beyond either, the value that was recorded longest ago loses its
//! own sums, while the sum of everything stays exact.

use std::collections::{HashMap, VecDeque};

use llmctl_proto::config::BudgetScope;
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::{BUCKET_MS, Cell, shares};
use llmctl_proto::time::UnixMs;

use super::purse::{SCOPES, slot};

/// How far back sums reach: any month and the one before.
pub(super) const KEPT_MS: i64 = 62 * 24 * 60 * 60 * 1_000;
/// Projects, models, agents, tools and providers with sums of their own.
pub(super) const MAX_SERIES: usize = 4_096;
/// Quarters of an hour with an amount, over all of them.
pub(super) const MAX_CELLS: usize = 500_000;

/// Amounts by quarter of an hour, in order.
#[derive(Debug, Default)]
struct Series {
    cells: VecDeque<(i64, i64)>,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Sums {
    all: Series,
    by: [HashMap<String, Series>; SCOPES.len()],
    /// Cells of all series but that of everything, and how many series there are.
    cells: usize,
    series: usize,
}

impl Series {
    /// Adds to a quarter; says how many cells came to be.
    fn add(&mut self, bucket: i64, amount: i64) -> usize {
        // Nearly always the last one, or one after it.
        let place = self.cells.partition_point(|cell| cell.0 < bucket);
        if let Some(cell) = self.cells.get_mut(place).filter(|cell| cell.0 == bucket) {
            cell.1 = cell.1.saturating_add(amount);
            return 0;
        }
        self.cells.insert(place, (bucket, amount));
        1
    }

    fn between(&self, from: i64, to: i64) -> i128 {
        let first = self.cells.partition_point(|cell| cell.0 < from);
        self.cells.iter().skip(first).take_while(|cell| cell.0 < to).map(|cell| i128::from(cell.1)).sum()
    }

    /// Drops what is older than `from`; says how many cells went.
    fn forget(&mut self, from: i64) -> usize {
        let old = self.cells.partition_point(|cell| cell.0 < from);
        self.cells.drain(..old);
        old
    }
}

impl Sums {
    /// Adds a record to the quarter of its `recorded_at`.
    pub(super) fn add(&mut self, record: &CostRecorded, now: UnixMs) {
        let bucket = record.recorded_at.0.div_euclid(BUCKET_MS);
        let oldest = oldest(now);
        if bucket < oldest {
            return;
        }
        for share in shares(record) {
            self.add_to(share.scope, share.value, bucket, share.pico);
        }
        self.all.forget(oldest);
        if self.series > MAX_SERIES || self.cells > MAX_CELLS {
            self.shrink(oldest);
        }
    }

    /// Adds a sum that was kept of a quarter.
    pub(super) fn add_cell(&mut self, cell: &Cell, now: UnixMs) {
        let oldest = oldest(now);
        if cell.bucket >= oldest {
            self.add_to(cell.scope, &cell.value, cell.bucket, cell.pico);
            if self.series > MAX_SERIES || self.cells > MAX_CELLS {
                self.shrink(oldest);
            }
        }
    }

    /// Recorded in a period, in pico-dollars; `value` is ignored for everything.
    pub(super) fn between(&self, scope: BudgetScope, value: &str, from: UnixMs, to: UnixMs) -> i128 {
        let series = slot(scope).map_or(Some(&self.all), |slot| self.by[slot].get(value));
        let (from, to) = (from.0.div_euclid(BUCKET_MS), to.0.div_euclid(BUCKET_MS));
        series.map_or(0, |series| series.between(from, to))
    }

    /// Values with sums of their own.
    pub(super) fn values(&self, scope: BudgetScope) -> impl Iterator<Item = &str> {
        slot(scope).into_iter().flat_map(|slot| self.by[slot].keys().map(String::as_str))
    }

    fn add_to(&mut self, scope: BudgetScope, value: &str, bucket: i64, cost: i64) {
        let Some(slot) = slot(scope) else {
            self.all.add(bucket, cost);
            return;
        };
        let values = &mut self.by[slot];
        if !values.contains_key(value) {
            values.insert(value.to_owned(), Series::default());
            self.series += 1;
        }
        if let Some(series) = values.get_mut(value) {
            self.cells += series.add(bucket, cost);
        }
    }

    /// Forgets old quarters, then a quarter of the values, those recorded longest ago first, so that the work is
    /// rare.
    fn shrink(&mut self, oldest: i64) {
        let mut last: Vec<i64> = Vec::with_capacity(self.series);
        for values in &mut self.by {
            values.retain(|_, series| {
                series.forget(oldest);
                !series.cells.is_empty()
            });
            last.extend(values.values().filter_map(|series| series.cells.back()).map(|cell| cell.0));
        }
        self.count();
        if self.series > MAX_SERIES / 4 * 3 || self.cells > MAX_CELLS / 4 * 3 {
            last.sort_unstable();
            let border = last.get(last.len() / 4).copied().unwrap_or(oldest);
            let mut excess = last.len() / 4;
            // Those before the border first; of those on it only as many as are still too many.
            for limit in [border, border.saturating_add(1)] {
                for values in &mut self.by {
                    values.retain(|_, series| {
                        let old = excess > 0 && series.cells.back().is_none_or(|cell| cell.0 < limit);
                        excess -= usize::from(old);
                        !old
                    });
                }
            }
            self.count();
        }
    }

    fn count(&mut self) {
        self.series = self.by.iter().map(HashMap::len).sum();
        self.cells = self.by.iter().flat_map(HashMap::values).map(|series| series.cells.len()).sum();
    }
}

fn oldest(now: UnixMs) -> i64 {
    now.0.saturating_sub(KEPT_MS).div_euclid(BUCKET_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::tests::record;

    #[test]
    fn rows_count_for_their_own_models_and_the_record_for_the_rest() {
        let mut sums = Sums::default();
        let now = UnixMs(1_795_000_000_000);
        let mut both = record("exec-a", 1, &[("opus", 700), ("haiku", 300)], now);
        both.rows[0].provider = Some("other".into());
        sums.add(&both, now);
        let of = |scope, value: &str| sums.between(scope, value, UnixMs(0), UnixMs(i64::MAX));
        assert_eq!(of(BudgetScope::All, ""), 1_000);
        assert_eq!(of(BudgetScope::Model, "opus"), 700);
        assert_eq!(of(BudgetScope::Model, "haiku"), 300);
        assert_eq!(of(BudgetScope::Provider, "other"), 700);
        assert_eq!(of(BudgetScope::Provider, "anthropic"), 300);
        assert_eq!(of(BudgetScope::Tool, "claude-code"), 1_000);
        assert_eq!(of(BudgetScope::Agent, "nobody"), 0);
    }

    #[test]
    fn what_is_older_than_62_days_is_forgotten() {
        let mut sums = Sums::default();
        let now = UnixMs(1_795_000_000_000);
        sums.add(&record("exec-a", 1, &[("m", 5)], UnixMs(now.0 - KEPT_MS - 2 * BUCKET_MS)), now);
        sums.add(&record("exec-b", 1, &[("m", 7)], now), now);
        assert_eq!(sums.between(BudgetScope::All, "", UnixMs(0), UnixMs(i64::MAX)), 7);
        let later = UnixMs(now.0 + KEPT_MS + 2 * BUCKET_MS);
        sums.add(&record("exec-c", 1, &[("m", 1)], later), later);
        assert_eq!(sums.all.cells.len(), 1);
    }

    #[test]
    fn too_many_values_lose_the_oldest_and_never_the_whole() {
        let mut sums = Sums::default();
        let start = 1_795_000_000_000;
        let many = MAX_SERIES as i64 + 500;
        for n in 0..many {
            let now = UnixMs(start + n * 1_000);
            let mut one = record("exec-a", 1, &[("m", 1)], now);
            one.project = Some(format!("/p/{n}"));
            sums.add(&one, now);
            assert!(sums.series <= MAX_SERIES && sums.cells <= MAX_CELLS);
        }
        assert_eq!(sums.between(BudgetScope::All, "", UnixMs(0), UnixMs(i64::MAX)), i128::from(many));
        let of = |n: i64| sums.between(BudgetScope::Project, &format!("/p/{n}"), UnixMs(0), UnixMs(i64::MAX));
        assert_eq!((of(0), of(many - 1)), (0, 1));
    }
}

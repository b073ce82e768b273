//! The borders of the current day and month in the zones that budgets name, so that a check costs no zone
//! arithmetic. At most `MAX_ZONES` zones are remembered; others are reckoned each time.

use llmctl_proto::config::BudgetPeriod;
use llmctl_proto::ledger::period_bounds;
use llmctl_proto::time::UnixMs;

/// Zones remembered.
const MAX_ZONES: usize = 64;

type Bounds = (UnixMs, UnixMs);

/// Known borders: day and month by zone.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// One or two as a rule, so a search from the front is the fastest.
    zones: Vec<(String, [Bounds; 2])>,
}

fn slot(period: BudgetPeriod) -> Option<usize> {
    match period {
        BudgetPeriod::Operation => None,
        BudgetPeriod::Day => Some(0),
        BudgetPeriod::Month => Some(1),
    }
}

fn holds(bounds: Bounds, now: UnixMs) -> bool {
    bounds.0 <= now && now < bounds.1
}

impl Calendar {
    /// Remembers the borders around `now`.
    pub(super) fn learn(&mut self, zone: &str, now: UnixMs) {
        let known = self.zones.iter().position(|(name, _)| name == zone);
        if known.is_some_and(|at| self.zones[at].1.iter().all(|bounds| holds(*bounds, now))) {
            return;
        }
        let of = |period| period_bounds(zone, period, now);
        let borders = [of(BudgetPeriod::Day), of(BudgetPeriod::Month)];
        match known {
            Some(at) => self.zones[at].1 = borders,
            None if self.zones.len() >= MAX_ZONES => {}
            None => self.zones.push((zone.to_owned(), borders)),
        }
    }

    /// First moment of the period around `now`, and the first after it.
    pub(super) fn bounds(&self, zone: &str, period: BudgetPeriod, now: UnixMs) -> Bounds {
        slot(period)
            .and_then(|slot| self.zones.iter().find(|(name, _)| name == zone).map(|(_, known)| known[slot]))
            .filter(|bounds| holds(*bounds, now))
            .unwrap_or_else(|| period_bounds(zone, period, now))
    }
}

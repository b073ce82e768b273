//! What the core tells without changing anything: budgets, windows and cool-downs for routing, sums for people.

use std::collections::BTreeSet;

use llmctl_proto::admission::{FactsQuery, SharedFacts};
use llmctl_proto::config::{Budget, BudgetPeriod, BudgetScope};
use llmctl_proto::event::BudgetStatus;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::Core;
use super::budgets::{narrow, status};
use super::purse::Purse;

/// The sums of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Money {
    /// Recorded in the current day.
    pub day: PicoUsd,
    /// Recorded in the current month.
    pub month: PicoUsd,
    /// Set aside for operations that have not ended, their live spend included.
    pub reserved: PicoUsd,
    /// Their live spend.
    pub live: PicoUsd,
}

impl Core {
    /// What routing asks for; `history` is left empty, since the store has it.
    pub fn facts(&self, query: &FactsQuery, now: UnixMs) -> SharedFacts {
        let budgets = query.budgets.iter().flat_map(|budget| self.statuses(budget, query, now)).collect();
        SharedFacts {
            budgets,
            full_windows: self.rates.full(&query.rates, now),
            cooling: self.cooling.now(now),
            history: Vec::new(),
        }
    }

    /// The sums of everything, by the day and month of a zone.
    pub fn totals(&self, now: UnixMs, zone: &str) -> Money {
        let of = |period| {
            let (from, to) = self.calendar.bounds(zone, period, now);
            narrow(self.sums.between(BudgetScope::All, "", from, to))
        };
        let share = self.held.of(BudgetScope::All, "");
        Money {
            day: of(BudgetPeriod::Day),
            month: of(BudgetPeriod::Month),
            reserved: narrow(share.held),
            live: narrow(share.live),
        }
    }

    /// Operations that have a place, and those that wait.
    pub fn counts(&self) -> (u32, u32) {
        (self.places.taken(), u32::try_from(self.waiting).unwrap_or(u32::MAX))
    }

    /// One status, or one for each value seen where a budget counts each tool, model or provider by itself.
    fn statuses(&self, budget: &Budget, query: &FactsQuery, now: UnixMs) -> Vec<BudgetStatus> {
        let one = |value: &str| {
            let figures = self.figures(budget, value, &Purse::default(), now);
            let ends = self.calendar.bounds(&budget.timezone, budget.period, now).1;
            status(budget, value, figures.spent, figures.held, ends)
        };
        if let Some(name) = &budget.name {
            return vec![one(name)];
        }
        // Of an operation's budget only the limit is known before there is an operation.
        if budget.scope == BudgetScope::All || budget.period == BudgetPeriod::Operation {
            return vec![one("")];
        }
        match budget.scope {
            BudgetScope::Project => query.project.iter().map(|project| one(project)).collect(),
            BudgetScope::Agent => query.agent.iter().map(|agent| one(agent)).collect(),
            scope => {
                let seen: BTreeSet<&str> = self.sums.values(scope).chain(self.held.values(scope)).collect();
                seen.into_iter().map(one).filter(used).collect()
            }
        }
    }
}

/// Values of other periods say nothing about this one.
fn used(status: &BudgetStatus) -> bool {
    status.spent_nano_usd != 0 || status.reserved_nano_usd != 0
}

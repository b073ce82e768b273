//! What budgets say: how far they are used, whether they carry an amount, and when they warn.
//!
//! Reads the sums and the purses and decides; it moves no money. All arithmetic is in 128 bits and only narrowed,
//! saturating, for display.

use std::collections::HashMap;

use llmctl_proto::admission::{Effect, Refusal, Submission};
use llmctl_proto::config::{Budget, BudgetPeriod, BudgetScope, LimitKind};
use llmctl_proto::event::{BudgetStatus, CostWarning, WarningLevel};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::purse::{Purse, value_of};
use super::{Core, Entry};

/// Warnings remembered; beyond it those of periods that are over go, then those whose period began first.
pub(super) const MAX_WARNED: usize = 4_096;

/// What makes two budgets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    scope: BudgetScope,
    name: Option<String>,
    period: BudgetPeriod,
    policy: String,
    limit_nano_usd: i64,
    timezone: String,
}

/// The most serious warning of each budget, with the beginning of its period.
pub(super) type Warned = HashMap<Identity, (WarningLevel, UnixMs)>;

/// How far a budget is used, in pico-dollars.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) spent: i128,
    pub(super) held: i128,
    pub(super) live: i128,
}

/// Which of a budget's figures stand in an operation's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Against {
    /// All: the operation would start now.
    All,
    /// What is spent: it may wait until what others hold comes back.
    Spent,
    /// The limit alone: it may wait for another day.
    Limit,
}

/// Narrows for display.
pub(super) fn narrow(pico: i128) -> PicoUsd {
    PicoUsd(i64::try_from(pico).unwrap_or(if pico < 0 { i64::MIN } else { i64::MAX }))
}

/// The value under which a budget counts an operation; none when it does not.
pub(super) fn counted<'a>(budget: &Budget, submission: &'a Submission) -> Option<&'a str> {
    let value = value_of(submission, budget.scope)?;
    let wanted = budget.name.as_deref().filter(|_| budget.scope != BudgetScope::All);
    wanted.is_none_or(|name| name == value).then_some(value)
}

/// A budget with its figures. `value` is what an unnamed one counts.
pub(super) fn status(
    budget: &Budget,
    value: &str,
    spent: i128,
    reserved: i128,
    ends: UnixMs,
) -> BudgetStatus {
    let limit = i128::from(budget.limit.0);
    let used = (spent + reserved).max(0);
    let percent = if limit > 0 { used.saturating_mul(100) / limit } else { 100 };
    let each = || Some(value.to_owned()).filter(|value| !value.is_empty());
    BudgetStatus {
        scope: budget.scope,
        name: budget.name.clone().or_else(each),
        period: budget.period,
        kind: budget.kind,
        limit_nano_usd: budget.limit.nano(),
        spent_nano_usd: narrow(spent).nano(),
        reserved_nano_usd: narrow(reserved).nano(),
        used_percent: u32::try_from(percent).unwrap_or(u32::MAX),
        threshold_percent: budget.threshold_percent,
        policy: budget.policy.clone(),
        timezone: budget.timezone.clone(),
        setting: budget.setting.clone(),
        resets_at: (budget.period != BudgetPeriod::Operation).then_some(ends),
    }
}

/// The operation's own limit as a budget.
fn own_budget(limit: PicoUsd) -> Budget {
    Budget {
        scope: BudgetScope::All,
        name: None,
        period: BudgetPeriod::Operation,
        limit,
        kind: LimitKind::Hard,
        threshold_percent: 100,
        timezone: "UTC".to_owned(),
        policy: "--max-cost".to_owned(),
        setting: "--max-cost".to_owned(),
    }
}

fn identity(status: &BudgetStatus) -> Identity {
    Identity {
        scope: status.scope,
        name: status.name.clone(),
        period: status.period,
        policy: status.policy.clone(),
        limit_nano_usd: status.limit_nano_usd,
        timezone: status.timezone.clone(),
    }
}

/// The level that figures have reached.
fn level(budget: &Budget, used: i128) -> Option<WarningLevel> {
    let limit = i128::from(budget.limit.0);
    if used >= limit {
        Some(WarningLevel::Limit)
    } else {
        (used * 100 >= limit * i128::from(budget.threshold_percent)).then_some(WarningLevel::Threshold)
    }
}

impl Entry {
    /// Budgets that count this operation, with the value they count it under.
    pub(super) fn budgets(&self) -> impl Iterator<Item = (&Budget, &str)> {
        let of = |budget| counted(budget, &self.submission).map(|value| (budget, value));
        self.submission.budgets.iter().filter_map(of)
    }

    /// Hard budgets that count it.
    pub(super) fn hard(&self) -> impl Iterator<Item = (&Budget, &str)> {
        self.budgets().filter(|(budget, _)| budget.kind == LimitKind::Hard)
    }

    /// Hard budgets that may refuse or stop it: none when it was forced.
    pub(super) fn limits(&self) -> impl Iterator<Item = (&Budget, &str)> {
        let forced = self.submission.force_reason.is_some();
        self.hard().filter(move |_| !forced)
    }

    /// What its own limit leaves beside what it has spent; none without a limit.
    pub(super) fn own_room(&self) -> Option<i64> {
        self.submission.max_cost.map(|max| max.0.saturating_sub(self.purse.spent()))
    }

    /// The refusal of its own limit, were it to hold `need` beside what is recorded.
    pub(super) fn own_refusal(&self, limit: PicoUsd, need: i64) -> Box<Refusal> {
        let recorded = i128::from(self.purse.recorded);
        Box::new(Refusal {
            budget: status(&own_budget(limit), "", recorded, 0, UnixMs(0)),
            reservation: Some(PicoUsd(need)),
            would_be: Some(narrow(recorded + i128::from(need))),
        })
    }
}

impl Core {
    /// How far a budget is used; `own` is the operation's purse, which is all that an operation's budget counts.
    pub(super) fn figures(&self, budget: &Budget, value: &str, own: &Purse, now: UnixMs) -> Figures {
        if budget.period == BudgetPeriod::Operation {
            let (spent, held, live) = (own.recorded, own.held(), own.live);
            return Figures { spent: spent.into(), held: held.into(), live: live.into() };
        }
        let (from, to) = self.calendar.bounds(&budget.timezone, budget.period, now);
        let share = self.held.of(budget.scope, value);
        Figures {
            spent: self.sums.between(budget.scope, value, from, to),
            held: share.held,
            live: share.live,
        }
    }

    fn status_of(&self, budget: &Budget, value: &str, figures: Figures, now: UnixMs) -> BudgetStatus {
        let ends = self.calendar.bounds(&budget.timezone, budget.period, now).1;
        status(budget, value, figures.spent, figures.held, ends)
    }

    /// The first budget that would be passed by a reservation of `need` in place of the `instead` the operation
    /// holds already, among `budgets`. What costs nothing is never refused.
    pub(super) fn refusal<'a>(
        &self,
        budgets: impl Iterator<Item = (&'a Budget, &'a str)>,
        purse: &Purse,
        instead: i64,
        need: Option<i64>,
        against: Against,
        now: UnixMs,
    ) -> Option<Box<Refusal>> {
        if need == Some(0) {
            return None;
        }
        for (budget, value) in budgets {
            let mut figures = self.figures(budget, value, purse, now);
            figures.held -= i128::from(instead);
            let counts = match against {
                Against::All => figures.spent + figures.held,
                Against::Spent => figures.spent,
                Against::Limit => 0,
            };
            let passes = need.is_none_or(|need| counts + i128::from(need) > i128::from(budget.limit.0));
            if passes {
                return Some(Box::new(Refusal {
                    budget: self.status_of(budget, value, figures, now),
                    reservation: need.map(PicoUsd),
                    would_be: need.map(|need| narrow(figures.spent + figures.held + i128::from(need))),
                }));
            }
        }
        None
    }

    /// What all limits of an operation leave beside what is spent and held; none without a limit.
    pub(super) fn headroom(&self, entry: &Entry, now: UnixMs) -> Option<i128> {
        let shared = entry.limits().map(|(budget, value)| {
            let figures = self.figures(budget, value, &entry.purse, now);
            i128::from(budget.limit.0) - figures.spent - figures.held
        });
        let purse = &entry.purse;
        let own = entry
            .submission
            .max_cost
            .map(|max| i128::from(max.0) - i128::from(purse.recorded) - i128::from(purse.held()));
        shared.chain(own).min()
    }

    /// Budgets at or above their threshold, and those that `need` more would pass.
    pub(super) fn near(&self, entry: &Entry, need: i64, now: UnixMs) -> Vec<BudgetStatus> {
        let mut near = Vec::new();
        for (budget, value) in entry.budgets() {
            let figures = self.figures(budget, value, &entry.purse, now);
            let used = figures.spent + figures.held;
            if level(budget, used).is_some() || used + i128::from(need) > i128::from(budget.limit.0) {
                near.push(self.status_of(budget, value, figures, now));
            }
        }
        near
    }

    /// Whether what is really spent is beyond the operation's own limit or a hard budget that counts it, forced or
    /// not.
    pub(super) fn is_over(&self, entry: &Entry, now: UnixMs) -> bool {
        let purse = &entry.purse;
        entry.submission.max_cost.is_some_and(|max| purse.spent() > max.0)
            || entry.hard().any(|(budget, value)| self.is_passed(budget, value, purse, now))
    }

    /// Why an operation must stop because of what is really spent, by it or by others.
    pub(super) fn overrun(&self, entry: &Entry, now: UnixMs) -> Option<Box<Refusal>> {
        let purse = &entry.purse;
        if let Some(max) = entry.submission.max_cost.filter(|max| purse.spent() > max.0) {
            return Some(entry.own_refusal(max, purse.live));
        }
        let passed = entry.limits().filter(|(budget, value)| self.is_passed(budget, value, purse, now));
        self.refusal(passed, purse, purse.held(), Some(purse.held()), Against::All, now)
    }

    fn is_passed(&self, budget: &Budget, value: &str, purse: &Purse, now: UnixMs) -> bool {
        let figures = self.figures(budget, value, purse, now);
        figures.spent + figures.live > i128::from(budget.limit.0)
    }

    /// Warns of the operation's budgets that have reached a level, once for each level and period.
    pub(super) fn warn(&mut self, id: &OperationId, now: UnixMs, effects: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(id) else { return };
        let mut reached = Vec::new();
        for (budget, value) in entry.budgets() {
            let figures = self.figures(budget, value, &entry.purse, now);
            if let Some(level) = level(budget, figures.spent + figures.held) {
                let begins = self.calendar.bounds(&budget.timezone, budget.period, now).0;
                reached.push((self.status_of(budget, value, figures, now), level, begins));
            }
        }
        for (budget, level, begins) in reached {
            if self.warned_now(id, &budget, level, begins) {
                effects.push(Effect::Warn(Box::new(CostWarning {
                    budget,
                    level,
                    caused_by: Some(id.clone()),
                })));
            }
        }
    }

    /// Notes a warning; false when it was given before.
    fn warned_now(
        &mut self,
        id: &OperationId,
        budget: &BudgetStatus,
        level: WarningLevel,
        begins: UnixMs,
    ) -> bool {
        if budget.period != BudgetPeriod::Operation {
            return self.note_warning(budget, level, begins);
        }
        let Some(entry) = self.entries.get_mut(id) else { return false };
        note(&mut entry.warned, identity(budget), level, begins)
    }

    pub(super) fn note_warning(
        &mut self,
        budget: &BudgetStatus,
        level: WarningLevel,
        begins: UnixMs,
    ) -> bool {
        let identity = identity(budget);
        if self.warned.len() >= MAX_WARNED && !self.warned.contains_key(&identity) {
            // The earliest half goes, so that the work is rare.
            let mut begun: Vec<UnixMs> = self.warned.values().map(|(_, begins)| *begins).collect();
            begun.sort_unstable();
            let middle = begun[begun.len() / 2];
            let mut excess = begun.len() / 2;
            self.warned.retain(|_, (_, begins)| {
                let early = excess > 0 && *begins <= middle;
                excess -= usize::from(early);
                !early
            });
        }
        note(&mut self.warned, identity, level, begins)
    }
}

fn note(warned: &mut Warned, identity: Identity, level: WarningLevel, begins: UnixMs) -> bool {
    let known = warned.get(&identity).filter(|known| known.1 == begins);
    if known.is_some_and(|known| known.0 >= level) {
        return false;
    }
    warned.insert(identity, (level, begins));
    true
}

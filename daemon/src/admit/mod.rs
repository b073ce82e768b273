//! The admission core: who may start, who waits in which order, and what budgets still carry.
//!
//! One plain struct without a clock, I/O or async: the hub calls it with the time and carries out the effects.
//! Budget and rate limits travel with each submission; the core owns the sums, the places and the order. Money is
//! set aside before a start, extended while it is spent, and moved into the sums when an attempt is recorded; no
//! hard budget is ever passed by what is set aside. Everything is bounded, or ends with the operation it is about.

mod budgets;
mod calendar;
mod cool;
mod facts;
mod money;
mod places;
mod purse;
mod queue;
mod rates;
mod settled;
mod sums;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::BTreeMap;

use llmctl_proto::admission::{Admission, Effect, Place, Refusal, Submission};
use llmctl_proto::config::Concurrency;
use llmctl_proto::event::{CostRecorded, CostWarning};
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::{Cell, cost_of};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use budgets::{Against, Warned};
use calendar::Calendar;
use cool::Cooling;
pub use facts::Money;
use places::Places;
use purse::{Held, Purse};
use rates::Rates;
use settled::Settled;
use sums::Sums;
use turns::Turns;

/// Ended operations whose live spend is held until it is recorded; beyond it the one that ended first goes.
const MAX_UNSETTLED: usize = 256;
/// How long it is held, in milliseconds: a day. A record that comes later still counts.
const UNSETTLED_MS: u64 = 24 * 60 * 60 * 1_000;

/// Priorities go from minus this to this.
pub const MAX_PRIORITY: i32 = 100;

/// The operation does not wait in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operation is not queued")]
pub struct NotQueued;

/// Why an operation's limit was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is neither queued nor running.
    #[error("the operation is neither queued nor running")]
    NotHere,
    /// A shared hard budget does not carry the new limit.
    #[error("{}", .0.sentence())]
    Refused(Box<Refusal>),
}

/// Where an operation is.
#[derive(Debug)]
enum Phase {
    /// Waits; the place is what its runner was last told.
    Queued(Option<Place>),
    /// Has its place.
    Running,
    /// Ended at this moment, with live spend that no record has settled yet; it holds that and nothing else.
    Ended(UnixMs),
}

/// An operation that has not ended, or whose cost is not recorded yet.
#[derive(Debug)]
struct Entry {
    submission: Submission,
    phase: Phase,
    purse: Purse,
    /// Starts of higher priority that passed it in the queue.
    passed: u32,
    /// A person changed its limit, which then goes before what a runner says.
    limit_changed: bool,
    /// Warnings of budgets that count this operation alone.
    warned: Warned,
}

/// Budgets, places, order, rate windows and cool-downs.
#[derive(Debug, Default)]
pub struct Core {
    /// Ordered, so that effects come in a repeatable order.
    entries: BTreeMap<OperationId, Entry>,
    /// How many of them wait.
    waiting: usize,
    /// How many of them have ended and are not settled.
    unsettled: usize,
    places: Places,
    rates: Rates,
    turns: Turns,
    cooling: Cooling,
    sums: Sums,
    settled: Settled,
    held: Held,
    calendar: Calendar,
    warned: Warned,
}

impl Entry {
    fn runs(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    fn waits(&self) -> bool {
        matches!(self.phase, Phase::Queued(_))
    }
}

impl Core {
    /// A core without operations and sums.
    pub fn new(limits: Concurrency) -> Self {
        let mut core = Self::default();
        core.places.limits = limits;
        core
    }

    /// Takes new concurrency limits; nothing that runs is stopped by them.
    pub fn set_limits(&mut self, limits: Concurrency, now: UnixMs) -> Vec<Effect> {
        self.places.limits = limits;
        let mut effects = Vec::new();
        self.advance(now, &mut effects);
        effects
    }

    /// Counts what was recorded before this daemon, as sums of quarters of an hour.
    pub fn restore_sums<'a>(&mut self, cells: impl IntoIterator<Item = &'a Cell>, now: UnixMs) {
        for cell in cells {
            self.sums.add_cell(cell, now);
        }
    }

    /// Learns from recent attempts, which the sums hold already, who has started and what is recorded; a record that
    /// comes again is then known.
    pub fn restore<'a>(&mut self, records: impl IntoIterator<Item = &'a CostRecorded>, now: UnixMs) {
        for record in records {
            if !self.settled.note(&record.operation_id, record.attempt, cost_of(record)) {
                continue;
            }
            let model = record.rows.first().map(|row| row.model.as_str()).filter(|model| !model.is_empty());
            for key in rates::keys(&record.tool, record.provider.as_deref(), model) {
                self.rates.note(key, record.started_at, now);
            }
            self.note_tokens(record, now);
        }
    }

    /// Counts what an attempt used against the limits of a minute.
    fn note_tokens(&mut self, record: &CostRecorded, now: UnixMs) {
        let tokens = record.rows.iter().fold(0, |sum: u64, row| sum.saturating_add(row.tokens.total()));
        let model = record.rows.first().map(|row| row.model.as_str()).filter(|model| !model.is_empty());
        for key in rates::keys(&record.tool, record.provider.as_deref(), model) {
            self.rates.note_tokens(key, tokens, record.recorded_at, now);
        }
    }

    /// Remembers a warning that was published at `at` before this daemon, so that it is not given twice.
    pub fn restore_warning(&mut self, warning: &CostWarning, at: UnixMs) {
        let budget = &warning.budget;
        let begins = self.calendar.bounds(&budget.timezone, budget.period, at).0;
        self.note_warning(budget, warning.level, begins);
    }

    /// Answers a first attempt, a later one, or one that a runner tells again after a lost link or a restart of
    /// the daemon. The answer for this operation is returned; effects are about others, and warnings.
    pub fn submit(&mut self, mut submission: Submission, now: UnixMs) -> (Admission, Vec<Effect>) {
        submission.priority = submission.priority.clamp(-MAX_PRIORITY, MAX_PRIORITY);
        for budget in &submission.budgets {
            self.calendar.learn(&budget.timezone, now);
        }
        let id = submission.operation_id.clone();
        let mut effects = Vec::new();
        if self
            .entries
            .get(&id)
            .is_some_and(|known| known.runs() && submission.attempt <= known.submission.attempt)
        {
            let answer = self.again(&submission, now, &mut effects);
            return (answer, effects);
        }
        let (entry, ran) = self.receive(submission);
        if entry.submission.running {
            let answer = self.take_over(entry, now, &mut effects);
            self.advance(now, &mut effects);
            return (answer, effects);
        }
        if let Some(refusal) = self.impossible(&entry, now) {
            self.forget_purse(&entry);
            self.advance(now, &mut effects);
            return (Admission::Refused(refusal), effects);
        }
        self.entries.insert(id.clone(), entry);
        self.waiting += 1;
        // An operation under way goes on before others start, where its next tool has room.
        if ran && self.is_free(&id, now) {
            self.start(&id, false, now, &mut effects);
        }
        self.advance(now, &mut effects);
        let mine = |effect: &Effect| matches!(effect, Effect::Answer(of, _) if *of == id);
        let answer = effects.iter().position(mine).map(|place| effects.remove(place));
        match answer {
            Some(Effect::Answer(_, answer)) => (answer, effects),
            // It stands in the queue with the place it was told before.
            _ => (Admission::Queued(self.place(&id).cloned().unwrap_or_else(queue::nowhere)), effects),
        }
    }

    /// An operation has ended, is refused or is given up: its place and the rest of its reservation come back.
    /// Live spend that no record has settled stays held until one does, at most a day, so that a runner that dies
    /// without a word takes nothing out of a hard budget.
    pub fn on_end(&mut self, id: &OperationId, now: UnixMs) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.entries.get(id).is_none_or(|entry| matches!(entry.phase, Phase::Ended(_))) {
            return effects;
        }
        let Some(mut entry) = self.take_out(id) else { return effects };
        let rest = Purse { reserved: 0, original: 0, ..entry.purse };
        self.held.change(&entry.submission, &entry.purse, &rest);
        if rest.live > 0 {
            entry.purse = rest;
            entry.phase = Phase::Ended(now);
            self.unsettled += 1;
            self.entries.insert(id.clone(), entry);
        }
        self.drop_unsettled(now);
        self.advance(now, &mut effects);
        effects
    }

    /// An attempt failed; `rate_limit` and `overloaded` cool its pair down, at once with a stated delay, else
    /// after three within a minute.
    pub fn on_failure(
        &mut self,
        tool: &str,
        model: Option<&str>,
        class: &str,
        retry_after_ms: Option<u64>,
        now: UnixMs,
    ) {
        self.cooling.fail(tool, model, class, retry_after_ms, now);
    }

    /// An attempt succeeded: its pair no longer cools down.
    pub fn on_success(&mut self, tool: &str, model: Option<&str>) {
        self.cooling.succeed(tool, model);
    }

    /// Windows open and days begin: lets operations start and warns anew. Harmless at any time.
    pub fn tick(&mut self, now: UnixMs) -> Vec<Effect> {
        let mut effects = Vec::new();
        let zones: Vec<String> = self
            .entries
            .values()
            .flat_map(|entry| &entry.submission.budgets)
            .map(|budget| budget.timezone.clone())
            .collect();
        for zone in zones {
            self.calendar.learn(&zone, now);
        }
        self.drop_unsettled(now);
        let running: Vec<OperationId> =
            self.entries.iter().filter(|(_, entry)| entry.runs()).map(|(id, _)| id.clone()).collect();
        for id in running {
            self.warn(&id, now, &mut effects);
        }
        self.advance(now, &mut effects);
        effects
    }

    /// The same attempt, told again while it runs: its place and reservation stay.
    fn again(&mut self, submission: &Submission, now: UnixMs, effects: &mut Vec<Effect>) -> Admission {
        let id = &submission.operation_id;
        let recorded = self.settled.cost(id).0;
        let live = submission.spent.0.saturating_sub(recorded);
        if self.entries.get(id).is_some_and(|entry| live > entry.purse.live) {
            self.spend(id, live, now, effects);
        }
        let Some(entry) = self.entries.get(id) else { return Admission::Queued(queue::nowhere()) };
        let reservation = entry.submission.reservation.map(|_| PicoUsd(entry.purse.reserved));
        Admission::Admitted { reservation, warnings: self.near(entry, 0, now), overridden: None }
    }

    /// Makes an entry of a submission, with what is known of its earlier attempts; says whether one of them ran.
    fn receive(&mut self, mut submission: Submission) -> (Entry, bool) {
        let id = submission.operation_id.clone();
        let before = self.take_out(&id);
        let recorded = self.settled.cost(&id).0;
        let live = submission.spent.0.saturating_sub(recorded).max(0);
        let mut entry_warned = Warned::new();
        let (mut passed, mut limit_changed, mut ran) = (0, false, false);
        if let Some(before) = before {
            self.forget_purse(&before);
            ran = before.runs();
            // What a person changed here is newer than what the runner was started with.
            submission.priority = before.submission.priority;
            submission.held = if before.waits() { before.submission.held } else { submission.held };
            if before.limit_changed {
                submission.max_cost = before.submission.max_cost;
            }
            (passed, limit_changed, entry_warned) = (before.passed, before.limit_changed, before.warned);
        }
        let purse = Purse { live, recorded, ..Purse::default() };
        self.held.change(&submission, &Purse::default(), &purse);
        let entry = Entry {
            submission,
            phase: Phase::Queued(None),
            purse,
            passed,
            limit_changed,
            warned: entry_warned,
        };
        (entry, ran)
    }

    /// Gives an operation that runs already its place and reservation, whatever the limits say.
    fn take_over(&mut self, mut entry: Entry, now: UnixMs, effects: &mut Vec<Effect>) -> Admission {
        let id = entry.submission.operation_id.clone();
        let warnings = self.near(&entry, 0, now);
        let reservation = entry.submission.reservation;
        let before = entry.purse;
        entry.purse.reserved = reservation.map_or(0, |amount| amount.0.max(0));
        entry.purse.original = entry.purse.reserved;
        self.held.change(&entry.submission, &before, &entry.purse);
        entry.phase = Phase::Running;
        self.places.take(&entry.submission);
        let submission = &entry.submission;
        for key in rates::keys(&submission.tool, submission.provider.as_deref(), submission.model.as_deref())
        {
            // When it started is not told; it was not before this.
            self.rates.note(key, submission.submitted_at, now);
        }
        self.entries.insert(id.clone(), entry);
        self.warn(&id, now, effects);
        self.stop_overrun(Some(&id), now, effects);
        Admission::Admitted { reservation, warnings, overridden: None }
    }

    /// The refusal of what can never start, or not before a period ends, so that it does not wait for nothing.
    fn impossible(&self, entry: &Entry, now: UnixMs) -> Option<Box<Refusal>> {
        let against = if entry.submission.held { Against::Limit } else { Against::Spent };
        let need = match entry.capped() {
            Ok(need) => need,
            Err(refusal) => return Some(refusal),
        };
        self.refusal(entry.limits(), &entry.purse, 0, need, against, now)
    }

    /// Takes an operation out of places and queue; its purse stays counted.
    fn take_out(&mut self, id: &OperationId) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        match entry.phase {
            Phase::Running => self.places.give_back(&entry.submission),
            Phase::Queued(_) => self.waiting = self.waiting.saturating_sub(1),
            Phase::Ended(_) => self.unsettled = self.unsettled.saturating_sub(1),
        }
        Some(entry)
    }

    /// Forgets ended operations that were settled, have waited too long for it, or are too many.
    fn drop_unsettled(&mut self, now: UnixMs) {
        if self.unsettled == 0 {
            return;
        }
        let ended = |entry: &Entry| match entry.phase {
            Phase::Ended(at) => Some((at, entry.purse.live)),
            _ => None,
        };
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for (id, entry) in &self.entries {
            match ended(entry) {
                Some((at, live)) if live > 0 && now.since(at) < UNSETTLED_MS => kept.push((at, id.clone())),
                Some(_) => gone.push(id.clone()),
                None => {}
            }
        }
        if kept.len() > MAX_UNSETTLED {
            kept.sort_unstable();
            gone.extend(kept.drain(..kept.len() - MAX_UNSETTLED).map(|(_, id)| id));
        }
        for id in gone {
            if let Some(entry) = self.take_out(&id) {
                self.forget_purse(&entry);
            }
        }
    }

    fn forget_purse(&mut self, entry: &Entry) {
        self.held.change(&entry.submission, &entry.purse, &Purse::default());
    }
}

//! Places and money within the hub: what events and submissions mean for the admission core, and what it decided.
//!
//! The core is pure; this file gives it the clock, and turns its effects into directives and events.

use std::collections::HashMap;

use llmctl_proto::admission::{Admission, Effect, FactsQuery, QueueRow, Refusal, SharedFacts, Submission};
use llmctl_proto::event::{BudgetAction, BudgetRefused, CostUpdate, Event};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::state::{Operation, State};
use llmctl_proto::time::UnixMs;

use super::Rules;
use crate::admit::{Core, LimitError};
use crate::store::Recovered;

/// Between two `cost.update`.
const UPDATE_MS: i64 = 1_000;

/// Older failures and successes are history.
const FRESH_MS: i64 = 60_000;

/// What the core decided, for the hub to carry out.
#[derive(Debug)]
pub(super) enum Act {
    /// Tell the runner.
    Answer(OperationId, Box<Admission>),
    /// Stop an operation that its budgets no longer carry.
    Stop(OperationId, Box<Refusal>),
    /// Publish an event of the hub's own.
    Publish(Box<Event>),
}

/// Places and money.
pub(super) struct Money {
    core: Core,
    rules: Rules,
    /// What of an operation's cost is in the ledger already, in nano-dollars.
    recorded: HashMap<OperationId, i64>,
    /// Everything ever recorded.
    total: i128,
    updated_at: UnixMs,
    moved: bool,
}

impl Money {
    pub(super) fn new(rules: Rules, recovered: &Recovered, running: &State) -> Self {
        let now = UnixMs::now();
        let mut core = Core::new(rules.concurrency.clone());
        core.restore_sums(&recovered.sums, now);
        core.restore(recovered.ledger.iter(), now);
        for (at, warning) in &recovered.warnings {
            core.restore_warning(warning, *at);
        }
        for operation in running.operations.values().filter(|operation| runs(operation)) {
            // Its runner will say more when it comes back; until then its money stays set aside.
            let _ = core.submit(as_it_was(operation), now);
        }
        let total = recovered.ledger_total;
        Self { core, rules, recorded: HashMap::new(), total, updated_at: UnixMs(0), moved: false }
    }

    /// Takes a submission in.
    pub(super) fn submit(&mut self, submission: Submission) -> Vec<Act> {
        let id = submission.operation_id.clone();
        let (admission, effects) = self.core.submit(submission, UnixMs::now());
        self.moved = true;
        let mut acts = vec![Act::Answer(id, Box::new(admission))];
        acts.extend(Self::acts(effects));
        acts
    }

    /// Learns from an event that was just applied.
    pub(super) fn learn(&mut self, at: UnixMs, event: &Event, operation: Option<&Operation>) -> Vec<Act> {
        let now = UnixMs::now();
        // What is read from a journal much later says nothing of how a provider is now.
        let fresh = now.0.saturating_sub(at.0) < FRESH_MS;
        let effects = match event {
            Event::ExecutionProgress(e) => {
                let recorded = self.recorded.get(&e.operation_id).copied().unwrap_or(0);
                let live = e.spend.cost_nano_usd.unwrap_or(0).saturating_sub(recorded).max(0);
                self.moved = true;
                self.core.on_spend(&e.operation_id, pico(live), now)
            }
            Event::CostRecorded(e) => {
                *self.recorded.entry(e.operation_id.clone()).or_default() += e.cost_nano_usd.unwrap_or(0);
                self.total +=
                    e.rows.iter().filter_map(|r| r.cost_pico_usd).map(|c| i128::from(c.0)).sum::<i128>();
                self.moved = true;
                self.core.on_recorded(e, now)
            }
            Event::ExecutionFailed(e) => {
                if let Some((tool, model)) = operation.and_then(pair).filter(|_| fresh) {
                    self.core.on_failure(tool, model, &e.class, e.retry_after_ms, now);
                }
                if e.is_final { self.end(&e.operation_id, now) } else { Vec::new() }
            }
            Event::ExecutionCompleted(e) => {
                if let Some((tool, model)) = operation.and_then(pair).filter(|_| fresh) {
                    self.core.on_success(tool, model);
                }
                self.end(&e.operation_id, now)
            }
            Event::BudgetRefused(e) if e.action == BudgetAction::Refuse => self.end(&e.operation_id, now),
            Event::ExecutionStopped(e) => self.end(&e.operation_id, now),
            Event::ExecutionLost(e) => self.end(&e.operation_id, now),
            _ => return Vec::new(),
        };
        Self::acts(effects)
    }

    fn end(&mut self, id: &OperationId, now: UnixMs) -> Vec<Effect> {
        self.recorded.remove(id);
        self.moved = true;
        self.core.on_end(id, now)
    }

    /// What is due by the clock. `watched`: somebody would see the sums.
    pub(super) fn tick(&mut self, watched: bool) -> Vec<Act> {
        let now = UnixMs::now();
        let effects = self.core.tick(now);
        let mut acts = Self::acts(effects);
        if watched && self.moved && now.0 - self.updated_at.0 >= UPDATE_MS {
            self.moved = false;
            self.updated_at = now;
            acts.push(Act::Publish(Box::new(self.update(now).into())));
        }
        acts
    }

    /// When `tick` has something to do.
    pub(super) fn next_wake(&self, watched: bool) -> Option<UnixMs> {
        let now = UnixMs::now();
        let update = (watched && self.moved).then(|| UnixMs(self.updated_at.0 + UPDATE_MS));
        [self.core.next_wake(now), update].into_iter().flatten().min()
    }

    /// Sums and budgets now.
    pub(super) fn overview(&self) -> CostUpdate {
        self.update(UnixMs::now())
    }

    fn update(&self, now: UnixMs) -> CostUpdate {
        let timezone = if self.rules.timezone.is_empty() { "UTC" } else { &self.rules.timezone };
        let sums = self.core.totals(now, timezone);
        let query = FactsQuery { budgets: self.rules.budgets.clone(), ..FactsQuery::default() };
        CostUpdate {
            today_nano_usd: sums.day.nano(),
            month_nano_usd: sums.month.nano(),
            total_nano_usd: PicoUsd::from_sum(self.total).unwrap_or(PicoUsd(i64::MAX)).nano(),
            reserved_nano_usd: sums.reserved.nano(),
            live_nano_usd: sums.live.nano(),
            timezone: timezone.to_owned(),
            budgets: self.core.facts(&query, now).budgets,
        }
    }

    /// What routing decides on.
    pub(super) fn facts(&self, query: &FactsQuery) -> SharedFacts {
        self.core.facts(query, UnixMs::now())
    }

    /// Operations that wait.
    pub(super) fn queue(&self) -> Vec<QueueRow> {
        self.core.queue(UnixMs::now())
    }

    /// Changes the place of a queued operation; none when it is not queued.
    pub(super) fn change(
        &mut self,
        id: &OperationId,
        priority: Option<i32>,
        held: Option<bool>,
    ) -> Option<Vec<Act>> {
        let effects = self.core.change(id, priority, held, UnixMs::now()).ok()?;
        Some(Self::acts(effects))
    }

    /// Changes the cost limit of an operation.
    pub(super) fn set_max_cost(
        &mut self,
        id: &OperationId,
        limit: Option<i64>,
    ) -> Result<Vec<Act>, Box<Refusal>> {
        match self.core.set_max_cost(id, limit.map(pico), UnixMs::now()) {
            Ok(effects) => Ok(Self::acts(effects)),
            // One that never asked for a place has only its own limit.
            Err(LimitError::NotHere) => Ok(Vec::new()),
            Err(LimitError::Refused(refusal)) => Err(refusal),
        }
    }

    /// Puts other rules in force.
    pub(super) fn set_rules(&mut self, rules: Rules) -> Vec<Act> {
        let effects = self.core.set_limits(rules.concurrency.clone(), UnixMs::now());
        self.rules = rules;
        self.moved = true;
        Self::acts(effects)
    }

    fn acts(effects: Vec<Effect>) -> Vec<Act> {
        let mut acts = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Answer(id, admission) => acts.push(Act::Answer(id, Box::new(admission))),
                Effect::Warn(warning) => acts.push(Act::Publish(Box::new((*warning).into()))),
                Effect::Stop(id, refusal) => {
                    acts.push(Act::Publish(Box::new(stopped(&id, &refusal).into())));
                    acts.push(Act::Stop(id, refusal));
                }
            }
        }
        acts
    }
}

fn stopped(id: &OperationId, refusal: &Refusal) -> BudgetRefused {
    BudgetRefused {
        operation_id: id.clone(),
        budget: Some(refusal.budget.clone()),
        estimate_nano_usd: None,
        reservation_nano_usd: refusal.reservation.map(PicoUsd::nano),
        would_be_nano_usd: refusal.would_be.map(PicoUsd::nano),
        action: BudgetAction::Stop,
        overridden_reason: None,
        message: refusal.sentence(),
        hints: Vec::new(),
    }
}

fn pico(nano: i64) -> PicoUsd {
    PicoUsd::from_nano(nano).unwrap_or(PicoUsd(i64::MAX))
}

fn pair(operation: &Operation) -> Option<(&str, Option<&str>)> {
    Some((operation.tool.as_deref()?, operation.model.as_deref()))
}

fn runs(operation: &Operation) -> bool {
    !operation.state.is_final() && operation.started_at.is_some()
}

/// What is known of the money of an operation that ran when the last daemon ended.
fn as_it_was(operation: &Operation) -> Submission {
    Submission {
        operation_id: operation.operation_id.clone(),
        submitted_at: operation.submitted_at,
        attempt: operation.attempt,
        tool: operation.tool.clone().unwrap_or_default(),
        model: operation.model.clone(),
        provider: operation.provider.clone(),
        agent: operation.agent.clone(),
        project: operation.project.clone(),
        fair_key: operation.agent.clone().unwrap_or_default(),
        priority: 0,
        held: false,
        estimate: None,
        reservation: operation.reservation_nano_usd.map(pico),
        max_cost: operation.max_cost_nano_usd.map(pico),
        budgets: Vec::new(),
        rates: Vec::new(),
        force_reason: None,
        running: true,
        spent: PicoUsd::ZERO,
    }
}

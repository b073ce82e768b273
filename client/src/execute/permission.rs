//! Whether an attempt may begin: what the person is asked, what the daemon is asked, and what refuses it.

use llmctl_proto::admission::{Refusal, Submission};
use llmctl_proto::config::BudgetPeriod;
use llmctl_proto::event::{BudgetAction, BudgetRefused};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::gate::{self, Reply};
use super::operation::{Operation, Refused, Started, Turn};
use super::place::{Given, Waiting};
use super::stop::Cause;
use crate::term::duration;

impl Operation<'_> {
    /// What has to be settled with the person before anything is asked of the daemon.
    pub(super) async fn ask_first(&mut self) -> Option<Turn> {
        let (estimate, reservation) = self.choices.amounts();
        let may_ask = self.interactive && !self.request.yes && gate::has_terminal();
        if let Some(limit) = self.policy.require_justification_over
            && self.request.reason.is_none()
            && estimate.is_some_and(|estimate| estimate > limit)
        {
            let about = estimate.unwrap_or(PicoUsd::ZERO);
            let reason = if may_ask {
                let question = format!("this operation: about {about}, more than {limit}. Reason: ");
                match gate::ask(&question, &mut self.signals).await {
                    Reply::Line(line) => line,
                    Reply::Signal(number) => return Some(Turn::Stopped(Cause::signal(number))),
                }
            } else {
                String::new()
            };
            if reason.is_empty() {
                let message = format!(
                    "this operation is estimated at {about}, and policy {} wants a reason above {limit}",
                    self.policy_name
                );
                let hints = vec!["give it with --reason TEXT".to_owned()];
                return Some(Turn::Refused(Refused { message, hints, refusal: None }));
            }
            self.request.reason = Some(reason);
        }
        let warnings = gate::warnings(&self.budgets, reservation);
        for warning in &warnings {
            self.run.front.say(&format!("warning: {}", warning.text));
        }
        if may_ask && warnings.iter().any(|warning| warning.ask) {
            if let Some(estimate) = estimate {
                self.run.front.say(&format!("  this operation: about {estimate}"));
            }
            match gate::ask("Go on? [y/N] ", &mut self.signals).await {
                Reply::Line(line) if matches!(line.as_str(), "y" | "Y" | "yes") => {}
                Reply::Line(_) => {
                    let message = "not started: the budget is nearly used".to_owned();
                    return Some(Turn::Refused(Refused { message, hints: Vec::new(), refusal: None }));
                }
                Reply::Signal(number) => return Some(Turn::Stopped(Cause::signal(number))),
            }
        }
        None
    }

    /// Asks the daemon for a place and the money.
    pub(super) async fn take_place(&mut self, started: Started<'_>) -> Result<Option<PicoUsd>, Box<Turn>> {
        let submission = self.submission();
        let local = submission.reservation;
        match self.waiting(started).place(submission).await {
            Given::Place { reservation, warnings, overridden } => {
                if self.budgets.is_empty() {
                    // Nothing was known before: what the hub knows is said now.
                    for warning in gate::warnings(&warnings, None) {
                        self.run.front.say(&format!("warning: {}", warning.text));
                    }
                }
                if let Some(refusal) = overridden {
                    self.note_override(&refusal);
                }
                Ok(reservation)
            }
            Given::Alone => {
                let limited = !self.policy.budgets.is_empty() || self.run.limits.max_cost_nano_usd.is_some();
                if limited && self.attempt == 1 {
                    self.run.front.say("warning: without the daemon shared budgets are not enforced");
                }
                Ok(local)
            }
            Given::Refused(refusal) => {
                if self.policy.downgrade_on_budget && self.choices.downgrade(&refusal) {
                    self.run.front.note(&refusal.sentence());
                    return Err(Box::new(Turn::Again));
                }
                let hints = refusal_hints(&refusal, UnixMs::now());
                let message = refusal.sentence();
                Err(Box::new(Turn::Refused(Refused { message, hints, refusal: Some(refusal) })))
            }
            Given::Stopped(cause) => Err(Box::new(Turn::Stopped(cause))),
        }
    }

    pub(super) fn waiting<'w>(&'w mut self, on_queued: Started<'w>) -> Waiting<'w> {
        Waiting {
            paths: self.paths,
            record: &mut self.run.record,
            front: &mut self.run.front,
            signals: &mut self.signals,
            orders: &mut self.orders,
            max_cost_nano_usd: &mut self.run.limits.max_cost_nano_usd,
            on_queued,
        }
    }

    fn submission(&self) -> Submission {
        let (estimate, reservation) = self.choices.amounts();
        let selected = self.choices.current().map(|(selected, _)| selected.clone());
        let (tool, model, provider) =
            selected.map_or_else(Default::default, |s| (s.tool, s.model, s.provider));
        let pico = |nano: i64| PicoUsd::from_nano(nano).unwrap_or(PicoUsd(i64::MAX));
        Submission {
            operation_id: self.run.record.id.clone(),
            submitted_at: self.file.created_at,
            attempt: self.attempt,
            tool,
            model,
            provider,
            agent: self.request.agent.clone(),
            project: self.request.project.clone(),
            fair_key: self.request.agent.clone().or_else(|| self.request.project.clone()).unwrap_or_default(),
            priority: self.request.priority,
            held: self.request.hold && self.attempt == 1,
            estimate,
            reservation,
            max_cost: self.run.limits.max_cost_nano_usd.map(pico),
            budgets: self.policy.budgets.clone(),
            rates: self.rates.clone(),
            force_reason: self.request.reason.clone().filter(|_| self.request.force),
            running: false,
            spent: pico(self.run.spend().cost_nano_usd.unwrap_or(0)),
        }
    }

    fn note_override(&mut self, refusal: &Refusal) {
        let event = BudgetRefused {
            action: BudgetAction::Override,
            overridden_reason: self.request.reason.clone(),
            ..self.budget_event(refusal.sentence(), Vec::new(), Some(refusal))
        };
        self.run.front.say(&format!("warning: {}; going on: --force", refusal.sentence()));
        self.run.fact(event);
    }

    pub(super) fn budget_event(
        &self,
        message: String,
        hints: Vec<String>,
        refusal: Option<&Refusal>,
    ) -> BudgetRefused {
        let (estimate, reservation) = self.choices.amounts();
        BudgetRefused {
            operation_id: self.run.record.id.clone(),
            budget: refusal.map(|refusal| refusal.budget.clone()),
            estimate_nano_usd: estimate.map(PicoUsd::nano),
            reservation_nano_usd: reservation.map(PicoUsd::nano),
            would_be_nano_usd: refusal.and_then(|refusal| refusal.would_be).map(PicoUsd::nano),
            action: BudgetAction::Refuse,
            overridden_reason: None,
            message,
            hints,
        }
    }
}

fn refusal_hints(refusal: &Refusal, now: UnixMs) -> Vec<String> {
    let budget = &refusal.budget;
    let mut hints = Vec::new();
    if refusal.would_be.is_none() {
        hints.push("name a model whose price is known: --model MODEL or --model TOOL:MODEL".to_owned());
    }
    if !budget.setting.is_empty() {
        hints.push(format!("set {}", budget.setting));
    }
    hints.push("--force --reason \"…\" overrides and is recorded".to_owned());
    if let Some(ends) = budget.resets_at {
        let left = u64::try_from(ends.0 - now.0).unwrap_or(0);
        let what = if budget.period == BudgetPeriod::Month { "month" } else { "day" };
        hints.push(format!("the {what} ends at 00:00 {}, in {}", budget.timezone, duration(left)));
    }
    hints
}

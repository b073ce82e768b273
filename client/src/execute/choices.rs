//! The routing decision of an operation, and how far down its order the operation is.

use llmctl_proto::admission::Refusal;
use llmctl_proto::event::{ModelSelected, NextAttempt, Reason, RoutingDecision, Selected};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;

use crate::route::{Decision, Known};
use crate::tool::ErrorClass;

/// The candidates of an operation.
pub(super) struct Choices {
    decision: Decision,
    known: Vec<Known>,
    decided_us: u64,
    trigger: String,
}

impl Choices {
    pub(super) fn new(decision: Decision, known: Vec<Known>, decided_us: u64) -> Self {
        Self { decision, known, decided_us, trigger: "submit".to_owned() }
    }

    /// The decision itself.
    pub(super) fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The choice, and what stands behind it.
    pub(super) fn current(&self) -> Option<(&Selected, &Known)> {
        Some((self.decision.choice.as_ref()?, self.known.get(self.decision.fact()?)?))
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        self.decision
            .choice
            .as_ref()
            .map(|choice| pair(&choice.tool, choice.model.as_deref()))
            .unwrap_or_default()
    }

    /// Cost in the middling case, and what to set aside.
    pub(super) fn amounts(&self) -> (Option<PicoUsd>, Option<PicoUsd>) {
        let pico = |nano: Option<i64>| nano.and_then(|nano| PicoUsd::from_nano(nano).ok());
        self.decision.selected().map_or((None, None), |candidate| {
            (pico(candidate.estimate_nano_usd), pico(candidate.reservation_nano_usd))
        })
    }

    /// What is tried next, for the event of the failure before it.
    pub(super) fn next_attempt(&self) -> NextAttempt {
        let (tool, model) =
            self.decision.choice.as_ref().map(|s| (s.tool.clone(), s.model.clone())).unwrap_or_default();
        NextAttempt { tool, model }
    }

    fn after(&self, why: &Reason, class: Option<ErrorClass>) -> Decision {
        self.decision.after_failure(why, class == Some(ErrorClass::ContextWindow))
    }

    /// Whether another candidate could take over after a failure.
    pub(super) fn has_standby(&self, class: ErrorClass) -> bool {
        self.after(&Reason::new(class.as_str(), ""), Some(class)).selected.is_some()
    }

    /// Goes on to the next candidate; the one before is rejected for its failure.
    pub(super) fn advance(&mut self, class: ErrorClass, message: &str) {
        class.as_str().clone_into(&mut self.trigger);
        self.decision = self.after(&Reason::new(class.as_str(), message), Some(class));
    }

    /// Goes on to the next candidate that is cheaper than the one a budget refused; false when there is none.
    pub(super) fn downgrade(&mut self, refusal: &Refusal) -> bool {
        let limit = self.amounts().1;
        let mut next = self.after(&refusal.as_reason(), None);
        while let Some(candidate) = next.selected() {
            let cost = candidate.reservation_nano_usd.and_then(|nano| PicoUsd::from_nano(nano).ok());
            if cost.is_some() && (limit.is_none() || cost < limit) {
                "budget".clone_into(&mut self.trigger);
                self.decision = next;
                return true;
            }
            next = next.after_failure(&Reason::new("not_cheaper", "it is not cheaper"), false);
        }
        false
    }

    /// The decision as it is recorded.
    pub(super) fn event(&self, id: &OperationId, attempt: u32) -> RoutingDecision {
        self.decision.event(id, attempt, &self.trigger, self.decided_us)
    }

    /// The choice alone as it is recorded.
    pub(super) fn selected_event(&self, id: &OperationId, attempt: u32) -> Option<ModelSelected> {
        self.decision.model_selected(id, attempt)
    }
}

fn pair(tool: &str, model: Option<&str>) -> String {
    model.map_or_else(|| tool.to_owned(), |model| format!("{tool}:{model}"))
}

//! The routing decision of an operation, and how far down its list the operation is.

use llmctl_proto::admission::Refusal;
use llmctl_proto::event::{
    BudgetStatus, Candidate, ModelSelected, NextAttempt, Reason, RoutingDecision, Selected, Verdict,
};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;

use crate::route::Decision;
use crate::route::facts::Known;
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

    /// The choice, and what stands behind it.
    pub(super) fn current(&self) -> Option<(&Selected, &Known)> {
        Some((self.decision.selected.as_ref()?, &self.known[self.decision.chosen?]))
    }

    fn candidate(&self) -> Option<&Candidate> {
        self.decision.candidates.iter().find(|candidate| candidate.verdict == Verdict::Selected)
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        self.current()
            .map(|(selected, _)| pair(&selected.tool, selected.model.as_deref()))
            .unwrap_or_default()
    }

    /// Cost in the middling case, and what to set aside.
    pub(super) fn amounts(&self) -> (Option<PicoUsd>, Option<PicoUsd>) {
        let pico = |nano: Option<i64>| nano.and_then(|nano| PicoUsd::from_nano(nano).ok());
        self.candidate().map_or((None, None), |candidate| {
            (pico(candidate.estimate_nano_usd), pico(candidate.reservation_nano_usd))
        })
    }

    /// What is tried next, for the event of the failure before it.
    pub(super) fn next_attempt(&self) -> NextAttempt {
        let (tool, model) =
            self.current().map(|(s, _)| (s.tool.clone(), s.model.clone())).unwrap_or_default();
        NextAttempt { tool, model }
    }

    /// Whether another candidate could take over after a failure.
    pub(super) fn has_standby(&self, _class: ErrorClass) -> bool {
        self.decision.standby > 0
    }

    /// Goes on to the next candidate; the one before is rejected for its failure.
    pub(super) fn advance(&mut self, class: ErrorClass, message: &str) {
        self.trigger = class.as_str().to_owned();
        let _ = message;
    }

    /// Goes on to the next candidate, which is cheaper; false when there is none.
    pub(super) fn downgrade(&mut self, refusal: &Refusal) -> bool {
        let _: Reason = refusal.as_reason();
        false
    }

    /// The decision as it is recorded.
    pub(super) fn event(
        &self,
        id: &OperationId,
        attempt: u32,
        policy: &str,
        budgets: &[BudgetStatus],
    ) -> RoutingDecision {
        let decision = &self.decision;
        RoutingDecision {
            operation_id: id.clone(),
            attempt,
            trigger: self.trigger.clone(),
            requested: decision.requested.clone(),
            selected: decision.selected.clone(),
            fallback_used: decision
                .candidates
                .first()
                .is_some_and(|first| first.verdict != Verdict::Selected),
            candidates: decision.candidates.clone(),
            omitted: decision.omitted,
            estimate: llmctl_proto::event::Estimate::default(),
            policy: Some(policy.to_owned()).filter(|policy| !policy.is_empty()),
            budgets: budgets.to_vec(),
            decided_us: self.decided_us,
        }
    }

    /// The choice alone as it is recorded.
    pub(super) fn selected_event(&self, id: &OperationId, attempt: u32) -> Option<ModelSelected> {
        let selected = self.decision.selected.as_ref()?;
        Some(ModelSelected {
            operation_id: id.clone(),
            attempt,
            tool: selected.tool.clone(),
            model: selected.model.clone(),
            provider: selected.provider.clone(),
            reason_code: selected.reason_code.clone(),
            reason: selected.reason.clone(),
            standby: self.decision.standby,
        })
    }

    /// A line for each candidate that says why it was not taken.
    pub(super) fn why_not(&self) -> Vec<String> {
        self.decision
            .candidates
            .iter()
            .map(|candidate| {
                let reasons: Vec<&str> =
                    candidate.reasons.iter().map(|reason| reason.text.as_str()).collect();
                format!("{}: {}", candidate.tool, reasons.join("; "))
            })
            .collect()
    }
}

fn pair(tool: &str, model: Option<&str>) -> String {
    model.map_or_else(|| tool.to_owned(), |model| format!("{tool}:{model}"))
}

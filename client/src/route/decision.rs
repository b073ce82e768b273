//! A decision and why there may be none.
//!
//! Owns the form in which a decision is handed on: to the runner (what to start, in which order), to events and to
//! people. It never decides anew, except that a failed candidate gives way to the next in its order.

use llmctl_proto::event::{
    BudgetStatus, Candidate, Estimate, ModelSelected, Reason, Requested, RoutingDecision, Selected, Verdict,
};
use llmctl_proto::ids::OperationId;
use llmctl_proto::time::UnixMs;

use super::reasons;

/// Most candidates that an event lists.
pub const LISTED: usize = 50;
/// In place of a tool, for a model that no tool offers.
pub const NO_TOOL: &str = "-";

/// Why nobody was even looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A name that is not known.
    #[error("unknown {} {:?}{}", .0.what, .0.name, .0.rest())]
    Unknown(Unknown),
    /// An agent whose entry has errors.
    #[error("agent {name} cannot be used: {why}")]
    BrokenAgent {
        /// Which.
        name: String,
        /// Its first error.
        why: String,
    },
}

/// A name that is not known, and those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// `agent`, `tool`, `model` or `policy`.
    pub what: &'static str,
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<String>,
    /// The nearest of them.
    pub nearest: Option<String>,
}

impl Unknown {
    fn rest(&self) -> String {
        let known = if self.known.is_empty() {
            "; none is known".to_owned()
        } else {
            format!("; known: {}", self.known.join(", "))
        };
        match &self.nearest {
            Some(nearest) => format!("{known}; did you mean {nearest:?}?"),
            None => known,
        }
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What was asked for.
    pub requested: Requested,
    /// Place of the choice among the candidates; none when nobody is left.
    pub selected: Option<usize>,
    /// Every candidate in the order it was looked at, all of them.
    pub candidates: Vec<Candidate>,
    /// For each candidate its place in [`super::Facts::machine`]; none when there is nothing to run.
    pub facts: Vec<Option<usize>>,
    /// The choice and then the standbys, best first: the order for fallback at run time.
    pub order: Vec<usize>,
    /// The choice in the form of events.
    pub choice: Option<Selected>,
    /// Tokens of the choice, or of the request when there is none.
    pub estimate: Estimate,
    /// Policy it was made under.
    pub policy: String,
    /// Budgets that were looked at.
    pub budgets: Vec<BudgetStatus>,
    /// Reasons against the choice that did not stand, since nobody else was left.
    pub kept_despite: Vec<Reason>,
    /// For people, before the start: deprecated names and the like.
    pub warnings: Vec<String>,
    /// One line when a better candidate could not be used:
    /// `cursor is not installed; using claude-code:claude-opus-4-6 (fallback 2 of 3)`.
    pub notice: Option<String>,
}

impl Decision {
    /// The chosen candidate.
    pub fn selected(&self) -> Option<&Candidate> {
        self.selected.and_then(|at| self.candidates.get(at))
    }

    /// Place of what stands behind the choice in [`super::Facts::machine`].
    pub fn fact(&self) -> Option<usize> {
        self.selected.and_then(|at| self.facts.get(at).copied().flatten())
    }

    /// Usable candidates that were not chosen.
    pub fn standby(&self) -> u32 {
        u32::try_from(self.order.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// When the full rate window behind the choice opens, if it must be waited for.
    pub fn waits_until(&self) -> Option<UnixMs> {
        self.kept_despite.iter().filter(|r| r.code == "rate_limited").filter_map(|r| r.until).max()
    }

    /// The payload of `routing.decision`. `decided_us` is the time the decision took, in microseconds.
    pub fn event(&self, id: &OperationId, attempt: u32, trigger: &str, decided_us: u64) -> RoutingDecision {
        let (candidates, omitted) = self.listed();
        RoutingDecision {
            operation_id: id.clone(),
            attempt,
            trigger: trigger.to_owned(),
            requested: self.requested.clone(),
            selected: self.choice.clone(),
            fallback_used: candidates.first().is_some_and(|first| first.verdict != Verdict::Selected),
            candidates,
            omitted,
            estimate: self.estimate,
            policy: Some(self.policy.clone()),
            budgets: self.budgets.clone(),
            decided_us,
        }
    }

    /// The payload of `model.selected`; none without a choice.
    pub fn model_selected(&self, id: &OperationId, attempt: u32) -> Option<ModelSelected> {
        self.choice.as_ref().map(|choice| ModelSelected {
            operation_id: id.clone(),
            attempt,
            tool: choice.tool.clone(),
            model: choice.model.clone(),
            provider: choice.provider.clone(),
            reason_code: choice.reason_code.clone(),
            reason: choice.reason.clone(),
            standby: self.standby(),
        })
    }

    /// The decision after the choice has failed for `why`: it is rejected and the next of the order is chosen.
    /// `larger_window` passes by those whose window is not larger than that of the one that failed.
    #[must_use]
    pub fn after_failure(&self, why: &Reason, larger_window: bool) -> Self {
        let mut next = self.clone();
        let Some(failed) = self.selected else { return next };
        let window = self.candidates[failed].context_window;
        next.order.retain(|at| *at != failed);
        if larger_window && let Some(window) = window {
            next.order.retain(|at| self.candidates[*at].context_window.is_some_and(|w| w > window));
        }
        for (at, candidate) in next.candidates.iter_mut().enumerate() {
            if at == failed {
                candidate.verdict = Verdict::Rejected;
                candidate.score = None;
                candidate.reasons = vec![why.clone()];
            } else if candidate.verdict == Verdict::Standby && !next.order.contains(&at) {
                candidate.verdict = Verdict::Rejected;
                candidate.score = None;
                candidate.reasons = vec![Reason::new("context_too_small", "its window is not larger")];
            }
        }
        next.selected = next.order.first().copied();
        next.kept_despite = Vec::new();
        next.notice = None;
        next.choice = next.selected.map(|at| {
            next.candidates[at].verdict = Verdict::Selected;
            let failed =
                reasons::name(&next.candidates[failed].tool, next.candidates[failed].model.as_deref());
            reasons::selected(&next.candidates[at], format!("after {failed}: {}", why.text))
        });
        next
    }

    /// At most [`LISTED`] candidates in their order, those that can be used before those that cannot.
    fn listed(&self) -> (Vec<Candidate>, u32) {
        let omitted = self.candidates.len().saturating_sub(LISTED);
        if omitted == 0 {
            return (self.candidates.clone(), 0);
        }
        let mut keep: Vec<usize> = self.order.iter().copied().take(LISTED).collect();
        let others = (0..self.candidates.len()).filter(|at| !self.order.contains(at));
        let room = LISTED - keep.len();
        keep.extend(others.take(room));
        keep.sort_unstable();
        let listed = keep.into_iter().map(|at| self.candidates[at].clone()).collect();
        (listed, u32::try_from(omitted).unwrap_or(u32::MAX))
    }
}

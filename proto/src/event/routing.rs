//! Payloads of `routing.*` and `model.*`.

use serde::{Deserialize, Serialize};

use super::BudgetStatus;
use crate::ids::OperationId;
use crate::time::UnixMs;

/// `routing.decision`: the choice with every candidate's reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutingDecision {
    /// Operation.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// `submit`, or the error class that made another decision necessary.
    pub trigger: String,
    /// What was asked for.
    pub requested: Requested,
    /// The choice; none when no candidate was left.
    pub selected: Option<Selected>,
    /// The choice is not the first candidate of the list.
    pub fallback_used: bool,
    /// Every candidate in the order it was looked at, at most 50.
    pub candidates: Vec<Candidate>,
    /// Candidates beyond those listed.
    pub omitted: u32,
    /// Tokens the decision reckoned with.
    #[serde(default)]
    pub estimate: Estimate,
    /// Policy it was made under.
    #[serde(default)]
    pub policy: Option<String>,
    /// Budgets that were looked at.
    #[serde(default)]
    pub budgets: Vec<BudgetStatus>,
    /// Time the decision took, in microseconds.
    pub decided_us: u64,
}

/// What the caller asked the router for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requested {
    /// `auto`, a model, or `tool:model`.
    pub model: Option<String>,
    /// A tool by name.
    pub tool: Option<String>,
    /// An agent by name.
    pub agent: Option<String>,
    /// A task type.
    pub task_type: Option<String>,
    /// Capabilities asked for.
    #[serde(default)]
    pub require: Vec<String>,
}

/// Tokens that were reckoned with before anything ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimate {
    /// Input.
    pub input_tokens: u64,
    /// Output in the middling case.
    pub output_tokens: u64,
    /// Output in the upper case, which is reserved.
    pub output_tokens_upper: u64,
}

/// The three summands of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreParts {
    /// Where the candidate came from.
    pub source: i32,
    /// Suitability for the task type.
    pub fit: i32,
    /// Cheapness.
    pub price: i32,
}

/// The chosen pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default is used.
    pub model: Option<String>,
    /// Provider, when known.
    pub provider: Option<String>,
    /// Where it came from, as in `Candidate::source`.
    #[serde(default)]
    pub source: String,
    /// Sum of the score's parts.
    #[serde(default)]
    pub score: Option<i32>,
    /// Stable code.
    pub reason_code: String,
    /// A sentence.
    pub reason: String,
}

/// One pair that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default would be used.
    pub model: Option<String>,
    /// Provider, when known.
    pub provider: Option<String>,
    /// Where it came from: `explicit`, `task_type`, `simple`, `preferred`, `complex`, `fallback`, `catalogue`,
    /// and without any configuration `installed`, `configured`, `credentials`, `local_server`, `practice`.
    pub source: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Reasons for or against.
    pub reasons: Vec<Reason>,
    /// Sum of the parts; none for the rejected.
    #[serde(default)]
    pub score: Option<i32>,
    /// The score's summands.
    #[serde(default)]
    pub parts: Option<ScoreParts>,
    /// Cost in the middling case; none without a price.
    #[serde(default)]
    pub estimate_nano_usd: Option<i64>,
    /// Cost in the upper case, which is reserved; none without a price.
    #[serde(default)]
    pub reservation_nano_usd: Option<i64>,
    /// Tokens the model takes.
    #[serde(default)]
    pub context_window: Option<u64>,
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Chosen.
    Selected,
    /// Usable, next in line.
    Standby,
    /// Not usable.
    Rejected,
}

/// A code for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code.
    pub code: String,
    /// Sentence.
    pub text: String,
    /// When it no longer holds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
}

impl Reason {
    /// A reason without an end.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), until: None }
    }
}

/// `model.selected`: the choice alone, for those who do not need the reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSelected {
    /// Operation.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default is used.
    pub model: Option<String>,
    /// Provider, when known.
    pub provider: Option<String>,
    /// Stable code.
    pub reason_code: String,
    /// A sentence.
    pub reason: String,
    /// Usable candidates left.
    pub standby: u32,
}

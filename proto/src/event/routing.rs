//! Payloads of `routing.*` and `model.*`.

use serde::{Deserialize, Serialize};

use crate::ids::OperationId;

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
    /// Where it came from: `explicit`, `installed`, `credentials`, `local_server`, `practice`.
    pub source: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Reasons for or against.
    pub reasons: Vec<Reason>,
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

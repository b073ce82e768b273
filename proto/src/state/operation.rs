//! One operation, as its events have told it so far.

use serde::{Deserialize, Serialize};

use crate::admission::Place;
use crate::event::{Mode, Partial, Phase, PromptInfo, Spend, StopBy, StopStep, StopVia};
use crate::ids::OperationId;
use crate::time::UnixMs;

/// Attempts an operation lists; further ones are only counted.
pub const ATTEMPTS_KEPT: usize = 16;

/// Where an operation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Routed, not yet started.
    Submitted,
    /// Waits for a place.
    Queued,
    /// Runs.
    Running,
    /// Its process group is suspended.
    Paused,
    /// The stop ladder is under way.
    Stopping,
    /// Runs without a link to the daemon.
    Detached,
    /// Ended with a whole answer.
    Complete,
    /// Failed.
    Error,
    /// Stopped, partial result kept.
    Stopped,
    /// A budget did not let it start.
    Refused,
    /// Ended without a word from its runner.
    Lost,
}

impl OperationState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 11] = [
        Self::Submitted,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Stopping,
        Self::Detached,
        Self::Complete,
        Self::Error,
        Self::Stopped,
        Self::Refused,
        Self::Lost,
    ];

    /// Nothing more will happen to it (`Lost` may still be corrected by a journal found later).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Stopped | Self::Refused | Self::Lost)
    }

    /// The name in JSON, tables and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Detached => "detached",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// Stable class.
    pub class: String,
    /// Sentence, redacted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The same request may succeed later.
    pub retryable: bool,
}

/// How an operation was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedInfo {
    /// Who.
    pub by: StopBy,
    /// Through what.
    pub via: StopVia,
    /// Why.
    pub reason: Option<String>,
    /// The rung that ended it.
    pub step: StopStep,
    /// Processes that had to be killed.
    pub killed_processes: u32,
}

/// One attempt of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptInfo {
    /// From 1.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default was used.
    pub model: Option<String>,
    /// When its tool was started.
    pub started_at: UnixMs,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Why it failed.
    pub error_class: Option<String>,
    /// What it cost.
    pub cost_nano_usd: Option<i64>,
}

/// One operation as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Id.
    pub operation_id: OperationId,
    /// Where it is in its life.
    pub state: OperationState,
    /// Tool of the current attempt.
    pub tool: Option<String>,
    /// Model of the current attempt.
    pub model: Option<String>,
    /// Provider of the current attempt.
    pub provider: Option<String>,
    /// How it runs.
    pub mode: Option<Mode>,
    /// Agent the user named.
    pub agent: Option<String>,
    /// Task type the user named.
    pub task_type: Option<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Words of the command, prompt and secrets hidden.
    pub command: Vec<String>,
    /// Why this model.
    pub reason: Option<String>,
    /// From 1; 0 before the first.
    pub attempt: u32,
    /// What it is doing, while it runs.
    pub phase: Option<Phase>,
    /// When it was routed.
    pub submitted_at: UnixMs,
    /// When its tool was started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Duration at the last word from its runner.
    pub elapsed_ms: u64,
    /// Silence at the last word from its runner.
    pub idle_ms: u64,
    /// To the first byte of the answer.
    pub first_output_ms: Option<u64>,
    /// Tokens and money.
    #[serde(flatten)]
    pub spend: Spend,
    /// The user's limit for this operation.
    pub max_cost_nano_usd: Option<i64>,
    /// Prompt, without its text.
    pub prompt: Option<PromptInfo>,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// Tool calls seen.
    pub calls: u32,
    /// The newest tool call that has not ended: its name.
    pub open_call: Option<String>,
    /// The tool's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the tool.
    pub signal: Option<i32>,
    /// Why it failed.
    pub error: Option<OperationError>,
    /// How it was stopped.
    pub stopped: Option<StoppedInfo>,
    /// What is kept at an end that is not a whole answer.
    pub partial: Option<Partial>,
    /// The tool's session.
    pub session_id: Option<String>,
    /// Command that continues the session.
    pub resume_command: Option<String>,
    /// Operation this one repeats.
    pub retry_of: Option<OperationId>,
    /// Operation that repeats this one.
    pub retried_by: Option<OperationId>,
    /// Project: the directory whose work it is.
    #[serde(default)]
    pub project: Option<String>,
    /// Policy it runs under.
    #[serde(default)]
    pub policy: Option<String>,
    /// Task file it works for.
    #[serde(default)]
    pub task_id: Option<String>,
    /// Code of the reason for its model.
    #[serde(default)]
    pub reason_code: Option<String>,
    /// What the budgets set aside for it.
    #[serde(default)]
    pub reservation_nano_usd: Option<i64>,
    /// Its place, while it is queued.
    #[serde(default)]
    pub queue: Option<Place>,
    /// Its attempts, at most `ATTEMPTS_KEPT`.
    #[serde(default)]
    pub attempts: Vec<AttemptInfo>,
    /// Our cost and the tool's own disagree.
    #[serde(default)]
    pub drift: bool,
}

impl Operation {
    /// A new one, of which only the name is known.
    pub fn new(operation_id: OperationId, at: UnixMs) -> Self {
        Self {
            operation_id,
            state: OperationState::Submitted,
            tool: None,
            model: None,
            provider: None,
            mode: None,
            agent: None,
            task_type: None,
            cwd: None,
            command: Vec::new(),
            reason: None,
            attempt: 0,
            phase: None,
            submitted_at: at,
            started_at: None,
            ended_at: None,
            elapsed_ms: 0,
            idle_ms: 0,
            first_output_ms: None,
            spend: Spend::default(),
            max_cost_nano_usd: None,
            prompt: None,
            stdout_bytes: 0,
            stderr_bytes: 0,
            calls: 0,
            open_call: None,
            exit_code: None,
            signal: None,
            error: None,
            stopped: None,
            partial: None,
            session_id: None,
            resume_command: None,
            retry_of: None,
            retried_by: None,
            project: None,
            policy: None,
            task_id: None,
            reason_code: None,
            reservation_nano_usd: None,
            queue: None,
            attempts: Vec::new(),
            drift: false,
        }
    }
}

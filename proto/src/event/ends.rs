//! Events that end an operation, or say that its runner is gone.

use serde::{Deserialize, Serialize};

use super::Spend;
use crate::ids::OperationId;
use crate::time::UnixMs;

/// What is in the operation's directory at an end that is not a whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Name of the operation's directory below the state directory.
    pub dir_name: String,
    /// Files in it.
    pub files: Vec<PartialFile>,
}

/// A file of a partial result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialFile {
    /// Name.
    pub name: String,
    /// Size.
    pub bytes: u64,
}

/// `execution.complete`: the whole answer is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionCompleted {
    /// Operation.
    pub operation_id: OperationId,
    /// The tool's exit code; none for a provider.
    pub exit_code: Option<i32>,
    /// Model, as last known.
    pub model: Option<String>,
    /// From start to end.
    pub duration_ms: u64,
    /// From start to the first byte of the answer.
    pub first_output_ms: Option<u64>,
    /// Tokens and money.
    #[serde(flatten)]
    pub spend: Spend,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// Tool calls seen.
    pub calls: u32,
    /// The tool's session.
    pub session_id: Option<String>,
    /// Command that continues the session.
    pub resume_command: Option<String>,
}

/// `execution.error`: it failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFailed {
    /// Operation.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// Stable class: `auth`, `rate_limit`, `exit_code`, `no_candidate`, …
    pub class: String,
    /// At most 2 KiB, redacted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The tool's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the tool.
    pub signal: Option<i32>,
    /// HTTP status behind it.
    pub http_status: Option<u16>,
    /// The same request may succeed later.
    pub retryable: bool,
    /// When the provider said it would take requests again: milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// The operation ends with it; false when another attempt follows.
    #[serde(default = "yes", rename = "final")]
    pub is_final: bool,
    /// What is tried next, when another attempt follows.
    #[serde(default)]
    pub next: Option<NextAttempt>,
    /// Model, as last known.
    pub model: Option<String>,
    /// From start to end.
    pub duration_ms: u64,
    /// Tokens and money of the operation so far, all attempts.
    #[serde(flatten)]
    pub spend: Spend,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// What is kept.
    pub partial: Option<Partial>,
    /// The tool's session.
    pub session_id: Option<String>,
    /// Command that continues the session.
    pub resume_command: Option<String>,
}

/// Journals of older versions know final failures only.
fn yes() -> bool {
    true
}

/// The pair that takes over after a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAttempt {
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default is used.
    pub model: Option<String>,
}

/// Who wanted the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopBy {
    /// A person, by the page, the CLI or Ctrl-C.
    User,
    /// A cost limit.
    Budget,
    /// The time limit.
    Timeout,
    /// A signal to the runner.
    Signal,
    /// The tool gave no sign of life for too long.
    Stall,
}

/// Through what the stop came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopVia {
    /// The dashboard.
    Page,
    /// `llmctl stop`.
    Cli,
    /// Ctrl-C or a hang-up at the operation's own terminal.
    Terminal,
    /// A script over REST with the bearer token.
    Api,
    /// The runner itself.
    Runner,
}

/// The rung of the ladder that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopStep {
    /// What the adapter knows, and SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGKILL to the whole tree.
    Kill,
}

/// `execution.stopped`: it was stopped and the partial result is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStopped {
    /// Operation.
    pub operation_id: OperationId,
    /// Who.
    pub by: StopBy,
    /// Through what.
    pub via: StopVia,
    /// Why, in the words of whoever asked.
    pub reason: Option<String>,
    /// The signal, when one was the cause.
    pub signal: Option<i32>,
    /// The rung that ended it.
    pub step: StopStep,
    /// Processes that had to be killed.
    pub killed_processes: u32,
    /// The tool's exit code.
    pub exit_code: Option<i32>,
    /// Model, as last known.
    pub model: Option<String>,
    /// From start to end.
    pub duration_ms: u64,
    /// Tokens and money.
    #[serde(flatten)]
    pub spend: Spend,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// What is kept.
    pub partial: Partial,
    /// The tool's session.
    pub session_id: Option<String>,
    /// Command that continues the session.
    pub resume_command: Option<String>,
}

/// `execution.detached`: the link between daemon and runner is gone; the operation goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionDetached {
    /// Operation.
    pub operation_id: OperationId,
    /// `link_lost` or `no_daemon`.
    pub reason: String,
}

/// `execution.lost`: the runner died without a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionLost {
    /// Operation.
    pub operation_id: OperationId,
    /// `runner_gone`, `rebooted` or `journal_unreadable`.
    pub reason: String,
    /// The last event in the journal.
    pub last_event_at: Option<UnixMs>,
    /// Tokens and money as last journalled.
    #[serde(flatten)]
    pub spend: Spend,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// Processes of its tool that were still there and were ended.
    pub killed_processes: u32,
    /// What is kept.
    pub partial: Option<Partial>,
}

//! Payloads of `execution.*` while an operation runs, and of `tool.*`.

use serde::{Deserialize, Serialize};

use crate::ids::OperationId;
use crate::time::UnixMs;
use crate::usage::{Usage, UsageSource};

/// `execution.queued`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionQueued {
    /// Operation.
    pub operation_id: OperationId,
    /// Place, from 1.
    pub position: u32,
    /// Why it waits: `concurrency`, `rate_limit` or `held`.
    pub reason: String,
    /// The limit it waits for, such as `total`, `tool:codex` or `per_minute:cursor`.
    #[serde(default)]
    pub limit: Option<String>,
    /// When it can start at the earliest, as far as is known.
    #[serde(default)]
    pub wait_until: Option<UnixMs>,
    /// A person holds it back.
    #[serde(default)]
    pub held: bool,
    /// -100 to 100, higher first.
    #[serde(default)]
    pub priority: i32,
}

/// Whether the operation drives a program or talks to a provider itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A child process.
    Cli,
    /// A request to a provider.
    Http,
    /// The built-in practice model.
    Practice,
}

/// What is known of a prompt without keeping it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptInfo {
    /// Length.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Where it was read from, when it came from a file: absolute.
    pub file: Option<String>,
}

/// `execution.start`: the tool was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStarted {
    /// Operation.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default is used and not yet known.
    pub model: Option<String>,
    /// Provider, when known.
    pub provider: Option<String>,
    /// How it runs.
    pub mode: Mode,
    /// Agent the user named.
    pub agent: Option<String>,
    /// Task type the user named.
    pub task_type: Option<String>,
    /// Working directory.
    pub cwd: String,
    /// Process of the tool.
    pub pid: Option<u32>,
    /// Prompt, without its text.
    pub prompt: PromptInfo,
    /// Words of the command, prompt and secrets hidden; method and address for a provider.
    pub command: Vec<String>,
    /// The user's limit for this operation.
    pub max_cost_nano_usd: Option<i64>,
    /// What the budgets set aside for it.
    #[serde(default)]
    pub reservation_nano_usd: Option<i64>,
    /// Project: the directory whose work it is.
    #[serde(default)]
    pub project: Option<String>,
    /// Policy it runs under.
    #[serde(default)]
    pub policy: Option<String>,
    /// Task file it works for.
    #[serde(default)]
    pub task_id: Option<String>,
    /// Operation this one repeats.
    pub retry_of: Option<OperationId>,
    /// When.
    pub started_at: UnixMs,
}

/// What a running operation is doing, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No sign of life from the tool yet.
    Starting,
    /// Reasoning.
    Thinking,
    /// Text arrives.
    Streaming,
    /// One of the tool's own tools runs.
    Tool,
    /// A request is out.
    WaitingNetwork,
    /// The tool waits to try again.
    Retrying,
}

/// Which of the running states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It runs.
    Running,
    /// Its process group is suspended.
    Paused,
    /// The stop ladder is under way.
    Stopping,
}

/// How a cost was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// All classes priced by us.
    Computed,
    /// A class price was derived from another.
    Derived,
    /// Only the tool or provider gave a figure.
    Reported,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// Tokens and money of an operation so far; the same fields close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Spend {
    /// Tokens by class.
    pub tokens: Usage,
    /// How far the tokens can be trusted.
    pub usage_source: UsageSource,
    /// Nano-dollars; none when unknown, which is not zero.
    pub cost_nano_usd: Option<i64>,
    /// How the cost was found.
    pub cost_basis: CostBasis,
    /// What the tool itself said, kept apart.
    pub reported_cost_nano_usd: Option<i64>,
}

impl Spend {
    /// What two attempts used together. A cost that is unknown makes the sum unknown.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| a.zip(b).and_then(|(a, b)| a.checked_add(b));
        // An attempt that used nothing says nothing of how far the other's figures can be trusted.
        let (usage_source, cost_basis) = match (self.tokens.is_zero(), other.tokens.is_zero()) {
            (true, _) if self.cost_nano_usd == Some(0) => (other.usage_source, other.cost_basis),
            (_, true) if other.cost_nano_usd == Some(0) => (self.usage_source, self.cost_basis),
            _ => (self.usage_source.weaker(other.usage_source), self.cost_basis.weaker(other.cost_basis)),
        };
        Self {
            tokens: self.tokens.plus(&other.tokens),
            usage_source,
            cost_nano_usd: sum(self.cost_nano_usd, other.cost_nano_usd),
            cost_basis,
            reported_cost_nano_usd: match (self.reported_cost_nano_usd, other.reported_cost_nano_usd) {
                (Some(a), Some(b)) => a.checked_add(b),
                (one, other) => one.or(other),
            },
        }
    }
}

impl CostBasis {
    /// The basis that promises less.
    #[must_use]
    pub fn weaker(self, other: Self) -> Self {
        let rank = |basis| match basis {
            Self::Computed => 0,
            Self::Derived => 1,
            Self::Reported => 2,
            Self::Unknown => 3,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

/// `execution.progress`: counters, at most four a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionProgress {
    /// Operation.
    pub operation_id: OperationId,
    /// Which running state.
    pub state: RunState,
    /// What it is doing.
    pub phase: Phase,
    /// The model, once the tool has named it.
    pub model: Option<String>,
    /// Tokens and money so far.
    #[serde(flatten)]
    pub spend: Spend,
    /// Since the start.
    pub elapsed_ms: u64,
    /// Since the last sign of life.
    pub idle_ms: u64,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
}

/// Which stream of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The answer.
    Stdout,
    /// The tool's error stream.
    Stderr,
}

/// `execution.output`: a piece of the recorded output, only for those who follow the operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionOutput {
    /// Operation.
    pub operation_id: OperationId,
    /// Which stream.
    pub stream: Stream,
    /// Place of the first byte in the recorded file.
    pub offset: u64,
    /// At most 16 KiB, invalid bytes replaced.
    pub text: String,
    /// Recorded bytes this piece stands for.
    pub bytes: u64,
}

/// `tool.invoked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolInvoked {
    /// Operation.
    pub operation_id: OperationId,
    /// Id within the operation.
    pub call_id: String,
    /// The tool's name.
    pub name: String,
    /// `shell`, `edit`, `read`, `search`, `web`, `mcp`, `agent` or `other`.
    pub kind: String,
    /// MCP server it belongs to.
    pub server_name: Option<String>,
    /// At most 512 bytes, redacted.
    pub summary: String,
    /// Size of the arguments.
    pub input_bytes: u64,
}

/// `tool.response`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResponded {
    /// Operation.
    pub operation_id: OperationId,
    /// Id of the call.
    pub call_id: String,
    /// It did what it was asked.
    pub ok: bool,
    /// Since the call, as the runner saw it.
    pub duration_ms: u64,
    /// Size of the result.
    pub output_bytes: u64,
    /// Exit code, for commands.
    pub exit_code: Option<i32>,
}

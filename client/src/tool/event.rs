//! What an adapter learns from a tool's stream, in the words all tools share.

use llmctl_proto::usage::Usage;
use serde::{Deserialize, Serialize};

/// One thing learnt from a line of a CLI's stream or an event of a provider's.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterEvent {
    /// The tool named itself; every field may come later or not at all.
    Init {
        /// The resolved model.
        model: Option<String>,
        /// The tool's own session.
        session_id: Option<String>,
    },
    /// A piece of the answer, to be shown as it is. UTF-8 from every tool with a structured stream.
    Text(Vec<u8>),
    /// The model is reasoning; the text is not kept.
    Thinking,
    /// The tool called one of its own tools.
    ToolStart(ToolCall),
    /// A tool call ended.
    ToolEnd(ToolResult),
    /// Absolute usage of one message; it replaces what was known for (model, message id), never adds to it.
    Usage {
        /// The model that was used, when the tool says so.
        model: Option<String>,
        /// The provider's message id, or a name that is stable within the stream.
        message_id: String,
        /// Disjoint classes.
        usage: Usage,
        /// The message is finished: this is its last word.
        complete: bool,
    },
    /// The service tier under which a request was served, as the provider reports it; it decides the price.
    ServiceTier(String),
    /// The closing account by model; it replaces all `Usage` before it.
    ModelTotals(Vec<ModelTotal>),
    /// Money as the tool counts it, in pico-dollars, for the whole run so far.
    CostReported {
        /// Absolute amount in pico-dollars (10⁻¹² USD).
        pico_usd: i64,
        /// The tool knows the price of this model (or was told the charge); false: it guessed.
        known_basis: bool,
    },
    /// The tool is retrying by itself.
    Retry {
        /// From 1.
        attempt: u32,
        /// How many it allows itself.
        max: Option<u32>,
        /// Until the next try.
        delay_ms: Option<u64>,
        /// HTTP status that caused it.
        status: Option<u16>,
    },
    /// Something worth a line that does not end the run.
    Warning(String),
    /// A frame of a kind this version does not know; kept in the raw stream, otherwise ignored.
    Unknown(String),
    /// The stream's own closing frame.
    Final(Final),
}

/// One row of a tool's closing account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTotal {
    /// Model as the tool names it.
    pub model: String,
    /// Who served it, when the tool says so.
    pub provider: Option<String>,
    /// Disjoint classes.
    pub usage: Usage,
    /// The tool's own price for the row, in pico-dollars.
    pub reported_pico_usd: Option<i64>,
    /// Whether that price has a known basis.
    pub known_basis: bool,
    /// The tool estimated a part of it, since it was interrupted within a message.
    pub estimated: bool,
}

/// A tool call as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Id within the stream.
    pub call_id: String,
    /// The tool's name for it.
    pub name: String,
    /// What it does.
    pub kind: ToolKind,
    /// MCP server it belongs to.
    pub server_name: Option<String>,
    /// At most 512 bytes: the command, path or query.
    pub summary: String,
    /// Size of the arguments.
    pub input_bytes: u64,
}

/// What a tool call does; the set every display knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Runs a command.
    Shell,
    /// Changes files.
    Edit,
    /// Reads files.
    Read,
    /// Searches files.
    Search,
    /// Fetches from the network.
    Web,
    /// Calls an MCP server.
    Mcp,
    /// Starts a subagent.
    Agent,
    /// Anything else.
    Other,
}

/// A tool call as it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// Id of the call.
    pub call_id: String,
    /// It did what it was asked.
    pub ok: bool,
    /// Size of the result.
    pub output_bytes: u64,
    /// Exit code, for commands.
    pub exit_code: Option<i32>,
}

/// The closing frame: what the tool says of its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// How it ended.
    pub outcome: Outcome,
    /// The whole answer, where the tool repeats it; used only when no `Text` was seen.
    pub answer: Option<String>,
    /// HTTP status behind a failure.
    pub http_status: Option<u16>,
    /// The least time to wait before another try, in milliseconds, as the provider asks.
    pub retry_after_ms: Option<u64>,
}

impl Final {
    /// An end of which only the outcome is known.
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, answer: None, http_status: None, retry_after_ms: None }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer is there.
    Success,
    /// The tool or provider failed.
    Failed {
        /// Why, for routing and display.
        class: ErrorClass,
        /// A sentence from the tool, not yet redacted.
        message: String,
    },
    /// It was interrupted and said so.
    Stopped,
    /// It stopped itself at its own cost limit.
    StoppedBudget,
    /// No closing frame: nobody knows.
    Lost,
}

/// Why a run failed, in the words of the configuration's fallback rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Spawn failed: not found, not executable, wrong format.
    BinaryMissing,
    /// 429 and the like.
    RateLimit,
    /// 503, 529.
    Overloaded,
    /// The model is not there.
    ModelUnavailable,
    /// The prompt is too long for the model.
    ContextWindow,
    /// Name, connect, TLS, or the stream broke.
    Network,
    /// 401, 403, not logged in.
    Auth,
    /// 402, no credit left.
    Quota,
    /// Another 4xx: the request is wrong.
    Invalid,
    /// Another 5xx.
    Server,
    /// The tool was ended by a signal that nobody here sent.
    Crash,
    /// The tool left with a non-zero code and no better word.
    ExitCode,
    /// Ended well without an answer.
    InvalidOutput,
}

impl ErrorClass {
    /// The name in events and in `fallback.on`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BinaryMissing => "binary_missing",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::ModelUnavailable => "model_unavailable",
            Self::ContextWindow => "context_window",
            Self::Network => "network",
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Invalid => "invalid",
            Self::Server => "server",
            Self::Crash => "crash",
            Self::ExitCode => "exit_code",
            Self::InvalidOutput => "invalid_output",
        }
    }

    /// Whether the same request may succeed later without a change.
    pub fn retryable(self) -> bool {
        matches!(self, Self::RateLimit | Self::Overloaded | Self::Network | Self::Server)
    }

    /// The class of an HTTP status, where nothing better is known of the body.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Auth,
            402 => Self::Quota,
            404 => Self::ModelUnavailable,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            500..=599 => Self::Server,
            _ => Self::Invalid,
        }
    }
}

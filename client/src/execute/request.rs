//! What was asked of `llmctl execute`, in the form that is kept so that it can be asked again.

use std::path::PathBuf;

use llmctl_proto::config::Overrides;
use llmctl_proto::ids::OperationId;
use serde::{Deserialize, Serialize};

/// A request to run one operation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecuteRequest {
    /// `auto`, a model, or `tool:model`.
    pub model: Option<String>,
    /// A tool by name.
    pub tool: Option<String>,
    /// An agent by name.
    pub agent: Option<String>,
    /// A task type.
    pub task_type: Option<String>,
    /// Cost limit of this operation.
    pub max_cost_nano_usd: Option<i64>,
    /// Time limit of this operation.
    pub timeout_ms: Option<u64>,
    /// Working directory of the tool.
    pub cwd: PathBuf,
    /// Arguments passed on to the tool.
    pub extra_args: Vec<String>,
    /// Operation this one repeats.
    pub retry_of: Option<OperationId>,
    /// The prompt's file, when it came from one.
    pub prompt_file: Option<PathBuf>,
    /// Hash of the prompt.
    pub prompt_sha256: String,
    /// Policy by name.
    pub policy: Option<String>,
    /// Capabilities the tool must have.
    pub require: Vec<String>,
    /// Project: the directory whose work it is.
    pub project: Option<String>,
    /// Task file it works for.
    pub task_id: Option<String>,
    /// Others may take over from a model or tool that was named.
    pub fallback: bool,
    /// Go on with another attempt even after output.
    pub retry_after_output: bool,
    /// Why it is worth its price.
    pub reason: Option<String>,
    /// Run although a hard budget refuses; needs a reason.
    pub force: bool,
    /// Ask nothing.
    pub yes: bool,
    /// Wait for a rate limit however long it lasts.
    pub wait: bool,
    /// Place in the queue, -100 to 100, higher first.
    pub priority: i32,
    /// Begin held back.
    pub hold: bool,
    /// What the call said of the configuration itself.
    pub overrides: Overrides,
}

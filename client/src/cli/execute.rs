//! The command line of `execute`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{parse_duration, parse_usd};

/// `llmctl execute`.
#[derive(Debug, Args)]
pub struct Execute {
    /// The prompt: a file, `-` for standard input, or text; `@PATH` is always a file.
    #[arg(short, long, value_name = "PROMPT", required_unless_present = "prompt_text")]
    pub prompt: Option<String>,
    /// The prompt, always as text.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt")]
    pub prompt_text: Option<String>,
    /// `auto`, a model, or TOOL:MODEL.
    #[arg(short, long, default_value = "auto", env = "LLMCTL_MODEL")]
    pub model: String,
    /// A tool, provider or local server by name.
    #[arg(short, long)]
    pub tool: Option<String>,
    /// Agent the operation is for.
    #[arg(short, long, env = "LLMCTL_AGENT")]
    pub agent: Option<String>,
    /// Kind of task, such as `coding`.
    #[arg(long)]
    pub task_type: Option<String>,
    /// Stops, with the partial result, when this much is spent: US dollars, such as 0.50.
    #[arg(long, value_name = "USD", value_parser = parse_usd)]
    pub max_cost: Option<i64>,
    /// Stops, with the partial result, after this time: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Policy with the budgets and rules to run under.
    #[arg(long, env = "LLMCTL_POLICY")]
    pub policy: Option<String>,
    /// Only tools with this capability; may be given several times.
    #[arg(long, value_name = "CAPABILITY")]
    pub require: Vec<String>,
    /// Others may take over from the model or tool that was named.
    #[arg(long)]
    pub fallback: bool,
    /// Goes on with another attempt even when a part of an answer was already shown.
    #[arg(long)]
    pub retry_after_output: bool,
    /// Why it is worth its price; kept with the operation.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Runs although a hard budget refuses; the reason is recorded.
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Asks nothing: soft budgets only warn.
    #[arg(short, long)]
    pub yes: bool,
    /// Waits for a rate limit however long it lasts.
    #[arg(long)]
    pub wait: bool,
    /// Place in the queue: -100 to 100, higher first.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub priority: i32,
    /// Queues it and holds it back until `llmctl queue release`.
    #[arg(long)]
    pub hold: bool,
    /// Working directory of the tool.
    #[arg(short = 'C', long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Prints the operation's id and goes on in the background.
    #[arg(short, long)]
    pub detach: bool,
    /// Prints every event as a JSON line instead of the answer.
    #[arg(long)]
    pub json: bool,
    /// Nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Writes the answer to a terminal as it is, control characters included.
    #[arg(long)]
    pub raw: bool,
    /// Runs without the daemon; the journal is taken in when one runs again.
    #[arg(long)]
    pub no_daemon: bool,
    /// Says what would be run, and why, and runs nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Further arguments for the tool.
    #[arg(last = true, value_name = "ARGS")]
    pub extra_args: Vec<String>,
}

//! The command line of the verbs on operations.

use std::time::Duration;

use clap::Args;

use super::values::parse_duration;

/// `llmctl ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Only these states (running, paused, complete, error, stopped, refused, lost, …).
    #[arg(long = "state", value_name = "STATE")]
    pub states: Vec<String>,
    /// Only operations that have not ended.
    #[arg(short, long, conflicts_with = "states")]
    pub running: bool,
    /// Only this tool.
    #[arg(long)]
    pub tool: Option<String>,
    /// Only this model.
    #[arg(long)]
    pub model: Option<String>,
    /// Only this agent.
    #[arg(long)]
    pub agent: Option<String>,
    /// Only operations of the last TIME: 30m, 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// At most this many.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Reads the journals instead of asking the daemon.
    #[arg(long)]
    pub no_daemon: bool,
}

/// `llmctl show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Operation: any unique prefix of its id.
    pub id: String,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Operation: any unique prefix of its id.
    pub id: String,
    /// Goes on until the operation has ended.
    #[arg(short, long)]
    pub follow: bool,
    /// The tool's error stream instead of the answer.
    #[arg(long)]
    pub stderr: bool,
    /// The tool's own stream as it was received.
    #[arg(long, conflicts_with = "stderr")]
    pub raw_stream: bool,
}

/// `llmctl attach`.
#[derive(Debug, Args)]
pub struct Attach {
    /// Operation: any unique prefix of its id.
    pub id: String,
}

/// `llmctl stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Operations: any unique prefixes of their ids.
    #[arg(required_unless_present = "all")]
    pub ids: Vec<String>,
    /// Every running operation.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Kills at once, without the graceful steps.
    #[arg(short, long)]
    pub force: bool,
    /// Kept with the operation.
    #[arg(long)]
    pub reason: Option<String>,
    /// Time between the interrupt and the next step: 5s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub grace: Option<Duration>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A verb on one operation.
#[derive(Debug, Args)]
pub struct One {
    /// Operation: any unique prefix of its id.
    pub id: String,
}

/// `llmctl retry`.
#[derive(Debug, Args)]
pub struct Retry {
    /// Operation: any unique prefix of its id.
    pub id: String,
    /// The prompt again, when it was not read from a file: `-`, a file, or text.
    #[arg(short, long)]
    pub prompt: Option<String>,
    /// Another model.
    #[arg(short, long)]
    pub model: Option<String>,
    /// Another tool.
    #[arg(short, long)]
    pub tool: Option<String>,
    /// Runs in the background.
    #[arg(short, long)]
    pub detach: bool,
    /// Prints every event as a JSON line instead of the answer.
    #[arg(long)]
    pub json: bool,
    /// Nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Runs without the daemon.
    #[arg(long)]
    pub no_daemon: bool,
}

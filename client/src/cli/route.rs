//! The command line of `llmctl route`; the doc comments are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use llmctl_proto::money::PicoUsd;

use crate::cli::parse_duration;

/// `llmctl route`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RouteArgs {
    /// What to tell; without a verb the decision for a prompt is previewed.
    #[command(subcommand)]
    pub verb: Option<RouteVerb>,
    /// What to route.
    #[command(flatten)]
    pub preview: Preview,
}

/// Verbs on decisions that were made.
#[derive(Debug, Subcommand)]
pub enum RouteVerb {
    /// Prints the recorded decisions of an operation, one for each attempt.
    Why {
        /// Operation: any unique prefix of its id.
        id: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Decides past operations again under another policy and compares what they cost with what they would have.
    Whatif(WhatIfArgs),
}

/// `llmctl route whatif`.
#[derive(Debug, Args)]
pub struct WhatIfArgs {
    /// Operations of the last TIME: 24h, 7d.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    pub since: Duration,
    /// Policy to decide under.
    #[arg(long, value_name = "NAME")]
    pub policy: String,
    /// JSON instead of text; amounts are exact, in pico-dollars.
    #[arg(long)]
    pub json: bool,
}

/// A request as flags.
#[derive(Debug, Args)]
pub struct Preview {
    /// The prompt: a file, `-` for standard input, or text; `@PATH` is always a file.
    #[arg(short, long, value_name = "PROMPT", required_unless_present_any = ["prompt_text", "input_tokens"])]
    pub prompt: Option<String>,
    /// The prompt, always as text.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt")]
    pub prompt_text: Option<String>,
    /// Input tokens, where they are known better than by the prompt's size; then no prompt is needed.
    #[arg(long, value_name = "N")]
    pub input_tokens: Option<u64>,
    /// `auto`, a model, or TOOL:MODEL.
    #[arg(short, long, default_value = "auto", env = "LLMCTL_MODEL")]
    pub model: String,
    /// A tool, provider or local server by name.
    #[arg(short, long)]
    pub tool: Option<String>,
    /// Agent the operation would be for.
    #[arg(short, long, env = "LLMCTL_AGENT")]
    pub agent: Option<String>,
    /// Kind of task, such as `coding`.
    #[arg(long)]
    pub task_type: Option<String>,
    /// Policy.
    #[arg(long, value_name = "NAME", env = "LLMCTL_POLICY")]
    pub policy: Option<String>,
    /// Capability that the tool must have; may be given several times.
    #[arg(long, value_name = "CAPABILITY")]
    pub require: Vec<String>,
    /// Limit of the operation: US dollars, such as 0.50.
    #[arg(long, value_name = "USD", value_parser = parse_limit)]
    pub max_cost: Option<PicoUsd>,
    /// An explicit model or tool may be replaced when it cannot run.
    #[arg(long)]
    pub fallback: bool,
    /// Working directory of the operation.
    #[arg(short = 'C', long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Does not ask a running daemon for budgets, windows and history.
    #[arg(long)]
    pub no_daemon: bool,
}

fn parse_limit(text: &str) -> Result<PicoUsd, String> {
    let amount = PicoUsd::parse(text.trim().trim_start_matches('$')).map_err(|e| e.to_string())?;
    if amount.0 <= 0 {
        return Err("a limit must be more than zero".into());
    }
    Ok(amount)
}

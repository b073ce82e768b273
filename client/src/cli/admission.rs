//! The command line of the queue and of budgets.

use clap::{Args, Subcommand};

use super::operations::One;
use super::values::parse_limit;

/// `llmctl queue`.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// What to do; lists the queue when nothing is said.
    #[command(subcommand)]
    pub verb: Option<QueueVerb>,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Verbs on the queue.
#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    /// Changes the priority of a queued operation.
    Priority {
        /// Operation: any unique prefix of its id.
        id: String,
        /// -100 to 100, higher first.
        #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
        priority: i32,
    },
    /// Holds a queued operation back.
    Hold(One),
    /// Lets a held operation go on.
    Release(One),
}

/// `llmctl budget`.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// What to do; shows the budgets when nothing is said.
    #[command(subcommand)]
    pub verb: Option<BudgetVerb>,
    /// Policy whose budgets are shown.
    #[arg(long, env = "LLMCTL_POLICY")]
    pub policy: Option<String>,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Verbs on budgets.
#[derive(Debug, Subcommand)]
pub enum BudgetVerb {
    /// Changes the cost limit of an operation that has not ended.
    Set {
        /// Operation: any unique prefix of its id.
        id: String,
        /// US dollars, such as 0.50; `none` lifts the limit.
        #[arg(long, value_name = "USD", value_parser = parse_limit)]
        max_cost: Limit,
    },
}

/// A cost limit that may be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(
    /// Nano-dollars; none is no limit.
    pub Option<i64>,
);

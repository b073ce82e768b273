//! `llmctl cost` and `llmctl stats`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::parse_duration;

/// `llmctl cost`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cost {
    /// What to do; sums everything up when nothing is said.
    #[command(subcommand)]
    pub verb: Option<CostVerb>,
    /// Only this period; without it today, this week, this month and all time.
    #[arg(value_enum)]
    pub period: Option<Period>,
    /// The sums of each of these.
    #[arg(long, value_enum)]
    pub by: Option<CostBy>,
    /// Which records.
    #[command(flatten)]
    pub span: Span,
    /// The report as it was at this time, whatever came later: RFC 3339, or a date for the end of that day.
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Verbs of `llmctl cost`.
#[derive(Debug, Subcommand)]
pub enum CostVerb {
    /// Shows the arithmetic of one operation, line by line, to the pico-dollar.
    Explain {
        /// Operation: any unique prefix of its id.
        id: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Writes every row of the ledger.
    Export {
        /// RFC 4180, with a header row.
        #[arg(long, conflicts_with = "json", required_unless_present = "json")]
        csv: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// Which records.
        #[command(flatten)]
        span: Span,
    },
}

/// Which records a report is about.
#[derive(Debug, Args)]
pub struct Span {
    /// Only what was recorded in the last TIME: 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "from")]
    pub since: Option<Duration>,
    /// Only what was recorded at or after: a date or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what was recorded before: a date or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Zone in which days begin, such as Europe/Zurich; default: the policy's, else the system's.
    #[arg(long, value_name = "ZONE", env = "LLMCTL_TIMEZONE")]
    pub timezone: Option<String>,
}

/// A period up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Period {
    /// Since midnight.
    Today,
    /// Since Monday.
    Week,
    /// Since the first of the month.
    Month,
    /// All time.
    Total,
}

/// What sums are looked at by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CostBy {
    /// By model.
    Model,
    /// By tool.
    Tool,
    /// By provider.
    Provider,
    /// By agent.
    Agent,
    /// By project directory.
    Project,
    /// By task file.
    Task,
    /// By task type.
    TaskType,
    /// By policy.
    Policy,
    /// By day.
    Day,
    /// By month.
    Month,
}

/// `llmctl stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Figures of each of these.
    #[arg(long, value_enum, default_value_t = StatsBy::Model)]
    pub by: StatsBy,
    /// Only operations of the last TIME: 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30d")]
    pub since: Duration,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What figures are looked at by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatsBy {
    /// By model.
    Model,
    /// By tool.
    Tool,
    /// By agent.
    Agent,
}

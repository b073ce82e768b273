//! The command line: one struct a verb, the doc comments are the help texts.

mod cost;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::cli_config::{ConfigArgs, ConfigFlags, ListArgs, ModelsArgs};
pub use cost::{Cost, CostBy, CostVerb, Period, Span, Stats, StatsBy};

/// Runs LLM tools: routes, streams, meters, stops, and loses nothing.
#[derive(Debug, Parser)]
#[command(name = "llmctl", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Flags of every verb.
    #[command(flatten)]
    pub config: ConfigFlags,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs a prompt on a tool or model and streams the answer.
    #[command(alias = "exec")]
    Execute(Box<Execute>),
    /// Lists operations, newest first.
    #[command(alias = "list")]
    Ps(Ps),
    /// Shows everything known of an operation: routing, tokens, cost, tool calls, how it ended.
    Show(Show),
    /// Prints an operation's recorded output.
    Logs(Logs),
    /// Follows a running operation as if it had been started here; Ctrl-C only stops looking.
    Attach(Attach),
    /// Stops operations and keeps their partial results; returns when they have ended.
    Stop(Stop),
    /// Suspends an operation's processes.
    Pause(One),
    /// Lets a suspended operation go on.
    Resume(One),
    /// Runs an operation's prompt again, as a new operation.
    Retry(Retry),
    /// Shows who waits for a place, and changes the order.
    Queue(QueueArgs),
    /// Shows budgets, and changes the cost limit of an operation.
    Budget(BudgetArgs),
    /// Says what was spent: today, this week, this month and in all, by model or whatever you ask for.
    Cost(Cost),
    /// Says how models, tools and agents do: how often, how well, how fast, how dear.
    Stats(Stats),
    /// Prints events.
    Events(Events),
    /// Publishes an event of your own.
    Emit(Emit),
    /// Shows, checks and changes the configuration.
    Config(ConfigArgs),
    /// Lists tools, whether they can be used now, and why not.
    Tools(ListArgs),
    /// Lists models: provider, window, price, who offers them.
    Models(ModelsArgs),
    /// Lists agents, and whom they would work with now.
    Agents(ListArgs),
    /// Says which tool and model would take a prompt, and why; and why a past operation went where it did.
    Route(Box<crate::cli_route::RouteArgs>),
    /// Shows and changes the task files of a project; needs no daemon.
    Task(Box<crate::cli_task::TaskArgs>),
    /// Starts, stops and describes the daemon.
    Daemon(DaemonArgs),
    /// Starts, stops and opens the dashboard in the browser.
    Dashboard(DashboardArgs),
    /// Prints a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Runs a detached operation; started by `execute --detach`.
    #[command(name = "run-detached", hide = true)]
    RunDetached,
}

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

/// `llmctl ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Only these states (running, paused, complete, error, stopped, lost, …).
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

/// `llmctl events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Goes on with what happens.
    #[arg(short, long)]
    pub follow: bool,
    /// Only these types (`execution.complete`) or groups (`execution.`).
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only what came after this cursor; 0 for everything stored.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// Only of this operation.
    #[arg(long, value_name = "ID")]
    pub operation: Option<String>,
    /// The newest stored ones, at most this many.
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "after")]
    pub last: Option<u32>,
    /// Pieces of output too.
    #[arg(long, requires = "follow")]
    pub output: bool,
}

/// `llmctl emit`.
#[derive(Debug, Args)]
pub struct Emit {
    /// Dotted lower-case name outside llmctl's own groups, such as `deploy.finished`.
    pub event_type: String,
    /// A JSON object; `-` reads it from standard input.
    #[arg(default_value = "{}")]
    pub data: String,
}

/// `llmctl daemon`.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: DaemonVerb,
}

/// Verbs on the daemon.
#[derive(Debug, Subcommand)]
pub enum DaemonVerb {
    /// Starts it, unless it runs.
    Start,
    /// Stops it; running operations go on.
    Stop,
    /// Stops it and starts it again; running operations go on and find it.
    Restart,
    /// Says how it is.
    Status {
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Prints its log.
    Logs {
        /// Goes on with what is written.
        #[arg(short, long)]
        follow: bool,
        /// Lines.
        #[arg(short = 'n', long, default_value_t = 100)]
        lines: usize,
    },
}

/// `llmctl dashboard`.
#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: DashboardVerb,
}

/// Where the dashboard listens.
#[derive(Debug, Args)]
pub struct Address {
    /// Loopback address.
    #[arg(long)]
    pub host: Option<String>,
    /// Port.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}

/// Verbs on the dashboard.
#[derive(Debug, Subcommand)]
pub enum DashboardVerb {
    /// Starts it, with the daemon if need be.
    Start(Address),
    /// Stops it; the daemon goes on.
    Stop,
    /// Starts it if need be and opens it in the browser.
    Open {
        /// Where it listens.
        #[command(flatten)]
        address: Address,
        /// Prints the address with its one-time code instead of starting a browser.
        #[arg(long)]
        print: bool,
    },
    /// Says whether it runs, and where.
    Status,
}

fn parse_usd(text: &str) -> Result<i64, String> {
    let amount = llmctl_proto::money::PicoUsd::parse(text.trim().trim_start_matches('$'))
        .map_err(|e| e.to_string())?;
    if amount.0 <= 0 {
        return Err("a limit must be more than zero".into());
    }
    Ok(amount.nano())
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { parse_usd(text).map(|nano| Limit(Some(nano))) }
}

/// Reads `90`, `90s`, `10m`, `2h`, `7d`, `500ms`, and sums such as `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration; write it as 90s, 10m, 2h or 7d");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let ms = match unit[..end].trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        total = number
            .checked_mul(ms)
            .and_then(|ms| total.checked_add(Duration::from_millis(ms)))
            .ok_or_else(bad)?;
        rest = &unit[end..];
    }
    if total.is_zero() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0", "soon", "5x", "-5s", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_positive_money() {
        assert_eq!(parse_usd("0.50"), Ok(500_000_000));
        assert_eq!(parse_usd("$2"), Ok(2_000_000_000));
        for bad in ["0", "-1", "much"] {
            assert!(parse_usd(bad).is_err(), "{bad}");
        }
    }
}

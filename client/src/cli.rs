//! The command line: one struct a verb, the doc comments are the help texts.

mod admission;
pub mod config;
mod cost;
mod daemon;
mod events;
mod execute;
pub mod mcp;
pub mod mcp_config;
mod operations;
pub mod route;
pub mod task;
mod values;

use clap::{Parser, Subcommand};

use config::{ConfigArgs, ConfigFlags, ListArgs, ModelsArgs};

pub use admission::{BudgetArgs, BudgetVerb, Limit, QueueArgs, QueueVerb};
pub use cost::{Cost, CostBy, CostVerb, Period, Span, Stats, StatsBy};
pub use daemon::{Address, DaemonArgs, DaemonVerb, DashboardArgs, DashboardVerb};
pub use events::{Emit, Events};
pub use execute::Execute;
pub use operations::{Attach, Logs, One, Ps, Retry, Show, Stop};
pub(crate) use values::parse_duration;

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
    Route(Box<route::RouteArgs>),
    /// Shows and changes the task files of a project; needs no daemon.
    Task(Box<task::TaskArgs>),
    /// Shows and controls MCP servers, and changes which there are.
    Mcp(Box<mcp::McpArgs>),
    /// Starts, stops and describes the daemon.
    Daemon(DaemonArgs),
    /// Starts, stops and opens the dashboard in the browser.
    Dashboard(DashboardArgs),
    /// Prints a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Runs a detached operation; started by `execute --detach` and `task run --detach`.
    #[command(name = "run-detached", hide = true)]
    RunDetached,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

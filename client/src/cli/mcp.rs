//! The command line of `llmctl mcp`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::mcp_config::McpConfigVerb;

/// `llmctl mcp`.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: McpVerb,
}

/// Verbs on MCP servers.
#[derive(Debug, Subcommand)]
pub enum McpVerb {
    /// Lists servers: state, health, tools, how long they have been up.
    #[command(alias = "ls")]
    List(McpList),
    /// Shows everything known of a server.
    #[command(alias = "show")]
    Status(McpOne),
    /// Starts servers; returns when they are ready, or with the reason why they are not.
    Start(McpControl),
    /// Stops servers; returns when no process of them is left. They stay stopped.
    Stop(McpControl),
    /// Stops and starts servers.
    Restart(McpControl),
    /// Reads the configuration again; only servers whose entry has changed are touched.
    Reload(McpList),
    /// Asks a server again what it offers.
    Discover(McpOne),
    /// Lists tools, with what they cost of a model's context.
    Tools(McpTools),
    /// Calls a tool and prints its answer.
    Call(McpCall),
    /// Prints what a server writes to its error stream.
    Logs(McpLogs),
    /// Lists ends and restarts of a server, newest first.
    History(McpOne),
    /// Says why a server does not start, or what is wrong with it.
    Doctor(McpOne),
    /// Verbs that change the configuration.
    #[command(flatten)]
    Config(McpConfigVerb),
    /// Plays a scenario of the public conformance suite as a client; for tests.
    #[command(name = "conformance-client", hide = true)]
    ConformanceClient {
        /// Address of the suite's server.
        url: String,
    },
}

/// A verb on all servers.
#[derive(Debug, Args)]
pub struct McpList {
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// A verb on one server.
#[derive(Debug, Args)]
pub struct McpOne {
    /// Server.
    pub name: String,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// `start`, `stop` and `restart`.
#[derive(Debug, Args)]
pub struct McpControl {
    /// Servers.
    #[arg(required = true)]
    pub names: Vec<String>,
    /// Seconds to wait for the result; by default what is configured. What was begun goes on.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Prints the servers as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl mcp tools`.
#[derive(Debug, Args)]
pub struct McpTools {
    /// Only of this server.
    pub name: Option<String>,
    /// With the schemas of their arguments.
    #[arg(long)]
    pub schema: bool,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl mcp call`.
#[derive(Debug, Args)]
pub struct McpCall {
    /// Server.
    pub name: String,
    /// Tool.
    pub tool: String,
    /// Its arguments, a JSON object; `-` reads them from standard input.
    #[arg(default_value = "{}")]
    pub arguments: String,
    /// Seconds to wait for the answer; by default what is configured.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Prints the whole answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl mcp logs`.
#[derive(Debug, Args)]
pub struct McpLogs {
    /// Server.
    pub name: String,
    /// Goes on with what is written from now on.
    #[arg(short, long)]
    pub follow: bool,
    /// Lines of the past, at most 1,000.
    #[arg(short = 'n', long, default_value_t = 100)]
    pub tail: u32,
    /// Prints each line as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Seconds, also with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no number of seconds");
    let number: f64 = text.trim_end_matches('s').parse().map_err(|_| wrong())?;
    let longest = 24.0 * 3600.0;
    if !(0.001..=longest).contains(&number) {
        return Err(format!("{text} is not between 0.001 and {longest}"));
    }
    Ok(Duration::from_secs_f64(number))
}

//! The command line of the daemon and the dashboard.

use clap::{Args, Subcommand};

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

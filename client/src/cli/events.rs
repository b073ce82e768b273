//! The command line of events.

use clap::Args;

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

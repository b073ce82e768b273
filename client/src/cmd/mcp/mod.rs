//! `llmctl mcp`: servers.

mod add;
mod call;
mod change;
mod config;
mod control;
mod doctor;
mod edit;
mod files;
mod found;
mod import;
mod kept;
mod list;
mod logs;
mod remove;
mod report;
mod source;
mod status;
mod tools;

use llmctl_proto::paths::Paths;

use crate::cli::mcp::McpVerb;
use crate::config::safe;
use crate::error::{CliError, Outcome};

/// Carries a verb out.
///
/// # Errors
/// It could not be done; the error says why.
pub(super) async fn run(paths: &Paths, verb: McpVerb) -> Outcome {
    match verb {
        McpVerb::List(args) => list::run(paths, args.json).await,
        McpVerb::Status(args) => status::run(paths, &args).await,
        McpVerb::Start(args) => control::run(paths, "start", &args).await,
        McpVerb::Stop(args) => control::run(paths, "stop", &args).await,
        McpVerb::Restart(args) => control::run(paths, "restart", &args).await,
        McpVerb::Reload(args) => control::reload(paths, args.json).await,
        McpVerb::Discover(args) => tools::discover(paths, &args).await,
        McpVerb::Tools(args) => tools::run(paths, &args).await,
        McpVerb::Call(args) => call::run(paths, &args).await,
        McpVerb::Logs(args) => logs::run(paths, &args).await,
        McpVerb::History(args) => logs::history(paths, &args).await,
        McpVerb::Doctor(args) => doctor::run(paths, &args).await,
        McpVerb::Config(verb) => config::run(paths, verb).await,
        McpVerb::ConformanceClient { url } => call::conformance(&url),
    }
}

/// Prints text that servers or files have had a say in.
fn print_safe(text: &str) -> Result<(), CliError> {
    super::print(&String::from_utf8_lossy(&safe(text)))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::failed("the daemon's answer cannot be read").caused_by(error)
}

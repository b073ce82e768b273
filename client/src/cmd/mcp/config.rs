//! The verbs of `llmctl mcp` that change the configuration.

use llmctl_proto::paths::Paths;

use super::{add, edit, import, remove};
use crate::cli::mcp_config::McpConfigVerb;
use crate::error::Outcome;

/// Carries a verb out.
///
/// # Errors
/// It could not be done; nothing was written then.
pub(crate) async fn run(paths: &Paths, verb: McpConfigVerb) -> Outcome {
    match verb {
        McpConfigVerb::Import(args) => import::run(paths, &args).await,
        McpConfigVerb::Add(args) => add::run(paths, &args).await,
        McpConfigVerb::Remove(args) => remove::run(paths, &args).await,
        McpConfigVerb::Edit(args) => edit::run(paths, &args).await,
    }
}

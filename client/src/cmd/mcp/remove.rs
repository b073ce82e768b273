//! `llmctl mcp remove`: takes a server out of the configuration, with its lines and its comment.

use llmctl_proto::config::nearest;
use llmctl_proto::paths::Paths;

use super::change::{finish, harmless, runs};
use super::files::Files;
use super::kept::Kept;
use crate::cli::mcp_config::McpRemove;
use crate::error::{CliError, Outcome};

pub(super) async fn run(paths: &Paths, args: &McpRemove) -> Outcome {
    let mut files = Files::read(paths)?;
    known(&files, &args.name)?;
    files.remove(&args.name)?;
    let notes = if runs(paths, &args.name).await {
        let when = if args.dry_run { "would be" } else { "is" };
        vec![format!("{} runs, and {when} stopped", args.name)]
    } else {
        Vec::new()
    };
    finish(paths, &files, &Kept::new(paths), &notes, args.dry_run, args.json, &args.name).await
}

/// Refuses a name that no file has.
pub(super) fn known(files: &Files, name: &str) -> Result<(), CliError> {
    if files.server(name).is_some() {
        return Ok(());
    }
    let names = files.names();
    let error = CliError::usage(harmless(&format!("there is no server `{name}` in your configuration")));
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("a project's servers are changed in the project's own files"),
    })
}

//! Operations as the CLI sees them without a daemon: from their directories.

use llmctl_proto::ids::{OperationId, resolve};
use llmctl_proto::journal::Reader;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::state::{Operation, OperationState};

use crate::error::CliError;

/// Resolves a prefix among the operations that have a directory.
///
/// # Errors
/// None or several match.
pub(super) fn directory(paths: &Paths, prefix: &str) -> Result<OperationDir, CliError> {
    let ids = opdir::all(paths);
    let id = resolve(prefix, ids.iter()).map_err(|error| {
        CliError::usage(error.to_string())
            .hint("`llmctl ps` lists the operations; a longer prefix tells them apart")
    })?;
    Ok(OperationDir::of(paths, &id))
}

/// Folds an operation's journal; one whose runner died without a word is `lost`.
pub(super) fn fold(dir: &OperationDir) -> Option<Operation> {
    let mut operation: Option<Operation> = None;
    for entry in Reader::entries(&dir.journal()) {
        if let Ok(event) = entry.event() {
            operation.get_or_insert_with(|| Operation::new(dir.id.clone(), entry.at)).apply(entry.at, &event);
        }
    }
    let mut operation = operation?;
    if !operation.state.is_final() && !dir.read().is_ok_and(|file| file.runner.is_alive()) {
        operation.state = OperationState::Lost;
        operation.phase = None;
    }
    Some(operation)
}

/// The newest operations that pass a filter, newest first.
pub(super) fn newest(paths: &Paths, limit: usize, wanted: impl Fn(&Operation) -> bool) -> Vec<Operation> {
    let mut ids: Vec<OperationId> = opdir::all(paths);
    ids.reverse();
    ids.iter().filter_map(|id| fold(&OperationDir::of(paths, id))).filter(|o| wanted(o)).take(limit).collect()
}

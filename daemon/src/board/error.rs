//! Why the board did not do what it was asked; the codes are those of the interfaces.

use llmctl_proto::task::files::FilesError;
use llmctl_proto::task::{EditError, FindError, Refusal};

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// No task is meant, or several.
    #[error(transparent)]
    Find(#[from] FindError),
    /// No such project, or several have the task.
    #[error("{0}")]
    Project(String),
    /// Nothing in the inbox can be taken.
    #[error("nothing in the inbox is ready for {0}")]
    NothingReady(String),
    /// The state does not allow it, or a value is none.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file is not the one that was seen.
    #[error("{path} has changed: it is {current}, you saw {seen}")]
    Changed {
        /// Path below the root.
        path: String,
        /// Version that was seen.
        seen: String,
        /// Version now.
        current: String,
        /// What the verb would have changed: key, value there now, value wanted.
        keys: Vec<(String, String, String)>,
    },
    /// A limit of work in progress.
    #[error("{0}")]
    Limit(String),
    /// The file was not read or written.
    #[error("{}", with_causes(.0))]
    Files(#[from] FilesError),
    /// Another writer of ours holds the tree.
    #[error("another llmctl is writing to these task files; try again")]
    Locked,
    /// Too many changes wait.
    #[error("too many changes of task files wait")]
    Busy,
    /// The board stumbled; the file was not changed, or its change shows on the board.
    #[error("the board failed while it worked on this; it starts again")]
    Failed,
    /// The daemon is leaving.
    #[error("the daemon is stopping")]
    Stopping,
}

/// An error with what caused it, in one line.
fn with_causes(error: &FilesError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl BoardError {
    /// Stable code, as in the interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Find(FindError::NotFound(_)) | Self::Project(_) | Self::NothingReady(_) => "task_not_found",
            Self::Find(FindError::Ambiguous { .. }) => "ambiguous_id",
            Self::Refused(refusal) => refusal.code(),
            Self::Changed { .. } => "conflict",
            Self::Limit(_) => "wip_limit",
            Self::Files(error) => error.code(),
            Self::Locked | Self::Busy => "busy",
            Self::Failed => "internal",
            Self::Stopping => "stopping",
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Find(FindError::NotFound(_)) => Some("llmctl task list --all"),
            Self::Find(FindError::Ambiguous { .. }) => Some("name the path below the root"),
            Self::Refused(Refusal::Unreadable) => Some("llmctl task lint"),
            Self::Refused(refusal) if refusal.can_be_forced() => Some("force it, with a reason"),
            Self::Changed { .. } => Some("look at it again"),
            _ => None,
        }
    }

    /// The key and the two values of a conflict, where there are some.
    pub fn values(&self) -> Vec<(String, String, String)> {
        match self {
            Self::Changed { keys, .. } => keys.clone(),
            Self::Files(error) => match innermost(error) {
                FilesError::Edit(EditError::Conflict { key, theirs, ours }) => {
                    vec![(key.clone(), theirs.clone(), ours.clone())]
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

fn innermost(error: &FilesError) -> &FilesError {
    match error {
        FilesError::AfterMove { source, .. } => innermost(source),
        other => other,
    }
}

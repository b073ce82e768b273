//! The tree of task files on disk: scans, reads, edits and moves. The only part of `task` that does I/O.
//!
//! Every name is opened below the root's descriptor, step by step and without following links; an id never becomes
//! a path. Writers that do not know of us are expected between any two system calls. Never runs `git`.

mod carry;
mod dirs;
mod lock;
mod read;
mod replace;
mod runs;
mod scan;

use std::path::{Path, PathBuf};

use super::edit::EditError;
use super::layout::Layout;

pub use carry::Done;
pub use lock::Lock;
pub use read::Loaded;
pub use runs::Run;
pub use scan::{MAX_DEPTH, MAX_FILES, Scan};

/// A tree of task files.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    layout: Layout,
    cache: std::collections::HashMap<String, scan::Cached>,
}

impl Tree {
    /// A tree below this directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>, layout: Layout) -> Self {
        Self { root: root.into(), layout, cache: std::collections::HashMap::new() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of the directories below.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// Why a file was not read, written or moved. Paths are those below the root.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no longer there: somebody moved or removed it first.
    #[error("{0} is no longer there")]
    Gone(String),
    /// There is a file of this name already.
    #[error("{0} exists already")]
    Exists(String),
    /// It is read, but never written: a link, or a file with a second name.
    #[error("{path} is not written: {why}")]
    NotWritten {
        /// Which file.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The edit was refused.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Other writers were faster, several times.
    #[error("{0} is being changed by others all the time")]
    Busy(String),
    /// The file was moved, and then could not be edited.
    #[error("it is now {path}, but was not edited")]
    AfterMove {
        /// Where it is.
        path: String,
        /// Why it was not edited.
        #[source]
        source: Box<FilesError>,
    },
}

impl FilesError {
    fn io(what: &'static str, path: &str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { what, path: path.to_owned(), source: source.into() }
    }

    /// Stable code, as in the interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "write_failed",
            Self::Gone(_) | Self::Exists(_) | Self::Busy(_) => "conflict",
            Self::NotWritten { .. } => "edit_not_safe",
            Self::Edit(error) => error.code(),
            Self::AfterMove { source, .. } => source.code(),
        }
    }
}

//! The tree of task files that a command means, and how a task of it is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmctl_proto::config::Overrides;
use llmctl_proto::paths::Paths;
use llmctl_proto::task::files::{FilesError, Loaded, Lock, Run, Scan, Tree};
use llmctl_proto::task::{Card, FindError, RawTask, TaskSettings, stem};
use serde::Serialize;

use crate::cli::config::ConfigFlags;
use crate::config::{self, working_dir};
use crate::error::{CliError, Exit};

/// A tree of task files.
pub(super) struct Place {
    pub(super) tree: Tree,
    pub(super) settings: TaskSettings,
    state: PathBuf,
}

/// A card and where its file is.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Path below the root.
    pub(super) path: String,
    /// The card.
    #[serde(flatten)]
    pub(super) card: Card,
}

impl Place {
    /// Finds the tree: as named, else by the project's configuration from the working directory upwards.
    pub(super) fn find(paths: &Paths, flags: &ConfigFlags, root: Option<PathBuf>) -> Result<Self, CliError> {
        Self::of(paths, &working_dir()?, &Overrides::from(flags), root)
    }

    /// As `find`, for a working directory.
    pub(super) fn of(
        paths: &Paths,
        cwd: &Path,
        overrides: &Overrides,
        root: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        let settings = TaskSettings::from_tree(&config::load_in(paths, cwd, overrides)?.tree);
        let root = match root {
            Some(root) if root.is_dir() => root,
            Some(root) => return Err(CliError::usage(format!("{} is no directory", root.display()))),
            None => settings.find_root(cwd).ok_or_else(|| {
                CliError::usage("there are no task files here").hint(format!(
                    "make `{}/inbox`, or name the directory with --root",
                    settings.roots.join("` or `")
                ))
            })?,
        };
        let tree = Tree::new(root, settings.layout.clone());
        Ok(Self { tree, settings, state: paths.state.clone() })
    }

    /// The state directory.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// The run of a card whose runner lives.
    pub(super) fn run_of(&self, task: &str) -> Option<Run> {
        Run::of(&self.tree, &self.state, task).filter(Run::lives)
    }

    pub(super) fn scan(&mut self) -> Result<Scan, CliError> {
        self.tree.scan().map_err(failed)
    }

    /// Holds off other writers of ours.
    pub(super) fn lock(&self) -> Result<Lock, CliError> {
        self.tree.lock(&self.state).map_err(failed)
    }

    /// The one file that a text names, on the board or in archive and fridge.
    pub(super) fn load(&mut self, text: &str) -> Result<Loaded, CliError> {
        let scan = self.scan()?;
        let named = self.below_root(text);
        let path = match scan.board.find(&named) {
            Ok(raw) => raw.path.clone(),
            Err(error @ FindError::Ambiguous { .. }) => {
                return Err(CliError::usage(error.to_string()).hint("give more of the id, or the path"));
            }
            Err(error @ FindError::NotFound(_)) => {
                let fits = |path: &&String| {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    **path == named || stem(name) == named || name.starts_with(&named)
                };
                let found: Vec<&String> = scan.aside.iter().filter(fits).collect();
                match found[..] {
                    [path] => path.clone(),
                    [] => return Err(CliError::usage(error.to_string()).hint("llmctl task list --all")),
                    _ => {
                        let paths: Vec<&str> = found.iter().take(8).map(|path| path.as_str()).collect();
                        let message = format!("{text:?} matches {} tasks: {}", found.len(), paths.join(", "));
                        return Err(CliError::usage(message).hint("give more of the name, or the path"));
                    }
                }
            }
        };
        self.tree.load(&path).map_err(failed)
    }

    /// A path from the working directory, as a path below the root.
    fn below_root(&self, text: &str) -> String {
        let Ok(full) = Path::new(text).canonicalize() else { return text.to_owned() };
        let root = self.tree.root().canonicalize().unwrap_or_default();
        match full.strip_prefix(&root) {
            Ok(path) if full.is_file() => path.to_string_lossy().into_owned(),
            _ => text.to_owned(),
        }
    }

    /// The card of a file as it is now.
    pub(super) fn row(&mut self, path: &str) -> Result<Row, CliError> {
        let raw = self.tree.load(path).map_err(failed)?.raw;
        let scan = self.scan()?;
        Ok(row(&scan, &raw))
    }
}

/// The card of a file of a scan.
pub(super) fn row(scan: &Scan, raw: &Arc<RawTask>) -> Row {
    Row { path: raw.path.clone(), card: scan.board.card(raw) }
}

/// An error of files as the command line ends with it.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn failed(error: FilesError) -> CliError {
    let exit = match &error {
        FilesError::Io { what: "use", .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    let hint = match &error {
        FilesError::Edit(llmctl_proto::task::EditError::Conflict { .. }) => {
            Some("look at it again with `llmctl task show`")
        }
        FilesError::Gone(_) => Some("somebody else was faster; `llmctl task list` shows where it is"),
        _ => None,
    };
    let mut cli = CliError::new(exit, error.to_string());
    if let Some(source) = std::error::Error::source(&error) {
        cli = cli.caused_by(source.to_string());
    }
    match hint {
        Some(hint) => cli.hint(hint),
        None => cli,
    }
}

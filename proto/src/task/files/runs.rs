//! Who runs which card: one small file a running card, in the state directory, written and removed under the lock of
//! the tree.
//!
//! It is there before anything is started and goes when the card says what came of it. One whose runner is dead is
//! the proof that nobody has said so. Never touches a task file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FilesError, Lock, Tree};
use crate::ids::OperationId;
use crate::paths::{make_private_dir, replace_file};
use crate::process::Identity;
use crate::task::body::{hash_of, rev_of};

/// Files that are looked at in one go; what is beyond waits for the next look.
const MAX_RUNS: usize = 1_024;
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A card that is being run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Directory of the tree, without links.
    pub root: PathBuf,
    /// The card's id.
    pub task: String,
    /// The operation that works on it, or is about to.
    pub operation_id: OperationId,
    /// Process that writes the end into the card.
    pub runner: Identity,
    /// Version of the card when it was taken; none as long as it was not touched.
    pub rev: Option<String>,
}

impl Run {
    /// A run of a card by this process, of which nothing is written yet.
    pub fn new(tree: &Tree, task: &str, operation_id: OperationId) -> Self {
        let (root, task) = (real_root(tree), task.to_owned());
        Self { root, task, operation_id, runner: Identity::current(), rev: None }
    }

    /// The run of a card, whether its runner lives or not. Dependable only under the tree's lock.
    pub fn of(tree: &Tree, state_dir: &Path, task: &str) -> Option<Self> {
        let root = real_root(tree);
        // The name is a hash; the content says whose it is.
        read(&path(state_dir, &root, task)).filter(|run| run.root == root && run.task == task)
    }

    /// All runs, at most 1,024.
    pub fn all(state_dir: &Path) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir(dir(state_dir)) else { return Vec::new() };
        entries.flatten().take(MAX_RUNS).filter_map(|entry| read(&entry.path())).collect()
    }

    /// Its runner is still there.
    pub fn lives(&self) -> bool {
        self.runner.is_alive()
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, state_dir: &Path, _held: &Lock) -> Result<(), FilesError> {
        let io = |source: std::io::Error| FilesError::io("note the run of", &self.task, source);
        make_private_dir(&dir(state_dir)).map_err(|error| io(std::io::Error::other(error)))?;
        let text = serde_json::to_vec(self).map_err(|error| io(error.into()))?;
        replace_file(&path(state_dir, &self.root, &self.task), &text).map_err(io)
    }

    /// Removes it, if it is still the one of this operation.
    pub fn forget(&self, state_dir: &Path, _held: &Lock) {
        let path = path(state_dir, &self.root, &self.task);
        if read(&path).is_some_and(|run| run.operation_id == self.operation_id) {
            // One that stays is looked at again, and then nothing is to be done for its card.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn real_root(tree: &Tree) -> PathBuf {
    tree.root().canonicalize().unwrap_or_else(|_| tree.root().to_owned())
}

fn dir(state_dir: &Path) -> PathBuf {
    state_dir.join("task-runs")
}

fn path(state_dir: &Path, root: &Path, task: &str) -> PathBuf {
    let key = [root.as_os_str().as_encoded_bytes(), b"\0", task.as_bytes()].concat();
    dir(state_dir).join(format!("{}.json", rev_of(&hash_of(&key))))
}

fn read(path: &Path) -> Option<Run> {
    let small = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    small.then(|| std::fs::read(path).ok()).flatten().and_then(|text| serde_json::from_slice(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Layout;

    #[test]
    fn a_run_is_found_again_until_its_own_operation_forgets_it() {
        let temp = tempfile::tempdir().expect("a directory");
        let state = temp.path().join("state");
        let tree = Tree::new(temp.path(), Layout::default());
        let held = tree.lock(&state).expect("locked");
        assert_eq!(Run::of(&tree, &state, "a/b"), None);
        let run = Run { rev: Some("1".to_owned()), ..Run::new(&tree, "a/b", OperationId::new()) };
        run.keep(&state, &held).expect("kept");
        assert!(run.lives());
        assert_eq!(Run::of(&tree, &state, "a/b"), Some(run.clone()));
        assert_eq!(Run::all(&state), std::slice::from_ref(&run));
        let later = Run::new(&tree, "a/b", OperationId::new());
        later.keep(&state, &held).expect("kept");
        run.forget(&state, &held);
        assert_eq!(Run::of(&tree, &state, "a/b"), Some(later.clone()), "it is another's");
        later.forget(&state, &held);
        assert_eq!(Run::all(&state), []);
    }

    #[test]
    fn what_is_no_run_is_left_out() {
        let temp = tempfile::tempdir().expect("a directory");
        let state = temp.path().join("state");
        std::fs::create_dir_all(dir(&state).join("a-directory")).expect("made");
        std::fs::write(dir(&state).join("x.json"), "{").expect("written");
        std::fs::write(dir(&state).join("y.json"), " ".repeat(70_000)).expect("written");
        assert_eq!(Run::all(&state), []);
    }
}

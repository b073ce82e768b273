//! Tests on the provided tree and on a corpus of files that break other readers.

mod disk;
mod edits;
mod events;
mod files;
mod nasty;
mod provided;
mod races;
mod sections;
mod settling;
mod verbs;

use std::path::{Path, PathBuf};

use super::{Body, FileStat, Layout, RawTask, hash_of};

/// A file as if it had been read from below a root.
pub(super) fn raw(path: &str, bytes: &[u8]) -> RawTask {
    let spot = Layout::default().locate(path).unwrap_or_else(|| panic!("{path} is no task file"));
    RawTask {
        path: path.to_owned(),
        lane: spot.lane,
        agent_dir: spot.agent_dir.map(str::to_owned),
        stat: FileStat { inode: 1, len: bytes.len() as u64, links: 1, ..FileStat::default() },
        hash: hash_of(bytes),
        body: Body::read(bytes),
    }
}

/// The provided tree: where `LLMCTL_TEST_TASKS` says, else in `shared` beside the repository; nothing without it.
pub(super) fn provided() -> Option<Vec<(String, Vec<u8>)>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/tasks");
    let root = std::env::var_os("LLMCTL_TEST_TASKS").map_or(beside, PathBuf::from);
    if !root.join("inbox").is_dir() {
        println!("skipped: there is no tree of task files at {}", root.display());
        return None;
    }
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort();
    Some(files)
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("entry").path()).collect();
    for path in entries {
        let relative = path.strip_prefix(root).expect("below").to_str().expect("UTF-8").to_owned();
        if path.is_dir() {
            collect(root, &path, files);
        } else if Layout::default().locate(&relative).is_some() {
            files.push((relative, std::fs::read(&path).expect("readable")));
        }
    }
}

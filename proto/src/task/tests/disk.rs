//! Files in memory, with inodes, for tests of scans and moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::raw;
use crate::task::{Board, Layout, RawTask};

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    files: BTreeMap<String, (u64, String)>,
    next_inode: u64,
}

impl Disk {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let mut disk = Self::default();
        for (path, text) in files {
            disk.write(path, text);
        }
        disk
    }

    /// Writes in place, or a new file.
    pub(super) fn write(&mut self, path: &str, text: &str) {
        self.next_inode += 1;
        let inode = self.next_inode;
        self.files.entry(path.to_owned()).or_insert((inode, String::new())).1 = text.to_owned();
    }

    pub(super) fn unlink(&mut self, path: &str) {
        self.files.remove(path);
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(file) = self.files.remove(from) {
            self.files.insert(to.to_owned(), file);
        }
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) {
        if let Some((_, text)) = self.files.get(from).cloned() {
            self.write(to, &text);
        }
    }

    pub(super) fn scan(&self) -> Board {
        let layout = Layout::default();
        let mut live: Vec<Arc<RawTask>> = Vec::new();
        let mut aside = BTreeMap::new();
        for (path, (inode, text)) in &self.files {
            let Some(spot) = layout.locate(path) else { continue };
            if spot.lane.on_board() {
                let mut file = raw(path, text.as_bytes());
                file.stat.inode = *inode;
                live.push(Arc::new(file));
            } else {
                aside.insert(spot.name.to_owned(), spot.lane);
            }
        }
        Board::new(live, aside, BTreeSet::new())
    }
}

/// A well formed task.
pub(super) fn task(id: &str, status: &str) -> String {
    format!("id: {id}\ntitle: Title of {id}\nagent: dev\nstatus: {status}\npriority: high\n")
}

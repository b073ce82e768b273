//! Good news at once, bad news after a while: most bad news is a writer half way through.
//!
//! A pure machine; time comes in as milliseconds of any clock that does not go back. What it has published is always
//! a board of its own, so that the events it gave out add up to it at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::board::{Board, Key};
use super::body::RawTask;
use super::diff::{diff, match_up};
use crate::event::TaskEvent;

/// Bad news is published when nothing in the tree has changed for this long.
pub const GRACE_MS: u64 = 500;
/// Or when the file itself has not changed for this long: others' steady work must not hide a loss for ever.
pub const OWN_GRACE_MS: u64 = 2_500;

/// What has been published and what has been seen.
#[derive(Debug)]
pub struct Settle {
    project: String,
    shown: Board,
    seen: Board,
    quiet_since_ms: u64,
    changed_ms: BTreeMap<String, u64>,
}

impl Settle {
    /// Starts from a first scan, about which nothing is published.
    pub fn new(project: impl Into<String>, first: Board, now_ms: u64) -> Self {
        Self {
            project: project.into(),
            shown: first.clone(),
            seen: first,
            quiet_since_ms: now_ms,
            changed_ms: BTreeMap::new(),
        }
    }

    /// The board that has been published: what every reader shows.
    pub fn shown(&self) -> &Board {
        &self.shown
    }

    /// The newest scan.
    pub fn seen(&self) -> &Board {
        &self.seen
    }

    /// Takes a scan in and gives the events that can be published now.
    pub fn observe(&mut self, scan: Board, now_ms: u64) -> Vec<TaskEvent> {
        let changed = changed_paths(&self.seen, &scan);
        if !changed.is_empty() {
            self.quiet_since_ms = now_ms;
        }
        for path in changed {
            self.changed_ms.insert(path, now_ms);
        }
        // What has rested for its own grace needs no entry: no entry means it is due.
        self.changed_ms.retain(|_, at| now_ms.saturating_sub(*at) < OWN_GRACE_MS);
        self.seen = scan;
        self.publish(now_ms)
    }

    /// Gives the events whose time has come.
    pub fn tick(&mut self, now_ms: u64) -> Vec<TaskEvent> {
        self.publish(now_ms)
    }

    /// When `tick` has something to publish if nothing changes; none while nothing waits.
    pub fn due_ms(&self) -> Option<u64> {
        let waits = self.shown.tasks.len() != self.seen.tasks.len()
            || !changed_paths(&self.shown, &self.seen).is_empty();
        waits.then(|| self.quiet_since_ms.saturating_add(GRACE_MS))
    }

    fn publish(&mut self, now_ms: u64) -> Vec<TaskEvent> {
        let quiet = now_ms.saturating_sub(self.quiet_since_ms) >= GRACE_MS;
        let target = if quiet {
            self.changed_ms.clear();
            self.seen.clone()
        } else {
            self.partial(now_ms)
        };
        let events = diff(&self.project, &self.shown, &target);
        self.shown = target;
        events
    }

    /// What may be shown before it is quiet: the old board with the good news in it.
    fn partial(&self, now_ms: u64) -> Board {
        let due = |path: &str| {
            self.changed_ms.get(path).is_none_or(|at| now_ms.saturating_sub(*at) >= OWN_GRACE_MS)
        };
        let matching = match_up(&self.shown, &self.seen);
        let mut target = Board { agents: self.seen.agents.clone(), ..Board::default() };
        // Names that left archive or fridge stay known, so that who comes back can say from where.
        target.aside = self.shown.aside.clone();
        target.aside.extend(self.seen.aside.iter().map(|(name, lane)| (name.clone(), *lane)));
        for (before, after) in &matching.pairs {
            let new = &self.seen.tasks[after];
            let old = &self.shown.tasks[before];
            if new.is_readable() || due(&before.path) && due(&after.path) {
                target.tasks.insert(after.clone(), new.clone());
            } else {
                target.tasks.insert(before.clone(), old.clone());
            }
        }
        for before in matching.gone.iter().filter(|key| !due(&key.path)) {
            target.tasks.insert(before.clone(), self.shown.tasks[before].clone());
        }
        let mut known: BTreeSet<String> = target.tasks.keys().map(|key| key.id.clone()).collect();
        for after in &matching.fresh {
            let new = &self.seen.tasks[after];
            let good = new.is_readable() && !known.contains(&after.id);
            if good || due(&after.path) {
                known.insert(after.id.clone());
                target.tasks.insert(after.clone(), new.clone());
            }
        }
        target
    }
}

/// Paths at which two scans say different things.
fn changed_paths(old: &Board, new: &Board) -> BTreeSet<String> {
    let differs = |key: &Key, raw: &Arc<RawTask>, other: &Board| {
        other.tasks.get(key).is_none_or(|that| !Arc::ptr_eq(raw, that) && evidence(raw) != evidence(that))
    };
    let mut paths = BTreeSet::new();
    for (key, raw) in &old.tasks {
        if differs(key, raw, new) {
            paths.insert(key.path.clone());
        }
    }
    for key in new.tasks.keys().filter(|key| !old.tasks.contains_key(key)) {
        paths.insert(key.path.clone());
    }
    paths
}

fn evidence(raw: &RawTask) -> ([u8; 32], bool) {
    (raw.hash, raw.is_readable())
}

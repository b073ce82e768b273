//! What is done on threads that may wait: scans, changes, locks. Each has the tree to itself and gives it back.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmctl_proto::task::Board as Index;
use llmctl_proto::task::files::{FilesError, Lock, Scan, Tree};

use super::edit::{Carried, Order, carry_out};
use super::error::BoardError;
use super::places::Place;
use super::watch::{Doorbell, Unwatched, Watch};

/// Looks in one go, as long as each finds directories that were not watched before.
const MAX_LOOKS: usize = 4;

/// A tree with its doorbell.
#[derive(Debug)]
pub(super) struct Kit {
    tree: Tree,
    watch: Option<Watch>,
    bell: Arc<Doorbell>,
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) scan: Result<Scan, FilesError>,
    pub(super) watched: Watched,
}

/// How changes are noticed after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watched {
    /// At once.
    Yes,
    /// There is nothing to watch: the root is not there.
    Missing,
    /// Not tried again yet.
    Later,
    /// It was tried.
    No(Unwatched),
}

/// A lock, and whether what a killed writer left has been removed under it.
pub(super) type Locked = Result<Lock, FilesError>;

impl Kit {
    pub(super) fn new(place: &Place, bell: Arc<Doorbell>) -> Self {
        let tree = Tree::new(place.root.clone(), place.rules.settings.layout.clone());
        Self { tree, watch: None, bell }
    }

    /// The watcher failed: the next look makes another one.
    pub(super) fn drop_watch(&mut self) {
        self.watch = None;
    }

    /// Scans, and watches exactly the directories that the scan saw.
    pub(super) fn look(&mut self, try_watch: bool) -> Look {
        let began = Instant::now();
        let mut watched = if self.watch.is_some() { Watched::Yes } else { Watched::Later };
        if !self.tree.root().is_dir() {
            self.watch = None;
            watched = Watched::Missing;
        } else if self.watch.is_none() && try_watch {
            match Watch::open(self.tree.root(), &self.bell) {
                Ok(watch) => (self.watch, watched) = (Some(watch), Watched::Yes),
                Err(unwatched) => watched = Watched::No(unwatched),
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.renew();
        }
        let scan = self.scan(&mut watched);
        Look { began, took: began.elapsed(), scan, watched }
    }

    fn scan(&mut self, watched: &mut Watched) -> Result<Scan, FilesError> {
        let mut scan = self.tree.scan()?;
        for _ in 1..MAX_LOOKS {
            let Some(watch) = &mut self.watch else { break };
            match watch.sync(&scan.dirs) {
                Ok(false) => break,
                // What happened in it before it was watched is seen now.
                Ok(true) => scan = self.tree.scan()?,
                Err(unwatched) => {
                    self.watch = None;
                    *watched =
                        if self.tree.root().is_dir() { Watched::No(unwatched) } else { Watched::Missing };
                }
            }
        }
        Ok(scan)
    }

    /// Carries orders out one after the other, and looks.
    pub(super) fn edit(
        &mut self,
        place: &Place,
        held: &Lock,
        shown: &Index,
        orders: Vec<Order>,
    ) -> Vec<(Order, Result<Carried, BoardError>)> {
        orders
            .into_iter()
            .map(|order| {
                let result = carry_out(&mut self.tree, held, shown, &place.rules, &order.act);
                let project = place.project.clone();
                let result = result.map(|(raw, done)| Carried { raw, done, project });
                (order, result)
            })
            .collect()
    }
}

/// Waits for the lock of a tree. The first one to hold it removes what a killed writer left.
pub(super) fn lock(place: &Place, state_dir: &Path, sweep: bool) -> Locked {
    let tree = Tree::new(place.root.clone(), place.rules.settings.layout.clone());
    let held = tree.lock(state_dir)?;
    if sweep {
        let removed = tree.remove_stale(&held);
        if removed > 0 {
            tracing::info!(project = %place.project, removed, "temporary task files of a killed writer");
        }
    }
    Ok(held)
}

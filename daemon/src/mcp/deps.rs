//! What all actors share.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llmctl_proto::event::Event;
use llmctl_proto::process::reap_strangers;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::desired::Wishes;
use super::usage::Sampler;
use crate::hub::{Hub, Publish};
use crate::store::Store;

/// What all actors share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) store: Store,
    pub(super) wishes: Wishes,
    pub(super) sampler: Sampler,
    pub(super) children: Children,
    /// Servers that may be starting at the same time.
    pub(super) starts: Arc<Semaphore>,
    /// Names all servers of this daemon, over its restarts.
    pub(super) instance: Arc<str>,
    /// Where processes are noted.
    pub(super) records: Arc<PathBuf>,
    /// Nothing of a former daemon is left; only then is anything started.
    pub(super) swept: CancellationToken,
}

impl Shared {
    /// Publishes an event of the daemon's own.
    pub(super) async fn publish(&self, event: impl Into<Event>) {
        // A hub that is gone is one of a daemon that leaves.
        let _ = self.hub.publish(Publish::own(event.into())).await;
    }
}

/// Children that are waited for one by one. Everything else that becomes a child of this process, since its own
/// parent has ended, is collected as soon as it ends; programs that give secrets stay in the daemon's session and
/// are waited for where they are run.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Arc<Mutex<HashSet<u32>>>);

impl Children {
    /// Keeps the collector away while a child is started and noted.
    pub(super) fn hold(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects what ends until the token is cancelled.
    pub(super) async fn collect(self, shutdown: CancellationToken) {
        let Ok(mut ends) = signal(SignalKind::child()) else { return };
        loop {
            tokio::select! {
                _ = ends.recv() => {}
                () = shutdown.cancelled() => return,
            }
            let known = self.hold();
            let waited: Vec<u32> = known.iter().copied().collect();
            reap_strangers(&waited);
        }
    }
}

//! Noticing: a new mark in the pending directory, the end of a process.

use std::time::Duration;

use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::Message;

/// Rings when a mark appears. Several rings while nobody answers are one.
pub(super) fn pending(paths: &Paths, tx: mpsc::Sender<Message>) -> Option<RecommendedWatcher> {
    let ring = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| matches!(event.kind, EventKind::Create(_))) {
            // A full inbox means that somebody is about to look anyway.
            let _ = tx.try_send(Message::Look);
        }
    };
    let watcher = RecommendedWatcher::new(ring, Config::default()).and_then(|mut watcher| {
        watcher.watch(&paths.pending(), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| tracing::warn!(error = %error, "operations without a link are seen at the next start only"))
        .ok()
}

/// Resolves when exactly this process has ended.
pub(super) fn end_of(process: &Identity) -> impl Future<Output = ()> + Send + 'static {
    let process = process.clone();
    async move {
        let Ok(fd) = process.open() else { return };
        // Deprecated for types whose descriptor may change under it; an `OwnedFd` that is moved in cannot.
        #[allow(deprecated)]
        let watched = AsyncFd::with_interest(fd, Interest::READABLE);
        if let Ok(fd) = watched {
            let _ = fd.readable().await;
            return;
        }
        // A kernel that cannot poll pidfds is asked now and then.
        while process.is_alive() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

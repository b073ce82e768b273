//! Takes in what runners did while nobody looked: journals written without a daemon, and runners that died.
//!
//! Each operation whose journal is not fully stored has a mark in the pending directory. At the start and whenever
//! a mark appears, an unattached operation is looked at: its journal is read from the last stored fact, exactly
//! once; a live runner is watched by its pidfd, not by polling; a dead one is `lost` unless its journal says how
//! it ended, and what it left running is ended by its identity and its tag.

mod import;
mod notice;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::store::Store;

/// How long a runner gets to attach by itself before it is looked at.
const ATTACH_GRACE: Duration = Duration::from_secs(2);
/// How long a question waits for the first look after the start.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Requests that wait.
const INBOX: usize = 64;

enum Message {
    /// The pending directory changed, or the grace is over.
    Look,
    /// Every operation without a link, now.
    LookAtAll { done: oneshot::Sender<()> },
    /// One operation, now.
    LookAt { id: OperationId, done: oneshot::Sender<()> },
    /// A watched runner has ended.
    RunnerEnded(OperationId),
}

/// Handle to the adopter.
#[derive(Debug, Clone)]
pub struct Adopter {
    tx: mpsc::Sender<Message>,
    first_look: watch::Receiver<bool>,
    settled: Arc<Notify>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("adopt::Message")
    }
}

/// What the adopter works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Where events go.
    pub hub: Hub,
    /// Where the last stored fact of an operation is asked for.
    pub store: Store,
    /// Directories.
    pub paths: Arc<Paths>,
    /// All tasks.
    pub tracker: TaskTracker,
    /// End of the daemon.
    pub shutdown: CancellationToken,
}

impl Adopter {
    /// Starts the adopter. `rebuild`: the database is new, so every operation's directory is read again.
    pub fn spawn(deps: Deps, rebuild: bool) -> Self {
        let (tx, rx) = mpsc::channel(INBOX);
        let (looked, first_look) = watch::channel(false);
        let tracker = deps.tracker.clone();
        let settled = Arc::new(Notify::new());
        let task =
            Task { deps, tx: tx.clone(), watched: HashSet::new(), looked, settled: Arc::clone(&settled) };
        tracker.spawn(task.run(rx, rebuild));
        Self { tx, first_look, settled }
    }

    /// Rings each time an operation has ended and its runner has gone. One listener.
    pub fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.settled)
    }

    /// Waits until what ended before this daemon started has been taken in, but not for long.
    pub async fn first_look(&self) {
        let mut looked = self.first_look.clone();
        // One that takes longer goes on by itself; then the answer is as good as it can be now.
        let _ = tokio::time::timeout(FIRST_LOOK, looked.wait_for(|looked| *looked)).await;
    }

    /// Looks at one operation and returns when its journal has been taken in.
    pub async fn look_now(&self, id: OperationId) {
        let (done, finished) = oneshot::channel();
        if self.tx.send(Message::LookAt { id, done }).await.is_ok() {
            let _ = finished.await;
        }
    }

    /// Looks at every operation without a link that is not being watched yet.
    pub async fn look_at_all_now(&self) {
        let (done, finished) = oneshot::channel();
        if self.tx.send(Message::LookAtAll { done }).await.is_ok() {
            let _ = finished.await;
        }
    }

    /// Says that an operation's link was lost.
    pub async fn link_lost(&self, id: OperationId) {
        let _ = self.tx.send(Message::RunnerEnded(id)).await;
    }
}

struct Task {
    deps: Deps,
    tx: mpsc::Sender<Message>,
    watched: HashSet<OperationId>,
    looked: watch::Sender<bool>,
    settled: Arc<Notify>,
}

impl Task {
    async fn run(mut self, mut rx: mpsc::Receiver<Message>, rebuild: bool) {
        let shutdown = self.deps.shutdown.clone();
        // The watcher lives as long as this task; without one, marks are seen at the next start.
        let _watcher = notice::pending(&self.deps.paths, self.tx.clone());
        let first = if rebuild { opdir::all(&self.deps.paths) } else { opdir::pending(&self.deps.paths) };
        // Ended ones at once, so that a client's first question sees them; live ones get time to attach.
        for id in &first {
            if rebuild || !self.runner_lives(id) {
                self.look_at(id).await;
            }
        }
        let _ = self.looked.send(true);
        let mut due: Option<tokio::time::Instant> = Some(tokio::time::Instant::now() + ATTACH_GRACE);
        loop {
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                message = rx.recv() => match message {
                    Some(Message::Look) => {
                        due.get_or_insert_with(|| tokio::time::Instant::now() + ATTACH_GRACE);
                    }
                    Some(Message::LookAtAll { done }) => {
                        self.look_at_all().await;
                        let _ = done.send(());
                    }
                    Some(Message::LookAt { id, done }) => {
                        if !self.look_at(&id).await {
                            self.read_ahead(&id).await;
                        }
                        let _ = done.send(());
                    }
                    Some(Message::RunnerEnded(id)) => {
                        self.watched.remove(&id);
                        self.look_at(&id).await;
                    }
                    None => return,
                },
                () = timer => {
                    due = None;
                    self.look_at_all().await;
                }
            }
        }
    }

    fn runner_lives(&self, id: &OperationId) -> bool {
        OperationDir::of(&self.deps.paths, id).read().is_ok_and(|file| file.runner.is_alive())
    }

    async fn look_at_all(&mut self) {
        let attached: HashSet<OperationId> =
            self.deps.hub.attached().await.unwrap_or_default().into_iter().collect();
        for id in opdir::pending(&self.deps.paths) {
            if !attached.contains(&id) && !self.watched.contains(&id) {
                self.look_at(&id).await;
            }
        }
    }

    /// A link that was just made may not have brought anything yet; what its runner has journalled is there already.
    async fn read_ahead(&self, id: &OperationId) {
        let dir = OperationDir::of(&self.deps.paths, id);
        if let Err(error) = import::publish_journal(&self.deps, &dir).await {
            tracing::warn!(operation.id = %id, error = %error, "journal not taken in");
        }
    }

    /// Takes an operation in; false when it has a link, which does that.
    async fn look_at(&mut self, id: &OperationId) -> bool {
        let attached = self.deps.hub.attached().await.unwrap_or_default();
        if attached.contains(id) {
            return false;
        }
        match import::take_in(&self.deps, id).await {
            Ok(import::Found::Settled) => self.settled.notify_one(),
            Ok(import::Found::Running(runner)) => self.watch(id.clone(), &runner),
            Err(error) => tracing::warn!(operation.id = %id, error = %error, "journal not taken in"),
        }
        true
    }

    fn watch(&mut self, id: OperationId, runner: &Identity) {
        if !self.watched.insert(id.clone()) {
            return;
        }
        let (tx, shutdown) = (self.tx.clone(), self.deps.shutdown.clone());
        let ended = notice::end_of(runner);
        self.deps.tracker.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = ended => { let _ = tx.send(Message::RunnerEnded(id)).await; }
            }
        });
    }
}

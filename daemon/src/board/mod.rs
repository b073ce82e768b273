//! The board: one task that owns the index of all task files, says what changed in them, and changes them.
//!
//! The files are the truth and others write them at any time: the watcher is a doorbell, a scan the evidence, and a
//! pure comparison makes the events. Everybody else reads an immutable picture. Never runs `git`, never reads the
//! configuration of a project that is not trusted, never makes a path of an id.

mod answer;
mod bell;
mod bodies;
mod edit;
mod error;
mod job;
mod lost;
mod places;
mod root;
mod rules;
mod task;
#[cfg(test)]
mod tests;
mod view;
mod watch;
mod wish;
pub mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::event::WatcherDegraded;
use llmctl_proto::ids::Cursor;
use llmctl_proto::paths::Paths;
use llmctl_proto::task::files::Tree;
use llmctl_proto::task::{Task, Verb};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch as watched};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use answer::{Fields, detail, findings, listed, unreadable};
pub use bodies::{List, Query, Rendered};
pub use edit::{Act, Carried, Cost};
pub use error::BoardError;
pub use places::Place;
pub use rules::Rules;
pub use view::{Counts, Found, RootStatus, RootView, Status, View, Watching};
pub use wish::{VERBS, Wish};

use crate::hub::{Hub, Publish};
use crate::keep::{Pauses, caught};
use crate::settings::Live;
use bodies::Bodies;
use edit::Order;
use task::BoardTask;

/// Messages that wait for the board; beyond it senders wait.
const INBOX: usize = 256;
/// How long an answer waits for the first scans.
const FIRST_SCAN: Duration = Duration::from_secs(2);

/// What the board works with.
#[derive(Debug, Clone)]
pub struct BoardDeps {
    /// Where events go and operations are known.
    pub hub: Hub,
    /// Directories.
    pub paths: Arc<Paths>,
    /// The configuration in force.
    pub settings: Live,
}

impl BoardDeps {
    fn rules(&self) -> Rules {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Rules::read(self.settings.current().tree(), home.as_deref())
    }
}

enum Message {
    /// Somebody works in this directory.
    Named { dir: PathBuf, reply: Option<oneshot::Sender<Option<String>>> },
    /// A change.
    Order { project: String, order: Order },
}

/// Handle to the board.
#[derive(Debug, Clone)]
pub struct Board {
    tx: mpsc::Sender<Message>,
    view: watched::Receiver<Arc<View>>,
    hub: Hub,
    /// One at a time makes a body; the others find it made.
    bodies: Arc<tokio::sync::Mutex<Bodies>>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("board::Message")
    }
}

impl Board {
    /// Starts the board. It ends with the token.
    pub fn spawn(deps: BoardDeps, tracker: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (tx, rx) = mpsc::channel(INBOX);
        let (shown, view) = watched::channel(Arc::default());
        let hub = deps.hub.clone();
        tracker.spawn(supervise(deps, shown, rx, shutdown));
        Self { tx, view, hub, bodies: Arc::default() }
    }

    /// Puts cards down whose runner has died before it could say what came of them: now, and each time `settled` says
    /// that an operation's runner has gone. It ends with the token.
    pub fn watch_runs(
        &self,
        paths: Arc<Paths>,
        settled: Arc<Notify>,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
    ) {
        tracker.spawn(lost::watch(self.clone(), paths, settled, shutdown));
    }

    /// One task as it is on disk now, whatever the picture shows.
    ///
    /// # Errors
    /// It is gone.
    pub async fn reread(&self, found: &Found) -> Result<Carried, BoardError> {
        let place = Arc::clone(&found.root.place);
        let id = Task::new(&found.raw).id().value.to_owned();
        let shown = Arc::clone(&found.root.index);
        let project = place.project.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut tree = Tree::new(place.root.clone(), place.rules.settings.layout.clone());
            edit::load(&mut tree, &shown, &id, false)
        });
        let raw = read.await.map_err(|_| BoardError::Failed)??.raw;
        Ok(Carried { raw, done: None, project })
    }

    /// The newest picture.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// The newest picture, after the first scan of every root. Not waited for longer than two seconds.
    pub async fn scanned(&self) -> Arc<View> {
        let mut view = self.view.clone();
        let ready = |view: &Arc<View>| view.begun && view.roots.iter().all(|root| root.scanned);
        let _ = tokio::time::timeout(FIRST_SCAN, view.wait_for(ready)).await;
        self.view()
    }

    /// Tells that somebody works in a directory; its project's task files are watched from then on.
    pub fn named(&self, dir: impl Into<PathBuf>) {
        // A full inbox will hear of it again: every operation and every verb names its directory.
        let _ = self.tx.try_send(Message::Named { dir: dir.into(), reply: None });
    }

    /// The project of a directory, after its first scan; none when it has no task files.
    pub async fn project_of(&self, dir: impl Into<PathBuf>) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.tx.send(Message::Named { dir: dir.into(), reply: Some(reply) }).await.ok()?;
        tokio::time::timeout(FIRST_SCAN, answer).await.ok()?.ok()?
    }

    /// A list as JSON, from the newest picture.
    ///
    /// # Errors
    /// The daemon is stopping, or the list could not be made.
    pub async fn list(&self, query: Query) -> Result<Rendered, BoardError> {
        self.scanned().await;
        // Before the picture: every event up to here is in it.
        let cursor = Cursor { epoch: self.hub.epoch(), seq: self.hub.stats.read().2 };
        let all = self.hub.task_work().await.map_err(|_| BoardError::Stopping)?;
        let view = self.view();
        let mut bodies = Arc::clone(&self.bodies).lock_owned().await;
        if let Some(known) = bodies.get(&query, &view, &all, &cursor) {
            return Ok(known);
        }
        let render = move || bodies.render(&query, &view, &all, &cursor);
        tokio::task::spawn_blocking(render).await.map_err(|_| BoardError::Failed)
    }

    /// What is known of one task, with its text as it is on disk.
    ///
    /// # Errors
    /// None or several are meant.
    pub async fn show(
        &self,
        text: &str,
        project: Option<&str>,
        prefix: bool,
    ) -> Result<(Found, Value), BoardError> {
        let view = self.scanned().await;
        let found = view.find(text, project, prefix)?;
        let all = self.hub.task_work().await.map_err(|_| BoardError::Stopping)?;
        let id = Task::new(&found.raw).id().value.to_owned();
        let sum = work::of(&all, &id, found.root.project_dir());
        let place = Arc::clone(&found.root.place);
        let path = found.raw.path.clone();
        // The index has what files say and not how they are written; only this one is read again.
        let read = tokio::task::spawn_blocking(move || {
            Tree::new(place.root.clone(), place.rules.settings.layout.clone()).load(&path).ok()
        });
        let bytes = read.await.ok().flatten().map(|loaded| loaded.bytes);
        let written = bytes.as_deref().map(String::from_utf8_lossy);
        let value = detail(&found.root, &found.raw, &sum, written.as_deref());
        Ok((found, value))
    }

    /// One task for an answer, as lists have it.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn listed(&self, carried: &Carried, fields: Fields) -> Result<String, BoardError> {
        let all = self.hub.task_work().await.map_err(|_| BoardError::Stopping)?;
        let view = self.view();
        let root = view.of(Some(&carried.project)).next().ok_or(BoardError::Failed)?;
        let id = Task::new(&carried.raw).id().value.to_owned();
        let sum = work::of(&all, &id, root.project_dir());
        Ok(listed(root, &carried.raw, &sum, fields))
    }

    /// Carries a change out and gives the file as it is then. The picture shows it already.
    ///
    /// # Errors
    /// Nothing was changed, unless the error says so.
    pub async fn carry_out(
        &self,
        project: Option<&str>,
        mut act: Act,
        actor: &str,
    ) -> Result<Carried, BoardError> {
        let view = self.scanned().await;
        let project = choose(&view, project, &act)?;
        self.add_cost(&view, &project, &mut act).await;
        let (reply, answer) = oneshot::channel();
        let order = Order { act, actor: actor.to_owned(), reply };
        let message = Message::Order { project, order };
        self.tx.send(message).await.map_err(|_| BoardError::Stopping)?;
        match answer.await {
            Ok(result) => result,
            Err(_) if self.tx.is_closed() => Err(BoardError::Stopping),
            Err(_) => Err(BoardError::Failed),
        }
    }

    /// What the operations of a task cost goes into the file that it completes, where the user wants that.
    async fn add_cost(&self, view: &View, project: &str, act: &mut Act) {
        let Act::Verb { target, prefix, verb: Verb::Complete { .. }, cost, .. } = act else { return };
        let Ok(found) = view.find(target, Some(project), *prefix) else { return };
        if !found.root.place.rules.settings.write_cost {
            return;
        }
        let Ok(all) = self.hub.task_work().await else { return };
        let id = Task::new(&found.raw).id().value.to_owned();
        let sum = work::of(&all, &id, &found.root.place.project_dir);
        *cost = sum.cost_nano_usd.map(|nano_usd| Cost { nano_usd, operations: sum.ids });
    }
}

/// The project that a change is for: the one that is named, the one that has the task, or the only one.
fn choose(view: &View, project: Option<&str>, act: &Act) -> Result<String, BoardError> {
    if let Some(project) = project {
        return match view.of(Some(project)).next() {
            Some(root) => Ok(root.place.project.clone()),
            None => Err(BoardError::Project(format!("no project {project:?} has task files here"))),
        };
    }
    if let [only] = view.roots.as_slice() {
        return Ok(only.place.project.clone());
    }
    match act {
        Act::Verb { target, prefix, .. } if !target.is_empty() => {
            Ok(view.find(target, None, *prefix)?.root.place.project.clone())
        }
        _ => Err(BoardError::Project("several projects have task files: name one".to_owned())),
    }
}

/// Keeps one task of the board at work. The next one goes on from what the last one has shown.
async fn supervise(
    deps: BoardDeps,
    view: watched::Sender<Arc<View>>,
    mut rx: mpsc::Receiver<Message>,
    shutdown: CancellationToken,
) {
    let (mut settings, mut pauses) = (deps.settings.subscribe(), Pauses::default());
    loop {
        let began = tokio::time::Instant::now();
        let task = BoardTask::new(deps.clone(), view.clone());
        let Err(cause) = caught(task.run(&mut rx, &mut settings, &shutdown)).await else { return };
        let pause = pauses.after(began.elapsed());
        tracing::error!(cause, "the board failed and starts again");
        view.send_modify(|view| *view = Arc::new(View { failed: true, ..view.as_ref().clone() }));
        let event = WatcherDegraded {
            project: String::new(),
            path: String::new(),
            reason: "error".to_owned(),
            mode: "rescan".to_owned(),
            interval_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            recovered: false,
            message: Some("the board failed and starts again".to_owned()),
        };
        let _ = deps.hub.publish(Publish::own(event.into())).await;
        if tokio::time::timeout(pause, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}

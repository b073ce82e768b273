//! Cards whose runner has died before it could say what came of them: the board puts them down.
//!
//! The proof is the note of the run that its runner leaves behind, so a card that no operation worked on is never
//! touched; nor is one that somebody has changed since the runner's last sign of life.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::event::Event;
use llmctl_proto::journal::Reader;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::paths::Paths;
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::task::files::{Done, Loaded, Lock, Run, Tree};
use llmctl_proto::task::{Asked, Lane, Layout, RawTask, State, Task, Verb, plan};
use llmctl_proto::time::UnixMs;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::edit::{Act, Carried, Order};
use super::error::BoardError;
use super::{Board, Message};

/// Between two looks while cards are being run: a runner may die when its operation has ended already.
const AGAIN: Duration = Duration::from_secs(30);
/// Longest reason that a note has of an operation, in characters.
const REASON: usize = 300;

/// A run that nobody will conclude.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// The run, as its runner noted it.
    pub(super) run: Run,
    /// The runner's last sign of life.
    pub(super) last: UnixMs,
    /// What the card is told.
    pub(super) note: String,
    /// Where notes of runs are.
    pub(super) state: PathBuf,
}

impl Abandoned {
    /// Nothing when its runner lives, or when the operation's journal is not closed yet.
    fn of(run: Run, paths: &Paths) -> Option<Self> {
        if run.lives() {
            return None;
        }
        let dir = OperationDir::of(paths, &run.operation_id);
        let mut operation: Option<Operation> = None;
        let mut last = None;
        for entry in Reader::entries(&dir.journal()) {
            let Ok(event) = entry.event() else { continue };
            operation.get_or_insert_with(|| Operation::new(dir.id.clone(), entry.at)).apply(entry.at, &event);
            match &event {
                Event::ExecutionLost(lost) => last = lost.last_event_at.or(last),
                event if event.ends_operation() => last = Some(entry.at),
                _ => {}
            }
        }
        let id = &run.operation_id;
        let note = match operation {
            // It was killed before it wrote anything.
            None => format!("operation {id} was lost: its runner ended before it began"),
            Some(operation) if !operation.state.is_final() => return None,
            Some(operation) => ended(&operation),
        };
        Some(Self { run, last: last.unwrap_or(UnixMs(0)), note, state: paths.state.clone() })
    }

    /// Puts the card down, if it is still as its runner left it, and lets go of it. Gives what was written, if
    /// anything was.
    pub(super) fn put_down(
        &self,
        tree: &Tree,
        base: &Loaded,
        held: &Lock,
    ) -> Result<Option<Done>, BoardError> {
        // Whoever runs it now has noted it in the same place.
        if Run::of(tree, &self.state, &self.run.task).is_none_or(|run| run != self.run) {
            return Ok(None);
        }
        let task = Task::new(&base.raw);
        let at_work = base.raw.lane == Lane::Assigned && task.state() == State::InProgress;
        if !at_work || !self.is_untouched(&base.raw) {
            self.run.forget(&self.state, held);
            return Ok(None);
        }
        let asked = Asked { layout: tree.layout(), now: UnixMs::now(), force: false };
        let mut todo = plan(task, &Verb::PutDown, asked)?;
        let note = plan(task, &Verb::Note { text: self.note.clone() }, asked)?;
        todo.edits.extend(note.edits.into_iter().filter(|edit| edit.path() != ["last_modified"]));
        let done = tree.carry_out(base, &todo)?;
        self.run.forget(&self.state, held);
        Ok(Some(done))
    }

    /// The card that it is about.
    pub(super) fn task(&self) -> &str {
        &self.run.task
    }

    /// It is as it was when it was taken, or was last written while its runner lived.
    fn is_untouched(&self, raw: &RawTask) -> bool {
        let Some(rev) = &self.run.rev else { return false };
        let written = i64::try_from(raw.stat.mtime_ns / 1_000_000).unwrap_or(i64::MAX);
        raw.rev() == *rev || written <= self.last.0
    }
}

/// What a card is told of an operation that has ended without its runner's word.
fn ended(operation: &Operation) -> String {
    let id = &operation.operation_id;
    let state = operation.state.as_str();
    if operation.state == OperationState::Lost {
        return format!("operation {id} was lost: its runner ended without a word");
    }
    let stopped = operation.stopped.as_ref().and_then(|stopped| stopped.reason.as_deref());
    let reason = operation.error.as_ref().map(|error| error.message.as_str()).or(stopped);
    let reason = reason.map(|reason| {
        let line: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        format!(", {}", line.chars().take(REASON).collect::<String>())
    });
    let reason = reason.unwrap_or_default();
    format!("operation {id} ended ({state}{reason}), and its runner was lost before it could say so here")
}

/// Looks for abandoned cards at the start, whenever an operation's runner has gone, and now and then while cards are
/// being run.
pub(super) async fn watch(
    board: Board,
    paths: Arc<Paths>,
    settled: Arc<Notify>,
    shutdown: CancellationToken,
) {
    loop {
        let left = tokio::select! {
            () = shutdown.cancelled() => return,
            left = look(&board, &paths) => left,
        };
        let again = async {
            if left > 0 {
                tokio::time::sleep(AGAIN).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = settled.notified() => {}
            () = again => {}
        }
    }
}

/// One look; tells how many runs are left.
async fn look(board: &Board, paths: &Arc<Paths>) -> usize {
    let read = Arc::clone(paths);
    let found = tokio::task::spawn_blocking(move || {
        let runs = Run::all(&read.state);
        let count = runs.len();
        let gone: Vec<Abandoned> = runs.into_iter().filter_map(|run| Abandoned::of(run, &read)).collect();
        (count, gone)
    });
    let Ok((mut left, gone)) = found.await else { return 0 };
    for abandoned in gone {
        let (operation, task) = (abandoned.run.operation_id.clone(), abandoned.run.task.clone());
        match put_down(board, abandoned).await {
            Ok(written) => {
                left -= 1;
                if written {
                    tracing::info!(operation.id = %operation, task, "a card was put down: its runner has gone");
                }
            }
            Err(error) => {
                tracing::warn!(operation.id = %operation, task, error = %error, "a card was not put down");
            }
        }
    }
    left
}

async fn put_down(board: &Board, abandoned: Abandoned) -> Result<bool, BoardError> {
    if !abandoned.run.root.is_dir() {
        return forget(abandoned).await;
    }
    let root = abandoned.run.root.clone();
    let project = match project_of(board, &root).await {
        Some(project) => project,
        None => {
            // Nobody has named it to this daemon yet.
            board.project_of(root.clone()).await;
            let known = project_of(board, &root).await;
            known.ok_or_else(|| BoardError::Project(format!("{} is not watched", root.display())))?
        }
    };
    let act = Act::PutDown(Box::new(abandoned.clone()));
    let (reply, answer) = oneshot::channel();
    let order = Order { act, actor: "llmctld".to_owned(), reply };
    board.tx.send(Message::Order { project, order }).await.map_err(|_| BoardError::Stopping)?;
    match answer.await.map_err(|_| BoardError::Failed)? {
        Ok(Carried { done, .. }) => Ok(done.is_some()),
        // The card has gone; there is nobody left to tell.
        Err(BoardError::Find(_)) => forget(abandoned).await,
        Err(error) => Err(error),
    }
}

async fn project_of(board: &Board, root: &Path) -> Option<String> {
    let view = board.scanned().await;
    let is_it = |place: &Path| place == root || place.canonicalize().is_ok_and(|real| real == root);
    view.roots.iter().find(|known| is_it(&known.place.root)).map(|known| known.place.project.clone())
}

/// Removes the note of a run whose card is no longer there.
async fn forget(abandoned: Abandoned) -> Result<bool, BoardError> {
    let forget = move || {
        let tree = Tree::new(abandoned.run.root.clone(), Layout::default());
        if let Ok(held) = tree.lock(&abandoned.state) {
            abandoned.run.forget(&abandoned.state, &held);
        }
    };
    tokio::task::spawn_blocking(forget).await.map_err(|_| BoardError::Failed)?;
    Ok(false)
}

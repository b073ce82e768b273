//! What everybody else sees of the board: an immutable picture of all roots, replaced as a whole.
//!
//! Readers take the newest picture and need neither the board's task nor the disk.

use std::path::PathBuf;
use std::sync::Arc;

use llmctl_proto::task::{Board as Index, FindError, Lane, Problem, RawTask, State, Task, stem};
use llmctl_proto::time::UnixMs;
use serde::Serialize;

use super::error::BoardError;
use super::places::Place;

/// How changes of a root are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Watching {
    /// At once.
    Ok,
    /// By looking every now and then.
    Polling,
    /// Not at all: the board has failed or not begun.
    Stopped,
}

/// Figures of one root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How changes are noticed.
    pub state: Watching,
    /// Why not at once.
    pub reason: Option<String>,
    /// When the last scan ended.
    pub last_scan_at: Option<UnixMs>,
    /// What it took, in microseconds.
    pub last_scan_us: u64,
    /// Scans so far.
    pub scans: u64,
    /// When the system last said that something changed.
    pub last_event_at: Option<UnixMs>,
    /// How often the system lost events.
    pub overflows: u64,
    /// Scans that failed or stumbled.
    pub failures: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: Watching::Stopped,
            reason: None,
            last_scan_at: None,
            last_scan_us: 0,
            scans: 0,
            last_event_at: None,
            overflows: 0,
            failures: 0,
        }
    }
}

/// One root at one moment.
#[derive(Debug, Clone)]
pub struct RootView {
    /// Where it is.
    pub place: Arc<Place>,
    /// What has been published of it.
    pub index: Arc<Index>,
    /// Its cards by what they are.
    pub counts: Counts,
    /// Counts the pictures of this root that differ in content.
    pub generation: u64,
    /// What was left out of the newest scan, and why.
    pub skipped: Arc<Vec<(String, Problem)>>,
    /// Paths of the files in archive and fridge.
    pub aside: Arc<Vec<String>>,
    /// Figures.
    pub status: Status,
    /// The first scan is over.
    pub scanned: bool,
}

/// All roots at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// By the name of the project.
    pub roots: Vec<Arc<RootView>>,
    /// Counts pictures that differ in content, over all roots and all lives of the board's task.
    pub generation: u64,
    /// The board's task gave up for now; the picture is the last one it gave.
    pub failed: bool,
    /// The first list of roots is made.
    pub begun: bool,
}

/// A task that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its root.
    pub root: Arc<RootView>,
    /// The file.
    pub raw: Arc<RawTask>,
}

/// Cards of a board by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Files in the inbox.
    pub inbox: usize,
    /// Files that an agent has.
    pub assigned: usize,
    /// Files that are finished.
    pub done: usize,
    /// The three together.
    pub total: usize,
    /// Worked on.
    pub in_progress: usize,
    /// Cannot go on.
    pub blocked: usize,
    /// Failed.
    pub error: usize,
    /// Cannot be read.
    pub invalid: usize,
    /// The status does not fit the directory.
    pub drift: usize,
    /// In the archive.
    pub archived: usize,
    /// In the fridge.
    pub frozen: usize,
}

impl View {
    /// The roots of one project, or all.
    pub fn of(&self, project: Option<&str>) -> impl Iterator<Item = &Arc<RootView>> {
        self.roots.iter().filter(move |root| project.is_none_or(|project| root.place.project == project))
    }

    /// Everything is watched as it should be.
    pub fn is_healthy(&self) -> bool {
        !self.failed
            && self.roots.iter().all(|root| matches!(root.status.state, Watching::Ok) || !root.scanned)
    }

    /// Roots whose changes are not noticed at once.
    pub fn late_roots(&self) -> Vec<RootStatus> {
        let late = |root: &&Arc<RootView>| root.scanned && !matches!(root.status.state, Watching::Ok);
        self.roots.iter().filter(late).map(|root| root.line()).collect()
    }

    /// How changes are noticed, at the worst of all roots.
    pub fn watching(&self) -> Watching {
        if self.failed {
            Watching::Stopped
        } else if self.is_healthy() {
            Watching::Ok
        } else {
            Watching::Polling
        }
    }

    /// The lines of `/health`.
    pub fn lines(&self) -> Vec<RootStatus> {
        self.roots.iter().map(|root| root.line()).collect()
    }

    /// The one task that a text names: a whole id, a path or a file's name; with `prefix` also the unique beginning
    /// of one.
    ///
    /// # Errors
    /// None or several are meant.
    pub fn find(&self, text: &str, project: Option<&str>, prefix: bool) -> Result<Found, BoardError> {
        if let Some(project) = project
            && self.of(Some(project)).next().is_none()
        {
            return Err(BoardError::Project(format!("no project {project:?} has task files here")));
        }
        let mut found: Option<Found> = None;
        let mut several: Vec<String> = Vec::new();
        let mut count = 0;
        for root in self.of(project) {
            match exactly(&root.index, text, prefix) {
                Ok(raw) => {
                    count += 1;
                    several.push(format!("{}:{}", root.place.project, raw.path));
                    found = Some(Found { root: Arc::clone(root), raw: Arc::clone(raw) });
                }
                Err(FindError::NotFound(_)) => {}
                Err(FindError::Ambiguous { count: more, paths, .. }) => {
                    count += more;
                    several.extend(paths);
                }
            }
        }
        match (count, found) {
            (1, Some(found)) => Ok(found),
            (0, _) => Err(FindError::NotFound(text.to_owned()).into()),
            _ => {
                several.truncate(8);
                Err(FindError::Ambiguous { text: text.to_owned(), count, paths: several }.into())
            }
        }
    }

    /// Counts over the roots of one project, or all.
    pub fn counts(&self, project: Option<&str>) -> Counts {
        let mut counts = Counts::default();
        for root in self.of(project) {
            counts.add(&root.counts);
        }
        counts
    }

    /// The root of a project's directory.
    pub fn of_dir(&self, dir: &std::path::Path) -> Option<&Arc<RootView>> {
        self.roots.iter().find(|root| root.place.project_dir == dir)
    }
}

impl Counts {
    /// Counts the cards of an index.
    pub(super) fn of(index: &Index) -> Self {
        let mut counts = Self { total: index.len(), ..Self::default() };
        for (_, raw) in index.iter() {
            match raw.lane {
                Lane::Inbox => counts.inbox += 1,
                Lane::Assigned => counts.assigned += 1,
                _ => counts.done += 1,
            }
            if !raw.is_readable() {
                counts.invalid += 1;
                continue;
            }
            let (state, drift) = Task::new(raw).state_and_drift();
            counts.drift += usize::from(drift);
            match state {
                State::InProgress => counts.in_progress += 1,
                State::Blocked => counts.blocked += 1,
                State::Error => counts.error += 1,
                _ => {}
            }
        }
        counts.archived = index.count_aside(Lane::Archive);
        counts.frozen = index.count_aside(Lane::Fridge);
        counts
    }

    fn add(&mut self, other: &Self) {
        let Self {
            inbox,
            assigned,
            done,
            total,
            in_progress,
            blocked,
            error,
            invalid,
            drift,
            archived,
            frozen,
        } = *other;
        for (sum, more) in [
            (&mut self.inbox, inbox),
            (&mut self.assigned, assigned),
            (&mut self.done, done),
            (&mut self.total, total),
            (&mut self.in_progress, in_progress),
            (&mut self.blocked, blocked),
            (&mut self.error, error),
            (&mut self.invalid, invalid),
            (&mut self.drift, drift),
            (&mut self.archived, archived),
            (&mut self.frozen, frozen),
        ] {
            *sum += more;
        }
    }
}

/// A task by its whole id, path or name, or by the beginning of one.
pub(super) fn exactly<'a>(index: &'a Index, text: &str, prefix: bool) -> Result<&'a Arc<RawTask>, FindError> {
    let whole = |raw: &RawTask| {
        Task::new(raw).id().value == text || raw.path == text || stem(raw.name()) == stem(text)
    };
    match index.find(text) {
        Ok(raw) if prefix || whole(raw) => Ok(raw),
        Err(FindError::Ambiguous { .. }) if !prefix && index.with_id(text).next().is_none() => {
            Err(FindError::NotFound(text.to_owned()))
        }
        Ok(_) => Err(FindError::NotFound(text.to_owned())),
        Err(error) => Err(error),
    }
}

/// Roots that somebody wants to see, shown to people: no whole path.
#[derive(Debug, Serialize)]
pub struct RootStatus {
    /// Name of the project.
    pub project: String,
    /// The directory below it.
    pub path: String,
    /// Files on the board.
    pub files: usize,
    /// Figures.
    #[serde(flatten)]
    pub status: Status,
}

impl RootView {
    /// Its line in `/health`.
    pub fn line(&self) -> RootStatus {
        RootStatus {
            project: self.place.project.clone(),
            path: self.place.shown.clone(),
            files: self.index.len(),
            status: self.status.clone(),
        }
    }

    /// Directory of the project.
    pub fn project_dir(&self) -> &PathBuf {
        &self.place.project_dir
    }
}

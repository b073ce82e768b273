//! Payloads of `task.*`.
//!
//! One settled change of a file is one event. A reader that keys what it shows by task id *and* path follows every
//! event by taking away the entry it came from and putting in the new one; `from_task_id` and `from_path` are there
//! only where they differ.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::task::{Card, Lane, ProblemKind, Salvage, State};

/// Keys that an event names as changed.
pub const MAX_CHANGED_KEYS: usize = 40;
/// Longest summary or error text in an event, in bytes.
pub const MAX_TASK_TEXT_BYTES: usize = 512;

/// What all events of a readable task have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskChange {
    /// Project.
    pub project: String,
    /// Id, as in the file.
    pub task_id: String,
    /// Path below the project's root of tasks.
    pub path: String,
    /// Lane.
    pub lane: Lane,
    /// The id it had, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_task_id: Option<String>,
    /// The path it had, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// The lane it had, where it differs; for a new card the fridge or the archive it came back from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_lane: Option<Lane>,
    /// The directory of the agent who had it, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent: Option<String>,
    /// The state it had, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_state: Option<State>,
    /// Top-level keys whose value changed, at most 40.
    #[serde(default)]
    pub changed: Vec<String>,
    /// It was unreadable before.
    #[serde(default)]
    pub recovered: bool,
    /// The card now.
    pub card: Card,
    /// Who did it, when it was done through llmctl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// `task.created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCreated(pub TaskChange);

/// `task.assigned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAssigned(pub TaskChange);

/// `task.started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStarted(pub TaskChange);

/// `task.completed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCompleted {
    /// What all have.
    #[serde(flatten)]
    pub change: TaskChange,
    /// Summary of the result, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Who should go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_agent: Option<String>,
}

/// `task.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailed {
    /// What all have.
    #[serde(flatten)]
    pub change: TaskChange,
    /// Message of the error, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `task.updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskUpdated(pub TaskChange);

/// `task.invalid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInvalid {
    /// Project.
    pub project: String,
    /// The id that was recognised, else the file's name.
    pub task_id: String,
    /// Path below the project's root of tasks.
    pub path: String,
    /// Lane.
    pub lane: Lane,
    /// The id it had, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_task_id: Option<String>,
    /// The path it had, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// Kind of problem.
    pub problem: ProblemKind,
    /// Line, when known.
    pub line: Option<u32>,
    /// Column, when known.
    pub column: Option<u32>,
    /// A sentence.
    pub message: String,
    /// What was recognised.
    pub salvage: Salvage,
}

/// `task.removed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRemoved {
    /// Project.
    pub project: String,
    /// Id.
    pub task_id: String,
    /// Path it had.
    pub path: String,
    /// Lane it had.
    pub lane: Lane,
    /// Why it is no longer on the board.
    pub reason: RemovedReason,
}

/// Why a task left the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovedReason {
    /// It is in the archive.
    Archived,
    /// It is in the fridge.
    Frozen,
    /// It is nowhere.
    Deleted,
}

/// Any event of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// New on the board.
    Created(TaskCreated),
    /// An agent got it.
    Assigned(TaskAssigned),
    /// Work began.
    Started(TaskStarted),
    /// It is in the done lane.
    Completed(TaskCompleted),
    /// It failed.
    Failed(TaskFailed),
    /// Anything else changed.
    Updated(TaskUpdated),
    /// It cannot be read.
    Invalid(TaskInvalid),
    /// It left the lanes.
    Removed(TaskRemoved),
}

impl TaskEvent {
    /// What all events of a readable task have.
    pub fn change(&self) -> Option<&TaskChange> {
        match self {
            Self::Created(TaskCreated(change))
            | Self::Assigned(TaskAssigned(change))
            | Self::Started(TaskStarted(change))
            | Self::Updated(TaskUpdated(change))
            | Self::Completed(TaskCompleted { change, .. })
            | Self::Failed(TaskFailed { change, .. }) => Some(change),
            Self::Invalid(_) | Self::Removed(_) => None,
        }
    }

    /// The same, to add the actor or the cost.
    pub fn change_mut(&mut self) -> Option<&mut TaskChange> {
        match self {
            Self::Created(TaskCreated(change))
            | Self::Assigned(TaskAssigned(change))
            | Self::Started(TaskStarted(change))
            | Self::Updated(TaskUpdated(change))
            | Self::Completed(TaskCompleted { change, .. })
            | Self::Failed(TaskFailed { change, .. }) => Some(change),
            Self::Invalid(_) | Self::Removed(_) => None,
        }
    }

    /// Id and path of the task.
    pub fn subject(&self) -> (&str, &str) {
        match (self, self.change()) {
            (_, Some(change)) => (&change.task_id, &change.path),
            (Self::Invalid(event), _) => (&event.task_id, &event.path),
            (Self::Removed(event), _) => (&event.task_id, &event.path),
            _ => ("", ""),
        }
    }

    /// The task event in an event of any kind.
    pub fn from_event(event: &Event) -> Option<Self> {
        Some(match event {
            Event::TaskCreated(e) => Self::Created(e.clone()),
            Event::TaskAssigned(e) => Self::Assigned(e.clone()),
            Event::TaskStarted(e) => Self::Started(e.clone()),
            Event::TaskCompleted(e) => Self::Completed(e.clone()),
            Event::TaskFailed(e) => Self::Failed(e.clone()),
            Event::TaskUpdated(e) => Self::Updated(e.clone()),
            Event::TaskInvalid(e) => Self::Invalid(e.clone()),
            Event::TaskRemoved(e) => Self::Removed(e.clone()),
            _ => return None,
        })
    }
}

impl From<TaskEvent> for Event {
    fn from(event: TaskEvent) -> Self {
        match event {
            TaskEvent::Created(e) => e.into(),
            TaskEvent::Assigned(e) => e.into(),
            TaskEvent::Started(e) => e.into(),
            TaskEvent::Completed(e) => e.into(),
            TaskEvent::Failed(e) => e.into(),
            TaskEvent::Updated(e) => e.into(),
            TaskEvent::Invalid(e) => e.into(),
            TaskEvent::Removed(e) => e.into(),
        }
    }
}

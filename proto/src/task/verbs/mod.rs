//! What people and agents do with a task, as plans: which keys to write, where to move the file, which comes first.
//!
//! Pure: a plan is carried out by `files`, by the daemon and by a command line without one alike. The table of
//! allowed moves is here and nowhere else.

mod new;
mod planner;

use super::edit::Edit;
use super::layout::{Layout, is_agent_dir};
use super::status::{Lane, State};
use super::view::Task;
use crate::time::UnixMs;

pub use new::NewTask;
use planner::Planner;

/// What to do with a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Changes of its text, in their order.
    pub edits: Vec<Edit>,
    /// Where it goes.
    pub goes: Option<Goes>,
}

/// A move of a file. The name stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goes {
    /// Directory below the root.
    pub dir: String,
    /// The move is the claim, so it goes before the edits; otherwise it is the last step, which makes it true.
    pub first: bool,
}

/// An action on a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// An agent takes a new task; of several who try, one gets it.
    Claim {
        /// Agent.
        agent: String,
    },
    /// Gives it to an agent, or to another one.
    Assign {
        /// Agent.
        agent: String,
    },
    /// Work begins.
    Start,
    /// Work cannot go on.
    Block {
        /// Why.
        reason: String,
    },
    /// Work goes on.
    Unblock,
    /// Puts it down; it stays with its agent.
    PutDown,
    /// Gives it back to the inbox.
    GiveBack,
    /// It is done. Needs a result in the file, a summary, or `force`.
    Complete {
        /// Summary of the result.
        summary: Option<String>,
        /// Files it made.
        artefacts: Vec<String>,
        /// Without a result, too.
        force: bool,
    },
    /// It failed.
    Fail {
        /// What went wrong.
        message: String,
    },
    /// It is given up.
    Cancel {
        /// Why.
        reason: String,
    },
    /// It is to be done again.
    Reopen {
        /// Back to the inbox and not to its agent.
        to_inbox: bool,
    },
    /// It goes to the fridge; the status stays.
    Freeze {
        /// Why.
        reason: String,
    },
    /// It comes back from the fridge, to where its status belongs.
    Thaw,
    /// It goes to the archive, into the directory of the month.
    Archive,
    /// Another priority.
    Priority {
        /// `critical`, `high`, `medium`, `normal` or `low`, in any case.
        priority: String,
    },
    /// One top-level key gets a value.
    Set {
        /// Key.
        key: String,
        /// Text, number, `true` or `false`.
        value: String,
    },
    /// A remark is added to `notes`.
    Note {
        /// Text.
        text: String,
    },
}

/// What a verb is asked under.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Names of the lanes' directories.
    pub layout: &'a Layout,
    /// The time that is written.
    pub now: UnixMs,
    /// Does what the table does not allow, too; the caller has a reason for it.
    pub force: bool,
}

/// Why a verb was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("the file cannot be read, so it cannot be changed")]
    Unreadable,
    /// The table has no such move.
    #[error("a task that is {from} cannot become {to}")]
    Move {
        /// State now.
        from: State,
        /// State wanted.
        to: State,
    },
    /// It is not where the verb can be used.
    #[error("a task in `{lane}` cannot be {what}")]
    Lane {
        /// Lane now.
        lane: Lane,
        /// Participle.
        what: &'static str,
    },
    /// A task in this state is not changed in this way.
    #[error("the {key} of a task that is {state} cannot be changed")]
    NotEditable {
        /// What was to be changed.
        key: String,
        /// State now.
        state: State,
    },
    /// The value is not one.
    #[error("{0}")]
    BadValue(String),
    /// Completing needs a result.
    #[error("there is no result: give a summary")]
    NoResult,
    /// It is already so.
    #[error("it is already {0}")]
    Already(String),
}

impl Refusal {
    /// Stable code, as in the interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "edit_not_safe",
            Self::Move { .. } | Self::Lane { .. } | Self::Already(_) => "wrong_state",
            Self::NotEditable { .. } => "task_not_editable",
            Self::BadValue(_) => "invalid_value",
            Self::NoResult => "missing_field",
        }
    }

    /// `force` would help.
    pub fn can_be_forced(&self) -> bool {
        matches!(self, Self::Move { .. } | Self::NoResult)
    }
}

/// Whether the table allows a task to go from one state to another. Another agent for an assigned task is
/// `Assigned` to `Assigned`.
pub fn may_become(from: State, to: State) -> bool {
    use State::{Assigned, Blocked, Cancelled, Done, Error, InProgress, New};
    matches!(
        (from, to),
        (New, Assigned | Error | Cancelled)
            | (Assigned, InProgress | Blocked | Error | Assigned | New | Cancelled)
            | (InProgress, Done | Blocked | Error | Assigned | Cancelled)
            | (Blocked, InProgress | Error | Assigned | Cancelled)
            | (Done | Error | Cancelled, New | Assigned)
    )
}

/// Plans a verb for a task.
///
/// # Errors
/// Why it cannot be done.
pub fn plan(task: Task<'_>, verb: &Verb, asked: Asked<'_>) -> Result<Plan, Refusal> {
    if !task.raw().is_readable() {
        return Err(Refusal::Unreadable);
    }
    let at_work = Planner::new(task, asked);
    let mut plan = match verb {
        Verb::Claim { agent } => at_work.claim(agent),
        Verb::Assign { agent } => at_work.assign(agent),
        Verb::Start => at_work.start(),
        Verb::Block { reason } => at_work.block(reason),
        Verb::Unblock => at_work.unblock(),
        Verb::PutDown => at_work.status_only(State::Assigned),
        Verb::GiveBack => at_work.give_back(),
        Verb::Complete { summary, artefacts, force } => {
            at_work.complete(summary.as_deref(), artefacts, *force)
        }
        Verb::Fail { message } => at_work.fail(message),
        Verb::Cancel { reason } => at_work.cancel(reason),
        Verb::Reopen { to_inbox } => at_work.reopen(*to_inbox),
        Verb::Freeze { reason } => at_work.freeze(reason),
        Verb::Thaw => at_work.thaw(),
        Verb::Archive => at_work.archive(),
        Verb::Priority { priority } => at_work.priority(priority),
        Verb::Set { key, value } => at_work.set(key, value),
        Verb::Note { text } => at_work.note(text),
    }?;
    // The field is kept right where a file has it, and never added.
    if !plan.edits.is_empty() && task.get("last_modified").is_some() {
        plan.edits.push(Edit::time("last_modified", asked.now));
    }
    Ok(plan)
}

/// Longest reason, message or note, in bytes.
const MAX_GIVEN: usize = 16 * 1024;

fn given(text: &str, what: &str) -> Result<String, Refusal> {
    let text = text.trim();
    match text.len() {
        0 => Err(Refusal::BadValue(format!("the {what} is empty"))),
        len if len > MAX_GIVEN => Err(Refusal::BadValue(format!("the {what} is longer than 16 KiB"))),
        _ => Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")),
    }
}

fn agent_name(agent: &str) -> Result<&str, Refusal> {
    let agent = agent.trim();
    if is_agent_dir(agent) {
        Ok(agent)
    } else {
        Err(Refusal::BadValue(format!("{agent:?} cannot be the directory of an agent")))
    }
}

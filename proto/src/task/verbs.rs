//! What people and agents do with a task, as plans: which keys to write, where to move the file, which comes first.
//!
//! Pure: a plan is carried out by `files`, by the daemon and by a command line without one alike. The table of
//! allowed moves is here and nowhere else.

use super::edit::{Edit, NewValue};
use super::layout::{Layout, is_agent_dir};
use super::status::{Lane, State, priority_rank};
use super::view::Task;
use crate::time::UnixMs;

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
    let at_work = Planner { task, asked };
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

struct Planner<'a> {
    task: Task<'a>,
    asked: Asked<'a>,
}

impl Planner<'_> {
    fn check(&self, to: State) -> Result<(), Refusal> {
        let from = self.task.state();
        if from == to && to != State::Assigned {
            return Err(Refusal::Already(to.to_string()));
        }
        if may_become(from, to) || self.asked.force { Ok(()) } else { Err(Refusal::Move { from, to }) }
    }

    fn on_board(&self, what: &'static str) -> Result<(), Refusal> {
        let lane = self.task.raw().lane;
        if lane.on_board() { Ok(()) } else { Err(Refusal::Lane { lane, what }) }
    }

    /// The edit that gives the file a status, in the case it writes its own in.
    fn status(&self, to: State) -> Edit {
        let alias = self.task.status().and_then(State::from_alias);
        // A word that means the same is left alone.
        let word = match self.task.status() {
            Some(word) if alias == Some(to) => word.to_owned(),
            word => in_case_of(word, to.as_str()),
        };
        Edit::text("status", word)
    }

    fn edits(&self, to: State, more: impl IntoIterator<Item = Edit>) -> Vec<Edit> {
        let mut edits = vec![self.status(to)];
        edits.extend(more);
        edits
    }

    fn lane_dir(&self, lane: Lane, agent: Option<&str>) -> String {
        let dir = self.asked.layout.dir(lane);
        agent.map_or_else(|| dir.to_owned(), |agent| format!("{dir}/{agent}"))
    }

    /// The directory of whoever has it, or would.
    fn agent_dir(&self) -> Result<String, Refusal> {
        if let Some(dir) = &self.task.raw().agent_dir {
            return Ok(dir.clone());
        }
        match self.task.agent().map(|agent| agent.value) {
            Some(agent) => agent_name(agent).map(str::to_owned),
            None => Err(Refusal::BadValue("no agent has it: assign it first".to_owned())),
        }
    }

    /// A move to a directory, if it is not there already.
    fn go(&self, dir: String) -> Option<Goes> {
        let here = self.task.raw().path.rsplit_once('/').map_or("", |(dir, _)| dir);
        (here != dir).then_some(Goes { dir, first: false })
    }

    fn claim(&self, agent: &str) -> Result<Plan, Refusal> {
        if self.task.raw().lane != Lane::Inbox {
            return Err(Refusal::Lane { lane: self.task.raw().lane, what: "claimed" });
        }
        let mut plan = self.assign(agent)?;
        plan.goes = plan.goes.map(|goes| Goes { first: true, ..goes });
        Ok(plan)
    }

    fn assign(&self, agent: &str) -> Result<Plan, Refusal> {
        self.on_board("assigned")?;
        let agent = agent_name(agent)?;
        self.check(State::Assigned)?;
        let raw = self.task.raw();
        if raw.lane == Lane::Assigned
            && raw.agent_dir.as_deref() == Some(agent)
            && !self.task.drift()
            && self.task.state() == State::Assigned
        {
            return Err(Refusal::Already(format!("assigned to {agent}")));
        }
        let mut edits = self.edits(State::Assigned, [Edit::time("assigned_at", self.asked.now)]);
        if self.task.agent().is_none_or(|now| now.value != agent) {
            edits.push(Edit::text("agent", agent));
        }
        Ok(Plan { edits, goes: self.go(self.lane_dir(Lane::Assigned, Some(agent))) })
    }

    fn in_assigned(&self, what: &'static str) -> Result<(), Refusal> {
        let lane = self.task.raw().lane;
        if lane == Lane::Assigned { Ok(()) } else { Err(Refusal::Lane { lane, what }) }
    }

    /// What has ended is reopened, and not given back or put down by mistake.
    fn not_final(&self, to: State) -> Result<(), Refusal> {
        let from = self.task.state();
        if from.is_final() && !self.asked.force { Err(Refusal::Move { from, to }) } else { Ok(()) }
    }

    fn status_only(&self, to: State) -> Result<Plan, Refusal> {
        self.in_assigned("changed in this way")?;
        self.not_final(to)?;
        self.check(to)?;
        if self.task.state() == to && !self.task.drift() {
            return Err(Refusal::Already(to.to_string()));
        }
        Ok(Plan { edits: vec![self.status(to)], goes: None })
    }

    fn start(&self) -> Result<Plan, Refusal> {
        self.in_assigned("started: assign or claim it first")?;
        self.check(State::InProgress)?;
        // Work that goes on after a pause began when it began.
        let began = self.task.started().is_none().then(|| Edit::time("started_at", self.asked.now));
        Ok(Plan { edits: self.edits(State::InProgress, began), goes: None })
    }

    fn block(&self, reason: &str) -> Result<Plan, Refusal> {
        self.in_assigned("blocked")?;
        self.check(State::Blocked)?;
        let more = [
            Edit::text("blocked_reason", given(reason, "reason")?),
            Edit::time("blocked_at", self.asked.now),
        ];
        Ok(Plan { edits: self.edits(State::Blocked, more), goes: None })
    }

    fn unblock(&self) -> Result<Plan, Refusal> {
        if self.task.state() != State::Blocked {
            return Err(Refusal::Move { from: self.task.state(), to: State::InProgress });
        }
        self.start()
    }

    fn give_back(&self) -> Result<Plan, Refusal> {
        self.in_assigned("given back")?;
        self.not_final(State::New)?;
        self.check(State::New)?;
        Ok(Plan { edits: vec![self.status(State::New)], goes: self.go(self.lane_dir(Lane::Inbox, None)) })
    }

    fn complete(&self, summary: Option<&str>, artefacts: &[String], force: bool) -> Result<Plan, Refusal> {
        self.on_board("completed")?;
        self.check(State::Done)?;
        let result = self.task.get("result");
        let summary = summary.map(str::trim).filter(|text| !text.is_empty());
        if result.is_none() && summary.is_none() && !force && !self.asked.force {
            return Err(Refusal::NoResult);
        }
        let mut edits = Vec::new();
        if let Some(summary) = summary {
            edits.push(Edit::inner("result", "summary", NewValue::Text(summary.to_owned())));
        }
        if !artefacts.is_empty() {
            // The spelling that the result has already.
            let key =
                if result.is_some_and(|r| r.get("artifacts").is_some()) { "artifacts" } else { "artefacts" };
            edits.push(Edit::Extend {
                path: vec!["result".to_owned(), key.to_owned()],
                items: artefacts.to_vec(),
            });
        }
        edits.push(Edit::time("completed_at", self.asked.now));
        edits.push(self.status(State::Done));
        Ok(Plan { edits, goes: self.go(self.lane_dir(Lane::Done, Some(&self.agent_dir()?))) })
    }

    fn fail(&self, message: &str) -> Result<Plan, Refusal> {
        self.on_board("failed")?;
        self.check(State::Error)?;
        let agent = self.agent_dir()?;
        let message = given(message, "message")?;
        let error = if self.task.get("error").is_some_and(|error| error.entries().is_some()) {
            vec![
                Edit::inner("error", "message", NewValue::Text(message)),
                Edit::inner("error", "timestamp", NewValue::Time(self.asked.now)),
                Edit::inner("error", "agent", NewValue::Text(agent.clone())),
            ]
        } else {
            let entries = vec![
                ("message".to_owned(), NewValue::Text(message)),
                ("timestamp".to_owned(), NewValue::Time(self.asked.now)),
                ("agent".to_owned(), NewValue::Text(agent.clone())),
            ];
            vec![Edit::set("error", NewValue::Map(entries))]
        };
        // In the inbox the directory would say that it is new; its agent's directory says that it failed there.
        let goes = match self.task.raw().lane {
            Lane::Inbox => self.go(self.lane_dir(Lane::Assigned, Some(&agent))),
            _ => None,
        };
        Ok(Plan { edits: self.edits(State::Error, error), goes })
    }

    fn cancel(&self, reason: &str) -> Result<Plan, Refusal> {
        self.on_board("cancelled")?;
        self.check(State::Cancelled)?;
        let more = [
            Edit::time("cancelled_at", self.asked.now),
            Edit::text("cancel_reason", given(reason, "reason")?),
        ];
        let agent = self.agent_dir().ok();
        let goes = self.go(self.lane_dir(Lane::Done, agent.as_deref()));
        Ok(Plan { edits: self.edits(State::Cancelled, more), goes })
    }

    fn reopen(&self, to_inbox: bool) -> Result<Plan, Refusal> {
        self.on_board("reopened")?;
        let from = self.task.state();
        let agent = self.agent_dir().ok().filter(|_| !to_inbox);
        let to = if agent.is_some() { State::Assigned } else { State::New };
        if !from.is_final() && !self.asked.force {
            return Err(Refusal::Move { from, to });
        }
        let dir = match &agent {
            Some(agent) => self.lane_dir(Lane::Assigned, Some(agent)),
            None => self.lane_dir(Lane::Inbox, None),
        };
        Ok(Plan { edits: vec![self.status(to)], goes: self.go(dir) })
    }

    fn freeze(&self, reason: &str) -> Result<Plan, Refusal> {
        self.on_board("frozen")?;
        let edits = vec![
            Edit::time("frozen_at", self.asked.now),
            Edit::text("freeze_reason", given(reason, "reason")?),
        ];
        Ok(Plan { edits, goes: self.go(self.lane_dir(Lane::Fridge, None)) })
    }

    fn thaw(&self) -> Result<Plan, Refusal> {
        let lane = self.task.raw().lane;
        if lane != Lane::Fridge {
            return Err(Refusal::Lane { lane, what: "thawed" });
        }
        let agent = self.agent_dir().ok();
        let dir = match (self.task.state(), &agent) {
            (State::Done | State::Cancelled, agent) => self.lane_dir(Lane::Done, agent.as_deref()),
            (State::New, _) | (_, None) => self.lane_dir(Lane::Inbox, None),
            (_, Some(agent)) => self.lane_dir(Lane::Assigned, Some(agent)),
        };
        Ok(Plan { edits: Vec::new(), goes: self.go(dir) })
    }

    fn archive(&self) -> Result<Plan, Refusal> {
        let lane = self.task.raw().lane;
        if lane != Lane::Done && !self.asked.force {
            return Err(Refusal::Lane { lane, what: "archived" });
        }
        let file = UnixMs(i64::try_from(self.task.raw().stat.mtime_ns / 1_000_000).unwrap_or(0));
        let at = self.task.completed().map_or(file, |stamp| stamp.value.at);
        let month = super::stamp::name_stamp(at)[..7].to_owned();
        Ok(Plan { edits: Vec::new(), goes: self.go(self.lane_dir(Lane::Archive, Some(&month))) })
    }

    fn priority(&self, priority: &str) -> Result<Plan, Refusal> {
        let state = self.task.state();
        let fixed = state == State::InProgress || state.is_final();
        if fixed && !self.asked.force {
            return Err(Refusal::NotEditable { key: "priority".to_owned(), state });
        }
        let word = priority.trim().to_ascii_lowercase();
        if priority_rank(&word).is_none() {
            let message = format!("{priority:?} is no priority: use critical, high, medium, normal or low");
            return Err(Refusal::BadValue(message));
        }
        let edit = Edit::text("priority", in_case_of(self.task.priority(), &word));
        Ok(Plan { edits: vec![edit], goes: None })
    }

    fn set(&self, key: &str, value: &str) -> Result<Plan, Refusal> {
        let well_formed =
            !key.is_empty() && key.len() <= 64 && !key.chars().any(|c| c.is_control() || c == '\n');
        if !well_formed {
            return Err(Refusal::BadValue(format!("{key:?} is no key")));
        }
        match key {
            "id" | "task_id" => Err(Refusal::BadValue("the id of a task cannot be changed".to_owned())),
            "status" => {
                Err(Refusal::BadValue("the status changes by start, block, complete and the like".to_owned()))
            }
            "priority" => self.priority(value),
            _ if value.contains('\n') => Err(Refusal::BadValue("a value is one line".to_owned())),
            _ => match self.task.get(key) {
                Some(node) if node.scalar().is_none() => {
                    Err(Refusal::BadValue(format!("`{key}` is a list or a mapping, not one value")))
                }
                Some(node) if node.text().is_some_and(|text| text.trim_end().contains('\n')) => {
                    Err(Refusal::BadValue(format!("`{key}` has several lines; change it in an editor")))
                }
                _ => Ok(Plan { edits: vec![Edit::set(key, NewValue::Word(value.to_owned()))], goes: None }),
            },
        }
    }

    fn note(&self, text: &str) -> Result<Plan, Refusal> {
        let text = given(text, "note")?;
        let stamp = super::stamp::write_stamp(self.asked.now);
        let line = format!("{stamp} {}", text.replace('\n', "\n  "));
        let edit = match self.task.get("notes") {
            Some(node) if node.items().is_some() => {
                Edit::Extend { path: vec!["notes".to_owned()], items: vec![line] }
            }
            _ => Edit::Append { key: "notes".to_owned(), text: format!("- {line}") },
        };
        Ok(Plan { edits: vec![edit], goes: None })
    }
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

/// `word` in the case of the word it replaces: `HIGH` makes `CRITICAL`, `High` makes `Critical`.
fn in_case_of(old: Option<&str>, word: &str) -> String {
    let old = old.unwrap_or_default();
    let upper = old.chars().any(char::is_uppercase);
    if upper && !old.chars().any(char::is_lowercase) {
        word.to_ascii_uppercase()
    } else if upper && old.chars().next().is_some_and(char::is_uppercase) {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    } else {
        word.to_owned()
    }
}

/// The text and the name of a new task's file, by the convention: the name begins with the minute, the id is the
/// name without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Title.
    pub title: String,
    /// Agent, known or not.
    pub agent: Option<String>,
    /// Priority.
    pub priority: Option<String>,
    /// Description, Markdown.
    pub description: Option<String>,
    /// Who writes it down.
    pub created_by: Option<String>,
    /// Straight to the agent.
    pub assign: bool,
}

impl NewTask {
    /// Directory below the root, stem of the name, and text. The `n`th try at a name ends in `-n` from the second on.
    ///
    /// # Errors
    /// A value is none.
    pub fn render(&self, n: u32, asked: Asked<'_>) -> Result<(String, String, String), Refusal> {
        let title = self.title.trim();
        if title.is_empty() || title.len() > 1000 || title.contains('\n') {
            return Err(Refusal::BadValue("a title is one line of 1 to 1,000 bytes".to_owned()));
        }
        let agent = self.agent.as_deref().map(agent_name).transpose()?;
        let word = self.priority.as_deref().unwrap_or("medium").trim().to_ascii_lowercase();
        if priority_rank(&word).is_none() {
            return Err(Refusal::BadValue(format!("{word:?} is no priority")));
        }
        if self.assign && agent.is_none() {
            return Err(Refusal::BadValue("nobody is named to assign it to".to_owned()));
        }
        let again = if n > 1 { format!("-{n}") } else { String::new() };
        let who = agent.map_or_else(String::new, |agent| format!("-{agent}"));
        let id = format!("{}{who}-{}{again}", super::stamp::name_stamp(asked.now), slug(title));
        let state = if self.assign { State::Assigned } else { State::New };
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(agent.map(|agent| Edit::text("agent", agent)));
        edits.push(Edit::text("status", state.as_str()));
        edits.push(Edit::text("priority", word));
        edits.push(Edit::text("title", title));
        edits.push(Edit::time("created_at", asked.now));
        edits.extend(self.created_by.as_deref().map(|by| Edit::text("created_by", by)));
        if self.assign {
            edits.push(Edit::time("assigned_at", asked.now));
        }
        let text = self.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
        edits.extend(
            text.map(|text| Edit::text("description", given(text, "description").unwrap_or_default())),
        );
        // Written by the same hand as every edit, from a file that holds the id alone.
        let made = super::edit::apply(format!("id: {id}\n").as_bytes(), &edits)
            .map_err(|error| Refusal::BadValue(error.to_string()))?;
        let dir = match (self.assign, agent) {
            (true, Some(agent)) => format!("{}/{agent}", asked.layout.dir(Lane::Assigned)),
            _ => asked.layout.dir(Lane::Inbox).to_owned(),
        };
        Ok((dir, id, made.text))
    }
}

/// The words of a title as part of a file name: lower case letters and digits, at most 60 bytes.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 60 {
            break;
        }
    }
    let slug = out.trim_matches('-');
    if slug.is_empty() { "task".to_owned() } else { slug.to_owned() }
}

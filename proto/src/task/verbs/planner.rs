//! One method a verb: what it demands, what it writes, where the file goes.

use super::{Asked, Goes, Plan, Refusal, agent_name, given, may_become};
use crate::task::edit::{Edit, NewValue};
use crate::task::stamp::{name_stamp, write_stamp};
use crate::task::status::{Lane, State, priority_rank};
use crate::task::view::Task;
use crate::time::UnixMs;

pub(super) struct Planner<'a> {
    task: Task<'a>,
    asked: Asked<'a>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(task: Task<'a>, asked: Asked<'a>) -> Self {
        Self { task, asked }
    }

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

    pub(super) fn claim(&self, agent: &str) -> Result<Plan, Refusal> {
        if self.task.raw().lane != Lane::Inbox {
            return Err(Refusal::Lane { lane: self.task.raw().lane, what: "claimed" });
        }
        let mut plan = self.assign(agent)?;
        plan.goes = plan.goes.map(|goes| Goes { first: true, ..goes });
        Ok(plan)
    }

    pub(super) fn assign(&self, agent: &str) -> Result<Plan, Refusal> {
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

    pub(super) fn status_only(&self, to: State) -> Result<Plan, Refusal> {
        self.in_assigned("changed in this way")?;
        self.not_final(to)?;
        self.check(to)?;
        if self.task.state() == to && !self.task.drift() {
            return Err(Refusal::Already(to.to_string()));
        }
        Ok(Plan { edits: vec![self.status(to)], goes: None })
    }

    pub(super) fn start(&self) -> Result<Plan, Refusal> {
        self.in_assigned("started: assign or claim it first")?;
        self.check(State::InProgress)?;
        // Work that goes on after a pause began when it began.
        let began = self.task.started().is_none().then(|| Edit::time("started_at", self.asked.now));
        Ok(Plan { edits: self.edits(State::InProgress, began), goes: None })
    }

    pub(super) fn block(&self, reason: &str) -> Result<Plan, Refusal> {
        self.in_assigned("blocked")?;
        self.check(State::Blocked)?;
        let more = [
            Edit::text("blocked_reason", given(reason, "reason")?),
            Edit::time("blocked_at", self.asked.now),
        ];
        Ok(Plan { edits: self.edits(State::Blocked, more), goes: None })
    }

    pub(super) fn unblock(&self) -> Result<Plan, Refusal> {
        if self.task.state() != State::Blocked {
            return Err(Refusal::Move { from: self.task.state(), to: State::InProgress });
        }
        self.start()
    }

    pub(super) fn give_back(&self) -> Result<Plan, Refusal> {
        self.in_assigned("given back")?;
        self.not_final(State::New)?;
        self.check(State::New)?;
        Ok(Plan { edits: vec![self.status(State::New)], goes: self.go(self.lane_dir(Lane::Inbox, None)) })
    }

    pub(super) fn complete(
        &self,
        summary: Option<&str>,
        artefacts: &[String],
        force: bool,
    ) -> Result<Plan, Refusal> {
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

    pub(super) fn fail(&self, message: &str) -> Result<Plan, Refusal> {
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

    pub(super) fn cancel(&self, reason: &str) -> Result<Plan, Refusal> {
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

    pub(super) fn reopen(&self, to_inbox: bool) -> Result<Plan, Refusal> {
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

    pub(super) fn freeze(&self, reason: &str) -> Result<Plan, Refusal> {
        self.on_board("frozen")?;
        let edits = vec![
            Edit::time("frozen_at", self.asked.now),
            Edit::text("freeze_reason", given(reason, "reason")?),
        ];
        Ok(Plan { edits, goes: self.go(self.lane_dir(Lane::Fridge, None)) })
    }

    pub(super) fn thaw(&self) -> Result<Plan, Refusal> {
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

    pub(super) fn archive(&self) -> Result<Plan, Refusal> {
        let lane = self.task.raw().lane;
        if lane != Lane::Done && !self.asked.force {
            return Err(Refusal::Lane { lane, what: "archived" });
        }
        let file = UnixMs(i64::try_from(self.task.raw().stat.mtime_ns / 1_000_000).unwrap_or(0));
        let at = self.task.completed().map_or(file, |stamp| stamp.value.at);
        let month = name_stamp(at)[..7].to_owned();
        Ok(Plan { edits: Vec::new(), goes: self.go(self.lane_dir(Lane::Archive, Some(&month))) })
    }

    pub(super) fn priority(&self, priority: &str) -> Result<Plan, Refusal> {
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

    pub(super) fn set(&self, key: &str, value: &str) -> Result<Plan, Refusal> {
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

    pub(super) fn note(&self, text: &str) -> Result<Plan, Refusal> {
        let text = given(text, "note")?;
        let stamp = write_stamp(self.asked.now);
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

//! What looks wrong in a readable file, with its place. Nothing of it keeps the file from being shown.

use super::layout::stem;
use super::node::{Node, Scalar};
use super::problem::{Problem, ProblemKind, clip_bytes};
use super::stamp::Stamp;
use super::status::{State, priority_rank};
use super::view::{Derived, Origin, Task};

impl Task<'_> {
    /// Everything a reader should know that one file alone can tell.
    pub fn problems(self) -> Vec<Problem> {
        let mut all = self.raw().body.problems();
        if let Some(node) = self.raw().node() {
            self.name_problems(node, &mut all);
            self.word_problems(node, &mut all);
        }
        all
    }

    fn name_problems(self, node: &Node, all: &mut Vec<Problem>) {
        let stem = stem(self.raw().name());
        match (self.id().from, node.get("id").or_else(|| node.get("task_id"))) {
            (Origin::Name, Some(written)) => all.push(Problem::at(
                ProblemKind::IdDiffersFromName,
                written.at,
                "the id is no text of 1 to 200 bytes, so the file's name stands for it",
            )),
            (Origin::Key(_), Some(written)) if self.id().value != stem => {
                let message =
                    format!("the id is `{}`, the file is `{stem}`", clip_bytes(self.id().value, 80));
                all.push(Problem::at(ProblemKind::IdDiffersFromName, written.at, &message));
            }
            _ => {}
        }
        if self.title().from == Origin::Name {
            all.push(Problem::whole(
                ProblemKind::MissingTitle,
                "there is no title; it is taken from the name",
            ));
        }
        if let (Some(dir), Some(Derived { value, from: Origin::Key(key) })) =
            (&self.raw().agent_dir, self.agent())
            && value != dir
            && let Some(written) = node.get(key)
        {
            let message = format!("the agent is `{}`, the directory `{dir}`", clip_bytes(value, 80));
            all.push(Problem::at(ProblemKind::AgentDiffersFromDirectory, written.at, &message));
        }
    }

    fn word_problems(self, node: &Node, all: &mut Vec<Problem>) {
        let (state, drift) = self.state_and_drift();
        let status = node.get("status");
        let word = self.status().map(|word| clip_bytes(word, 60));
        let at = status.map_or(node.at, |status| status.at);
        if status.is_some() && word.as_deref().and_then(State::from_alias).is_none() {
            let message = format!("`{}` is no status", word.as_deref().unwrap_or("a list or mapping"));
            all.push(Problem::at(ProblemKind::UnknownStatus, at, &message));
        }
        if drift {
            let word = word.as_deref().unwrap_or("absent");
            let message = format!("the status is `{word}`, the directory `{}`: {state}", self.raw().lane);
            all.push(Problem::at(ProblemKind::Drift, at, &message));
        }
        if let Some(priority) = node.get("priority")
            && !matches!(priority.scalar(), Some(Scalar::Text(word)) if priority_rank(word).is_some())
        {
            let word = clip_bytes(priority.text().unwrap_or("a list or mapping"), 60);
            all.push(Problem::at(
                ProblemKind::UnknownPriority,
                priority.at,
                &format!("`{word}` is no priority"),
            ));
        }
        for entry in node.entries().unwrap_or_default() {
            let Some(key) = entry.key.text().filter(|key| is_time_key(key)) else { continue };
            let value = &entry.value;
            if !value.is_null() && value.text().is_none_or(|text| Stamp::parse(text).is_none()) {
                let message = format!("`{}` is no time", clip_bytes(key, 60));
                all.push(Problem::at(ProblemKind::BadTimestamp, value.at, &message));
            }
        }
    }
}

/// Keys whose value should be a time.
pub(super) fn is_time_key(key: &str) -> bool {
    matches!(
        key,
        "created"
            | "created_at"
            | "assigned_at"
            | "started_at"
            | "completed_at"
            | "completed"
            | "blocked_at"
            | "frozen_at"
            | "cancelled_at"
            | "failed_at"
            | "last_modified"
            | "updated_at"
    )
}

//! Which task comes first, and which can be begun.

use std::cmp::Ordering;
use std::sync::Arc;

use super::board::{Board, Key};
use super::body::RawTask;
use super::layout::stem;
use super::status::{Lane, State};
use super::view::Task;

/// Priority first, then age, the oldest first; what has no date comes last, and the id decides at the end.
pub fn by_urgency(a: Task<'_>, b: Task<'_>) -> Ordering {
    let age = |task: Task<'_>| task.created().map_or(i64::MAX, |stamp| stamp.value.at.0);
    b.priority_rank()
        .cmp(&a.priority_rank())
        .then_with(|| age(a).cmp(&age(b)))
        .then_with(|| a.id().value.cmp(b.id().value))
}

impl Board {
    /// Ids of tasks on the board that this one waits for: dependencies that are not done. What names no live task is
    /// a remark and holds nobody up.
    pub fn waits_for(&self, task: Task<'_>) -> Vec<String> {
        let mut ids: Vec<String> = task.dependencies().into_iter().filter_map(|d| d.id).collect();
        ids.extend(task.blocked_by());
        ids.sort();
        ids.dedup();
        ids.retain(|id| {
            self.named(id)
                .is_some_and(|raw| raw.path != task.raw().path && Task::new(raw).state() != State::Done)
        });
        ids
    }

    /// The live file that an id or a name without its ending means exactly.
    pub fn named(&self, id: &str) -> Option<&Arc<RawTask>> {
        let first = Key { id: id.to_owned(), path: String::new() };
        let by_id = self.tasks.range(first..).next().filter(|(key, _)| key.id == id).map(|(_, raw)| raw);
        by_id.or_else(|| self.iter().map(|(_, raw)| raw).find(|raw| stem(raw.name()) == id))
    }

    /// Tasks that can be begun, the most urgent first: new or assigned, readable, nothing to wait for. With an agent
    /// only those that are his or nobody's.
    pub fn ready(&self, agent: Option<&str>) -> Vec<&Arc<RawTask>> {
        let mut ready: Vec<&Arc<RawTask>> = self
            .iter()
            .map(|(_, raw)| raw)
            .filter(|raw| raw.is_readable() && matches!(raw.lane, Lane::Inbox | Lane::Assigned))
            .filter(|raw| {
                let task = Task::new(raw);
                let mine = |wanted: &str| match &raw.agent_dir {
                    Some(dir) => dir == wanted,
                    None => task.agent().is_none_or(|agent| agent.value == wanted),
                };
                matches!(task.state(), State::New | State::Assigned)
                    && agent.is_none_or(mine)
                    && self.waits_for(task).is_empty()
            })
            .collect();
        ready.sort_by(|a, b| by_urgency(Task::new(a), Task::new(b)));
        ready
    }
}

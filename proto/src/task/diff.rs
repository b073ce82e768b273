//! What happened between two settled scans: pure, exactly one event for each file that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::board::{Board, Key};
use super::body::{Body, RawTask};
use super::problem::clip_bytes;
use super::status::{Lane, State};
use super::view::Task;
use crate::event::{
    MAX_CHANGED_KEYS, MAX_TASK_TEXT_BYTES, RemovedReason, TaskAssigned, TaskChange, TaskCompleted,
    TaskCreated, TaskEvent, TaskFailed, TaskInvalid, TaskRemoved, TaskStarted, TaskUpdated,
};

/// Which file of one board is which of another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matching {
    /// Old and new key of the same task.
    pub(super) pairs: Vec<(Key, Key)>,
    /// Only in the old board.
    pub(super) gone: Vec<Key>,
    /// Only in the new board.
    pub(super) fresh: Vec<Key>,
}

/// Finds which file is which: the same id and path, else the same id, else the same path, else the same inode with
/// the same content, else the same file name. Where several fit, the same inode, file name or content decides.
pub(super) fn match_up(old: &Board, new: &Board) -> Matching {
    let mut found = Matching::default();
    for key in old.tasks.keys() {
        if new.tasks.contains_key(key) {
            found.pairs.push((key.clone(), key.clone()));
        } else {
            found.gone.push(key.clone());
        }
    }
    found.fresh = new.tasks.keys().filter(|key| !old.tasks.contains_key(key)).cloned().collect();
    if found.gone.is_empty() || found.fresh.is_empty() {
        return found;
    }
    pair_by(&mut found, old, new, |key, _| Some(key.id.clone()));
    pair_by(&mut found, old, new, |key, _| Some(key.path.clone()));
    // An inode alone says little: a file made after another was deleted often gets the same one.
    pair_by(&mut found, old, new, |_, raw| {
        (raw.stat.inode != 0).then(|| format!("{}-{}-{:?}", raw.stat.device, raw.stat.inode, raw.hash))
    });
    pair_by(&mut found, old, new, |_, raw| Some(raw.name().to_owned()));
    found.pairs.sort();
    found
}

/// Pairs what has the same mark on both sides.
fn pair_by(found: &mut Matching, old: &Board, new: &Board, mark: impl Fn(&Key, &RawTask) -> Option<String>) {
    if found.gone.is_empty() || found.fresh.is_empty() {
        return;
    }
    let mut waiting: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for key in &found.fresh {
        if let Some(mark) = mark(key, &new.tasks[key]) {
            waiting.entry(mark).or_default().push(key.clone());
        }
    }
    let mut taken = BTreeSet::new();
    let pairs = &mut found.pairs;
    found.gone.retain(|key| {
        let before = &old.tasks[key];
        let Some(candidates) = mark(key, before).and_then(|mark| waiting.get_mut(&mark)) else { return true };
        let likeness = |other: &Key| {
            let after = &new.tasks[other];
            (
                after.stat.inode == before.stat.inode && after.stat.device == before.stat.device,
                after.name() == before.name(),
                after.hash == before.hash,
            )
        };
        let best = (0..candidates.len()).max_by_key(|&n| (likeness(&candidates[n]), std::cmp::Reverse(n)));
        let Some(best) = best else { return true };
        let chosen = candidates.remove(best);
        pairs.push((key.clone(), chosen.clone()));
        taken.insert(chosen);
        false
    });
    found.fresh.retain(|key| !taken.contains(key));
}

/// The events that lead from one board to another.
pub fn diff(project: &str, old: &Board, new: &Board) -> Vec<TaskEvent> {
    let matching = match_up(old, new);
    let mut events = Vec::new();
    for (before, after) in &matching.pairs {
        let side = |board: &Board, key: &Key| Side {
            key: key.clone(),
            duplicate: board.tasks[key].is_readable() && board.is_duplicate(&key.id),
            raw: board.tasks[key].clone(),
        };
        events.extend(changed(project, &side(old, before), &side(new, after), new));
    }
    for key in &matching.fresh {
        events.push(appeared(project, key, &new.tasks[key], old, new));
    }
    for key in &matching.gone {
        let raw = &old.tasks[key];
        let reason = match new.aside.get(raw.name()) {
            Some(Lane::Archive) => RemovedReason::Archived,
            Some(Lane::Fridge) => RemovedReason::Frozen,
            _ => RemovedReason::Deleted,
        };
        events.push(TaskEvent::Removed(TaskRemoved {
            project: project.to_owned(),
            task_id: key.id.clone(),
            path: key.path.clone(),
            lane: raw.lane,
            reason,
        }));
    }
    events
}

/// A file of one of the two boards.
struct Side {
    key: Key,
    duplicate: bool,
    raw: Arc<RawTask>,
}

fn appeared(project: &str, key: &Key, raw: &RawTask, old: &Board, new: &Board) -> TaskEvent {
    if let Some(event) = invalid(project, key, raw, None) {
        return event;
    }
    TaskEvent::Created(TaskCreated(TaskChange {
        project: project.to_owned(),
        task_id: key.id.clone(),
        path: key.path.clone(),
        lane: raw.lane,
        from_task_id: None,
        from_path: None,
        from_lane: old.aside.get(raw.name()).copied(),
        from_agent: None,
        from_state: None,
        changed: Vec::new(),
        recovered: false,
        card: new.card(raw),
        actor: None,
    }))
}

/// The event of a file that cannot be read; nothing if it can.
fn invalid(project: &str, key: &Key, raw: &RawTask, before: Option<&Key>) -> Option<TaskEvent> {
    let Body::Unreadable { problem, salvage } = &raw.body else { return None };
    Some(TaskEvent::Invalid(TaskInvalid {
        project: project.to_owned(),
        task_id: key.id.clone(),
        path: key.path.clone(),
        lane: raw.lane,
        from_task_id: before.filter(|b| b.id != key.id).map(|b| b.id.clone()),
        from_path: before.filter(|b| b.path != key.path).map(|b| b.path.clone()),
        problem: problem.kind,
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
        salvage: salvage.clone(),
    }))
}

fn changed(project: &str, before: &Side, after: &Side, new: &Board) -> Option<TaskEvent> {
    if !after.raw.is_readable() {
        let same = before.key == after.key && before.raw.body == after.raw.body;
        return if same { None } else { invalid(project, &after.key, &after.raw, Some(&before.key)) };
    }
    let same = before.key == after.key
        && before.raw.hash == after.raw.hash
        && before.duplicate == after.duplicate
        && before.raw.is_readable();
    if same {
        return None;
    }
    let (old_task, new_task) = (Task::new(&before.raw), Task::new(&after.raw));
    let recovered = !before.raw.is_readable();
    let (from, to) = (old_task.state(), new_task.state());
    let (from_lane, lane) = (before.raw.lane, after.raw.lane);
    let other_agent = before.raw.agent_dir != after.raw.agent_dir;
    let change = TaskChange {
        project: project.to_owned(),
        task_id: after.key.id.clone(),
        path: after.key.path.clone(),
        lane,
        from_task_id: (before.key.id != after.key.id).then(|| before.key.id.clone()),
        from_path: (before.key.path != after.key.path).then(|| before.key.path.clone()),
        from_lane: (from_lane != lane).then_some(from_lane),
        from_agent: before.raw.agent_dir.clone().filter(|_| other_agent),
        // What an unreadable file's state was is a guess by its directory; a change from a guess is none.
        from_state: (from != to && !recovered).then_some(from),
        changed: changed_keys(&before.raw, &after.raw),
        recovered,
        card: new.card(&after.raw),
        actor: None,
    };
    let enters = |state: State| to == state && from != state && !recovered;
    Some(if enters(State::Error) {
        let error = new_task.error_message().map(|text| clip_bytes(&text, MAX_TASK_TEXT_BYTES));
        TaskEvent::Failed(TaskFailed { change, error })
    } else if lane == Lane::Done && from_lane != Lane::Done {
        let summary = new_task.result_summary().map(|text| clip_bytes(&text, MAX_TASK_TEXT_BYTES));
        let next_agent = new_task.next_agent().map(|text| clip_bytes(text, 100));
        TaskEvent::Completed(TaskCompleted { change, summary, next_agent })
    } else if recovered {
        TaskEvent::Updated(TaskUpdated(change))
    } else if enters(State::InProgress) {
        TaskEvent::Started(TaskStarted(change))
    } else if lane == Lane::Assigned
        && (from_lane == Lane::Inbox || from_lane == Lane::Assigned && other_agent)
    {
        TaskEvent::Assigned(TaskAssigned(change))
    } else {
        TaskEvent::Updated(TaskUpdated(change))
    })
}

/// Top-level keys whose value is another, new or gone.
fn changed_keys(before: &RawTask, after: &RawTask) -> Vec<String> {
    let (Some(old), Some(new)) = (before.node(), after.node()) else { return Vec::new() };
    if before.hash == after.hash {
        return Vec::new();
    }
    let names = |node: &super::node::Node| -> Vec<String> {
        node.entries().unwrap_or_default().iter().map(|entry| entry.key.key_text()).collect()
    };
    let value = |node: &super::node::Node, key: &str| {
        node.entries()?
            .iter()
            .rev()
            .find(|entry| entry.key.key_text() == key)
            .map(|entry| entry.value.clone())
    };
    let mut seen = BTreeSet::new();
    let mut keys: Vec<String> = names(new)
        .into_iter()
        .chain(names(old))
        .filter(|key| seen.insert(key.clone()))
        .filter(|key| match (value(old, key), value(new, key)) {
            (Some(a), Some(b)) => !a.same(&b),
            (a, b) => a.is_some() != b.is_some(),
        })
        .map(|key| clip_bytes(&key, 80))
        .collect();
    if let (Body::FrontMatter { markdown: a, .. }, Body::FrontMatter { markdown: b, .. }) =
        (&before.body, &after.body)
        && a != b
        && !keys.iter().any(|key| key == "description")
    {
        keys.push("description".to_owned());
    }
    keys.truncate(MAX_CHANGED_KEYS);
    keys
}

//! One change of a task file, from the words of a user to the bytes on disk. Runs on a thread that may wait, under
//! the tree's lock, alone with the tree.

use std::sync::Arc;

use llmctl_proto::task::files::{Done, FilesError, Loaded, Lock, Tree};
use llmctl_proto::task::{
    Asked, Board as Index, Edit, FindError, Lane, NewTask, NewValue, RawTask, State, Task, Verb, plan, stem,
};
use llmctl_proto::time::UnixMs;
use tokio::sync::oneshot;

use super::error::BoardError;
use super::lost::Abandoned;
use super::rules::Rules;
use super::view::exactly;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A verb on one task.
    Verb {
        /// Id, path, or file name; with `prefix` the beginning of one. Empty for a claim: the most urgent one.
        target: String,
        /// A unique beginning will do.
        prefix: bool,
        /// The verb.
        verb: Verb,
        /// Version that it is meant for.
        rev: Option<String>,
        /// Does what the table of moves does not allow, too; the reason is noted in the file.
        force: Option<String>,
        /// What its operations cost, to be written into the file that it completes.
        cost: Option<Cost>,
    },
    /// A new task.
    Create(NewTask),
    /// Nobody works on it any more, and nobody has said so.
    PutDown(Box<Abandoned>),
}

/// What operations cost, for the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Nano-dollars.
    pub nano_usd: i64,
    /// Operations.
    pub operations: Vec<String>,
}

/// A change on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) act: Act,
    /// Who asks, for the event.
    pub(super) actor: String,
    pub(super) reply: oneshot::Sender<Result<Carried, BoardError>>,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The file now.
    pub raw: Arc<RawTask>,
    /// What changed; nothing for a new file.
    pub done: Option<Done>,
    /// Name of the project.
    pub project: String,
}

/// Carries one order out, under the tree's lock.
pub(super) fn carry_out(
    tree: &mut Tree,
    held: &Lock,
    shown: &Index,
    rules: &Rules,
    act: &Act,
) -> Result<(Arc<RawTask>, Option<Done>), BoardError> {
    let now = UnixMs::now();
    match act {
        Act::Create(new) => {
            let asked = Asked { layout: tree.layout(), now, force: false };
            let path = tree.create(new, asked)??;
            Ok((tree.load(&path)?.raw, None))
        }
        Act::Verb { target, verb: Verb::Claim { agent }, .. } if target.is_empty() => claim_next(tree, agent),
        Act::Verb { target, prefix, .. } => {
            let base = load(tree, shown, target, *prefix)?;
            one(tree, shown, rules, &base, act)
        }
        Act::PutDown(abandoned) => {
            let base = load(tree, shown, abandoned.task(), false)?;
            match abandoned.put_down(tree, &base, held)? {
                Some(done) => Ok((tree.load(&done.path)?.raw, Some(done))),
                None => Ok((base.raw, None)),
            }
        }
    }
}

/// Finds and reads the file that is meant. What the board does not show yet is looked for on disk.
pub(super) fn load(tree: &mut Tree, shown: &Index, target: &str, prefix: bool) -> Result<Loaded, BoardError> {
    if let Ok(raw) = exactly(shown, target, prefix) {
        match tree.load(&raw.path) {
            // A file may have become another's in its place.
            Ok(loaded) if same_id(&loaded.raw, raw) => return Ok(loaded),
            Ok(_) | Err(FilesError::Gone(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let scan = tree.scan()?;
    let path = match exactly(&scan.board, target, prefix) {
        Ok(raw) => raw.path.clone(),
        Err(FindError::NotFound(_)) => aside(tree, &scan.aside, target)?,
        Err(error) => return Err(error.into()),
    };
    Ok(tree.load(&path)?)
}

fn same_id(a: &RawTask, b: &RawTask) -> bool {
    Task::new(a).id().value == Task::new(b).id().value
}

/// The path of a file in archive or fridge, by its path, its name, or its id.
fn aside(tree: &Tree, paths: &[String], target: &str) -> Result<String, BoardError> {
    let name = |path: &String| path.rsplit('/').next().is_some_and(|name| stem(name) == stem(target));
    let mut found: Vec<&String> = paths.iter().filter(|path| *path == target || name(path)).collect();
    if found.is_empty() {
        let id =
            |path: &&String| tree.load(path).is_ok_and(|loaded| Task::new(&loaded.raw).id().value == target);
        found = paths.iter().filter(id).collect();
    }
    match found.as_slice() {
        [] => Err(FindError::NotFound(target.to_owned()).into()),
        [one] => Ok((*one).clone()),
        several => Err(FindError::Ambiguous {
            text: target.to_owned(),
            count: several.len(),
            paths: several.iter().take(8).map(|path| (*path).clone()).collect(),
        }
        .into()),
    }
}

fn one(
    tree: &Tree,
    shown: &Index,
    rules: &Rules,
    base: &Loaded,
    act: &Act,
) -> Result<(Arc<RawTask>, Option<Done>), BoardError> {
    let Act::Verb { verb, rev, force, cost, .. } = act else { return Err(BoardError::Failed) };
    let task = Task::new(&base.raw);
    let asked = Asked { layout: tree.layout(), now: UnixMs::now(), force: force.is_some() };
    let mut todo = plan(task, verb, asked)?;
    let current = base.raw.rev();
    if let Some(seen) = rev.as_ref().filter(|seen| **seen != current) {
        let keys = todo.edits.iter().filter_map(|edit| both_values(task, edit)).collect();
        return Err(BoardError::Changed { path: base.raw.path.clone(), seen: seen.clone(), current, keys });
    }
    limits(shown, rules, task, verb)?;
    if let Verb::Priority { priority } = verb
        && task.priority().is_some_and(|now| now.eq_ignore_ascii_case(priority.trim()))
    {
        // It is so already: not even its time of change is written.
        todo.edits.clear();
    }
    if let Some(reason) = force {
        let note = plan(task, &Verb::Note { text: format!("forced: {reason}") }, asked)?;
        todo.edits.extend(note.edits.into_iter().filter(|edit| edit.path() != ["last_modified"]));
    }
    if let Some(cost) = cost {
        todo.edits.extend(cost_edits(cost));
    }
    let done = tree.carry_out(base, &todo)?;
    Ok((tree.load(&done.path)?.raw, Some(done)))
}

/// Key, value there, value wanted.
fn both_values(task: Task<'_>, edit: &Edit) -> Option<(String, String, String)> {
    let Edit::Set { path, value } = edit else { return None };
    let [key] = path.as_slice() else { return None };
    if key == "last_modified" {
        return None;
    }
    let theirs = task.get(key).map_or_else(|| "absent".to_owned(), |node| clipped(&node.to_markdown()));
    Some((key.clone(), theirs, clipped(&value.text()?)))
}

fn clipped(text: &str) -> String {
    text.chars().take(120).collect()
}

fn cost_edits(cost: &Cost) -> Vec<Edit> {
    let (sign, nano) = (if cost.nano_usd < 0 { "-" } else { "" }, cost.nano_usd.unsigned_abs());
    let dollars = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    let path = vec!["result".to_owned(), "operation_ids".to_owned()];
    vec![
        Edit::inner("result", "cost_usd", NewValue::Word(dollars)),
        Edit::Extend { path, items: cost.operations.clone() },
    ]
}

/// Limits of work in progress, where they bind.
fn limits(shown: &Index, rules: &Rules, task: Task<'_>, verb: &Verb) -> Result<(), BoardError> {
    let settings = &rules.settings;
    if !settings.wip_enforce || !matches!(verb, Verb::Start | Verb::Unblock) {
        return Ok(());
    }
    let agent = task.raw().agent_dir.as_deref();
    let (mut all, mut own) = (0, 0);
    for (_, raw) in shown.iter().filter(|(_, raw)| raw.lane == Lane::Assigned && raw.is_readable()) {
        if Task::new(raw).state() == State::InProgress {
            all += 1;
            own += u32::from(raw.agent_dir.as_deref() == agent);
        }
    }
    if settings.wip_per_agent > 0 && own >= settings.wip_per_agent {
        let who = agent.unwrap_or("nobody");
        return Err(BoardError::Limit(format!("{who} has {own} tasks in progress, at most that many")));
    }
    if settings.wip_in_progress > 0 && all >= settings.wip_in_progress {
        return Err(BoardError::Limit(format!("{all} tasks are in progress, at most that many")));
    }
    Ok(())
}

/// Takes the most urgent task of the inbox that can be begun.
fn claim_next(tree: &mut Tree, agent: &str) -> Result<(Arc<RawTask>, Option<Done>), BoardError> {
    let verb = Verb::Claim { agent: agent.to_owned() };
    let scan = tree.scan()?;
    for raw in scan.board.ready(Some(agent)) {
        if raw.lane != Lane::Inbox {
            continue;
        }
        let base = match tree.load(&raw.path) {
            Ok(base) => base,
            Err(FilesError::Gone(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let asked = Asked { layout: tree.layout(), now: UnixMs::now(), force: false };
        let todo = plan(Task::new(&base.raw), &verb, asked)?;
        match tree.carry_out(&base, &todo) {
            Ok(done) => return Ok((tree.load(&done.path)?.raw, Some(done))),
            // Somebody was faster: it is the next one's turn.
            Err(FilesError::Gone(_) | FilesError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BoardError::NothingReady(agent.to_owned()))
}

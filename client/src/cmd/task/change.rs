//! Verbs that change a task, each under the lock of the tree and verified before it is written.

use std::fmt::Write as _;
use std::time::Duration;

use llmctl_proto::task::files::{Done, FilesError, Loaded};
use llmctl_proto::task::{Asked, Edit, Lane, RawTask, Refusal, State, Task, Verb, plan};
use llmctl_proto::time::UnixMs;

use super::place::{Place, failed};
use super::{print_json, print_safe};
use crate::cli::task::How;
use crate::error::{CliError, Exit, Outcome};
use crate::term::one_line;

/// Carries one verb out on one task.
pub(super) fn run(place: &mut Place, id: &str, verb: &Verb, how: &How) -> Outcome {
    check(how)?;
    let _held = place.lock()?;
    let base = place.load(id)?;
    let done = carry_out(place, &base, verb, how)?;
    report(place, &base, &done, how)
}

fn check(how: &How) -> Result<(), CliError> {
    if how.force && how.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(CliError::usage("--force needs a --reason"));
    }
    Ok(())
}

fn carry_out(place: &Place, base: &Loaded, verb: &Verb, how: &How) -> Result<Done, CliError> {
    carry_out_with(place, base, verb, how, Vec::new())
}

/// Carries a verb out together with further edits. The caller holds the lock.
pub(super) fn carry_out_with(
    place: &Place,
    base: &Loaded,
    verb: &Verb,
    how: &How,
    more: Vec<Edit>,
) -> Result<Done, CliError> {
    check_rev(&base.raw, how.rev.as_deref())?;
    let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: how.force };
    let task = Task::new(&base.raw);
    let mut todo = plan(task, verb, asked).map_err(|refusal| refused(&refusal))?;
    todo.edits.extend(more);
    if let Some(reason) = how.reason.as_deref().filter(|_| how.force) {
        let note = Verb::Note { text: format!("forced: {}", reason.trim()) };
        let note = plan(task, &note, asked).map_err(|refusal| refused(&refusal))?;
        todo.edits.extend(note.edits.into_iter().filter(|edit| edit.path() != ["last_modified"]));
    }
    place.tree.carry_out(base, &todo).map_err(failed)
}

/// Refuses when a file is not the version that was seen.
pub(super) fn check_rev(raw: &RawTask, seen: Option<&str>) -> Result<(), CliError> {
    let rev = raw.rev();
    let Some(seen) = seen.filter(|seen| *seen != rev) else { return Ok(()) };
    let message = format!("{} has changed: it is {rev}, you saw {seen}", raw.path);
    Err(CliError::failed(message).hint("look at it again with `llmctl task show`"))
}

pub(super) fn refused(refusal: &Refusal) -> CliError {
    let exit = if matches!(refusal, Refusal::BadValue(_)) { Exit::Usage } else { Exit::Failed };
    let error = CliError::new(exit, refusal.to_string());
    match refusal {
        Refusal::Unreadable => error.hint("`llmctl task lint` says what is wrong with the file"),
        Refusal::NoResult => error.hint("-s SUMMARY, or a `result` in the file"),
        Refusal::Lane { lane: Lane::Inbox, .. } => error.hint("`llmctl task claim ID --agent A` takes it"),
        _ if refusal.can_be_forced() => error.hint("--force --reason TEXT does it all the same"),
        _ => error,
    }
}

fn report(place: &mut Place, base: &Loaded, done: &Done, how: &How) -> Outcome {
    let row = place.row(&done.path)?;
    if how.json {
        print_json(&row)?;
        return Ok(Exit::Ok);
    }
    let card = &row.card;
    let mut text = format!("{}: {}", one_line(&card.id, 200), card.state);
    if done.path != base.raw.path {
        let _ = write!(text, ", now {}", one_line(&done.path, 300));
    } else if done.lines.is_empty() {
        text.push_str(", as it was");
    }
    text.push('\n');
    if done.window {
        text.push_str(
            "note: this file system cannot exchange files; a change made in the same instant may be lost\n",
        );
    }
    print_safe(&text)?;
    Ok(Exit::Ok)
}

/// Takes a named task, or the most urgent one.
pub(super) fn claim(place: &mut Place, id: Option<&str>, agent: &str, any: bool, how: &How) -> Outcome {
    check(how)?;
    let verb = Verb::Claim { agent: agent.to_owned() };
    if let Some(id) = id {
        return run(place, id, &verb, how);
    }
    let _held = place.lock()?;
    let scan = place.scan()?;
    let ready = scan.board.ready(if any { None } else { Some(agent) });
    // Those who know nothing of the lock may take one away meanwhile; then it is the next one's turn.
    for raw in ready.iter().filter(|raw| raw.lane == Lane::Inbox) {
        let base = match place.tree.load(&raw.path) {
            Ok(base) => base,
            Err(FilesError::Gone(_)) => continue,
            Err(error) => return Err(failed(error)),
        };
        let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: false };
        let Ok(todo) = plan(Task::new(&base.raw), &verb, asked) else { continue };
        match place.tree.carry_out(&base, &todo) {
            Ok(done) => return report(place, &base, &done, how),
            Err(FilesError::Gone(_) | FilesError::Exists(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let hint = if any { "llmctl task list" } else { "--any takes tasks meant for other agents, too" };
    Err(CliError::failed(format!("nothing in the inbox is ready for {agent}")).hint(hint))
}

/// Archives one task, or all that were finished long enough ago.
pub(super) fn archive(place: &mut Place, id: Option<&str>, older: Option<Duration>, how: &How) -> Outcome {
    check(how)?;
    let Some(older) = older else {
        return run(place, id.unwrap_or_default(), &Verb::Archive, how);
    };
    let _held = place.lock()?;
    let scan = place.scan()?;
    let limit = UnixMs::now().0.saturating_sub(i64::try_from(older.as_millis()).unwrap_or(i64::MAX));
    let mut rows = Vec::new();
    for (_, raw) in scan.board.iter().filter(|(_, raw)| raw.lane == Lane::Done && raw.is_readable()) {
        let task = Task::new(raw);
        let changed = i64::try_from(raw.stat.mtime_ns / 1_000_000).unwrap_or(i64::MAX);
        let at = task.completed().map_or(changed, |stamp| stamp.value.at.0);
        if at > limit || task.state() == State::Error {
            continue;
        }
        let base = place.tree.load(&raw.path).map_err(failed)?;
        rows.push(carry_out(place, &base, &Verb::Archive, how)?.path);
    }
    if how.json {
        print_json(&rows)?;
    } else {
        let list = rows.iter().fold(String::new(), |list, path| list + &one_line(path, 300) + "\n");
        print_safe(&format!("{list}{} archived\n", rows.len()))?;
    }
    Ok(Exit::Ok)
}

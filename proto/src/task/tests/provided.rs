//! The 118 files of a real service.

use std::collections::BTreeMap;

use super::{provided, raw};
use crate::task::{Card, Lane, MAX_CARD_BYTES, Node, ProblemKind, State, Style, Task, Value};

#[test]
fn the_board_counts_what_is_there() {
    let Some(files) = provided() else { return };
    let tasks: Vec<_> = files.iter().map(|(path, bytes)| raw(path, bytes)).collect();
    let count = |lane| tasks.iter().filter(|task| task.lane == lane).count();
    assert_eq!((count(Lane::Inbox), count(Lane::Assigned), count(Lane::Done)), (5, 47, 66));
    let unreadable: Vec<_> = tasks.iter().filter(|task| !task.is_readable()).collect();
    assert_eq!(
        unreadable.len(),
        1,
        "{:?}",
        unreadable.iter().map(|t| (&t.path, t.body.problems())).collect::<Vec<_>>()
    );
    let mut states: BTreeMap<(Lane, State), usize> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.is_readable()) {
        *states.entry((task.lane, Task::new(task).state())).or_default() += 1;
    }
    assert_eq!(states[&(Lane::Assigned, State::InProgress)], 1);
    assert_eq!(states[&(Lane::Assigned, State::Blocked)], 1);
    assert_eq!(states[&(Lane::Assigned, State::Assigned)], 45);
    assert_eq!(states[&(Lane::Done, State::Done)], 66);
    assert_eq!(tasks.iter().filter(|task| Task::new(task).drift()).count(), 31);
    let mut ids: Vec<_> = tasks.iter().map(|task| Task::new(task).id().value).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 118, "an id twice");
}

#[test]
fn the_unreadable_one_has_a_place_and_a_title() {
    let Some(files) = provided() else { return };
    let path = "inbox/2026-02-12T1102-manager-mike-task-assignment.yaml";
    let bytes = &files.iter().find(|(name, _)| name == path).expect("there").1;
    let task = raw(path, bytes);
    let problem = &task.body.problems()[0];
    assert_eq!((problem.kind, problem.line, problem.column), (ProblemKind::Syntax, Some(33), Some(9)));
    let view = Task::new(&task);
    assert_eq!(view.title().value, "Agent Specialization Hierarchy - Orchestrate Implementation");
    assert_eq!(view.id().value, "2026-02-12T1102-manager-mike-task-assignment");
    assert_eq!(view.agent().map(|a| a.value), Some("manager-mike"));
    assert_eq!((view.priority(), view.status(), view.drift()), (Some("high"), Some("new"), false));
}

#[test]
fn places_of_scalars_are_their_bytes() {
    let Some(files) = provided() else { return };
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        let Some(root) = task.node() else { continue };
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        check(root, text, path);
    }
}

fn check(node: &Node, text: &str, path: &str) {
    let here = &text[node.at.start as usize..];
    match &node.value {
        Value::Scalar { text: value, style } => {
            let ok = match style {
                Style::Plain => {
                    value.contains('\n')
                        || here.starts_with(&**value)
                        || value.contains(' ')
                            && here.starts_with(value.split(' ').next().unwrap_or_default())
                }
                Style::Single => here.starts_with('\''),
                Style::Double => here.starts_with('"'),
                // The place of a block is its first line, not its header.
                Style::Literal | Style::Folded => true,
            };
            let line = text[..node.at.start as usize].matches('\n').count() + 1;
            assert!(ok, "{path}:{}: {value:?} is not at {:?}", node.at.line, &here[..here.len().min(30)]);
            assert!(value.is_empty() || line == node.at.line as usize, "{path}: {line} {:?}", node.at);
        }
        Value::List { items, .. } => items.iter().for_each(|item| check(item, text, path)),
        Value::Map { entries, .. } => entries.iter().for_each(|entry| {
            check(&entry.key, text, path);
            check(&entry.value, text, path);
        }),
    }
}

#[test]
fn cards_are_small() {
    let Some(files) = provided() else { return };
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        let card = Card::of(Task::new(&task), false);
        let json = serde_json::to_string(&card).expect("serialises");
        assert!(json.len() <= MAX_CARD_BYTES, "{path}: {}", json.len());
        assert_eq!(serde_json::from_str::<Card>(&json).expect("parses"), card);
    }
}

#[test]
fn every_file_becomes_json() {
    let Some(files) = provided() else { return };
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        if let Some(node) = task.node() {
            let json = node.to_json();
            assert!(json.is_object() && serde_json::to_string(&json).is_ok(), "{path}");
        }
    }
}

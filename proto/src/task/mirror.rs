//! What a reader of the events shows: the fold of `task.*` into cards, for whoever has no files.

use std::collections::BTreeMap;

use super::board::{Board, Key};
use super::body::{Body, Salvage};
use super::card::Card;
use super::problem::Problem;
use super::status::Lane;
use super::view::Task;
use crate::event::TaskEvent;

/// One place on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A task.
    Card(Box<Card>),
    /// A red card.
    Invalid {
        /// Lane.
        lane: Lane,
        /// Why it cannot be read.
        problem: Problem,
        /// What was recognised.
        salvage: Salvage,
    },
}

/// The board as events tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    entries: BTreeMap<Key, Shown>,
}

impl Mirror {
    /// The snapshot of a board.
    pub fn of(board: &Board) -> Self {
        let entries = board
            .iter()
            .map(|(key, raw)| {
                let shown = match &raw.body {
                    Body::Unreadable { problem, salvage } => {
                        Shown::Invalid { lane: raw.lane, problem: problem.clone(), salvage: salvage.clone() }
                    }
                    _ => Shown::Card(Box::new(board.card(Task::new(raw).raw()))),
                };
                (key.clone(), shown)
            })
            .collect();
        Self { entries }
    }

    /// Entries in the order of their ids.
    pub fn entries(&self) -> &BTreeMap<Key, Shown> {
        &self.entries
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &TaskEvent) {
        let (id, path) = event.subject();
        let key = Key { id: id.to_owned(), path: path.to_owned() };
        let (from_id, from_path) = match event {
            TaskEvent::Invalid(e) => (e.from_task_id.as_deref(), e.from_path.as_deref()),
            _ => event.change().map_or((None, None), |c| (c.from_task_id.as_deref(), c.from_path.as_deref())),
        };
        self.entries.remove(&Key {
            id: from_id.unwrap_or(id).to_owned(),
            path: from_path.unwrap_or(path).to_owned(),
        });
        match event {
            TaskEvent::Removed(_) => {}
            TaskEvent::Invalid(e) => {
                let problem =
                    Problem { kind: e.problem, message: e.message.clone(), line: e.line, column: e.column };
                self.entries
                    .insert(key, Shown::Invalid { lane: e.lane, problem, salvage: e.salvage.clone() });
            }
            _ => {
                if let Some(change) = event.change() {
                    self.entries.insert(key, Shown::Card(Box::new(change.card.clone())));
                }
            }
        }
    }
}

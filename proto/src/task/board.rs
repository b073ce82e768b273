//! The index of a scan: every live task file by id and path, and how people name one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::body::RawTask;
use super::card::Card;
use super::layout::stem;
use super::problem::{Problem, ProblemKind};
use super::status::Lane;
use super::view::Task;

/// What names a file of the board. Ids are unique unless somebody copied a file; with the path they always are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Id.
    pub id: String,
    /// Path below the root.
    pub path: String,
}

impl Key {
    /// The key of a file.
    pub fn of(raw: &RawTask) -> Self {
        Self { id: Task::new(raw).id().value.to_owned(), path: raw.path.clone() }
    }
}

/// All live task files of one root at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    pub(super) tasks: BTreeMap<Key, Arc<RawTask>>,
    pub(super) aside: BTreeMap<String, Lane>,
    pub(super) agents: BTreeSet<(Lane, String)>,
}

/// Why a text names no single task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing matches.
    #[error("no task matches {0:?}")]
    NotFound(String),
    /// Several do; at most eight paths are named.
    #[error("{text:?} matches {count} tasks: {}", paths.join(", "))]
    Ambiguous {
        /// What was given.
        text: String,
        /// How many match.
        count: usize,
        /// Paths of some of them.
        paths: Vec<String>,
    },
}

impl Board {
    /// The index of these files. `aside` has the names of files in archive and fridge, `agents` the directories of
    /// agents by lane, empty ones too.
    pub fn new(
        files: impl IntoIterator<Item = Arc<RawTask>>,
        aside: BTreeMap<String, Lane>,
        agents: BTreeSet<(Lane, String)>,
    ) -> Self {
        let tasks = files.into_iter().map(|raw| (Key::of(&raw), raw)).collect();
        Self { tasks, aside, agents }
    }

    /// The files in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<RawTask>)> {
        self.tasks.iter()
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// There is no file.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// A file by its key.
    pub fn get(&self, key: &Key) -> Option<&Arc<RawTask>> {
        self.tasks.get(key)
    }

    /// Files in archive or fridge.
    pub fn count_aside(&self, lane: Lane) -> usize {
        self.aside.values().filter(|of| **of == lane).count()
    }

    /// Directories of agents by lane, empty ones included.
    pub fn agents(&self) -> &BTreeSet<(Lane, String)> {
        &self.agents
    }

    /// Files with this id, in the order of their paths.
    pub fn with_id<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a Key, &'a Arc<RawTask>)> {
        let first = Key { id: id.to_owned(), path: String::new() };
        self.tasks.range(first..).take_while(move |(key, _)| key.id == id)
    }

    /// Two or more readable files have this id.
    pub fn is_duplicate(&self, id: &str) -> bool {
        self.with_id(id).filter(|(_, raw)| raw.is_readable()).nth(1).is_some()
    }

    /// The card of a file of this board.
    pub fn card(&self, raw: &RawTask) -> Card {
        let task = Task::new(raw);
        Card::of(task, raw.is_readable() && self.is_duplicate(task.id().value))
    }

    /// Kinds of problems of a file of this board, as its card shows them.
    pub fn card_problems(&self, raw: &RawTask) -> Vec<ProblemKind> {
        self.card(raw).problems
    }

    /// The one task that a text names: a path, an id, a file name without its ending, or the unique beginning of one
    /// of these.
    ///
    /// # Errors
    /// None or several match. A whole id that two files have is ambiguous.
    pub fn find(&self, text: &str) -> Result<&Arc<RawTask>, FindError> {
        let bare = text.strip_prefix("./").unwrap_or(text);
        if bare.is_empty() {
            return Err(FindError::NotFound(text.to_owned()));
        }
        for step in 0..4 {
            let fits = |key: &Key, raw: &RawTask| match step {
                0 => key.path == bare,
                1 => key.id == bare,
                2 => stem(raw.name()) == stem(bare),
                _ => key.id.starts_with(bare) || raw.name().starts_with(bare),
            };
            let found: Vec<_> = self.tasks.iter().filter(|(key, raw)| fits(key, raw)).collect();
            match found.len() {
                0 => {}
                1 => return Ok(found[0].1),
                count => {
                    return Err(FindError::Ambiguous {
                        text: text.to_owned(),
                        count,
                        paths: found.iter().take(8).map(|(key, _)| key.path.clone()).collect(),
                    });
                }
            }
        }
        Err(FindError::NotFound(text.to_owned()))
    }

    /// Names a task, on the board or beside it: an id or a file name.
    pub fn knows(&self, id: &str) -> bool {
        self.with_id(id).next().is_some()
            || ["yaml", "yml"].iter().any(|end| self.aside.contains_key(&format!("{id}.{end}")))
            || self.tasks.values().any(|raw| stem(raw.name()) == id)
    }

    /// All problems of all files, with those that only the whole board can tell, in the order of paths and lines.
    pub fn lint(&self) -> Vec<(String, Problem)> {
        let mut found = Vec::new();
        let mut copies: BTreeMap<(String, String, String), Vec<&Key>> = BTreeMap::new();
        let ids: BTreeSet<&str> = self
            .tasks
            .iter()
            .flat_map(|(key, raw)| [key.id.as_str(), stem(raw.name())])
            .chain(self.aside.keys().map(|name| stem(name)))
            .collect();
        for (key, raw) in &self.tasks {
            let task = Task::new(raw);
            let mut add = |problem| found.push((key.path.clone(), problem));
            task.problems().into_iter().for_each(&mut add);
            if raw.is_readable() && self.is_duplicate(&key.id) {
                add(Problem::whole(ProblemKind::DuplicateId, "another live file has the same id"));
            }
            for dependency in task.dependencies() {
                if dependency.id.as_deref().is_none_or(|id| !ids.contains(id)) {
                    let at = super::node::At { line: dependency.line, column: 1, ..Default::default() };
                    let message =
                        format!("no task here is `{}`", super::card::clip_chars(&dependency.text, 80));
                    add(Problem::at(ProblemKind::DanglingDependency, at, &message));
                }
            }
            if raw.is_readable() {
                let origin = task.get("origin_comment_id").or_else(|| task.get("created_by"));
                let origin = origin.and_then(|node| node.text()).unwrap_or_default().to_owned();
                let agent = task.agent().map(|agent| agent.value.to_owned()).unwrap_or_default();
                copies.entry((task.title().value, agent, origin)).or_default().push(key);
            }
        }
        for keys in copies.into_values().filter(|keys| keys.len() > 1) {
            for key in &keys {
                let message = format!("{} tasks have this title, agent and origin", keys.len());
                found.push((key.path.clone(), Problem::whole(ProblemKind::LikelyCopy, &message)));
            }
        }
        found.sort_by(|a, b| (&a.0, a.1.line, a.1.kind).cmp(&(&b.0, b.1.line, b.1.kind)));
        found
    }
}

//! The large answers, kept as bytes: rendered once for each picture of the board, and task by task, so that a change
//! costs the rendering of one task.
//!
//! At most eight bodies and the rendered tasks of the newest picture are held.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llmctl_proto::ids::Cursor;
use llmctl_proto::task::{Lane, RawTask, State, Task, stem};
use llmctl_proto::time::UnixMs;
use serde_json::Value;

use super::answer::{Fields, Rest, finish, head, stalled, unreadable};
use super::view::{RootView, View};
use super::work::{self, Sum};
use crate::hub::TaskWork;

/// Bodies that are kept.
const MAX_BODIES: usize = 8;
/// Events after which a body is made anew although nothing of it changed: its cursor must stay one that a follower
/// can go on from.
const MAX_BEHIND: u64 = 512;
/// Ages in it are as good as this.
const MAX_AGE: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Which list.
    pub list: List,
    /// What of each task.
    pub fields: Fields,
    /// Only of this project.
    pub project: Option<String>,
}

/// A list of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// The whole board.
    Board,
    /// Without what is done or failed.
    Open,
    /// What is done or failed, by agent.
    Finished,
    /// The same as one list, the newest first.
    FinishedFlat,
}

/// A list as it is sent.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// JSON.
    pub body: Bytes,
    /// Changes when the content does.
    pub etag: String,
    key: (u64, u64),
    seq: u64,
    at: Instant,
}

#[derive(Debug)]
struct Row {
    raw: Arc<RawTask>,
    head: Arc<str>,
    /// Another file has its id.
    duplicate: bool,
    dangling: usize,
    section: Section,
    agent: String,
    rank: u8,
    created: i64,
    finished: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Inbox,
    Assigned,
    Done,
    Error,
}

#[derive(Debug, Default)]
struct Rows {
    generation: u64,
    rows: Vec<Row>,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    rows: HashMap<(std::path::PathBuf, Fields), Rows>,
    rendered: HashMap<Query, Rendered>,
}

impl Bodies {
    /// The body, if it was made from this picture and these operations.
    pub(super) fn get(
        &self,
        query: &Query,
        view: &View,
        all: &[TaskWork],
        cursor: &Cursor,
    ) -> Option<Rendered> {
        let known = self.rendered.get(query)?;
        let fresh = known.key == (view.generation, mark(all))
            && cursor.seq.saturating_sub(known.seq) < MAX_BEHIND
            && known.at.elapsed() < MAX_AGE;
        fresh.then(|| known.clone())
    }

    /// Makes the body. `cursor` was read before the picture was taken.
    pub(super) fn render(
        &mut self,
        query: &Query,
        view: &View,
        all: &[TaskWork],
        cursor: &Cursor,
    ) -> Rendered {
        let roots: Vec<&Arc<RootView>> = view.of(query.project.as_deref()).collect();
        for root in &roots {
            self.prepare(root, query.fields);
        }
        self.rows.retain(|(dir, _), _| view.roots.iter().any(|root| root.place.root == *dir));
        let work = by_task(all);
        let now = UnixMs::now();
        let mut page = Page { query, work: &work, now, entries: Vec::new() };
        for root in &roots {
            if let Some(rows) = self.rows.get(&(root.place.root.clone(), query.fields)) {
                page.entries.extend(rows.rows.iter().map(|row| (*root, row)));
            }
        }
        let text = match query.list {
            List::Board | List::Open => page.board(&roots, cursor),
            List::Finished => page.finished(),
            List::FinishedFlat => page.flat(),
        };
        let key = (view.generation, mark(all));
        let etag = format!("\"{}-{:x}-{:x}\"", cursor.epoch, key.0, key.1);
        let rendered = Rendered { body: text.into(), etag, key, seq: cursor.seq, at: Instant::now() };
        if self.rendered.len() >= MAX_BODIES {
            self.rendered.clear();
        }
        self.rendered.insert(query.clone(), rendered.clone());
        rendered
    }

    /// Renders the tasks of a root that changed since the last time.
    fn prepare(&mut self, root: &Arc<RootView>, fields: Fields) {
        let rows = self.rows.entry((root.place.root.clone(), fields)).or_default();
        if rows.generation == root.generation && !rows.rows.is_empty() {
            return;
        }
        let names: HashSet<&str> = root
            .index
            .iter()
            .flat_map(|(key, raw)| [key.id.as_str(), stem(raw.name())])
            .chain(root.aside.iter().map(|path| stem(path.rsplit('/').next().unwrap_or(path))))
            .collect();
        let old: HashMap<String, Row> = rows.rows.drain(..).map(|row| (row.raw.path.clone(), row)).collect();
        rows.generation = root.generation;
        for (key, raw) in root.index.iter().filter(|(_, raw)| raw.is_readable()) {
            let task = Task::new(raw);
            let dependencies = task.dependencies();
            let lost = |id: Option<&str>| id.is_none_or(|id| !names.contains(id));
            let dangling = dependencies.iter().filter(|d| lost(d.id.as_deref())).count();
            let duplicate = root.index.is_duplicate(&key.id);
            let same = old.get(&raw.path);
            let head = match same.filter(|row| Arc::ptr_eq(&row.raw, raw) && row.duplicate == duplicate) {
                Some(row) => Arc::clone(&row.head),
                None => head(root, raw, fields).into(),
            };
            rows.rows.push(Row { duplicate, dangling, ..Row::new(raw, head) });
        }
    }
}

impl Row {
    fn new(raw: &Arc<RawTask>, head: Arc<str>) -> Self {
        let task = Task::new(raw);
        let section = match (raw.lane, task.state()) {
            (Lane::Inbox, _) => Section::Inbox,
            (_, State::Error) => Section::Error,
            (Lane::Assigned, _) => Section::Assigned,
            _ => Section::Done,
        };
        let agent = raw.agent_dir.clone().or_else(|| task.agent().map(|agent| agent.value.to_owned()));
        let modified = i64::try_from(raw.stat.mtime_ns / 1_000_000).unwrap_or(0);
        Self {
            raw: Arc::clone(raw),
            head,
            duplicate: false,
            dangling: 0,
            section,
            agent: agent.unwrap_or_else(|| "unassigned".to_owned()),
            rank: task.priority_rank(),
            created: task.created().map_or(i64::MAX, |stamp| stamp.value.at.0),
            finished: task.completed().map_or(modified, |stamp| stamp.value.at.0),
        }
    }
}

/// One list while it is written.
struct Page<'a> {
    query: &'a Query,
    work: &'a HashMap<&'a str, Vec<TaskWork>>,
    now: UnixMs,
    entries: Vec<(&'a Arc<RootView>, &'a Row)>,
}

impl<'a> Page<'a> {
    fn board(&mut self, roots: &[&Arc<RootView>], cursor: &Cursor) -> String {
        self.entries.sort_by(|(_, a), (_, b)| {
            b.rank.cmp(&a.rank).then(a.created.cmp(&b.created)).then_with(|| a.raw.path.cmp(&b.raw.path))
        });
        let mut text = String::with_capacity(self.entries.iter().map(|(_, row)| row.head.len() + 96).sum());
        text.push_str("{\"inbox\":");
        self.list(&mut text, self.of(Section::Inbox));
        text.push_str(",\"assigned\":");
        self.map(&mut text, Section::Assigned, &agents(roots, Lane::Assigned));
        let whole = self.query.list == List::Board;
        for (name, section, lane) in
            [("done", Section::Done, Some(Lane::Done)), ("error", Section::Error, None)]
        {
            let _ = write!(text, ",\"{name}\":");
            if whole {
                self.map(&mut text, section, &lane.map_or_else(Vec::new, |lane| agents(roots, lane)));
            } else {
                text.push_str("{}");
            }
        }
        let invalid: Vec<Value> = roots
            .iter()
            .flat_map(|root| root.index.iter().map(move |(_, raw)| (root, raw)))
            .filter(|(_, raw)| !raw.is_readable())
            .map(|(root, raw)| unreadable(root, raw))
            .collect();
        let _ = write!(
            text,
            ",\"invalid\":{},\"timestamp\":{},\"cursor\":\"{cursor}\"}}",
            Value::Array(invalid),
            self.timestamp()
        );
        text
    }

    fn finished(&mut self) -> String {
        self.newest_first();
        let mut text = "{\"done\":".to_owned();
        self.map(&mut text, Section::Done, &[]);
        text.push_str(",\"error\":");
        self.map(&mut text, Section::Error, &[]);
        let _ = write!(text, ",\"timestamp\":{}}}", self.timestamp());
        text
    }

    fn flat(&mut self) -> String {
        self.newest_first();
        let mut text = String::new();
        let ended =
            self.entries.iter().filter(|(_, row)| matches!(row.section, Section::Done | Section::Error));
        self.list(&mut text, ended.copied());
        text
    }

    fn newest_first(&mut self) {
        self.entries
            .sort_by(|(_, a), (_, b)| b.finished.cmp(&a.finished).then_with(|| a.raw.path.cmp(&b.raw.path)));
    }

    fn of(&self, section: Section) -> impl Iterator<Item = (&'a Arc<RootView>, &'a Row)> {
        self.entries.iter().filter(move |(_, row)| row.section == section).copied()
    }

    fn timestamp(&self) -> String {
        serde_json::to_string(&self.now).unwrap_or_else(|_| "null".to_owned())
    }

    fn list(&self, text: &mut String, rows: impl Iterator<Item = (&'a Arc<RootView>, &'a Row)>) {
        text.push('[');
        let mut first = true;
        for (root, row) in rows {
            if !std::mem::take(&mut first) {
                text.push(',');
            }
            let id = Task::new(&row.raw).id().value;
            let sum =
                self.work.get(id).map_or_else(Sum::default, |work| work::of(work, id, root.project_dir()));
            text.push_str(&row.head);
            let stalled = stalled(root, &row.raw, &sum, self.now);
            finish(text, Rest { sum: &sum, stalled, dangling: row.dangling }, self.query.fields);
        }
        text.push(']');
    }

    fn map(&self, text: &mut String, section: Section, agents: &[String]) {
        let mut by_agent: BTreeMap<&str, Vec<(&'a Arc<RootView>, &'a Row)>> =
            agents.iter().map(|agent| (agent.as_str(), Vec::new())).collect();
        for (root, row) in self.of(section) {
            by_agent.entry(&row.agent).or_default().push((root, row));
        }
        text.push('{');
        for (n, (agent, rows)) in by_agent.into_iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            let _ = write!(text, "{}:", Value::from(agent));
            self.list(text, rows.into_iter());
        }
        text.push('}');
    }
}

fn agents(roots: &[&Arc<RootView>], lane: Lane) -> Vec<String> {
    let all = roots.iter().flat_map(|root| root.index.agents().iter());
    all.filter(|(of, _)| *of == lane).map(|(_, agent)| agent.clone()).collect()
}

fn by_task(all: &[TaskWork]) -> HashMap<&str, Vec<TaskWork>> {
    let mut map: HashMap<&str, Vec<TaskWork>> = HashMap::new();
    for work in all {
        map.entry(&work.task_id).or_default().push(work.clone());
    }
    map
}

/// A mark of what operations add to the lists.
fn mark(all: &[TaskWork]) -> u64 {
    let mut hasher = DefaultHasher::new();
    all.hash(&mut hasher);
    hasher.finish()
}

//! A task as JSON: a card for lists, the whole file for the detail, a finding for lint. Pure but for the raw text.
//!
//! Everything a file says goes through the total conversion of its tree, so no value can break an answer.

use std::fmt::Write as _;

use llmctl_proto::task::{Body, RawTask, State, Task};
use llmctl_proto::time::UnixMs;
use serde_json::{Map, Value, json};

use super::view::{RootView, View};
use super::work::Sum;

/// What of a task goes into a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fields {
    /// The file's mapping.
    All,
    /// The clipped card.
    Card,
}

/// A task in a list up to what operations add: JSON text without its end. `finish` closes it.
pub(super) fn head(root: &RootView, raw: &RawTask, fields: Fields) -> String {
    let card = root.index.card(raw);
    match fields {
        Fields::Card => {
            let mut card = object(serde_json::to_value(&card));
            card.remove("operations");
            card.remove("cost_nano_usd");
            card.insert("project".into(), root.place.project.clone().into());
            card.insert("path".into(), raw.path.clone().into());
            open(&card)
        }
        Fields::All => {
            let task = Task::new(raw);
            let meta = json!({
                "project": root.place.project, "path": raw.path, "lane": raw.lane, "id": card.id,
                "state": card.state, "rev": card.rev, "modified": card.modified, "drift": card.drift,
                "problems": card.problems, "priority_rank": card.priority_rank, "title": task.title().value,
                "agent": task.agent().map(|agent| agent.value), "agent_dir": raw.agent_dir,
                "created": card.created,
            });
            let mut text = open(&mapping(raw));
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str("\"_llmctl\":");
            text.push_str(&open(&object(Ok(meta))));
            text
        }
    }
}

/// What others than the file say of a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    /// Its operations.
    pub(super) sum: &'a Sum,
    /// Nobody seems to work on it.
    pub(super) stalled: bool,
    /// Dependencies that name no task here.
    pub(super) dangling: usize,
}

/// Closes what `head` began.
pub(super) fn finish(text: &mut String, rest: Rest<'_>, fields: Fields) {
    let Rest { sum, stalled, dangling } = rest;
    let cost = sum.cost_nano_usd.map_or(Value::Null, Value::from);
    let running = serde_json::to_string(&sum.running).unwrap_or_else(|_| "[]".to_owned());
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        r#","operations":{},"cost_nano_usd":{cost},"running":{running},"stalled":{stalled},"dangling":{dangling}}}"#,
        sum.operations
    );
    if fields == Fields::All {
        text.push('}');
    }
}

/// One task for a list.
pub fn listed(root: &RootView, raw: &RawTask, sum: &Sum, fields: Fields) -> String {
    let mut text = head(root, raw, fields);
    let stalled = stalled(root, raw, sum, UnixMs::now());
    finish(&mut text, Rest { sum, stalled, dangling: dangling(root, raw) }, fields);
    text
}

/// Work that nobody seems to do.
pub(super) fn stalled(root: &RootView, raw: &RawTask, sum: &Sum, now: UnixMs) -> bool {
    if !raw.is_readable() || !sum.running.is_empty() {
        return false;
    }
    let task = Task::new(raw);
    let limit = root.place.rules.settings.stalled_after_s.saturating_mul(1_000);
    let modified = UnixMs(i64::try_from(raw.stat.mtime_ns / 1_000_000).unwrap_or(i64::MAX));
    let since = task.started().map_or(modified, |stamp| stamp.value.at);
    limit > 0 && task.state() == State::InProgress && now.since(since) > limit
}

/// Dependencies that name no task here.
fn dangling(root: &RootView, raw: &RawTask) -> usize {
    let dependencies = Task::new(raw).dependencies();
    dependencies.iter().filter(|d| d.id.as_deref().is_none_or(|id| !root.index.knows(id))).count()
}

/// A file that cannot be read, for a list.
pub fn unreadable(root: &RootView, raw: &RawTask) -> Value {
    let task = Task::new(raw);
    let problem = match &raw.body {
        Body::Unreadable { problem, .. } => serde_json::to_value(problem).unwrap_or_default(),
        _ => Value::Null,
    };
    json!({
        "project": root.place.project, "path": raw.path, "lane": raw.lane, "id": task.id().value,
        "agent": task.agent().map(|agent| agent.value), "agent_dir": raw.agent_dir, "title": task.title().value,
        "status": task.status(), "priority": task.priority(), "rev": raw.rev(),
        "problem": problem["kind"], "line": problem["line"], "column": problem["column"],
        "message": problem["message"],
    })
}

/// Everything known of one task. `text` is the file as it is on disk, when it could be read.
pub fn detail(root: &RootView, raw: &RawTask, sum: &Sum, text: Option<&str>) -> Value {
    let task = Task::new(raw);
    let mut whole = if raw.is_readable() {
        serde_json::from_str(&listed(root, raw, sum, Fields::All)).unwrap_or_default()
    } else {
        let meta = unreadable(root, raw);
        json!({"id": meta["id"], "title": meta["title"], "agent": meta["agent"], "status": meta["status"],
               "priority": meta["priority"], "_llmctl": meta})
    };
    let depends: Vec<Value> = task
        .dependencies()
        .iter()
        .map(|d| {
            let dangling = d.id.as_deref().is_none_or(|id| !root.index.knows(id));
            json!({"id": d.id, "text": d.text, "type": d.kind, "dangling": dangling})
        })
        .collect();
    let meta = &mut whole["_llmctl"];
    meta["problems"] = serde_json::to_value(task.problems()).unwrap_or_default();
    meta["dependencies"] = depends.into();
    meta["waits_for"] = root.index.waits_for(task).into();
    meta["derived"] = json!({
        "id": format!("{:?}", task.id().from).to_lowercase(),
        "title": format!("{:?}", task.title().from).to_lowercase(),
        "agent": task.agent().map(|agent| format!("{:?}", agent.from).to_lowercase()),
    });
    meta["card"] = if raw.is_readable() {
        serde_json::from_str(&listed(root, raw, sum, Fields::Card)).unwrap_or_default()
    } else {
        Value::Null
    };
    meta["operation_ids"] = sum.ids.clone().into();
    meta["raw"] = text.into();
    whole
}

/// What is wrong in the files of one project, or of all, in the order of paths.
pub fn findings(view: &View, project: Option<&str>) -> Vec<Value> {
    let mut all = Vec::new();
    for root in view.of(project) {
        let left_out = root.skipped.iter().cloned();
        for (path, problem) in root.index.lint().into_iter().chain(left_out) {
            all.push(json!({
                "project": root.place.project, "path": path, "kind": problem.kind, "message": problem.message,
                "line": problem.line, "column": problem.column, "remedy": problem.kind.remedy(),
            }));
        }
    }
    all
}

/// The file's mapping; the Markdown behind front matter is its description.
fn mapping(raw: &RawTask) -> Map<String, Value> {
    let mut map = object(Ok(raw.node().map(llmctl_proto::task::Node::to_json).unwrap_or_default()));
    map.remove("_llmctl");
    if let Body::FrontMatter { markdown, .. } = &raw.body {
        map.entry("description").or_insert_with(|| markdown.clone().into());
    }
    map
}

fn object(value: serde_json::Result<Value>) -> Map<String, Value> {
    match value {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The text of an object without its last brace.
fn open(map: &Map<String, Value>) -> String {
    let mut text = serde_json::to_string(map).unwrap_or_else(|_| "{}".to_owned());
    text.pop();
    text
}

//! `llmctl task show`: everything of one task.

use std::fmt::Write as _;

use llmctl_proto::task::{Body, Derived, Origin, Task};
use serde_json::json;

use super::place::Place;
use super::{print_json, print_safe};
use crate::error::{Exit, Outcome};

pub(super) fn run(place: &mut Place, id: &str, raw: bool, json: bool) -> Outcome {
    let loaded = place.load(id)?;
    if raw {
        print_safe(&String::from_utf8_lossy(&loaded.bytes))?;
        return Ok(Exit::Ok);
    }
    let task = Task::new(&loaded.raw);
    let card = place.row(&loaded.raw.path)?;
    let scan = place.scan()?;
    let problems: Vec<_> =
        scan.board.lint().into_iter().filter(|(path, _)| *path == loaded.raw.path).map(|(_, p)| p).collect();
    if json {
        let fields = loaded.raw.node().map(llmctl_proto::task::Node::to_json);
        let origins = json!({
            "id": origin(task.id().from),
            "title": origin(task.title().from),
            "agent": task.agent().map(|agent| origin(agent.from)),
            "created": task.created().map(|stamp| origin(stamp.from)),
        });
        let waits = scan.board.waits_for(task);
        print_json(&json!({
            "path": card.path, "card": card.card, "fields": fields, "problems": problems, "origins": origins,
            "waits_for": waits,
        }))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    let derived = |value: &Derived<&str>, key: &str| match value.from {
        Origin::Key(from) if from == key => value.value.to_owned(),
        from => format!("{} ({})", value.value, origin(from)),
    };
    line("id", derived(&task.id(), "id"));
    let title = task.title();
    line("title", derived(&Derived { value: title.value.as_str(), from: title.from }, "title"));
    line("path", loaded.raw.path.clone());
    let (state, drift) = task.state_and_drift();
    let mark =
        if drift { format!(" (status says {})", task.status().unwrap_or("nothing")) } else { String::new() };
    line("state", format!("{state}{mark}"));
    line("priority", task.priority().unwrap_or("-").to_owned());
    if let Some(agent) = task.agent() {
        line("agent", derived(&agent, "agent"));
    }
    for (name, stamp) in [
        ("created", task.created()),
        ("assigned", task.assigned()),
        ("started", task.started()),
        ("completed", task.completed()),
    ] {
        if let Some(stamp) = stamp {
            let zone = if stamp.value.zone_assumed { " (zone assumed)" } else { "" };
            line(name, format!("{}{zone}", stamp.value.at));
        }
    }
    if let Some(estimate) = task.estimate() {
        line("estimate", format!("{} h", estimate.text));
    }
    if let Some(batch) = task.batch() {
        line("batch", batch.to_owned());
    }
    for dependency in task.dependencies() {
        let mark = match &dependency.id {
            Some(id) => scan.board.named(id).map(|raw| Task::new(raw).state().to_string()),
            None => None,
        };
        line("depends on", format!("{} [{}]", dependency.text, mark.as_deref().unwrap_or("no task here")));
    }
    line("rev", loaded.raw.rev());
    for problem in &problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{line}:{column} "),
            _ => String::new(),
        };
        line("problem", format!("{place}{}: {}; {}", problem.kind, problem.message, problem.kind.remedy()));
    }
    text.push_str(&fields(task));
    print_safe(&text)?;
    Ok(Exit::Ok)
}

/// Keys that stand in the head already.
const IN_HEAD: [&str; 14] = [
    "id",
    "task_id",
    "title",
    "status",
    "priority",
    "agent",
    "created_at",
    "created",
    "assigned_at",
    "started_at",
    "completed_at",
    "batch",
    "dependencies",
    "estimated_hours",
];

fn fields(task: Task<'_>) -> String {
    let Some(node) = task.raw().node() else { return String::new() };
    let mut text = String::new();
    for entry in node.entries().unwrap_or_default() {
        let key = entry.key.key_text();
        if !IN_HEAD.contains(&key.as_str()) {
            let _ = write!(text, "\n{key}:\n{}\n", entry.value.to_markdown());
        }
    }
    if let Body::FrontMatter { markdown, .. } = &task.raw().body {
        let _ = write!(text, "\n{markdown}\n");
    }
    text
}

fn origin(from: Origin) -> String {
    match from {
        Origin::Key(key) => format!("key `{key}`"),
        Origin::Name => "from the file's name".to_owned(),
        Origin::Directory => "from the directory".to_owned(),
        Origin::Salvage => "recognised in an unreadable file".to_owned(),
    }
}

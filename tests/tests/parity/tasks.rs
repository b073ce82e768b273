//! Events of task files and of their watchers: neither projection keeps them, and both must bear them.

use llmctl_proto::event::Event;
use serde_json::{Value, json};

use crate::events::Events;

const NAMES: [&str; 11] = [
    "task.created",
    "task.assigned",
    "task.started",
    "task.completed",
    "task.failed",
    "task.updated",
    "task.invalid",
    "task.removed",
    "watcher.started",
    "watcher.stopped",
    "watcher.degraded",
];

impl Events {
    pub(crate) fn of_tasks(&mut self) -> Event {
        let name = self.random.pick(&NAMES);
        let (project, id) = (self.word(), self.word());
        let data = match name {
            "task.invalid" => json!({
                "project": project, "task_id": id, "path": "inbox/a.yaml", "lane": "inbox", "problem": "syntax",
                "line": 3, "column": null, "message": "no YAML", "salvage": {"title": "A"},
            }),
            "task.removed" => json!({
                "project": project, "task_id": id, "path": "inbox/a.yaml", "lane": "inbox", "reason": "deleted",
            }),
            "watcher.started" => json!({"project": project, "files": 3}),
            "watcher.stopped" => json!({"project": project}),
            "watcher.degraded" => json!({
                "project": project, "path": "work/collaboration", "reason": "watch_limit", "mode": "polling",
                "interval_ms": 2000, "recovered": false,
            }),
            _ => change(&project, &id),
        };
        Event::parse(name, &data.to_string()).expect("a payload of this type")
    }
}

fn change(project: &str, id: &str) -> Value {
    let card = json!({
        "id": id, "title": "A", "agent": "x", "lane": "assigned", "state": "in_progress", "status": "active",
        "priority": "HIGH", "priority_rank": 3, "created": null, "modified": "2026-02-09T20:35:00.000Z",
        "rev": "0123456789abcdef", "batch": null, "tags": [], "blocked_reason": null, "dependencies": [],
        "drift": false, "problems": [], "operations": 0, "cost_nano_usd": null,
    });
    json!({"project": project, "task_id": id, "path": "assigned/x/a.yaml", "lane": "assigned", "card": card})
}

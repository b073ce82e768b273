//! What an agent is told of a task: its fields as one Markdown text.
//!
//! Words of the file are only quoted. What they say is for the agent to weigh; nothing here acts on them.

use std::fmt::Write as _;

use super::view::Task;

/// Sections in their order, by key and title.
const SECTIONS: [(&str, &str); 9] = [
    ("description", "Description"),
    ("context", "Context"),
    ("requirements", "Requirements"),
    ("deliverables", "Deliverables"),
    ("constraints", "Constraints"),
    ("technical_notes", "Technical notes"),
    ("specification", "Specification"),
    ("references", "References"),
    ("notes", "Notes"),
];

/// The prompt of a task: its `prompt` where it has one, and everything else that says what is to be done.
pub fn brief(task: Task<'_>) -> String {
    let mut text = format!("# {}\n\n", one_line(&task.title().value));
    let agent = task.agent().map(|agent| format!(", agent {}", one_line(agent.value))).unwrap_or_default();
    let _ = writeln!(text, "Task {}{agent}, file {}.", one_line(task.id().value), task.raw().path);
    if let Some(prompt) = task.markdown("prompt") {
        section(&mut text, None, &prompt);
    }
    for (key, title) in SECTIONS {
        if let Some(body) = task.markdown(key) {
            section(&mut text, Some(title), &body);
        }
    }
    list(&mut text, "Acceptance criteria", &task.acceptance_criteria());
    list(&mut text, "Artefacts", &task.artefacts());
    text.push_str("\nWhen you have finished, end with a short summary of what you did and what is left.\n");
    text
}

fn section(text: &mut String, title: Option<&str>, body: &str) {
    let body = body.trim();
    if body.is_empty() {
        return;
    }
    text.push('\n');
    if let Some(title) = title {
        let _ = writeln!(text, "## {title}\n");
    }
    text.push_str(body);
    text.push('\n');
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    let body: Vec<String> =
        lines.iter().map(|line| format!("- {}", line.trim().replace('\n', "\n  "))).collect();
    section(text, Some(title), &body.join("\n"));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

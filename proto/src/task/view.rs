//! A task as its readers want it: accessors over the tree that always have an answer.
//!
//! Each gives a value, a derived value, or nothing; no field is required, none has a type it must have. What looks
//! wrong is collected by `problems`, never refused.

use super::body::{Body, RawTask};
use super::layout::stem;
use super::node::{Node, Scalar, Value};
use super::stamp::{Stamp, hours_to_minutes};
use super::status::{DEFAULT_RANK, State, priority_rank};

/// Longest id, in bytes.
pub const MAX_ID_BYTES: usize = 200;

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub from: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This key of the file.
    Key(&'static str),
    /// The file's name.
    Name,
    /// The directory it is in.
    Directory,
    /// What was recognised of an unreadable file.
    Salvage,
}

/// A dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The task it may name; whether that task exists is for the board to say.
    pub id: Option<String>,
    /// As written.
    pub text: String,
    /// `type`, where the entry is a mapping.
    pub kind: Option<String>,
    /// Line.
    pub line: u32,
}

/// An estimate of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// As written.
    pub text: String,
    /// Minutes, when it is one number.
    pub minutes: Option<u32>,
}

/// A file, read as a task.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    raw: &'a RawTask,
}

impl<'a> Task<'a> {
    /// A view of a file.
    pub fn new(raw: &'a RawTask) -> Self {
        Self { raw }
    }

    /// The file.
    pub fn raw(self) -> &'a RawTask {
        self.raw
    }

    /// The value of a top-level key; nothing if it is absent or null.
    pub fn get(self, key: &str) -> Option<&'a Node> {
        self.raw.node()?.get(key)
    }

    fn text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    fn first(self, keys: &[&'static str]) -> Option<(&'static str, &'a Node)> {
        keys.iter().find_map(|key| self.get(key).map(|node| (*key, node)))
    }

    /// `id`, else `task_id`, else the file's name without its ending.
    pub fn id(self) -> Derived<&'a str> {
        for key in ["id", "task_id"] {
            if let Some(value) = self.text(key).filter(|id| is_id(id)) {
                return Derived { value, from: Origin::Key(key) };
            }
        }
        if let Body::Unreadable { salvage, .. } = &self.raw.body
            && let Some(value) = salvage.id.as_deref().filter(|id| is_id(id))
        {
            return Derived { value, from: Origin::Salvage };
        }
        Derived { value: stem(self.raw.name()), from: Origin::Name }
    }

    /// `agent`, `assignee` or `to_agent`, else the agent's directory.
    pub fn agent(self) -> Option<Derived<&'a str>> {
        for key in ["agent", "assignee", "to_agent"] {
            if let Some(value) = self.text(key).filter(|text| !text.trim().is_empty()) {
                return Some(Derived { value, from: Origin::Key(key) });
            }
        }
        if let Some(value) = self.raw.agent_dir.as_deref() {
            return Some(Derived { value, from: Origin::Directory });
        }
        match &self.raw.body {
            Body::Unreadable { salvage, .. } => {
                salvage.agent.as_deref().map(|value| Derived { value, from: Origin::Salvage })
            }
            _ => None,
        }
    }

    /// `title`, else what the file's name says of it.
    pub fn title(self) -> Derived<String> {
        if let Some(text) = self.text("title").filter(|text| !text.trim().is_empty()) {
            return Derived { value: text.trim().to_owned(), from: Origin::Key("title") };
        }
        if let Body::Unreadable { salvage, .. } = &self.raw.body
            && let Some(title) = &salvage.title
        {
            return Derived { value: title.clone(), from: Origin::Salvage };
        }
        Derived { value: title_of_name(stem(self.raw.name())), from: Origin::Name }
    }

    /// The status as written; a list or mapping gives nothing.
    pub fn status(self) -> Option<&'a str> {
        match &self.raw.body {
            Body::Unreadable { salvage, .. } => salvage.status.as_deref(),
            _ => self.text("status"),
        }
    }

    /// State and drift, by directory and status. An unreadable file has the state of its directory.
    pub fn state_and_drift(self) -> (State, bool) {
        match self.raw.body {
            Body::Unreadable { .. } => (State::in_lane(self.raw.lane, None).0, false),
            _ => State::in_lane(self.raw.lane, self.status().and_then(State::from_alias)),
        }
    }

    /// State.
    pub fn state(self) -> State {
        self.state_and_drift().0
    }

    /// The status does not fit the directory.
    pub fn drift(self) -> bool {
        self.state_and_drift().1
    }

    /// The priority as written.
    pub fn priority(self) -> Option<&'a str> {
        match &self.raw.body {
            Body::Unreadable { salvage, .. } => salvage.priority.as_deref(),
            _ => self.text("priority"),
        }
    }

    /// Rank of the priority: 4 critical to 1 low; absent and unknown ones are 2.
    pub fn priority_rank(self) -> u8 {
        let known = match self.get("priority").map(Node::scalar) {
            Some(Some(Scalar::Text(word))) => priority_rank(word),
            _ => self.priority().and_then(priority_rank),
        };
        known.unwrap_or(DEFAULT_RANK)
    }

    /// The time under the first of these keys that holds one.
    pub fn stamp(self, keys: &[&'static str]) -> Option<Derived<Stamp>> {
        keys.iter().find_map(|key| {
            let value = Stamp::parse(self.text(key)?)?;
            Some(Derived { value, from: Origin::Key(key) })
        })
    }

    /// When it was written down.
    pub fn created(self) -> Option<Derived<Stamp>> {
        self.stamp(&["created_at", "created"])
    }

    /// When an agent got it.
    pub fn assigned(self) -> Option<Derived<Stamp>> {
        self.stamp(&["assigned_at"])
    }

    /// When work on it began.
    pub fn started(self) -> Option<Derived<Stamp>> {
        self.stamp(&["started_at"])
    }

    /// When it was finished.
    pub fn completed(self) -> Option<Derived<Stamp>> {
        self.stamp(&["completed_at", "completed"]).or_else(|| {
            let text = self.get("result")?.get("completed_at")?.text()?;
            Some(Derived { value: Stamp::parse(text)?, from: Origin::Key("result") })
        })
    }

    /// What it makes.
    pub fn artefacts(self) -> Vec<String> {
        self.first(&["artefacts", "artifacts"]).map(|(_, node)| lines_of(node)).unwrap_or_default()
    }

    /// Labels.
    pub fn tags(self) -> Vec<String> {
        self.get("tags").map(lines_of).unwrap_or_default()
    }

    /// Ids under `blocks`.
    pub fn blocks(self) -> Vec<String> {
        self.get("blocks").map(lines_of).unwrap_or_default()
    }

    /// Ids under `blocked_by`.
    pub fn blocked_by(self) -> Vec<String> {
        self.get("blocked_by").map(lines_of).unwrap_or_default()
    }

    /// What it waits for, when it is blocked.
    pub fn blocked_reason(self) -> Option<&'a str> {
        self.first(&["blocked_reason", "block_reason", "blocker"]).and_then(|(_, node)| node.text())
    }

    /// The batch as written, so `1.10` stays `1.10`.
    pub fn batch(self) -> Option<&'a str> {
        self.text("batch")
    }

    /// The estimate as written, and in minutes when it is one number.
    pub fn estimate(self) -> Option<Hours> {
        let (_, node) = self.first(&["estimated_hours", "estimated_effort_hours"])?;
        let text = node.text()?.trim().to_owned();
        Some(Hours { minutes: hours_to_minutes(&text), text })
    }

    /// What it depends on.
    pub fn dependencies(self) -> Vec<Dependency> {
        let Some(node) = self.get("dependencies") else { return Vec::new() };
        match &node.value {
            Value::List { items, .. } => items.iter().filter_map(dependency).collect(),
            Value::Map { entries, .. } => entries
                .iter()
                .flat_map(|entry| match entry.value.items() {
                    Some(items) => items.iter().filter_map(dependency).collect::<Vec<_>>(),
                    None => {
                        let text = format!("{}: {}", entry.key.key_text(), entry.value.to_markdown());
                        vec![Dependency { id: None, text, kind: None, line: entry.key.at.line }]
                    }
                })
                .collect(),
            Value::Scalar { .. } => dependency(node).into_iter().collect(),
        }
    }

    /// Lines of `acceptance_criteria`.
    pub fn acceptance_criteria(self) -> Vec<String> {
        self.get("acceptance_criteria").map(lines_of).unwrap_or_default()
    }

    /// A field as Markdown, whatever its type; the Markdown behind front matter counts as `description`.
    pub fn markdown(self, key: &str) -> Option<String> {
        match (self.get(key), &self.raw.body) {
            (Some(node), _) => Some(node.to_markdown()),
            (None, Body::FrontMatter { markdown, .. }) if key == "description" => Some(markdown.clone()),
            _ => None,
        }
    }

    /// `summary` of the result, or the result itself when it is text.
    pub fn result_summary(self) -> Option<String> {
        let result = self.get("result")?;
        match result.get("summary") {
            Some(summary) => Some(summary.to_markdown()),
            None => result.text().map(|text| text.trim().to_owned()),
        }
    }

    /// Artefacts of the result.
    pub fn result_artefacts(self) -> Vec<String> {
        let Some(result) = self.get("result") else { return Vec::new() };
        result.get("artefacts").or_else(|| result.get("artifacts")).map(lines_of).unwrap_or_default()
    }

    /// Who should go on, by the result or the hand-off.
    pub fn next_agent(self) -> Option<&'a str> {
        ["result", "handoff"].iter().find_map(|key| self.get(key)?.get("next_agent")?.text())
    }

    /// The message of `error`.
    pub fn error_message(self) -> Option<String> {
        let error = self.get("error")?;
        error.get("message").unwrap_or(error).text().map(|text| text.trim().to_owned())
    }

    /// A few words about it, for a preview.
    pub fn preview(self) -> Option<String> {
        ["description", "context", "notes"].iter().find_map(|key| self.markdown(key))
    }
}

/// A text that can be an id: 1 to 200 bytes without control characters.
pub fn is_id(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control)
}

fn title_of_name(stem: &str) -> String {
    // `2025-12-01T0511-backend-dev-agent-profile-parser` → `backend dev agent profile parser`
    let slug = match stem.split_at_checked(16) {
        Some((date, slug)) if Stamp::parse(&date[..10]).is_some() && date.ends_with('-') => slug,
        _ => match stem.split_at_checked(11) {
            Some((date, slug)) if Stamp::parse(&date[..10]).is_some() && date.ends_with('-') => slug,
            _ => stem,
        },
    };
    let title = slug.replace(['-', '_'], " ");
    if title.trim().is_empty() { stem.to_owned() } else { title.trim().to_owned() }
}

fn lines_of(node: &Node) -> Vec<String> {
    match &node.value {
        Value::List { items, .. } => items
            .iter()
            .filter(|item| !item.is_null())
            .map(|item| match item.entries() {
                Some([only]) if only.value.text().is_some() => {
                    format!("{}: {}", only.key.key_text(), only.value.to_markdown())
                }
                _ => item.to_markdown(),
            })
            .collect(),
        Value::Map { entries, .. } => entries
            .iter()
            .map(|entry| format!("{}: {}", entry.key.key_text(), entry.value.to_markdown()))
            .collect(),
        Value::Scalar { .. } => {
            node.text().map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
        }
    }
}

fn dependency(node: &Node) -> Option<Dependency> {
    let line = node.at.line;
    if let Some(text) = node.text() {
        let text = text.trim().to_owned();
        return (!text.is_empty()).then(|| Dependency { id: named(&text), text, kind: None, line });
    }
    node.entries()?;
    let field = |key: &str| node.get(key).and_then(Node::text).map(|text| text.trim().to_owned());
    let id = field("task_id").or_else(|| field("id")).and_then(|id| named(&id));
    let text = field("description").or_else(|| id.clone()).unwrap_or_else(|| node.to_markdown());
    Some(Dependency { id, text, kind: field("type"), line })
}

/// The task that a text can name: one word, a file's ending left out.
fn named(text: &str) -> Option<String> {
    let id = stem(text.rsplit('/').next().unwrap_or(text));
    (is_id(id) && !id.contains(char::is_whitespace)).then(|| id.to_owned())
}

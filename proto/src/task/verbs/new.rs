//! New task files, by the convention of names.

use super::{Asked, Refusal, agent_name, given};
use crate::task::body::Body;
use crate::task::edit::{Edit, apply};
use crate::task::stamp::name_stamp;
use crate::task::status::{Lane, State, priority_rank};

/// The text and the name of a new task's file, by the convention: the name begins with the minute, the id is the
/// name without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Title; an empty one is that of the template.
    pub title: String,
    /// Agent, known or not.
    pub agent: Option<String>,
    /// Priority; by default that of the template, else `medium`.
    pub priority: Option<String>,
    /// Description, Markdown.
    pub description: Option<String>,
    /// Who writes it down.
    pub created_by: Option<String>,
    /// Straight to the agent.
    pub assign: bool,
    /// Text to begin with: what nothing is said about here stays as it is there, comments and order included.
    pub template: Option<String>,
}

impl NewTask {
    /// Directory below the root, stem of the name, and text. The `n`th try at a name ends in `-n` from the second on.
    ///
    /// # Errors
    /// A value is none.
    pub fn render(&self, n: u32, asked: Asked<'_>) -> Result<(String, String, String), Refusal> {
        let template = self.template.as_deref().map(Template::read).transpose()?.unwrap_or_default();
        let given_title = Some(self.title.trim()).filter(|title| !title.is_empty());
        let title = given_title.or(template.title.as_deref()).unwrap_or_default().trim();
        if title.is_empty() || title.len() > 1000 || title.contains('\n') {
            return Err(Refusal::BadValue("a title is one line of 1 to 1,000 bytes".to_owned()));
        }
        let agent = self.agent.as_deref().or(template.agent.as_deref()).map(agent_name).transpose()?;
        let priority = self.priority.as_deref().or(template.priority.as_deref()).unwrap_or("medium");
        let word = priority.trim().to_ascii_lowercase();
        if priority_rank(&word).is_none() {
            return Err(Refusal::BadValue(format!("{word:?} is no priority")));
        }
        if self.assign && agent.is_none() {
            return Err(Refusal::BadValue("nobody is named to assign it to".to_owned()));
        }
        let again = if n > 1 { format!("-{n}") } else { String::new() };
        let who = agent.map_or_else(String::new, |agent| format!("-{agent}"));
        let id = format!("{}{who}-{}{again}", name_stamp(asked.now), slug(title));
        let state = if self.assign { State::Assigned } else { State::New };
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(agent.map(|agent| Edit::text("agent", agent)));
        edits.push(Edit::text("status", state.as_str()));
        edits.push(Edit::text("priority", word));
        edits.push(Edit::text("title", title));
        edits.push(Edit::time("created_at", asked.now));
        edits.extend(self.created_by.as_deref().map(|by| Edit::text("created_by", by)));
        if self.assign {
            edits.push(Edit::time("assigned_at", asked.now));
        }
        let text = self.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
        edits.extend(
            text.map(|text| Edit::text("description", given(text, "description").unwrap_or_default())),
        );
        // Written by the same hand as every edit, from the template or from a file that holds the id alone.
        let base = match &self.template {
            Some(text) => with_id(text, &id)?,
            None => format!("id: {id}\n"),
        };
        let made = apply(base.as_bytes(), &edits).map_err(|error| Refusal::BadValue(error.to_string()))?;
        let dir = match (self.assign, agent) {
            (true, Some(agent)) => format!("{}/{agent}", asked.layout.dir(Lane::Assigned)),
            _ => asked.layout.dir(Lane::Inbox).to_owned(),
        };
        Ok((dir, id, made.text))
    }
}

/// What a template says of the values that a new task needs.
#[derive(Default)]
struct Template {
    id: Option<String>,
    title: Option<String>,
    agent: Option<String>,
    priority: Option<String>,
}

impl Template {
    fn read(text: &str) -> Result<Self, Refusal> {
        let body = Body::read(text.as_bytes());
        let root = match &body {
            Body::Parsed(root) | Body::FrontMatter { meta: root, .. } => root,
            Body::Unreadable { problem, .. } => {
                return Err(Refusal::BadValue(format!("the template cannot be read: {}", problem.message)));
            }
        };
        let word =
            |key: &str| root.get(key)?.text().map(str::to_owned).filter(|word| !word.trim().is_empty());
        Ok(Self { id: word("id"), title: word("title"), agent: word("agent"), priority: word("priority") })
    }
}

/// A template with another id. Edits never touch an id, so its line is replaced before any.
fn with_id(text: &str, id: &str) -> Result<String, Refusal> {
    let known = text.lines().position(|line| line.starts_with("id:"));
    let begins = |line: &str| !(line.trim().is_empty() || line.starts_with('#') || line.starts_with("---"));
    let at = known.or_else(|| text.lines().position(begins)).unwrap_or(0);
    let mut out = String::with_capacity(text.len() + id.len() + 8);
    for (n, line) in text.lines().enumerate() {
        if n == at {
            out.extend(["id: ", id, "\n"]);
        }
        if n != at || known.is_none() {
            out.push_str(line);
            out.push('\n');
        }
    }
    let read = Template::read(&out)?;
    if read.id.as_deref() == Some(id) {
        return Ok(out);
    }
    Err(Refusal::BadValue("the template needs an `id:` line of its own, at the top level".to_owned()))
}

/// The words of a title as part of a file name: lower case letters and digits, at most 60 bytes.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 60 {
            break;
        }
    }
    let slug = out.trim_matches('-');
    if slug.is_empty() { "task".to_owned() } else { slug.to_owned() }
}

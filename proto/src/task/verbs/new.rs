//! New task files, by the convention of names.

use super::{Asked, Refusal, agent_name, given};
use crate::task::edit::{Edit, apply};
use crate::task::stamp::name_stamp;
use crate::task::status::{Lane, State, priority_rank};

/// The text and the name of a new task's file, by the convention: the name begins with the minute, the id is the
/// name without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Title.
    pub title: String,
    /// Agent, known or not.
    pub agent: Option<String>,
    /// Priority.
    pub priority: Option<String>,
    /// Description, Markdown.
    pub description: Option<String>,
    /// Who writes it down.
    pub created_by: Option<String>,
    /// Straight to the agent.
    pub assign: bool,
}

impl NewTask {
    /// Directory below the root, stem of the name, and text. The `n`th try at a name ends in `-n` from the second on.
    ///
    /// # Errors
    /// A value is none.
    pub fn render(&self, n: u32, asked: Asked<'_>) -> Result<(String, String, String), Refusal> {
        let title = self.title.trim();
        if title.is_empty() || title.len() > 1000 || title.contains('\n') {
            return Err(Refusal::BadValue("a title is one line of 1 to 1,000 bytes".to_owned()));
        }
        let agent = self.agent.as_deref().map(agent_name).transpose()?;
        let word = self.priority.as_deref().unwrap_or("medium").trim().to_ascii_lowercase();
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
        // Written by the same hand as every edit, from a file that holds the id alone.
        let made = apply(format!("id: {id}\n").as_bytes(), &edits)
            .map_err(|error| Refusal::BadValue(error.to_string()))?;
        let dir = match (self.assign, agent) {
            (true, Some(agent)) => format!("{}/{agent}", asked.layout.dir(Lane::Assigned)),
            _ => asked.layout.dir(Lane::Inbox).to_owned(),
        };
        Ok((dir, id, made.text))
    }
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

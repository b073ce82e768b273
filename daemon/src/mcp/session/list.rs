//! What a server offers: tools, resources and prompts, page by page.
//!
//! Owns the limits of a list: pages, items, bytes, time, and cursors that come back. A list that passes a limit is
//! cut, not refused, and an item that cannot be used is left out by name, so that one fault hides nothing else.
//! Schemas stay the text the server sent, and nothing in them is followed.

use std::collections::HashSet;
use std::time::Duration;

use llmctl_proto::tokens;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::bounded;
use super::error::SessionError;
use super::page::{self, Page};
use super::param_headers;
use super::setup::{Era, ListCaps};
use super::talk::{Ask, Talk};

/// Longest name, in bytes.
const MAX_NAME: usize = 256;
/// Longest title, in bytes.
const MAX_TITLE: usize = 1024;
/// Longest description or address, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Most left-out items that are named.
const MAX_REJECTED: usize = 100;

/// A tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name, at most 256 bytes.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it does, at most 64 KiB.
    pub description: Option<String>,
    /// The schema of its arguments, as the server sent it.
    pub input_schema: Box<RawValue>,
    /// About how many tokens its definition takes in a model's context.
    pub context_tokens_estimate: u64,
    /// SHA-256 of name, description and schema: changes when any of them does.
    pub fingerprint: [u8; 32],
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its address.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The names of its arguments.
    pub arguments: Vec<String>,
}

/// An item that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its name, as far as it has one.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Why a list is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A cursor came back that had been followed before.
    CursorLoop,
    /// There were more pages than allowed.
    Pages,
    /// There were more items than allowed.
    Items,
    /// The items were larger than allowed.
    Bytes,
    /// The pages took longer than allowed.
    Time,
}

/// A list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// Its items, in the server's order.
    pub items: Vec<T>,
    /// Items that were left out; the first 100.
    pub rejected: Vec<Rejected>,
    /// Pages that were read.
    pub pages: usize,
    /// Bytes of the items.
    pub bytes: usize,
    /// How long the server lets the list be kept; the shortest of all pages.
    pub ttl: Option<Duration>,
    /// Why the list is not whole; none if it is.
    pub cut: Option<Cut>,
}

impl<T> Listed<T> {
    fn empty() -> Self {
        Self { items: Vec::new(), rejected: Vec::new(), pages: 0, bytes: 0, ttl: None, cut: None }
    }

    fn reject(&mut self, name: &str, reason: &'static str) {
        if self.rejected.len() < MAX_REJECTED {
            self.rejected.push(Rejected { name: bounded::text(name.to_owned(), MAX_NAME), reason });
        }
    }
}

type Read<T> = fn(&RawValue) -> Result<T, Rejected>;

pub(super) async fn tools(talk: &Talk, caps: ListCaps) -> Result<Listed<Tool>, SessionError> {
    let mut listed = all(talk, "tools", caps, read_tool).await?;
    // Over HTTP a faulty note of a header makes a tool unusable; pipes have no headers.
    if talk.http().is_some() && talk.identity().era == Era::Modern {
        let (good, bad): (Vec<_>, Vec<_>) =
            listed.items.drain(..).partition(|tool| param_headers::read(&tool.input_schema).is_ok());
        listed.items = good;
        for tool in bad {
            listed.reject(&tool.name, "its x-mcp-header is invalid");
        }
    }
    Ok(listed)
}

pub(super) async fn resources(talk: &Talk, caps: ListCaps) -> Result<Listed<Resource>, SessionError> {
    if !talk.identity().capabilities.resources {
        return Ok(Listed::empty());
    }
    all(talk, "resources", caps, read_resource).await
}

pub(super) async fn prompts(talk: &Talk, caps: ListCaps) -> Result<Listed<Prompt>, SessionError> {
    if !talk.identity().capabilities.prompts {
        return Ok(Listed::empty());
    }
    all(talk, "prompts", caps, read_prompt).await
}

/// Reads pages until there is no next one, or a limit is passed.
async fn all<T>(
    talk: &Talk,
    kind: &'static str,
    caps: ListCaps,
    read: Read<T>,
) -> Result<Listed<T>, SessionError> {
    let method = format!("{kind}/list");
    let until = Instant::now() + caps.time;
    let mut listed = Listed::empty();
    let mut cursors = HashSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
        let left = until.saturating_duration_since(Instant::now());
        let result = match talk.ask(Ask::new(&method, params), Some(left)).await {
            Ok(result) => result,
            Err(SessionError::Rpc(error)) if error.is_method_not_found() && listed.pages == 0 => {
                return Ok(listed);
            }
            Err(SessionError::Timeout { .. }) if listed.pages > 0 => {
                listed.cut = Some(Cut::Time);
                return Ok(listed);
            }
            // The time is that of the whole list, not what was left of it.
            Err(SessionError::Timeout { method, .. }) => {
                return Err(SessionError::Timeout { method, after: caps.time });
            }
            Err(error) => return Err(error),
        };
        let wrong = || SessionError::Protocol { message: format!("the answer to {method} holds no list") };
        let page = page::read(result.get(), kind, caps.items - listed.items.len()).ok_or_else(wrong)?;
        let next = take(&mut listed, page, caps, read);
        let Some(next) = next else { return Ok(listed) };
        if listed.pages >= caps.pages {
            listed.cut = Some(Cut::Pages);
        } else if !cursors.insert(next.clone()) {
            listed.cut = Some(Cut::CursorLoop);
        }
        if listed.cut.is_some() {
            return Ok(listed);
        }
        cursor = Some(next);
    }
}

/// Adds a page and gives the cursor of the next one, unless a limit is passed.
fn take<T>(listed: &mut Listed<T>, page: Page<'_>, caps: ListCaps, read: Read<T>) -> Option<String> {
    listed.pages += 1;
    listed.ttl = match (listed.ttl, page.ttl_ms.map(Duration::from_millis)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    for item in page.items {
        listed.bytes += item.get().len();
        if listed.bytes > caps.bytes {
            listed.cut = Some(Cut::Bytes);
            return None;
        }
        match read(item) {
            Ok(item) => listed.items.push(item),
            Err(Rejected { name, reason }) => listed.reject(&name, reason),
        }
    }
    if page.more {
        listed.cut = Some(Cut::Items);
        return None;
    }
    page.next
}

fn rejected(name: impl Into<String>, reason: &'static str) -> Rejected {
    Rejected { name: name.into(), reason }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    title: Option<Value>,
    #[serde(default)]
    description: Option<Value>,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    mime_type: Option<Value>,
    #[serde(borrow, default)]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

fn sent(item: &RawValue) -> Result<Sent<'_>, Rejected> {
    serde_json::from_str(item.get()).map_err(|_| rejected("", "it is not what the protocol says"))
}

/// A text; anything else where a text should be counts as absent.
fn text(value: Option<Value>, limit: usize) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Some(bounded::text(text, limit)),
        _ => None,
    }
}

fn named(name: Option<String>) -> Result<String, Rejected> {
    match name {
        None => Err(rejected("", "it has no name")),
        Some(name) if name.is_empty() => Err(rejected("", "its name is empty")),
        Some(name) if name.len() > MAX_NAME => Err(rejected(name, "its name is longer than 256 bytes")),
        Some(name) => Ok(name),
    }
}

fn read_tool(item: &RawValue) -> Result<Tool, Rejected> {
    let sent = sent(item)?;
    let name = named(sent.name)?;
    let schema = match sent.input_schema {
        Some(schema) if schema.get().starts_with('{') => schema.to_owned(),
        Some(_) => return Err(rejected(name, "its inputSchema is no object")),
        None => return Err(rejected(name, "it has no inputSchema")),
    };
    let full = match &sent.description {
        Some(Value::String(text)) => text.as_str(),
        _ => "",
    };
    // What a model is given: these three, and little around them.
    let told = name.len() + full.len() + schema.get().len();
    let mut hash = Sha256::new();
    for part in [name.as_str(), full, schema.get()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let fingerprint = hash.finalize().into();
    let title = text(sent.title, MAX_TITLE).or_else(|| title_in(sent.annotations));
    Ok(Tool {
        title,
        description: text(sent.description, MAX_TEXT),
        context_tokens_estimate: tokens::of_bytes(told as u64, None),
        fingerprint,
        input_schema: schema,
        name,
    })
}

/// Where titles were before 2025-06-18.
fn title_in(annotations: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Annotations {
        title: Option<String>,
    }
    let annotations = serde_json::from_str::<Annotations>(annotations?.get()).ok()?;
    bounded::some(annotations.title.filter(|title| !title.is_empty()), MAX_TITLE)
}

fn read_resource(item: &RawValue) -> Result<Resource, Rejected> {
    let sent = sent(item)?;
    let name = sent.name.unwrap_or_default();
    let Some(uri) = sent.uri else { return Err(rejected(name, "it has no uri")) };
    Ok(Resource {
        uri: bounded::text(uri, MAX_TEXT),
        name: bounded::text(name, MAX_NAME),
        title: text(sent.title, MAX_TITLE),
        description: text(sent.description, MAX_TEXT),
        mime_type: text(sent.mime_type, MAX_NAME),
    })
}

fn read_prompt(item: &RawValue) -> Result<Prompt, Rejected> {
    #[derive(Deserialize)]
    struct Argument {
        name: String,
    }
    let sent = sent(item)?;
    let arguments = sent.arguments.and_then(|list| serde_json::from_str::<Vec<Argument>>(list.get()).ok());
    let arguments = arguments.unwrap_or_default().into_iter().take(MAX_REJECTED);
    Ok(Prompt {
        name: named(sent.name)?,
        title: text(sent.title, MAX_TITLE),
        description: text(sent.description, MAX_TEXT),
        arguments: arguments.map(|argument| bounded::text(argument.name, MAX_NAME)).collect(),
    })
}

//! What a server offers, as it was read last: tools, resources and prompts, and how the tools differ from before.

use std::collections::{BTreeMap, HashMap};

use llmctl_proto::config::McpServerConfig;
use llmctl_proto::event::{MAX_EVENT_DESCRIPTION, MAX_EVENT_TOOLS, McpToolName, McpToolsDiscovered};
use llmctl_proto::mcp::{PromptInfo, ResourceInfo};
use llmctl_proto::time::UnixMs;

use super::session::{Cut, ListCaps, Listed, Prompt, Resource, Session, SessionError, Tool};

/// Bytes of an event with tools; it has to stay well below the longest event.
const EVENT_BYTES: usize = 24 * 1024;

/// Everything a server offers.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// Tools that may be called.
    pub(super) tools: Vec<Tool>,
    /// Tools that the configuration leaves out.
    pub(super) hidden: usize,
    pub(super) resources: Vec<ResourceInfo>,
    pub(super) prompts: Vec<PromptInfo>,
    /// When it was read.
    pub(super) at: UnixMs,
    /// What is wrong with it, for people.
    pub(super) problems: Vec<String>,
}

impl Offer {
    /// Asks a server for all it offers. Only tools have to be read; what else cannot be is a problem of the offer.
    pub(super) async fn read(session: &Session, caps: ListCaps) -> Result<Self, SessionError> {
        let has = session.identity().capabilities.clone();
        let mut offer = Self { at: UnixMs::now(), ..Self::default() };
        if has.tools {
            let listed = session.list_tools(caps).await?;
            offer.note("tools", &listed);
            offer.tools = listed.items;
        }
        if has.resources {
            match session.list_resources(caps).await {
                Ok(listed) => {
                    offer.note("resources", &listed);
                    offer.resources = listed.items.into_iter().map(resource).collect();
                }
                Err(error) => offer.optional("resources", &error)?,
            }
        }
        if has.prompts {
            match session.list_prompts(caps).await {
                Ok(listed) => {
                    offer.note("prompts", &listed);
                    offer.prompts = listed.items.into_iter().map(prompt).collect();
                }
                Err(error) => offer.optional("prompts", &error)?,
            }
        }
        Ok(offer)
    }

    /// Leaves out tools that the configuration does not allow.
    pub(super) fn restrict(&mut self, config: &McpServerConfig) {
        let Some(allowed) = &config.allowed_tools else { return };
        let before = self.tools.len();
        self.tools.retain(|tool| allowed.contains(&tool.name));
        self.hidden = before - self.tools.len();
    }

    /// Tools the configuration requires and that are not there.
    pub(super) fn missing(&self, config: &McpServerConfig) -> Vec<String> {
        let there = |name: &String| self.tools.iter().any(|tool| tool.name == *name);
        config.required_tools.iter().filter(|name| !there(name)).cloned().collect()
    }

    /// About how many tokens all definitions take.
    pub(super) fn tokens(&self) -> u64 {
        self.tools.iter().map(|tool| tool.context_tokens_estimate).sum()
    }

    fn note<T>(&mut self, what: &str, listed: &Listed<T>) {
        if let Some(cut) = listed.cut {
            let why = match cut {
                Cut::CursorLoop => "its pages come back to where they were",
                Cut::Pages => "there are more pages than are read",
                Cut::Items => "there are more of them than are kept",
                Cut::Bytes => "they are larger than is kept",
                Cut::Time => "reading them takes too long",
            };
            self.problems
                .push(format!("the list of {what} is cut after {} items: {why}", listed.items.len()));
        }
        if let Some(first) = listed.rejected.first() {
            let more = listed.rejected.len() - 1;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.problems.push(format!("left out of {what}: {:?} ({}){more}", first.name, first.reason));
        }
    }

    /// What cannot be listed hides no tools, unless the server is gone.
    fn optional(&mut self, what: &str, error: &SessionError) -> Result<(), SessionError> {
        if matches!(error, SessionError::Closed | SessionError::SessionLost) {
            return Err(error.clone());
        }
        self.problems.push(format!("its {what} cannot be listed: {error}"));
        Ok(())
    }
}

fn resource(from: Resource) -> ResourceInfo {
    let description = from.description.or(from.title);
    ResourceInfo { uri: from.uri, name: from.name, description, mime_type: from.mime_type }
}

fn prompt(from: Prompt) -> PromptInfo {
    let description = from.description.or(from.title);
    PromptInfo { name: from.name, description, arguments: from.arguments }
}

/// Names and fingerprints of tools.
pub(super) type Fingerprints = BTreeMap<String, [u8; 32]>;

/// The fingerprints of an offer.
pub(super) fn fingerprints(offer: &Offer) -> Fingerprints {
    offer.tools.iter().map(|tool| (tool.name.clone(), tool.fingerprint)).collect()
}

/// What is told when tools are known for the first time or differ from `before`; none when nothing does.
pub(super) fn discovered(
    server: &str,
    offer: &Offer,
    before: Option<&Fingerprints>,
) -> Option<McpToolsDiscovered> {
    let now = fingerprints(offer);
    let empty = Fingerprints::new();
    let old = before.unwrap_or(&empty);
    let some = |names: Vec<&String>| names.into_iter().take(MAX_EVENT_TOOLS).cloned().collect::<Vec<_>>();
    let mut event = McpToolsDiscovered {
        server_name: server.to_owned(),
        tools: offer.tools.iter().take(MAX_EVENT_TOOLS).map(name).collect(),
        tools_count: offer.tools.len() as u32,
        added: some(now.keys().filter(|name| !old.contains_key(*name)).collect()),
        removed: some(old.keys().filter(|name| !now.contains_key(*name)).collect()),
        changed: some(
            now.iter().filter(|(n, f)| old.get(*n).is_some_and(|o| o != *f)).map(|(n, _)| n).collect(),
        ),
    };
    let same = event.added.is_empty() && event.removed.is_empty() && event.changed.is_empty();
    if before.is_some() && same {
        return None;
    }
    // Long names and descriptions: fewer tools are named rather than the event refused.
    let long =
        |event: &McpToolsDiscovered| serde_json::to_string(event).map_or(0, |text| text.len()) > EVENT_BYTES;
    while long(&event) && !event.tools.is_empty() {
        event.tools.truncate(event.tools.len() / 2);
    }
    while long(&event) {
        for names in [&mut event.added, &mut event.removed, &mut event.changed] {
            names.truncate(names.len() / 2);
        }
    }
    Some(event)
}

fn name(tool: &Tool) -> McpToolName {
    let description = tool.description.as_deref().unwrap_or_default();
    McpToolName {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: description[..description.floor_char_boundary(MAX_EVENT_DESCRIPTION)].to_owned(),
        context_tokens_estimate: tool.context_tokens_estimate,
    }
}

/// How the tools of a server were used through llmctl.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_tool: HashMap<String, Used>,
    /// Requests of all kinds to tools, and those that failed.
    pub(super) requests: u64,
    pub(super) errors: u64,
}

/// How one tool was used.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) total_ms: u64,
    pub(super) max_ms: u64,
    pub(super) last_error: Option<String>,
}

impl Calls {
    /// Most tools that are counted.
    const MOST: usize = 10_000;

    /// Notes a call.
    pub(super) fn note(&mut self, tool: &str, took_ms: u64, error: Option<String>) {
        self.requests += 1;
        self.errors += u64::from(error.is_some());
        if self.by_tool.len() >= Self::MOST && !self.by_tool.contains_key(tool) {
            return;
        }
        let used = self.by_tool.entry(tool.to_owned()).or_default();
        used.calls += 1;
        used.total_ms += took_ms;
        used.max_ms = used.max_ms.max(took_ms);
        if error.is_some() {
            used.errors += 1;
            used.last_error = error;
        }
    }

    /// How a tool was used.
    pub(super) fn of(&self, tool: &str) -> Used {
        self.by_tool.get(tool).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn tool(name: &str, print: u8) -> Tool {
        Tool {
            name: name.to_owned(),
            title: None,
            description: Some("ä".repeat(300)),
            input_schema: RawValue::from_string("{}".to_owned()).expect("JSON"),
            context_tokens_estimate: 7,
            fingerprint: [print; 32],
        }
    }

    fn offer(tools: Vec<Tool>) -> Offer {
        Offer { tools, ..Offer::default() }
    }

    #[test]
    fn what_differs_is_told_and_nothing_else() {
        let first = offer(vec![tool("a", 1), tool("b", 1)]);
        let told = discovered("s", &first, None).expect("the first time");
        assert_eq!((told.tools_count, told.added.len()), (2, 2));
        assert!(told.tools[0].description.len() <= MAX_EVENT_DESCRIPTION);
        let known = fingerprints(&first);
        assert!(discovered("s", &first, Some(&known)).is_none());
        let second = offer(vec![tool("b", 2), tool("c", 1)]);
        let told = discovered("s", &second, Some(&known)).expect("a change");
        assert_eq!(
            (told.added, told.removed, told.changed),
            (vec!["c".into()], vec!["a".into()], vec!["b".into()])
        );
        assert!(discovered("s", &offer(Vec::new()), None).is_some(), "none at all is news too, once");
    }

    #[test]
    fn an_event_stays_short_whatever_the_names() {
        let many = (0..5_000).map(|n| tool(&format!("{n:0200}"), 1)).collect();
        let told = discovered("s", &offer(many), None).expect("the first time");
        assert!(serde_json::to_string(&told).expect("JSON").len() <= EVENT_BYTES);
        assert_eq!(told.tools_count, 5_000);
    }

    #[test]
    fn calls_are_counted_by_tool() {
        let mut calls = Calls::default();
        calls.note("t", 5, None);
        calls.note("t", 9, Some("no".to_owned()));
        let used = calls.of("t");
        assert_eq!((used.calls, used.errors, used.total_ms, used.max_ms), (2, 1, 14, 9));
        assert_eq!((calls.requests, calls.errors, calls.of("u").calls), (2, 1, 0));
    }
}

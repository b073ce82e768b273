//! What the public conformance suite for MCP clients wants to see, done with an ordinary session.
//!
//! Owns only the order of requests: the suite judges what it receives. Not used by the daemon.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ClientInfo, Era, EraPlan, Handshake, HttpTarget, ListCaps, OpenError, Session, SessionError, Tool,
    WireLimits, open_http,
};

/// Time for each request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a scenario could not be played. Whether it was passed is for the suite to say.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// No session.
    #[error("no session")]
    Open(#[from] OpenError),
    /// No answer where the scenario has one.
    #[error("{step} failed")]
    Step {
        /// What was done.
        step: &'static str,
        /// Why it failed.
        source: SessionError,
    },
    /// The suite's description of the scenario cannot be read.
    #[error("the context of the scenario is not what is expected")]
    Context(#[from] serde_json::Error),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    name: String,
    #[serde(default)]
    arguments: Value,
}

/// Plays one scenario against the server at `url`.
///
/// `version` is `MCP_CONFORMANCE_PROTOCOL_VERSION`, `context` is `MCP_CONFORMANCE_CONTEXT`, each where set. Which
/// scenario it is does not matter: all are played the same way.
///
/// # Errors
/// When there is no session, no list of tools, or the context cannot be read. A tool that fails is none.
pub async fn conformance_client(
    url: &str,
    version: Option<&str>,
    context: Option<&str>,
) -> Result<(), ConformanceError> {
    let context: Context = context.map(serde_json::from_str).transpose()?.unwrap_or_default();
    let era = match version {
        None => EraPlan::Detect,
        Some(version) if version >= Era::Modern.version() => EraPlan::Forced(Era::Modern),
        Some(_) => EraPlan::Forced(Era::Legacy),
    };
    let handshake =
        Handshake { era, startup: TIMEOUT, client: ClientInfo::default(), ..Handshake::default() };
    let target = HttpTarget { url: url.to_owned(), headers: Vec::new() };
    let session = open_http(&target, &handshake, WireLimits::default()).await?;
    let step = |step| move |source| ConformanceError::Step { step, source };
    let tools = session.list_tools(ListCaps::default()).await.map_err(step("tools/list"))?.items;
    let calls = if context.tool_calls.is_empty() { made_up(&tools) } else { context.tool_calls };
    for call in calls {
        // A tool that refuses its arguments is no fault of the client.
        let _ = session.call_tool(&call.name, call.arguments, TIMEOUT).await;
    }
    read_something(&session).await;
    session.close().await;
    Ok(())
}

/// Reads the first resource and the first prompt, if there are any.
async fn read_something(session: &Session) {
    let caps = ListCaps::default();
    let resources = session.list_resources(caps).await;
    if let Some(first) = resources.ok().and_then(|listed| listed.items.into_iter().next()) {
        let _ = session.request("resources/read", json!({"uri": first.uri}), TIMEOUT).await;
    }
    let prompts = session.list_prompts(caps).await;
    if let Some(first) = prompts.ok().and_then(|listed| listed.items.into_iter().next()) {
        let _ = session.request("prompts/get", json!({"name": first.name}), TIMEOUT).await;
    }
}

/// One call of each tool, with arguments made from its schema.
fn made_up(tools: &[Tool]) -> Vec<ToolCall> {
    let schema = |tool: &Tool| serde_json::from_str::<Value>(tool.input_schema.get()).unwrap_or_default();
    let of = |tool: &Tool| {
        let mut arguments = arguments(&schema(tool));
        // One scenario wants to have back the schema of the other tool.
        let other = tools.iter().find(|other| other.name != tool.name);
        if let (Some(other), Some(echo)) = (other, arguments.get_mut("schema")) {
            *echo = schema(other);
        }
        ToolCall { name: tool.name.clone(), arguments }
    };
    tools.iter().map(of).collect()
}

fn arguments(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let made = properties.map(|(name, property)| {
        let value = match property["type"].as_str() {
            Some("number" | "integer") => json!(5),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            Some("object") => json!({}),
            _ => json!("x"),
        };
        (name.clone(), value)
    });
    Value::Object(made.collect::<Map<_, _>>())
}

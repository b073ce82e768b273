//! Who a server says it is.
//!
//! Reads the answers to `initialize` and `server/discover`, bounded and leniently. The era is how the session was
//! opened, never what an answer claims: some servers send back any version they are offered.

use serde_json::Value;
use serde_json::value::RawValue;

use super::bounded;
use super::error::OpenError;
use super::setup::Era;

/// Longest answer to a handshake that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Longest name or version, in bytes.
const MAX_NAME: usize = 256;
/// Longest instructions, in bytes.
const MAX_INSTRUCTIONS: usize = 64 * 1024;
/// Most versions or capabilities that are kept.
const MAX_NAMES: usize = 64;
/// Revisions of the legacy era.
pub(super) const LEGACY_VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Name and version of a server's program, in its own words: not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// Its name, at most 256 bytes.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// Its version.
    pub version: String,
}

/// What a server says it can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It has tools.
    pub tools: bool,
    /// It tells when they change.
    pub tools_list_changed: bool,
    /// It has resources.
    pub resources: bool,
    /// It tells when their list changes.
    pub resources_list_changed: bool,
    /// It has prompts.
    pub prompts: bool,
    /// It tells when they change.
    pub prompts_list_changed: bool,
    /// All it names, also what is not known here; at most 64.
    pub names: Vec<String>,
}

impl Capabilities {
    /// Whether it tells of any change of a list.
    pub(super) fn any_list_changed(&self) -> bool {
        self.tools_list_changed || self.resources_list_changed || self.prompts_list_changed
    }
}

/// What is known of a server from its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The era the session was opened in.
    pub era: Era,
    /// The revision that is spoken.
    pub protocol_version: String,
    /// The revision the server named, where that is none of this era.
    pub claimed_version: Option<String>,
    /// Revisions it lists; empty in the legacy era.
    pub supported_versions: Vec<String>,
    /// Its name and version.
    pub server_info: ServerInfo,
    /// What it says it can do.
    pub capabilities: Capabilities,
    /// How to use it, in its words, at most 64 KiB.
    pub instructions: Option<String>,
}

/// Reads the result of `initialize`.
pub(super) fn of_initialize(result: &RawValue) -> Result<ServerIdentity, OpenError> {
    let value = read(result, "initialize")?;
    let named = value["protocolVersion"].as_str().unwrap_or_default();
    let known = LEGACY_VERSIONS.contains(&named);
    Ok(ServerIdentity {
        era: Era::Legacy,
        protocol_version: if known { named } else { Era::Legacy.version() }.to_owned(),
        claimed_version: (!known).then(|| name(named)),
        supported_versions: Vec::new(),
        server_info: info(&value["serverInfo"]),
        capabilities: capabilities(&value["capabilities"]),
        instructions: instructions(&value),
    })
}

/// Reads the result of `server/discover`.
pub(super) fn of_discover(result: &RawValue) -> Result<ServerIdentity, OpenError> {
    let value = read(result, "server/discover")?;
    let meta = &value["_meta"]["io.modelcontextprotocol/serverInfo"];
    Ok(ServerIdentity {
        era: Era::Modern,
        protocol_version: Era::Modern.version().to_owned(),
        claimed_version: None,
        supported_versions: supported(&value).unwrap_or_default(),
        server_info: info(if meta.is_object() { meta } else { &value["serverInfo"] }),
        capabilities: capabilities(&value["capabilities"]),
        instructions: instructions(&value),
    })
}

/// The versions in what may be the result of `server/discover`; none if it cannot be one.
pub(super) fn discovered_versions(result: &RawValue) -> Option<Vec<String>> {
    supported(&read(result, "server/discover").ok()?)
}

fn supported(value: &Value) -> Option<Vec<String>> {
    let versions = value["supportedVersions"].as_array()?;
    Some(versions.iter().filter_map(Value::as_str).take(MAX_NAMES).map(name).collect())
}

fn read(result: &RawValue, method: &str) -> Result<Value, OpenError> {
    let text = result.get();
    let wrong = |why: &str| OpenError::Protocol { message: format!("the answer to {method} {why}") };
    if text.len() > MAX_ANSWER {
        return Err(wrong("is longer than 1 MiB"));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| wrong("is nested too deeply"))?;
    if value.is_object() { Ok(value) } else { Err(wrong("is no object")) }
}

fn name(text: &str) -> String {
    bounded::text(text.to_owned(), MAX_NAME)
}

fn info(value: &Value) -> ServerInfo {
    let text = |key: &str| value[key].as_str().map(name);
    ServerInfo {
        name: text("name").unwrap_or_default(),
        title: text("title"),
        version: text("version").unwrap_or_default(),
    }
}

fn instructions(value: &Value) -> Option<String> {
    let text = value["instructions"].as_str().filter(|text| !text.is_empty())?;
    Some(bounded::text(text.to_owned(), MAX_INSTRUCTIONS))
}

fn capabilities(value: &Value) -> Capabilities {
    let has = |key: &str| !value[key].is_null();
    let tells = |key: &str| value[key]["listChanged"] == Value::Bool(true);
    let names = value.as_object().into_iter().flat_map(|map| map.keys());
    Capabilities {
        tools: has("tools"),
        tools_list_changed: tells("tools"),
        resources: has("resources"),
        resources_list_changed: tells("resources"),
        prompts: has("prompts"),
        prompts_list_changed: tells("prompts"),
        names: names.take(MAX_NAMES).map(|key| name(key)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn the_era_is_never_what_a_server_echoes() {
        let echo = of_initialize(&raw(r#"{"protocolVersion":"2026-07-28","serverInfo":{"name":"x"}}"#));
        let echo = echo.expect("readable");
        assert_eq!((echo.era, &*echo.protocol_version), (Era::Legacy, "2025-11-25"));
        assert_eq!(echo.claimed_version.as_deref(), Some("2026-07-28"));
        let old = of_initialize(&raw(r#"{"protocolVersion":"2024-11-05"}"#)).expect("readable");
        assert_eq!((&*old.protocol_version, old.claimed_version), ("2024-11-05", None));
    }

    #[test]
    fn a_discovery_is_read_wherever_it_keeps_its_name() {
        let of = |text: &str| of_discover(&raw(text)).expect("readable");
        let official =
            of(r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"x":{}},
            "instructions":"do","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a","version":"1"}}}"#);
        assert_eq!((&*official.server_info.name, &*official.server_info.version), ("a", "1"));
        assert!(official.capabilities.tools_list_changed && !official.capabilities.prompts);
        assert_eq!(official.capabilities.names, ["tools", "x"]);
        assert_eq!(official.instructions.as_deref(), Some("do"));
        assert_eq!(of(r#"{"serverInfo":{"name":"b"}}"#).server_info.name, "b");
        assert!(discovered_versions(&raw("{}")).is_none());
        assert!(of_discover(&raw("[]")).is_err());
    }
}

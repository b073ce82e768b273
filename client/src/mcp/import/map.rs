//! From the fields of each format to ours.

use std::path::Path;

use super::fields::{Entry, Refused, is_header, shown};
use super::formats::Format;
use super::reference::{Input, Surroundings, input_variable, is_name};
use super::secret::is_secret;
use super::server::{Server, Text, Transport};
use super::tree::{Field, Node, SyntaxError, Value};
use super::{Belongs, Found};

/// Most servers of a file.
const MAX_SERVERS: usize = 200;
/// Transports that are known and not supported.
const OTHER_TYPES: [&str; 8] =
    ["sse", "ws", "websocket", "sdk", "sse-ide", "ws-ide", "claudeai-proxy", "tcp"];

const CLIENT_RULES: &str = "it rules how that program uses the tools; llmctl has no such rule";
const NO_OAUTH: &str = "llmctl does not sign in by OAuth; put a token into `headers`";

/// Fields that are known and have no equal here, each with the reason.
const NOT_MAPPED: [(&str, &str); 27] = [
    (
        "headersHelper",
        "it is a command, and an import runs none and takes none over; `headers: {NAME: {command: [WORDS]}}` would",
    ),
    ("oauth", NO_OAUTH),
    ("auth", NO_OAUTH),
    ("authProviderType", NO_OAUTH),
    ("targetAudience", NO_OAUTH),
    ("targetServiceAccount", NO_OAUTH),
    ("scopes", NO_OAUTH),
    ("oauth_resource", NO_OAUTH),
    ("alwaysLoad", CLIENT_RULES),
    ("role", CLIENT_RULES),
    ("toolPermissions", CLIENT_RULES),
    ("trust", CLIENT_RULES),
    ("autoApprove", CLIENT_RULES),
    ("alwaysAllow", CLIENT_RULES),
    ("default_tools_approval_mode", CLIENT_RULES),
    ("supports_parallel_tool_calls", CLIENT_RULES),
    ("required", "agents name the servers they require in `mcp_tools.required`"),
    ("envFile", "files of variables are not read; name the variables in `env`"),
    ("sandboxEnabled", "llmctl has no sandbox for servers"),
    ("sandbox", "llmctl has no sandbox for servers"),
    ("dev", "it is for the development of the server"),
    ("gallery", "it says where the entry came from"),
    ("version", "it says where the entry came from"),
    ("excludeTools", "llmctl knows a list of allowed tools only: `tools`"),
    ("disabledTools", "llmctl knows a list of allowed tools only: `tools`"),
    ("disabled_tools", "llmctl knows a list of allowed tools only: `tools`"),
    ("experimental_environment", "a server runs on this machine"),
];

/// Fields of servers that are programs.
const PROGRAM_ONLY: [&str; 5] = ["command", "args", "env", "env_vars", "cwd"];
/// Fields of servers that are reached over HTTP.
const HTTP_ONLY: [&str; 7] =
    ["url", "httpUrl", "serverUrl", "headers", "http_headers", "env_http_headers", "bearer_token_env_var"];

/// A mapping of servers, and what it belongs to.
struct Section<'a> {
    scope: Option<&'static str>,
    node: &'a Node,
    workspace: Option<&'a Path>,
}

pub(super) fn servers(root: &Node, format: Format, belongs: Belongs<'_>) -> Result<Vec<Found>, SyntaxError> {
    if root.fields().is_none() {
        return Err(SyntaxError::new(root.at, format!("the file must hold a mapping, not {}", root.kind())));
    }
    let sections = sections(root, format, belongs);
    let mut found = Vec::new();
    for section in sections {
        let Some(fields) = section.node.fields() else {
            let message = format!("the servers must be a mapping, not {}", section.node.kind());
            return Err(SyntaxError::new(section.node.at, message));
        };
        if fields.len() > MAX_SERVERS {
            let message = format!("it holds more than {MAX_SERVERS} servers");
            return Err(SyntaxError::new(section.node.at, message));
        }
        let around = Surroundings { workspace: section.workspace, inputs: inputs(root) };
        for field in fields {
            let mut found_one = one(field, format, &section, &around);
            if let Ok(server) = &mut found_one.server {
                server.enabled &= switched_on(root, &field.key);
            }
            found.push(found_one);
        }
    }
    Ok(found)
}

/// Gemini has a list of servers that may be used, and one of those that may not.
fn switched_on(root: &Node, name: &str) -> bool {
    let listed = |key: &str| match root.get("mcp").and_then(|mcp| mcp.get(key)).map(|node| &node.value) {
        Some(Value::List(items)) => Some(items.iter().any(|item| item.text() == Some(name))),
        _ => None,
    };
    listed("allowed").unwrap_or(true) && !listed("excluded").unwrap_or(false)
}

fn sections<'a>(root: &'a Node, format: Format, belongs: Belongs<'a>) -> Vec<Section<'a>> {
    let key = match format {
        Format::Codex => "mcp_servers",
        Format::VsCode if root.get("servers").is_some() => "servers",
        _ => "mcpServers",
    };
    let mut all = Vec::new();
    // What Claude Code keeps for one project goes before what holds for all.
    let projects = root.get("projects").filter(|_| format == Format::ClaudeCode).and_then(Node::fields);
    if let (Some(projects), Some(cwd)) = (projects, belongs.cwd) {
        let local = cwd.ancestors().find_map(|dir| {
            projects.iter().find(|project| Path::new(&project.key) == dir).map(|project| (dir, project))
        });
        if let Some((dir, project)) = local
            && let Some(node) = project.node.get("mcpServers")
        {
            all.push(Section { scope: Some("local"), node, workspace: Some(dir) });
        }
    }
    if let Some(node) = root.get(key) {
        let scope = projects.map(|_| "user");
        all.push(Section { scope, node, workspace: belongs.workspace });
    }
    all
}

/// What the file says of `inputs`, each with a variable of its own.
fn inputs(root: &Node) -> std::collections::BTreeMap<String, Input> {
    let mut all = std::collections::BTreeMap::new();
    let mut taken = std::collections::HashSet::new();
    let Some(Value::List(items)) = root.get("inputs").map(|node| &node.value) else { return all };
    for item in items.iter().take(1_000) {
        let Some(id) = item.get("id").and_then(Node::text) else { continue };
        let base = input_variable(id);
        let mut variable = base.clone();
        let mut number = 2;
        while !taken.insert(variable.clone()) {
            variable = format!("{base}_{number}");
            number += 1;
        }
        let description = item.get("description").and_then(Node::text).map(shown).filter(|d| !d.is_empty());
        let secret = item.get("password").is_some_and(|node| node.value == Value::Bool(true));
        let default = item
            .get("default")
            .and_then(Node::text)
            .filter(|text| !secret && !text.contains(['}', '$']) && !is_secret(&variable, text));
        let default = default.map(str::to_owned);
        all.insert(id.to_owned(), Input { variable, description, default });
    }
    all
}

fn one(field: &Field, format: Format, section: &Section<'_>, around: &Surroundings<'_>) -> Found {
    let (server, notes) = match Entry::new(&field.key, &field.node, format.dialect(), around) {
        Ok(mut entry) => {
            let server = mapped(&mut entry, format, section.workspace);
            // What else the entry of a refused server says is of no interest.
            let notes = if server.is_ok() { entry.finish() } else { Vec::new() };
            (server, notes)
        }
        Err(refused) => (Err(refused), Vec::new()),
    };
    Found { name: field.key.clone(), at: field.at, scope: section.scope, server, notes }
}

fn mapped(entry: &mut Entry<'_>, format: Format, workspace: Option<&Path>) -> Result<Server, Refused> {
    let address = ["httpUrl", "serverUrl", "url"].into_iter().find(|key| entry.has(key));
    if entry.has("experimental_environment")
        && entry.take("experimental_environment").and_then(Node::text) == Some("remote")
    {
        return entry.refuse("experimental_environment", "it runs on another machine");
    }
    let http = is_http(entry, format, address)?;
    let transport = if http { remote(entry, format, address)? } else { local(entry, workspace)? };
    let enabled = !entry.flag("disabled").unwrap_or(false) && entry.flag("enabled").unwrap_or(true);
    let request_timeout_s = match format {
        Format::Codex => entry.seconds("tool_timeout_sec", 1.0, "request_timeout_seconds"),
        // Cline counts seconds, the others milliseconds.
        Format::Cline => entry.seconds("timeout", 1.0, "request_timeout_seconds"),
        _ => entry.seconds("timeout", 1000.0, "request_timeout_seconds"),
    };
    let startup_timeout_s = if format == Format::Codex {
        let in_ms = entry.seconds("startup_timeout_ms", 1000.0, "startup_timeout_seconds");
        entry.seconds("startup_timeout_sec", 1.0, "startup_timeout_seconds").or(in_ms)
    } else {
        None
    };
    let tools = match format {
        Format::Codex => entry.words("enabled_tools"),
        Format::Gemini => entry.words("includeTools"),
        // `*` is what every tool would be without the list.
        Format::VsCode => entry.words("tools").filter(|tools| !tools.iter().any(|tool| tool == "*")),
        _ => None,
    };
    let note = entry.description("description");
    if !matches!(format, Format::VsCode) {
        entry.not_mapped("tools", CLIENT_RULES);
    }
    for key in if http { &PROGRAM_ONLY[..] } else { &HTTP_ONLY[..] } {
        entry.not_mapped(key, "it does not go with the way this server is reached");
    }
    for (key, why) in NOT_MAPPED {
        entry.not_mapped(key, why);
    }
    Ok(Server { transport, enabled, request_timeout_s, startup_timeout_s, tools, note })
}

/// Whether the server is reached over HTTP; refuses what is neither that nor a program.
fn is_http(entry: &mut Entry<'_>, format: Format, address: Option<&'static str>) -> Result<bool, Refused> {
    let kind = entry.word("type").or_else(|| entry.word("transport")).or_else(|| entry.word("transportType"));
    if entry.has("tcp") {
        return entry.refuse("tcp", "WebSocket servers are not supported");
    }
    let http = match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("stdio" | "local") => false,
        Some("http" | "streamable-http" | "streamablehttp" | "streamable_http" | "remote") => true,
        Some(other) if OTHER_TYPES.contains(&other) => {
            return entry.refuse("type", format!("servers of type {other} are not supported"));
        }
        Some(_) => return entry.refuse("type", "servers of this type are not known"),
        None if entry.has("command") && address.is_some() => {
            return entry.refuse("command", "it has both a command and an address, and no `type`");
        }
        None => {
            let always = matches!(format, Format::Codex | Format::Windsurf);
            if let Some(key) = address.filter(|key| *key == "url" && !always) {
                entry.hint(
                    key,
                    "it names no `type`; taken as Streamable HTTP, as the older SSE is not supported",
                );
            }
            address.is_some()
        }
    };
    if http && address.is_none() {
        return entry.refuse("type", "it has no address");
    }
    Ok(http)
}

fn local(entry: &mut Entry<'_>, workspace: Option<&Path>) -> Result<Transport, Refused> {
    let command = entry.command()?;
    let mut env = entry.pairs("env", false);
    for (name, value) in named_variables(entry) {
        if !env.iter().any(|(known, _)| *known == name) {
            env.push((name, value));
        }
    }
    let said = entry.directory("cwd")?;
    let cwd = match (said, workspace) {
        (Some(text), Some(root)) if !text.starts_with(['/', '$']) => {
            let whole = root.join(text.strip_prefix("./").unwrap_or(&text));
            Some(whole.display().to_string())
        }
        (Some(text), None) if !text.starts_with(['/', '$', '~']) => {
            entry.hint(
                "cwd",
                "it is relative to wherever that program was started; taken from the home directory",
            );
            Some(format!("${{HOME}}/{}", text.strip_prefix("./").unwrap_or(&text)))
        }
        (Some(text), _) => Some(text),
        // A project's servers are started in the project.
        (None, Some(root)) => Some(root.display().to_string()),
        (None, None) => None,
    };
    // A home directory is not expanded by everybody who reads the key.
    let cwd = cwd.map(|text| match text.strip_prefix("~/") {
        Some(rest) => format!("${{HOME}}/{rest}"),
        None => text,
    });
    if cwd.is_none() && command.iter().any(|word| word.starts_with("./") || word.starts_with("../")) {
        entry.hint(
            "command",
            "a path in it is relative, and the server will be started in the home directory",
        );
    }
    Ok(Transport::Stdio { command, env, cwd: cwd.filter(|text| !text.is_empty()) })
}

/// `env_vars` of Codex: names, or a name and where it comes from.
fn named_variables(entry: &mut Entry<'_>) -> Vec<(String, Text)> {
    let Some(node) = entry.take("env_vars") else { return Vec::new() };
    let Value::List(items) = &node.value else {
        entry.lose("env_vars", "it is no list");
        return Vec::new();
    };
    let mut all = Vec::new();
    for item in items {
        let name = item.text().or_else(|| item.get("name").and_then(Node::text));
        let remote = item.get("source").and_then(Node::text) == Some("remote");
        match name {
            Some(name) if is_name(name) && !remote => {
                all.push((name.to_owned(), Text::Plain(format!("${{{name}}}"))));
            }
            Some(name) if remote => {
                entry.lose("env_vars", format!("{} comes from another machine", shown(name)));
            }
            _ => entry.lose("env_vars", "one of its items is no name of a variable"),
        }
    }
    all
}

fn remote(
    entry: &mut Entry<'_>,
    format: Format,
    address: Option<&'static str>,
) -> Result<Transport, Refused> {
    let Some(key) = address else { return entry.refuse("url", "it has no address") };
    let url = entry.address(key)?;
    let mut headers = entry.pairs(if format == Format::Codex { "http_headers" } else { "headers" }, true);
    let mut put = |name: &str, value: Text| {
        if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value));
        }
    };
    if let Some(name) = entry.word("bearer_token_env_var") {
        if is_name(name) {
            put("Authorization", Text::Plain(format!("Bearer ${{{name}}}")));
        } else {
            entry.lose("bearer_token_env_var", "it names no variable");
        }
    }
    if let Some(node) = entry.take("env_http_headers") {
        for field in node.fields().unwrap_or_default() {
            match field.node.text().filter(|name| is_name(name) && is_header(&field.key)) {
                Some(name) => put(&field.key, Text::Plain(format!("${{{name}}}"))),
                None => {
                    let text = format!("{}: this is no header, or no variable", shown(&field.key));
                    entry.lose("env_http_headers", text);
                }
            }
        }
    }
    if let Some(token) = entry.word("bearer_token") {
        put("Authorization", Text::Secret(super::Secret::new(format!("Bearer {token}"))));
    }
    Ok(Transport::Http { url, headers })
}

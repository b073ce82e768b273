//! `mcp_servers` and `mcp_settings`. References are kept as they are written; paths become absolute.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use super::{Reading, number, text, texts, truth};
use crate::config::diagnostic::Layer;
use crate::config::mcp::{
    EraChoice, HealthCheck, HealthMethod, McpConfig, McpLimits, McpServerConfig, McpSettings, McpTransport,
    OnExceed, RestartPolicy, SecretText,
};
use crate::config::node::{Entry, Node, Value};
use crate::config::schema::{self, Kind};
use crate::config::{servers, words};

/// Programs that may have to fetch what they run.
const SLOW: [&str; 7] = ["npx", "uvx", "docker", "bunx", "pnpm", "pipx", "podman"];
const STARTUP: Duration = Duration::from_secs(60);
const SLOW_STARTUP: Duration = Duration::from_secs(120);

/// Reads all servers and what holds for them.
pub(super) fn read(reading: &Reading<'_>) -> McpConfig {
    let tree = &reading.layered.tree;
    let entries = tree.get("mcp_servers").and_then(Node::map).into_iter().flatten();
    let settings = tree.get("mcp_settings");
    let servers = entries
        .filter(|(_, entry)| entry.node.value != Value::Null)
        .map(|(name, entry)| Server { reading, settings, node: &entry.node }.read(name, entry))
        .collect();
    let parallel = whole(settings, &["mcp_settings", "parallel_starts"]);
    let log_directory =
        settings.and_then(|node| node.get("log_directory")).and_then(|node| path(reading, node));
    let defaults = McpSettings::default();
    let parallel_starts = parallel.map_or(defaults.parallel_starts, |number| number as usize);
    McpConfig { servers, settings: McpSettings { log_directory, parallel_starts } }
}

struct Server<'a> {
    reading: &'a Reading<'a>,
    settings: Option<&'a Node>,
    node: &'a Node,
}

impl Server<'_> {
    fn read(&self, name: &str, entry: &Entry) -> McpServerConfig {
        let node = self.node;
        let command = self.command();
        let auto_start = self.settings.is_some_and(|settings| truth(settings, "auto_start_default", false));
        McpServerConfig {
            name: name.to_owned(),
            auto_start: truth(node, "auto_start", auto_start),
            restart: self.restart(),
            max_restart_attempts: self.number("max_restart_attempts").unwrap_or(3) as u32,
            restart_window: self.seconds("restart_window_seconds").unwrap_or(Duration::from_secs(600)),
            startup_timeout: self.startup(&command),
            request_timeout: self.seconds("request_timeout_seconds").unwrap_or(Duration::from_secs(60)),
            shutdown_timeout: self
                .seconds("shutdown_timeout_seconds")
                .or_else(|| self.setting("shutdown_timeout_seconds"))
                .unwrap_or(Duration::from_secs(5)),
            health: self.health(),
            era: match text(node, "protocol_era").as_deref() {
                Some("legacy") => EraChoice::Legacy,
                Some("modern") => EraChoice::Modern,
                _ => EraChoice::Auto,
            },
            limits: node.get("limits").and_then(limits),
            required_tools: texts(node, "required_tools"),
            allowed_tools: node.get("tools").map(Node::texts),
            shared: truth(node, "shared", false),
            tags: texts(node, "tags"),
            package: text(node, "package"),
            note: text(node, "note"),
            origin: self.reading.layered.origin(entry.key_at).map(|origin| origin.short()),
            broken: None,
            transport: self.transport(command),
        }
    }

    fn transport(&self, command: Vec<SecretText>) -> McpTransport {
        let node = self.node;
        if servers::is_http(node) {
            let mut headers = self.secrets("headers");
            if let Some(token) = node.get("bearer").and_then(|node| secret(self.reading, node)) {
                headers.push(("Authorization".to_owned(), SecretText::Bearer(Box::new(token))));
            }
            let url = node.get("url").and_then(|node| secret(self.reading, node));
            return McpTransport::Http { url: url.unwrap_or(SecretText::Text(String::new())), headers };
        }
        // Without a word on it, a project's server works in its project.
        let cwd = match node.get("cwd") {
            Some(cwd) => path(self.reading, cwd),
            None => {
                let command = node.get("command").unwrap_or(node);
                is_projects(self.reading, command).then(|| self.reading.project.map(Path::to_owned)).flatten()
            }
        };
        McpTransport::Stdio { command, env: self.secrets("env"), cwd }
    }

    fn command(&self) -> Vec<SecretText> {
        let command = self.node.get("command").map(|node| command(self.reading, node)).unwrap_or_default();
        if command.is_empty() {
            return Vec::new();
        }
        command.into_iter().chain(texts(self.node, "args")).map(SecretText::Text).collect()
    }

    fn secrets(&self, key: &str) -> Vec<(String, SecretText)> {
        let entries = super::entries_of(self.node, key);
        entries.filter_map(|(name, node)| Some((name.clone(), secret(self.reading, node)?))).collect()
    }

    fn restart(&self) -> RestartPolicy {
        match text(self.node, "restart").as_deref() {
            Some("always") => RestartPolicy::Always,
            Some("never") => RestartPolicy::Never,
            Some(_) => RestartPolicy::OnFailure,
            None if truth(self.node, "restart_on_failure", true) => RestartPolicy::OnFailure,
            None => RestartPolicy::Never,
        }
    }

    fn startup(&self, command: &[SecretText]) -> Duration {
        let slow = match command.first() {
            Some(SecretText::Text(program)) => SLOW.contains(&program.rsplit('/').next().unwrap_or_default()),
            _ => false,
        };
        let said =
            self.seconds("startup_timeout_seconds").or_else(|| self.setting("startup_timeout_seconds"));
        said.unwrap_or(if slow { SLOW_STARTUP } else { STARTUP })
    }

    fn health(&self) -> HealthCheck {
        let node = self.node.get("health_check");
        let number = |key: &str| whole(node, &["mcp_servers", "x", "health_check", key]);
        let interval = number("interval_seconds")
            .map(Duration::from_secs)
            .or_else(|| self.setting("health_check_interval_seconds"));
        let word = |key: &str| node.and_then(|node| text(node, key));
        HealthCheck {
            method: match word("method").as_deref() {
                Some("tools_list") => HealthMethod::ToolsList,
                Some("tool_call") => HealthMethod::ToolCall {
                    tool: word("tool").unwrap_or_default(),
                    args: node
                        .and_then(|node| node.get("args"))
                        .filter(|args| args.map().is_some())
                        .map_or_else(|| Json::Object(serde_json::Map::new()), json),
                },
                _ => HealthMethod::Auto,
            },
            interval: interval.unwrap_or(Duration::from_secs(30)),
            timeout: Duration::from_secs(number("timeout_seconds").unwrap_or(5)),
            failures: number("failures").unwrap_or(3) as u32,
        }
    }

    fn number(&self, key: &str) -> Option<u64> {
        whole(Some(self.node), &["mcp_servers", "x", key])
    }

    fn seconds(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_secs)
    }

    /// What `mcp_settings` says, in seconds.
    fn setting(&self, key: &str) -> Option<Duration> {
        whole(self.settings, &["mcp_settings", key]).map(Duration::from_secs)
    }
}

/// The number of the key at the end of a path, within the limits that the key has; `node` is what holds it.
fn whole(node: Option<&Node>, path: &[&str]) -> Option<u64> {
    let key = path.last()?;
    let steps: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
    let Some(Kind::Integer(least, most)) = schema::kind_at(&steps) else { return None };
    number::<u64>(node?, key).filter(|number| (least..=most).contains(number))
}

fn limits(node: &Node) -> Option<McpLimits> {
    let within = |key: &str| whole(Some(node), &["mcp_servers", "x", "limits", key]);
    let memory_bytes = within("memory_mb").map(|mebibytes| mebibytes * 1024 * 1024);
    let cpu_percent = within("cpu_percent").and_then(|percent| u32::try_from(percent).ok());
    let on_exceed = match text(node, "on_exceed").as_deref() {
        Some("restart") => OnExceed::Restart,
        Some("stop") => OnExceed::Stop,
        _ => OnExceed::Warn,
    };
    (memory_bytes.is_some() || cpu_percent.is_some()).then_some(McpLimits {
        memory_bytes,
        cpu_percent,
        on_exceed,
    })
}

fn secret(reading: &Reading<'_>, node: &Node) -> Option<SecretText> {
    if let Some(text) = node.text() {
        return Some(SecretText::Text(text.to_owned()));
    }
    match (node.get("file"), node.get("command")) {
        (Some(file), _) => path(reading, file).map(SecretText::File),
        (None, Some(words)) => Some(SecretText::Command(command(reading, words))),
        (None, None) => None,
    }
}

/// The words of a command; `~` at the beginning of its program is the home directory.
fn command(reading: &Reading<'_>, node: &Node) -> Vec<String> {
    let mut words = match node.text() {
        Some(text) => words::split(text).unwrap_or_default(),
        None => node.texts(),
    };
    if let Some(program) = words.first_mut()
        && let (Some(inside), Some(home)) = (program.strip_prefix("~/"), reading.home)
        && let Ok(path) = home.join(inside).into_os_string().into_string()
    {
        *program = path;
    }
    words
}

/// A path, whole: `~` is the home directory; a relative one begins at the project of a project's file, else at the
/// home directory.
fn path(reading: &Reading<'_>, node: &Node) -> Option<PathBuf> {
    let text = node.text().filter(|text| !text.is_empty())?;
    let base = if is_projects(reading, node) { reading.project } else { reading.home };
    let (base, inside) = match text.strip_prefix('~') {
        Some("") => (reading.home, ""),
        Some(rest) if rest.starts_with('/') => (reading.home, rest.trim_start_matches('/')),
        _ => (base, text),
    };
    Some(match base {
        Some(base) if inside.is_empty() => base.to_owned(),
        Some(base) => base.join(inside).components().collect(),
        None => PathBuf::from(text),
    })
}

/// Whether something is written in a project's file.
fn is_projects(reading: &Reading<'_>, node: &Node) -> bool {
    reading.layered.origin(node.at).is_some_and(|origin| origin.layer == Layer::Project)
}

/// A value as JSON, by the rules of YAML's core: what is in quotes is text.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, quoted: true } => Json::String(text.clone()),
        Value::Scalar { text, .. } => match text.as_str() {
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            _ => match serde_json::from_str(text) {
                Ok(number @ Json::Number(_)) => number,
                _ => Json::String(text.clone()),
            },
        },
        Value::Seq(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(map) => map.iter().map(|(key, entry)| (key.clone(), json(&entry.node))).collect(),
    }
}

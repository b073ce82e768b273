//! What may be shown of a server: in JSON, and in one line. Values of environments and headers never are, only the
//! references they are made of; commands and addresses are cleaned.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{EraChoice, HealthMethod, McpServerConfig, McpTransport, OnExceed, RestartPolicy, SecretText};
use crate::config::expand::{only_references, outline};
use crate::redact::Redactor;

/// Longest line of [`McpServerConfig::target`], in bytes.
const MAX_TARGET: usize = 300;
/// Knows no values, only what secrets look like; made once, for making one is not cheap.
pub(super) static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);
/// What stands for something that is not shown.
const MASK: &str = "***";
/// Parts of names of query parameters whose values are not shown.
const SECRET_NAMES: [&str; 10] =
    ["token", "key", "secret", "pass", "pwd", "auth", "sig", "cred", "session", "code"];

impl McpServerConfig {
    /// Everything that may be shown of it, as an object. Times are in seconds, memory in bytes.
    pub fn shown(&self) -> Value {
        let clean = |text: &Option<String>| text.as_deref().map(redacted);
        let seconds = |time: std::time::Duration| time.as_secs();
        let limits = self.limits.map(|limits| {
            json!({
                "memory_bytes": limits.memory_bytes,
                "cpu_percent": limits.cpu_percent,
                "on_exceed": match limits.on_exceed {
                    OnExceed::Warn => "warn",
                    OnExceed::Restart => "restart",
                    OnExceed::Stop => "stop",
                },
            })
        });
        let mut shown = json!({
            "name": self.name,
            "auto_start": self.auto_start,
            "restart": match self.restart {
                RestartPolicy::Always => "always",
                RestartPolicy::OnFailure => "on_failure",
                RestartPolicy::Never => "never",
            },
            "max_restart_attempts": self.max_restart_attempts,
            "restart_window_seconds": seconds(self.restart_window),
            "startup_timeout_seconds": seconds(self.startup_timeout),
            "request_timeout_seconds": seconds(self.request_timeout),
            "shutdown_timeout_seconds": seconds(self.shutdown_timeout),
            "health_check": self.health_shown(),
            "protocol_era": match self.era {
                EraChoice::Auto => "auto",
                EraChoice::Legacy => "legacy",
                EraChoice::Modern => "modern",
            },
            "limits": limits,
            "required_tools": self.required_tools,
            "tools": self.allowed_tools,
            "shared": self.shared,
            "tags": self.tags,
            "package": clean(&self.package),
            "note": clean(&self.note),
            "origin": self.origin,
            "broken": clean(&self.broken),
        });
        if let (Value::Object(all), Value::Object(own)) = (&mut shown, transport(&self.transport)) {
            all.extend(own);
        }
        shown
    }

    /// The command line or the address, cleaned, in one line of at most 300 bytes.
    pub fn target(&self) -> String {
        let line = match &self.transport {
            McpTransport::Stdio { command, .. } => {
                words(command).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
            }
            McpTransport::Http { url, .. } => match address(url) {
                Value::String(text) => text,
                other => other.to_string(),
            },
        };
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if line.len() <= MAX_TARGET {
            return line;
        }
        format!("{}…", &line[..line.floor_char_boundary(MAX_TARGET - '…'.len_utf8())])
    }

    fn health_shown(&self) -> Value {
        let (method, tool) = match &self.health.method {
            HealthMethod::Auto => ("auto", None),
            HealthMethod::ToolsList => ("tools_list", None),
            HealthMethod::ToolCall { tool, .. } => ("tool_call", Some(tool)),
        };
        json!({
            "method": method,
            "tool": tool,
            "interval_seconds": self.health.interval.as_secs(),
            "timeout_seconds": self.health.timeout.as_secs(),
            "failures": self.health.failures,
        })
    }
}

/// What may be shown of a transport.
pub(super) fn transport(transport: &McpTransport) -> Value {
    match transport {
        McpTransport::Stdio { command, env, cwd } => json!({
            "transport": "stdio",
            "command": words(command),
            "env": pairs(env),
            "cwd": cwd.as_ref().map(|cwd| cwd.display().to_string()),
        }),
        McpTransport::Http { url, headers } => json!({
            "transport": "http",
            "url": address(url),
            "headers": pairs(headers),
        }),
    }
}

fn pairs(pairs: &[(String, SecretText)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), value.shown())).collect::<Map<_, _>>().into()
}

/// The words of a command without secrets. What follows `--token` and its like goes whole, unless it is a reference.
fn words(command: &[SecretText]) -> Vec<String> {
    let written: Vec<String> = command
        .iter()
        .map(|word| match word {
            SecretText::Text(text) => outline(text, str::to_owned),
            other => other.shown().to_string(),
        })
        .collect();
    let hidden = REDACTOR.redact_args(&written);
    let clean = |at: usize| match (written[at].as_str(), &hidden[at]) {
        (word, _) if only_references(word) => word.to_owned(),
        // `-u` is a user's name and password for some, and nothing of the kind for others (`python -u FILE`).
        (word, _) if at > 0 && written[at - 1] == "-u" && !word.contains(':') => redacted(word),
        (word, hidden) => match word.split_once('=') {
            // `--token=${TOKEN}` says nothing, unless it is itself what follows such a flag.
            Some((name, value)) if only_references(value) && hidden.contains('=') => {
                format!("{}={value}", redacted(name))
            }
            _ => urls(hidden),
        },
    };
    (0..written.len()).map(clean).collect()
}

/// An address without passwords.
fn address(url: &SecretText) -> Value {
    match url {
        SecretText::Text(text) => Value::String(redacted(&outline(text, str::to_owned))),
        other => other.shown(),
    }
}

/// A text without anything that looks like a secret.
fn redacted(text: &str) -> String {
    REDACTOR.redact_str(&urls(text)).into_owned()
}

/// A text whose addresses have lost their passwords and the values of their secret parameters.
fn urls(text: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
        let (url, after) = after.split_at(end.unwrap_or(after.len()));
        clean.push_str(&url_rest(url));
        rest = after;
    }
    clean + rest
}

/// What follows `://` of one address.
fn url_rest(url: &str) -> String {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let authority = &url[..end];
    // A password that should have been encoded: what seems to be the port is none, and an @ follows later.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let odd = !port.bytes().all(|b| b.is_ascii_digit()) && !only_references(port) && !port.ends_with(']');
    let user = authority.rfind('@').or_else(|| if odd { url.rfind('@') } else { None });
    let (masked, host) = match user {
        Some(at) => (format!("{MASK}@"), &url[at + 1..]),
        None => (String::new(), url),
    };
    let (path, query) = match host.find(['?', '#']) {
        Some(at) => host.split_at(at),
        None => (host, ""),
    };
    let parameters = query.split_inclusive(['?', '#', '&', ';']).map(parameter);
    masked + path + &parameters.collect::<String>()
}

/// One parameter, with the separator that follows it.
fn parameter(text: &str) -> String {
    let Some((name, value)) = text.split_once('=') else { return text.to_owned() };
    let bare = value.trim_end_matches(['?', '#', '&', ';']);
    let lower = name.to_ascii_lowercase();
    if bare.is_empty() || only_references(bare) || !SECRET_NAMES.iter().any(|part| lower.contains(part)) {
        return text.to_owned();
    }
    format!("{name}={MASK}{}", &value[bare.len()..])
}

/// A word so that people see where it begins and ends; not meant to be given to a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%${}[]*?&~#".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[&str]) -> Vec<SecretText> {
        words.iter().map(|word| SecretText::Text((*word).to_owned())).collect()
    }

    #[test]
    fn addresses_lose_their_secrets() {
        for (url, clean) in [
            ("https://mcp.example.com/@scope/name/mcp", "https://mcp.example.com/@scope/name/mcp"),
            ("https://me:pa@ss@h:1/x?a=b", "https://***@h:1/x?a=b"),
            ("https://me:p/w?x@h/x", "https://***@h/x"),
            ("https://tok@h", "https://***@h"),
            (
                "https://h/x?api_key=abc&a=1;Token=d#access_token=e",
                "https://h/x?api_key=***&a=1;Token=***#access_token=***",
            ),
            ("https://h/?token=${T}&key=", "https://h/?token=${T}&key="),
            ("http://[::1]:80/@x", "http://[::1]:80/@x"),
            ("http://h:${PORT}/@x", "http://h:${PORT}/@x"),
            ("x postgres://u:p@h/d y", "x postgres://***@h/d y"),
        ] {
            assert_eq!(urls(url), clean);
        }
        assert_eq!(address(&SecretText::Text("${U:-http://a:b@c}".into())), json!("${U:-***}"));
    }

    #[test]
    fn words_lose_their_secrets() {
        for (command, clean) in [
            (&["python", "-u", "server.py"][..], &["python", "-u", "server.py"][..]),
            (&["x", "-u", "me:pw"], &["x", "-u", "[redacted:argument]"]),
            (&["x", "--token", "abc"], &["x", "--token", "[redacted:argument]"]),
            (&["x", "--token", "${T}", "--k=${K}"], &["x", "--token", "${T}", "--k=${K}"]),
            (&["x", "--token=${T}"], &["x", "--token=${T}"]),
            (&["x", "--token", "s3cr3t=${T}"], &["x", "--token", "[redacted:argument]"]),
            (&["x", "-e", "API_TOKEN=abc"], &["x", "-e", "API_TOKEN=[redacted:argument]"]),
            (&["x", "--token=a${T}"], &["x", "--token=[redacted:argument]"]),
            (&["x", "${PORT:-8080}"], &["x", "${PORT:-***}"]),
            (&["x", "--url=http://h/?key=1"], &["x", "--url=http://h/?key=***"]),
        ] {
            assert_eq!(words(&text(command)), clean);
        }
    }
}

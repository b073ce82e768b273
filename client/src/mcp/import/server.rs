//! One server in our form, before it is written; secrets are kept apart from texts, so that none is written by
//! mistake.

use std::fmt;
use std::path::{Path, PathBuf};

use llmctl_proto::task::NewValue;
use serde_json::{Map, Value as Json};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// How it is reached.
    pub transport: Transport,
    /// It is switched on where it comes from.
    pub enabled: bool,
    /// For one request, in seconds.
    pub request_timeout_s: Option<u64>,
    /// For the start, in seconds.
    pub startup_timeout_s: Option<u64>,
    /// The only tools that may be called.
    pub tools: Option<Vec<String>>,
    /// What it is for.
    pub note: Option<String>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A program.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// For its environment.
        env: Vec<(String, Text)>,
        /// Working directory.
        cwd: Option<String>,
    },
    /// Streamable HTTP.
    Http {
        /// Address.
        url: Text,
        /// Headers.
        headers: Vec<(String, Text)>,
    },
}

/// A text, or a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// To be written as it is.
    Plain(String),
    /// To be kept in a file of its own.
    Secret(Secret),
}

/// A value that is never shown, and written only into a file of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the file it is kept in.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(_) => f.write_str("Secret"),
        }
    }
}

impl Server {
    /// What is written for it. `keep` gives each secret its file, by the variable or header it belongs to.
    pub fn to_value(&self, auto_start: bool, keep: &mut dyn FnMut(&str, &Secret) -> PathBuf) -> NewValue {
        let mut keys: Vec<(String, NewValue)> = Vec::new();
        let mut put = |key: &str, value: NewValue| keys.push((key.to_owned(), value));
        match &self.transport {
            Transport::Stdio { command, env, cwd } => {
                put("command", NewValue::List(command.clone()));
                if !env.is_empty() {
                    put("env", texts(env, keep));
                }
                if let Some(cwd) = cwd {
                    put("cwd", NewValue::Text(cwd.clone()));
                }
            }
            Transport::Http { url, headers } => {
                put("url", text("URL", url, keep));
                if !headers.is_empty() {
                    put("headers", texts(headers, keep));
                }
            }
        }
        put("auto_start", NewValue::Word(auto_start.to_string()));
        if let Some(seconds) = self.startup_timeout_s {
            put("startup_timeout_seconds", NewValue::Word(seconds.to_string()));
        }
        if let Some(seconds) = self.request_timeout_s {
            put("request_timeout_seconds", NewValue::Word(seconds.to_string()));
        }
        if let Some(tools) = &self.tools {
            put("tools", NewValue::List(tools.clone()));
        }
        if let Some(note) = &self.note {
            put("note", NewValue::Text(note.clone()));
        }
        NewValue::Map(keys)
    }

    /// Its secrets, each with the variable or header it belongs to.
    pub fn secrets(&self) -> Vec<(&str, &Secret)> {
        let (url, pairs) = match &self.transport {
            Transport::Stdio { env, .. } => (None, env),
            Transport::Http { url, headers } => (Some(("URL", url)), headers),
        };
        let named = pairs.iter().map(|(name, text)| (name.as_str(), text));
        url.into_iter()
            .chain(named)
            .filter_map(|(name, text)| match text {
                Text::Secret(secret) => Some((name, secret)),
                Text::Plain(_) => None,
            })
            .collect()
    }
}

fn texts(pairs: &[(String, Text)], keep: &mut dyn FnMut(&str, &Secret) -> PathBuf) -> NewValue {
    NewValue::Map(pairs.iter().map(|(name, value)| (name.clone(), text(name, value, keep))).collect())
}

fn text(name: &str, value: &Text, keep: &mut dyn FnMut(&str, &Secret) -> PathBuf) -> NewValue {
    match value {
        Text::Plain(text) => NewValue::Text(text.clone()),
        Text::Secret(secret) => in_file(&keep(name, secret)),
    }
}

/// How a value is written that is kept in a file.
pub fn in_file(path: &Path) -> NewValue {
    NewValue::Map(vec![("file".to_owned(), NewValue::Text(path.display().to_string()))])
}

/// A value as JSON, to compare it with what is there.
pub fn to_json(value: &NewValue) -> Json {
    match value {
        NewValue::Word(word) => serde_json::from_str(word).unwrap_or_else(|_| Json::from(word.as_str())),
        NewValue::List(items) => items.iter().map(|item| Json::from(item.as_str())).collect(),
        NewValue::Map(fields) => Json::Object(
            fields.iter().map(|(key, value)| (key.clone(), to_json(value))).collect::<Map<_, _>>(),
        ),
        NewValue::Text(_) | NewValue::Time(_) => Json::from(value.text().unwrap_or_default()),
    }
}

//! `llmctl mcp edit`: single keys of a server, checked before they are written; or its file in the editor.

use llmctl_proto::config::schema::{self, Kind};
use llmctl_proto::config::{nearest, split_setting};
use llmctl_proto::paths::Paths;
use llmctl_proto::task::NewValue;
use serde_json::Value as Json;

use super::add::{judged, read};
use super::change::{Reload, finish, tell};
use super::files::Files;
use super::kept::Kept;
use super::remove::known;
use crate::cli::mcp_config::McpEdit;
use crate::cmd::print;
use crate::error::{CliError, Outcome};
use crate::mcp::import::server::in_file;
use crate::mcp::import::{Text, secret};

/// Deepest nesting of a value.
const MAX_DEPTH: usize = 16;

pub(super) async fn run(paths: &Paths, args: &McpEdit) -> Outcome {
    let mut files = Files::read(paths)?;
    known(&files, &args.name)?;
    if args.settings.is_empty() {
        let path = files.path_of(&args.name).map(ToOwned::to_owned);
        let exit = crate::cmd::config::edit_file(paths, path)?;
        if let Reload::Failed(why) = tell(paths).await {
            print(&super::change::harmless(&format!("note: llmctld was not told: {why}\n")))?;
        }
        return Ok(exit);
    }
    let mut kept = Kept::new(paths);
    let mut notes = Vec::new();
    for setting in &args.settings {
        let (path, text) = split_setting(setting).map_err(|why| {
            // What has no `=` may be a secret that was meant as a value.
            CliError::usage(if setting.contains('=') {
                why
            } else {
                "a setting must be KEY=VALUE".to_owned()
            })
        })?;
        let keys = path.0;
        let kind = kind(&keys)?;
        if matches!(text, "null" | "~") {
            if has(&files, &args.name, &keys) {
                files.set(&args.name, &keys, None)?;
            }
            continue;
        }
        let value = value(kind, text).map_err(|why| CliError::usage(format!("{}: {why}", keys.join("."))))?;
        let mut guard = Guard { server: &args.name, kept: &mut kept, notes: &mut notes };
        let value = guard.guarded(&keys, value)?;
        files.set(&args.name, &keys, Some(value))?;
    }
    finish(paths, &files, &kept, &notes, args.dry_run, args.json, &args.name).await
}

fn has(files: &Files, name: &str, keys: &[String]) -> bool {
    let Some(server) = files.server(name) else { return false };
    keys.iter().try_fold(&server, |json, key| json.get(key)).is_some()
}

/// What the value of a key may be.
fn kind(keys: &[String]) -> Result<Kind, CliError> {
    let path: Vec<String> =
        ["mcp_servers", "x"].into_iter().map(str::to_owned).chain(keys.iter().cloned()).collect();
    if let Some(kind) = schema::kind_at(&path) {
        return Ok(kind);
    }
    let known = match schema::kind_at(&path[..path.len() - 1]) {
        Some(Kind::Object(known)) => known,
        _ => &[],
    };
    let error =
        CliError::usage(format!("servers have no key `{}`", crate::term::one_line(&keys.join("."), 80)));
    let near = keys.last().and_then(|key| nearest(key, known.iter().map(|key| key.name)));
    Err(match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => {
            error.hint(format!("known: {}", known.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")))
        }
    })
}

/// A value as it is to be written.
fn value(kind: Kind, text: &str) -> Result<NewValue, String> {
    let compound = text.trim_start().starts_with(['[', '{']);
    match kind {
        Kind::Bool | Kind::Integer(..) => Ok(NewValue::Word(text.to_owned())),
        Kind::List(_) if !compound => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(NewValue::List(items.map(str::to_owned).collect()))
        }
        Kind::Text | Kind::Choice(_) => Ok(NewValue::Text(text.to_owned())),
        _ if compound => {
            // Not the parser's words, which repeat the text.
            let json: Json = serde_yaml::from_str(text).map_err(|_| "this is no YAML".to_owned())?;
            tree(&json, 0)
        }
        Kind::MapOf(_) | Kind::Object(_) | Kind::Table(_) => {
            Err("it must be a mapping: {KEY: VALUE}".to_owned())
        }
        _ => Ok(NewValue::Text(text.to_owned())),
    }
}

fn tree(json: &Json, depth: usize) -> Result<NewValue, String> {
    if depth > MAX_DEPTH {
        return Err("it is nested too deeply".to_owned());
    }
    Ok(match json {
        Json::Null => NewValue::Text(String::new()),
        Json::Bool(_) | Json::Number(_) => NewValue::Word(json.to_string()),
        Json::String(text) => NewValue::Text(text.clone()),
        Json::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(word).collect();
            NewValue::List(texts.ok_or("a list may hold texts only")?)
        }
        Json::Object(map) => {
            let fields = map.iter().map(|(key, value)| Ok((key.clone(), tree(value, depth + 1)?)));
            NewValue::Map(fields.collect::<Result<_, String>>()?)
        }
    })
}

fn word(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(json.to_string()),
        _ => None,
    }
}

/// Keeps secrets out of what is written.
struct Guard<'a> {
    server: &'a str,
    kept: &'a mut Kept,
    notes: &'a mut Vec<String>,
}

impl Guard<'_> {
    fn guarded(&mut self, keys: &[String], value: NewValue) -> Result<NewValue, CliError> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match (keys.as_slice(), value) {
            (["env" | "headers"], NewValue::Map(fields)) => {
                let each = |(name, value): (String, NewValue)| {
                    let value = self.text(&name, value)?;
                    Ok((name, value))
                };
                Ok(NewValue::Map(fields.into_iter().map(each).collect::<Result<_, CliError>>()?))
            }
            (["env" | "headers", name], value) => self.text(name, value),
            (["url"], value) => self.text("url", value),
            (["bearer"], value) => self.text("Authorization", value),
            (["command" | "args"], NewValue::List(words)) => {
                let words: Result<Vec<_>, CliError> =
                    words.iter().map(|word| read("the command", word)).collect();
                let (words, notes) = secret::command(self.server, words?);
                self.notes.extend(notes);
                Ok(NewValue::List(words))
            }
            (["command" | "args"], NewValue::Text(text)) => {
                let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                let read: Result<Vec<_>, CliError> =
                    words.iter().map(|word| read("the command", word)).collect();
                // A reference with blanks in it is in several words; such a text is looked at as a whole.
                let Ok(read) = read else {
                    if secret::is_secret("command", &text) {
                        return Err(CliError::usage("the command holds what looks like a secret"));
                    }
                    return Ok(NewValue::Text(text));
                };
                let (safe, notes) = secret::command(self.server, read);
                self.notes.extend(notes);
                // Without a secret the text stays as it was given, quotes included.
                Ok(if safe == words { NewValue::Text(text) } else { NewValue::List(safe) })
            }
            (_, value) => Ok(value),
        }
    }

    fn text(&mut self, name: &str, value: NewValue) -> Result<NewValue, CliError> {
        let (NewValue::Text(text) | NewValue::Word(text)) = &value else { return Ok(value) };
        Ok(match judged(name, name, text, self.notes)? {
            Text::Plain(text) => NewValue::Text(text),
            Text::Secret(secret) => in_file(&self.kept.place(self.server, name, &secret)),
        })
    }
}

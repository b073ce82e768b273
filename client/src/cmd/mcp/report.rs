//! What an import says: by source, for people and as JSON. No value of a variable or header is ever part of it.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::change::{Written, harmless};
use super::files;
use super::found::Source;
use super::import::{Fate, Planned};
use crate::cli::mcp_config::McpImport;
use crate::error::CliError;
use crate::mcp::import::{Found, Note};

/// Everything that is told of an import.
pub(super) struct Import<'a> {
    pub(super) args: &'a McpImport,
    pub(super) sources: &'a [Source],
    pub(super) planned: &'a [Planned],
    pub(super) diff: &'a str,
}

impl Fate {
    /// Its word in JSON.
    fn code(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Replaced => "replaced",
            Self::There => "already_there",
            Self::Differs => "differs",
            Self::Refused(_) => "refused",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Added => "new".to_owned(),
            Self::Replaced => "replaces the one that is there".to_owned(),
            Self::There => "already there".to_owned(),
            Self::Differs => "another of this name is there and stays; --replace takes this one".to_owned(),
            Self::Refused(why) => format!("not taken: {why}"),
        }
    }
}

impl Import<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        for (at, source) in self.sources.iter().enumerate() {
            let shown = files::shown(&source.path);
            let _ = writeln!(out, "{}  {shown}", source.format.title());
            match &source.servers {
                Err(why) => {
                    let colon = if why.starts_with(|c: char| c.is_ascii_digit()) { "" } else { " " };
                    let _ = writeln!(out, "  not read, {shown}:{colon}{why}");
                }
                Ok(found) => {
                    let before = out.len();
                    self.source(at, found, &mut out);
                    if out.len() == before {
                        out.push_str("  no server\n");
                    }
                }
            }
        }
        if self.sources.is_empty() {
            out.push_str("no file with servers was found; `llmctl mcp import --file PATH` reads any\n");
        }
        if !self.diff.is_empty() {
            out.push('\n');
            out.push_str(self.diff);
        } else if !self.sources.is_empty() {
            out.push_str("nothing to write\n");
        }
        harmless(&out)
    }

    fn source(&self, at: usize, found: &[Found], out: &mut String) {
        for found in found {
            let planned = self.planned.iter().find(|plan| {
                plan.chosen.source == at
                    && plan.chosen.found.name == found.name
                    && plan.chosen.found.at == found.at
            });
            // Writing into a string cannot fail.
            match (&found.server, planned) {
                (Err(refused), _) if self.wants(&found.name) => {
                    let _ = writeln!(
                        out,
                        "  {}  not taken: {} ({}:{})",
                        name(found),
                        refused.why,
                        refused.at.line,
                        refused.at.column
                    );
                }
                (Ok(_), Some(planned)) => self.server(planned, found, out),
                (Ok(_), None) if self.also(at, found) => {
                    let _ = writeln!(out, "  {}  the same as above", name(found));
                }
                _ => {}
            }
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|only| only == name)
    }

    fn also(&self, at: usize, found: &Found) -> bool {
        self.planned.iter().any(|plan| plan.chosen.also.contains(&at) && plan.chosen.found.name == found.name)
    }

    fn server(&self, planned: &Planned, found: &Found, out: &mut String) {
        let chosen = &planned.chosen;
        let renamed = if chosen.name == found.name { String::new() } else { format!(" as {}", chosen.name) };
        // Writing into a string cannot fail.
        let _ = writeln!(out, "  {}{renamed}  {}", name(found), planned.fate.words());
        if let Some(wanted) = &chosen.doubled {
            let _ = writeln!(out, "    note       another server is called {wanted}");
        }
        if !matches!(planned.fate, Fate::Added | Fate::Replaced) {
            return;
        }
        if !chosen.server.enabled {
            let _ = writeln!(out, "    note       it is disabled there, and will not start by itself");
        }
        if self.args.auto_start && self.sources.get(chosen.source).is_some_and(|source| source.foreign) {
            let _ = writeln!(
                out,
                "    note       it is a project's: --auto-start does not hold for it unless --from or --file names it"
            );
        }
        for (variable, path) in &planned.secrets {
            let _ = writeln!(out, "    secret     {variable} is kept in {}", files::shown(path));
        }
        for note in &found.notes {
            let word = if note.lost { "not taken" } else { "note     " };
            let _ = writeln!(
                out,
                "    {word}  {}: {} ({}:{})",
                note.field, note.text, note.at.line, note.at.column
            );
        }
    }

    /// For programs.
    pub(super) fn json(&self, written: Option<&Written>) -> Result<String, CliError> {
        let sources: Vec<Json> = self
            .sources
            .iter()
            .map(|source| {
                json!({
                    "program": source.format.name(),
                    "path": source.path,
                    "error": source.servers.as_ref().err(),
                })
            })
            .collect();
        let mut servers: Vec<Json> = self.planned.iter().map(|planned| self.planned_json(planned)).collect();
        for source in self.sources {
            for found in source.servers.iter().flatten().filter(|found| self.wants(&found.name)) {
                if let Err(refused) = &found.server {
                    servers.push(json!({
                        "name": found.name,
                        "path": source.path,
                        "line": refused.at.line,
                        "column": refused.at.column,
                        "result": "refused",
                        "reason": refused.why,
                    }));
                }
            }
        }
        let value = json!({
            "sources": sources,
            "servers": servers,
            "diff": self.diff,
            "written": written.map(Written::to_json),
        });
        let text = serde_json::to_string_pretty(&value).map_err(|e| CliError::failed(e.to_string()))?;
        Ok(text + "\n")
    }

    fn planned_json(&self, planned: &Planned) -> Json {
        let (chosen, found) = (&planned.chosen, &planned.chosen.found);
        let reason = match &planned.fate {
            Fate::Refused(why) => Some(why),
            _ => None,
        };
        let secrets: Vec<Json> =
            planned.secrets.iter().map(|(name, path)| json!({"name": name, "file": path})).collect();
        json!({
            "name": chosen.name,
            "original_name": found.name,
            "scope": found.scope,
            "path": self.sources.get(chosen.source).map(|source| &source.path),
            "line": found.at.line,
            "column": found.at.column,
            "result": planned.fate.code(),
            "reason": reason,
            "enabled": chosen.server.enabled,
            "secrets": secrets,
            "notes": found.notes.iter().map(note).collect::<Vec<_>>(),
        })
    }
}

fn note(note: &Note) -> Json {
    json!({
        "field": note.field,
        "not_taken": note.lost,
        "text": note.text,
        "line": note.at.line,
        "column": note.at.column,
    })
}

fn name(found: &Found) -> String {
    let name = crate::term::one_line(&found.name, 80);
    match found.scope {
        Some(scope) => format!("{name} ({scope})"),
        None => name,
    }
}

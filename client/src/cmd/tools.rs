//! `llmctl tools`: what could take an operation, whether it can be used now, and why not.

use std::path::{Path, PathBuf};

use llmctl_proto::config::{Config, Tool};
use llmctl_proto::event::Reason;
use llmctl_proto::paths::Paths;
use serde::Serialize;

use super::{print, println};
use crate::cli_config::{ConfigFlags, ListArgs};
use crate::config::{self, safe};
use crate::error::{CliError, Exit, Outcome};
use crate::provider::known;
use crate::route::facts::{find_any, usable_program};
use crate::route::login;
use crate::term::{Table, one_line};
use crate::tool::ToolSpec;

/// One tool as it is on this machine.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Seen {
    /// Its name.
    pub(super) name: String,
    /// `configured`, `installed` (an adapter without an entry), or `credentials` (a provider).
    pub(super) source: &'static str,
    /// Whether an operation could start on it now.
    pub(super) usable: bool,
    /// Why not.
    pub(super) reason: Option<Reason>,
    /// Its program.
    pub(super) program: Option<PathBuf>,
    /// The provider behind it, where there is only one.
    pub(super) provider: Option<String>,
    /// Models it offers by name; empty when only the tool itself knows.
    pub(super) models: Vec<String>,
    /// What it can do.
    pub(super) capabilities: Vec<String>,
    /// Usable with a warning.
    pub(super) deprecated: bool,
    /// As configured.
    pub(super) note: Option<String>,
}

pub(super) fn run(paths: &Paths, flags: &ConfigFlags, args: &ListArgs) -> Outcome {
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let seen = machine(&loaded.config);
    if args.json {
        let text = serde_json::to_string_pretty(&seen).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["TOOL", "SOURCE", "USABLE", "MODELS", "PROGRAM OR WHY NOT"]);
    for tool in &seen {
        let why = match (&tool.reason, &tool.program) {
            (Some(reason), _) => reason.text.clone(),
            (None, Some(program)) => program.display().to_string(),
            (None, None) => "by its API".to_owned(),
        };
        let usable = if tool.usable { "yes" } else { "no" };
        let models = match tool.models.len() {
            0 => "its own".to_owned(),
            count => count.to_string(),
        };
        table.row(vec![
            one_line(&tool.name, 40),
            tool.source.to_owned(),
            usable.to_owned(),
            models,
            one_line(&why, 100),
        ]);
    }
    print(&String::from_utf8_lossy(&safe(&table.render())))?;
    Ok(Exit::Ok)
}

/// Every tool: configured ones in the order of the files, then adapters, then providers.
pub(super) fn machine(config: &Config) -> Vec<Seen> {
    let mut seen: Vec<Seen> = config.tools.iter().map(|(name, tool)| configured(name, tool)).collect();
    for spec in ToolSpec::all() {
        if !config.tools.contains_key(spec.name) {
            seen.push(installed(spec));
        }
    }
    for (name, spec) in known::all(&env) {
        if !config.tools.contains_key(name) {
            let reason = spec.err().map(|error| Reason::new("credentials_missing", error.to_string()));
            let provider = known::find(name).map(|entry| entry.price_id.to_owned());
            seen.push(Seen { provider, ..blank(name, "credentials", reason) });
        }
    }
    seen
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn blank(name: &str, source: &'static str, reason: Option<Reason>) -> Seen {
    Seen {
        name: name.to_owned(),
        source,
        usable: reason.is_none(),
        reason,
        program: None,
        provider: None,
        models: Vec::new(),
        capabilities: Vec::new(),
        deprecated: false,
        note: None,
    }
}

fn installed(spec: &'static ToolSpec) -> Seen {
    let found = find_any(spec.binaries);
    let reason = found.as_ref().err().cloned().or_else(|| login::missing(spec.name, &env));
    let provider = match spec.name {
        "claude-code" => Some("anthropic"),
        "codex" => Some("openai"),
        "gemini" => Some("google"),
        _ => None,
    };
    Seen {
        program: found.ok(),
        provider: provider.map(str::to_owned),
        ..blank(spec.name, "installed", reason)
    }
}

fn configured(name: &str, tool: &Tool) -> Seen {
    let adapter = tool.adapter.as_deref().unwrap_or(name);
    let program = if adapter == "http" { None } else { Some(program(name, tool)) };
    let unset = unset(&tool.env_required);
    let missing = (!unset.is_empty())
        .then(|| Reason::new("credentials_missing", format!("{} is not set", unset.join(", "))));
    let retired = tool.retired.then(|| {
        let date = tool.retired_date.as_deref().map(|date| format!(" ({date})")).unwrap_or_default();
        Reason::new("retired", format!("retired{date}"))
    });
    let broken = tool.broken.as_ref().map(|why| Reason::new("broken", why.clone()));
    let reason = broken
        .or(retired)
        .or_else(|| program.as_ref().and_then(|found| found.as_ref().err().cloned()))
        .or(missing)
        .or_else(|| login::missing(adapter, &env));
    Seen {
        program: program.and_then(Result::ok),
        provider: tool.provider.clone(),
        models: tool.models.clone(),
        capabilities: tool.capabilities.clone(),
        deprecated: tool.deprecated,
        note: tool.note.clone(),
        ..blank(name, "configured", reason)
    }
}

/// The program of a configured tool: its explicit path, its name or path, its adapter's, the last place to look.
pub(super) fn program(name: &str, tool: &Tool) -> Result<PathBuf, Reason> {
    let home = |path: &str| match (path.strip_prefix("~/"), env("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    };
    let at = |path: &str| usable_program(&home(path)).map(|()| home(path));
    if let Some(path) = &tool.binary_path {
        return at(path);
    }
    let adapter = tool.adapter.as_deref().unwrap_or(name);
    let found = match (tool.binary.as_str(), ToolSpec::find(adapter)) {
        ("", Some(spec)) => find_any(spec.binaries),
        ("", None) => Err(Reason::new("not_installed", "no program is named")),
        (path, _) if path.contains('/') => at(path),
        (name, _) => find_any(&[name]),
    };
    match (found, &tool.platform_path) {
        (Err(reason), Some(last)) if reason.code == "not_installed" => at(last).map_err(|why| {
            if why.code == "not_executable" {
                why
            } else {
                Reason::new("not_installed", format!("{} nor at {last}", reason.text))
            }
        }),
        (found, _) => found,
    }
}

/// Those of these variables that are not set.
pub(super) fn unset(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| env(name).is_none()).collect()
}

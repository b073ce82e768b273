//! `llmctl tools`: what could take an operation, whether it can be used now, and why not.

use std::path::PathBuf;

use llmctl_proto::config::{Config, Tool};
use llmctl_proto::event::Reason;
use llmctl_proto::paths::Paths;
use serde::Serialize;

use super::{print, println};
use crate::cli::config::{ConfigFlags, ListArgs};
use crate::config::{self, safe};
use crate::error::{CliError, Exit, Outcome};
use crate::route::gather::gather;
use crate::route::{Kind, Known, Request, Target};
use crate::term::{Table, one_line};

/// Stands in the gathered list for local servers when nothing wanted them.
const NOT_LOOKED_FOR: &str = "local-servers";

/// One tool as it is on this machine.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Seen {
    /// Its name.
    pub(super) name: String,
    /// `configured`, `installed`, `credentials`, `local_server` or `practice`.
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

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: &ListArgs) -> Outcome {
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let seen = machine(&loaded.config).await;
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

/// Everything that could take an operation, in the order of preference, as routing sees it.
pub(super) async fn machine(config: &Config) -> Vec<Seen> {
    let known = gather(config, &Request::default()).await;
    known
        .into_iter()
        .filter(|known| known.fact.tool != NOT_LOOKED_FOR)
        .map(|known| seen(known, config))
        .collect()
}

fn seen(known: Known, config: &Config) -> Seen {
    let fact = known.fact;
    let entry = config.tools.get(&fact.tool).filter(|_| fact.kind == Kind::Configured);
    let reason = entry.and_then(against).or(fact.missing).or_else(|| entry.and_then(unset)).or(fact.doubtful);
    let program = match known.target {
        Target::Tool { binary, .. } | Target::Template { binary, .. } => binary,
        Target::Http { .. } | Target::Practice | Target::Nothing => None,
    };
    Seen {
        source: fact.kind.as_str(),
        usable: reason.is_none(),
        reason,
        program,
        provider: entry.and_then(|tool| tool.provider.clone()).or(fact.provider),
        models: fact.models,
        capabilities: entry.map(|tool| tool.capabilities.clone()).unwrap_or_default(),
        deprecated: entry.is_some_and(|tool| tool.deprecated),
        note: entry.and_then(|tool| tool.note.clone()),
        name: fact.tool,
    }
}

/// What the files themselves have against a tool.
fn against(tool: &Tool) -> Option<Reason> {
    if let Some(why) = &tool.broken {
        return Some(Reason::new("broken", why.clone()));
    }
    tool.retired.then(|| {
        let date = tool.retired_date.as_deref().map(|date| format!(" ({date})")).unwrap_or_default();
        Reason::new("retired", format!("retired{date}"))
    })
}

/// Variables that a tool needs and that are not set.
fn unset(tool: &Tool) -> Option<Reason> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let unset: Vec<&str> = tool.env_required.iter().map(String::as_str).filter(|name| !set(name)).collect();
    (!unset.is_empty())
        .then(|| Reason::new("credentials_missing", format!("{} is not set", unset.join(", "))))
}

//! Gathers what routing decides on: programs in `PATH`, templates of `tools.yaml`, keys, local servers.
//!
//! Only the environment and the file system are asked; local servers only when nothing before them can be used,
//! since each question costs time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use llmctl_proto::event::{Reason, Requested};
use llmctl_proto::paths::Paths;

use super::Fact;
use super::login;
use super::templates::{self, TemplateTool};
use crate::error::CliError;
use crate::practice;
use crate::provider::{ProviderSpec, known, local};
use crate::tool::ToolSpec;

/// What stands behind a fact: what to run when it is chosen.
#[derive(Debug, Clone)]
pub enum Target {
    /// A tool with an adapter.
    Tool {
        /// Which.
        spec: &'static ToolSpec,
        /// Its program, when it was found.
        binary: Option<PathBuf>,
    },
    /// A program run by a template.
    Template {
        /// As configured.
        tool: Box<TemplateTool>,
        /// Its program, when it was found.
        binary: Option<PathBuf>,
    },
    /// A provider or local server.
    Http {
        /// How it is reached, when it can be.
        spec: Option<ProviderSpec>,
        /// On this machine and free of charge.
        local: bool,
    },
    /// The practice model.
    Practice,
    /// Only listed: nothing can be run.
    Nothing,
}

/// A fact and what stands behind it.
#[derive(Debug, Clone)]
pub struct Known {
    /// For the decision.
    pub fact: Fact,
    /// For the run.
    pub target: Target,
}

/// Gathers the facts for a request, in the order of preference.
///
/// # Errors
/// `tools.yaml` cannot be used; the error names file and line.
pub async fn gather(paths: &Paths, requested: &Requested) -> Result<Vec<Known>, CliError> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut all: Vec<Known> = Vec::new();
    let templates = templates::load(&paths.config)?;
    all.extend(templates.into_iter().map(|(name, tool)| configured(&name, tool, &env)));
    for spec in ToolSpec::all() {
        if !all.iter().any(|known| known.fact.tool == spec.name) {
            all.push(installed(spec, &env));
        }
    }
    all.extend(known::all(&env).into_iter().map(|(name, spec)| provider(name, spec)));
    let needed = needs_local(requested, &all);
    all.extend(if needed { local_servers(&env).await } else { vec![not_looked_for()] });
    all.push(practice_model());
    Ok(all)
}

/// Whether local servers could be the answer: asked for by name, or nothing before them can be used.
fn needs_local(requested: &Requested, before: &[Known]) -> bool {
    let usable = |known: &Known| known.fact.missing.is_none() && known.fact.doubtful.is_none();
    let tool =
        requested.tool.as_deref().or_else(|| requested.model.as_deref()?.split_once(':').map(|(t, _)| t));
    if let Some(tool) = tool {
        return tool != practice::MODEL && !before.iter().any(|known| known.fact.tool == tool);
    }
    match requested.model.as_deref().filter(|model| *model != "auto" && !model.is_empty()) {
        None => !before.iter().any(usable),
        Some(model) => model != practice::MODEL && !before.iter().any(|k| usable(k) && k.fact.offers(model)),
    }
}

fn reason(code: &str, text: impl Into<String>) -> Reason {
    Reason::new(code, text)
}

fn fact(tool: &str, source: &'static str, missing: Option<Reason>) -> Fact {
    Fact {
        tool: tool.to_owned(),
        source,
        provider: None,
        models: Vec::new(),
        default_model: None,
        missing,
        doubtful: None,
    }
}

fn installed(spec: &'static ToolSpec, env: &dyn Fn(&str) -> Option<String>) -> Known {
    let found = find_any(spec.binaries);
    let missing = found.as_ref().err().cloned();
    let doubtful = if missing.is_none() { login::missing(spec.name, env) } else { None };
    let provider = match spec.name {
        "claude-code" => Some("anthropic"),
        "codex" => Some("openai"),
        "gemini" => Some("google"),
        _ => None,
    };
    Known {
        fact: Fact {
            provider: provider.map(str::to_owned),
            doubtful,
            ..fact(spec.name, "installed", missing)
        },
        target: Target::Tool { spec, binary: found.ok() },
    }
}

fn configured(name: &str, tool: TemplateTool, env: &dyn Fn(&str) -> Option<String>) -> Known {
    let found = match &tool.binary_path {
        Some(path) => usable_program(Path::new(path)).map(|()| PathBuf::from(path)),
        None => find_any(&[tool.binary.as_str()]),
    };
    let unset: Vec<&str> =
        tool.env_required.iter().map(String::as_str).filter(|name| env(name).is_none()).collect();
    let missing = found.as_ref().err().cloned().or_else(|| {
        (!unset.is_empty()).then(|| reason("credentials_missing", format!("{} is not set", unset.join(", "))))
    });
    let fact = Fact {
        models: tool.models.clone(),
        default_model: tool.models.first().cloned(),
        ..fact(name, "configured", missing)
    };
    Known { fact, target: Target::Template { tool: Box::new(tool), binary: found.ok() } }
}

fn provider(name: &'static str, spec: Result<ProviderSpec, known::NotReady>) -> Known {
    let entry = known::find(name);
    let missing = spec.as_ref().err().map(|error| reason("credentials_missing", error.to_string()));
    let default_model = match entry {
        Some(entry) => Some(entry.default_model.to_owned()),
        // A base URL of the user's own serves models that only he knows.
        None => std::env::var("LLMCTL_DEFAULT_MODEL").ok(),
    };
    let doubtful = (entry.is_none() && default_model.is_none())
        .then(|| reason("no_model", "name its model with --model custom:MODEL or LLMCTL_DEFAULT_MODEL"));
    Known {
        fact: Fact {
            provider: entry.map(|entry| entry.price_id.to_owned()),
            default_model,
            doubtful,
            ..fact(name, "credentials", missing)
        },
        target: Target::Http { spec: spec.ok(), local: false },
    }
}

async fn local_servers(env: &dyn Fn(&str) -> Option<String>) -> Vec<Known> {
    let probes = local::discover(env).await;
    probes
        .into_iter()
        .map(|probe| match probe.result {
            Ok(server) => Known {
                fact: Fact {
                    default_model: server.models.first().cloned(),
                    models: server.models.clone(),
                    ..fact(&server.name, "local_server", None)
                },
                target: Target::Http { spec: Some(server.spec()), local: true },
            },
            Err(why) => {
                let place = probe.address.map(|address| format!(" ({address})")).unwrap_or_default();
                let missing = reason("not_answering", format!("{why}{place}"));
                Known { fact: fact(&probe.name, "local_server", Some(missing)), target: Target::Nothing }
            }
        })
        .collect()
}

fn not_looked_for() -> Known {
    let why = reason("not_needed", "not looked for: a candidate before them can be used");
    Known { fact: fact("local-servers", "local_server", Some(why)), target: Target::Nothing }
}

fn practice_model() -> Known {
    Known {
        fact: Fact {
            provider: Some(practice::MODEL.to_owned()),
            default_model: Some(practice::MODEL.to_owned()),
            ..fact(practice::MODEL, "practice", None)
        },
        target: Target::Practice,
    }
}

/// Finds a program in `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    find_any(&[name]).ok()
}

/// Finds the first of these programs; a name with a slash is a path. A file that is there but cannot be run is
/// named, unless a later place has one that can.
pub(crate) fn find_any(names: &[&str]) -> Result<PathBuf, Reason> {
    let dirs: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut unusable = None;
    for name in names {
        let places: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            dirs.iter().map(|dir| dir.join(name)).collect()
        };
        for place in places {
            match usable_program(&place) {
                Ok(()) => return Ok(place),
                Err(why) if why.code == "not_executable" => unusable = unusable.or(Some(why)),
                Err(_) => {}
            }
        }
    }
    let nowhere = || reason("not_installed", format!("{} is not in PATH", names.join(" or ")));
    Err(unusable.unwrap_or_else(nowhere))
}

pub(crate) fn usable_program(path: &Path) -> Result<(), Reason> {
    match path.metadata() {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(meta) if meta.is_file() => {
            let text = format!("{0} is not executable; run `chmod +x {0}`", path.display());
            Err(reason("not_executable", text))
        }
        _ => Err(reason("not_installed", format!("{} does not exist", path.display()))),
    }
}

/// The facts alone, for the decision.
pub fn facts(known: &[Known]) -> Vec<Fact> {
    known.iter().map(|known| known.fact.clone()).collect()
}

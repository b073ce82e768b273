//! Gathers what routing decides on: programs, templates, keys, local servers.
//!
//! Only the environment and the file system are asked; local servers only when nothing before them can be used,
//! since each question costs time. Programs are looked for in one place, [`super::probe`].

use std::collections::BTreeSet;

use llmctl_proto::admission::SharedFacts;
use llmctl_proto::config::{Config, Tool};
use llmctl_proto::event::Reason;
use llmctl_proto::time::UnixMs;

use super::facts::{Fact, Facts, Kind, Known, Target};
use super::login;
use super::probe::Places;
use super::request::Request;
use crate::practice;
use crate::provider::{ProviderSpec, known, local};
use crate::tool::{Template, ToolSpec};

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Gathers what there is to run for a request, in the order of preference.
pub async fn gather(config: &Config, request: &Request) -> Vec<Known> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let places = Places::of_environment();
    let mut all: Vec<Known> =
        config.tools.iter().map(|(name, tool)| configured(name, tool, config, &places, &env)).collect();
    for spec in ToolSpec::all() {
        if !all.iter().any(|known| known.fact.tool == spec.name) {
            all.push(installed(spec, &places, &env));
        }
    }
    all.extend(
        known::configured(&config.providers, &env).into_iter().map(|(name, spec)| provider(&name, spec)),
    );
    let needed = needs_local(config, request, &all);
    all.extend(if needed { local_servers(&env).await } else { vec![not_looked_for()] });
    all.push(practice_model());
    all
}

/// The facts of a decision: what was gathered, and what the daemon knows, if one answered.
pub fn facts(known: &[Known], config: &Config, shared: Option<SharedFacts>, now: UnixMs) -> Facts {
    let required = config.tools.values().flat_map(|tool| &tool.env_required);
    let set = |name: &&String| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Facts {
        now,
        machine: known.iter().map(|known| known.fact.clone()).collect(),
        variables: required.filter(set).cloned().collect::<BTreeSet<_>>(),
        daemon: shared.is_some(),
        shared: shared.unwrap_or_default(),
    }
}

/// Whether local servers could be the answer: asked for by name, or nothing before them can be used.
fn needs_local(config: &Config, request: &Request, before: &[Known]) -> bool {
    let usable = |known: &Known| known.fact.missing.is_none() && known.fact.doubtful.is_none();
    let named = request.model.as_deref().filter(|model| *model != "auto" && !model.is_empty());
    let tool = request.tool.as_deref().or_else(|| named?.split_once(':').map(|(tool, _)| tool));
    if let Some(tool) = tool {
        return tool != practice::MODEL && !before.iter().any(|known| known.fact.tool == tool);
    }
    if let Some(model) = named {
        let known = config.models.contains_key(model)
            || before.iter().any(|known| usable(known) && known.fact.offers(model));
        return model != practice::MODEL && !known;
    }
    let agent = request.agent.as_ref().and_then(|name| config.agents.get(name));
    if let Some(agent) = agent
        && !config.routing.use_catalogue.unwrap_or(false)
    {
        let chain = agent.fallback_chain.iter().map(|entry| &entry.tool);
        let mut tools = chain.chain(std::iter::once(&agent.preferred_tool));
        return tools.any(|tool| !before.iter().any(|known| known.fact.tool == *tool));
    }
    !before.iter().any(usable)
}

fn installed(spec: &'static ToolSpec, places: &Places, env: Env<'_>) -> Known {
    let found = places.first(spec.binaries);
    let missing = found.as_ref().err().cloned();
    let doubtful = if missing.is_none() { login::missing(spec.name, env) } else { None };
    Known {
        fact: Fact {
            provider: provider_of(spec).map(str::to_owned),
            missing,
            doubtful,
            ..Fact::new(spec.name, Kind::Installed)
        },
        target: Target::Tool { spec, binary: found.ok(), config: None },
    }
}

fn provider_of(spec: &ToolSpec) -> Option<&'static str> {
    match spec.name {
        "claude-code" => Some("anthropic"),
        "codex" => Some("openai"),
        "gemini" => Some("google"),
        _ => None,
    }
}

/// A tool of the configuration: a provider call, a tool with an adapter, or a template.
fn configured(name: &str, tool: &Tool, config: &Config, places: &Places, env: Env<'_>) -> Known {
    let fact = Fact {
        models: tool.models.clone(),
        default_model: tool.models.first().cloned(),
        ..Fact::new(name, Kind::Configured)
    };
    let adapter = tool.adapter.as_deref().unwrap_or(name);
    if adapter == "http" {
        return over_http(fact, tool, config, env);
    }
    let spec = if adapter == "template" { None } else { ToolSpec::find(adapter) };
    let mut found = places.configured(tool);
    if let Some(spec) = spec {
        if tool.binary.is_empty() && tool.binary_path.is_none() {
            found = places.first(spec.binaries);
        }
        let missing = found.as_ref().err().cloned();
        let doubtful = if missing.is_none() { login::missing(spec.name, env) } else { None };
        let config = Some(Box::new(tool.clone()));
        return Known {
            fact: Fact { missing, doubtful, ..fact },
            target: Target::Tool { spec, binary: found.ok(), config },
        };
    }
    let unknown = tool.adapter.as_deref().filter(|adapter| *adapter != "template");
    let missing = match unknown {
        Some(adapter) => Some(Reason::new("broken", format!("there is no adapter {adapter:?}"))),
        None => found.as_ref().err().cloned().or_else(|| bad_template(tool)),
    };
    Known {
        fact: Fact { missing, ..fact },
        target: Target::Template { tool: Box::new(tool.clone()), binary: found.ok() },
    }
}

fn bad_template(tool: &Tool) -> Option<Reason> {
    let error = Template::parse(tool.command_template.as_deref().unwrap_or_default()).err()?;
    Some(Reason::new("broken", error.to_string()))
}

fn over_http(fact: Fact, tool: &Tool, config: &Config, env: Env<'_>) -> Known {
    let of_model = tool.models.iter().find_map(|model| config.models.get(model)).map(|model| &model.provider);
    let name = tool.provider.as_ref().or(of_model);
    let found = name.map(|name| {
        let mut all = known::configured(&config.providers, env).into_iter();
        (name, all.find(|(known, _)| known == name || known::find(known).is_some_and(|k| k.price_id == name)))
    });
    let (missing, spec) = match found {
        None => (Some(Reason::new("broken", "it names no provider, and none of its models does")), None),
        Some((name, None)) => (Some(Reason::new("broken", format!("no provider {name} is known"))), None),
        Some((_, Some((_, Ok(spec))))) => (None, Some(spec)),
        Some((_, Some((_, Err(why))))) => (Some(Reason::new("credentials_missing", why.to_string())), None),
    };
    Known {
        fact: Fact { missing, provider: name.cloned(), ..fact },
        target: Target::Http { spec, local: false },
    }
}

fn provider(name: &str, spec: Result<ProviderSpec, known::NotReady>) -> Known {
    let entry = known::find(name);
    let missing = spec.as_ref().err().map(|error| Reason::new("credentials_missing", error.to_string()));
    let default_model = match entry {
        Some(entry) => Some(entry.default_model.to_owned()),
        // A base URL of the user's own serves models that only he knows.
        None => std::env::var("LLMCTL_DEFAULT_MODEL").ok(),
    };
    let doubtful = (entry.is_none() && default_model.is_none()).then(|| {
        Reason::new("no_model", format!("name its model with --model {name}:MODEL or LLMCTL_DEFAULT_MODEL"))
    });
    let own = (entry.is_none() && name != known::CUSTOM).then(|| name.to_owned());
    Known {
        fact: Fact {
            provider: entry.map(|entry| entry.price_id.to_owned()).or(own),
            default_model,
            missing,
            doubtful,
            ..Fact::new(name, Kind::Credentials)
        },
        target: Target::Http { spec: spec.ok(), local: false },
    }
}

async fn local_servers(env: Env<'_>) -> Vec<Known> {
    let probes = local::discover(env).await;
    probes
        .into_iter()
        .map(|probe| match probe.result {
            Ok(server) => Known {
                fact: Fact {
                    default_model: server.models.first().cloned(),
                    models: server.models.clone(),
                    ..Fact::new(&server.name, Kind::LocalServer)
                },
                target: Target::Http { spec: Some(server.spec()), local: true },
            },
            Err(why) => {
                let place = probe.address.map(|address| format!(" ({address})")).unwrap_or_default();
                let missing = Some(Reason::new("not_answering", format!("{why}{place}")));
                let fact = Fact { missing, ..Fact::new(&probe.name, Kind::LocalServer) };
                Known { fact, target: Target::Nothing }
            }
        })
        .collect()
}

fn not_looked_for() -> Known {
    let why = Reason::new("not_needed", "not looked for: a candidate before them can be used");
    let fact = Fact { missing: Some(why), ..Fact::new("local-servers", Kind::LocalServer) };
    Known { fact, target: Target::Nothing }
}

fn practice_model() -> Known {
    Known {
        fact: Fact {
            provider: Some(practice::MODEL.to_owned()),
            default_model: Some(practice::MODEL.to_owned()),
            ..Fact::new(practice::MODEL, Kind::Practice)
        },
        target: Target::Practice,
    }
}

/// Finds a program in `PATH`.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    Places::of_environment().first(&[name]).ok()
}

//! The configuration of the acceptance cases, and a machine that has some of its programs.

use std::path::Path;
use std::sync::LazyLock;

use llmctl_proto::config::{Config, Severity, Sources, discover, load};
use llmctl_proto::event::{Candidate, Reason};
use llmctl_proto::time::UnixMs;

use crate::config::catalogue;
use crate::route::{Decision, Fact, Facts, Kind, Request, RouteError, route};

pub(super) const OPUS: &str = "claude-opus-4-6";
pub(super) const SONNET: &str = "claude-sonnet-4-5-20250929";
pub(super) const HAIKU: &str = "claude-haiku-4-5-20251001";
pub(super) const NOW: UnixMs = UnixMs(1_795_400_000_000);

pub(super) fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// The provided files, read once.
pub(super) fn config() -> Config {
    static READ: LazyLock<Config> = LazyLock::new(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/llm-service-config/current");
        let found = discover::only(&dir, &dir, catalogue()).expect("a directory");
        let loaded = load(&Sources { now: NOW, env: Vec::new(), ..found });
        assert_eq!(loaded.of(Severity::Error).count(), 0, "{}", loaded.report(Severity::Error));
        loaded.config
    });
    READ.clone()
}

/// A machine with these programs; the other tools of the configuration are missing.
pub(super) fn machine(config: &Config, installed: &[&str]) -> Facts {
    let configured = config.tools.iter().map(|(name, tool)| Fact {
        models: tool.models.clone(),
        default_model: tool.models.first().cloned(),
        missing: (!installed.contains(&name.as_str())).then(|| {
            let text = format!("{0} is not in PATH nor at /usr/local/bin/{0}", tool.binary);
            Reason::new("not_installed", text)
        }),
        ..Fact::new(name, Kind::Configured)
    });
    let openai = Fact {
        provider: Some("openai".to_owned()),
        default_model: Some("gpt-5".to_owned()),
        missing: Some(Reason::new("credentials_missing", "no key: set OPENAI_API_KEY")),
        ..Fact::new("openai", Kind::Credentials)
    };
    let practice = Fact {
        provider: Some("practice".to_owned()),
        default_model: Some("practice".to_owned()),
        ..Fact::new("practice", Kind::Practice)
    };
    let machine = configured.chain([openai, practice]).collect();
    Facts { now: NOW, machine, ..Facts::default() }
}

pub(super) fn both(config: &Config) -> Facts {
    machine(config, &["claude-code", "cursor"])
}

pub(super) fn of_agent(agent: &str, tokens: u64) -> Request {
    Request { agent: Some(agent.to_owned()), input_tokens: Some(tokens), ..Request::default() }
}

pub(super) fn pair(candidate: &Candidate) -> String {
    crate::route::reasons::name(&candidate.tool, candidate.model.as_deref())
}

/// The choice as `tool:model` and its source.
pub(super) fn choice(decision: &Decision) -> (String, &str) {
    decision.selected().map_or((String::new(), ""), |c| (pair(c), c.source.as_str()))
}

pub(super) fn candidate<'d>(decision: &'d Decision, name: &str) -> &'d Candidate {
    let found = decision.candidates.iter().find(|c| pair(c) == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", decision.candidates))
}

pub(super) fn codes(candidate: &Candidate) -> Vec<&str> {
    candidate.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

pub(super) fn ask(request: &Request, config: &Config, facts: &Facts) -> Decision {
    route(request, config, facts).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn refused(request: &Request, config: &Config, facts: &Facts) -> RouteError {
    route(request, config, facts).expect_err("an unknown name")
}

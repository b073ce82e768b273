//! The configuration of the acceptance cases, by hand, and a machine that has some of its programs.

use llmctl_proto::config::{Agent, ChainEntry, Config, CostOptimization, Model, Policy, Tool};
use llmctl_proto::event::{Candidate, Reason};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{PriceRow, PriceTable};
use llmctl_proto::time::UnixMs;

use crate::route::{Decision, Fact, Facts, Kind, Request, RouteError, route};

pub(super) const OPUS: &str = "claude-opus-4-6";
pub(super) const SONNET: &str = "claude-sonnet-4-5-20250929";
pub(super) const HAIKU: &str = "claude-haiku-4-5-20251001";
pub(super) const NOW: UnixMs = UnixMs(1_795_400_000_000);

pub(super) fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// Prices in micro-dollars per million tokens: model, input, output. The one place where tests make rows.
pub(super) fn price(config: &mut Config, rows: &[(&str, i64, i64)]) {
    let rows = rows.iter().map(|(m, i, o)| PriceRow::flat(m, PicoUsd(*i), PicoUsd(*o))).collect();
    config.prices = PriceTable::new(rows, None).expect("rows that fit together");
}

fn model(provider: &str, window: u64, suitability: &[&str]) -> Model {
    Model {
        provider: provider.to_owned(),
        context_window: Some(window),
        task_suitability: names(suitability),
        ..Model::default()
    }
}

fn agent(tool: &str, model: &str, chain: &[(&str, &str)], task_types: &[(&str, &str)]) -> Agent {
    let entries = chain.iter().zip(1_u32..).map(|((tool, model), place)| ChainEntry {
        tool: (*tool).to_owned(),
        model: (*model).to_owned(),
        place,
    });
    Agent {
        preferred_tool: tool.to_owned(),
        preferred_model: model.to_owned(),
        fallback_chain: entries.filter(|e| (e.tool.as_str(), e.model.as_str()) != (tool, model)).collect(),
        chain_length: chain.len() as u32,
        task_types: task_types.iter().map(|(t, m)| ((*t).to_owned(), (*m).to_owned())).collect(),
        cost_optimization: true,
        ..Agent::default()
    }
}

fn tool(binary: &str, models: &[&str], capabilities: &[&str]) -> Tool {
    Tool {
        binary: binary.to_owned(),
        command_template: Some("{binary} {prompt_file} --model {model}".to_owned()),
        platform_path: Some(format!("/usr/local/bin/{binary}")),
        models: names(models),
        capabilities: names(capabilities),
        ..Tool::default()
    }
}

fn deprecated(by: &str, of: Model) -> Model {
    Model { deprecated: true, superseded_by: Some(by.to_owned()), ..of }
}

/// What the four files of the acceptance cases say.
pub(super) fn config() -> Config {
    let mut config = Config { default_policy: "default".to_owned(), ..Config::default() };
    let (cc, cu) = ("claude-code", "cursor");
    let agents = [
        (
            "architect",
            agent(
                cu,
                "gpt-4o",
                &[(cu, "gpt-4o"), (cc, OPUS), (cc, SONNET)],
                &[("analysis", "gpt-4o"), ("synthesis", OPUS), ("diagramming", "gpt-4o")],
            ),
        ),
        (
            "backend-dev",
            agent(
                cc,
                SONNET,
                &[(cc, SONNET), (cc, HAIKU), (cu, "gpt-4o")],
                &[("coding", SONNET), ("debugging", SONNET), ("refactoring", SONNET), ("simple", HAIKU)],
            ),
        ),
        ("planner", agent(cc, OPUS, &[(cc, OPUS), (cu, "gpt-4o"), (cc, SONNET)], &[])),
    ];
    config.agents.extend(agents.map(|(name, agent)| (name.to_owned(), agent)));
    let tools = [
        (cc, tool("claude", &[OPUS, SONNET, HAIKU], &["code_generation", "code_review", "long_context"])),
        (cu, tool("cursor", &["gpt-4o", OPUS, SONNET], &["code_generation", "code_editing", "multimodal"])),
    ];
    config.tools.extend(tools.map(|(name, tool)| (name.to_owned(), tool)));
    let models = [
        (OPUS, model("anthropic", 200_000, &["complex_reasoning", "architecture", "analysis"])),
        (SONNET, model("anthropic", 200_000, &["coding", "editing"])),
        (HAIKU, model("anthropic", 200_000, &["simple_queries", "simple_tasks"])),
        ("gpt-4o", model("openai", 128_000, &["architecture", "analysis", "multimodal"])),
        ("gpt-4o-mini", model("openai", 128_000, &["simple_queries", "coding"])),
        ("gpt-4-turbo", deprecated("gpt-4o", model("openai", 128_000, &[]))),
        (
            "code-davinci-002",
            Model {
                deprecated: true,
                retired: true,
                retired_date: Some("2023-03-23".to_owned()),
                provider: "openai".to_owned(),
                ..Model::default()
            },
        ),
    ];
    config.models.extend(models.map(|(name, model)| (name.to_owned(), model)));
    let policy = Policy { prefer_cheaper_under_tokens: Some(2_000), ..Policy::default() };
    config.policies.insert("default".to_owned(), policy);
    config.policies.insert("production".to_owned(), Policy::default());
    config.cost_optimization = CostOptimization {
        simple_task_threshold_tokens: 1_500,
        simple_task_models: names(&[HAIKU, "gpt-4o-mini"]),
        complex_task_models: names(&["gpt-4o", OPUS, SONNET]),
    };
    price(
        &mut config,
        &[
            (OPUS, 15_000_000, 75_000_000),
            (SONNET, 3_000_000, 15_000_000),
            (HAIKU, 250_000, 1_250_000),
            ("gpt-4o", 2_500_000, 10_000_000),
            ("gpt-4o-mini", 150_000, 600_000),
            ("gpt-4-turbo", 10_000_000, 30_000_000),
        ],
    );
    config
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

//! Step 2, candidates: every pair of tool and model that a source names, each once, with the source's value.
//!
//! Whether a candidate can be used is not asked here.

use llmctl_proto::config::{Agent, Config};
use llmctl_proto::event::Reason;

use super::decision::NO_TOOL;
use super::estimate::{self, Estimator, Pair};
use super::facts::{Fact, Facts, Kind};
use super::names::family;
use super::request::Request;
use super::wish::{Wish, resolve};
use crate::term::tokens;

/// A pair that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Tool, or [`NO_TOOL`].
    pub(super) tool: String,
    /// Model; none leaves it to the tool.
    pub(super) model: Option<String>,
    /// Who serves it, when known.
    pub(super) provider: Option<String>,
    /// Source by name.
    pub(super) source: &'static str,
    /// The source's part of the score.
    pub(super) value: i32,
    /// Reasons for it; the first is the source's.
    pub(super) reasons: Vec<Reason>,
    /// Place in the facts; none when the machine has nothing of that name.
    pub(super) fact: Option<usize>,
    /// Place in the agent's chain, from 1.
    pub(super) place: Option<u32>,
}

impl Draft {
    /// The part that costs depend on.
    pub(super) fn pair<'a>(&'a self, facts: &Facts) -> Pair<'a> {
        Pair {
            tool: &self.tool,
            model: self.model.as_deref(),
            provider: self.provider.as_deref(),
            free: self.fact.is_some_and(|at| facts.machine[at].kind.is_free()),
        }
    }
}

/// Collects the candidates of a request, in the order they were named.
pub(super) fn collect(
    request: &Request,
    config: &Config,
    facts: &Facts,
    wish: &Wish<'_>,
    estimator: &Estimator<'_>,
) -> Vec<Draft> {
    let mut collector = Collector { request, config, facts, wish, estimator, drafts: Vec::new() };
    if wish.is_explicit() {
        collector.explicit();
    }
    if !wish.is_explicit() || request.fallback {
        let by_task = collector.task_type();
        if !by_task {
            collector.simple();
        }
        collector.agent_pairs();
        collector.complex();
        if config.routing.use_catalogue.unwrap_or(wish.agent.is_none()) {
            collector.catalogue();
        }
    }
    collector.drafts
}

/// Whether the configuration names nothing but tools, so that the order of the machine's facts decides.
pub(super) fn is_plain(config: &Config) -> bool {
    let rules = &config.cost_optimization;
    config.agents.is_empty()
        && config.models.is_empty()
        && rules.simple_task_models.is_empty()
        && rules.complex_task_models.is_empty()
}

struct Collector<'a, 'e> {
    request: &'a Request,
    config: &'a Config,
    facts: &'a Facts,
    wish: &'a Wish<'a>,
    estimator: &'a Estimator<'e>,
    drafts: Vec<Draft>,
}

/// Where a draft comes from.
#[derive(Clone, Copy)]
struct Origin<'r> {
    source: &'static str,
    value: i32,
    reason: &'r Reason,
    place: Option<u32>,
}

impl Collector<'_, '_> {
    fn fact(&self, tool: &str) -> Option<usize> {
        self.facts.machine.iter().position(|fact| fact.tool == tool)
    }

    /// Adds a pair; one that is there already keeps the better source.
    fn add(&mut self, tool: &str, model: Option<&str>, origin: Origin<'_>, note: Option<Reason>) {
        let reasons: Vec<Reason> = std::iter::once(origin.reason.clone()).chain(note).collect();
        let known = self.drafts.iter_mut().find(|d| d.tool == tool && d.model.as_deref() == model);
        if let Some(known) = known {
            known.place = known.place.or(origin.place);
            if origin.value > known.value {
                (known.source, known.value, known.reasons) = (origin.source, origin.value, reasons);
            }
            return;
        }
        let fact = self.fact(tool);
        let provider = self.provider(fact, model);
        self.drafts.push(Draft {
            tool: tool.to_owned(),
            model: model.map(str::to_owned),
            provider,
            source: origin.source,
            value: origin.value,
            reasons,
            fact,
            place: origin.place,
        });
    }

    fn provider(&self, fact: Option<usize>, model: Option<&str>) -> Option<String> {
        let fact = fact.map(|at| &self.facts.machine[at]);
        let own = fact.and_then(|fact| fact.provider.clone());
        let of_model = model.and_then(|m| self.config.models.get(m)).map(|m| m.provider.clone());
        let of_model = of_model.filter(|provider| !provider.is_empty());
        // A seller of other makers' models is paid himself.
        if fact.is_some_and(|fact| fact.kind == Kind::Credentials) && own.is_some() {
            return own;
        }
        let local = fact.is_some_and(|fact| fact.kind.is_free());
        of_model.or(own).or_else(|| model.filter(|_| !local).and_then(family).map(str::to_owned))
    }

    fn configured_offers(&self, tool: &str, model: &str) -> bool {
        self.config
            .tools
            .get(tool)
            .is_some_and(|t| t.models.iter().any(|m| m == model || resolve(self.config, m) == model))
    }

    /// Tools that offer a model: `first` before the others, those of the configuration before the machine's.
    fn offering(&self, model: &str, first: Option<&str>) -> Vec<String> {
        let names = first.into_iter().chain(self.config.tools.keys().map(String::as_str));
        let mut tools: Vec<String> = Vec::new();
        for name in names.filter(|name| self.configured_offers(name, model)) {
            if !tools.iter().any(|tool| tool == name) {
                tools.push(name.to_owned());
            }
        }
        if !tools.is_empty() {
            return tools;
        }
        let plain = is_plain(self.config);
        let by_itself = |fact: &&Fact| {
            fact.kind != Kind::Configured && fact.offers(model) && (plain || fact.missing.is_none())
        };
        self.facts.machine.iter().filter(by_itself).map(|fact| fact.tool.clone()).collect()
    }

    /// Adds a model on every tool that offers it, or without a tool when none does. `step` is taken off the value
    /// from one tool to the next.
    fn add_on_all(&mut self, model: &str, first: Option<&str>, origin: Origin<'_>, step: i32) {
        let tools = self.offering(model, first);
        if tools.is_empty() {
            self.add(NO_TOOL, Some(model), origin, None);
        }
        for (at, tool) in (0_i32..).zip(&tools) {
            self.add(tool, Some(model), Origin { value: origin.value - step * at, ..origin }, None);
        }
    }

    /// Adds a model on a tool, and on every other tool that offers it, noting a switch when the first does not.
    fn add_from(&mut self, tool: &str, model: &str, origin: Origin<'_>) {
        self.add(tool, Some(model), origin, None);
        let offered = self.configured_offers(tool, model);
        let others = self.offering(model, None).into_iter().filter(|other| other != tool);
        for (at, other) in (1_i32..).zip(others.collect::<Vec<_>>()) {
            let note = (!offered)
                .then(|| Reason::new("tool_switch", format!("{tool} does not offer {model}; {other} does")));
            self.add(&other, Some(model), Origin { value: origin.value - 10 * at, ..origin }, note);
        }
    }

    fn explicit(&mut self) {
        let preferred = self.wish.agent.map(|(_, agent)| agent.preferred_tool.clone());
        let origin = |reason| Origin { source: "explicit", value: 10_000, reason, place: None };
        match (&self.wish.tool, &self.wish.model) {
            (Some(tool), Some(model)) => {
                let reason = Reason::new("explicit", format!("asked for by name, with model {model}"));
                self.add(tool, Some(model), origin(&reason), None);
            }
            (Some(tool), None) => {
                let model = self.model_for(tool);
                let reason = Reason::new("explicit", "asked for by name");
                self.add(tool, model.as_deref(), origin(&reason), None);
            }
            (None, Some(model)) => {
                let reason = Reason::new("explicit_model", format!("offers {model}"));
                self.add_on_all(model, preferred.as_deref(), origin(&reason), 0);
            }
            (None, None) => {}
        }
    }

    /// The model for a tool that was named without one: the agent's, if the tool offers it, else the tool's first.
    fn model_for(&self, tool: &str) -> Option<String> {
        let wanted = self.wish.agent.map(|(_, agent)| {
            let by_task = self.request.task_type.as_ref().and_then(|task| agent.task_types.get(task));
            by_task.into_iter().chain(std::iter::once(&agent.preferred_model))
        });
        let mut wanted = wanted.into_iter().flatten().map(|model| resolve(self.config, model));
        let configured = self.config.tools.get(tool).and_then(|tool| tool.models.first());
        wanted
            .find(|model| self.configured_offers(tool, model))
            .or_else(|| configured.map(|model| resolve(self.config, model)))
            .map(str::to_owned)
            .or_else(|| self.fact(tool).and_then(|at| self.facts.machine[at].default_model.clone()))
    }

    /// Whether the agent maps the task type.
    fn task_type(&mut self) -> bool {
        let (Some((name, agent)), Some(task)) = (self.wish.agent, &self.request.task_type) else {
            return false;
        };
        let Some(model) = agent.task_types.get(task) else { return false };
        let model = resolve(self.config, model).to_owned();
        let reason = Reason::new("task_type", format!("task type {task} of agent {name}"));
        let origin = Origin { source: "task_type", value: 9_000, reason: &reason, place: None };
        self.add_from(&agent.preferred_tool, &model, origin);
        true
    }

    /// Input tokens by which a prompt counts as small or large.
    fn input(&self) -> u64 {
        size(self.request, self.config, self.wish)
    }

    fn simple(&mut self) {
        let rules = &self.config.cost_optimization;
        let (input, threshold) = (self.input(), rules.simple_task_threshold_tokens);
        let agent = self.wish.agent.map(|(_, agent)| agent);
        if input >= threshold || agent.is_some_and(|agent| !agent.cost_optimization) {
            return;
        }
        let preferred = agent.map(|agent| self.preferred_cost(agent));
        for (at, model) in (0_i32..).zip(&rules.simple_task_models) {
            let model = resolve(self.config, model);
            let mut text = format!("small prompt ({} < {} tokens)", tokens(input), tokens(threshold));
            if let Some(dear) = preferred {
                let own = self.cost_of(model, agent.map(|agent| agent.preferred_tool.as_str()));
                match (own, dear) {
                    (Some(own), Some(dear)) if own < dear => {
                        text = format!("{text}: estimated {own} instead of {dear}");
                    }
                    // What nobody offers is listed all the same.
                    _ if self.offering(model, None).is_empty() => {}
                    _ => continue,
                }
            }
            let reason = Reason::new("simple", text);
            let origin = Origin { source: "simple", value: 8_000 - 10 * at, reason: &reason, place: None };
            self.add_on_all(model, agent.map(|agent| agent.preferred_tool.as_str()), origin, 0);
        }
    }

    fn preferred_cost(&self, agent: &Agent) -> Option<llmctl_proto::money::PicoUsd> {
        self.cost_of(resolve(self.config, &agent.preferred_model), Some(&agent.preferred_tool))
    }

    /// Estimated cost of a model on the first tool that offers it.
    fn cost_of(&self, model: &str, first: Option<&str>) -> Option<llmctl_proto::money::PicoUsd> {
        let tool = self.offering(model, first).into_iter().next();
        let fact = tool.as_deref().and_then(|tool| self.fact(tool));
        let provider = self.provider(fact, Some(model));
        let pair = Pair {
            tool: tool.as_deref().unwrap_or(NO_TOOL),
            model: Some(model),
            provider: provider.as_deref(),
            free: fact.is_some_and(|at| self.facts.machine[at].kind.is_free()),
        };
        self.estimator.figures(pair).estimate
    }

    fn agent_pairs(&mut self) {
        let Some((name, agent)) = self.wish.agent else { return };
        let model = resolve(self.config, &agent.preferred_model).to_owned();
        let reason = Reason::new("preferred", format!("preferred by agent {name}"));
        let origin = Origin { source: "preferred", value: 7_000, reason: &reason, place: None };
        if self.configured_offers(&agent.preferred_tool, &model) {
            self.add(&agent.preferred_tool, Some(&model), origin, None);
        } else {
            self.add_from(&agent.preferred_tool, &model, origin);
        }
        for entry in &agent.fallback_chain {
            let model = resolve(self.config, &entry.model).to_owned();
            let reason = Reason::new("fallback", format!("agent's chain, place {}", entry.place));
            let behind = i32::try_from(entry.place.saturating_sub(1)).unwrap_or(i32::MAX / 200);
            let value = 6_000_i32.saturating_sub(behind.saturating_mul(100));
            let origin = Origin { source: "fallback", value, reason: &reason, place: Some(entry.place) };
            self.add(&entry.tool, Some(&model), origin, None);
        }
    }

    fn complex(&mut self) {
        let rules = &self.config.cost_optimization;
        let (input, threshold) = (self.input(), rules.simple_task_threshold_tokens);
        if self.wish.agent.is_some() || input < threshold {
            return;
        }
        let text = format!("large prompt ({} >= {} tokens)", tokens(input), tokens(threshold));
        let reason = Reason::new("complex", text);
        for (at, model) in (0_i32..).zip(&rules.complex_task_models) {
            let value = 6_500 - 10 * at;
            let origin = Origin { source: "complex", value, reason: &reason, place: None };
            self.add_on_all(resolve(self.config, model), None, origin, 0);
        }
    }

    fn catalogue(&mut self) {
        let plain = is_plain(self.config);
        if !plain {
            for (name, tool) in &self.config.tools {
                let reason = Reason::new("catalogue", "configured");
                let origin = Origin { source: "catalogue", value: 1_000, reason: &reason, place: None };
                for model in &tool.models {
                    self.add(name, Some(resolve(self.config, model)), origin, None);
                }
            }
        }
        let machine = &self.facts.machine;
        for fact in machine.iter().filter(|fact| plain || fact.kind != Kind::Configured) {
            let (source, value) =
                if plain { (fact.kind.as_str(), 1_000) } else { ("catalogue", worth(fact.kind)) };
            let reason = Reason::new(fact.kind.as_str(), because(fact.kind));
            let origin = Origin { source, value, reason: &reason, place: None };
            self.add(&fact.tool, fact.default_model.as_deref(), origin, None);
        }
    }
}

/// Input tokens of a request by which a prompt counts as small or large: by the agent's preferred provider.
pub(super) fn size(request: &Request, config: &Config, wish: &Wish<'_>) -> u64 {
    let preferred = wish.agent.and_then(|(_, agent)| {
        let model = resolve(config, &agent.preferred_model);
        config.models.get(model).map(|model| model.provider.as_str()).or_else(|| family(model))
    });
    estimate::input_tokens(request, preferred)
}

/// Value of the catalogue's pairs: what is free only because it is small must not win by its price.
fn worth(kind: Kind) -> i32 {
    match kind {
        Kind::Configured | Kind::Installed => 1_000,
        Kind::Credentials => 800,
        Kind::LocalServer => 600,
        Kind::Practice => 400,
    }
}

fn because(kind: Kind) -> &'static str {
    match kind {
        Kind::Configured => "configured in tools.yaml",
        Kind::Installed => "installed and ready",
        Kind::Credentials => "its key is in the environment",
        Kind::LocalServer => "answers on this machine",
        Kind::Practice => "built in; nothing better was found",
    }
}

//! Step 1, names: what was asked for, resolved against what is known. Unknown names end the decision here.

use llmctl_proto::config::{Agent, Config, Policy};

use super::decision::{RouteError, Unknown};
use super::facts::{Fact, Facts};
use super::names::nearest;
use super::request::Request;

/// A request with its names resolved.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    /// The agent with its name; none without one, or when no agent is configured and the name is only a label.
    pub(super) agent: Option<(&'a str, &'a Agent)>,
    /// The tool asked for.
    pub(super) tool: Option<String>,
    /// The model asked for, aliases resolved.
    pub(super) model: Option<String>,
    /// The policy's name.
    pub(super) policy_name: String,
    /// The policy.
    pub(super) policy: Policy,
}

impl<'a> Wish<'a> {
    /// Resolves the names of a request.
    ///
    /// # Errors
    /// A name that is not known.
    pub(super) fn of(request: &'a Request, config: &'a Config, facts: &Facts) -> Result<Self, RouteError> {
        let agent = agent(request, config)?;
        let (policy_name, policy) = config
            .policy(request.policy.as_deref(), agent.map(|(name, _)| name))
            .map_err(|name| unknown("policy", &name, config.policies.keys().cloned().collect()))?;
        let (tool, model) = tool_and_model(request, config, facts)?;
        Ok(Self { agent, tool, model, policy_name, policy })
    }

    /// Whether a tool or a model was named.
    pub(super) fn is_explicit(&self) -> bool {
        self.tool.is_some() || self.model.is_some()
    }
}

/// The model behind an alias, or the name itself.
pub(super) fn resolve<'n>(config: &'n Config, name: &'n str) -> &'n str {
    if config.models.contains_key(name) {
        return name;
    }
    let known = config.models.iter().find(|(_, model)| model.aliases.iter().any(|alias| alias == name));
    known.map_or(name, |(model, _)| model)
}

fn unknown(what: &'static str, name: &str, known: Vec<String>) -> RouteError {
    let nearest = nearest(name, &known);
    RouteError::Unknown(Unknown { what, name: name.to_owned(), known, nearest })
}

fn agent<'a>(request: &'a Request, config: &'a Config) -> Result<Option<(&'a str, &'a Agent)>, RouteError> {
    let Some(name) = request.agent.as_deref() else { return Ok(None) };
    match config.agents.get(name) {
        Some(Agent { broken: Some(why), .. }) => {
            Err(RouteError::BrokenAgent { name: name.to_owned(), why: why.clone() })
        }
        Some(agent) => Ok(Some((name, agent))),
        // Without any agents a name is a label, which costs are summed by.
        None if config.agents.is_empty() => Ok(None),
        None => Err(unknown("agent", name, config.agents.keys().cloned().collect())),
    }
}

type Names = (Option<String>, Option<String>);

fn tool_and_model(request: &Request, config: &Config, facts: &Facts) -> Result<Names, RouteError> {
    let is_tool =
        |name: &str| config.tools.contains_key(name) || facts.machine.iter().any(|fact| fact.tool == name);
    let mut tool = request.tool.clone();
    let mut model = request.model.clone().filter(|model| is_named(model));
    if let (None, Some((name, rest))) = (&tool, model.as_ref().and_then(|model| model.split_once(':')))
        && is_tool(name)
    {
        tool = Some(name.to_owned());
        model = Some(rest.to_owned()).filter(|rest| is_named(rest));
    }
    let model = model.map(|name| resolve(config, &name).to_owned());
    if let Some(name) = tool.as_deref().filter(|name| !is_tool(name)) {
        return Err(unknown("tool", name, tools(config, facts)));
    }
    if let (None, Some(name)) = (&tool, &model)
        && !is_model(name, config, &facts.machine)
    {
        return Err(unknown("model", name, models(config, facts)));
    }
    Ok((tool, model))
}

fn is_named(model: &str) -> bool {
    !model.is_empty() && model != "auto"
}

fn is_model(name: &str, config: &Config, machine: &[Fact]) -> bool {
    config.models.contains_key(name)
        || config.tools.values().any(|tool| tool.models.iter().any(|model| model == name))
        || machine.iter().any(|fact| fact.offers(name))
}

fn tools(config: &Config, facts: &Facts) -> Vec<String> {
    distinct(config.tools.keys().chain(facts.machine.iter().map(|fact| &fact.tool)))
}

fn models(config: &Config, facts: &Facts) -> Vec<String> {
    let configured = config.models.keys().chain(config.tools.values().flat_map(|tool| &tool.models));
    distinct(configured.chain(facts.machine.iter().flat_map(|f| f.models.iter().chain(&f.default_model))))
}

fn distinct<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

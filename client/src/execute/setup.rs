//! What an operation runs under: the configuration, the policy and its limits, and what the daemon knows.

use std::sync::Arc;
use std::time::Instant;

use llmctl_proto::admission::{FactsQuery, RateLimit, SharedFacts};
use llmctl_proto::config::{Config, Policy, Severity};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::GetSharedFactsRequest;
use llmctl_proto::price::PriceTable;
use llmctl_proto::time::UnixMs;

use super::request::ExecuteRequest;
use crate::config;
use crate::error::CliError;
use crate::link::Client;
use crate::route::{self, Decision, Known, Request, RouteError, gather};

/// A daemon that does not tell what it knows within this time is not waited for.
const FACTS_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// The configuration as one request sees it.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) policy_name: String,
    pub(super) policy: Policy,
    pub(super) prices: Arc<PriceTable>,
    /// What the user should know of the configuration before it is used.
    pub(super) notices: Vec<String>,
    request: Request,
    known: Vec<Known>,
}

impl Setup {
    /// Loads the configuration and gathers what there is to run.
    ///
    /// # Errors
    /// The configuration cannot be used, or a name is not known.
    pub(super) async fn of(
        paths: &Paths,
        request: &ExecuteRequest,
        prompt_bytes: u64,
    ) -> Result<Self, CliError> {
        let loaded = config::load_in(paths, &request.cwd, &request.overrides)?;
        config::refuse(&loaded)?;
        let mut notices: Vec<String> = loaded.notice().into_iter().collect();
        let errors = loaded.of(Severity::Error).count();
        if errors > 0 {
            notices.push(format!("the configuration has {errors} errors; see `llmctl config validate`"));
        }
        let config = loaded.config;
        let agent = request.agent.as_deref();
        let (policy_name, policy) = config
            .policy(request.policy.as_deref(), agent)
            .unwrap_or_else(|unknown| (unknown, Policy::default()));
        let own = request.max_cost_nano_usd.and_then(|nano| PicoUsd::from_nano(nano).ok());
        let agents = agent.and_then(|name| config.agents.get(name)).and_then(|agent| agent.max_cost);
        let ask = Request {
            model: request.model.clone(),
            tool: request.tool.clone(),
            agent: request.agent.clone(),
            task_type: request.task_type.clone(),
            require: request.require.clone(),
            prompt_bytes,
            input_tokens: None,
            policy: request.policy.clone(),
            max_cost: [own, agents, policy.max_cost].into_iter().flatten().min(),
            project: request.project.clone(),
            fallback: request.fallback,
            wait: request.wait,
            force: request.force,
        };
        let known = gather::gather(&config, &ask).await;
        let prices = Arc::new(config.prices.clone());
        let setup = Self { config, policy_name, policy, prices, notices, request: ask, known };
        // A name that nobody knows is told before a daemon is asked for anything.
        setup.route(None).map_err(|error| refuse(&error))?;
        Ok(setup)
    }

    fn route(&self, shared: Option<SharedFacts>) -> Result<(Decision, u64), RouteError> {
        let facts = gather::facts(&self.known, &self.config, shared, UnixMs::now());
        let begun = Instant::now();
        let decision = route::route(&self.request, &self.config, &facts)?;
        Ok((decision, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)))
    }

    /// Decides, with what the daemon knows if one is there.
    ///
    /// # Errors
    /// A name is not known.
    pub(super) async fn decide(&self, client: Option<&mut Client>) -> Result<(Decision, u64), CliError> {
        let shared = match client {
            Some(client) => self.shared(client).await,
            None => None,
        };
        self.route(shared).map_err(|error| refuse(&error))
    }

    /// The limit of this operation: the least of the request's, the agent's and the policy's.
    pub(super) fn max_cost(&self) -> Option<PicoUsd> {
        self.request.max_cost
    }

    /// Everything that could be run.
    pub(super) fn into_known(self) -> Vec<Known> {
        self.known
    }

    async fn shared(&self, client: &mut Client) -> Option<SharedFacts> {
        let query = FactsQuery {
            budgets: self.policy.budgets.clone(),
            rates: rates(&self.config),
            project: self.request.project.clone(),
            agent: self.request.agent.clone(),
        };
        let query = serde_json::to_string(&query).ok()?;
        let answer = client.get_shared_facts(GetSharedFactsRequest { query });
        let answer = tokio::time::timeout(FACTS_WAIT, answer).await.ok()?.ok()?;
        serde_json::from_str(&answer.into_inner().facts).ok()
    }
}

/// The rate limits in force.
pub(super) fn rates(config: &Config) -> Vec<RateLimit> {
    let limits = &config.rate_limiting;
    let mut rates: Vec<RateLimit> = limits
        .max_requests_per_minute
        .iter()
        .map(|(key, limit)| RateLimit { key: key.clone(), per_minute: Some(*limit), per_hour: None })
        .collect();
    for (key, limit) in &limits.max_requests_per_hour {
        match rates.iter_mut().find(|rate| rate.key == *key) {
            Some(rate) => rate.per_hour = Some(*limit),
            None => rates.push(RateLimit { key: key.clone(), per_minute: None, per_hour: Some(*limit) }),
        }
    }
    rates
}

fn refuse(error: &RouteError) -> CliError {
    CliError::usage(error.to_string())
}

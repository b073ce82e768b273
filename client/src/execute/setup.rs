//! What an operation runs under: the configuration, the policy and its limits, and what the daemon knows.

use std::sync::Arc;

use llmctl_proto::admission::SharedFacts;
use llmctl_proto::config::{Config, Policy, Severity};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::Paths;
use llmctl_proto::price::PriceTable;
use llmctl_proto::time::UnixMs;

use super::request::ExecuteRequest;
use crate::config;
use crate::error::CliError;
use crate::link::Client;
use crate::route::{Decision, Known, Request, ask, gather, preview};

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
        setup.route(None)?;
        Ok(setup)
    }

    fn route(&self, shared: Option<SharedFacts>) -> Result<(Decision, u64), CliError> {
        let facts = gather::facts(&self.known, &self.config, shared, UnixMs::now());
        ask::timed(&self.config, &self.request, &facts).map_err(|error| preview::unknown(&error))
    }

    /// Decides, with what the daemon knows if one is there.
    ///
    /// # Errors
    /// A name is not known.
    pub(super) async fn decide(&self, client: Option<&mut Client>) -> Result<(Decision, u64), CliError> {
        let shared = match client {
            Some(client) => ask::shared_facts(client, &ask::query(&self.config, &self.request)).await,
            None => None,
        };
        self.route(shared)
    }

    /// The limit of this operation: the least of the request's, the agent's and the policy's.
    pub(super) fn max_cost(&self) -> Option<PicoUsd> {
        self.request.max_cost
    }

    /// Everything that could be run.
    pub(super) fn into_known(self) -> Vec<Known> {
        self.known
    }
}

//! From a request to a decision: gathers facts, asks a daemon that runs already, decides, takes the time.
//!
//! Starts nothing and reserves nothing. A daemon that cannot answer is the same as none.

use std::time::Instant;

use llmctl_proto::admission::{FactsQuery, RateLimit, SharedFacts};
use llmctl_proto::config::Config;
use llmctl_proto::pb::GetSharedFactsRequest;
use llmctl_proto::time::UnixMs;

use super::decision::Decision;
use super::facts::{Facts, Known};
use super::request::Request;
use super::{gather, preview, route};
use crate::error::CliError;
use crate::link::Client;

/// A decision with what it rests on.
#[derive(Debug)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// What there is to run; [`Decision::facts`] are places in it.
    pub known: Vec<Known>,
    /// The facts of the decision.
    pub facts: Facts,
    /// Time the decision took, in microseconds, without the gathering.
    pub decided_us: u64,
}

impl Decided {
    /// What stands behind the choice.
    pub fn chosen(&self) -> Option<&Known> {
        self.decision.fact().and_then(|at| self.known.get(at))
    }
}

/// Decides a request; `client` is a daemon that runs already, if any.
///
/// # Errors
/// The name of an agent, tool, model or policy that is not known.
pub async fn decide(
    config: &Config,
    request: &Request,
    client: Option<&mut Client>,
) -> Result<Decided, CliError> {
    let known = gather::gather(config, request).await;
    let shared = match client {
        Some(client) => shared_facts(client, &query(config, request)).await,
        None => None,
    };
    let facts = gather::facts(&known, config, shared, UnixMs::now());
    let begun = Instant::now();
    let decision = route(request, config, &facts).map_err(|error| preview::unknown(&error))?;
    let decided_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Decided { decision, known, facts, decided_us })
}

/// What the daemon is asked before a request is routed.
pub fn query(config: &Config, request: &Request) -> FactsQuery {
    let policy = config.policy(request.policy.as_deref(), request.agent.as_deref());
    FactsQuery {
        // A policy that is not known is told by the decision.
        budgets: policy.map(|(_, policy)| policy.budgets).unwrap_or_default(),
        rates: rates(config),
        project: request.project.clone(),
        agent: request.agent.clone(),
    }
}

/// Every rate limit of the configuration, by key.
pub fn rates(config: &Config) -> Vec<RateLimit> {
    let limits = &config.rate_limiting;
    let mut rates: Vec<RateLimit> = Vec::new();
    for key in limits.max_requests_per_minute.keys().chain(limits.max_requests_per_hour.keys()) {
        if !rates.iter().any(|rate| rate.key == *key) {
            rates.push(RateLimit {
                key: key.clone(),
                per_minute: limits.max_requests_per_minute.get(key).copied(),
                per_hour: limits.max_requests_per_hour.get(key).copied(),
            });
        }
    }
    rates
}

/// What a daemon knows; none when it cannot say.
pub async fn shared_facts(client: &mut Client, query: &FactsQuery) -> Option<SharedFacts> {
    let request = GetSharedFactsRequest { query: serde_json::to_string(query).ok()? };
    let answer = client.get_shared_facts(request).await.ok()?.into_inner();
    serde_json::from_str(&answer.facts).ok()
}

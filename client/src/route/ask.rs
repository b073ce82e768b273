//! From a request to a decision: gathers facts, asks a daemon that runs already, decides, takes the time.
//!
//! Starts nothing and reserves nothing. A daemon that cannot answer is the same as none.

use std::time::{Duration, Instant};

use llmctl_proto::admission::{FactsQuery, RateLimit, SharedFacts};
use llmctl_proto::config::Config;
use llmctl_proto::pb::GetSharedFactsRequest;
use llmctl_proto::time::UnixMs;

use super::decision::Decision;
use super::facts::{Facts, Known};
use super::request::Request;
use super::{RouteError, gather, preview, route};
use crate::error::CliError;
use crate::link::Client;

/// A daemon that does not tell what it knows within this time is not waited for.
const FACTS_WAIT: Duration = Duration::from_secs(1);

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
    let (decision, decided_us) = timed(config, request, &facts).map_err(|error| preview::unknown(&error))?;
    Ok(Decided { decision, known, facts, decided_us })
}

/// Decides on facts, and says how many microseconds that took.
///
/// # Errors
/// The name of an agent, tool, model or policy that is not known.
pub fn timed(config: &Config, request: &Request, facts: &Facts) -> Result<(Decision, u64), RouteError> {
    let begun = Instant::now();
    let decision = route(request, config, facts)?;
    Ok((decision, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)))
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
    let (minute, hour) = (limits.max_requests_per_minute.keys(), limits.max_requests_per_hour.keys());
    for key in minute.chain(hour).chain(limits.max_tokens_per_minute.keys()) {
        if !rates.iter().any(|rate| rate.key == *key) {
            rates.push(RateLimit {
                key: key.clone(),
                per_minute: limits.max_requests_per_minute.get(key).copied(),
                per_hour: limits.max_requests_per_hour.get(key).copied(),
                tokens_per_minute: limits.max_tokens_per_minute.get(key).copied(),
            });
        }
    }
    rates
}

/// What a daemon knows; none when it cannot say.
pub async fn shared_facts(client: &mut Client, query: &FactsQuery) -> Option<SharedFacts> {
    let request = GetSharedFactsRequest { query: serde_json::to_string(query).ok()? };
    let answer = tokio::time::timeout(FACTS_WAIT, client.get_shared_facts(request)).await.ok()?.ok()?;
    serde_json::from_str(&answer.into_inner().facts).ok()
}

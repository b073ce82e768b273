//! History under another policy: past decisions made again from what was recorded, and what they would have cost.
//!
//! Pure. What a machine or a clock said then stands as recorded; only what a policy decides is decided again:
//! allowed and denied names, limits of one operation, whether small prompts prefer the cheap, whether a full rate
//! window is waited for. Budgets of a day or a month keep what was recorded under their own policy and are not
//! applied under another.

use llmctl_proto::config::{BudgetPeriod, BudgetScope, Config, LimitKind, Policy};
use llmctl_proto::event::{Candidate, CostRecorded, Reason, RoutingDecision, Verdict};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::Usage;

use super::candidates::is_plain;
use super::checks::{denied, softness};
use super::estimate::{self, Pair};
use super::facts::Kind;
use super::names::family;
use super::reasons::{is_for, name};
use super::request::Request;
use super::score;
use super::wish::resolve;

/// A past operation as far as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Which.
    pub id: OperationId,
    /// When it was submitted.
    pub at: UnixMs,
    /// The decision of its first attempt.
    pub decision: RoutingDecision,
    /// Size of the prompt, if it was started.
    pub prompt_bytes: Option<u64>,
    /// Its own limit.
    pub max_cost: Option<PicoUsd>,
    /// What its attempts used and cost.
    pub costs: Vec<CostRecorded>,
    /// What it cost in all, where the attempts do not say; none when unknown.
    pub spent: Option<PicoUsd>,
}

/// One operation, then and otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which.
    pub id: OperationId,
    /// When it was submitted.
    pub at: UnixMs,
    /// The pair of its first attempt; none when nobody was left.
    pub then: Option<String>,
    /// What it cost; none when unknown.
    pub actual: Option<PicoUsd>,
    /// The pair under the other policy; none when nobody is left.
    pub otherwise: Option<String>,
    /// What it would have cost with the tokens it used; none when unknown.
    pub hypothetical: Option<PicoUsd>,
}

impl Past {
    /// What the operation cost: the sum of its attempts; none when a part is unknown.
    pub fn actual(&self) -> Option<PicoUsd> {
        if self.costs.is_empty() {
            return self.spent;
        }
        let rows = || self.costs.iter().flat_map(|cost| &cost.rows);
        let known: Option<Vec<PicoUsd>> = rows().map(|row| row.cost_pico_usd).collect();
        PicoUsd::sum(known?).ok()
    }

    fn usage(&self) -> Usage {
        let rows = self.costs.iter().flat_map(|cost| &cost.rows);
        rows.fold(Usage::default(), |sum, row| sum.plus(&row.tokens))
    }

    /// Decides the operation again under a policy, and prices what it used.
    pub fn under(&self, config: &Config, policy_name: &str, policy: &Policy) -> Compared {
        let candidates = &self.decision.candidates;
        let again = Again { past: self, config, policy_name, policy };
        let chosen = again.choose();
        let pair = |c: &Candidate| name(&c.tool, c.model.as_deref());
        let then = candidates.iter().find(|c| c.verdict == Verdict::Selected).map(pair);
        let otherwise = chosen.map(|at| pair(&candidates[at]));
        let actual = self.actual();
        let hypothetical = match chosen {
            _ if then == otherwise => actual,
            Some(at) => again.price(&candidates[at]),
            // Nothing runs, nothing is spent.
            None => Some(PicoUsd::ZERO),
        };
        Compared { id: self.id.clone(), at: self.at, then, actual, otherwise, hypothetical }
    }
}

/// One past decision under another policy.
struct Again<'a> {
    past: &'a Past,
    config: &'a Config,
    policy_name: &'a str,
    policy: &'a Policy,
}

impl Again<'_> {
    fn choose(&self) -> Option<usize> {
        let candidates = &self.past.decision.candidates;
        let against: Vec<Vec<Reason>> = candidates.iter().map(|candidate| self.against(candidate)).collect();
        let survivors = score::mildest(&against, |reason| self.level(reason));
        let costs: Vec<Option<i64>> = candidates.iter().map(|c| c.estimate_nano_usd).collect();
        let plain = is_plain(self.config) || candidates.iter().any(|c| is_kind(&c.source));
        let (small, range) = (self.is_small(), score::Range::of(&costs, &survivors));
        let total = |at: usize| {
            let parts = candidates[at].parts.unwrap_or_default();
            let price = if plain { 0 } else { range.price(candidates[at].estimate_nano_usd) };
            let price = score::weighted(price, &candidates[at].source, small);
            score::sum(llmctl_proto::event::ScoreParts { price, ..parts })
        };
        survivors.iter().copied().max_by_key(|at| (total(*at), std::cmp::Reverse(*at)))
    }

    /// What stands against a candidate under this policy.
    fn against(&self, candidate: &Candidate) -> Vec<Reason> {
        let same = self.past.decision.policy.as_deref() == Some(self.policy_name);
        let stands = |reason: &&Reason| match reason.code.as_str() {
            "denied" => false,
            // Without a limit of its own nobody knows whose it was.
            "over_max_cost" => self.limit().is_none() && same,
            "over_budget" => same && self.policy.downgrade_on_budget,
            "rate_limited" => self.policy.auto_fallback_on_rate_limit,
            code => !is_for(code),
        };
        let mut against: Vec<Reason> = candidate.reasons.iter().filter(stands).cloned().collect();
        let policy = self.policy;
        let model = candidate.model.as_deref();
        against.extend(denied("model", model, &policy.allow_models, &policy.deny_models, self.policy_name));
        let provider = candidate.provider.as_deref();
        let lists = (&policy.allow_providers, &policy.deny_providers);
        against.extend(denied("provider", provider, lists.0, lists.1, self.policy_name));
        let reservation = candidate.reservation_nano_usd.and_then(|nano| PicoUsd::from_nano(nano).ok());
        if let (Some(limit), Some(reservation)) = (self.limit(), reservation)
            && reservation > limit
        {
            against.push(Reason::new("over_max_cost", format!("may cost {reservation}")));
        }
        if !same && self.policy.downgrade_on_budget {
            against.extend(self.operation_budget(reservation));
        }
        against
    }

    /// The smallest of the limits that are known: the operation's own, its agent's, the policy's.
    fn limit(&self) -> Option<PicoUsd> {
        let agent = self.past.decision.requested.agent.as_ref();
        let of_agent = agent.and_then(|name| self.config.agents.get(name)).and_then(|agent| agent.max_cost);
        [self.past.max_cost, of_agent, self.policy.max_cost].into_iter().flatten().min()
    }

    fn operation_budget(&self, reservation: Option<PicoUsd>) -> Option<Reason> {
        let mut hard = self.policy.budgets.iter().filter(|budget| {
            (budget.scope, budget.period, budget.kind)
                == (BudgetScope::All, BudgetPeriod::Operation, LimitKind::Hard)
        });
        hard.any(|budget| reservation.is_none_or(|amount| amount > budget.limit))
            .then(|| Reason::new("over_budget", "would pass the operation budget"))
    }

    /// How far a reason gives way. Whoever waited as long as it takes then would do so again.
    fn level(&self, reason: &Reason) -> Option<u8> {
        let too_long = self.is_longer(reason, self.policy);
        softness(reason).filter(|_| reason.code != "rate_limited" || !too_long || self.was_patient())
    }

    /// Whether a window opens only after a policy's patience ends.
    fn is_longer(&self, reason: &Reason, policy: &Policy) -> bool {
        let wait_ms = policy.fallback.max_wait_s.saturating_mul(1_000);
        reason.until.is_none_or(|until| until.since(self.past.at) > wait_ms)
    }

    /// Whether the operation waited longer then than its policy asks for, which only its user can have wanted.
    fn was_patient(&self) -> bool {
        let then = self.past.decision.policy.as_deref();
        let Ok((_, policy)) = self.config.policy(then, None) else { return false };
        let selected = self.past.decision.candidates.iter().find(|c| c.verdict == Verdict::Selected);
        let mut reasons = selected.into_iter().flat_map(|c| &c.reasons);
        reasons.any(|reason| reason.code == "rate_limited" && self.is_longer(reason, &policy))
    }

    /// Whether the prompt counts as small under this policy.
    fn is_small(&self) -> bool {
        let requested = &self.past.decision.requested;
        let tokens = match self.past.prompt_bytes {
            Some(prompt_bytes) => {
                let agent = requested.agent.as_ref().and_then(|name| self.config.agents.get(name));
                let provider = agent.and_then(|agent| {
                    let model = resolve(self.config, &agent.preferred_model);
                    let known = self.config.models.get(model).map(|model| model.provider.as_str());
                    known.or_else(|| family(model))
                });
                estimate::input_tokens(&Request { prompt_bytes, ..Request::default() }, provider)
            }
            None => self.past.decision.estimate.input_tokens,
        };
        self.policy.prefer_cheaper_under_tokens.is_some_and(|limit| tokens < limit)
    }

    /// What the recorded usage would have cost on a candidate; none without a price or without usage.
    fn price(&self, candidate: &Candidate) -> Option<PicoUsd> {
        let usage = self.past.usage();
        let pair = Pair {
            tool: &candidate.tool,
            model: candidate.model.as_deref(),
            provider: candidate.provider.as_deref(),
            free: candidate.estimate_nano_usd == Some(0) && candidate.reservation_nano_usd == Some(0),
        };
        if usage.is_zero() && !pair.free {
            return None;
        }
        let at = self.past.costs.first().map_or(self.past.at, |cost| cost.started_at);
        estimate::total_cost(self.config, pair, &usage, at)
    }
}

fn is_kind(source: &str) -> bool {
    [Kind::Configured, Kind::Installed, Kind::Credentials, Kind::LocalServer, Kind::Practice]
        .iter()
        .any(|kind| kind.as_str() == source)
}

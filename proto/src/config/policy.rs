//! Typed policies: what may be spent, what follows a failure, how often is asked.

use std::collections::BTreeMap;

use crate::money::PicoUsd;

/// `policies.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Every budget, the two of the old form included.
    pub budgets: Vec<Budget>,
    /// Orders an agent's own candidates by cost below this many input tokens.
    pub prefer_cheaper_under_tokens: Option<u64>,
    /// Whether a rate limit leads to the next candidate.
    pub auto_fallback_on_rate_limit: bool,
    /// Prompts may be kept.
    pub log_prompts: bool,
    /// Rows for each operation are kept.
    pub log_metadata: bool,
    /// A reason must be given above this estimate.
    pub require_justification_over: Option<PicoUsd>,
    /// IANA name of the zone in which days and months begin.
    pub timezone: String,
    /// Limit of each operation.
    pub max_cost: Option<PicoUsd>,
    /// Try the next, cheaper candidate instead of refusing.
    pub downgrade_on_budget: bool,
    /// Globs; empty allows all.
    pub allow_models: Vec<String>,
    /// Globs.
    pub deny_models: Vec<String>,
    /// Globs; empty allows all.
    pub allow_providers: Vec<String>,
    /// Globs.
    pub deny_providers: Vec<String>,
    /// What happens after a failure.
    pub fallback: Fallback,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            budgets: Vec::new(),
            prefer_cheaper_under_tokens: None,
            auto_fallback_on_rate_limit: true,
            log_prompts: false,
            log_metadata: true,
            require_justification_over: None,
            timezone: "UTC".to_owned(),
            max_cost: None,
            downgrade_on_budget: false,
            allow_models: Vec::new(),
            deny_models: Vec::new(),
            allow_providers: Vec::new(),
            deny_providers: Vec::new(),
            fallback: Fallback::default(),
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// Everything.
    All,
    /// One project, by the path of its directory; without a name every project by itself.
    Project,
    /// One model.
    Model,
    /// One agent.
    Agent,
    /// One tool.
    Tool,
    /// One provider.
    Provider,
}

/// How long a budget counts before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// Each operation by itself.
    Operation,
    /// A calendar day of the policy's zone.
    Day,
    /// A calendar month of the policy's zone.
    Month,
}

/// What happens at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Warns.
    #[default]
    Soft,
    /// Refuses, or stops with the partial result.
    Hard,
}

/// One budget of a policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// What it counts.
    pub scope: BudgetScope,
    /// Which one; none counts each by itself (or everything, for `all`).
    pub name: Option<String>,
    /// For how long.
    pub period: BudgetPeriod,
    /// Pico-dollars.
    pub limit: PicoUsd,
    /// What happens at the limit.
    pub kind: LimitKind,
    /// Where warnings begin, 0 to 100.
    pub threshold_percent: u8,
    /// IANA name of the zone in which its day or month begins.
    pub timezone: String,
    /// Policy it belongs to.
    pub policy: String,
    /// Key path and place of the setting, for hints: `policies.default.daily_budget_usd (config/policies.yaml:7)`.
    pub setting: String,
}

/// `policies.NAME.fallback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Error classes after which the next candidate is tried.
    pub on: Vec<String>,
    /// Candidates tried in all.
    pub max_attempts: u32,
    /// Repeats of one candidate.
    pub retries: u32,
    /// First wait between them, in seconds; doubles.
    pub retry_delay_s: u64,
    /// Longest wait for a rate limit, in seconds.
    pub max_wait_s: u64,
}

impl Default for Fallback {
    fn default() -> Self {
        let on = ["binary_missing", "rate_limit", "overloaded", "model_unavailable", "context_window"];
        Self {
            on: on.map(str::to_owned).to_vec(),
            max_attempts: 4,
            retries: 3,
            retry_delay_s: 5,
            max_wait_s: 60,
        }
    }
}

/// `cost_optimization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostOptimization {
    /// Input tokens below which a prompt is small.
    pub simple_task_threshold_tokens: u64,
    /// For small prompts.
    pub simple_task_models: Vec<String>,
    /// For large prompts without an agent.
    pub complex_task_models: Vec<String>,
}

impl Default for CostOptimization {
    fn default() -> Self {
        Self {
            simple_task_threshold_tokens: 1_500,
            simple_task_models: Vec::new(),
            complex_task_models: Vec::new(),
        }
    }
}

/// `rate_limiting`. Keys are tool names, `provider:NAME` or `model:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RateLimiting {
    /// Requests or operation starts in any 60 seconds.
    pub max_requests_per_minute: BTreeMap<String, u32>,
    /// Requests or operation starts in any hour.
    pub max_requests_per_hour: BTreeMap<String, u32>,
    /// Tokens in any 60 seconds.
    pub max_tokens_per_minute: BTreeMap<String, u64>,
}

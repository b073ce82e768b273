//! The typed configuration: one struct a section, defaults included, nothing of YAML left.
//!
//! Money is pico-dollars, times are what their names say. A section that no file names has its default here.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::mcp::McpConfig;
use crate::money::PicoUsd;
use crate::price::PriceTable;

/// Entries by name, in the order of the files.
pub type Table<T> = IndexMap<String, T>;

/// Everything that is configured, all layers merged.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Who works: a preference of tools and models each.
    pub agents: Table<Agent>,
    /// Programs and provider calls.
    pub tools: Table<Tool>,
    /// Models with window, suitability and marks; prices are in `prices`.
    pub models: Table<Model>,
    /// How providers are reached.
    pub providers: Table<Provider>,
    /// Budgets and rules by name.
    pub policies: Table<Policy>,
    /// Name of the policy when nobody names one.
    pub default_policy: String,
    /// Small and large prompts.
    pub cost_optimization: CostOptimization,
    /// Requests in a minute and an hour.
    pub rate_limiting: RateLimiting,
    /// Routing.
    pub routing: Routing,
    /// The daemon.
    pub daemon: Daemon,
    /// Price rows of `models.*`, which go before the catalogue.
    pub prices: PriceTable,
    /// MCP servers.
    pub mcp: McpConfig,
}

/// `agents.NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// The first candidate's tool.
    pub preferred_tool: String,
    /// The first candidate's model.
    pub preferred_model: String,
    /// Further pairs of tool and model; the preferred pair itself is left out, `place` keeps the file's counting.
    pub fallback_chain: Vec<ChainEntry>,
    /// Entries of the chain as written, the preferred pair included.
    pub chain_length: u32,
    /// Model by task type.
    pub task_types: Table<String>,
    /// Policy it works under.
    pub policy: Option<String>,
    /// Whether small prompts may go to cheaper models; true unless said.
    pub cost_optimization: bool,
    /// Capabilities every candidate must have.
    pub require: Vec<String>,
    /// Limit of each of its operations.
    pub max_cost: Option<PicoUsd>,
    /// For the child's environment; `${NAME}` not expanded.
    pub env_vars: BTreeMap<String, String>,
    /// Role for tools that can enforce one.
    pub role: Option<String>,
    /// Time limit of each of its operations, in seconds.
    pub timeout_s: Option<u64>,
    /// The entry has errors: it cannot be worked as, for this reason.
    pub broken: Option<String>,
}

/// One `tool:model` of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEntry {
    /// Tool.
    pub tool: String,
    /// Model.
    pub model: String,
    /// Place in the file, from 1.
    pub place: u32,
}

/// `tools.NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tool {
    /// Program name or path.
    pub binary: String,
    /// Words with placeholders; none for tools with an adapter or a provider call that need none.
    pub command_template: Option<String>,
    /// Explicit path, before `binary`.
    pub binary_path: Option<String>,
    /// Where to look last, for this system only.
    pub platform_path: Option<String>,
    /// Models it offers.
    pub models: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// For the child's environment; `${NAME}` not expanded.
    pub env_vars: BTreeMap<String, String>,
    /// Variables that must be set.
    pub env_required: Vec<String>,
    /// Seconds an operation may take.
    pub timeout_s: Option<u64>,
    /// Shown.
    pub note: Option<String>,
    /// Usable with a warning.
    pub deprecated: bool,
    /// Not a candidate.
    pub retired: bool,
    /// When it was retired, as written.
    pub retired_date: Option<String>,
    /// Which argument list: an adapter's name, `template` or `http`; none decides by the tool's name.
    pub adapter: Option<String>,
    /// How its output is read; none is the adapter's own.
    pub parser: Option<String>,
    /// Provider of an `http` tool.
    pub provider: Option<String>,
    /// Appended to our argument list.
    pub args: Vec<String>,
    /// Operations at once.
    pub max_concurrent: Option<u32>,
    /// Seconds without any sign of life before it is stopped; 0 is never.
    pub stall_s: u64,
    /// Only in a project layer that is not trusted.
    pub untrusted: bool,
    /// The entry has errors: it is no candidate, for this reason.
    pub broken: Option<String>,
}

/// `models.NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Who serves it.
    pub provider: String,
    /// Other names for `--model`.
    pub aliases: Vec<String>,
    /// Tokens of input and output together.
    pub context_window: Option<u64>,
    /// Most output tokens.
    pub max_output_tokens: Option<u64>,
    /// Task types it is good at.
    pub task_suitability: Vec<String>,
    /// Shown.
    pub note: Option<String>,
    /// Usable with a warning.
    pub deprecated: bool,
    /// What to use instead.
    pub superseded_by: Option<String>,
    /// Not a candidate.
    pub retired: bool,
    /// When it was retired, as written.
    pub retired_date: Option<String>,
    /// The entry has errors: it is no candidate, for this reason.
    pub broken: Option<String>,
}

/// `providers.NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provider {
    /// Address, `${NAME}` not expanded.
    pub base_url: Option<String>,
    /// `anthropic`, `openai`, `openai_responses`, `gemini` or `ollama`.
    pub api: Option<String>,
    /// Name of the variable with the key.
    pub api_key_env: Option<String>,
    /// Further headers, `${NAME}` not expanded.
    pub headers: BTreeMap<String, String>,
    /// Operations at once.
    pub max_concurrent: Option<u32>,
    /// Requests in a minute.
    pub max_requests_per_minute: Option<u32>,
    /// Tokens in a minute.
    pub max_tokens_per_minute: Option<u64>,
    /// Seconds to connect.
    pub timeout_connect_s: u64,
    /// Seconds without a byte.
    pub timeout_idle_s: u64,
}

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

/// `routing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// Whether every installed pair is a candidate; none is: without an agent yes, with one no.
    pub use_catalogue: Option<bool>,
    /// Output tokens that are reserved when nothing is known.
    pub reserve_output_tokens: u64,
    /// Estimate from history (`true`) or from size alone.
    pub estimate_from_history: bool,
}

impl Default for Routing {
    fn default() -> Self {
        Self { use_catalogue: None, reserve_output_tokens: 8_192, estimate_from_history: true }
    }
}

/// `daemon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// The first command that wants it starts it.
    pub autostart: bool,
    /// Seconds without work after which it leaves; 0 never.
    pub idle_exit_s: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// The dashboard's gateway.
    pub http: Http,
    /// Operations at once.
    pub concurrency: Concurrency,
    /// Grace of the stop ladder.
    pub stop: StopGrace,
    /// What is kept.
    pub retention: Retention,
    /// Whether a history is kept at all.
    pub history_enabled: bool,
    /// Seconds for its own shutdown.
    pub shutdown_s: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            autostart: true,
            idle_exit_s: 0,
            log_level: "info".to_owned(),
            http: Http::default(),
            concurrency: Concurrency::default(),
            stop: StopGrace::default(),
            retention: Retention::default(),
            history_enabled: true,
            shutdown_s: 10,
        }
    }
}

/// `daemon.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Whether it may be started.
    pub enabled: bool,
    /// Address.
    pub host: String,
    /// Port; none is the default port, or the next free one.
    pub port: Option<u16>,
    /// Host names accepted besides loopback's.
    pub allowed_hosts: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { enabled: true, host: "127.0.0.1".to_owned(), port: None, allowed_hosts: Vec::new() }
    }
}

/// `daemon.concurrency`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Concurrency {
    /// In all; 0 is no limit.
    pub total: u32,
    /// By tool.
    pub per_tool: BTreeMap<String, u32>,
    /// By provider.
    pub per_provider: BTreeMap<String, u32>,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { total: 4, per_tool: BTreeMap::new(), per_provider: BTreeMap::new() }
    }
}

/// `daemon.stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopGrace {
    /// Seconds between the interrupt and the next step.
    pub interrupt_grace_s: u64,
    /// Seconds between the second step and the kill.
    pub terminate_grace_s: u64,
}

impl Default for StopGrace {
    fn default() -> Self {
        Self { interrupt_grace_s: 10, terminate_grace_s: 5 }
    }
}

/// `daemon.retention`. Zero keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events, in days.
    pub events_days: u32,
    /// Recorded output, in days.
    pub output_days: u32,
    /// Recorded output, in mebibytes.
    pub output_max_mb: u64,
    /// Log of each MCP server, in mebibytes.
    pub server_log_mb: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 30, output_days: 30, output_max_mb: 2_048, server_log_mb: 8 }
    }
}

impl Config {
    /// The policy of a request: named, the agent's, the default; without any the built-in one, which limits nothing.
    ///
    /// # Errors
    /// The name of a policy that there is not.
    pub fn policy(&self, named: Option<&str>, agent: Option<&str>) -> Result<(String, Policy), String> {
        let of_agent = agent.and_then(|name| self.agents.get(name)).and_then(|agent| agent.policy.as_deref());
        let name = named.or(of_agent).unwrap_or(&self.default_policy);
        match self.policies.get(name) {
            Some(policy) => Ok((name.to_owned(), policy.clone())),
            None if named.is_none() && of_agent.is_none() => Ok((name.to_owned(), Policy::default())),
            None => Err(name.to_owned()),
        }
    }
}

//! The typed configuration: one struct a section, defaults included, nothing of YAML left.
//!
//! Money is pico-dollars, times are what their names say. A section that no file names has its default here.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::mcp::McpConfig;
use super::{CostOptimization, Daemon, Policy, RateLimiting};
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

//! Keys of agents, tools, models, providers and policies.

use super::{COUNT, ENV_MAP, Key, Kind, NUMBER, PERCENT, TEXTS, TOKENS, key, must};

const MCP_TOOLS: &[Key] = &[
    key("required", TEXTS, "[]", "Servers that must be healthy before the start."),
    key("recommended", TEXTS, "[]", "Servers whose absence is warned about."),
    key("optional", TEXTS, "[]", "Servers that are used when they are there."),
];

pub(super) const AGENT: &[Key] = &[
    must("preferred_tool", Kind::Text, "The first candidate's tool."),
    must("preferred_model", Kind::Text, "The first candidate's model."),
    key("fallback_chain", TEXTS, "[]", "Further candidates in order, each as `tool:model`."),
    key("task_types", Kind::MapOf(&Kind::Text), "{}", "Model by `--task-type`."),
    key("policy", Kind::Text, "", "The policy it works under."),
    key("cost_optimization", Kind::Bool, "true", "Whether small prompts may go to cheaper models."),
    key("require", TEXTS, "[]", "Capabilities that every candidate must have."),
    key("max_cost_usd", Kind::Money, "", "Limit of each of its operations."),
    key("env_vars", ENV_MAP, "{}", "For the child's environment."),
    key("mcp_tools", Kind::Object(MCP_TOOLS), "{}", "MCP servers it works with."),
    key("role", Kind::Text, "", "Role, for tools that can enforce one."),
    key("timeout_s", COUNT, "", "Time limit of each of its operations, in seconds."),
];

const PLATFORMS: &[Key] = &[
    key("linux", Kind::Text, "", "Last place to look on Linux."),
    key("macos", Kind::Text, "", "Last place to look on macOS."),
    key("windows", Kind::Text, "", "Last place to look on Windows."),
];

const ROLE: &[Key] = &[key("allowed_tools", TEXTS, "[]", "Tools that the role may use.")];

pub(super) const TOOL: &[Key] = &[
    must("binary", Kind::Text, "Program name or path."),
    must("command_template", Kind::Text, "Words with placeholders such as {prompt_file}."),
    key("platforms", Kind::Object(PLATFORMS), "{}", "Last place to look, by system."),
    must("models", TEXTS, "Models it offers."),
    key("capabilities", TEXTS, "[]", "What it can do; matched by `--require`."),
    key("env_vars", ENV_MAP, "{}", "For the child's environment."),
    key("env_required", Kind::List(&Kind::EnvName), "[]", "Variables that must be set."),
    key("binary_path", Kind::Text, "", "Explicit path of the program, before `binary`."),
    key("timeout", COUNT, "", "Seconds that an operation may take; none unless set."),
    key("note", Kind::Text, "", "Shown."),
    key("deprecated", Kind::Bool, "false", "Usable with a warning."),
    key("retired", Kind::Bool, "false", "Not a candidate; needs no other key."),
    key("retired_date", Kind::Text, "", "When it was retired."),
    key(
        "adapter",
        Kind::Text,
        "",
        "`template`, `http` or an adapter's name; by default the tool's own name.",
    ),
    key(
        "parser",
        Kind::Text,
        "",
        "How its output is read; by default the adapter's way, `text` for templates.",
    ),
    key("provider", Kind::Text, "", "Provider of an `http` tool; by default the model's."),
    key("args", TEXTS, "[]", "Appended to its arguments."),
    key("max_concurrent", COUNT, "", "Operations at once."),
    key("stall_s", NUMBER, "0", "Seconds without a sign of life before it is stopped; 0 for never."),
    key("mcp_tools", Kind::Object(MCP_TOOLS), "{}", "MCP servers it works with."),
    key("role_restrictions", Kind::Table(ROLE), "{}", "What each role may use."),
];

const PER_1K: &[Key] = &[
    must("input", Kind::Price(9), "US dollars per 1,000 input tokens."),
    must("output", Kind::Price(9), "US dollars per 1,000 output tokens."),
];

const PER_MILLION: &[Key] = &[
    key("input", Kind::Price(6), "", "US dollars per million input tokens that are not cached."),
    key("output", Kind::Price(6), "", "US dollars per million output tokens."),
    key("cache_read", Kind::Price(6), "", "US dollars per million tokens read from a cache."),
    key("cache_write_5m", Kind::Price(6), "", "US dollars per million tokens cached for five minutes."),
    key("cache_write_1h", Kind::Price(6), "", "US dollars per million tokens cached for an hour."),
    key("reasoning", Kind::Price(6), "", "US dollars per million tokens of reasoning; by default `output`."),
];

const TIER: &[Key] = &[
    must(
        "above_input_tokens",
        Kind::Integer(0, 1_000_000_000_000),
        "Input tokens of a request above which it holds.",
    ),
    must("per_million", Kind::Object(PER_MILLION), "Its prices; other classes keep the row's."),
    key("applies_to", Kind::Choice(&["request", "excess"]), "request", "The whole request or what is above."),
];

const PER_USE: &[Key] = &[
    key("web_search", Kind::Price(9), "", "US dollars per search by the provider's own tool."),
    key("request", Kind::Price(9), "", "US dollars per request, whatever it holds."),
];

const PRICE: &[Key] = &[
    key("valid_from", Kind::Moment, "", "First moment; the first row may omit it."),
    key("valid_to", Kind::Moment, "", "First moment at which it no longer holds."),
    key("source", Kind::Text, "", "Where the price was read."),
    must("per_million", Kind::Object(PER_MILLION), "Prices by class of tokens."),
    key("tiers", Kind::List(&Kind::Object(TIER)), "[]", "Other prices for large requests."),
    key("factors", Kind::MapOf(&Kind::Factor), "{}", "Multiplies by the service tier that was reported."),
    key("per_use", Kind::Object(PER_USE), "{}", "US dollars per call of a billed server tool."),
];

pub(super) const MODEL: &[Key] = &[
    must("provider", Kind::Text, "Who serves it, such as anthropic or openai."),
    key("cost_per_1k_tokens", Kind::Object(PER_1K), "", "One price without a date, per 1,000 tokens."),
    must("context_window", TOKENS, "Tokens of input and output together."),
    key("task_suitability", TEXTS, "[]", "Task types it is good at."),
    key("note", Kind::Text, "", "Shown."),
    key("deprecated", Kind::Bool, "false", "Usable with a warning."),
    key("superseded_by", Kind::Text, "", "What to use instead."),
    key("retired", Kind::Bool, "false", "Not a candidate."),
    key("retired_date", Kind::Text, "", "When it was retired."),
    key("aliases", TEXTS, "[]", "Other names for `--model`."),
    key("max_output_tokens", TOKENS, "", "Most output tokens."),
    key("prices", Kind::List(&Kind::Object(PRICE)), "[]", "Dated prices, before the catalogue's."),
];

const APIS: &[&str] = &["anthropic", "openai", "openai_responses", "gemini", "ollama"];

pub(super) const PROVIDER: &[Key] = &[
    key("base_url", Kind::EnvText, "", "Address."),
    key("api", Kind::Choice(APIS), "", "Which protocol it speaks."),
    key("api_key_env", Kind::EnvName, "", "Name of the variable with the key."),
    key("headers", ENV_MAP, "{}", "Further headers."),
    key("max_concurrent", COUNT, "", "Operations at once."),
    key("max_requests_per_minute", COUNT, "", "Requests in a minute."),
    key("max_tokens_per_minute", TOKENS, "", "Tokens in a minute."),
    key("timeout_connect_s", COUNT, "10", "Seconds to connect."),
    key("timeout_idle_s", COUNT, "120", "Seconds without a byte."),
];

const LIMIT_TYPES: Kind = Kind::Choice(&["soft", "hard"]);

const LIMIT: &[Key] = &[
    key("type", LIMIT_TYPES, "soft", "soft warns, hard refuses."),
    key("threshold_percent", PERCENT, "80", "Where warnings begin."),
];

const BUDGET: &[Key] = &[
    must("scope", Kind::Choice(&["all", "project", "model", "agent", "tool", "provider"]), "What it counts."),
    key("name", Kind::Text, "", "Which one; none counts each by itself."),
    must("period", Kind::Choice(&["operation", "day", "month"]), "For how long it counts."),
    must("limit_usd", Kind::Money, "The limit."),
    key("type", LIMIT_TYPES, "soft", "soft warns, hard refuses."),
    key("threshold_percent", PERCENT, "80", "Where warnings begin."),
];

/// Error classes after which another candidate may be tried.
pub(crate) const FAILURES: &[&str] = &[
    "binary_missing",
    "rate_limit",
    "overloaded",
    "model_unavailable",
    "context_window",
    "network",
    "exit_code",
    "invalid_output",
    "stalled",
];

const FALLBACK: &[Key] = &[
    key(
        "on",
        Kind::List(&Kind::Choice(FAILURES)),
        "[binary_missing, rate_limit, overloaded, model_unavailable, context_window]",
        "Failures after which the next candidate is tried.",
    ),
    key("max_attempts", Kind::Integer(1, 20), "4", "Candidates tried in all."),
    key("retries", Kind::Integer(0, 20), "3", "Repeats of one candidate."),
    key("retry_delay_s", Kind::Integer(0, 3_600), "5", "First wait between them, in seconds; doubles."),
    key("max_wait_s", Kind::Integer(0, 86_400), "60", "Longest wait for a rate limit, in seconds."),
];

pub(super) const POLICY: &[Key] = &[
    key("daily_budget_usd", Kind::Money, "10.00", "Day budget; null for none."),
    key("monthly_budget_usd", Kind::Money, "", "Month budget."),
    key("limit", Kind::Object(LIMIT), "{}", "What happens at these two budgets."),
    key("prefer_cheaper_models_under_tokens", TOKENS, "", "Orders an agent's candidates by cost below it."),
    key(
        "auto_fallback_on_rate_limit",
        Kind::Bool,
        "true",
        "Whether a rate limit leads to the next candidate.",
    ),
    key("log_prompts", Kind::Bool, "false", "Whether prompts are kept."),
    key("log_metadata", Kind::Bool, "true", "Whether a row is kept for each operation."),
    key("require_justification_over_usd", Kind::Money, "", "`--reason` is needed above this estimate."),
    key("budgets", Kind::List(&Kind::Object(BUDGET)), "[]", "Further budgets."),
    key("timezone", Kind::Zone, "UTC", "Where a day and a month begin."),
    key("max_cost_usd", Kind::Money, "", "Limit of each operation, as `--max-cost`."),
    key("downgrade_on_budget", Kind::Bool, "false", "Try the next, cheaper candidate instead of refusing."),
    key("allow_models", TEXTS, "[]", "Globs; empty allows all."),
    key("deny_models", TEXTS, "[]", "Globs."),
    key("allow_providers", TEXTS, "[]", "Globs; empty allows all."),
    key("deny_providers", TEXTS, "[]", "Globs."),
    key("fallback", Kind::Object(FALLBACK), "{}", "What happens after a failure."),
];

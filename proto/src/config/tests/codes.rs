//! Every code, from the mistake that causes it.

use super::*;

const AGENT: &str = "agents:\n  dev:\n    preferred_tool: claude-code\n    preferred_model: m\n";
const MODEL: &str = "models:\n  m:\n    provider: p\n    cost_per_1k_tokens: {input: 0.001, output: 0.002}\n    context_window: 1000\n";

/// Code, document, place, parts of the message and hint.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("yaml_syntax", "agents: [", "2:1", ""),
    (
        "unknown_key",
        "agents:\n  a:\n    prefered_tool: codex\n    preferred_model: gpt-4o\n",
        "3:5",
        "did you mean `preferred_tool`?",
    ),
    ("unknown_key", "agnets: {}\n", "1:1", "did you mean `agents`?"),
    ("missing_key", "agents:\n  a:\n    preferred_tool: codex\n", "2:3", "preferred_model"),
    ("missing_key", "tools:\n  t: {binary: t, models: [x]}\n", "2:3", "command_template"),
    ("missing_key", "mcp_servers:\n  s: {args: [x]}\n", "2:3", "neither"),
    ("wrong_type", "daemon: {http: {port: x}}\n", "1:23", "whole number"),
    ("wrong_type", "policies:\n  p: {limit: {type: strict}}\n", "2:21", "soft, hard"),
    ("wrong_type", "models: [m]\n", "1:9", "mapping"),
    ("wrong_type", "policies:\n  p: {fallback: {on: [rate_limt]}}\n", "2:23", "did you mean `rate_limit`?"),
    ("out_of_range", "policies:\n  p: {limit: {threshold_percent: 101}}\n", "2:34", "from 0 to 100"),
    ("out_of_range", "policies:\n  p: {daily_budget_usd: -1}\n", "2:25", "negative"),
    ("out_of_range", "policies:\n  p: {daily_budget_usd: 0.0000000001}\n", "2:25", "9 decimals"),
    ("out_of_range", "policies:\n  p: {timezone: Mars/Olympus}\n", "2:17", "time zone"),
    ("out_of_range", "mcp_settings: {startup_timeout_seconds: 601}\n", "1:41", "from 1 to 600"),
    (
        "unknown_tool",
        "agents:\n  a: {preferred_tool: cdex, preferred_model: gpt-4o}\n",
        "2:23",
        "claude-code, codex",
    ),
    (
        "unknown_model",
        "agents:\n  a: {preferred_tool: codex, preferred_model: nothing}\n",
        "2:47",
        "no model `nothing`",
    ),
    ("unknown_policy", "default_policy: strict\npolicies: {strikt: {}}\n", "1:17", "did you mean `strikt`?"),
    (
        "bad_fallback_entry",
        "agents:\n  a: {preferred_tool: codex, preferred_model: gpt-4o, fallback_chain: [gpt-4o]}\n",
        "2:72",
        "tool:model",
    ),
    (
        "bad_template",
        "tools:\n  t: {binary: t, models: [x], command_template: '{binary} | sh'}\n",
        "2:49",
        "shell",
    ),
    (
        "bad_template",
        "tools:\n  t: {binary: t, models: [x], command_template: 't {model}'}\n",
        "2:49",
        "{binary}",
    ),
    (
        "bad_price",
        "models:\n  m: {provider: p, context_window: 9, cost_per_1k_tokens: {input: -1, output: 0}}\n",
        "2:67",
        "negative",
    ),
    (
        "bad_price",
        "models:\n  m: {provider: p, context_window: 9, cost_per_1k_tokens: {input: 0.0000000001, output: 0}}\n",
        "2:67",
        "9 decimals",
    ),
    (
        "overlapping_prices",
        "models:\n  m:\n    provider: p\n    context_window: 9\n    prices:\n    - {valid_from: 2026-01-01, valid_to: 2026-06-01, per_million: {input: 1, output: 1}}\n    - {valid_from: 2026-05-31, per_million: {input: 1, output: 1}}\n",
        "7:7",
        "same time",
    ),
    (
        "bad_env_reference",
        "tools:\n  t: {binary: t, models: [x], command_template: '{binary}', env_vars: {A: '${B'}}\n",
        "2:75",
        "closing brace",
    ),
    (
        "bad_env_reference",
        "providers:\n  p: {api_key_env: some key}\n",
        "2:20",
        "name of an environment variable",
    ),
    (
        "secret_in_config",
        "providers:\n  p: {headers: {x-api-key: sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp}}\n",
        "2:28",
        "${NAME}",
    ),
    ("bad_address", "providers:\n  p: {base_url: ftp://x}\n", "2:17", "http://"),
    ("bad_address", "daemon: {http: {host: nowhere at all}}\n", "1:23", "no address"),
    ("retired_incomplete", "models:\n  old: {retired: true}\n", "2:3", "will not be used"),
    (
        "preferred_not_offered",
        "tools:\n  codex: {models: [gpt-4]}\nagents:\n  a: {preferred_tool: codex, preferred_model: gpt-4o}\n",
        "4:47",
        "does not offer",
    ),
    (
        "not_offered",
        "tools:\n  codex: {models: [gpt-4]}\nagents:\n  a: {preferred_tool: codex, preferred_model: gpt-4, fallback_chain: ['codex:gpt-4o']}\n",
        "4:71",
        "will not be used",
    ),
    (
        "offered_by_no_tool",
        "tools:\n  codex: {models: [gpt-4]}\ncost_optimization: {simple_task_models: [gpt-4o]}\n",
        "3:42",
        "will not be chosen",
    ),
    (
        "nested_policy_section",
        "policies:\n  rate_limiting: {max_requests_per_hour: {codex: 1}}\n",
        "2:3",
        "as if it stood at the root",
    ),
    (
        "price_scale",
        "models:\n  m: {provider: p, context_window: 9, cost_per_1k_tokens: {input: 15.0, output: 0}}\n",
        "2:67",
        "per million",
    ),
    (
        "price_gap",
        "models:\n  m:\n    provider: p\n    context_window: 9\n    prices:\n    - {valid_to: 2026-05-01, per_million: {input: 1, output: 1}}\n    - {valid_from: 2026-06-01, per_million: {input: 1, output: 1}}\n",
        "7:7",
        "without a price",
    ),
    (
        "price_gap",
        "models:\n  m:\n    provider: p\n    context_window: 9\n    prices:\n    - {valid_to: 2026-05-01, per_million: {input: 1, output: 1}}\n",
        "6:7",
        "has ended",
    ),
    ("empty_file", "# nothing\n", "", "empty"),
    ("not_loopback", "daemon: {http: {host: 0.0.0.0}}\n", "1:23", "other machines"),
    ("template_unused", "tools:\n  codex: {command_template: '{binary}', models: [x]}\n", "2:29", "adapter"),
    (
        "price_differs",
        "models:\n  gpt-4o: {provider: openai, context_window: 9, cost_per_1k_tokens: {input: 0.5, output: 0.5}}\n",
        "2:69",
        "catalogue",
    ),
    (
        "price_derived",
        "models:\n  m: {provider: p, context_window: 9, cost_per_1k_tokens: {input: 0.5, output: 0.5}}\n",
        "2:59",
        "derived",
    ),
    ("not_used", "service: {name: x}\n", "1:11", "not used"),
    ("downloads_code", "mcp_servers:\n  s: {command: npx -y thing}\n", "2:16", "`npx`"),
];

#[test]
fn each_mistake_has_its_code_place_and_advice() {
    let mut wrong = Vec::new();
    for (code, document, place, part) in TABLE {
        let loaded = one("all.yaml", document);
        let Some(finding) = loaded.diagnostics.iter().find(|finding| finding.code.name() == *code) else {
            wrong.push(format!("no {code} in\n{document}\n{}", loaded.report(Severity::Information)));
            continue;
        };
        let text = finding.to_string();
        let origin = finding.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        let expected = if place.is_empty() { String::new() } else { format!(":{place}") };
        if !text.contains(part) || origin != format!("config/all.yaml{expected}") {
            wrong.push(format!("{document}\nexpected {place} and {part:?}\n{text}\n"));
        }
        // One mistake is one error.
        let errors = loaded.of(Severity::Error).count();
        if errors > 1 {
            wrong.push(format!("{document}\n{}", loaded.report(Severity::Error)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_is_tested_somewhere() {
    // The rest need two files, a directory or a machine: `layers.rs` and the tests on the real program.
    let elsewhere = [
        "unreadable",
        "not_private",
        "duplicate_definition",
        "retired_in_use",
        "deprecated",
        "second_extension",
        "group_writable",
        "budget_kept",
        "not_installed",
        "env_missing",
        "untrusted",
    ];
    for code in Code::ALL {
        let here = TABLE.iter().any(|(name, ..)| *name == code.name());
        assert!(here || elsewhere.contains(&code.name()), "{}", code.name());
    }
}

#[test]
fn what_is_retired_or_deprecated_is_said_where_it_is_used() {
    let models = "models:\n  old: {provider: p, retired: true, retired_date: 2023-03-23, superseded_by: m}\n  mid:\n    provider: p\n    deprecated: true\n    superseded_by: m\n    cost_per_1k_tokens: {input: 0, output: 0}\n    context_window: 9\n";
    let rest = MODEL.strip_prefix("models:\n").expect("models");
    let agents = "agents:\n  dev:\n    preferred_tool: claude-code\n    preferred_model: old\n    task_types: {coding: mid}\n";
    let loaded = one("all.yaml", &format!("{models}{rest}{agents}"));
    let said: Vec<String> = loaded.of(Severity::Warning).map(ToString::to_string).collect();
    assert!(
        said.iter().any(|text| text.contains("retired_in_use")
            && text.contains("2023-03-23")
            && text.contains("use m")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|text| text.contains("deprecated")
            && text.contains("task_types.coding")
            && text.contains("use m")),
        "{said:?}"
    );
}

#[test]
fn several_mistakes_are_told_in_one_run() {
    let loaded = load(&sources(vec![
        file(Layer::Project, "agents.yaml", &format!("{AGENT}    colour: red\n")),
        file(Layer::Project, "models.yaml", &format!("{MODEL}    windw: 1\n")),
        file(Layer::Project, "policies.yaml", "policies:\n  default: {limit: {tipe: hard}}\n"),
    ]));
    let files: Vec<String> =
        loaded.of(Severity::Error).map(|f| f.origin.clone().expect("origin").name).collect();
    assert_eq!(files, ["config/agents.yaml", "config/models.yaml", "config/policies.yaml"]);
}

#[test]
fn an_error_belongs_to_its_entry_and_limits_fail_closed() {
    let tools = "tools:\n  good: {binary: a, command_template: '{binary}', models: [m]}\n  bad: {binary: a, models: [m], colour: red}\n";
    let loaded = one("all.yaml", &format!("{AGENT}{MODEL}{tools}"));
    assert!(loaded.config.tools["bad"].broken.as_ref().is_some_and(|why| why.contains("config/all.yaml:")));
    assert!(loaded.config.tools["good"].broken.is_none() && loaded.config.agents["dev"].broken.is_none());
    assert!(loaded.refusal().is_none(), "an unused tool is no reason");
    for closed in [
        "policies:\n  default: {limit: {tipe: hard}}\n",
        "policies:\n  default: {budgets: [{scope: all}]}\n",
        "polices:\n  default: {daily_budget_usd: 1}\n",
        "policies: 5\n",
        "tools: [\n",
        "default_policy: [x]\n",
    ] {
        let loaded = one("all.yaml", closed);
        assert!(loaded.refusal().is_some(), "{closed}: {:#?}", loaded.diagnostics);
    }
}

#[test]
fn a_secret_is_never_repeated() {
    let key = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp";
    for document in [
        format!("providers:\n  p: {{api_key_env: {key}}}\n"),
        format!("providers:\n  p: {{headers: {{authorization: Bearer {key}}}}}\n"),
        format!("mcp_servers:\n  s: {{command: x, env: {{TOKEN: {key}}}}}\n"),
        format!("mcp_servers:\n  s: {{command: x, env: {{TOKEN: '${{A:{key}}}'}}}}\n"),
    ] {
        let loaded = one("all.yaml", &document);
        assert!(codes(&loaded).contains(&"secret_in_config"), "{document}: {:#?}", loaded.diagnostics);
        assert!(!loaded.report(Severity::Information).contains("AbCdEf"));
    }
}

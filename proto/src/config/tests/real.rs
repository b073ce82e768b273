//! The files of existing users load unchanged.

use super::*;

const CURRENT: [(&str, &str); 4] = [
    ("agents.yaml", include_str!("../../../../tests/fixtures/llm-service-config/current/agents.yaml")),
    ("models.yaml", include_str!("../../../../tests/fixtures/llm-service-config/current/models.yaml")),
    ("policies.yaml", include_str!("../../../../tests/fixtures/llm-service-config/current/policies.yaml")),
    ("tools.yaml", include_str!("../../../../tests/fixtures/llm-service-config/current/tools.yaml")),
];

const EXAMPLE: [(&str, &str); 5] = [
    ("agents.yaml", include_str!("../../../../tests/fixtures/llm-service-config/example/agents.yaml")),
    ("models.yaml", include_str!("../../../../tests/fixtures/llm-service-config/example/models.yaml")),
    ("policies.yaml", include_str!("../../../../tests/fixtures/llm-service-config/example/policies.yaml")),
    ("telemetry.yaml", include_str!("../../../../tests/fixtures/llm-service-config/example/telemetry.yaml")),
    ("tools.yaml", include_str!("../../../../tests/fixtures/llm-service-config/example/tools.yaml")),
];

fn loaded(files: &[(&str, &str)]) -> Loaded {
    load(&sources(files.iter().map(|(name, text)| file(Layer::Project, name, text)).collect()))
}

#[test]
fn the_current_files() {
    let loaded = loaded(&CURRENT);
    let found = |severity| -> Vec<(&str, String)> {
        let of = loaded.of(severity).filter(|finding| !finding.code.name().starts_with("price_"));
        of.map(|f| (f.code.name(), f.origin.as_ref().map(ToString::to_string).unwrap_or_default())).collect()
    };
    assert_eq!(found(Severity::Error), []);
    assert_eq!(
        found(Severity::Warning),
        [
            ("retired_incomplete", "config/models.yaml:141:3".to_owned()),
            ("offered_by_no_tool", "config/policies.yaml:37:7".to_owned())
        ]
    );
    assert_eq!(found(Severity::Information), [("template_unused", "config/tools.yaml:8:23".to_owned())]);
    assert_eq!(loaded.summary(), "checked 4 files: 0 errors, 2 warnings");
    assert!(loaded.refusal().is_none());
    let config = &loaded.config;
    assert_eq!(config.agents.keys().collect::<Vec<_>>(), ["architect", "backend-dev", "planner"]);
    let architect = &config.agents["architect"];
    let chain: Vec<_> = architect.fallback_chain.iter().map(|e| (e.place, e.model.as_str())).collect();
    assert_eq!(chain, [(2, "claude-opus-4-6"), (3, "claude-sonnet-4-5-20250929")]);
    assert_eq!(architect.chain_length, 3);
    assert!(config.tools["cursor"].broken.is_none() && config.models["code-davinci-002"].retired);
    assert_eq!(config.models["gpt-4o"].context_window, Some(128_000));
    let production = &config.policies["production"];
    let day = &production.budgets[0];
    assert_eq!(
        (day.limit.to_string().as_str(), day.kind, day.threshold_percent),
        ("$50.00", LimitKind::Hard, 90)
    );
    assert_eq!(day.setting, "policies.production.daily_budget_usd (config/policies.yaml:18)");
    assert_eq!(config.policies["development"].budgets.len(), 1);
    assert_eq!(config.rate_limiting.max_requests_per_minute["cursor"], 20);
    assert_eq!(config.cost_optimization.simple_task_models, ["claude-haiku-4-5-20251001", "gpt-4o-mini"]);
}

#[test]
fn the_example_files() {
    let loaded = loaded(&EXAMPLE);
    assert_eq!(loaded.of(Severity::Error).map(ToString::to_string).collect::<Vec<_>>(), [] as [&str; 0]);
    assert_eq!(loaded.of(Severity::Warning).map(ToString::to_string).collect::<Vec<_>>(), [] as [&str; 0]);
    assert!(codes(&loaded).contains(&"not_used"), "db_path");
    assert_eq!(loaded.config.daemon.retention.events_days, 30);
    assert_eq!(loaded.tree.at_path(&["daemon", "history", "enabled"]).and_then(Node::bool), Some(true));
}

/// The shape of the single file that llm-service's own `config init` writes.
const GENERATED: &str = r#"
service: {name: llm-service, version: 1.0.0, log_level: INFO}
telemetry: {enabled: true, db_path: ~/.llm-service/telemetry.db, privacy_level: metadata, retention_days: 30}
tools:
  claude-code:
    binary: claude
    command_template: "{{binary}} --model {{model}} < {{prompt_file}}"
    models: [claude-opus-4-6]
  local:
    binary: run-it
    command_template: "{binary} {model} < {prompt_file} > {output_file}"
    models: [claude-opus-4-6]
models:
  claude-opus-4-6:
    provider: anthropic
    cost_per_1k_tokens: {input: 15.0, output: 75.0}
    context_window: 200000
agents:
  dev:
    preferred_tool: claude-code
    preferred_model: claude-opus-4-6
policies:
  default:
    daily_budget_usd: 5.0
  cost_optimization:
    simple_task_threshold_tokens: 700
    simple_task_models: [claude-opus-4-6]
  rate_limiting:
    max_requests_per_minute: {claude-code: 5}
"#;

#[test]
fn the_generated_single_file() {
    let loaded = one("llm-service.yaml", GENERATED);
    assert_eq!(loaded.of(Severity::Error).count(), 0, "{:#?}", loaded.diagnostics);
    let found = codes(&loaded);
    assert_eq!(found.iter().filter(|code| **code == "nested_policy_section").count(), 2);
    assert_eq!(found.iter().filter(|code| **code == "price_scale").count(), 2);
    assert!(found.contains(&"not_used"));
    let config = &loaded.config;
    assert_eq!(config.policies.keys().collect::<Vec<_>>(), ["default"]);
    assert_eq!(config.cost_optimization.simple_task_threshold_tokens, 700);
    assert_eq!(config.rate_limiting.max_requests_per_minute["claude-code"], 5);
    assert_eq!(config.daemon.log_level, "info");
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let loaded = load(&sources(Vec::new()));
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.config.default_policy, "default");
    assert_eq!(loaded.config.daemon, Daemon::default());
    assert_eq!(loaded.summary(), "checked 0 files: 0 errors, 0 warnings");
}

//! C1 to C5 and C7: what is read, and what is said about it.

use llmctl_tests::sandbox::Sandbox;
use serde_json::Value;

use super::{llmctl, real, validated};

#[test]
fn c1_files_of_existing_users_load_unchanged() {
    let sandbox = Sandbox::new();
    real(&sandbox, "current", "config");
    let (code, text) = validated(&sandbox, "config");
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "warning[retired_incomplete]: models.code-davinci-002 is retired and has no price or context window; it will not \
         be used\n  --> config/models.yaml:141:3\n",
        "warning[offered_by_no_tool]: ",
        "  --> config/policies.yaml:37:7\n",
        "info[template_unused]: ",
        "  --> config/tools.yaml:8:23\n",
        "\nchecked 4 files: 0 errors, 2 warnings\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(text.matches("warning[").count(), 2, "{text}");
    let strict = llmctl(&sandbox, &["config", "validate", "--strict", "config"]);
    assert_eq!(strict.code, Some(1));
    real(&sandbox, "example", "older");
    let (code, text) = validated(&sandbox, "older");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("checked 5 files: 0 errors, 0 warnings"), "{text}");
    let json = llmctl(&sandbox, &["config", "validate", "--json", "config"]).expect_code(0).stdout_text();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["files"], &json["errors"], &json["warnings"]), (&4.into(), &0.into(), &2.into()));
    let retired =
        json["diagnostics"].as_array().expect("a list").iter().find(|d| d["code"] == "retired_incomplete");
    assert_eq!(retired.expect("found")["origin"]["line"], 141);
}

#[test]
fn c1_the_project_is_found_without_being_named() {
    let sandbox = Sandbox::new();
    real(&sandbox, "current", "config");
    let text = llmctl(&sandbox, &["config", "validate"]).expect_code(0).stdout_text();
    assert!(text.contains("info[untrusted]: ") && text.contains("checked 4 files: "), "{text}");
}

#[test]
fn c2_the_generated_single_file() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "one/config.yaml",
        "service: {name: llm-service, version: 1.0.0, log_level: INFO}\ntelemetry: {enabled: true, db_path: x.db}\n\
         tools:\n  own:\n    binary: own\n    command_template: \"{{binary}} --model {{model}} < {{prompt_file}}\"\n    models: [m]\n\
         models:\n  m: {provider: p, cost_per_1k_tokens: {input: 0.003, output: 0.015}, context_window: 1000}\n\
         policies:\n  default: {daily_budget_usd: 5.0}\n  cost_optimization: {simple_task_models: [m]}\n\
         \x20 rate_limiting: {max_requests_per_minute: {own: 5}}\n",
    );
    let (code, text) = validated(&sandbox, "one");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("warning[nested_policy_section]").count(), 2, "{text}");
    assert!(text.contains("info[not_used]"), "{text}");
}

#[test]
fn c3_every_mistake_in_one_run() {
    let sandbox = Sandbox::new();
    real(&sandbox, "current", "config");
    let agents = sandbox.project().join("config/agents.yaml");
    let text = std::fs::read_to_string(&agents).expect("read").replacen("preferred_tool", "prefered_tool", 1);
    std::fs::write(&agents, text).expect("written");
    let (code, text) = validated(&sandbox, "config");
    assert_eq!(code, Some(1));
    let expected = "error[unknown_key]: agents.architect has no key `prefered_tool`\n  --> config/agents.yaml:7:5\n  \
                    hint: did you mean `preferred_tool`?\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("checked 4 files: 1 error, 2 warnings"), "{text}");
    sandbox.write("config/x.yaml", "daemon:\n  http:\n    prot: 1\n");
    sandbox.write("config/y.yaml", "routing: {reserve_output_tokens: many}\n");
    let (_, text) = validated(&sandbox, "config");
    for place in ["config/agents.yaml:7:5", "config/x.yaml:3:5", "config/y.yaml:1:34"] {
        assert!(text.contains(place), "{place}\n{text}");
    }
}

#[test]
fn c4_references_and_limits() {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("claude", &[]);
    real(&sandbox, "current", "config");
    sandbox.write("config/more.yaml", "agents:\n  extra: {preferred_tool: cursr, preferred_model: gpt-4o}\n");
    // One table in two files is one document.
    let (code, text) = validated(&sandbox, "config");
    assert_eq!(code, Some(1));
    assert!(text.contains("error[unknown_tool]") && text.contains("claude-code, cursor"), "{text}");
    assert!(text.contains("did you mean `cursor`?"), "{text}");

    let execute = [
        "execute",
        "--prompt-text",
        "hi",
        "--tool",
        "claude-code",
        "--model",
        "claude-haiku-4-5",
        "--no-daemon",
    ];
    sandbox.configure("policies.yaml", "policies:\n  default:\n    limit: {tipe: hard}\n");
    let refused = llmctl(&sandbox, &execute).expect_code(2).stderr_text();
    assert!(refused.contains("policies.default.limit has no key `tipe`"), "{refused}");
    assert!(refused.contains("llmctl/policies.yaml:3:"), "{refused}");
    sandbox.configure("policies.yaml", "policies:\n  default: {daily_budget_usd: 5}\n");
    sandbox.configure("tools.yaml", "tools:\n  never: {binary: x, colour: red}\n");
    llmctl(&sandbox, &execute).expect_code(0);
}

#[test]
fn c5_prices_are_exact() {
    let sandbox = Sandbox::new();
    sandbox.configure(
        "models.yaml",
        "models:\n  m: {provider: p, context_window: 9, cost_per_1k_tokens: {input: 0.00015, output: 0.000000001}}\n",
    );
    let text = llmctl(&sandbox, &["models", "--json"]).expect_code(0).stdout_text();
    let models: Value = serde_json::from_str(&text).expect("JSON");
    let m = models.as_array().expect("a list").iter().find(|model| model["name"] == "m").expect("m");
    assert_eq!(
        (&m["input_per_million_usd"], &m["output_per_million_usd"]),
        (&"0.15".into(), &"0.000001".into())
    );
    assert_eq!(m["price_from"], "override");
}

#[test]
fn c7_where_a_value_comes_from() {
    let mut sandbox = Sandbox::new();
    sandbox.configure("p.yaml", "policies:\n  default:\n    daily_budget_usd: 20.00\n");
    sandbox.write(".llmctl/p.yaml", "policies:\n  default:\n    daily_budget_usd: 10.00\n");
    let words = ["config", "show", "--origin", "--trust-project", "policies.default.daily_budget_usd"];
    let text = llmctl(&sandbox, &words).expect_code(0).stdout_text();
    assert!(text.contains("10.00") && text.contains("project    .llmctl/p.yaml:3"), "{text}");
    assert!(text.contains("20.00") && text.contains("llmctl/p.yaml:3  (overridden)"), "{text}");
    let words = [
        "config",
        "show",
        "--json",
        "--set",
        "daemon.http.port=9090",
        "daemon.http.port",
        "daemon.log_level",
    ];
    let json: Value =
        serde_json::from_str(&llmctl(&sandbox, &words).expect_code(0).stdout_text()).expect("JSON");
    assert_eq!((&json[0]["value"], &json[0]["origin"]["layer"]), (&"9090".into(), &"flag".into()));
    assert_eq!((&json[1]["value"], &json[1]["origin"]["layer"]), (&"info".into(), &"catalogue".into()));
    let unknown = llmctl(&sandbox, &["config", "show", "daemon.htp"]).expect_code(2).stderr_text();
    assert!(unknown.contains("did you mean daemon.http?"), "{unknown}");
    sandbox.set_env("LLMCTL_DAEMON__HTTP__PORT", "x");
    let done = llmctl(&sandbox, &["config", "validate"]).expect_code(1).stdout_text();
    assert!(done.contains("error[wrong_type]") && done.contains("--> LLMCTL_DAEMON__HTTP__PORT\n"), "{done}");
    let daemon = llmctl(&sandbox, &["daemon", "start"]).stderr_text();
    assert!(daemon.contains("LLMCTL_DAEMON__HTTP__PORT"), "{daemon}");
}

#[test]
fn what_is_shown_is_a_file_again() {
    let sandbox = Sandbox::new();
    real(&sandbox, "current", "config");
    let first = llmctl(&sandbox, &["config", "show", "--trust-project"]).expect_code(0).stdout_text();
    sandbox.write("again/all.yaml", &first);
    let (code, text) = validated(&sandbox, "again");
    assert_eq!(code, Some(0), "{text}");
    let second = llmctl(&sandbox, &["--config-dir", "again", "config", "show", "--trust-project"]);
    assert_eq!(second.expect_code(0).stdout_text(), first);
}

#[test]
fn files_that_are_none_are_told_with_their_place() {
    let sandbox = Sandbox::new();
    for (name, content, part) in [
        ("tab", &b"daemon:\n\tlog_level: info\n"[..], "tabs"),
        ("latin", b"tools: {}\nnote: \xe9\n", "UTF-8"),
        ("two", b"tools: {}\n---\nmodels: {}\n", "more than one document"),
        ("twice", b"tools: {}\ntools: {}\n", "twice"),
        ("control", b"tools: {\x1b[31m: 1}\n", ""),
    ] {
        sandbox.write(&format!("{name}/a.yaml"), content);
        let (code, text) = validated(&sandbox, name);
        assert_eq!(code, Some(1), "{name}: {text}");
        assert!(text.contains(part) && text.contains(&format!("--> {name}/a.yaml:")), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
    sandbox.write("big/a.yaml", vec![b' '; 5 << 20]);
    assert!(validated(&sandbox, "big").1.contains("longer than 4 MiB"));
    sandbox.write("pair/a.yaml", "tools: {}\n");
    sandbox.write("pair/a.yml", "tools: [\n");
    sandbox.write("pair/b.yaml.example", "tools: [\n");
    sandbox.write("pair/.c.yaml", "tools: [\n");
    let (code, text) = validated(&sandbox, "pair");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("warning[second_extension]") && text.contains("checked 1 file: "), "{text}");
}

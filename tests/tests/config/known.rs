//! `llmctl tools`, `models`, `agents`: what is known, whether it can be used now, and why not.

use llmctl_tests::sandbox::Sandbox;
use serde_json::Value;

use super::{llmctl, real};

fn json(sandbox: &Sandbox, words: &[&str]) -> Vec<Value> {
    let text = llmctl(sandbox, words).expect_code(0).stdout_text();
    serde_json::from_str(&text).expect("a list")
}

fn named<'a>(list: &'a [Value], name: &str) -> &'a Value {
    list.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#?}"))
}

#[test]
fn tools_say_why_not() {
    let mut sandbox = Sandbox::new();
    real(&sandbox, "current", "config");
    sandbox.fake_tool("claude", &[]);
    sandbox.set_env("ANTHROPIC_API_KEY", "key-of-the-test");
    let tools = json(&sandbox, &["tools", "--json", "--trust-project"]);
    assert_eq!(named(&tools, "claude-code")["usable"], true);
    let cursor = named(&tools, "cursor");
    assert_eq!((&cursor["usable"], &cursor["reason"]["code"]), (&false.into(), &"not_installed".into()));
    let why = cursor["reason"]["text"].as_str().expect("text");
    assert!(why.contains("cursor is not in PATH nor at /usr/local/bin/cursor"), "{why}");
    assert_eq!(named(&tools, "codex")["source"], "installed");
    let table = llmctl(&sandbox, &["tools", "--trust-project"]).expect_code(0).stdout_text();
    assert!(table.starts_with("TOOL") && table.contains("cursor"), "{table}");

    let agents = json(&sandbox, &["agents", "--json", "--trust-project"]);
    assert_eq!(named(&agents, "architect")["first"], "claude-code:claude-opus-4-6");
    assert_eq!(named(&agents, "architect")["candidates"][0]["reason"]["code"], "not_installed");
    let table = llmctl(&sandbox, &["agents", "--trust-project"]).expect_code(0).stdout_text();
    assert!(table.contains("cursor:gpt-4o (not_installed)"), "{table}");

    let models = json(&sandbox, &["models", "--json", "--trust-project"]);
    let opus = named(&models, "claude-opus-4-6");
    assert_eq!(
        (&opus["input_per_million_usd"], &opus["output_per_million_usd"]),
        (&"15".into(), &"75".into())
    );
    assert_eq!(opus["offered_by"][0], "claude-code");
    assert_eq!(named(&models, "code-davinci-002")["usable"], false);
    let text = llmctl(&sandbox, &["models", "--trust-project"]).expect_code(0).stdout_text();
    assert!(text.contains("retired 2023-03-23") && text.contains("deprecated; use gpt-4o"), "{text}");
}

#[test]
fn without_configuration_models_are_known() {
    let sandbox = Sandbox::new();
    assert!(llmctl(&sandbox, &["agents"]).expect_code(0).stdout_text().contains("config init"));
    let found = json(&sandbox, &["models", "gpt-4o-mini", "--json"]);
    assert!(found.iter().any(|model| model["provider"] == "openai"), "{found:#?}");
    assert!(json(&sandbox, &["models", "--all", "--json"]).len() > 100);
}

#[test]
fn a_table_of_prices_is_taken_whole_or_not_at_all() {
    let sandbox = Sandbox::new();
    let table = |price: &str| {
        format!(
            r#"[{{"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": [{{"id": "own-model", "match": {{"equals": "own-model"}}, "prices": {{"input_mtok": {price}, "output_mtok": 8}}}}]}}]"#
        )
    };
    sandbox.write("bad.json", table("\"x\""));
    let bad = llmctl(&sandbox, &["models", "update", "--from", "bad.json"]).expect_code(2).stderr_text();
    assert!(bad.contains("own-model") && bad.contains("nothing was changed"), "{bad}");
    assert!(json(&sandbox, &["models", "own-model", "--json"]).is_empty());
    sandbox.write("good.json", table("2"));
    let done = llmctl(&sandbox, &["models", "update", "--from", "good.json"]).expect_code(0).stdout_text();
    assert!(done.starts_with("1 models: 1 new"), "{done}");
    let price = |sandbox: &Sandbox| {
        json(sandbox, &["models", "own-model", "--json"])[0]["input_per_million_usd"].clone()
    };
    assert_eq!(price(&sandbox), "2");
    sandbox.write("good.json", table("3"));
    let done = llmctl(&sandbox, &["models", "update", "--from", "good.json"]).expect_code(0).stdout_text();
    assert!(done.contains("1 with another price today\n  openai/own-model"), "{done}");
    assert_eq!(price(&sandbox), "3");
}

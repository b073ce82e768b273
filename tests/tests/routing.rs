//! Routing from outside, on the configuration real users have: previews, refusals, recorded decisions, history.

use std::time::Duration;

use llmctl_tests::sandbox::Sandbox;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(60);
const OPUS: &str = "claude-opus-4-6";
const SONNET: &str = "claude-sonnet-4-5-20250929";
const HAIKU: &str = "claude-haiku-4-5-20251001";

/// A user with the four files of the real project and these programs.
fn user(programs: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/llm-service-config/current");
    for file in ["agents.yaml", "tools.yaml", "models.yaml", "policies.yaml"] {
        let text = std::fs::read(files.join(file)).expect("a fixture");
        sandbox.write(&format!("../config/llmctl/{file}"), text);
    }
    for program in programs {
        sandbox.script(program, "cat \"$1\" \"$2\" 2>/dev/null\n");
    }
    sandbox
}

fn both() -> Sandbox {
    user(&["claude", "cursor"])
}

/// `llmctl route … --json`, with its exit code.
fn route(sandbox: &Sandbox, more: &[&str], code: i32) -> Value {
    let done = sandbox.run(&[&["route", "--json"], more].concat(), LONG).expect_code(code);
    serde_json::from_str(&done.stdout_text()).unwrap_or_else(|e| panic!("{e}: {}", done.stdout_text()))
}

fn of_agent(sandbox: &Sandbox, agent: &str, tokens: &str, more: &[&str]) -> Value {
    route(sandbox, &[&["--agent", agent, "--input-tokens", tokens], more].concat(), 0)
}

/// `tool:model` and the source of the choice.
fn choice(decision: &Value) -> (String, String) {
    let text = |key: &str| decision["selected"][key].as_str().unwrap_or_default().to_owned();
    (format!("{}:{}", text("tool"), text("model")), text("source"))
}

fn chosen(pair: &str, source: &str) -> (String, String) {
    (pair.to_owned(), source.to_owned())
}

fn candidate<'d>(decision: &'d Value, tool: &str, model: &str) -> &'d Value {
    let all = decision["candidates"].as_array().expect("candidates");
    let found = all.iter().find(|c| c["tool"] == tool && c["model"] == model);
    found.unwrap_or_else(|| panic!("{tool}:{model} is not among {all:?}"))
}

fn codes(candidate: &Value) -> Vec<&str> {
    let reasons = candidate["reasons"].as_array().expect("reasons");
    reasons.iter().filter_map(|reason| reason["code"].as_str()).collect()
}

#[test]
fn r1_to_r3_sizes_and_task_types() {
    let sandbox = both();
    let sonnet = format!("claude-code:{SONNET}");
    assert_eq!(choice(&of_agent(&sandbox, "backend-dev", "3000", &[])), chosen(&sonnet, "preferred"));
    let small = of_agent(&sandbox, "backend-dev", "800", &[]);
    assert_eq!(choice(&small), chosen(&format!("claude-code:{HAIKU}"), "simple"));
    assert_eq!(codes(candidate(&small, "-", "gpt-4o-mini")), ["not_offered"]);
    let task = |task: &str| choice(&of_agent(&sandbox, "backend-dev", "800", &["--task-type", task]));
    assert_eq!(task("coding"), chosen(&sonnet, "task_type"));
    assert_eq!(task("simple"), chosen(&format!("claude-code:{HAIKU}"), "task_type"));
    // By the size of the prompt: 3.5 bytes a token for this provider.
    sandbox.write("small.md", "x".repeat(5_246));
    sandbox.write("large.md", "x".repeat(5_251));
    let by_file = |file: &str| route(&sandbox, &["--agent", "backend-dev", "--prompt", file], 0);
    assert_eq!(choice(&by_file("small.md")).1, "simple");
    assert_eq!(by_file("small.md")["estimate"]["input_tokens"], 1_499);
    assert_ne!(choice(&by_file("large.md")).1, "simple");
}

#[test]
fn r4_another_tool_for_the_task_type() {
    let synthesis = ["--task-type", "synthesis"];
    let with = |sandbox: &Sandbox| choice(&of_agent(sandbox, "architect", "3000", &synthesis));
    assert_eq!(with(&both()), chosen(&format!("cursor:{OPUS}"), "task_type"));
    assert_eq!(with(&user(&["claude"])), chosen(&format!("claude-code:{OPUS}"), "task_type"));
    let switched = both();
    switched.write(
        "../config/llmctl/agents.yaml",
        format!("agents:\n  architect:\n    preferred_tool: cursor\n    preferred_model: {HAIKU}\n"),
    );
    let decision = of_agent(&switched, "architect", "3000", &[]);
    assert_eq!(choice(&decision), chosen(&format!("claude-code:{HAIKU}"), "preferred"));
    assert!(codes(candidate(&decision, "claude-code", HAIKU)).contains(&"tool_switch"));
}

#[test]
fn r5_a_missing_program_is_passed_by() {
    let sandbox = user(&["claude"]);
    sandbox.write("design.md", "A design. ".repeat(1_100));
    let words = ["--prompt", "design.md", "--agent", "architect"];
    let decision = route(&sandbox, &words, 0);
    assert_eq!(codes(candidate(&decision, "cursor", "gpt-4o")), ["not_installed"]);
    let said = "cursor is not installed; using claude-code:claude-opus-4-6 (fallback 2 of 3)";
    assert_eq!(decision["notice"], said);
    let text = sandbox.run(&[&["route"], &words[..]].concat(), LONG).expect_code(0).stdout_text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("selected  claude-code:claude-opus-4-6     about $0."), "{text}");
    assert!(lines[0].ends_with("fallback 2 of 3: cursor is not installed"), "{text}");
    assert!(lines[1].contains("3,143 tokens (estimated), output 8,192, policy default"), "{text}");
    assert!(lines[3].starts_with("  candidate") && lines[3].ends_with("why"), "{text}");
    assert!(text.contains("not_installed: cursor is not in PATH nor at /usr/local/bin/cursor"), "{text}");
    assert!(!sandbox.path("state/llmctl/operations").exists(), "nothing was begun");
    assert!(!sandbox.path("run/llmctl/llmctld.sock").exists(), "no daemon was started");
    // The runner says the same.
    let run = [&["execute", "--no-daemon", "--json"], &words[..]].concat();
    let done = sandbox.run(&[&["execute", "--no-daemon"], &words[..]].concat(), LONG);
    assert!(done.stderr_text().lines().any(|line| line.ends_with(said)), "{}", done.stderr_text());
    let done = sandbox.run(&run, LONG);
    let first: Value =
        serde_json::from_str(done.stdout_text().lines().next().unwrap_or_default()).expect("JSON");
    for key in ["selected", "candidates", "estimate", "policy"] {
        assert_eq!(first["data"][key], decision[key], "preview and execution agree on {key}");
    }
}

#[test]
fn r6_nobody_is_left() {
    let sandbox = user(&[]);
    let words = ["--input-tokens", "3000", "--agent", "architect"];
    let decision = route(&sandbox, &words, 6);
    assert_eq!(decision["selected"], Value::Null);
    let prompt = "x ".repeat(6_000);
    let run = ["execute", "--no-daemon", "--prompt-text", &prompt, "--agent", "architect"];
    let done = sandbox.run(&run, LONG).expect_code(6);
    let text = done.stderr_text();
    let at = text.find("error: no candidate left for agent architect\n").unwrap_or_else(|| panic!("{text}"));
    let lines: Vec<&str> = text[at..].lines().collect();
    let pairs = ["cursor:gpt-4o".to_owned(), format!("claude-code:{OPUS}"), format!("claude-code:{SONNET}")];
    for (line, pair) in lines[1..].iter().zip(pairs) {
        assert!(line.starts_with(&format!("  {pair}  not_installed: ")), "{text}");
    }
    assert!(text.contains("hint: install claude-code or cursor"), "{text}");
    let listed = sandbox.run(&["ps", "--json", "--no-daemon"], LONG).expect_code(0).stdout_text();
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let id = listed[0]["operation_id"].as_str().expect("an id");
    let why = sandbox.run(&["route", "why", id, "--json"], LONG).expect_code(0).stdout_text();
    let why: Value = serde_json::from_str(&why).expect("JSON");
    assert_eq!(why[0]["selected"], Value::Null);
}

#[test]
fn r7_an_unknown_agent() {
    let sandbox = both();
    for words in [&["route"][..], &["execute", "--no-daemon"]] {
        let words = [words, &["--prompt-text", "x", "--agent", "archtect"]].concat();
        let done = sandbox.run(&words, LONG).expect_code(2);
        let text = done.stderr_text();
        let expected = "error: unknown agent \"archtect\"; known: architect, backend-dev, planner; did you mean \
                        \"architect\"?";
        assert_eq!(text.lines().next(), Some(expected), "{text}");
    }
}

#[test]
fn r8_a_prompt_that_does_not_fit() {
    let sandbox = both();
    let decision = of_agent(&sandbox, "architect", "150000", &[]);
    let small = candidate(&decision, "cursor", "gpt-4o");
    assert_eq!(codes(small), ["context_too_small"]);
    assert_eq!(small["reasons"][0]["text"], "165,000 + 8,192 > 128,000 tokens");
    assert_eq!(choice(&decision), chosen(&format!("claude-code:{OPUS}"), "fallback"));
}

#[test]
fn r9_retired_and_deprecated_models() {
    let sandbox = both();
    let named = |model: &str| route(&sandbox, &["--model", model, "--input-tokens", "100"], 6);
    let retired = named("code-davinci-002");
    let only = candidate(&retired, "-", "code-davinci-002");
    assert!(codes(only).contains(&"retired") && only["reasons"].to_string().contains("2023-03-23"));
    let deprecated = named("gpt-4-turbo");
    let only = candidate(&deprecated, "-", "gpt-4-turbo");
    assert_eq!(codes(only), ["not_offered"]);
    assert!(only["reasons"].to_string().contains("use gpt-4o"));
}

#[test]
fn r11_preview_after_preview_is_the_same() {
    let sandbox = both();
    let mut first = of_agent(&sandbox, "planner", "900", &[]);
    let mut again = of_agent(&sandbox, "planner", "900", &[]);
    first["decided_us"] = Value::Null;
    again["decided_us"] = Value::Null;
    assert_eq!(first, again);
}

#[test]
fn a_program_that_is_no_program_is_named_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = user(&["claude"]);
    let plain = sandbox.write("../bin/cursor", "not a program");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let decision = of_agent(&sandbox, "architect", "3000", &[]);
    let reason = &candidate(&decision, "cursor", "gpt-4o")["reasons"][0];
    assert_eq!(reason["code"], "not_executable");
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("chmod +x")), "{reason}");
}

#[test]
fn limits_and_capabilities_are_asked_for() {
    let sandbox = both();
    let decision = of_agent(&sandbox, "planner", "3000", &["--max-cost", "0.10"]);
    assert_eq!(codes(candidate(&decision, "claude-code", OPUS)), ["over_max_cost"]);
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    let decision = of_agent(&sandbox, "planner", "3000", &["--require", "multimodal"]);
    assert_eq!(codes(candidate(&decision, "claude-code", OPUS)), ["capability_missing"]);
    let done = sandbox.run(&["route", "--input-tokens", "1", "--policy", "prod"], LONG).expect_code(2);
    assert!(done.stderr_text().contains("unknown policy \"prod\"; known: default, production, development"));
}

/// Operations that ran, told again and held against another policy.
#[test]
fn why_and_what_if() {
    let sandbox = both();
    let run = ["execute", "--no-daemon", "--prompt-text", "x", "--tool", "cursor", "--model", "gpt-4o"];
    sandbox.run(&run, LONG);
    let listed = sandbox.run(&["ps", "--json", "--no-daemon"], LONG).expect_code(0).stdout_text();
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let id = listed[0]["operation_id"].as_str().expect("an id");
    let text = sandbox.run(&["route", "why", id], LONG).expect_code(0).stdout_text();
    assert!(text.starts_with(&format!("operation {id}, attempt 1 (decided in ")), "{text}");
    assert!(text.contains("\nselected  cursor:gpt-4o "), "{text}");
    let whatif = |policy: &str| -> Value {
        let words = ["route", "whatif", "--since", "1h", "--policy", policy, "--json"];
        serde_json::from_str(&sandbox.run(&words, LONG).expect_code(0).stdout_text()).expect("JSON")
    };
    let same = whatif("default");
    assert_eq!(same["operations"].as_array().map(Vec::len), Some(1), "{same}");
    assert_eq!(same["operations"][0]["then"], "cursor:gpt-4o");
    assert_eq!(same["operations"][0]["otherwise"], "cursor:gpt-4o");
    assert_eq!(same["actual_pico_usd"], same["hypothetical_pico_usd"]);
    let done = sandbox.run(&["route", "whatif", "--policy", "defualt"], LONG).expect_code(2);
    assert!(done.stderr_text().contains("did you mean \"default\"?"), "{}", done.stderr_text());
    let done = sandbox.run(&["route", "whatif", "--policy", "default"], LONG).expect_code(0);
    assert!(done.stdout_text().contains("0 of 1 operations go elsewhere"), "{}", done.stdout_text());
    let done = sandbox.run(&["route", "why", "nope"], LONG).expect_code(2);
    assert!(done.stderr_text().contains("no operation matches"), "{}", done.stderr_text());
}

/// A project that nobody trusts runs nothing, and one line says so.
#[test]
fn an_untrusted_project_is_not_used() {
    let sandbox = Sandbox::new();
    sandbox.script("evil", "echo hacked\n");
    sandbox.write(
        ".llmctl/tools.yaml",
        "tools:\n  evil:\n    binary: evil\n    command_template: '{binary}'\n    models: [m]\n",
    );
    let done = sandbox.run(&["route", "--input-tokens", "5"], LONG).expect_code(0);
    assert!(!done.stdout_text().contains("evil"), "{}", done.stdout_text());
    assert!(done.stderr_text().contains("llmctl config trust"), "{}", done.stderr_text());
}

//! What follows a failure at run time: the next candidate, a repeat, or an error that keeps what is there.

use llmctl_tests::provider::Provider;
use llmctl_tests::run::Finished;
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::wait_for;
use serde_json::Value;

/// An agent that prefers a provider and falls back to the fake Codex, or the other way round.
struct Scene {
    sandbox: Sandbox,
    provider: Provider,
}

impl Scene {
    fn new(policy: &str) -> Self {
        let provider = Provider::spawn().expect("a free port");
        let mut sandbox = Sandbox::new();
        sandbox.set_env("ANTHROPIC_API_KEY", "key-1234567890");
        sandbox.set_env("ANTHROPIC_BASE_URL", provider.url());
        sandbox.fake_tool("codex", &[]);
        sandbox.configure(
            "agents.yaml",
            "agents:\n  dev:\n    preferred_tool: anthropic\n    preferred_model: claude-haiku-4-5\n    \
             fallback_chain: ['codex:gpt-5']\n  \
             reverse:\n    preferred_tool: codex\n    preferred_model: gpt-5\n    \
             fallback_chain: ['anthropic:claude-haiku-4-5']\n",
        );
        sandbox.configure(
            "tools.yaml",
            "tools:\n  anthropic:\n    adapter: http\n    provider: anthropic\n    models: [claude-haiku-4-5]\n  \
             codex:\n    binary: codex\n    command_template: '{binary}'\n    models: [gpt-5]\n",
        );
        sandbox.configure(
            "policies.yaml",
            &format!("policies:\n  default:\n    fallback: {{retry_delay_s: 0{policy}}}\n"),
        );
        Self { sandbox, provider }
    }

    fn execute(&self, prompt: &str, more: &[&str]) -> Finished {
        let words = [&["execute", "--prompt-text", prompt], more].concat();
        self.sandbox.run(&words, LONG)
    }

    fn operation(&self) -> Value {
        let done = self.sandbox.run(&["ps", "--json", "-n", "1"], LONG).expect_code(0);
        let list: Vec<Value> = serde_json::from_str(&done.stdout_text()).expect("a list");
        list.into_iter().next().expect("one operation")
    }

    fn facts(&self, kind: &str) -> Vec<Value> {
        let id = self.operation()["operation_id"].as_str().expect("an id").to_owned();
        let words = ["events", "--operation", &id, "--type", kind, "--after", "0"];
        let done = self.sandbox.run(&words, LONG).expect_code(0);
        done.stdout_text()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an event")["data"].clone())
            .collect()
    }
}

#[test]
fn a_rate_limit_goes_to_the_next_candidate_as_one_operation() {
    let scene = Scene::new("");
    let done = scene.execute("RATELIMIT", &["--agent", "dev"]).expect_code(0);
    let answer = done.stdout_text();
    assert!(!answer.is_empty() && !answer.contains("Offline answer"), "{answer}");
    assert!(done.stderr_text().contains("anthropic:claude-haiku-4-5 failed: "), "{}", done.stderr_text());
    let decisions = scene.facts("routing.decision");
    assert_eq!(decisions.len(), 2, "{decisions:?}");
    assert_eq!(decisions[1]["attempt"], 2);
    assert_eq!(decisions[1]["trigger"], "rate_limit");
    assert_eq!(decisions[1]["selected"]["tool"], "codex");
    let failures = scene.facts("execution.error");
    assert_eq!(failures.len(), 1);
    assert_eq!((&failures[0]["final"], &failures[0]["class"]), (&Value::Bool(false), &"rate_limit".into()));
    assert_eq!(scene.facts("cost.recorded").len(), 2, "both attempts are metered");
    let operation = scene.operation();
    assert_eq!(operation["state"], "complete");
    assert_eq!(operation["attempts"].as_array().map(Vec::len), Some(2), "{operation}");
    // It cools down: the next operation does not even try.
    let served = scene.provider.ledger().len();
    scene.execute("hello", &["--agent", "dev"]).expect_code(0);
    assert_eq!(scene.provider.ledger().len(), served, "the pair cools down");
}

#[test]
fn overload_is_repeated_on_the_same_candidate() {
    let scene = Scene::new("");
    let done = scene.execute("OVERLOAD:2", &["--agent", "dev"]).expect_code(0);
    assert!(done.stdout_text().contains("Offline answer"), "{}", done.stdout_text());
    assert_eq!(done.stderr_text().matches("trying again in").count(), 2, "{}", done.stderr_text());
    assert_eq!(scene.facts("routing.decision").len(), 1);
    assert_eq!(scene.facts("execution.start").len(), 3);
    assert_eq!(scene.operation()["tool"], "anthropic");
}

#[test]
fn nothing_is_repeated_behind_output() {
    let scene = Scene::new("");
    let done = scene.execute("WORDS:30 MIDERROR", &["--agent", "dev"]).expect_code(1);
    assert!(done.stdout_text().starts_with("word1 "), "{}", done.stdout_text());
    assert_eq!(scene.facts("routing.decision").len(), 1);
    let operation = scene.operation();
    assert_eq!(operation["state"], "error");
    assert!(operation["partial"].is_object(), "{operation}");
    // Unless it is asked for.
    let again = scene.execute("WORDS:31 MIDERROR", &["--agent", "dev", "--retry-after-output"]);
    assert!(again.stdout_text().starts_with("word1 "));
    assert!(scene.facts("execution.start").len() > 1, "{}", again.stderr_text());
}

#[test]
fn a_wrong_key_and_an_unknown_exit_are_seen() {
    let scene = Scene::new("");
    let done = scene.execute("UNAUTH", &["--agent", "dev"]).expect_code(1);
    assert!(done.stderr_text().contains("check the login or key"), "{}", done.stderr_text());
    assert_eq!(scene.facts("execution.error")[0]["class"], "auth");
    scene.sandbox.fake_tool("codex", &["--exit-before", "7"]);
    scene.execute("hello", &["--agent", "reverse"]).expect_code(1);
    assert_eq!(scene.facts("execution.error")[0]["class"], "exit_code");
    let scene = Scene::new(", on: [exit_code]");
    scene.sandbox.fake_tool("codex", &["--exit-before", "7"]);
    let done = scene.execute("hello", &["--agent", "reverse"]).expect_code(0);
    assert!(done.stdout_text().contains("Offline answer"), "{}", done.stdout_text());
}

#[test]
fn a_crash_before_the_first_output_goes_to_the_next() {
    let scene = Scene::new("");
    scene.sandbox.fake_tool("codex", &["--deltas", "0", "--no-terminal", "--die-by", "11"]);
    let done = scene.execute("hello", &["--agent", "reverse"]).expect_code(0);
    assert!(done.stdout_text().contains("Offline answer"), "{}", done.stderr_text());
    assert_eq!(scene.facts("execution.error")[0]["class"], "crash");
}

#[test]
fn a_whole_chain_that_fails_names_every_class() {
    let scene = Scene::new("");
    scene.sandbox.fake_tool("codex", &["--deltas", "0", "--no-terminal", "--die-by", "11"]);
    scene.execute("RATELIMIT", &["--agent", "dev"]).expect_code(1);
    let classes: Vec<Value> = scene.facts("execution.error").iter().map(|e| e["class"].clone()).collect();
    assert_eq!(classes, ["rate_limit", "crash"]);
    let operation = scene.operation();
    assert_eq!(operation["state"], "error");
    assert_eq!(operation["attempts"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_program_removed_between_probe_and_start_is_passed_over() {
    let scene = Scene::new("");
    // Found and executable, but no program can run it: what a removed interpreter leaves behind.
    let program = scene.sandbox.script("codex", "");
    std::fs::write(program, "#!/nonexistent/interpreter\n").expect("written");
    let done = scene.execute("hello", &["--agent", "reverse"]).expect_code(0);
    assert!(done.stdout_text().contains("Offline answer"), "{}", done.stderr_text());
    assert_eq!(scene.facts("execution.error")[0]["class"], "binary_missing");
}

#[test]
fn an_explicit_model_has_no_standby_unless_asked() {
    let scene = Scene::new("");
    scene.execute("RATELIMIT", &["--model", "anthropic:claude-haiku-4-5"]).expect_code(1);
    assert_eq!(scene.facts("routing.decision").len(), 1);
}

/// A window of starts that is used up: the next candidate, or, where that is not wanted, a place in the queue.
#[test]
fn a_used_up_window_goes_on_to_the_next_or_waits() {
    let rates = "rate_limiting: {max_requests_per_minute: {anthropic: 1}}\n";
    let scene = Scene::new("");
    scene.sandbox.configure("rates.yaml", rates);
    scene.execute("one", &["--agent", "dev"]).expect_code(0);
    assert_eq!(scene.operation()["tool"], "anthropic");
    scene.execute("two", &["--agent", "dev"]).expect_code(0);
    assert_eq!(scene.operation()["tool"], "codex");
    let decisions = scene.facts("routing.decision");
    let reason = &decisions[0]["candidates"][0]["reasons"][0];
    assert_eq!(reason["code"], "rate_limited", "{decisions:?}");
    assert!(reason["until"].is_string(), "{reason}");

    scene.sandbox.configure(
        "policies.yaml",
        "policies:\n  default:\n    auto_fallback_on_rate_limit: false\n    fallback: {max_wait_s: 3600}\n",
    );
    let running = scene.sandbox.spawn(&["execute", "--agent", "dev", "--prompt-text", "three"]);
    let place = wait_for(SOON, "it waits for the window", || {
        let done = scene.sandbox.run(&["queue", "--json"], LONG).expect_code(0);
        let rows: Vec<Value> = serde_json::from_str(&done.stdout_text()).expect("a list");
        rows.first().map(|row| row["place"].clone())
    });
    assert_eq!((&place["reason"], &place["limit"]), (&"rate_limit".into(), &"anthropic".into()), "{place}");
    assert!(place["wait_until"].is_string() || place["wait_until"].is_u64(), "{place}");
    let id = scene.operation()["operation_id"].as_str().expect("an id").to_owned();
    scene.sandbox.run(&["stop", &id], LONG).expect_code(0);
    drop(running.wait(LONG));
    assert_eq!(scene.operation()["state"], "stopped");
}

//! llmctl drives the vendors' own CLIs: what it records is what the provider served, to the token and the
//! nano-dollar, and what it stops leaves nothing running.
//!
//! Needs the tools of `tests/tools/install.sh`; without them these tests fail and say so.

use std::time::Duration;

use llmctl_proto::usage::Usage;
use llmctl_tests::price;
use llmctl_tests::provider::{End, Provider, Served, scenario};
use llmctl_tests::run::{self, Finished, Running};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_mins(2);
const OPUS: &str = "claude-opus-5-5";

/// A sandbox with one real tool, and the provider it talks to.
struct Stage {
    sandbox: Sandbox,
    provider: Provider,
    tool: &'static str,
    model: &'static str,
}

impl Stage {
    fn claude() -> Self {
        let (mut sandbox, provider) = (Sandbox::new(), Provider::spawn().expect("a loopback port is free"));
        sandbox.claude_at(&provider.url());
        Self { sandbox, provider, tool: "claude-code", model: OPUS }
    }

    fn codex() -> Self {
        let (mut sandbox, provider) = (Sandbox::new(), Provider::spawn().expect("a loopback port is free"));
        sandbox.codex_at(&provider.url());
        Self { sandbox, provider, tool: "codex", model: "gpt-5" }
    }

    fn start(&self, prompt: &str, more: &[&str]) -> Running {
        self.sandbox.write("prompt.txt", prompt);
        let base = ["execute", "--prompt", "prompt.txt", "--tool", self.tool, "--model", self.model];
        let words = [&base[..], &["--no-daemon"], more].concat();
        run::spawn(self.sandbox.llmctl(&words), b"")
    }

    fn execute(&self, prompt: &str, more: &[&str]) -> Finished {
        self.start(prompt, more).wait(LONG)
    }

    /// Answers that were given, in their order.
    fn served(&self) -> Vec<Served> {
        self.provider.ledger().into_iter().filter(|entry| !entry.model.is_empty()).collect()
    }

    fn served_text(&self) -> String {
        self.served().iter().map(|entry| entry.text.as_str()).collect()
    }

    fn served_usage(&self) -> Usage {
        self.served().iter().filter_map(|entry| entry.usage).fold(Usage::default(), |sum, u| sum.plus(&u))
    }

    /// Tokens and cost of an event's data against the ledger and the second price table.
    fn assert_spend(&self, data: &Value) {
        let tokens: Usage = serde_json::from_value(data["tokens"].clone()).expect("tokens by class");
        assert_eq!(tokens, self.served_usage());
        assert_eq!(data["usage_source"], "reported");
        let nano = price::of(self.model).expect("it has a price").nano_usd(&tokens);
        assert_eq!(data["cost_nano_usd"], json!(nano));
        assert_eq!(data["cost_basis"], "computed");
    }
}

/// The events of `--json`, checked to be envelopes in order.
fn events(done: &Finished) -> Vec<Value> {
    let text = done.stdout_text();
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("every line is an event")).collect();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["v"], 1, "{event}");
        for field in ["epoch", "at", "type"] {
            assert!(event[field].is_string(), "{field} of {event}");
        }
        assert!(event["seq"].is_u64() && event["data"].is_object(), "{event}");
        if index > 0 {
            assert!(events[index - 1]["seq"].as_u64() < event["seq"].as_u64(), "{event}");
        }
    }
    events
}

fn all<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).map(|event| &event["data"]).collect()
}

fn only<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let found = all(events, kind);
    assert_eq!(found.len(), 1, "events of type {kind}");
    found[0]
}

/// The answer's text in the output events.
fn output_text(events: &[Value]) -> String {
    let outputs = all(events, "execution.output").into_iter().filter(|data| data["stream"] == "stdout");
    outputs.filter_map(|data| data["text"].as_str()).collect()
}

#[test]
fn claude_answer_is_the_whole_output() {
    for prompt in ["Say hi", "UNICODE", "LONG:200"] {
        let stage = Stage::claude();
        let done = stage.execute(prompt, &[]).expect_code(0);
        assert_eq!(done.stdout_text(), stage.served_text(), "{prompt}");
        stage.sandbox.wait_empty(LONG);
    }
}

#[test]
fn claude_tokens_and_cost_are_those_of_the_ledger() {
    let stage = Stage::claude();
    let done = stage.execute("Say hi", &["--json"]).expect_code(0);
    let events = events(&done);
    let complete = only(&events, "execution.complete");
    stage.assert_spend(complete);
    assert_eq!((&complete["model"], &complete["exit_code"]), (&json!(OPUS), &json!(0)));
    assert_eq!(complete["reported_cost_nano_usd"], complete["cost_nano_usd"]);
    assert_eq!(complete["stdout_bytes"], json!(stage.served_text().len()));
    assert!(complete["session_id"].is_string());
    assert_eq!(output_text(&events), stage.served_text());
    let start = only(&events, "execution.start");
    assert_eq!((&start["tool"], &start["prompt"]["bytes"]), (&json!("claude-code"), &json!(6)));
    assert_eq!(only(&events, "routing.decision")["selected"]["tool"], "claude-code");
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("execution.complete")));
}

#[test]
fn claude_tool_calls_are_seen_and_both_answers_counted() {
    let stage = Stage::claude();
    let events = events(&stage.execute("TOOLCALL please", &["--json"]).expect_code(0));
    assert_eq!(stage.served().len(), 2);
    let call = &stage.served()[0].calls[0];
    let invoked = only(&events, "tool.invoked");
    assert_eq!((&invoked["call_id"], &invoked["name"]), (&json!(call.id), &json!("Bash")));
    assert_eq!(invoked["kind"], "shell");
    let response = only(&events, "tool.response");
    assert_eq!((&response["call_id"], &response["ok"]), (&json!(call.id), &json!(true)));
    let complete = only(&events, "execution.complete");
    assert_eq!(complete["calls"], 1);
    stage.assert_spend(complete);
    assert_eq!(output_text(&events), [scenario::PLAIN_TEXT, scenario::AFTER_TOOL_TEXT].concat());
}

#[test]
fn claude_gets_a_prompt_larger_than_an_argument() {
    let stage = Stage::claude();
    let prompt = format!("Say hi {}", "and more ".repeat(40_000));
    stage.execute(&prompt, &[]).expect_code(0);
    assert_eq!(stage.served()[0].prompt_bytes, prompt.trim().len() as u64);
}

#[test]
fn claude_without_a_known_price_costs_nothing_known() {
    let stage = Stage { model: "nosuchmodel", ..Stage::claude() };
    let events = events(&stage.execute("Say hi", &["--json"]).expect_code(0));
    let complete = only(&events, "execution.complete");
    assert_eq!((&complete["cost_nano_usd"], &complete["cost_basis"]), (&Value::Null, &json!("unknown")));
    assert_eq!(complete["tokens"]["output"], json!(stage.served_usage().output));
}

#[test]
fn claude_refused_by_the_provider_is_an_error_of_its_class() {
    let stage = Stage::claude();
    let done = stage.execute("RATELIMIT", &["--json"]).expect_code(1);
    let events = events(&done);
    // Nobody else could take over, so it was asked again, as often as the policy says, and visibly.
    let errors = all(&events, "execution.error");
    assert_eq!(errors.len(), 1 + 3);
    for error in &errors {
        assert_eq!((&error["class"], &error["retryable"]), (&json!("rate_limit"), &json!(true)));
    }
    assert!(errors.iter().rev().skip(1).all(|error| error["final"] == false));
    assert_eq!(errors[3]["final"], true);
    assert!(stage.served().iter().all(|entry| entry.end == End::Refused));
    stage.sandbox.wait_empty(LONG);
}

#[test]
fn claude_stopped_in_its_answer_keeps_the_part_and_its_price() {
    let stage = Stage::claude();
    let mut running = stage.start("SLOWLY", &["--json"]);
    running.wait_stdout(LONG, |out| out.contains("word5 "));
    running.signal(Signal::INT);
    let done = running.wait(LONG);
    assert_eq!(done.signal, Some(2), "dies by the signal: {}", done.stderr_text());
    let events = events(&done);
    let stopped = only(&events, "execution.stopped");
    assert_eq!((&stopped["by"], &stopped["step"]), (&json!("user"), &json!("interrupt")));
    assert_eq!(stopped["usage_source"], "partial");
    let served = stage.served().remove(0);
    let input: Usage = serde_json::from_value(stopped["tokens"].clone()).expect("tokens by class");
    let early = served.early_usage.expect("the start had usage");
    assert_eq!((input.input, input.cache_read), (early.input, early.cache_read));
    assert!(stopped["cost_nano_usd"].as_i64() > Some(0));
    let text = output_text(&events);
    assert!(text.starts_with("word1 word2 ") && served.text.starts_with(&text), "{text}");
    wait_until(LONG, "the request's end", || stage.served()[0].end == End::ClientGone);
    stage.sandbox.wait_empty(LONG);
}

#[test]
fn claude_stopped_in_a_tool_leaves_no_process() {
    for prompt in ["HANGTOOL", "HANGTOOL:setsid", "HANGTOOL:double", "HANGTOOL:stubborn"] {
        let stage = Stage::claude();
        let running = stage.start(prompt, &["--json"]);
        let hangs = |name: &str| stage.sandbox.processes().iter().any(|process| process.name == name);
        wait_until(LONG, "the hanging tool", || hangs("tail"));
        running.signal(Signal::INT);
        let done = running.wait(LONG);
        assert_eq!(done.signal, Some(2), "{prompt}: {}", done.stderr_text());
        assert!(!done.held_open);
        only(&events(&done), "execution.stopped");
        stage.sandbox.wait_empty(LONG);
    }
}

#[test]
fn codex_answer_tokens_and_cost_are_those_of_the_ledger() {
    let stage = Stage::codex();
    let done = stage.execute("UNICODE", &[]).expect_code(0);
    assert_eq!(done.stdout_text(), stage.served_text());

    let stage = Stage::codex();
    let events = events(&stage.execute("TOOLCALL please", &["--json"]).expect_code(0));
    assert_eq!(stage.served().len(), 2);
    assert_eq!(output_text(&events), stage.served_text());
    assert_eq!(only(&events, "tool.invoked")["kind"], "shell");
    assert_eq!(only(&events, "tool.response")["exit_code"], 0);
    stage.assert_spend(only(&events, "execution.complete"));
    stage.sandbox.wait_empty(LONG);
}

#[test]
fn codex_refused_by_the_provider_is_an_error_of_its_class() {
    let stage = Stage::codex();
    let events = events(&stage.execute("UNAUTH", &["--json"]).expect_code(1));
    assert_eq!(only(&events, "execution.error")["class"], "auth");
}

#[test]
fn codex_stopped_in_a_tool_leaves_no_process() {
    let stage = Stage::codex();
    let running = stage.start("HANGTOOL:setsid", &["--json"]);
    let tails = || stage.sandbox.processes().iter().filter(|process| process.name == "tail").count();
    wait_until(LONG, "the hanging tool", || tails() == 2);
    running.signal(Signal::INT);
    let done = running.wait(LONG);
    assert_eq!(done.signal, Some(2), "{}", done.stderr_text());
    let events = events(&done);
    let stopped = only(&events, "execution.stopped");
    // Codex says nothing of a cut turn: unknown is not zero.
    assert_eq!((&stopped["usage_source"], &stopped["cost_nano_usd"]), (&json!("none"), &Value::Null));
    stage.sandbox.wait_empty(LONG);
}

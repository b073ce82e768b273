//! The harness against the real thing: the vendors' own CLIs complete on the fixture provider, and a real model
//! generates. llmctl is not involved, so a failure here is the harness's or the tool's, never the product's.

use std::time::Duration;

use llmctl_proto::usage::Usage;
use llmctl_tests::http::{self, SILENCE};
use llmctl_tests::local_model::LocalModel;
use llmctl_tests::provider::{End, Provider, Served, scenario};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::wait_until;
use llmctl_tests::{price, proc, run};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_mins(2);

fn lines(output: &[u8]) -> Vec<Value> {
    output.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn answers(provider: &Provider) -> Vec<Served> {
    provider.ledger().into_iter().filter(|entry| entry.status == 200 && !entry.model.is_empty()).collect()
}

fn total(answers: &[Served]) -> Usage {
    answers.iter().filter_map(|entry| entry.usage).fold(Usage::default(), |sum, usage| sum.plus(&usage))
}

fn claude(provider: &Provider, prompt: &str) -> Vec<Value> {
    let mut sandbox = Sandbox::new();
    sandbox.claude_at(&provider.url());
    let mut command = sandbox.command(sandbox.path("bin/claude"));
    command.args(["-p", "--model", "claude-opus-5-5", "--output-format", "stream-json", "--verbose"]);
    command.arg("--include-partial-messages");
    lines(&run::run(command, prompt.as_bytes(), LONG).expect_code(0).stdout)
}

fn codex(provider: &Provider, prompt: &str) -> Vec<Value> {
    let mut sandbox = Sandbox::new();
    sandbox.codex_at(&provider.url());
    let mut command = sandbox.command(sandbox.path("bin/codex"));
    command.args(["exec", "--json", "--skip-git-repo-check", "-m", "gpt-5", "-"]);
    lines(&run::run(command, prompt.as_bytes(), LONG).expect_code(0).stdout)
}

#[test]
fn claude_code_reports_the_tokens_and_the_price_of_the_ledger() {
    for prompt in ["TOOLCALL please", "UNICODE", "THINK"] {
        let provider = Provider::spawn().expect("a loopback port is free");
        let frames = claude(&provider, prompt);
        let answers = answers(&provider);
        assert_eq!(answers.len(), if prompt.starts_with("TOOL") { 2 } else { 1 });
        assert!(answers.iter().all(|entry| entry.end == End::Complete && entry.prompt.trim() == prompt));
        let result = frames.last().expect("there is a result");
        assert_eq!(result["terminal_reason"], "completed");
        let account = &result["modelUsage"]["claude-opus-5-5"];
        let served = total(&answers);
        let figure = |name: &str| account[name].as_u64().unwrap_or_default();
        let reported = Usage {
            input: figure("inputTokens"),
            cache_read: figure("cacheReadInputTokens"),
            cache_write_5m: figure("cacheCreationEphemeral5mInputTokens"),
            cache_write_1h: figure("cacheCreationEphemeral1hInputTokens"),
            output: figure("outputTokens"),
            reasoning: figure("thinkingTokens"),
            ..Usage::default()
        };
        assert_eq!(reported, served, "{prompt}");
        let nano = price::of("claude-opus-5-5").expect("it has a price").nano_usd(&served);
        let usd = account["costUSD"].as_f64().expect("a number");
        assert!((usd * 1e9 - nano as f64).abs() < 1.0, "{usd} USD against {nano} nano-dollars");
        let text = |f: &Value| f.pointer("/event/delta/text").and_then(Value::as_str).map(str::to_owned);
        let streamed: String = frames.iter().filter_map(text).collect();
        assert_eq!(streamed, answers.iter().map(|entry| entry.text.as_str()).collect::<String>());
    }
}

#[test]
fn codex_reports_the_tokens_of_the_ledger() {
    for prompt in ["TOOLCALL please", "UNICODE"] {
        let provider = Provider::spawn().expect("a loopback port is free");
        let frames = codex(&provider, prompt);
        let answers = answers(&provider);
        let served = total(&answers);
        let usage = &frames.last().expect("there is a last frame")["usage"];
        let figure = |name: &str| usage[name].as_u64().unwrap_or_default();
        assert_eq!(figure("input_tokens"), served.input + served.cache_read, "{prompt}");
        assert_eq!(figure("cached_input_tokens"), served.cache_read);
        assert_eq!(figure("output_tokens"), served.output);
        assert_eq!(figure("reasoning_output_tokens"), served.reasoning);
        let items = |kind: &str| frames.iter().filter(move |f| f["item"]["type"] == kind).collect::<Vec<_>>();
        let text: String = items("agent_message").iter().filter_map(|f| f["item"]["text"].as_str()).collect();
        assert_eq!(text, answers.iter().map(|entry| entry.text.as_str()).collect::<String>());
        if prompt.starts_with("TOOL") {
            let done = items("command_execution").pop().expect("the tool ran");
            assert_eq!(done["item"]["aggregated_output"], "hello-from-tool\n");
            assert_eq!(answers[1].text, scenario::AFTER_TOOL_TEXT);
        }
    }
}

#[test]
fn a_real_model_streams_counts_and_stops_with_its_client() {
    let model = LocalModel::start();
    let ask = |tokens: u32| {
        json!({"model": "smollm2", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": tokens,
            "messages": [{"role": "user", "content": "Tell a long story about the sea."}]})
    };
    let answer = http::post(model.addr(), "/v1/chat/completions", &ask(16)).expect("the server answers");
    let events = answer.events();
    let text: String =
        events.iter().filter_map(|e| e.pointer("/choices/0/delta/content").and_then(Value::as_str)).collect();
    assert!(!text.is_empty() && answer.text().trim_end().ends_with("[DONE]"));
    let usage = &events.last().expect("there is a last event")["usage"];
    assert!(usage["completion_tokens"].as_u64().is_some_and(|count| (1..=17).contains(&count)), "{usage}");
    assert!(usage["prompt_tokens"].as_u64() > Some(5));

    let mut reading = http::post_reading(model.addr(), "/v1/chat/completions", &ask(1800), SILENCE)
        .expect("the server answers");
    assert!(reading.read_until(|text| text.matches("\"content\"").count() > 3));
    drop(reading);
    // Idle: no processor time between two looks, which are 5 ms apart at least.
    let mut before = None;
    let mut quiet = 0;
    wait_until(Duration::from_secs(20), "the generation's end", || {
        let now = proc::cpu_ms(model.pid());
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        quiet > 20
    });
}

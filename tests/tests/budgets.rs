//! Budgets with real processes: what is asked, refused, stopped and recorded, and that no race passes a hard limit.

use std::process::{Command, Stdio};
use std::time::Duration;

use llmctl_proto::process::Signal;
use llmctl_tests::paid::{Paid, TOKEN_NANO};
use llmctl_tests::proc;
use llmctl_tests::run::{self, Finished};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};

const SOFT: &str =
    "policies:\n  default:\n    daily_budget_usd: 0.40\n    limit: {type: soft, threshold_percent: 10}\n";

fn hard(limit: &str) -> String {
    format!(
        "policies:\n  default:\n    daily_budget_usd: {limit}\n    limit: {{type: hard, threshold_percent: 80}}\n"
    )
}

fn spent(paid: &Paid) -> i64 {
    paid.operations().iter().filter_map(|op| op["cost_nano_usd"].as_i64()).sum()
}

fn state(op: &Value) -> &str {
    op["state"].as_str().unwrap_or_default()
}

/// Runs `llmctl` on a terminal of its own and types a line.
fn on_a_terminal(paid: &Paid, words: &[&str], typed: &str) -> Finished {
    let program = llmctl_tests::sandbox::binary("llmctl");
    let line: Vec<String> = std::iter::once(program.display().to_string())
        .chain(words.iter().map(|word| format!("'{word}'")))
        .collect();
    let mut command: Command = paid.sandbox.command("script");
    command.args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::piped());
    run::run(command, typed.as_bytes(), LONG)
}

#[test]
fn a_soft_budget_asks_on_a_terminal_and_warns_without_one() {
    let paid = Paid::new(SOFT, 20);
    // About six cents: above the threshold, far below the limit.
    paid.execute("WORDS:30", &[]).expect_code(0);
    let before = spent(&paid);
    assert!((40_000_000..200_000_000).contains(&before), "{before}");
    let done = paid.execute("again", &[]).expect_code(0);
    let said = done.stderr_text();
    assert!(said.contains("warning: daily budget at "), "{said}");
    assert!(said.contains("of $0.4000, policy default)"), "{said}");
    let served = paid.provider.ledger().len();
    let refused = on_a_terminal(&paid, &Paid::words("again", &[]), "n\n");
    assert_eq!(refused.code, Some(5), "{}", refused.stdout_text());
    assert!(refused.stdout_text().contains("Go on? [y/N]"), "{}", refused.stdout_text());
    assert_eq!(paid.provider.ledger().len(), served, "nothing was started");
    let gone_on = on_a_terminal(&paid, &Paid::words("again", &[]), "y\n");
    assert_eq!(gone_on.code, Some(0), "{}", gone_on.stdout_text());
    let yes = on_a_terminal(&paid, &Paid::words("again", &["--yes"]), "");
    assert_eq!(yes.code, Some(0), "{}", yes.stdout_text());
    assert_eq!(paid.provider.ledger().len(), served + 2);
    assert_eq!(thresholds(&paid), 1);
    // Another daemon knows what was said before it.
    let processes = paid.sandbox.processes();
    let is_daemon = |pid| proc::program(pid).is_some_and(|program| program.ends_with("llmctld"));
    let daemon = processes.iter().map(|process| process.identity).find(|process| is_daemon(process.pid));
    assert!(proc::signal(daemon.expect("a daemon"), Signal::KILL));
    paid.execute("again", &[]).expect_code(0);
    assert_eq!(thresholds(&paid), 1);
}

/// Warnings of a threshold that were ever given.
fn thresholds(paid: &Paid) -> usize {
    let warnings =
        paid.sandbox.run(&["events", "--type", "cost.warning", "--after", "0"], SOON).expect_code(0);
    let text = warnings.stdout_text();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["data"]["level"] == "threshold").count()
}

#[test]
fn a_hard_budget_refuses_with_every_figure_and_a_way_out() {
    let paid = Paid::new(&hard("0.05"), 20);
    paid.execute("WORDS:30", &[]).expect_code(0);
    let before = spent(&paid);
    let served = paid.provider.ledger().len();
    let done = paid.execute("again", &[]).expect_code(5);
    let said = done.stderr_text();
    assert!(said.contains("error: daily budget would be passed: "), "{said}");
    assert!(said.contains("of $0.0500 (policy default, hard)"), "{said}");
    assert!(said.contains("hint: set policies.default.daily_budget_usd ("), "{said}");
    assert!(said.contains("policies.yaml:3)"), "{said}");
    assert!(said.contains("hint: --force --reason"), "{said}");
    assert!(said.contains("hint: the day ends at 00:00 UTC, in "), "{said}");
    assert_eq!(paid.provider.ledger().len(), served, "nothing was started");
    let newest = &paid.operations()[0];
    assert_eq!(state(newest), "refused");
    assert_eq!(newest["cost_nano_usd"], 0);
    paid.execute("again", &["--force"]).expect_code(2);
    let forced = paid.execute("again", &["--force", "--reason", "the demo is today"]).expect_code(0);
    assert!(!forced.stdout_text().is_empty());
    assert!(spent(&paid) > before);
    let id = paid.operations()[0]["operation_id"].as_str().unwrap_or_default().to_owned();
    let facts =
        paid.sandbox.run(&["events", "--type", "budget.refused", "--operation", &id, "--after", "0"], SOON);
    assert!(facts.stdout_text().contains("the demo is today"), "{}", facts.stdout_text());
}

#[test]
fn sixty_four_at_once_never_pass_a_hard_dollar() {
    let mut paid = Paid::new(&hard("1.00"), 100);
    paid.sandbox.set_env("LLMCTL_DAEMON__CONCURRENCY__TOTAL", "64");
    paid.sandbox.run(&["daemon", "start"], LONG).expect_code(0);
    // 64 × about four cents would be more than two dollars.
    let running: Vec<_> = (0..64).map(|_| paid.start("WORDS:20", &["--quiet"])).collect();
    let codes: Vec<Option<i32>> = running.into_iter().map(|one| one.wait(LONG).code).collect();
    let (ran, refused) = (
        codes.iter().filter(|code| **code == Some(0)).count(),
        codes.iter().filter(|code| **code == Some(5)).count(),
    );
    assert_eq!(ran + refused, 64, "{codes:?}");
    assert!(ran >= 10 && refused > 0, "{ran} ran, {refused} were refused");
    let operations = paid.operations();
    assert_eq!(operations.len(), 64);
    let total: i64 = operations.iter().filter_map(|op| op["cost_nano_usd"].as_i64()).sum();
    assert!(total <= 1_000_000_000, "{total} nano-dollars of a hard dollar were spent");
    let sum: i64 = paid
        .provider
        .ledger()
        .iter()
        .filter_map(|served| served.usage)
        .map(|u| u.output as i64 * TOKEN_NANO)
        .sum();
    assert_eq!(total, sum, "what was recorded is what was served");
}

#[test]
fn an_operation_that_passes_its_budget_is_stopped_and_keeps_its_part() {
    // Ten tokens are set aside; the answer goes on far beyond what the budget carries.
    let paid = Paid::new(&hard("0.06"), 10);
    let done = paid.execute("WORDS:2000 PACE:20", &["--quiet"]).expect_code(5);
    assert!(!done.stdout_text().is_empty());
    let operation = &paid.operations()[0];
    assert_eq!(state(operation), "stopped");
    assert_eq!(operation["stopped"]["by"], "budget");
    assert!(
        operation["stopped"]["reason"].as_str().unwrap_or_default().contains("daily budget"),
        "{operation}"
    );
}

#[test]
fn a_limit_is_changed_while_it_runs() {
    let paid = Paid::new("", 10);
    let running = paid.start("WORDS:3000 PACE:20", &["--max-cost", "5"]);
    let id = wait_for(SOON, "it runs", || {
        let operations = paid.operations();
        let one = operations.iter().find(|op| state(op) == "running")?;
        Some(one["operation_id"].as_str()?.to_owned())
    });
    let set = paid.sandbox.run(&["budget", "set", &id, "--max-cost", "4.50"], SOON).expect_code(0);
    assert!(set.stdout_text().contains("at most $4.50"), "{}", set.stdout_text());
    wait_until(SOON, "something was spent", || {
        paid.operations().iter().any(|op| op["cost_nano_usd"].as_i64().unwrap_or(0) > 10_000_000)
    });
    paid.sandbox.run(&["budget", "set", &id, "--max-cost", "0.005"], SOON).expect_code(0);
    running.wait(Duration::from_secs(20)).expect_code(5);
    let operation = &paid.operations()[0];
    assert_eq!(operation["stopped"]["by"], "budget");
    assert_eq!(operation["max_cost_nano_usd"], 5_000_000);
}

#[test]
fn a_reason_is_wanted_for_what_is_dear() {
    let policies = "policies:\n  default:\n    require_justification_over_usd: 0.01\n";
    let paid = Paid::new(policies, 20);
    let done = paid.execute("dear", &[]).expect_code(5);
    assert!(done.stderr_text().contains("wants a reason above $0.0100"), "{}", done.stderr_text());
    assert!(paid.provider.ledger().is_empty());
    paid.execute("dear", &["--reason", "for the release"]).expect_code(0);
}

#[test]
fn without_the_daemon_only_the_own_limit_holds_and_that_is_said() {
    let paid = Paid::new(&hard("10.00"), 10);
    let done = paid.execute("WORDS:2000 PACE:10", &["--no-daemon", "--max-cost", "0.05"]).expect_code(5);
    assert!(
        done.stderr_text().contains("without the daemon shared budgets are not enforced"),
        "{}",
        done.stderr_text()
    );
    assert!(!done.stdout_text().is_empty());
}

/// What sub-agents use is the operation's: a limit that only looked at the main thread was passed many times over.
#[test]
fn what_sub_agents_spend_counts_against_the_limit() {
    let sandbox = Sandbox::new();
    let message = |id: &str, parent: Value, output: u64| {
        let usage = json!({"input_tokens": 10, "output_tokens": output});
        json!({"type": "assistant", "parent_tool_use_id": parent, "session_id": "s", "message": {"id": id,
            "type": "message", "role": "assistant", "model": "claude-opus-5-5", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "x"}], "usage": usage}})
    };
    let init = json!({"type": "system", "subtype": "init", "session_id": "s", "model": "claude-opus-5-5"});
    let mut lines = vec![init, message("main", Value::Null, 5)];
    lines.extend((0..5).map(|n| message(&format!("sub-{n}"), json!("call-1"), 10_000)));
    lines.extend((0..2_000).map(|_| json!({"type": "keep_alive"})));
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n";
    let recording = sandbox.write("stream.jsonl", text);
    sandbox.fake_tool("claude", &["--replay", &recording.display().to_string(), "--delay-ms", "20"]);
    let words = ["--prompt-text", "x", "--tool", "claude-code", "--model", "claude-opus-5-5"];
    let words = [&["execute", "--no-daemon", "--max-cost", "0.50"], &words[..]].concat();
    sandbox.run(&words, LONG).expect_code(5);
    let listed = sandbox.run(&["ps", "--json", "--no-daemon"], LONG).expect_code(0).stdout_text();
    let operation = &serde_json::from_str::<Value>(&listed).expect("JSON")[0];
    assert_eq!(operation["stopped"]["by"], "budget", "{operation}");
    // Each sub-agent's answer costs twenty cents; the third passed the limit.
    assert!(operation["cost_nano_usd"].as_i64() >= Some(600_000_000), "{operation}");
}

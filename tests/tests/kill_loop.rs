//! `kill -9` of the daemon every 2 s while 20 operations run: all finish, every byte of output is there, and after
//! the last restart every event is in the store exactly once. The same for a runner that is killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use llmctl_tests::fake;
use llmctl_tests::run::{self, Running};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::{poll, wait_for, wait_until};
use rustix::process::Signal;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(90);
const OPERATIONS: usize = 20;
const DELTAS: u64 = 240;
const DELTA_BYTES: usize = 64;
const BETWEEN_KILLS: Duration = Duration::from_secs(2);

fn daemon_pid(sandbox: &Sandbox) -> Option<i32> {
    let daemons = sandbox.processes().into_iter().filter(|process| process.name == "llmctld");
    daemons.map(|process| process.identity.pid).next()
}

fn execute(sandbox: &Sandbox, more: &[&str]) -> Running {
    let base =
        ["execute", "-q", "--prompt-text", "go", "--tool", "claude-code", "--model", "claude-opus-5-5"];
    run::spawn(sandbox.llmctl(&[&base[..], more].concat()), b"")
}

/// Every fact of an operation: type and payload, with how often it is there.
type Facts = BTreeMap<(String, String), usize>;

fn count(lines: impl Iterator<Item = Value>) -> Facts {
    let mut facts = Facts::new();
    for event in lines {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        // What the daemon itself says of its links stands in no journal.
        if event["data"]["operation_id"].is_string() && kind != "execution.detached" {
            *facts.entry((kind, event["data"].to_string())).or_default() += 1;
        }
    }
    facts
}

fn parse(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok())
}

fn stored(sandbox: &Sandbox) -> Facts {
    let text = sandbox.run(&["events", "--after", "0"], LONG).expect_code(0).stdout_text();
    count(parse(&text))
}

fn journalled(sandbox: &Sandbox) -> Facts {
    let mut all = String::new();
    for dir in std::fs::read_dir(sandbox.path("state/llmctl/operations")).expect("operations").flatten() {
        all.push_str(&std::fs::read_to_string(dir.path().join("journal.jsonl")).expect("a journal"));
    }
    // Lines numbered 0 are checkpoints of progress, not facts.
    count(parse(&all).filter(|line| line["n"] != 0))
}

fn assert_exactly_once(sandbox: &Sandbox) {
    let journals = journalled(sandbox);
    let wanted = journals.values().sum::<usize>();
    let got = poll(LONG, || Some(stored(sandbox)).filter(|facts| facts.values().sum::<usize>() >= wanted));
    let got = got.unwrap_or_else(|| stored(sandbox));
    for (fact, times) in &journals {
        assert_eq!((*times, got.get(fact)), (1, Some(&1)), "{fact:?}");
    }
    assert_eq!(journals.len(), got.len(), "nothing else is stored");
}

#[test]
fn the_daemon_is_killed_every_two_seconds_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let (deltas, bytes) = (DELTAS.to_string(), DELTA_BYTES.to_string());
    sandbox.fake_tool(
        "claude",
        &["--deltas", &deltas, "--delta-bytes", &bytes, "--delay-ms", "50", "--tool-calls", "3"],
    );
    sandbox.run(&["daemon", "start"], LONG).expect_code(0);
    let runners: Vec<Running> = (0..OPERATIONS).map(|_| execute(&sandbox, &[])).collect();
    let runs = || sandbox.processes().iter().filter(|process| process.name == "llmctl").count();
    wait_until(LONG, "all to run", || runs() == OPERATIONS);
    let mut kills = 0;
    let mut next = Instant::now();
    while runs() > 0 {
        if let Some(pid) = daemon_pid(&sandbox) {
            let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            kills += 1;
        }
        sandbox.run(&["daemon", "start"], LONG).expect_code(0);
        next += BETWEEN_KILLS;
        let left = next.saturating_duration_since(Instant::now());
        let _ = poll(left, || (runs() == 0).then_some(()));
    }
    assert!(kills >= 5, "{kills} kills");
    let expected = fake::text(DELTAS, DELTA_BYTES);
    for runner in runners {
        let done = runner.wait(LONG);
        assert_eq!(done.code, Some(0), "{}", done.stderr_text());
        assert_eq!(done.stdout_text(), expected);
    }
    let dirs = std::fs::read_dir(sandbox.path("state/llmctl/operations")).expect("operations").flatten();
    let outputs: Vec<String> =
        dirs.map(|dir| std::fs::read_to_string(dir.path().join("output.txt")).expect("output")).collect();
    assert_eq!(outputs.len(), OPERATIONS);
    assert!(outputs.iter().all(|output| *output == expected), "every byte is recorded");
    assert_exactly_once(&sandbox);
    let listed = sandbox.run(&["ps", "--json", "-n", "50"], LONG).expect_code(0).stdout_text();
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    assert!(listed.iter().all(|o| o["state"] == "complete" && o["calls"] == 3), "{listed:?}");
    assert_eq!(listed.len(), OPERATIONS);
}

#[test]
fn a_killed_runner_is_lost_with_everything_it_had_and_nothing_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("claude", &["--deltas", "100000", "--delay-ms", "5", "--grandchild", "setsid"]);
    sandbox.run(&["daemon", "start"], LONG).expect_code(0);
    let mut runner = execute(&sandbox, &[]);
    runner.wait_stdout(LONG, |text| text.len() > 2_000);
    runner.signal(Signal::KILL);
    let done = runner.wait(LONG);
    assert_eq!(done.signal, Some(9));
    let lost = wait_for(LONG, "the operation to be lost", || {
        let text = sandbox.run(&["ps", "--json", "-n", "1"], LONG).stdout_text();
        let mut listed: Vec<Value> = serde_json::from_str(&text).ok()?;
        listed.pop().filter(|operation| operation["state"] == "lost")
    });
    let id = lost["operation_id"].as_str().expect("id");
    let output =
        std::fs::read(sandbox.path("state/llmctl/operations").join(id).join("output.txt")).expect("kept");
    let shown = done.stdout.len().min(output.len());
    assert!(shown > 1_500 && done.stdout[..shown] == output[..shown], "what was shown is kept");
    assert_eq!(lost["stdout_bytes"], output.len());
    assert!(lost["partial"]["files"].as_array().is_some_and(|files| files.len() >= 4), "{lost}");
    // Only the daemon is left of everything that carried the sandbox's mark.
    wait_until(LONG, "the tool and its grandchild to be gone", || {
        sandbox.processes().iter().all(|process| process.name == "llmctld")
    });
    assert_exactly_once(&sandbox);
}

#[test]
fn what_ran_without_a_daemon_is_taken_in_once() {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("claude", &["--deltas", "20", "--tool-calls", "2"]);
    for _ in 0..3 {
        execute(&sandbox, &["--no-daemon"]).wait(LONG).expect_code(0);
    }
    for _ in 0..3 {
        sandbox.run(&["daemon", "restart"], LONG).expect_code(0);
        assert_exactly_once(&sandbox);
    }
    // While one runs, an operation without a link is noticed by itself.
    execute(&sandbox, &["--no-daemon"]).wait(LONG).expect_code(0);
    assert_exactly_once(&sandbox);
}

#[test]
fn a_stopped_daemon_does_not_slow_the_tool() {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("claude", &["--deltas", "20000", "--delta-bytes", "256"]);
    sandbox.run(&["daemon", "start"], LONG).expect_code(0);
    let pid = daemon_pid(&sandbox).and_then(rustix::process::Pid::from_raw).expect("it runs");
    rustix::process::kill_process(pid, Signal::STOP).expect("stopped");
    let done = execute(&sandbox, &["--no-daemon"]).wait(LONG).expect_code(0);
    rustix::process::kill_process(pid, Signal::CONT).expect("goes on");
    assert_eq!(done.stdout.len(), 20_000 * 256);
    let mut runner = execute(&sandbox, &[]);
    runner.wait_stdout(LONG, |text| text.len() > 10_000);
    rustix::process::kill_process(pid, Signal::STOP).expect("stopped");
    // The answer is whole long before the daemon goes on; only the last acknowledgement is waited for, 2 s.
    runner.wait_stdout(LONG, |text| text.len() == 20_000 * 256);
    let done = runner.wait(LONG).expect_code(0);
    assert_eq!(done.stdout.len(), 20_000 * 256);
    rustix::process::kill_process(pid, Signal::CONT).expect("goes on");
    assert_exactly_once(&sandbox);
}

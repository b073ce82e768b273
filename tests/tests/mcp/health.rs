//! Servers that live and do not answer, and servers that answer and are only slow.

use std::time::{Duration, Instant};

use llmctl_tests::proc;
use llmctl_tests::rack::{Rack, at_ms, each_second, fake, tell, wall_ms, with};
use llmctl_tests::wait::poll;
use rustix::process::Signal;
use serde_json::{Value, json};

/// How long several health checks, one each second, take.
const CHECKS: Duration = Duration::from_secs(6);

fn checked(options: &[&str]) -> Value {
    with(fake(options), &each_second())
}

/// Watches a server for the time of several checks: the same process, and nothing that would be wrong.
#[track_caller]
fn assert_spared(rack: &Rack, name: &str, how_long: Duration) {
    let process = rack.process(name);
    let hurt = poll(how_long, || (!proc::is_alive(process)).then_some(()));
    assert!(hurt.is_none(), "it was restarted: {:#}", rack.show(name));
    assert_eq!(rack.process(name), process);
    let restarts = rack.events(name, "mcp.server.restarting");
    assert!(restarts.is_empty(), "{restarts:?}");
}

#[test]
fn a_stopped_process_is_found_within_three_checks_and_replaced() {
    let rack = Rack::one(checked(&[]));
    rack.start("one");
    let process = rack.process("one");
    let begun = wall_ms();
    assert!(proc::signal(process, Signal::STOP));
    let restarting = rack.wait_event("one", "mcp.server.restarting", 0);
    let took = at_ms(&restarting) - begun;
    assert_eq!(restarting["data"]["cause"], "unhealthy", "{restarting}");
    let checks = rack.events("one", "mcp.server.health_check");
    let last =
        checks.iter().rev().find(|event| event["data"]["status"] == "unhealthy").expect("an unhealthy check");
    assert_eq!(last["data"]["failures_in_row"], 3, "{last}");
    tell(&format!(
        "SIGSTOP → found after {took:.0} ms and 3 checks of one second each, a timeout of one second"
    ));
    // Three intervals of a second with their jitter, and a second of waiting for each answer.
    assert!(took <= 3.0 * (1_100.0 + 1_000.0) + 500.0, "{took} ms");
    rack.wait_state("one", &["running"]);
    assert!(!proc::is_alive(process), "the stopped one is gone");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn one_that_hangs_without_a_signal_is_found_too() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    let server = checked(&["--hang-after", "6", "--hang-once", "--starts", &note, "--era", "legacy"]);
    rack.configure(&[("one", server)], &json!({}));
    rack.start("one");
    let process = rack.process("one");
    let restarting = rack.wait_event("one", "mcp.server.restarting", 0);
    assert_eq!(restarting["data"]["cause"], "unhealthy", "{restarting}");
    rack.wait_state("one", &["running"]);
    assert!(!proc::is_alive(process));
    assert!(rack.starts(&file).len() >= 2);
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn one_that_is_busy_with_a_call_is_never_restarted() {
    for era in ["legacy", "modern"] {
        let rack = Rack::one(checked(&["--era", era]));
        rack.start("one");
        let begun = Instant::now();
        let call = rack.spawn(&["call", "one", "work", r#"{"ms": 7000}"#, "--timeout", "30"]);
        assert_spared(&rack, "one", CHECKS);
        let done = call.wait(Duration::from_secs(20)).expect_code(0);
        assert!(done.stdout_text().contains("done"), "{}", done.stdout_text());
        tell(&format!("busy for {:.1} s in a call, {era}: not restarted", begun.elapsed().as_secs_f64()));
        rack.wait_state("one", &["running"]);
        rack.stop("one");
        rack.assert_none_left();
    }
}

#[test]
fn any_answer_is_life_also_one_that_refuses_the_question() {
    // A refusal of `ping`, and no `ping` at all: for more than ten seconds, since a process that was bound to an
    // idle thread of its parent would be gone by then.
    let rack = Rack::new(&[
        ("legacy", checked(&["--era", "legacy", "--no-ping"])),
        ("modern", checked(&["--era", "modern"])),
        ("slow", checked(&["--slow-answers", "600"])),
    ]);
    let names = ["legacy", "modern", "slow"];
    let processes = names.map(|name| {
        rack.start(name);
        rack.process(name)
    });
    let hurt = poll(Duration::from_secs(12), || processes.iter().find(|p| !proc::is_alive(**p)));
    assert!(hurt.is_none(), "{hurt:?}");
    for (name, process) in names.iter().zip(processes) {
        assert_eq!(rack.process(name), process);
        let shown = rack.show(name);
        assert_eq!(shown["state"], "running", "{shown:#}");
        assert!(rack.events(name, "mcp.server.restarting").is_empty());
        rack.stop(name);
    }
    rack.assert_none_left();
}

#[test]
fn one_that_says_much_on_its_own_is_still_asked() {
    // What is no answer proves nothing: it keeps writing while it reads nothing.
    let rack = Rack::one(checked(&["--noise-stdout", "1", "--hang-after", "6", "--era", "legacy"]));
    rack.start("one");
    let restarting = rack.wait_event("one", "mcp.server.restarting", 0);
    assert_eq!(restarting["data"]["cause"], "unhealthy", "{restarting}");
    rack.stop("one");
    rack.assert_none_left();
}

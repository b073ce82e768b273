//! Servers that die: seen at once, started again within the back-off, and given up when it does not help.

use std::time::{Duration, Instant};

use llmctl_tests::rack::{Rack, at_ms, fake, median, tell, wall_ms, with};
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::{poll, wait_for};
use serde_json::{Value, json};

/// What a killed child may take to be seen, as the median, in milliseconds.
const SEEN_MS: f64 = 10.0;
/// What may be added to a back-off on a busy machine, in milliseconds.
const SLACK_MS: f64 = 250.0;

/// A fake server that notes its starts.
fn noted(rack_note: &str, more: &[&str]) -> Value {
    fake(&[&["--starts", rack_note], more].concat())
}

#[test]
fn a_killed_server_is_seen_at_once_and_started_again_within_its_back_off() {
    let rack = Rack::new(&[]);
    let names: Vec<String> = (0..8).map(|n| format!("server-{n}")).collect();
    let notes: Vec<_> = names.iter().map(|name| rack.note(name)).collect();
    // A list that may be kept for a minute hides nothing.
    let servers: Vec<(&str, Value)> = names
        .iter()
        .zip(&notes)
        .map(|(name, note)| (name.as_str(), noted(&note.1, &["--ttl", "60000"])))
        .collect();
    rack.configure(&servers, &json!({}));
    let (mut seen, mut back, mut second, mut over) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, (file, _)) in names.iter().zip(&notes) {
        rack.start(name);
        for round in 1..=2_usize {
            let process = rack.process(name);
            let (wall, clock) = rack.kill(process);
            let restarting = rack.wait_event(name, "mcp.server.restarting", round - 1);
            let starts =
                wait_for(SOON, "the next start", || Some(rack.starts(file)).filter(|s| s.len() > round));
            let after_ms = (starts[round].0 - clock) as f64 / 1e6;
            let backoff_ms = restarting["data"]["backoff_ms"].as_f64().expect("a back-off");
            seen.push(at_ms(&restarting) - wall.floor());
            assert_eq!(restarting["data"]["cause"], "exited", "{restarting}");
            over.push(after_ms - backoff_ms);
            if round == 1 { back.push(after_ms) } else { second.push((backoff_ms, after_ms)) }
        }
        let stopped = &rack.events(name, "mcp.server.stopped")[0]["data"];
        assert_eq!((&stopped["signal"], &stopped["reason"]), (&json!(9), &json!("exited")), "{stopped}");
        rack.wait_state(name, &["running"]);
        rack.stop(name);
    }
    let worst = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
    tell(&format!(
        "kill -9 → seen: median {:.0} ms, longest {:.0} ms of {}",
        median(&seen),
        worst(&seen),
        seen.len()
    ));
    tell(&format!(
        "kill -9 → first instruction, first time: median {:.1} ms, longest {:.1} ms",
        median(&back),
        worst(&back)
    ));
    tell(&format!("second restart, back-off and real time in ms: {second:.0?}"));
    assert!(median(&seen) <= SEEN_MS, "{seen:?}");
    // The median, since a single start may wait for a busy machine.
    assert!(median(&over) <= SLACK_MS, "beyond the back-off, in ms: {over:?}");
    rack.assert_none_left();
}

#[test]
fn one_that_exits_at_once_is_given_up_with_its_last_words() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    let dies = noted(&note, &["--crash-at-start", "7", "--stderr", "error: no such database: /data/x.db"]);
    rack.configure(&[("one", with(dies, &json!({"max_restart_attempts": 2})))], &json!({}));
    let refused = rack.mcp(&["start", "one"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr_text());
    assert!(refused.stderr_text().contains("no such database"), "{}", refused.stderr_text());
    let shown = rack.wait_state("one", &["crash_loop", "failed"]);
    let failed = rack.wait_event("one", "mcp.server.failed", 0);
    assert!(
        failed["data"]["stderr_tail"].as_str().is_some_and(|tail| tail.contains("no such database")),
        "{failed}"
    );
    assert!(shown["last_error"].as_str().is_some_and(|text| !text.is_empty()), "{shown:#}");
    let starts = rack.starts(&file).len();
    // Each start may need a second one that asks nothing first.
    assert!((1..=6).contains(&starts), "{starts} starts");
    tell(&format!("crash at start: given up after {starts} starts"));
    assert!(poll(Duration::from_secs(3), || (rack.starts(&file).len() > starts).then_some(())).is_none());
    rack.assert_none_left();
}

#[test]
fn one_that_recovers_is_running_in_the_end() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    let server = noted(&note, &["--crash-at-start", "7", "--crash-times", "4"]);
    let keys = json!({"auto_start": true, "max_restart_attempts": 5});
    rack.configure(&[("one", with(server, &keys))], &json!({}));
    rack.stage.start_daemon();
    let shown = rack.wait_state("one", &["running"]);
    assert!(shown["tools_count"].as_u64() >= Some(8), "{shown:#}");
    assert_eq!(rack.starts(&file).len(), 5);
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn one_that_exits_after_each_handshake_is_not_started_for_ever() {
    for era in ["legacy", "modern"] {
        let rack = Rack::new(&[]);
        let (file, note) = rack.note("starts");
        let server = noted(&note, &["--exit-after-handshake", "--era", era]);
        let keys = json!({"auto_start": true, "max_restart_attempts": 2});
        rack.configure(&[("one", with(server, &keys))], &json!({}));
        let begun = Instant::now();
        rack.stage.start_daemon();
        rack.wait_state("one", &["crash_loop", "failed"]);
        let starts = rack.starts(&file).len();
        assert!((2..=6).contains(&starts), "{starts} starts");
        tell(&format!(
            "exits after the {era} handshake: given up after {starts} starts, {:.1} s",
            begun.elapsed().as_secs_f64()
        ));
        rack.assert_none_left();
    }
}

#[test]
fn what_the_user_stops_stays_stopped_and_what_may_not_restart_does_not() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    let (other_file, other) = rack.note("other");
    let once = with(noted(&other, &[]), &json!({"restart_on_failure": false}));
    rack.configure(
        &[("one", with(noted(&note, &[]), &json!({"auto_start": true}))), ("once", once)],
        &json!({}),
    );
    rack.stage.start_daemon();
    rack.wait_state("one", &["running"]);
    rack.stop("one");
    assert!(rack.stage.kill_daemon());
    rack.stage.start_daemon();
    rack.start("once");
    assert_eq!(rack.show("one")["state"], "stopped", "a daemon that was killed has not forgotten");
    assert_eq!(rack.starts(&file).len(), 1);
    rack.kill(rack.process("once"));
    let shown = rack.wait_state("once", &["failed", "stopped"]);
    assert_eq!(rack.events("once", "mcp.server.restarting").len(), 0, "{shown:#}");
    assert_eq!(rack.starts(&other_file).len(), 1);
    rack.assert_none_left();
}

#[test]
fn a_call_that_is_under_way_when_its_server_dies_is_told_so() {
    let rack = Rack::one(fake(&[]));
    rack.start("one");
    let process = rack.process("one");
    let begun = wall_ms();
    let done = rack.mcp(&["call", "one", "exit", r#"{"code": 3}"#]);
    assert_eq!(done.code, Some(1), "{}", done.stderr_text());
    assert!(wall_ms() - begun < 5_000.0, "it waited for a dead server");
    wait_for(SOON, "the next life", || (rack.process("one") != process).then_some(()));
    assert_eq!(rack.call("one", "echo", &json!({"a": 1})).matches('a').count(), 1);
    rack.stop("one");
    rack.assert_none_left();
}

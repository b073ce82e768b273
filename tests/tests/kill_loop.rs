//! Killing the daemon, its peers and the runners: operations go on, and what was journalled is stored once.

use std::time::{Duration, Instant};

use llmctl_tests::proc;
use llmctl_tests::run::Running;
use llmctl_tests::stage::{LONG, SOON, Stage, numbered};
use llmctl_tests::wait::{poll, wait_until};
use rustix::process::Signal;
use serde_json::json;

/// Between two kills of the daemon.
const CADENCE: Duration = Duration::from_secs(2);

/// Starts a daemon, whatever the last one left, and waits until it has stored every journal.
fn settle(stage: &Stage) {
    stage.start_daemon();
    wait_until(SOON, "every journal to be stored", || stage.pending().is_empty());
    stage.assert_store_is_the_journals();
}

#[test]
fn twenty_operations_do_not_notice_that_the_daemon_is_killed() {
    // Some thirteen seconds each: text, then tool calls, so that facts are under way at every kill.
    let mut stage = Stage::new(&["--deltas", "160", "--tool-calls", "150", "--delay-ms", "40"]);
    stage.sandbox.set_env("LLMCTL_DAEMON__CONCURRENCY__TOTAL", "0");
    stage.start_daemon();
    let mut running: Vec<Running> = (0..20).map(|_| stage.start(&[])).collect();
    let mut kills = 0;
    while poll(CADENCE, || running.iter_mut().all(|one| one.try_wait().is_some()).then_some(())).is_none() {
        kills += u32::from(stage.kill_daemon());
        stage.start_daemon();
    }
    assert!(kills >= 5, "only {kills} kills");
    for one in running {
        let done = one.wait(SOON).expect_code(0);
        assert_eq!(done.stdout_text(), numbered(160));
    }
    let ids = stage.ids();
    assert_eq!(ids.len(), 20);
    for id in &ids {
        assert_eq!(stage.output(id), numbered(160));
        assert_eq!(stage.facts(id, "tool.response").len(), 150);
        assert_eq!(stage.facts(id, "execution.complete").len(), 1);
    }
    stage.kill_daemon();
    settle(&stage);
    let listed = stage.list(&["--limit", "500"]);
    assert_eq!(listed.iter().filter(|operation| operation["state"] == "complete").count(), 20);
    assert!(listed.iter().all(|operation| operation["calls"] == 150 && operation["cost_nano_usd"].is_i64()));
    // Each was counted once, and its price with it.
    let status = stage.llmctl(&["daemon", "status", "--json"]).expect_code(0).stdout;
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    let costs = listed.iter().filter_map(|operation| operation["cost_nano_usd"].as_i64()).sum::<i64>();
    let totals = &status["operations"]["totals"];
    assert_eq!((&totals["ended"], &totals["complete"]), (&json!(20), &json!(20)));
    assert_eq!(totals["cost_nano_usd"], json!(costs));
    stage.wait_only_daemon();
}

#[test]
fn runners_killed_at_any_moment_leave_what_they_had() {
    let mut stage = Stage::new(&[
        "--deltas",
        "100000",
        "--delay-ms",
        "2",
        "--grandchild",
        "setsid",
        "--grandchild",
        "plain",
    ]);
    // All run at once: one that waited for the place of another would never write.
    stage.sandbox.set_env("LLMCTL_DAEMON__CONCURRENCY__TOTAL", "0");
    stage.start_daemon();
    let mut runners: Vec<Running> = (0..8).map(|_| stage.start(&[])).collect();
    let ids = stage.ids();
    // Each at another moment: before its tool runs, in its first output, much later.
    let mut seen = Vec::new();
    for (number, runner) in runners.iter_mut().enumerate() {
        let enough = number * 640;
        runner.wait_stdout(SOON, |out| out.len() >= enough);
        runner.signal(Signal::KILL);
        seen.push(runner.stdout_text());
    }
    for runner in runners {
        assert_eq!(runner.wait(SOON).signal, Some(9));
    }
    wait_until(SOON, "every journal to be closed", || stage.pending().is_empty());
    stage.wait_only_daemon();
    assert!(ids.len() <= stage.ids().len());
    for id in stage.ids() {
        let journal = stage.journal(&id);
        let output = stage.output(&id);
        assert!(numbered(20_000).starts_with(&output));
        if journal.is_empty() {
            // It died before it could say anything: nothing ever ran.
            assert!(!stage.file(&id, "journal.jsonl").exists() && output.is_empty());
            continue;
        }
        assert_eq!(journal.last().map(|entry| entry.type_name.as_str()), Some("execution.lost"));
        let facts: Vec<u64> = journal.iter().map(|entry| entry.client_seq).filter(|n| *n > 0).collect();
        assert_eq!(facts, (1..=facts.len() as u64).collect::<Vec<_>>(), "no gap, nothing twice");
        let lost = &stage.facts(&id, "execution.lost")[0];
        assert_eq!(lost["stdout_bytes"], json!(output.len()));
        let kept = lost["partial"]["files"].as_array().expect("files");
        assert!(kept.iter().any(|file| file["name"] == "output.txt" && file["bytes"] == json!(output.len())));
        assert_eq!(stage.state_of(&id).as_deref(), Some("lost"));
    }
    assert!(seen.iter().any(|text| text.len() > 4_000));
    stage.kill_daemon();
    settle(&stage);
}

#[test]
fn what_ran_without_a_daemon_is_taken_in_once() {
    let stage = Stage::new(&["--tool-calls", "2"]);
    for more in [&["--no-daemon"][..], &["--no-daemon", "--max-cost", "1000"]] {
        stage.execute(more).expect_code(0);
    }
    stage.sandbox.fake_tool("claude", &["--fail", "529"]);
    stage.execute(&["--no-daemon"]).expect_code(1);
    assert_eq!(stage.pending().len(), 3);
    assert!(stage.daemons().is_empty());
    settle(&stage);
    for _ in 0..3 {
        stage.kill_daemon();
        settle(&stage);
    }
    let states: Vec<_> = stage.list(&[]).iter().map(|operation| operation["state"].clone()).collect();
    assert_eq!(states, [json!("error"), json!("complete"), json!("complete")]);
}

#[test]
fn what_runs_beside_a_daemon_is_picked_up_without_a_restart() {
    let stage = Stage::new(&["--hang"]);
    let daemon = stage.start_daemon();
    let mut running = stage.start(&["--no-daemon"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let id = stage.only_id();
    stage.wait_state(&id, "detached");
    running.signal(Signal::INT);
    assert_eq!(running.wait(SOON).signal, Some(2));
    stage.wait_state(&id, "stopped");
    wait_until(SOON, "a settled journal", || stage.pending().is_empty());
    stage.assert_store_is_the_journals();
    assert_eq!(stage.daemon(), Some(daemon));
}

#[test]
fn a_daemon_that_stands_still_slows_nobody() {
    // Far more than the queues between runner and daemon hold.
    let stage = Stage::new(&["--deltas", "4000", "--delta-bytes", "4096", "--tool-calls", "400"]);
    let daemon = stage.start_daemon();
    let undisturbed = stage.execute(&[]).expect_code(0).elapsed;
    let mut running = stage.start(&[]);
    running.wait_stdout(SOON, |out| !out.is_empty());
    proc::signal(daemon, Signal::STOP);
    let begun = Instant::now();
    let expected = llmctl_tests::fake::text(4000, 4096);
    let done = running.wait(LONG).expect_code(0);
    let took = begun.elapsed();
    // After its end it gives the daemon two seconds, and says that it did.
    assert!(took < undisturbed * 2 + Duration::from_secs(4), "{took:?} instead of {undisturbed:?}");
    assert!(done.stderr_text().contains("it will read the journal"), "{}", done.stderr_text());
    assert!(done.stdout_text() == expected);
    proc::signal(daemon, Signal::CONT);
    wait_until(SOON, "every journal to be stored", || stage.pending().is_empty());
    stage.assert_store_is_the_journals();
    assert_eq!(stage.daemon(), Some(daemon));
}

#[test]
fn a_standstill_in_between_is_caught_up_with() {
    let stage = Stage::new(&["--deltas", "300", "--delay-ms", "10", "--tool-calls", "40"]);
    let daemon = stage.start_daemon();
    let mut running = stage.start(&[]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000020"));
    proc::signal(daemon, Signal::STOP);
    running.wait_stdout(SOON, |out| out.contains("delta 0000250"));
    proc::signal(daemon, Signal::CONT);
    let done = running.wait(SOON).expect_code(0);
    assert_eq!(done.stdout_text(), numbered(300));
    assert!(!done.stderr_text().contains("it will read the journal"), "{}", done.stderr_text());
    stage.assert_store_is_the_journals();
}

#[test]
fn a_restart_finds_its_operations_again() {
    let stage = Stage::new(&["--hang"]);
    let mut running: Vec<Running> = (0..3).map(|_| stage.start(&[])).collect();
    for one in &mut running {
        one.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    }
    let ids = stage.ids();
    for _ in 0..3 {
        stage.llmctl(&["daemon", "restart"]).expect_code(0);
        for id in &ids {
            stage.wait_state(id, "running");
        }
    }
    let status = || {
        let status = stage.llmctl(&["daemon", "status", "--json"]).expect_code(0).stdout;
        serde_json::from_slice::<serde_json::Value>(&status).expect("JSON")
    };
    wait_until(SOON, "three links", || status()["operations"]["attached"] == 3);
    // The link carries orders again.
    stage.llmctl(&["stop", "--all"]).expect_code(0);
    for one in running {
        one.wait(SOON).expect_code(4);
    }
    for id in &ids {
        assert_eq!(stage.state_of(id).as_deref(), Some("stopped"));
        assert_eq!(stage.facts(id, "execution.stopped").len(), 1);
    }
    stage.assert_store_is_the_journals();
    stage.wait_only_daemon();
}

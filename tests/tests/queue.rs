//! Places: who waits, for what, in which order, and what survives a daemon that is killed.

use std::time::Duration;

use llmctl_tests::run::Running;
use llmctl_tests::stage::{LONG, SOON, Stage};
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::Value;

/// A stage on which one operation runs at a time.
fn narrow(options: &[&str]) -> Stage {
    let mut stage = Stage::new(options);
    stage.sandbox.set_env("LLMCTL_DAEMON__CONCURRENCY__TOTAL", "1");
    stage
}

fn queue(stage: &Stage) -> Vec<Value> {
    let done = stage.llmctl(&["queue", "--json"]).expect_code(0);
    serde_json::from_str(&done.stdout_text()).expect("a list")
}

/// Starts an operation that hangs and waits until it runs.
fn hold_the_place(stage: &Stage) -> (Running, String) {
    let first = stage.start(&["--json"]);
    let id = wait_for(SOON, "the first operation runs", || {
        let running = stage.list(&["--state", "running"]);
        running.first().map(|op| op["operation_id"].as_str().unwrap_or_default().to_owned())
    });
    (first, id)
}

fn detach(stage: &Stage, more: &[&str]) -> String {
    let words = [&["--detach"], more].concat();
    stage.execute(&words).expect_code(0).stdout_text().trim().to_owned()
}

fn wait_queued(stage: &Stage, count: usize) -> Vec<Value> {
    wait_for(SOON, "operations are queued", || Some(queue(stage)).filter(|rows| rows.len() == count))
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["operation_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_second_waits_says_so_and_starts_when_the_first_has_ended() {
    let stage = narrow(&["--hang"]);
    let (first, id) = hold_the_place(&stage);
    let second = stage.start(&[]);
    let rows = wait_queued(&stage, 1);
    assert_eq!(rows[0]["place"]["position"], 1, "{rows:?}");
    assert_eq!(rows[0]["place"]["reason"], "concurrency");
    assert_eq!(rows[0]["place"]["limit"], "total");
    let waiting = ids(&rows).remove(0);
    stage.wait_state(&waiting, "queued");
    assert_eq!(stage.show(&waiting)["queue"]["position"], 1);
    stage.llmctl(&["stop", &id]).expect_code(0);
    drop(first.wait(LONG));
    stage.wait_state(&waiting, "running");
    assert!(queue(&stage).is_empty());
    stage.llmctl(&["stop", &waiting]).expect_code(0);
    let done = second.wait(LONG).expect_code(4);
    assert!(
        done.stderr_text().contains("queued, place 1: all places are taken (total)"),
        "{}",
        done.stderr_text()
    );
    assert_eq!(stage.facts(&waiting, "execution.queued").len(), 1);
}

#[test]
fn priority_and_hold_change_the_order() {
    let stage = narrow(&["--hang"]);
    let (first, id) = hold_the_place(&stage);
    let a = detach(&stage, &[]);
    let b = detach(&stage, &["--priority", "5"]);
    let c = detach(&stage, &["--hold"]);
    assert_eq!(ids(&wait_queued(&stage, 3)), [b.clone(), a.clone(), c.clone()]);
    stage.llmctl(&["queue", "priority", &a, "50"]).expect_code(0);
    stage.llmctl(&["queue", "hold", &b]).expect_code(0);
    let rows = queue(&stage);
    assert_eq!(ids(&rows)[0], a, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row["place"]["held"] == true).count(), 2, "{rows:?}");
    stage.llmctl(&["stop", &id]).expect_code(0);
    drop(first.wait(LONG));
    stage.wait_state(&a, "running");
    stage.llmctl(&["stop", &a]).expect_code(0);
    // Both that are left are held: nobody takes the free place.
    let rows = wait_queued(&stage, 2);
    assert!(rows.iter().all(|row| row["place"]["reason"] == "held"), "{rows:?}");
    stage.llmctl(&["queue", "release", &c]).expect_code(0);
    stage.wait_state(&c, "running");
    stage.llmctl(&["resume", &b]).expect_code(0);
    let rows = wait_for(SOON, "the other waits for a place", || {
        Some(queue(&stage)).filter(|rows| rows.iter().any(|row| row["place"]["reason"] == "concurrency"))
    });
    assert_eq!(ids(&rows), std::slice::from_ref(&b));
    stage.llmctl(&["stop", "--all"]).expect_code(0);
    for id in [&b, &c] {
        stage.wait_state(id, "stopped");
    }
}

#[test]
fn who_waits_still_waits_after_the_daemon_was_killed() {
    let stage = narrow(&["--hang"]);
    let (first, id) = hold_the_place(&stage);
    let a = detach(&stage, &[]);
    let b = detach(&stage, &["--priority", "9"]);
    let before = ids(&wait_queued(&stage, 2));
    assert_eq!(before, [b.clone(), a.clone()]);
    stage.llmctl(&["queue", "hold", &a]).expect_code(0);
    assert!(stage.kill_daemon());
    stage.start_daemon();
    let rows = wait_queued(&stage, 2);
    assert_eq!(ids(&rows), before);
    assert_eq!(rows[1]["place"]["held"], true, "{rows:?}");
    assert_eq!(stage.state_of(&id).as_deref(), Some("running"));
    stage.llmctl(&["stop", "--all"]).expect_code(0);
    drop(first.wait(LONG));
    for id in [&a, &b] {
        stage.wait_state(id, "stopped");
    }
}

#[test]
fn a_queued_operation_is_stopped_by_ctrl_c_and_by_stop() {
    let stage = narrow(&["--hang"]);
    let (first, id) = hold_the_place(&stage);
    let second = stage.start(&[]);
    wait_queued(&stage, 1);
    second.signal(rustix::process::Signal::INT);
    let done = second.wait(LONG);
    assert!(done.stdout_text().is_empty());
    wait_queued(&stage, 0);
    let third = detach(&stage, &[]);
    wait_queued(&stage, 1);
    stage.llmctl(&["stop", &third]).expect_code(0);
    assert_eq!(stage.state_of(&third).as_deref(), Some("stopped"));
    assert!(stage.facts(&third, "execution.start").is_empty(), "it never ran");
    stage.llmctl(&["stop", &id]).expect_code(0);
    drop(first.wait(LONG));
}

#[test]
fn a_queued_operation_whose_daemon_is_gone_starts_another() {
    let stage = narrow(&["--hang"]);
    let (first, id) = hold_the_place(&stage);
    let second = detach(&stage, &[]);
    wait_queued(&stage, 1);
    assert!(stage.kill_daemon());
    wait_until(Duration::from_secs(60), "a daemon runs again", || stage.daemon().is_some());
    wait_queued(&stage, 1);
    stage.llmctl(&["stop", &id]).expect_code(0);
    drop(first.wait(LONG));
    stage.wait_state(&second, "running");
    stage.llmctl(&["stop", &second]).expect_code(0);
}

//! Suspending and resuming an operation: the whole tree stands still, and goes on where it was.

use std::path::PathBuf;

use llmctl_tests::proc::{self, Identity};
use llmctl_tests::run::Running;
use llmctl_tests::stage::{SOON, Stage, numbered};
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;
use serde_json::json;

const ENDLESS: [&str; 4] = ["--deltas", "100000", "--delay-ms", "5"];

/// An operation with a tree of four processes, and those processes.
fn tree(no_daemon: &[&str], more: &[&str]) -> (Stage, Running, String, Vec<Identity>) {
    let stage = Stage::new(&[]);
    let note: PathBuf = stage.sandbox.path("pids");
    let pids = note.display().to_string();
    let grandchildren = ["--grandchild", "plain", "--grandchild", "setsid", "--grandchild", "double"];
    let options = [&grandchildren[..], &["--grandchild-pids", &pids], more].concat();
    stage.sandbox.fake_tool("claude", &options);
    let mut running = stage.start(no_daemon);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let id = stage.only_id();
    let mut all = stage.noted(&note, 3);
    all.push(stage.tool(&id));
    (stage, running, id, all)
}

fn states(processes: &[Identity]) -> Vec<Option<char>> {
    processes.iter().map(|process| proc::stat(process.pid).map(|stat| stat.state)).collect()
}

/// Waits until all of them stand still, or none; a signal that was sent takes a moment to be acted on.
#[track_caller]
fn wait_suspended(processes: &[Identity], suspended: bool) {
    wait_until(SOON, "the signal's effect", || {
        states(processes).iter().all(|state| state.is_some() && (*state == Some('T')) == suspended)
    });
}

#[test]
fn the_whole_tree_stands_still_and_goes_on() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let (stage, mut running, id, tree) = tree(no_daemon, &["--deltas", "400", "--delay-ms", "5"]);
        for _ in 0..2 {
            let said = stage.llmctl(&["pause", &id]).expect_code(0).stdout_text();
            assert_eq!(said, format!("{id} paused\n"));
            wait_suspended(&tree, true);
            assert_eq!(stage.state_of(&id).as_deref(), Some("paused"));
            let before = running.stdout().len();
            // Everything that was on its way has arrived by the end of a few more questions.
            stage.show(&id);
            let after = running.stdout().len();
            assert_eq!(stage.state_of(&id).as_deref(), Some("paused"));
            assert!(after >= before && running.stdout().len() == after);
            let said = stage.llmctl(&["resume", &id]).expect_code(0).stdout_text();
            assert_eq!(said, format!("{id} running\n"));
            wait_suspended(&tree, false);
            running.wait_stdout(SOON, |out| out.len() > after);
        }
        let done = running.wait(SOON).expect_code(0);
        assert_eq!(done.stdout_text(), numbered(400));
        assert_eq!(stage.output(&id), numbered(400));
        stage.wait_only_daemon();
    }
}

#[test]
fn one_without_a_link_while_a_daemon_runs() {
    let stage = Stage::new(&ENDLESS);
    stage.start_daemon();
    let mut running = stage.start(&["--no-daemon"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let id = stage.only_id();
    let tool = stage.tool(&id);
    assert_eq!(stage.llmctl(&["pause", &id]).expect_code(0).stdout_text(), format!("{id} paused\n"));
    wait_suspended(&[tool], true);
    assert_eq!(stage.llmctl(&["resume", &id]).expect_code(0).stdout_text(), format!("{id} running\n"));
    wait_suspended(&[tool], false);
    stage.llmctl(&["stop", &id]).expect_code(0);
    running.wait(SOON).expect_code(4);
    stage.assert_store_is_the_journals();
}

#[test]
fn one_that_is_paused_can_be_stopped() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        for force in [&[][..], &["--force"]] {
            let (stage, running, id, tree) = tree(no_daemon, &ENDLESS);
            stage.llmctl(&["pause", &id]).expect_code(0);
            wait_suspended(&tree, true);
            stage.llmctl(&[&["stop", &id], force].concat()).expect_code(0);
            running.wait(SOON).expect_code(4);
            let stopped = stage.facts(&id, "execution.stopped");
            let step = if force.is_empty() { "interrupt" } else { "kill" };
            assert_eq!((stopped.len(), &stopped[0]["step"]), (1, &json!(step)));
            stage.wait_only_daemon();
        }
    }
}

#[test]
fn ctrl_c_reaches_a_paused_one() {
    let (stage, running, id, _) = tree(&[], &ENDLESS);
    stage.llmctl(&["pause", &id]).expect_code(0);
    running.signal(Signal::INT);
    assert_eq!(running.wait(SOON).signal, Some(2));
    assert_eq!(stage.facts(&id, "execution.stopped").len(), 1);
    stage.wait_only_daemon();
}

#[test]
fn it_stays_paused_while_the_daemon_changes() {
    let (stage, mut running, id, tree) = tree(&[], &["--deltas", "200", "--delay-ms", "5"]);
    stage.llmctl(&["pause", &id]).expect_code(0);
    stage.llmctl(&["daemon", "restart"]).expect_code(0);
    stage.wait_state(&id, "paused");
    wait_suspended(&tree, true);
    stage.kill_daemon();
    // The journal says the same when nobody else can be asked.
    assert_eq!(stage.state_of(&id).as_deref(), Some("paused"));
    assert_eq!(stage.llmctl(&["resume", &id]).expect_code(0).stdout_text(), format!("{id} running\n"));
    running.wait_stdout(SOON, |out| out == numbered(200));
    running.wait(SOON).expect_code(0);
    stage.start_daemon();
    wait_until(SOON, "the end to be stored", || stage.pending().is_empty());
    assert_eq!(stage.state_of(&id).as_deref(), Some("complete"));
    stage.assert_store_is_the_journals();
}

#[test]
fn what_does_not_run_cannot_be_paused() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&[]);
        stage.execute(no_daemon).expect_code(0);
        let id = stage.only_id();
        for verb in ["pause", "resume"] {
            let said = stage.llmctl(&[verb, &id]).expect_code(1).stderr_text();
            assert!(said.contains(&id) && said.contains("not running"), "{said}");
            stage.llmctl(&[verb, "exec-zzzz"]).expect_code(2);
        }
    }
}

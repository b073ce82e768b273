//! Running a card: in progress while its agent works, and afterwards a file that says what came of it.

#[path = "task_run/board.rs"]
mod board;
#[path = "task_run/detached.rs"]
mod detached;
#[path = "task_run/gateway.rs"]
mod gateway;
#[path = "task_run/lost.rs"]
mod lost;

use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::{wait_for, wait_until};
use rustix::process::Signal;

use board::{Board, NAME};

#[test]
fn a_card_goes_from_the_inbox_to_done_with_its_result() {
    let board = Board::new(&["--deltas", "4"], "inbox");
    let done = board.stage.sandbox.run(&Board::words(&["run", "2026-11-23T0900"]), LONG).expect_code(0);
    assert!(done.stdout_text().contains("delta 0000004"), "{}", done.stdout_text());
    let (lane, text) = board.find(NAME);
    assert_eq!(lane, "done/dev", "{text}");
    assert!(text.starts_with("# written by hand\n") && text.contains("status: done"), "{text}");
    let operation = &board.stage.list(&[])[0];
    let id = operation["operation_id"].as_str().expect("an id");
    assert_eq!(operation["task_id"], NAME.trim_end_matches(".yaml"));
    assert!(
        text.contains(&format!("operation_ids:\n  - {id}")) || text.contains(&format!("- {id}")),
        "{text}"
    );
    assert!(text.contains("cost_usd: 0.0") && text.contains("delta 0000004"), "{text}");
    assert_eq!(board.shown()["card"]["state"], "done");
    // What is done is not run again.
    let again = board.stage.sandbox.run(&Board::words(&["run", "2026-11-23T0900"]), LONG).expect_code(1);
    assert!(again.stderr_text().contains("done"), "{}", again.stderr_text());
}

#[test]
fn a_failure_is_an_error_on_the_card() {
    let board = Board::new(&["--exit-before", "7"], "assigned/dev");
    board.stage.sandbox.run(&Board::words(&["run", "2026-11-23T0900"]), LONG).expect_code(1);
    let (lane, text) = board.find(NAME);
    assert_eq!(lane, "assigned/dev", "{text}");
    assert!(text.contains("status: error") && text.contains("operation_id: exec-"), "{text}");
    assert_eq!(board.shown()["card"]["state"], "error");
}

#[test]
fn a_stopped_card_waits_for_its_agent_again() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let running = board.start(&["run", "2026-11-23T0900"]);
    board.wait_in_progress();
    let id = wait_for(SOON, "the operation runs", || {
        let running = board.stage.list(&["--state", "running"]);
        running.first().map(|op| op["operation_id"].as_str().unwrap_or_default().to_owned())
    });
    // Nobody else runs it meanwhile.
    let twice = board.stage.sandbox.run(&Board::words(&["run", "2026-11-23T0900"]), LONG).expect_code(1);
    assert!(twice.stderr_text().contains(&id), "{}", twice.stderr_text());
    board.stage.llmctl(&["stop", &id, "--reason", "wrong file"]).expect_code(0);
    running.wait(LONG).expect_code(4);
    let (lane, text) = board.find(NAME);
    assert_eq!(lane, "assigned/dev");
    assert!(text.contains("status: assigned") && text.contains("wrong file"), "{text}");
}

#[test]
fn a_card_that_its_agent_has_finished_stays_as_it_is() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let mut running = board.start(&["run", "2026-11-23T0900"]);
    board.wait_in_progress();
    running.wait_stdout(SOON, |out| out.contains("delta"));
    board.stage.llmctl(&["task", "complete", "2026-11-23T0900", "-s", "by hand"]).expect_code(0);
    running.signal(Signal::INT);
    drop(running.wait(LONG));
    let (lane, text) = board.find(NAME);
    assert_eq!(lane, "done/dev");
    assert!(text.contains("by hand") && text.contains("ended: stopped"), "{text}");
}

#[test]
fn a_killed_runner_leaves_a_card_that_can_be_taken_up_again() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let running = board.start(&["run", "2026-11-23T0900"]);
    board.wait_in_progress();
    wait_until(SOON, "the operation runs", || !board.stage.list(&["--state", "running"]).is_empty());
    running.signal(Signal::KILL);
    drop(running.wait(LONG));
    wait_until(SOON, "it is lost", || !board.stage.list(&["--state", "lost"]).is_empty());
    board.stage.sandbox.fake_tool("claude", &["--deltas", "2"]);
    board.stage.sandbox.run(&Board::words(&["run", "2026-11-23T0900"]), LONG).expect_code(0);
    assert_eq!(board.find(NAME).0, "done/dev");
}

#[test]
fn an_agents_cards_are_worked_off_by_urgency() {
    let board = Board::new(&["--deltas", "1"], "assigned/dev");
    board.card("inbox", "2026-11-23T0901-dev-second.yaml", "critical");
    board.card("assigned/dev", "2026-11-23T0902-dev-third.yaml", "low");
    board.stage.sandbox.run(&Board::words(&["work", "--agent", "dev", "--max", "2"]), LONG).expect_code(0);
    let lane = |name: &str| board.find(name).0;
    assert_eq!(lane("2026-11-23T0901-dev-second.yaml"), "done/dev");
    assert_eq!(lane(NAME), "done/dev");
    assert_eq!(lane("2026-11-23T0902-dev-third.yaml"), "assigned/dev");
    board.stage.sandbox.run(&Board::words(&["work", "--agent", "dev"]), LONG).expect_code(0);
    assert_eq!(lane("2026-11-23T0902-dev-third.yaml"), "done/dev");
    let none = board.stage.sandbox.run(&Board::words(&["work", "--agent", "dev"]), LONG).expect_code(0);
    assert!(none.stdout_text().contains("nothing is ready"), "{}", none.stdout_text());
}

/// The built-in practice model is for trying things out; it must not close anybody's card unasked.
#[test]
fn without_a_model_a_card_is_not_touched() {
    let board = Board::new(&[], "inbox");
    std::fs::remove_file(board.stage.sandbox.path("bin/claude")).expect("no tool");
    let before = board.find(NAME);
    let refused = board.stage.llmctl(&["task", "run", "2026-11-23T0900"]).expect_code(6);
    assert!(refused.stderr_text().contains("no model that could do this task"), "{}", refused.stderr_text());
    assert_eq!(board.find(NAME), before);
    board.stage.llmctl(&["task", "run", "2026-11-23T0900", "--model", "practice", "-q"]).expect_code(0);
    assert_eq!(board.find(NAME).0, "done/dev");
}

//! A card that is run without anybody in front of it.

use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::wait_until;
use serde_json::Value;

use crate::board::{Board, ID, NAME};

#[test]
fn a_detached_card_is_concluded_by_its_runner() {
    let board = Board::new(&["--deltas", "4"], "inbox");
    let words = Board::words(&["run", "--detach", "--json", ID]);
    let done = board.stage.sandbox.run(&words, LONG).expect_code(0);
    assert!(!done.held_open, "nobody holds the streams");
    let said: Value = serde_json::from_str(&done.stdout_text()).expect("JSON");
    let id = said["operation_id"].as_str().expect("an id").to_owned();
    let text = board.wait_card("done/dev", &["status: done", "delta 0000004", "cost_usd: 0.0"]);
    assert!(text.starts_with("# written by hand\n") && text.contains(&id), "{text}");
    assert_eq!(board.stage.state_of(&id).as_deref(), Some("complete"));
    wait_until(SOON, "nothing is left", || {
        std::fs::read_dir(board.stage.state("task-runs")).is_ok_and(|dir| dir.count() == 0)
    });
}

#[test]
fn a_detached_failure_is_an_error_on_the_card() {
    let board = Board::new(&["--exit-before", "7"], "assigned/dev");
    let id = board.detach();
    let text = board.wait_card("assigned/dev", &["status: error"]);
    assert!(text.contains(&id), "{text}");
}

#[test]
fn a_detached_card_that_is_stopped_waits_for_its_agent_again() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let id = board.detach();
    assert!(board.find(NAME).1.contains("status: in_progress"), "it has begun");
    // In the foreground and without anybody there the same is said.
    let mut words = Board::words(&["run", ID]);
    let front = board.stage.sandbox.run(&words, LONG).expect_code(1);
    words.push("--detach");
    let behind = board.stage.sandbox.run(&words, LONG).expect_code(1);
    assert!(front.stderr_text().contains(&id), "{}", front.stderr_text());
    assert_eq!(front.stderr_text(), behind.stderr_text());
    board.stage.llmctl(&["stop", &id, "--reason", "wrong file"]).expect_code(0);
    let text = board.wait_card("assigned/dev", &["status: assigned", "wrong file"]);
    assert!(text.contains(&id), "{text}");
}

/// What refuses before the start says the same with and without `--detach`, and the file is as it was.
#[track_caller]
fn refused_alike(board: &Board, more: &[&str], code: i32, says: &str) {
    let before = board.find(NAME);
    let mut said = Vec::new();
    for detach in [&[][..], &["--detach"]] {
        let words = [&["task", "run"], more, detach, &[ID]].concat();
        let done = board.stage.llmctl(&words).expect_code(code);
        assert!(done.stderr_text().contains(says), "{detach:?}: {}", done.stderr_text());
        assert_eq!(done.stdout_text(), "", "{detach:?}");
        assert_eq!(board.find(NAME), before, "{detach:?}");
        // The notice of the choice is for whoever stands in front of it.
        let text = done.stderr_text();
        said.push(text.split_once("error: ").expect("an error").1.to_owned());
    }
    assert_eq!(said[0], said[1]);
}

const TOOL: [&str; 4] = ["--tool", "claude-code", "--model", "claude-opus-5-5"];

#[test]
fn without_a_candidate_the_card_is_as_it_was() {
    let board = Board::new(&[], "inbox");
    std::fs::remove_file(board.stage.sandbox.path("bin/claude")).expect("no tool");
    refused_alike(&board, &TOOL, 6, "no candidate");
    refused_alike(&board, &[], 6, "no model that could do this task");
}

#[test]
fn refused_by_a_budget_the_card_is_as_it_was() {
    let policies = "policies:\n  default:\n    daily_budget_usd: 0.000001\n    limit: {type: hard}\n";
    for lane in ["inbox", "assigned/dev"] {
        let board = Board::new(&[], lane);
        board.stage.sandbox.configure("policies.yaml", policies);
        refused_alike(&board, &TOOL, 5, "daily budget");
        let refused = board.stage.list(&["--state", "refused"]);
        assert_eq!(refused.len(), 2, "each try is on record: {refused:?}");
    }
}

#[test]
fn another_version_and_a_full_hand_leave_the_card_as_it_was() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let rev = [&TOOL[..], &["--rev", "0123456789abcdef"]].concat();
    refused_alike(&board, &rev, 1, "you saw 0123456789abcdef");
    board.stage.sandbox.configure("tasks.yaml", "tasks:\n  wip: {per_agent: 1, enforce: true}\n");
    let text = board.find(NAME).1.replace(ID, "2026-11-23T0800");
    let text = text.replace("status: assigned", "status: in_progress");
    let other = board.root.join("assigned/dev/2026-11-23T0800-dev-other.yaml");
    std::fs::write(other, text).expect("written");
    refused_alike(&board, &TOOL, 1, "1 is the limit");
}

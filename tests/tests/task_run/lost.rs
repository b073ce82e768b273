//! A card whose runner is killed: the daemon puts it down, once, and only if nobody else has changed it.

use llmctl_tests::proc;
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;

use crate::board::{Board, NAME};

/// Runs the card in the background and kills its runner once the tool has said something.
fn killed(board: &Board) -> String {
    let id = board.detach();
    board.stage.wait_output(&id, 1);
    let runner = board.stage.runner(&id);
    assert!(proc::signal(runner, Signal::KILL));
    wait_until(SOON, "its end", || !proc::is_alive(runner));
    id
}

fn count(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

#[test]
fn a_killed_runners_card_is_put_down_by_the_daemon() {
    let board = Board::new(&["--hang"], "inbox");
    let id = killed(&board);
    let note = format!("operation {id} was lost: its runner ended without a word");
    let text = board.wait_card("assigned/dev", &["status: assigned", &note]);
    assert!(text.starts_with("# written by hand\n") && text.contains("started_at"), "{text}");
    assert_eq!(count(&text, &id), 1, "{text}");
    // It can be taken up again.
    board.stage.sandbox.fake_tool("claude", &["--deltas", "2"]);
    board.detach();
    board.wait_card("done/dev", &["status: done", &note]);
}

#[test]
fn a_daemon_that_starts_later_puts_it_down() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let by_hand = "2026-11-23T0800-dev-by-hand.yaml";
    let text =
        board.find(NAME).1.replace("say-hello", "by-hand").replace("status: assigned", "status: in_progress");
    let other = board.root.join("assigned/dev").join(by_hand);
    std::fs::write(&other, text.replace("2026-11-23T0900", "2026-11-23T0800")).expect("written");
    let before = std::fs::read_to_string(&other).expect("there");
    let id = board.detach();
    board.stage.wait_output(&id, 1);
    board.stage.kill_daemon();
    let runner = board.stage.runner(&id);
    assert!(proc::signal(runner, Signal::KILL));
    wait_until(SOON, "its end", || !proc::is_alive(runner));
    assert!(board.find(NAME).1.contains("status: in_progress"), "nobody has said so yet");
    board.stage.start_daemon();
    let text = board.wait_card("assigned/dev", &["status: assigned", "was lost"]);
    // Another daemon finds nothing left to do.
    board.stage.kill_daemon();
    board.stage.start_daemon();
    board.stage.wait_state(&id, "lost");
    wait_until(SOON, "no run is left", || {
        std::fs::read_dir(board.stage.state("task-runs")).is_ok_and(|dir| dir.count() == 0)
    });
    assert_eq!(board.find(NAME).1, text);
    assert_eq!(std::fs::read_to_string(&other).expect("there"), before, "no operation worked on it");
}

#[test]
fn a_card_that_somebody_has_changed_meanwhile_stays() {
    let board = Board::new(&["--hang"], "assigned/dev");
    let id = board.detach();
    board.stage.wait_output(&id, 1);
    board.stage.kill_daemon();
    let runner = board.stage.runner(&id);
    assert!(proc::signal(runner, Signal::KILL));
    wait_until(SOON, "its end", || !proc::is_alive(runner));
    let path = board.root.join("assigned/dev").join(NAME);
    let text = format!("{}owner: a person\n", board.find(NAME).1);
    std::fs::write(&path, &text).expect("written");
    board.stage.start_daemon();
    board.stage.wait_state(&id, "lost");
    wait_until(SOON, "the run is forgotten", || {
        std::fs::read_dir(board.stage.state("task-runs")).is_ok_and(|dir| dir.count() == 0)
    });
    assert_eq!(board.find(NAME).1, text);
}

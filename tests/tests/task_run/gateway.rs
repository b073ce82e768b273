//! A card that is run by the gateway.

use llmctl_tests::run;
use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::wait_until;
use serde_json::{Value, json};

use crate::board::{Board, ID, NAME};

const MODEL: &str = "claude-code:claude-opus-5-5";

fn wish() -> Value {
    json!({"model": MODEL, "timeout_s": 60, "max_cost": 5})
}

#[test]
fn the_gateway_runs_a_card_to_its_end() {
    let board = Board::new(&["--deltas", "4"], "inbox");
    let gateway = board.gateway();
    let seen = gateway.request("GET", "", &[], "");
    let rev = seen.header("etag").expect("a tag").to_owned();
    let stale = gateway.run(&[("if-match", "\"0123456789abcdef\"")], &wish());
    assert_eq!((stale.status, stale.json()["code"].as_str()), (412, Some("precondition_failed")));
    let begun = gateway.run(&[("if-match", &rev)], &wish());
    assert_eq!(begun.status, 202, "{}", begun.text());
    let body = begun.json();
    assert_eq!(body["success"], true);
    let id = body["operation_id"].as_str().expect("an id").to_owned();
    // One that is done before it is looked at again is on its way to another lane.
    let told = &body["task"]["_llmctl"]["id"];
    assert!(body["task"].is_null() || told == NAME.trim_end_matches(".yaml"), "{body}");
    let text = board.wait_card("done/dev", &["status: done", "delta 0000004"]);
    assert!(text.contains(&id), "{text}");
    let operation = board.stage.show(&id);
    assert_eq!(operation["max_cost_nano_usd"], 5_000_000_000_i64, "{operation}");
    // What is done is not run again, and the file stays.
    let again = gateway.run(&[], &wish());
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(board.find(NAME), ("done/dev".to_owned(), text));
}

#[test]
fn what_refuses_comes_with_its_words_and_leaves_the_card_as_it_was() {
    let board = Board::new(&[], "inbox");
    let gateway = board.gateway();
    let before = board.find(NAME);
    std::fs::remove_file(board.stage.sandbox.path("bin/claude")).expect("no tool");
    let refused = gateway.run(&[], &wish());
    assert_eq!(refused.status, 422, "{}", refused.text());
    let body = refused.json();
    assert_eq!(body["code"], "no_candidate");
    let hints = body["hints"].as_array().expect("hints").clone();
    assert!(hints.iter().any(|hint| hint.as_str().is_some_and(|hint| hint.contains("install claude-code"))));
    for (body, status) in [
        (json!({"model": 7}), 400),
        (json!({"timeout_s": "soon"}), 400),
        (json!({"max_cost": -1}), 400),
        (json!({"model": "--help"}), 400),
    ] {
        let answer = gateway.run(&[], &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(gateway.request("GET", "/run", &[], "").status, 405);
    let foreign = gateway.run(&[("origin", "https://example.org")], &wish());
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    let nobody = [("authorization", "Bearer wrong")];
    let path = "/api/tasks/x/run";
    let open = llmctl_tests::http::request(gateway.gateway.addr, "POST", path, &nobody, b"{}", SOON);
    assert_eq!(open.expect("an answer").finish().status, 401);
    assert_eq!(board.find(NAME), before);
    std::fs::remove_file(board.root.join("inbox").join(NAME)).expect("removed");
    wait_until(SOON, "it is gone", || gateway.request("GET", "", &[], "").status == 404);
    assert_eq!(gateway.run(&[], &wish()).status, 404);
}

#[test]
fn of_several_who_run_a_card_one_wins() {
    let board = Board::new(&["--hang"], "inbox");
    let gateway = board.gateway();
    let (told, said) = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..3).map(|_| scope.spawn(|| gateway.run(&[], &wish()))).collect();
        let mut words = Board::words(&["run", "--detach", ID]);
        words.push("-q");
        let starts: Vec<_> = (0..3)
            .map(|_| {
                let command = board.stage.sandbox.llmctl(&words);
                scope.spawn(|| run::run(command, b"", LONG))
            })
            .collect();
        let told: Vec<_> = asks.into_iter().map(|ask| ask.join().expect("asked")).collect();
        let said: Vec<_> = starts.into_iter().map(|start| start.join().expect("run")).collect();
        (told, said)
    });
    let winners = told.iter().filter(|answer| answer.status == 202).count()
        + said.iter().filter(|done| done.code == Some(0)).count();
    assert_eq!(winners, 1, "{told:?} {said:?}");
    assert!(told.iter().all(|answer| matches!(answer.status, 202 | 409)), "{told:?}");
    assert!(said.iter().all(|done| matches!(done.code, Some(0 | 1))), "{said:?}");
    let running = board.stage.list(&["--state", "running"]);
    assert_eq!(running.len(), 1, "{running:?}");
    let id = running[0]["operation_id"].as_str().expect("an id");
    board.stage.llmctl(&["stop", id]).expect_code(0);
    board.wait_card("assigned/dev", &["status: assigned", id]);
}

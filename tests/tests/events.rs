//! The event log and what scripts add to it.

use llmctl_tests::run;
use llmctl_tests::stage::{SOON, Stage, lines, numbered};
use llmctl_tests::wait::wait_until;
use serde_json::{Value, json};

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

fn cursor(event: &Value) -> String {
    format!("{}-{}", event["epoch"].as_str().expect("an epoch"), event["seq"])
}

/// Emits so many events `test.number`.
fn emit(stage: &Stage, numbers: std::ops::Range<u32>) {
    for number in numbers {
        stage.llmctl(&["emit", "test.number", &json!({"number": number}).to_string()]).expect_code(0);
    }
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["data"]["number"].as_u64()).collect()
}

#[test]
fn what_scripts_say_is_stored_or_refused() {
    let stage = Stage::new(&[]);
    let said =
        stage.llmctl(&["emit", "deploy.finished", r#"{"ok":true,"text":"Grüße \"x\""}"#]).expect_code(0);
    let events = stage.events(&["--type", "deploy.finished"]);
    assert_eq!(said.stdout_text().trim(), cursor(&events[0]));
    assert_eq!(events[0]["data"], json!({"ok": true, "text": "Grüße \"x\""}));
    stage.llmctl(&["emit", "deploy.begun"]).expect_code(0);
    assert_eq!(stage.events(&["--type", "deploy.begun"])[0]["data"], json!({}));
    let piped = run::run(stage.sandbox.llmctl(&["emit", "deploy.piped", "-"]), br#"{"from":"stdin"}"#, SOON);
    piped.expect_code(0);
    assert_eq!(stage.events(&["--type", "deploy.piped"])[0]["data"], json!({"from": "stdin"}));

    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(40_000));
    let bad: [(&[&str], &str); 8] = [
        (&["deploy"], "dotted"),
        (&["Deploy.x"], "dotted"),
        (&["a..b"], "dotted"),
        (&["execution.complete", "{}"], "llmctl's own"),
        (&["mcp.server.started"], "llmctl's own"),
        (&["deploy.x", "{no json"], "not valid JSON"),
        (&["deploy.x", "[1]"], "must be a JSON object"),
        (&["deploy.x", &long], "bytes"),
    ];
    for (words, why) in bad {
        let said = stage.llmctl(&[&["emit"], words].concat()).expect_code(2).stderr_text();
        assert!(said.contains(why), "{words:?}: {said}");
    }
    assert_eq!(stage.events(&["--after", "0", "--type", "deploy."]).len(), 3);
}

#[test]
fn the_log_is_cut_filtered_and_resumed() {
    let stage = Stage::new(&["--tool-calls", "1"]);
    emit(&stage, 0..5);
    stage.execute(&[]).expect_code(0);
    let all = stage.events(&["--after", "0"]);
    let order = seqs(&all);
    assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
    assert_eq!(all[0]["type"], "daemon.started");
    assert_eq!(numbers(&stage.events(&["--type", "test.number"])), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&stage.events(&["--type", "test.number", "-n", "2"])), [3, 4]);
    assert_eq!(stage.events(&["-n", "3"]), all[all.len() - 3..]);
    let of_tool: Vec<Value> = stage.events(&["--type", "tool."]);
    let types: Vec<&Value> = of_tool.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, [&json!("tool.invoked"), &json!("tool.response")]);
    // An exact name is no group, and a group needs its dot.
    assert_eq!(stage.events(&["--type", "tool"]).len(), 0);
    assert_eq!(stage.events(&["--type", "tool.invoked", "--type", "test.number"]).len(), 6);
    let id = stage.only_id();
    let of_one = stage.events(&["--after", "0", "--operation", &id[..14]]);
    assert_eq!(of_one.len(), stage.journal(&id).iter().filter(|entry| entry.client_seq > 0).count());
    let third = cursor(&all[3]);
    assert_eq!(stage.events(&["--after", &third]), all[4..]);
    stage.llmctl(&["events", "--after", "yesterday"]).expect_code(2);
    stage.llmctl(&["events", "--operation", "exec-zzzz"]).expect_code(2);
}

#[test]
fn followers_see_what_happens() {
    let stage = Stage::new(&["--deltas", "20"]);
    emit(&stage, 0..2);
    let mut live = stage.sandbox.spawn(&["events", "-f", "--type", "test."]);
    let mut stored = stage.sandbox.spawn(&["events", "-f", "--after", "0", "--type", "test."]);
    let mut newest = stage.sandbox.spawn(&["events", "-f", "-n", "1", "--type", "test."]);
    let mut output = stage.sandbox.spawn(&["events", "-f", "--output", "--type", "execution."]);
    stored.wait_stdout(SOON, |out| lines(out).len() == 2);
    newest.wait_stdout(SOON, |out| lines(out).len() == 1);
    let followers = || {
        let status = stage.llmctl(&["daemon", "status", "--json"]).expect_code(0).stdout;
        serde_json::from_slice::<Value>(&status).expect("JSON")["hub"]["followers"].as_u64()
    };
    wait_until(SOON, "four followers", || followers() == Some(4));
    emit(&stage, 2..4);
    live.wait_stdout(SOON, |out| numbers(&lines(out)) == [2, 3]);
    stored.wait_stdout(SOON, |out| numbers(&lines(out)) == [0, 1, 2, 3]);
    newest.wait_stdout(SOON, |out| numbers(&lines(out)) == [1, 2, 3]);
    let done = stage.execute(&[]).expect_code(0);
    output.wait_stdout(SOON, |out| out.contains("execution.complete"));
    let pieces = lines(&output.stdout_text());
    let text: String = pieces
        .iter()
        .filter(|event| event["type"] == "execution.output" && event["data"]["stream"] == "stdout")
        .filter_map(|event| event["data"]["text"].as_str())
        .collect();
    assert_eq!(text, done.stdout_text());
    // They are told when the daemon leaves.
    stage.llmctl(&["daemon", "stop"]).expect_code(0);
    assert!(live.wait(SOON).expect_code(3).stderr_text().contains("shutting down"));
}

#[test]
fn a_cursor_outlives_the_daemon_that_gave_it() {
    let stage = Stage::new(&["--deltas", "60", "--delay-ms", "10", "--hang"]);
    let mut follower = stage.sandbox.spawn(&["events", "-f", "--output", "--after", "0"]);
    follower.wait_stdout(SOON, |out| out.contains("daemon.started"));
    let mut running = stage.start(&[]);
    running.wait_stdout(SOON, |out| out == numbered(60));
    follower.wait_stdout(SOON, |out| out.contains("delta 0000060"));
    // Its number is far above that of the last stored fact, and no store remembers it.
    let seen = lines(&follower.stdout_text());
    let live =
        seen.iter().rev().find(|event| event["type"] == "execution.output").expect("a piece of output");
    for kill in [true, false] {
        if kill {
            assert!(stage.kill_daemon());
        } else {
            stage.llmctl(&["daemon", "stop"]).expect_code(0);
        }
        emit(&stage, 0..3);
    }
    let after = stage.events(&["--after", &cursor(live)]);
    assert_eq!(numbers(&after), [0, 1, 2, 0, 1, 2]);
    assert!(seqs(&after)[0] < live["seq"].as_u64().expect("a number"), "numbers are given again");
    assert!(after.iter().all(|event| !seen.contains(event)), "nothing comes again");
    let fact = seen.iter().rev().find(|event| event["type"] == "execution.start").expect("the start");
    assert_eq!(stage.events(&["--after", &cursor(fact)]), after);
    // A life that nobody remembers has seen nothing.
    assert_eq!(stage.events(&["--after", "00000000-3"])[0]["type"], "daemon.started");
    stage.llmctl(&["stop", "--all"]).expect_code(0);
    running.wait(SOON).expect_code(4);
}

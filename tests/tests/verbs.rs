//! The verbs around operations, each with and without a daemon: they say the same.

use llmctl_tests::gateway::Gateway;
use llmctl_tests::run;
use llmctl_tests::stage::{SOON, Stage, lines, numbered};
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};

/// A stage with an operation that is complete, one that failed and one that was stopped, oldest first.
fn three() -> (Stage, Vec<String>) {
    let stage = Stage::new(&["--stderr-mb", "1"]);
    stage.execute(&["--no-daemon", "--agent", "dev"]).expect_code(0);
    stage.sandbox.fake_tool("claude", &["--fail", "401"]);
    stage.execute(&["--no-daemon"]).expect_code(1);
    stage.sandbox.fake_tool("codex", &["--hang"]);
    let words = ["execute", "--prompt-text", "hello", "--tool", "codex", "--model", "gpt-5", "--no-daemon"];
    let mut running = stage.sandbox.spawn(&words);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    running.signal(Signal::INT);
    running.wait(SOON);
    let ids = stage.ids();
    assert_eq!(ids.len(), 3);
    (stage, ids)
}

/// Does it without a daemon, and then with one that has taken everything in.
fn both(stage: &Stage, mut act: impl FnMut(bool)) {
    assert!(stage.daemons().is_empty());
    act(false);
    assert!(stage.daemons().is_empty(), "it started a daemon");
    stage.start_daemon();
    wait_until(SOON, "every journal to be stored", || stage.pending().is_empty());
    act(true);
}

fn listed(stage: &Stage, more: &[&str]) -> Vec<String> {
    let ids = stage.list(more).into_iter().map(|o| o["operation_id"].as_str().unwrap_or_default().to_owned());
    ids.collect()
}

#[test]
fn ps_lists_and_filters() {
    let (stage, ids) = three();
    let [complete, failed, stopped] = &ids[..] else { panic!("three operations") };
    both(&stage, |_| {
        let of = |more: &[&str]| listed(&stage, more);
        assert_eq!(of(&[]), [stopped.clone(), failed.clone(), complete.clone()], "newest first");
        assert_eq!(of(&["--state", "complete"]), std::slice::from_ref(complete));
        assert_eq!(of(&["--state", "complete", "--state", "error"]), [failed.clone(), complete.clone()]);
        assert_eq!(of(&["--running"]), [] as [String; 0]);
        assert_eq!(of(&["--tool", "codex"]), std::slice::from_ref(stopped));
        assert_eq!(of(&["--model", "gpt-5"]), std::slice::from_ref(stopped));
        assert_eq!(of(&["--agent", "dev"]), std::slice::from_ref(complete));
        assert_eq!(of(&["-n", "2"]), [stopped.clone(), failed.clone()]);
        assert_eq!(of(&["--since", "1h"]).len(), 3);
        assert_eq!(of(&["--since", "1ms"]).len(), 0);
        assert_eq!(of(&["--no-daemon"]).len(), 3);
        let table = stage.llmctl(&["ps"]).expect_code(0).stdout_text();
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows[0].starts_with("ID ") && rows.len() == 4, "{table}");
        assert!(
            rows[1].contains(stopped) && rows[1].contains("stopped") && rows[1].contains("codex"),
            "{table}"
        );
        let wrong = stage.llmctl(&["ps", "--state", "done"]).expect_code(2).stderr_text();
        assert!(wrong.contains("\"done\"") && wrong.contains("complete"), "{wrong}");
    });
    let empty = Stage::new(&[]);
    both(&empty, |_| {
        assert!(empty.llmctl(&["ps"]).expect_code(0).stdout_text().contains("llmctl execute"));
        assert_eq!(empty.llmctl(&["ps", "--json"]).expect_code(0).stdout_text(), "[]\n");
    });
}

#[test]
fn journals_and_daemon_say_the_same() {
    let (stage, ids) = three();
    let mut said: Vec<Vec<Value>> = Vec::new();
    both(&stage, |_| {
        let mut all = stage.list(&[]);
        all.extend(ids.iter().map(|id| stage.show(id)));
        said.push(all);
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn show_tells_everything() {
    let (stage, ids) = three();
    both(&stage, |_| {
        let complete = stage.show(&ids[0]);
        assert_eq!((&complete["state"], &complete["agent"]), (&json!("complete"), &json!("dev")));
        assert_eq!(complete["routing"][0]["selected"]["tool"], "claude-code");
        assert!(complete["cost_nano_usd"].as_i64() > Some(0));
        let text = stage.llmctl(&["show", &ids[0]]).expect_code(0).stdout_text();
        for part in ["complete", "claude-haiku-4-5", "selected", "prompt.txt", "claude --resume"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = stage.llmctl(&["show", &ids[1]]).expect_code(0).stdout_text();
        assert!(text.contains("auth: ") && text.contains("hint"), "{text}");
        let text = stage.llmctl(&["show", &ids[2]]).expect_code(0).stdout_text();
        assert!(text.contains("by user") && text.contains("output.txt"), "{text}");
    });
}

#[test]
fn logs_give_what_was_recorded() {
    let (stage, ids) = three();
    both(&stage, |_| {
        for words in [&["logs", &ids[0]][..], &["logs", "-f", &ids[0]]] {
            assert_eq!(stage.llmctl(words).expect_code(0).stdout_text(), numbered(3));
        }
        let noise = stage.llmctl(&["logs", "--stderr", &ids[0]]).expect_code(0).stdout;
        assert_eq!(noise.len(), 1 << 20);
        let raw = stage.llmctl(&["logs", "--raw-stream", &ids[0]]).expect_code(0).stdout_text();
        assert!(lines(&raw).iter().any(|frame| frame["type"] == "result"));
        for (id, code) in ids.iter().zip([0, 1, 4]) {
            let done = stage.llmctl(&["attach", id]).expect_code(code);
            assert_eq!(done.stdout_text(), stage.output(id));
            assert!(done.stderr_text().contains(id.as_str()));
        }
    });
}

#[test]
fn followers_see_a_running_operation_to_its_end() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&["--deltas", "300", "--delay-ms", "5"]);
        let mut running = stage.start(no_daemon);
        running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
        let id = stage.only_id();
        let logs = stage.sandbox.spawn(&["logs", "-f", &id]);
        let attached = stage.sandbox.spawn(&["attach", &id]);
        let mut looking = stage.sandbox.spawn(&["attach", &id]);
        looking.wait_stdout(SOON, |out| out.contains("delta 0000010"));
        // Whoever only looks may leave; the operation does not mind.
        looking.signal(Signal::INT);
        assert_eq!(looking.wait(SOON).signal, Some(2));
        assert_eq!(logs.wait(SOON).expect_code(0).stdout_text(), numbered(300));
        assert_eq!(attached.wait(SOON).expect_code(0).stdout_text(), numbered(300));
        assert_eq!(running.wait(SOON).expect_code(0).stdout_text(), numbered(300));
    }
}

#[test]
fn a_file_is_run_again_and_a_changed_one_is_not() {
    let stage = Stage::new(&["--echo", "echo.json"]);
    both(&stage, |with_daemon| {
        let mode: &[&str] = if with_daemon { &[] } else { &["--no-daemon"] };
        stage.sandbox.write("prompt.txt", "the first prompt");
        stage.execute(&[&["--agent", "dev"], mode].concat()).expect_code(0);
        let first = stage.ids().pop().expect("one");
        let again = stage.llmctl(&[&["retry", &first], mode].concat()).expect_code(0);
        assert_eq!(again.stdout_text(), numbered(3));
        let second = stage.ids().pop().expect("two");
        let echo = std::fs::read(stage.sandbox.project().join("echo.json")).expect("echoed");
        let echo: Value = serde_json::from_slice(&echo).expect("JSON");
        assert_eq!(echo["stdin"], "the first prompt");
        let shown = stage.show(&second);
        assert_eq!((&shown["retry_of"], &shown["agent"]), (&json!(first), &json!("dev")));
        if with_daemon {
            assert_eq!(stage.show(&first)["retried_by"], json!(second));
        }

        stage.sandbox.write("prompt.txt", "another prompt");
        let refused = stage.llmctl(&[&["retry", &first], mode].concat()).expect_code(2).stderr_text();
        assert!(refused.contains("has changed since") && refused.contains("--prompt"), "{refused}");
        let words = ["retry", &first, "--prompt", "prompt.txt", "--model", "claude-opus-5-5"];
        stage.llmctl(&[&words[..], mode].concat()).expect_code(0);
        let third = stage.show(&stage.ids().pop().expect("three"));
        assert_eq!((&third["retry_of"], &third["model"]), (&json!(first), &json!("claude-opus-5-5")));
        std::fs::remove_file(stage.sandbox.project().join("prompt.txt")).expect("removed");
        stage.llmctl(&["retry", &first]).expect_code(2);
    });
}

#[test]
fn a_prompt_that_was_text_is_asked_for() {
    let stage = Stage::new(&[]);
    let words = ["execute", "--prompt-text", "hello", "--tool", "claude-code", "--no-daemon"];
    stage.llmctl(&words).expect_code(0);
    let id = stage.only_id();
    let refused = stage.llmctl(&["retry", &id]).expect_code(2).stderr_text();
    assert!(refused.contains("prompts are not kept") && refused.contains("--prompt"), "{refused}");
    stage.llmctl(&["retry", &id, "--prompt", "hello you", "--no-daemon"]).expect_code(0);
    let detached =
        stage.llmctl(&["retry", &id, "--prompt", "hello you", "--detach"]).expect_code(0).stdout_text();
    stage.wait_state(detached.trim(), "complete");
    assert_eq!(stage.show(detached.trim())["retry_of"], json!(id));
}

#[test]
fn one_that_runs_is_not_run_again() {
    let stage = Stage::new(&["--hang"]);
    let mut running = stage.start(&["--no-daemon"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let refused = stage.llmctl(&["retry", &stage.only_id()]).expect_code(1).stderr_text();
    assert!(refused.contains("still running") && refused.contains("llmctl stop"), "{refused}");
    running.signal(Signal::INT);
    running.wait(SOON);
}

#[test]
fn prefixes_name_one_operation_or_are_refused() {
    let (stage, ids) = three();
    // Ids that share a long beginning were drawn within one second.
    let common =
        ids[0].bytes().zip(ids[1].bytes()).zip(ids[2].bytes()).take_while(|((a, b), c)| a == b && b == c);
    let common = &ids[0][..common.count()];
    let short = |id: &str| {
        let mut length = common.len() + 1;
        while ids.iter().filter(|other| other.starts_with(&id[..length])).count() > 1 {
            length += 1;
        }
        id[..length].to_owned()
    };
    both(&stage, |_| {
        for id in &ids {
            let prefix = short(id);
            let bare = prefix.trim_start_matches("exec-").to_owned();
            for word in [&prefix, &bare, &bare.to_uppercase()] {
                assert_eq!(stage.show(word)["operation_id"], json!(id), "{word}");
                let output = stage.llmctl(&["logs", word]).expect_code(0).stdout_text();
                assert_eq!(output, stage.output(id));
            }
        }
        for verb in ["show", "logs", "stop", "pause", "retry", "attach"] {
            let said = stage.llmctl(&[verb, common]).expect_code(2).stderr_text();
            assert!(said.contains("matches 3 operations") && said.contains(&ids[1]), "{verb}: {said}");
            let said = stage.llmctl(&[verb, "exec-zzzz"]).expect_code(2).stderr_text();
            assert!(said.contains("no operation matches \"exec-zzzz\""), "{verb}: {said}");
        }
    });
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let (stage, ids) = three();
    let mut shell = stage.sandbox.command("/bin/bash");
    let llmctl = llmctl_tests::sandbox::binary("llmctl");
    let line = format!("set -o pipefail; '{}' logs --stderr {} | head -n 1", llmctl.display(), ids[0]);
    shell.args(["-c", &line]);
    let done = run::run(shell, b"", SOON).expect_code(141);
    assert_eq!((done.stdout_text().lines().count(), done.stderr_text().as_str()), (1, ""));
}

/// The page retries with the daemon's help: the new operation runs by itself.
#[test]
fn the_gateway_runs_an_operation_again() {
    let stage = Stage::new(&["--echo", "echo.json"]);
    stage.sandbox.write("prompt.txt", "from a file");
    stage.execute(&["--no-daemon", "--agent", "dev"]).expect_code(0);
    let words = ["execute", "--prompt-text", "typed", "--tool", "claude-code", "--no-daemon"];
    stage.llmctl(&words).expect_code(0);
    let [with_file, typed] = &stage.ids()[..] else { panic!("two operations") };
    let gateway = Gateway::open(&stage.sandbox);
    let retry = |id: &str, body: Value| {
        gateway.request("POST", &format!("/api/operations/{id}/retry"), &[], &body.to_string())
    };
    wait_until(SOON, "both are known", || {
        gateway.request("GET", &format!("/api/operations/{typed}"), &[], "").status == 200
    });
    let ended = |id: &str| wait_until(SOON, "its end", || stage.show(id)["state"] == "complete");

    let begun = retry(with_file, json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let second = begun.json()["operation_id"].as_str().expect("an id").to_owned();
    ended(&second);
    let shown = stage.show(&second);
    assert_eq!((&shown["retry_of"], &shown["agent"]), (&json!(with_file), &json!("dev")));

    let refused = retry(typed, json!({}));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("prompts are not kept"), "{}", refused.text());
    let begun = retry(typed, json!({"prompt": "typed\nagain", "model": "claude-opus-5-5"}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let third = begun.json()["operation_id"].as_str().expect("an id").to_owned();
    ended(&third);
    assert_eq!(stage.show(&third)["model"], "claude-opus-5-5");
    let echo = std::fs::read(stage.sandbox.project().join("echo.json")).expect("echoed");
    let echo: Value = serde_json::from_slice(&echo).expect("JSON");
    assert_eq!(echo["stdin"], "typed\nagain");

    for bad in [json!({"model": 7}), json!({"prompt": ""}), json!({"tool": "x".repeat(300)})] {
        assert_eq!(retry(typed, bad.clone()).status, 400, "{bad}");
    }
    assert_eq!(retry("exec-none", json!({})).status, 404);
    let path = format!("/api/operations/{typed}/retry");
    assert_eq!(gateway.request("GET", &path, &[], "").status, 405);
    let foreign = gateway.request("POST", &path, &[("origin", "https://example.org")], "{}");
    assert_eq!(foreign.status, 403);
    assert_eq!(stage.ids().len(), 4, "nothing else began");
}

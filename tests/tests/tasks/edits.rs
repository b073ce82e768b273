//! Changes through the interface: one line, one event, never over what somebody else wrote.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use llmctl_tests::gateway::Gateway;
use llmctl_tests::wait::wait_until;
use serde_json::{Value, json};

use crate::stage::{SOON, Stage, copy, encoded, pause, provided, skipped, task};

const DOTTED: &str = "mfd-task-1.2-implement-parser";
const DOTTED_FILE: &str = "assigned/backend-dev/2026-01-29T0730-mfd-task-1.2-implement-parser.yaml";

fn changed_lines(before: &str, after: &str) -> usize {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    if old.len() == new.len() {
        return old.iter().zip(&new).filter(|(a, b)| a != b).count();
    }
    usize::MAX
}

#[test]
fn a_priority_is_one_line_and_one_event_and_the_same_one_is_none() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let before = stage.read(DOTTED_FILE);
    let answer = stage.patch_priority(DOTTED, r#"{"priority":"HIGH"}"#, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!((&body["success"], &body["task"]["_llmctl"]["path"]), (&true.into(), &DOTTED_FILE.into()));
    let after = stage.read(DOTTED_FILE);
    assert_eq!(changed_lines(&before, &after), 1);
    let line = after.lines().find(|line| line.starts_with("priority:")).expect("a priority");
    assert_eq!(line, "priority: high", "in the style of the file");
    // The board shows it as soon as the answer is there.
    let rev = body["task"]["_llmctl"]["rev"].as_str().expect("a version").to_owned();
    assert_eq!(stage.board()[DOTTED_FILE]["rev"], rev.as_str());
    assert_eq!(answer.header("etag"), Some(format!("\"{rev}\"").as_str()));
    let again =
        stage.patch_priority(DOTTED, r#"{"priority":"High"}"#, &[("if-match", &format!("\"{rev}\""))]);
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(stage.read(DOTTED_FILE), after);
    pause(700);
    let events = follower.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].0.as_str(), &events[0].1["changed"]), ("task.updated", &json!(["priority"])));
    assert_eq!(events[0].1["actor"], "api");
    let left = std::fs::read_dir(stage.path("assigned/backend-dev")).expect("readable");
    let dots: Vec<_> = left
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| name.contains("llmctl"))
        .collect();
    assert_eq!(dots, Vec::<String>::new(), "temporary files");
}

#[test]
fn what_a_priority_must_not_be_is_refused_before_anything_is_touched() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let in_progress =
        stage.board().into_values().find(|card| card["state"] == "in_progress").expect("one is in progress");
    let progress = in_progress["id"].as_str().expect("an id").to_owned();
    let long = "x".repeat(201);
    for (id, body, status, code) in [
        (DOTTED, "null", 400, "bad_json"),
        (DOTTED, "[1]", 400, "bad_json"),
        (DOTTED, "priority", 400, "bad_json"),
        (DOTTED, "{}", 400, "missing_field"),
        (DOTTED, r#"{"priority":"URGENT"}"#, 400, "invalid_value"),
        (DOTTED, r#"{"priority":3}"#, 400, "invalid_value"),
        (DOTTED, r#"{"priority":true}"#, 400, "invalid_value"),
        ("../../x", r#"{"priority":"LOW"}"#, 404, "task_not_found"),
        ("mfd-task-1", r#"{"priority":"LOW"}"#, 404, "task_not_found"),
        ("nope", r#"{"priority":"LOW"}"#, 404, "task_not_found"),
        (&long, r#"{"priority":"LOW"}"#, 400, "invalid_id"),
        ("a\nb", r#"{"priority":"LOW"}"#, 400, "invalid_id"),
        (&progress, r#"{"priority":"LOW"}"#, 409, "task_not_editable"),
        ("dist002-task-3.2-cleanup", r#"{"priority":"LOW"}"#, 409, "task_not_editable"),
    ] {
        let answer = stage.patch_priority(id, body, &[]);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &code.into()),
            "{id}: {}",
            answer.text()
        );
        assert!(!answer.text().contains(&stage.root.display().to_string()));
    }
    for body in ["Medium", "medium", "normal", "Low"] {
        let answer = stage.patch_priority(DOTTED, &json!({"priority": body}).to_string(), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    pause(700);
    assert!(follower.events().iter().all(|(_, data)| data["task_id"] == DOTTED));
}

#[test]
fn t13_an_edit_of_an_older_version_is_a_conflict_with_both_values() {
    let Some(stage) = Stage::provided() else { return };
    let old = stage.board()[DOTTED_FILE]["rev"].as_str().expect("a version").to_owned();
    let text = stage.read(DOTTED_FILE);
    let line = text.lines().find(|line| line.starts_with("priority:")).expect("a priority").to_owned();
    stage.write(DOTTED_FILE, &text.replace(&line, "priority: low"));
    let text = stage.read(DOTTED_FILE);
    let answer =
        stage.patch_priority(DOTTED, r#"{"priority":"CRITICAL"}"#, &[("if-match", &format!("\"{old}\""))]);
    assert_eq!((answer.status, &answer.json()["code"]), (412, &"precondition_failed".into()));
    let detail = &answer.json()["detail"];
    assert_eq!(
        detail["values"],
        json!([{"key": "priority", "current": "low", "wanted": "critical"}]),
        "{detail}"
    );
    assert_eq!(stage.read(DOTTED_FILE), text, "untouched");
    let body = r#"{"priority":"CRITICAL","last_modified":"2020-01-01T00:00:00.000Z"}"#;
    let answer = stage.patch_priority(DOTTED, body, &[]);
    assert_eq!((answer.status, &answer.json()["code"]), (409, &"conflict".into()));
    assert!(answer.json()["detail"]["values"][0]["current"].is_string());
    assert_eq!(stage.read(DOTTED_FILE), text, "untouched");
    wait_until(SOON, "the newest time", || {
        let modified = stage.get(&format!("/api/tasks/{}", encoded(DOTTED)))["_llmctl"]["modified"].clone();
        let body = json!({"priority": "CRITICAL", "last_modified": modified}).to_string();
        stage.patch_priority(DOTTED, &body, &[]).status == 200
    });
}

#[test]
fn two_files_with_one_id_are_ambiguous_and_a_path_tells_them_apart() {
    let Some(stage) = Stage::provided() else { return };
    for dir in ["a", "b"] {
        stage.write(&format!("assigned/{dir}/twin.yaml"), &task("twin", "assigned"));
    }
    wait_until(SOON, "both cards", || {
        let board = stage.board();
        board.contains_key("assigned/a/twin.yaml") && board.contains_key("assigned/b/twin.yaml")
    });
    let answer = stage.patch_priority("twin", r#"{"priority":"LOW"}"#, &[]);
    assert_eq!((answer.status, &answer.json()["code"]), (409, &"ambiguous_id".into()), "{}", answer.text());
    assert_eq!(answer.json()["detail"]["paths"].as_array().map(Vec::len), Some(2));
    let answer = stage.patch_priority("assigned/b/twin.yaml", r#"{"priority":"LOW"}"#, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(stage.read("assigned/b/twin.yaml").contains("priority: low"));
    assert!(stage.read("assigned/a/twin.yaml").contains("priority: high"));
}

fn post(stage: &Stage, id: &str, verb: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/tasks/{}/{verb}", encoded(id));
    let answer = stage.request("POST", &path, &[], &body.to_string());
    (answer.status, answer.json())
}

#[test]
fn a_task_goes_its_way_by_the_verbs_with_one_event_each() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let body = json!({"title": "Walk <b>the</b> board", "agent": "walker", "priority": "high"}).to_string();
    let made = stage.request("POST", "/api/tasks", &[], &body);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["task"]["id"].as_str().expect("an id").to_owned();
    assert!(id.ends_with("-walker-walk-b-the-b-board"), "{id}");
    for (verb, body, state) in [
        ("assign", json!({"agent": "walker"}), "assigned"),
        ("start", json!({}), "in_progress"),
        ("block", json!({"reason": "no wind"}), "blocked"),
        ("unblock", json!({}), "in_progress"),
        ("complete", json!({"summary": "walked", "artefacts": ["a.md"]}), "done"),
        ("reopen", json!({}), "assigned"),
        ("fail", json!({"message": "fell"}), "error"),
        ("reopen", json!({"to_inbox": true}), "new"),
        ("cancel", json!({"reason": "enough"}), "cancelled"),
    ] {
        let (status, answer) = post(&stage, &id, verb, &body);
        assert_eq!((status, &answer["task"]["_llmctl"]["state"]), (200, &state.into()), "{verb}: {answer}");
    }
    let (status, answer) = post(&stage, &id, "start", &json!({}));
    assert_eq!((status, &answer["code"]), (409, &"wrong_state".into()), "{answer}");
    let (status, answer) = post(&stage, &id, "block", &json!({}));
    assert_eq!((status, &answer["code"]), (400, &"missing_field".into()), "{answer}");
    let (status, answer) = post(&stage, &id, "freeze", &json!({"reason": "winter"}));
    assert_eq!(status, 200, "{answer}");
    wait_until(SOON, "it left", || !stage.board().values().any(|card| card["id"] == id.as_str()));
    let (status, answer) = post(&stage, &id, "thaw", &json!({}));
    assert_eq!(status, 200, "{answer}");
    follower.names_of(&id, 12);
    pause(700);
    let names = follower.names_of(&id, 12);
    assert_eq!(
        names,
        [
            "task.created",
            "task.assigned",
            "task.started",
            "task.updated",
            "task.started",
            "task.completed",
            "task.updated",
            "task.failed",
            "task.updated",
            "task.completed",
            "task.removed",
            "task.created"
        ]
    );
    let history = stage.get(&format!("/api/tasks/{}/history", encoded(&id)));
    assert_eq!(history["events"].as_array().map(Vec::len), Some(12));
    let set = json!({"set": {"batch": "7", "estimated_hours": 2}}).to_string();
    let answer = stage.request("PATCH", &format!("/api/tasks/{}", encoded(&id)), &[], &set);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = stage.get(&format!("/api/tasks/{}", encoded(&id)));
    let raw = shown["_llmctl"]["raw"].as_str().expect("the text");
    assert!(raw.contains("batch: \"7\"") || raw.contains("batch: 7") || raw.contains("batch: '7'"), "{raw}");
    assert!(raw.contains("estimated_hours: 2"), "{raw}");
}

#[test]
fn t9_nothing_is_lost_between_twelve_writers() {
    const EACH: usize = 12;
    let Some(stage) = Stage::provided() else { return };
    stage.write("assigned/x/t9.yaml", &task("t9", "assigned"));
    wait_until(SOON, "the card", || stage.board().contains_key("assigned/x/t9.yaml"));
    let accepted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let (stage, accepted) = (&stage, &accepted);
            scope.spawn(move || {
                for n in 1..=EACH {
                    let body = json!({"set": {format!("api_{writer}"): n}}).to_string();
                    let set = || {
                        let answer = stage.request("PATCH", "/api/tasks/t9", &[], &body);
                        // Twenty changes a second are a session's measure.
                        assert!(matches!(answer.status, 200 | 409 | 429 | 503), "{}", answer.text());
                        answer.status == 200
                    };
                    wait_until(SOON, "an accepted change", set);
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
            scope.spawn(move || {
                // A writer that knows of the lock and not of the daemon.
                let mut tree =
                    llmctl_proto::task::files::Tree::new(&stage.root, llmctl_proto::task::Layout::default());
                for n in 1..=EACH {
                    set_beside(stage, &mut tree, &format!("file_{writer}"), n);
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(accepted.load(Ordering::Relaxed), 12 * EACH);
    let text = stage.read("assigned/x/t9.yaml");
    for writer in 0..6 {
        for key in ["api", "file"] {
            let line = format!("{key}_{writer}: {EACH}");
            assert!(text.lines().any(|have| have == line), "{line} is lost in\n{text}");
        }
    }
    assert_eq!(text.lines().count(), task("t9", "assigned").lines().count() + 12);
}

fn set_beside(stage: &Stage, tree: &mut llmctl_proto::task::files::Tree, key: &str, n: usize) {
    use llmctl_proto::task::{Asked, Layout, Task, Verb, plan};
    let layout = Layout::default();
    let _held = tree.lock(&stage.sandbox.path("state/llmctl")).expect("the lock");
    let base = tree.load("assigned/x/t9.yaml").expect("read");
    let asked = Asked { layout: &layout, now: llmctl_proto::time::UnixMs::now(), force: false };
    let verb = Verb::Set { key: key.to_owned(), value: n.to_string() };
    let todo = plan(Task::new(&base.raw), &verb, asked).expect("allowed");
    tree.carry_out(&base, &todo).expect("written");
}

#[test]
fn t14_what_cannot_be_written_is_said_and_stays_as_it_was() {
    let Some(from) = provided() else { return };
    let probe = Command::new("unshare").args(["-Urm", "true"]).output();
    if !probe.is_ok_and(|done| done.status.success()) {
        skipped("no mount namespaces here");
        return;
    }
    let begin = |sandbox: &llmctl_tests::sandbox::Sandbox| {
        let llmctl = llmctl_tests::sandbox::binary("llmctl");
        let dir = sandbox.project().join("work/collaboration/assigned/backend-dev");
        let mut command = sandbox.command("unshare");
        let script = format!(
            "mount --bind '{0}' '{0}' && mount -o remount,bind,ro '{0}' && exec '{1}' dashboard \"$@\"",
            dir.display(),
            llmctl.display()
        );
        command.args(["-Urm", "sh", "-c", &script, "sh"]);
        Gateway::by(sandbox, command)
    };
    let stage = Stage::with(|root| copy(&from, root), begin);
    let follower = stage.follow();
    let before = stage.read(DOTTED_FILE);
    let answer = stage.patch_priority(DOTTED, r#"{"priority":"LOW"}"#, &[]);
    assert_eq!((answer.status, &answer.json()["code"]), (500, &"write_failed".into()), "{}", answer.text());
    let error = answer.json()["error"].as_str().expect("a sentence").to_owned();
    assert!(error.contains(DOTTED_FILE) && error.contains("ead-only"), "{error}");
    assert!(!error.contains(&stage.root.display().to_string()), "{error}");
    assert_eq!(stage.read(DOTTED_FILE), before);
    pause(700);
    assert_eq!(follower.events(), []);
}

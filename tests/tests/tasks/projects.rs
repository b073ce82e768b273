//! Which directories are watched: those of the configuration, and those of projects somebody works in.

use std::fs;

use llmctl_proto::pb::{
    CreateTaskRequest, EditTaskRequest, LintTasksRequest, ListTasksRequest, ShowTaskRequest, TaskScope,
};
use llmctl_tests::gateway::Gateway;
use llmctl_tests::wait::wait_until;
use serde_json::Value;

use crate::rpc::{block_on, connect};
use crate::stage::{SOON, Stage, task};

fn of(dir: &std::path::Path) -> TaskScope {
    TaskScope { project: String::new(), dir: dir.display().to_string() }
}

/// A daemon whose configuration names no root.
fn unconfigured() -> Stage {
    let begin = |sandbox: &llmctl_tests::sandbox::Sandbox| {
        sandbox.configure("tasks.yaml", "");
        Gateway::open(sandbox)
    };
    Stage::with(|_| {}, begin)
}

#[test]
fn a_project_is_learnt_from_a_verb_and_kept_over_a_restart() {
    let stage = unconfigured();
    for id in ["one", "two"] {
        stage.write(&format!("inbox/{id}.yaml"), &task(id, "new"));
    }
    assert_eq!(stage.get("/api/stats")["tasks"]["total"], 0);
    let deep = stage.sandbox.project().join("src/deep");
    fs::create_dir_all(&deep).expect("made");
    let socket = stage.sandbox.path("run/llmctl/llmctld.sock");
    let listed = block_on(async {
        let mut client = connect(&socket).await;
        let request = ListTasksRequest { scope: Some(of(&deep)), done: false };
        client.list_tasks(request).await.expect("listed").into_inner()
    });
    assert_eq!(listed.cards.len(), 2, "known at once: {listed:?}");
    assert!(listed.cards[0].contains("\"project\":\"project\""));
    assert_eq!(stage.get("/api/stats")["tasks"]["total"], 2);
    stage.sandbox.run(&["daemon", "restart"], SOON).expect_code(0);
    let status = || -> Value {
        let text = stage.sandbox.run(&["daemon", "status", "--json"], SOON).stdout_text();
        serde_json::from_str(&text).unwrap_or_default()
    };
    wait_until(SOON, "the project after a restart", || status()["tasks"]["counts"]["total"] == 2);
}

#[test]
fn verbs_over_the_socket_do_what_they_do_over_http() {
    let stage = unconfigured();
    let dir = stage.sandbox.project();
    let socket = stage.sandbox.path("run/llmctl/llmctld.sock");
    block_on(async {
        let mut client = connect(&socket).await;
        let none = client
            .show_task(ShowTaskRequest { scope: Some(of(&stage.sandbox.home())), task: "x".into() })
            .await;
        assert_eq!(none.expect_err("no task files").code(), tonic::Code::NotFound);
        let new = CreateTaskRequest {
            scope: Some(of(&dir)),
            title: "By socket".into(),
            priority: "critical".into(),
            ..CreateTaskRequest::default()
        };
        let made = client.create_task(new).await.expect("made").into_inner();
        stage.write("inbox/low.yaml", &task("low", "new").replace("high", "low"));
        let claim = EditTaskRequest {
            scope: Some(of(&dir)),
            verb: "claim".into(),
            agent: "me".into(),
            ..EditTaskRequest::default()
        };
        let claimed = client.edit_task(claim.clone()).await.expect("claimed").into_inner();
        let card: Value = serde_json::from_str(&claimed.card).expect("a card");
        assert_eq!(card["title"], "By socket", "the most urgent one");
        assert_eq!(claimed.path, made.path.replace("inbox/", "assigned/me/"));
        let id = card["id"].as_str().expect("an id");
        let prefix = id[..id.len() - 3].to_owned();
        let edit = EditTaskRequest {
            scope: Some(of(&dir)),
            task: prefix.clone(),
            verb: "set".into(),
            key: "batch".into(),
            text: "9".into(),
            rev: claimed.old_rev.clone(),
            ..EditTaskRequest::default()
        };
        let stale = client.edit_task(edit.clone()).await.expect_err("an old version");
        assert_eq!(stale.code(), tonic::Code::Aborted);
        let set =
            client.edit_task(EditTaskRequest { rev: claimed.rev, ..edit }).await.expect("set").into_inner();
        assert!(!set.unchanged && set.rev != set.old_rev);
        let shown =
            client.show_task(ShowTaskRequest { scope: Some(of(&dir)), task: prefix }).await.expect("shown");
        let shown: Value = serde_json::from_str(&shown.into_inner().task).expect("JSON");
        assert_eq!(shown["_llmctl"]["rev"], set.rev.as_str());
        let second = client.edit_task(claim.clone()).await;
        assert!(second.is_err(), "what is meant for x is not for me");
        let lint =
            client.lint_tasks(LintTasksRequest { scope: Some(of(&dir)) }).await.expect("linted").into_inner();
        assert_eq!(lint.findings, Vec::<String>::new());
        let unknown = EditTaskRequest { task: "low".into(), verb: "explode".into(), ..claim };
        assert_eq!(
            client.edit_task(unknown).await.expect_err("no verb").code(),
            tonic::Code::InvalidArgument
        );
    });
}

#[test]
fn a_changed_configuration_changes_what_is_watched() {
    let stage = unconfigured();
    stage.write("inbox/one.yaml", &task("one", "new"));
    let other = stage.sandbox.path("elsewhere/work/collaboration");
    fs::create_dir_all(other.join("neu")).expect("made");
    fs::write(other.join("neu/two.yaml"), task("two", "new")).expect("written");
    let configure = |text: &str| {
        stage.sandbox.configure("tasks.yaml", text);
        stage.sandbox.run(&["config", "reload"], SOON).expect_code(0);
    };
    configure(&format!("tasks:\n  roots: ['{}']\n", stage.root.display()));
    wait_until(SOON, "the first root", || stage.board().keys().eq(["inbox/one.yaml"]));
    configure(&format!("tasks:\n  roots: ['{}']\n  lanes: {{inbox: neu}}\n", other.display()));
    wait_until(SOON, "the second root", || stage.board().keys().eq(["neu/two.yaml"]));
    let text = stage.sandbox.run(&["events", "--after", "0", "--type", "watcher."], SOON).stdout_text();
    let names: Vec<String> = text
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("an event");
            format!("{} {}", event["type"].as_str().unwrap_or_default(), event["data"]["project"])
        })
        .collect();
    let wanted =
        ["watcher.started \"project\"", "watcher.stopped \"project\"", "watcher.started \"elsewhere\""];
    assert_eq!(names, wanted);
}

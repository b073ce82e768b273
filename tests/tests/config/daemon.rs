//! The daemon's part: what it reads, and how it reads again.

use llmctl_tests::stage::{SOON, Stage};
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;
use serde_json::Value;

use super::llmctl;

fn reloads(stage: &Stage) -> Vec<Value> {
    let all = stage.events(&["--after", "0"]);
    all.into_iter()
        .filter(|event| event["type"] == "config.reloaded")
        .map(|event| event["data"].clone())
        .collect()
}

#[test]
fn the_configuration_is_read_again_without_a_restart() {
    let stage = Stage::new(&[]);
    stage.sandbox.configure("d.yaml", "daemon: {log_level: info, http: {port: 18081}}\n");
    let daemon = stage.start_daemon();
    stage
        .sandbox
        .configure("d.yaml", "daemon: {log_level: debug, concurrency: {total: 1}, http: {port: 18082}}\n");
    let said = llmctl(&stage.sandbox, &["config", "reload"]).expect_code(0).stdout_text();
    assert!(said.contains("in force now: daemon.log_level, daemon.concurrency.total\n"), "{said}");
    assert!(said.contains("after `llmctl daemon restart`: daemon.http.port"), "{said}");
    stage.sandbox.configure("d.yaml", "daemon: {log_level: loud}\n");
    let said = llmctl(&stage.sandbox, &["config", "reload"]).expect_code(1).stdout_text();
    assert!(said.contains("stays in force") && said.contains("d.yaml:1:"), "{said}");
    stage.sandbox.configure("d.yaml", "daemon: {log_level: warn}\n");
    let process = rustix::process::Pid::from_raw(daemon.pid).expect("a process");
    rustix::process::kill_process(process, Signal::HUP).expect("signalled");
    wait_until(SOON, "the third reload", || reloads(&stage).len() == 3);
    let seen = reloads(&stage);
    assert_eq!(
        (&seen[0]["applied"], &seen[1]["applied"], &seen[2]["applied"]),
        (&true.into(), &false.into(), &true.into())
    );
    assert_eq!(seen[2]["generation"], 3);
    assert_eq!(stage.daemon(), Some(daemon), "it is the same one");
}

#[test]
fn a_project_is_nothing_to_the_daemon_and_a_broken_file_keeps_it_from_starting() {
    let stage = Stage::new(&[]);
    stage.sandbox.write(".llmctl/d.yaml", "daemon: [\n");
    stage.start_daemon();
    stage.llmctl(&["daemon", "stop"]).expect_code(0);
    stage.sandbox.configure("d.yaml", "policies: {default: {limit: {tipe: hard}}}\n");
    let refused = llmctl(&stage.sandbox, &["daemon", "start"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr_text().contains("d.yaml:1:"), "{}", refused.stderr_text());
    let reload = llmctl(&stage.sandbox, &["config", "reload"]);
    assert_eq!(reload.code, Some(3), "no daemon is started for it");
}

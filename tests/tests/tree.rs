//! Whatever a tool leaves in its tree is gone with its operation, and nothing else is.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use llmctl_tests::proc::{self, Identity};
use llmctl_tests::sandbox::binary;
use llmctl_tests::stage::{SOON, Stage, lines, numbered, shell};
use llmctl_tests::wait::{wait_for, wait_until};
use rustix::process::Signal;
use serde_json::json;

const KINDS: [&str; 3] = ["plain", "setsid", "double"];

/// A stage whose tool leaves these processes behind, and the file that names them.
fn leaving(kinds: &[&str], more: &[&str]) -> (Stage, PathBuf) {
    let stage = Stage::new(&[]);
    let note = stage.sandbox.path("pids");
    let pids = note.display().to_string();
    let mut options: Vec<&str> = kinds.iter().flat_map(|kind| ["--grandchild", *kind]).collect();
    options.extend(["--grandchild-pids", &pids]);
    options.extend(more);
    stage.sandbox.fake_tool("claude", &options);
    (stage, note)
}

/// A grandchild by its number in the file.
fn noted(stage: &Stage, name: &str) -> Identity {
    stage.noted(&stage.sandbox.project().join(name), 1)[0]
}

#[test]
fn a_stop_ends_every_kind_of_grandchild() {
    for stubborn in [&[][..], &["--grandchild-stubborn"]] {
        for no_daemon in [&["--no-daemon"][..], &[]] {
            let (stage, note) =
                leaving(&KINDS, &[&["--hang", "--grandchild-holds-stdout"], stubborn].concat());
            let mut running = stage.start(no_daemon);
            running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
            let (id, left) = (stage.only_id(), stage.noted(&note, 3));
            stage.llmctl(&["stop", &id]).expect_code(0);
            assert!(left.iter().all(|process| !proc::is_alive(*process)), "gone when the verb returns");
            let done = running.wait(SOON).expect_code(4);
            assert!(!done.held_open);
            assert_eq!(done.stdout_text(), numbered(3));
            let stopped = stage.facts(&id, "execution.stopped");
            let killed = if stubborn.is_empty() { 0 } else { 3 };
            assert_eq!((stopped.len(), &stopped[0]["killed_processes"]), (1, &json!(killed)), "{stopped:?}");
            stage.wait_only_daemon();
        }
    }
}

#[test]
fn a_tool_that_ends_well_leaves_nothing_behind() {
    for stubborn in [&[][..], &["--grandchild-stubborn", "--grandchild-holds-stdout"]] {
        let (stage, note) = leaving(&KINDS, stubborn);
        let begun = Instant::now();
        let done = stage.execute(&["--no-daemon"]).expect_code(0);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(!done.held_open);
        assert_eq!(done.stdout_text(), numbered(3));
        assert_eq!(std::fs::read_to_string(note).expect("noted").lines().count(), 3);
        stage.sandbox.wait_empty(SOON);
        assert_eq!(stage.facts(&stage.only_id(), "execution.complete").len(), 1);
    }
}

#[test]
fn a_background_process_that_keeps_writing_does_not_keep_it_open() {
    for chatter in ["yes chatter", "while :; do echo chatter; sleep 0.05; done"] {
        let stage = Stage::new(&[]);
        let fake = binary("fake-tool").display().to_string();
        let script = format!("(setsid sh -c '{chatter}') &\nexec '{fake}' --as claude -- \"$@\"");
        stage.sandbox.script("claude", &script);
        let begun = Instant::now();
        stage.execute(&["--no-daemon"]);
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        stage.sandbox.wait_empty(SOON);
    }
}

#[test]
fn children_that_were_there_before_are_none_of_its_business() {
    let stage = Stage::new(&["--hang"]);
    let words =
        stage.words(&["--no-daemon"]).iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    // One child of the shell, and one whose parent ends while the tool runs: it becomes the runner's.
    let line = format!(
        "sleep 1000 & echo $! > one\n\
         sh -c 'sleep 1001 & echo $! > two; setsid sleep 1002 & echo $! > three; \
           until [ -e go ]; do sleep 0.02; done' &\n\
         exec '{}' {words}",
        binary("llmctl").display()
    );
    let mut running = shell(&stage.sandbox, &line);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let strangers = [noted(&stage, "one"), noted(&stage, "two"), noted(&stage, "three")];
    stage.sandbox.write("go", "");
    let parent = |process: Identity| proc::stat(process.pid).map(|stat| stat.parent);
    wait_until(SOON, "an orphan of the stranger", || parent(strangers[1]) == Some(running.pid()));
    running.signal(Signal::INT);
    assert_eq!(running.wait(SOON).signal, Some(2));
    assert!(strangers.iter().all(|stranger| proc::is_alive(*stranger)), "{strangers:?}");
    for stranger in strangers {
        proc::signal(stranger, Signal::KILL);
    }
    stage.sandbox.wait_empty(SOON);
}

#[test]
fn what_a_tool_starts_of_llmctl_goes_on() {
    let stage = Stage::new(&["--deltas", "100000", "--delay-ms", "5"]);
    // An agent that hands work on and tells of it; nobody has started the daemon before.
    let llmctl = binary("llmctl").display().to_string();
    let script = format!(
        "'{llmctl}' emit test.from_tool\n\
         '{llmctl}' execute --detach --prompt-text more --tool claude-code --model claude-haiku-4-5 > inner\n\
         exec '{}' --as codex -- \"$@\"",
        binary("fake-tool").display()
    );
    stage.sandbox.script("codex", &script);
    let words = ["execute", "--prompt", "prompt.txt", "--tool", "codex", "--no-daemon"];
    stage.llmctl(&words).expect_code(0);
    let inner = std::fs::read_to_string(stage.sandbox.project().join("inner")).expect("written");
    let inner = inner.trim();
    assert_eq!(stage.events(&["--type", "test.from_tool"]).len(), 1);
    let before = stage.output(inner).len() as u64;
    stage.wait_output(inner, before + 100);
    assert_eq!(stage.state_of(inner).as_deref(), Some("running"));
    // Its own tool's tree is still its own.
    let tool = stage.tool(inner);
    stage.llmctl(&["stop", inner]).expect_code(0);
    wait_until(SOON, "its tool's end", || !proc::is_alive(tool));
    stage.wait_only_daemon();
    stage.llmctl(&["emit", "test.still_there"]).expect_code(0);
}

#[test]
fn an_operation_within_an_operation_ends_with_it() {
    let stage = Stage::new(&["--hang"]);
    let script = format!(
        "'{}' execute --prompt-text more --tool claude-code --model claude-haiku-4-5 --no-daemon > inner\n",
        binary("llmctl").display()
    );
    stage.sandbox.script("codex", &script);
    let running =
        stage.sandbox.spawn(&["execute", "--prompt", "prompt.txt", "--tool", "codex", "--no-daemon"]);
    let inner = stage.sandbox.project().join("inner");
    wait_until(SOON, "the inner answer", || {
        std::fs::read_to_string(&inner).is_ok_and(|text| text == numbered(3))
    });
    for step in [Signal::INT, Signal::INT] {
        running.signal(step);
    }
    assert_eq!(running.wait(SOON).signal, Some(2));
    stage.sandbox.wait_empty(SOON);
}

#[test]
fn what_a_dead_runner_left_is_ended_by_identity_and_by_tag() {
    for daemon_first in [true, false] {
        let stage = Stage::new(&[]);
        // One process that cannot be known by its environment, only by its parent.
        let script = format!(
            "env -i sleep 1000 & echo $! > bare\n\
             exec '{}' --as claude --hang --grandchild setsid --grandchild double --grandchild-pids pids -- \"$@\"",
            binary("fake-tool").display()
        );
        stage.sandbox.script("claude", &script);
        let mut running = stage.start(if daemon_first { &[] } else { &["--no-daemon"] });
        running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
        let id = stage.only_id();
        let mut left = stage.noted(&stage.sandbox.project().join("pids"), 2);
        left.extend([noted(&stage, "bare"), stage.tool(&id)]);
        running.signal(Signal::KILL);
        assert_eq!(running.wait(SOON).signal, Some(9));
        assert!(left.iter().all(|process| proc::is_alive(*process)));
        stage.start_daemon();
        stage.wait_state(&id, "lost");
        wait_until(SOON, "their end", || left.iter().all(|process| !proc::is_alive(*process)));
        let lost = stage.facts(&id, "execution.lost");
        assert_eq!((lost.len(), &lost[0]["reason"]), (1, &json!("runner_gone")));
        assert_eq!(lost[0]["killed_processes"], 4, "{}", lost[0]);
        let files = lost[0]["partial"]["files"].as_array().expect("files").len();
        assert_eq!(files, 5);
        assert_eq!(stage.output(&id), numbered(3));
        stage.wait_only_daemon();
        assert_eq!(stage.llmctl(&["attach", &id]).expect_code(1).stdout_text(), numbered(3));
        let stored = lines(&stage.llmctl(&["events", "--operation", &id, "-n", "50"]).stdout_text());
        assert_eq!(stored.iter().filter(|event| event["type"] == "execution.lost").count(), 1);
        stage.assert_store_is_the_journals();
        wait_for(SOON, "a settled journal", || stage.pending().is_empty().then_some(()));
    }
}

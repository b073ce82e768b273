//! Many changes at once, and places where nothing rings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use llmctl_proto::task::files::Tree;
use llmctl_proto::task::{Key, Layout, Mirror, Shown};
use llmctl_proto::time::UnixMs;
use llmctl_tests::gateway::Gateway;
use llmctl_tests::wait::{poll, wait_until};
use serde_json::Value;

use crate::stage::{SOON, Stage, copy, pause, provided, skipped, task};

/// How often the two commits are exchanged.
const CHECKOUTS: usize = 50;
/// What a storm may leave in memory.
const MORE_MEMORY: u64 = 8 << 20;

fn git(dir: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "core.autocrlf=false"]);
    let done = command.args(words).output().expect("git runs");
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// What a scan of the tree shows, without times of change: a checkout renews them and nothing else.
pub(crate) fn cold(root: &Path) -> BTreeMap<Key, Shown> {
    let scan = Tree::new(root, Layout::default()).scan().expect("a scan");
    timeless(&Mirror::of(&scan.board))
}

pub(crate) fn timeless(mirror: &Mirror) -> BTreeMap<Key, Shown> {
    let mut entries = mirror.entries().clone();
    for shown in entries.values_mut() {
        if let Shown::Card(card) = shown {
            card.modified = UnixMs(0);
        }
    }
    entries
}

/// The board by path, state and version.
fn shown(board: &BTreeMap<String, Value>) -> BTreeMap<String, (Value, Value)> {
    board.iter().map(|(path, card)| (path.clone(), (card["state"].clone(), card["rev"].clone()))).collect()
}

fn expected(root: &Path) -> BTreeMap<String, (Value, Value)> {
    let scan = Tree::new(root, Layout::default()).scan().expect("a scan");
    let entry = |raw: &llmctl_proto::task::RawTask| {
        let state = if raw.is_readable() {
            llmctl_proto::task::Task::new(raw).state().as_str().into()
        } else {
            Value::Null
        };
        (raw.path.clone(), (state, raw.rev().into()))
    };
    scan.board.iter().map(|(_, raw)| entry(raw)).collect()
}

#[track_caller]
pub(crate) fn converges(stage: &Stage, deadline: Duration) {
    let expected = expected(&stage.root);
    let equal = || shown(&stage.board()) == expected;
    if poll(deadline, || equal().then_some(())).is_none() {
        assert_eq!(shown(&stage.board()), expected, "after {deadline:?} of quiet");
    }
}

/// Two commits between which 102 task files are added, changed, moved and deleted.
fn two_commits(stage: &Stage) {
    let dir = stage.sandbox.project();
    git(&dir, &["init", "-q", "-b", "one"]);
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-qm", "one"]);
    git(&dir, &["checkout", "-q", "-b", "two"]);
    let paths: Vec<String> = expected(&stage.root).into_keys().collect();
    let path = |n: usize| paths[n].as_str();
    for n in 0..30 {
        stage.write(&format!("inbox/new-{n}.yaml"), &task(&format!("new-{n}"), "new"));
        let text = stage.read(path(n));
        stage.write(path(n), &(text + "\nstorm: true\n"));
    }
    for n in 30..60 {
        let name = path(n).rsplit('/').next().expect("a name");
        stage.rename(path(n), &format!("done/storm/{name}"));
    }
    for n in 60..72 {
        stage.remove(path(n));
    }
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-qm", "two"]);
}

#[test]
fn t7_a_storm_of_checkouts_ends_in_what_is_on_disk() {
    let Some(stage) = Stage::provided() else { return };
    two_commits(&stage);
    let dir = stage.sandbox.project();
    wait_until(SOON, "the second commit", || shown(&stage.board()) == expected(&stage.root));
    pause(700);
    let mut mirror = {
        let scan = Tree::new(&stage.root, Layout::default()).scan().expect("a scan");
        Mirror::of(&scan.board)
    };
    let follower = stage.follow();
    let idle = stage.memory();
    for n in 0..CHECKOUTS {
        git(&dir, &["checkout", "-q", if n % 2 == 0 { "one" } else { "two" }]);
    }
    let began = Instant::now();
    converges(&stage, Duration::from_secs(2));
    let took = began.elapsed();
    pause(1_000);
    converges(&stage, Duration::ZERO);
    let events = follower.typed();
    for event in &events {
        mirror.apply(event);
    }
    assert_eq!(timeless(&mirror), cold(&stage.root), "{} events, settled after {took:?}", events.len());
    let grown = stage.memory().saturating_sub(idle);
    assert!(grown < MORE_MEMORY, "{grown} bytes more after {} events", events.len());
    stage.write("inbox/after.yaml", &task("after", "new"));
    follower.names_of("after", 1);
    assert_eq!(stage.get("/health")["watcher"]["state"], "ok");
}

#[test]
fn t8_a_directory_that_is_copied_moved_and_written_into_is_followed() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    for round in 0..5 {
        let (first, second) = (format!("assigned/copy-{round}"), format!("assigned/moved-{round}"));
        for n in 0..60 {
            let id = format!("t8-{round}-{n}");
            stage.write(&format!("{first}/{id}.yaml"), &task(&id, "assigned"));
        }
        stage.rename(&first, &second);
        stage.write(&format!("{second}/late.yaml"), &task(&format!("late-{round}"), "assigned"));
        converges(&stage, Duration::from_secs(2));
        // The directory is still listened to, under its new name.
        stage.write(&format!("{second}/later.yaml"), &task(&format!("later-{round}"), "assigned"));
        let began = Instant::now();
        follower.names_of(&format!("later-{round}"), 1);
        assert!(began.elapsed() < Duration::from_secs(3), "only a poll saw it: {:?}", began.elapsed());
    }
    let events = follower.events();
    let twice = events.iter().filter(|(name, data)| name == "task.created" && data["task_id"] == "t8-0-7");
    assert_eq!(twice.count(), 1);
}

#[test]
fn deep_directories_that_are_made_and_written_at_once_are_seen() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    for n in 0..20 {
        let id = format!("deep-{n}");
        stage.write(&format!("assigned/deep-{n}/sub/{id}.yaml"), &task(&id, "assigned"));
        follower.names_of(&id, 1);
    }
    stage.write("assigned/deep-3/sub/again.yaml", &task("again", "assigned"));
    let began = Instant::now();
    follower.names_of("again", 1);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_root_that_vanishes_and_comes_back_is_watched_again() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let aside = stage.sandbox.path("aside");
    std::fs::rename(&stage.root, &aside).expect("moved");
    wait_until(SOON, "an empty board", || stage.board().is_empty());
    std::fs::rename(&aside, &stage.root).expect("moved back");
    wait_until(SOON, "all cards", || stage.board().len() == 118);
    stage.write("inbox/back.yaml", &task("back", "new"));
    follower.names_of("back", 1);
}

/// Whether a daemon can be run without watches here.
fn without_watches(command: &str) -> Option<Command> {
    let mut unshare = Command::new("unshare");
    unshare.args(["-Ur", "sh", "-c"]).arg(command);
    let can = Command::new("unshare")
        .args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"])
        .output()
        .is_ok_and(|done| done.status.success());
    if !can {
        skipped("no user namespaces here");
    }
    can.then_some(unshare)
}

#[test]
fn t17_without_watches_it_polls_and_says_so() {
    let Some(from) = provided() else { return };
    if without_watches("true").is_none() {
        return;
    }
    let begin = |sandbox: &llmctl_tests::sandbox::Sandbox| {
        let llmctl = llmctl_tests::sandbox::binary("llmctl");
        let mut command = sandbox.command("unshare");
        let script = format!(
            "echo 0 > /proc/sys/user/max_inotify_instances && exec '{}' dashboard \"$@\"",
            llmctl.display()
        );
        command.args(["-Ur", "sh", "-c", &script, "sh"]);
        Gateway::by(sandbox, command)
    };
    let stage = Stage::with(|root| copy(&from, root), begin);
    let follower = stage.follow();
    let health = stage.get("/health");
    assert_eq!((&health["status"], &health["watcher"]["state"]), (&"degraded".into(), &"polling".into()));
    assert_eq!(health["watcher"]["roots"][0]["reason"], "watch_limit", "{health}");
    stage.rename(
        "assigned/build-automation/2025-11-30T1204-build-automation-ollama-worker-pipeline.yaml",
        "done/build-automation/2025-11-30T1204-build-automation-ollama-worker-pipeline.yaml",
    );
    let began = Instant::now();
    wait_until(SOON, "the completion", || follower.events().iter().any(|(name, _)| name == "task.completed"));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let stored = stage.sandbox.run(&["events", "--after", "0", "--type", "watcher.degraded"], SOON);
    let text = stored.expect_code(0).stdout_text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("\"reason\":\"watch_limit\"") && text.contains("\"mode\":\"polling\""), "{text}");
    assert!(!text.contains(&stage.root.display().to_string()), "no whole path: {text}");
}

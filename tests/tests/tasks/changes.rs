//! What happens to files becomes events: one for each settled change, by what it means.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{SOON, Stage, pause, task};

#[test]
fn t1_the_provided_tree_is_the_board() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let stats = stage.get("/api/stats");
    let tasks = &stats["tasks"];
    for (key, want) in [
        ("inbox", 5),
        ("assigned", 47),
        ("done", 66),
        ("total", 118),
        ("in_progress", 1),
        ("blocked", 1),
        ("error", 0),
        ("invalid", 1),
        ("drift", 31),
    ] {
        assert_eq!(tasks[key], want, "{key}: {stats}");
    }
    let board = stage.get("/api/tasks");
    let size = |section: &str| -> (usize, usize) {
        let map = board[section].as_object().expect("by agent");
        (map.len(), map.values().map(|list| list.as_array().expect("a list").len()).sum())
    };
    assert_eq!(board["inbox"].as_array().map(Vec::len), Some(4));
    assert_eq!(size("assigned"), (25, 47));
    assert_eq!(size("done"), (16, 66));
    assert_eq!(size("error"), (0, 0));
    let invalid = board["invalid"].as_array().expect("a list");
    assert_eq!(invalid.len(), 1);
    assert_eq!((&invalid[0]["line"], &invalid[0]["column"]), (&33.into(), &9.into()));
    assert_eq!(invalid[0]["path"], "inbox/2026-02-12T1102-manager-mike-task-assignment.yaml");
    assert_eq!(stage.board().len(), 118);
    let findings = stage.get("/api/tasks/lint");
    let kinds = findings["findings"].as_array().expect("a list");
    assert!(kinds.iter().all(|finding| finding["kind"] != "duplicate_id"));
    assert_eq!(kinds.iter().filter(|finding| finding["kind"] == "drift").count(), 31);
    assert_eq!(follower.events(), [], "nothing happened");
    let health = stage.get("/health");
    assert_eq!((&health["status"], &health["watcher"]["state"]), (&"healthy".into(), &"ok".into()));
    let root = &health["watcher"]["roots"][0];
    assert_eq!((&root["path"], &root["files"]), (&"work/collaboration".into(), &118.into()));
}

fn only<'a>(events: &'a [(String, Value)], id: &str) -> &'a (String, Value) {
    let of: Vec<_> = events.iter().filter(|(_, data)| data["task_id"] == id).collect();
    assert_eq!(of.len(), 1, "{of:?}");
    of[0]
}

#[test]
fn t2_a_task_that_is_given_to_an_agent_is_assigned_however_it_is_moved() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let mut ids = Vec::new();
    for n in 0..8 {
        let id = format!("t2-{n}");
        stage.write(&format!("inbox/{id}.yaml"), &task(&id, "new"));
        follower.names_of(&id, 1);
        ids.push(id);
    }
    let before = follower.events().len();
    for (n, id) in ids.iter().enumerate() {
        let (from, to) = (format!("inbox/{id}.yaml"), format!("assigned/t2-agent/{id}.yaml"));
        let text = task(id, "assigned");
        match n {
            0 => stage.rename(&from, &to),
            1..=3 => {
                stage.write(&to, &text);
                pause([0, 50, 400][n - 1]);
                stage.remove(&from);
            }
            4..=6 => {
                stage.remove(&from);
                pause([0, 50, 400][n - 4]);
                stage.write(&to, &text);
            }
            _ => {
                stage.rename(&from, &to);
                stage.write(&to, &text);
            }
        }
        follower.names_of(id, 2);
    }
    // Long enough for bad news that should never come.
    pause(700);
    let events = follower.events().split_off(before);
    for id in &ids[..7] {
        let (name, data) = only(&events, id);
        assert_eq!(name, "task.assigned", "{id}");
        assert_eq!((&data["from_lane"], &data["lane"]), (&"inbox".into(), &"assigned".into()), "{id}");
    }
}

#[test]
fn t3_copy_and_unlink_into_done_is_one_completion() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    for n in 0..30 {
        let id = format!("t3-{n}");
        stage.write(&format!("assigned/x/{id}.yaml"), &task(&id, "in_progress"));
        follower.names_of(&id, 1);
        stage.write(&format!("done/x/{id}.yaml"), &task(&id, "done"));
        stage.remove(&format!("assigned/x/{id}.yaml"));
        assert_eq!(follower.names_of(&id, 2)[1..], ["task.completed"], "{id}");
    }
    pause(700);
    let events = follower.events();
    assert_eq!(events.len(), 60, "{:?}", events.iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert!(
        events.iter().filter(|(name, _)| name == "task.completed").all(|(_, d)| d["from_lane"] == "assigned")
    );
}

#[test]
fn t4_half_written_files_are_not_news_and_no_content_is_lost() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let path = "assigned/x/t4.yaml";
    stage.write(path, &task("t4", "assigned"));
    follower.names_of("t4", 1);
    let titles = || -> Vec<String> {
        let title =
            |(_, data): (String, Value)| data["card"]["title"].as_str().unwrap_or_default().to_owned();
        follower.events().into_iter().map(title).collect()
    };
    for n in 0..20 {
        fs::File::create(stage.path(path)).expect("truncated");
        pause(20);
        stage.write(path, &task("t4", "assigned").replace("Task t4", &format!("Rewritten {n}")));
        let wanted = format!("Rewritten {n}");
        llmctl_tests::wait::wait_until(SOON, &wanted, || titles().contains(&wanted));
    }
    for n in 0..20 {
        for word in ["First", "Second"] {
            stage.write(path, &task("t4", "assigned").replace("Task t4", &format!("{word} {n}")));
            pause(60);
        }
        let wanted = format!("Second {n}");
        llmctl_tests::wait::wait_until(SOON, &wanted, || titles().contains(&wanted));
    }
    pause(700);
    assert!(follower.events().iter().all(|(name, _)| name != "task.invalid" && name != "task.removed"));
}

#[test]
fn t5_an_unreadable_file_is_said_once_and_again_when_it_is_repaired() {
    let Some(stage) = Stage::provided() else { return };
    let others = stage.board();
    let follower = stage.follow();
    let path = "assigned/x/t5.yaml";
    stage.write(path, &task("t5", "assigned"));
    follower.names_of("t5", 1);
    let broken = task("t5", "assigned") + "context: \"quoted\" and more\n";
    stage.write(path, &broken);
    follower.names_of("t5", 2);
    stage.write("inbox/t5-other.yaml", &task("t5-other", "new"));
    follower.names_of("t5-other", 1);
    stage.write(path, &task("t5", "in_progress"));
    follower.names_of("t5", 3);
    pause(700);
    let events = follower.events();
    let of: Vec<_> = events.iter().filter(|(_, data)| data["task_id"] == "t5").collect();
    let names: Vec<&str> = of.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["task.created", "task.invalid", "task.updated"]);
    assert_eq!((&of[1].1["problem"], &of[1].1["line"]), (&"syntax".into(), &7.into()), "{}", of[1].1);
    assert!(of[1].1["column"].is_u64());
    assert_eq!(of[1].1["salvage"]["title"], "Task t5");
    assert_eq!(of[2].1["recovered"], true);
    assert_eq!(events.len(), 4);
    let mut now = stage.board();
    now.retain(|path, _| others.contains_key(path));
    assert_eq!(now, others, "every other card is as it was");
}

#[test]
fn t6_a_file_with_an_unquoted_time_is_a_file_like_any_other() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    let path = "assigned/architect/2026-02-09T0500-architect-review-src-consolidation.yaml";
    let text = stage.read(path);
    let changed: String =
        text.lines()
            .map(|line| {
                if line.starts_with("status:") { "status: in_progress\n".into() } else { format!("{line}\n") }
            })
            .collect();
    assert_ne!(text, changed);
    stage.write(path, &changed);
    let events = llmctl_tests::wait::wait_for(SOON, "an event", || {
        Some(follower.events()).filter(|events| !events.is_empty())
    });
    assert_eq!(events[0].0, "task.started");
    stage.write("inbox/t6.yaml", &task("t6", "new"));
    follower.names_of("t6", 1);
    assert_eq!(follower.events().len(), 2);
}

#[test]
fn a_deleted_task_leaves_and_one_in_the_fridge_is_frozen() {
    let Some(stage) = Stage::provided() else { return };
    let follower = stage.follow();
    for id in ["gone", "cold", "old"] {
        stage.write(&format!("inbox/{id}.yaml"), &task(id, "new"));
        follower.names_of(id, 1);
    }
    let began = Instant::now();
    stage.remove("inbox/gone.yaml");
    follower.names_of("gone", 2);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    stage.rename("inbox/cold.yaml", "fridge/cold.yaml");
    stage.rename("inbox/old.yaml", "archive/2026-02/old.yaml");
    follower.names_of("cold", 2);
    follower.names_of("old", 2);
    stage.rename("fridge/cold.yaml", "inbox/cold.yaml");
    follower.names_of("cold", 3);
    let events = follower.events();
    let reason = |id: &str| {
        let removed = events.iter().find(|(name, data)| name == "task.removed" && data["task_id"] == id);
        removed.expect("removed").1["reason"].clone()
    };
    assert_eq!([reason("gone"), reason("cold"), reason("old")], ["deleted", "frozen", "archived"]);
    let back = &events.last().expect("an event").1;
    assert_eq!(back["from_lane"], "fridge");
}

//! Many writers at once: ours, one at a time by the lock, and others who know of none.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::task;
use super::files::{asked, put, tree};
use crate::task::files::FilesError;
use crate::task::{Body, Edit, EditError, Layout, NewValue, Plan, Task, Verb, plan};

fn leftovers(dir: &Path) -> usize {
    fs::read_dir(dir)
        .expect("list")
        .filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().starts_with('.')))
        .count()
}

fn set(key: &str, n: u32) -> Plan {
    Plan { edits: vec![Edit::set(key, NewValue::Word(n.to_string()))], goes: None }
}

#[test]
fn twelve_writers_of_twelve_keys_lose_nothing() {
    const EDITS: u32 = 25;
    let dir = tempfile::tempdir().expect("dir");
    let state = tempfile::tempdir().expect("dir");
    put(dir.path(), "inbox/a.yaml", &task("a", "new"));
    let barrier = Barrier::new(12);
    std::thread::scope(|scope| {
        for writer in 0..12 {
            let (root, state, barrier) = (dir.path(), state.path(), &barrier);
            scope.spawn(move || {
                let tree = tree(root);
                let old = tree.load("inbox/a.yaml").expect("read");
                barrier.wait();
                for n in 1..=EDITS {
                    let _held = tree.lock(state).expect("locked");
                    // The first edit is based on a version that the others have long changed elsewhere.
                    let base = if n == 1 { old.clone() } else { tree.load("inbox/a.yaml").expect("read") };
                    let done = tree.carry_out(&base, &set(&format!("k{writer}"), n)).expect("edited");
                    assert_eq!(done.lines.len(), 1);
                }
            });
        }
    });
    let end = tree(dir.path()).load("inbox/a.yaml").expect("read");
    for writer in 0..12 {
        let found = Task::new(&end.raw).get(&format!("k{writer}")).and_then(|node| node.text());
        assert_eq!(found, Some(EDITS.to_string().as_str()), "writer {writer}");
    }
    assert_eq!(leftovers(&dir.path().join("inbox")), 0);
}

#[test]
fn each_card_is_claimed_once() {
    let dir = tempfile::tempdir().expect("dir");
    for n in 0..60 {
        put(dir.path(), &format!("inbox/t{n:02}.yaml"), &task(&format!("t{n:02}"), "new"));
    }
    let barrier = Barrier::new(12);
    let claimed: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..12)
            .map(|agent| {
                let (root, barrier) = (dir.path(), &barrier);
                scope.spawn(move || {
                    let tree = tree(root);
                    let layout = Layout::default();
                    let mut mine = 0;
                    barrier.wait();
                    for n in 0..60 {
                        let Ok(base) = tree.load(&format!("inbox/t{n:02}.yaml")) else { continue };
                        let verb = Verb::Claim { agent: format!("agent-{agent}") };
                        let todo = plan(Task::new(&base.raw), &verb, asked(&layout)).expect("planned");
                        match tree.carry_out(&base, &todo) {
                            Ok(_) => mine += 1,
                            Err(FilesError::Gone(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    mine
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("joined")).sum()
    });
    assert_eq!(claimed, 60);
    let scan = tree(dir.path()).scan().expect("scanned");
    assert_eq!(scan.board.len(), 60);
    for (_, raw) in scan.board.iter() {
        let view = Task::new(raw);
        assert_eq!(view.agent().map(|agent| agent.value), raw.agent_dir.as_deref(), "{}", raw.path);
        assert!(!view.drift());
    }
}

#[test]
fn an_editor_that_renames_over_us_wins_or_is_merged() {
    const SAVES: u32 = 300;
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    let text = |n: u32| format!("{}editor: {n}\n", task("a", "new"));
    put(root, "inbox/a.yaml", &text(0));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| {
            let tree = tree(root);
            let mut n = 0;
            while !stop.load(Ordering::Acquire) {
                let base = tree.load("inbox/a.yaml").expect("there");
                assert!(base.raw.is_readable());
                n += 1;
                match tree.carry_out(&base, &set("ours", n)) {
                    Ok(_) | Err(FilesError::Busy(_) | FilesError::Edit(EditError::Conflict { .. })) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        for n in 1..=SAVES {
            fs::write(root.join("inbox/save.tmp"), text(n)).expect("written");
            fs::rename(root.join("inbox/save.tmp"), root.join("inbox/a.yaml")).expect("renamed");
        }
        stop.store(true, Ordering::Release);
        ours.join().expect("joined");
    });
    let end = fs::read(root.join("inbox/a.yaml")).expect("there");
    let Body::Parsed(node) = Body::read(&end) else { panic!("{}", String::from_utf8_lossy(&end)) };
    assert_eq!(node.get("editor").and_then(|node| node.text()), Some(SAVES.to_string().as_str()));
    assert_eq!(leftovers(&root.join("inbox")), 0);
}

//! Scans and single edits on a real file system.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::disk::task;
use super::provided;
use crate::event::TaskEvent;
use crate::task::files::{FilesError, Tree};
use crate::task::{
    Asked, Edit, EditError, GRACE_MS, Lane, Layout, NewTask, Plan, ProblemKind, Settle, State, Task, Verb,
    plan,
};
use crate::time::UnixMs;

const NOW: UnixMs = UnixMs(1_770_669_300_000);

pub(super) fn asked(layout: &Layout) -> Asked<'_> {
    Asked { layout, now: NOW, force: false }
}

pub(super) fn put(root: &Path, path: &str, text: &str) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().expect("below")).expect("made");
    fs::write(full, text).expect("written");
}

/// Makes a file look old, so that its stat alone tells that it has not changed.
fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("open");
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("set");
}

pub(super) fn tree(root: &Path) -> Tree {
    Tree::new(root, Layout::default())
}

fn get(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).expect("there")
}

#[test]
fn the_provided_tree_is_scanned_once() {
    let Some(files) = provided() else { return };
    let dir = tempfile::tempdir().expect("dir");
    for (path, bytes) in &files {
        put(dir.path(), path, std::str::from_utf8(bytes).expect("UTF-8"));
        age(&dir.path().join(path));
    }
    fs::create_dir_all(dir.path().join("assigned/nobody")).expect("made");
    put(dir.path(), "backups/1/x/a.yaml", &task("copy", "new"));
    put(dir.path(), "archive/2026-01/b.yaml", "not: read: at all");
    let mut tree = tree(dir.path());
    let scan = tree.scan().expect("scanned");
    assert_eq!((scan.board.len(), scan.files_read, scan.skipped.len()), (118, 118, 0));
    assert!(scan.board.agents().contains(&(Lane::Assigned, "nobody".to_owned())));
    assert_eq!(scan.board.count_aside(Lane::Archive), 1);
    assert!(scan.board.iter().all(|(key, _)| !scan.board.is_duplicate(&key.id)));
    let again = tree.scan().expect("scanned");
    assert_eq!((again.files_read, again.board == scan.board), (0, true));
    put(dir.path(), "inbox/new.yaml", &task("new", "new"));
    assert_eq!(tree.scan().expect("scanned").files_read, 1);
}

#[test]
fn a_tree_that_is_not_there_is_empty() {
    let dir = tempfile::tempdir().expect("dir");
    let scan = tree(&dir.path().join("none")).scan().expect("scanned");
    assert!(scan.board.is_empty() && scan.skipped.is_empty());
    assert!(tree(dir.path()).scan().expect("scanned").board.is_empty());
}

#[test]
fn what_is_no_file_is_left_out_and_named() {
    let dir = tempfile::tempdir().expect("dir");
    let outside = tempfile::tempdir().expect("dir");
    let root = dir.path();
    put(outside.path(), "secret.yaml", "id: secret\n");
    put(root, "inbox/real.yaml", &task("real", "new"));
    put(root, "notes/inside.yaml", &task("inside", "new"));
    put(root, "inbox/sub/deep/deeper/deepest/a.yaml", &task("deep", "new"));
    put(root, "inbox/quote'\"\nname.yaml", &task("odd name", "new"));
    fs::create_dir_all(root.join("inbox/dir.yaml")).expect("made");
    symlink(outside.path().join("secret.yaml"), root.join("inbox/out.yaml")).expect("linked");
    symlink("loop.yaml", root.join("inbox/loop.yaml")).expect("linked");
    symlink("../notes/inside.yaml", root.join("inbox/inside.yaml")).expect("linked");
    symlink("/dev/zero", root.join("inbox/zero.yaml")).expect("linked");
    symlink(outside.path(), root.join("assigned")).expect("linked");
    symlink("..", root.join("inbox/up")).expect("linked");
    let fifo = root.join("inbox/fifo.yaml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).expect("made");
    for name in [
        ".a.yaml",
        "a.yaml~",
        "a.yaml.broken",
        "a.yaml.tmp",
        ".a.yaml.swp",
        "4913",
        ".a.yaml.llmctl-0123456789abcdef",
    ] {
        put(root, &format!("inbox/{name}"), "x");
    }
    let begun = std::time::Instant::now();
    let scan = tree(root).scan().expect("scanned");
    assert!(begun.elapsed() < Duration::from_secs(2));
    let ids: Vec<_> = scan.board.iter().map(|(key, _)| key.id.as_str()).collect();
    assert_eq!(ids, ["inside", "odd name", "real"]);
    let mut skipped: Vec<_> =
        scan.skipped.iter().map(|(path, problem)| (path.as_str(), problem.kind)).collect();
    skipped.sort_unstable();
    let kind = ProblemKind::UnreadableFile;
    assert_eq!(
        skipped,
        [
            ("assigned", kind),
            ("inbox/fifo.yaml", kind),
            ("inbox/loop.yaml", kind),
            ("inbox/out.yaml", kind),
            ("inbox/sub/deep/deeper/deepest", kind),
            ("inbox/zero.yaml", kind),
        ]
    );
}

#[test]
fn links_and_second_names_are_read_and_never_written() {
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    put(root, "notes/a.yaml", &task("a", "new"));
    put(root, "notes/b.yaml", &task("b", "new"));
    fs::create_dir_all(root.join("inbox")).expect("made");
    symlink("../notes/a.yaml", root.join("inbox/a.yaml")).expect("linked");
    fs::hard_link(root.join("notes/b.yaml"), root.join("inbox/b.yaml")).expect("linked");
    let tree = tree(root);
    assert!(tree.load("inbox/a.yaml").is_err(), "an edit does not follow a link");
    let base = tree.load("inbox/b.yaml").expect("read");
    let plan = Plan { edits: vec![Edit::text("status", "done")], goes: None };
    assert!(matches!(tree.carry_out(&base, &plan), Err(FilesError::NotWritten { .. })));
    assert_eq!(get(root, "notes/b.yaml"), task("b", "new"));
    for path in ["../x.yaml", "inbox/../../x.yaml", "/etc/x.yaml", "inbox/nothing.yaml"] {
        assert!(tree.load(path).is_err(), "{path}");
    }
}

#[test]
fn an_edit_keeps_the_mode_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    put(root, "inbox/a.yaml", &task("a", "new"));
    fs::set_permissions(root.join("inbox/a.yaml"), fs::Permissions::from_mode(0o640)).expect("set");
    let tree = tree(root);
    let base = tree.load("inbox/a.yaml").expect("read");
    let plan = Plan { edits: vec![Edit::text("priority", "low")], goes: None };
    let done = tree.carry_out(&base, &plan).expect("done");
    assert_eq!(get(root, "inbox/a.yaml"), task("a", "new").replace("high", "low"));
    assert_eq!((done.old_rev, done.lines.len(), done.window), (base.raw.rev(), 1, false));
    assert_eq!(tree.load("inbox/a.yaml").expect("read").raw.rev(), done.rev);
    let mode = fs::metadata(root.join("inbox/a.yaml")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_dir(root.join("inbox")).expect("list").count(), 1);
    let inode = tree.load("inbox/a.yaml").expect("read").raw.stat.inode;
    let same = tree.carry_out(&base, &plan).expect("as it should be");
    assert!(same.lines.is_empty());
    assert_eq!(tree.load("inbox/a.yaml").expect("read").raw.stat.inode, inode, "nothing is written");
}

#[test]
fn an_older_base_is_merged_or_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    put(root, "inbox/a.yaml", &task("a", "new"));
    let tree = tree(root);
    let base = tree.load("inbox/a.yaml").expect("read");
    put(root, "inbox/a.yaml", &task("a", "new").replace("high", "low"));
    let status = Plan { edits: vec![Edit::text("status", "done")], goes: None };
    tree.carry_out(&base, &status).expect("merged");
    assert_eq!(get(root, "inbox/a.yaml"), task("a", "done").replace("high", "low"));
    let priority = Plan { edits: vec![Edit::text("priority", "critical")], goes: None };
    let error = tree.carry_out(&base, &priority).expect_err("refused");
    assert!(
        matches!(&error, FilesError::Edit(EditError::Conflict { theirs, ours, .. }) if theirs == "low" && ours == "critical")
    );
    assert_eq!(get(root, "inbox/a.yaml"), task("a", "done").replace("high", "low"));
    fs::remove_file(root.join("inbox/a.yaml")).expect("removed");
    assert!(matches!(tree.carry_out(&base, &status), Err(FilesError::Gone(_))));
}

#[test]
fn a_life_by_verbs() {
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    fs::create_dir_all(root.join("inbox")).expect("made");
    let mut tree = tree(root);
    let layout = Layout::default();
    let new = NewTask {
        title: "A thing".into(),
        agent: Some("dev".into()),
        priority: None,
        description: None,
        created_by: None,
        assign: false,
        template: None,
    };
    let mut path = tree.create(&new, asked(&layout)).expect("written").expect("planned");
    let second = tree.create(&new, asked(&layout)).expect("written").expect("planned");
    assert_eq!(
        (path.as_str(), second.as_str()),
        ("inbox/2026-02-09T2035-dev-a-thing.yaml", "inbox/2026-02-09T2035-dev-a-thing-2.yaml")
    );
    let mut settle = Settle::new("p", tree.scan().expect("scanned").board, 0);
    let mut now = 1_000;
    for (verb, want, state) in [
        (Verb::Claim { agent: "dev".into() }, "task.assigned", State::Assigned),
        (Verb::Start, "task.started", State::InProgress),
        (Verb::Block { reason: "no key".into() }, "task.updated", State::Blocked),
        (Verb::Unblock, "task.started", State::InProgress),
        (
            Verb::Complete { summary: Some("ok".into()), artefacts: vec![], force: false },
            "task.completed",
            State::Done,
        ),
        (Verb::Reopen { to_inbox: false }, "task.updated", State::Assigned),
        (Verb::Assign { agent: "zoe".into() }, "task.assigned", State::Assigned),
        (Verb::Fail { message: "no".into() }, "task.failed", State::Error),
    ] {
        let base = tree.load(&path).expect("read");
        let todo =
            plan(Task::new(&base.raw), &verb, asked(&layout)).unwrap_or_else(|e| panic!("{verb:?}: {e}"));
        path = tree.carry_out(&base, &todo).unwrap_or_else(|e| panic!("{verb:?}: {e}")).path;
        let after = tree.load(&path).expect("read");
        assert_eq!(Task::new(&after.raw).state_and_drift(), (state, false), "{verb:?}");
        now += 10_000;
        let mut events = settle.observe(tree.scan().expect("scanned").board, now);
        events.extend(settle.tick(now + GRACE_MS));
        let names: Vec<_> =
            events.iter().map(|e| crate::event::Event::from(e.clone()).type_name().to_owned()).collect();
        assert_eq!(names, [want], "{verb:?}");
    }
    assert!(path.starts_with("assigned/zoe/"));
    put(root, &format!("fridge/{}", path.rsplit('/').next().expect("name")), "taken: yes\n");
    let base = tree.load(&path).expect("read");
    let freeze = plan(Task::new(&base.raw), &Verb::Freeze { reason: "later".into() }, asked(&layout))
        .expect("planned");
    assert!(matches!(tree.carry_out(&base, &freeze), Err(FilesError::Exists(_))));
    assert_eq!(tree.load(&path).expect("there").bytes, base.bytes, "nothing was edited");
}

#[test]
fn the_ways_editors_save_are_one_event_each() {
    let dir = tempfile::tempdir().expect("dir");
    let root = dir.path();
    let file = root.join("inbox/a.yaml");
    put(root, "inbox/a.yaml", &task("a", "new"));
    let mut tree = tree(root);
    let mut settle = Settle::new("p", tree.scan().expect("scanned").board, 0);
    let mut now = 0;
    type Step<'a> = &'a dyn Fn(&str);
    let beside = |name: &str| root.join("inbox").join(name);
    let ways: [(&str, &[Step<'_>]); 5] = [
        (
            "truncate and write",
            &[&|_| fs::write(&file, "").expect("cut"), &|text| fs::write(&file, text).expect("written")],
        ),
        (
            "temporary file renamed over",
            &[&|text| fs::write(beside("tmpab12.tmp"), text).expect("written"), &|_| {
                fs::rename(beside("tmpab12.tmp"), &file).expect("renamed");
            }],
        ),
        (
            "backup renamed, new file written",
            &[
                &|_| fs::write(beside("4913"), "").expect("probe"),
                &|_| fs::remove_file(beside("4913")).expect("gone"),
                &|_| fs::rename(&file, beside("a.yaml~")).expect("renamed"),
                &|text| fs::write(&file, text).expect("written"),
                &|_| fs::remove_file(beside("a.yaml~")).expect("gone"),
            ],
        ),
        (
            "lock link, copy, write",
            &[
                &|_| symlink("user@host.1", beside(".#a.yaml")).expect("linked"),
                &|text| fs::write(&file, text).expect("written"),
                &|_| fs::remove_file(beside(".#a.yaml")).expect("gone"),
            ],
        ),
        (
            "unlink and write",
            &[&|_| fs::remove_file(&file).expect("gone"), &|text| fs::write(&file, text).expect("written")],
        ),
    ];
    for (n, (way, steps)) in ways.iter().enumerate() {
        let text = format!("{}n: {n}\n", task("a", "new"));
        let mut events = Vec::new();
        for step in *steps {
            step(&text);
            now += 20;
            events.extend(settle.observe(tree.scan().expect("scanned").board, now));
        }
        now += 10_000;
        events.extend(settle.tick(now));
        assert!(matches!(&events[..], [TaskEvent::Updated(e)] if e.0.changed == ["n"]), "{way}: {events:?}");
    }
}

#[test]
fn two_edits_of_the_same_length_in_one_tick_are_both_seen() {
    let dir = tempfile::tempdir().expect("dir");
    put(dir.path(), "inbox/a.yaml", "id: a\nn: 0\n");
    let mut tree = tree(dir.path());
    for n in 1..10 {
        let text = format!("id: a\nn: {n}\n");
        put(dir.path(), "inbox/a.yaml", &text);
        let scan = tree.scan().expect("scanned");
        let (_, raw) = scan.board.iter().next().expect("one");
        assert_eq!(raw.hash, crate::task::hash_of(text.as_bytes()));
    }
}

#[test]
fn what_a_killed_writer_left_is_removed_under_the_lock() {
    let dir = tempfile::tempdir().expect("dir");
    let state = tempfile::tempdir().expect("dir");
    let root = dir.path();
    put(root, "assigned/x/a.yaml", &task("a", "new"));
    for name in [".a.yaml.llmctl-0123456789abcdef", ".b.llmctl-00000000000000ff"] {
        put(root, &format!("assigned/x/{name}"), "half");
    }
    put(root, "assigned/x/.keep.llmctl-notours", "x");
    let tree = tree(root);
    let lock = tree.lock(state.path()).expect("locked");
    let name = fs::read_dir(state.path()).expect("list").next().expect("one").expect("entry").path();
    let other = fs::File::open(&name).expect("open");
    let busy = rustix::fs::flock(&other, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    assert_eq!(busy, Err(rustix::io::Errno::WOULDBLOCK));
    assert_eq!(tree.remove_stale(&lock), 2);
    drop(lock);
    assert!(tree.lock(state.path()).is_ok());
    assert_eq!(fs::read_dir(root.join("assigned/x")).expect("list").count(), 2);
}

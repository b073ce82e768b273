//! Files that break other readers, fields that would run elsewhere, and more files than usual.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Instant;

use llmctl_tests::gateway::Gateway;
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::Value;

use crate::stage::{SOON, Stage, copy, encoded, provided, task};

const MARKUP: &str = "x\"><script>fetch('http://evil.example')</script>\u{1b}]52;c;aGk=\u{7}";

/// Name, bytes and the problem that must be named; none for a file that is read.
fn nasty() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = format!("id: deep\nx: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    let mut bomb = "id: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        let _ = writeln!(bomb, "a{n}: &a{n} [{}]", before.trim_end_matches(", "));
    }
    vec![
        ("front.yaml", text("---\nid: front\ntitle: Front\nstatus: new\n---\n# Markdown\n* a\n"), None),
        ("unclosed.yaml", text("---\nid: unclosed\ntitle: U\n# Head\n* a *b*\n- c: [\n"), Some("syntax")),
        ("twice.yaml", text("id: twice\nstatus: new\nstatus: done\ntitle: T\n"), None),
        ("old.yaml", text("task_id: old\nfrom_agent: a\nto_agent: b\nstatus: COMPLETE\ntitle: T\n"), None),
        ("bom.yaml", text("\u{feff}id: bom\nstatus: new\ntitle: T\n"), None),
        ("tabs.yaml", text("id: tabs\nx:\n\t- a\n"), Some("syntax")),
        (
            "merge.yaml",
            text("id: merge\n<<<<<<< HEAD\nstatus: new\n=======\nstatus: done\n>>>>>>> b\n"),
            Some("conflict_markers"),
        ),
        ("empty.yaml", Vec::new(), Some("empty")),
        ("comments.yaml", text("# only\n# comments\n"), Some("empty")),
        ("list.yaml", text("- a\n- b\n"), Some("not_a_mapping")),
        ("latin.yaml", b"id: latin\ntitle: \xe9t\xe9\n".to_vec(), Some("not_utf8")),
        (
            "nan.yaml",
            text("id: nan\nstatus: new\ntitle: T\nx: .nan\ny: .inf\n2026-01-01: z\n[a, b]: c\n"),
            None,
        ),
        ("tag.yaml", text("id: tag\nstatus: new\ntitle: !secret T\nb: !!binary aGVsbG8=\n"), None),
        ("bomb.yaml", text(&bomb), Some("alias_bomb")),
        ("deep.yaml", text(&deep), Some("too_deep")),
        ("big.yaml", vec![b'#'; 10 << 20], Some("too_large")),
        ("long.yaml", format!("id: long\nstatus: new\ntitle: T\nx: {}\n", "y".repeat(200_000)).into(), None),
    ]
}

#[test]
fn t15_nasty_files_are_cards_with_a_name_and_harm_no_other() {
    let Some(stage) = Stage::provided() else { return };
    let idle = stage.memory();
    for (name, bytes, _) in nasty() {
        fs::write(stage.path("inbox").join(name), bytes).expect("written");
    }
    let outside = stage.sandbox.path("outside.yaml");
    fs::write(&outside, task("outside", "new")).expect("written");
    symlink(&outside, stage.path("inbox/outside.yaml")).expect("linked");
    symlink(stage.path("inbox"), stage.path("inbox/loop")).expect("linked");
    symlink("/dev/zero", stage.path("inbox/zero.yaml")).expect("linked");
    let fifo = Command::new("mkfifo").arg(stage.path("inbox/fifo.yaml")).status();
    assert!(fifo.is_ok_and(|status| status.success()));
    let strange = "line\nbreak \"quoted\".yaml";
    fs::write(stage.path("inbox").join(strange), task("strange", "new")).expect("written");
    let closed = stage.path("inbox/closed.yaml");
    fs::write(&closed, task("closed", "new")).expect("written");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("closed");
    fs::create_dir_all(stage.path("backups/1/x")).expect("made");
    fs::write(stage.path("backups/1/x/bom.yaml"), task("bom", "new")).expect("written");

    let all = nasty();
    let readable = all.iter().filter(|(_, _, problem)| problem.is_none()).count();
    let board = wait_for(SOON, "every nasty file", || {
        let board = stage.get("/api/tasks");
        let (inbox, invalid) = (board["inbox"].as_array()?.len(), board["invalid"].as_array()?.len());
        // The tests may run as a user who may read everything.
        (inbox + invalid == 5 + all.len() + 2 && inbox > 4 + readable).then_some(board)
    });
    for (name, _, problem) in &all {
        let path = format!("inbox/{name}");
        let invalid =
            board["invalid"].as_array().expect("a list").iter().find(|card| card["path"] == path.as_str());
        assert_eq!(invalid.map(|card| &card["problem"]), problem.map(Value::from).as_ref(), "{name}");
    }
    let stats = stage.get("/api/stats");
    assert_eq!((&stats["tasks"]["assigned"], &stats["tasks"]["done"]), (&47.into(), &66.into()));
    let lint = stage.get("/api/tasks/lint");
    let of = |path: &str, kind: &str| {
        let all = lint["findings"].as_array().expect("a list");
        assert!(all.iter().any(|f| f["path"] == path && f["kind"] == kind), "{path} {kind}");
    };
    for path in ["inbox/outside.yaml", "inbox/zero.yaml", "inbox/fifo.yaml"] {
        of(path, "unreadable_file");
    }
    of("inbox/twice.yaml", "duplicate_key");
    of("inbox/front.yaml", "front_matter");
    for id in ["front", "nan", "tag", "bom", "strange", "bomb"] {
        stage.get(&format!("/api/tasks/{id}"));
    }
    let took = stage.get("/health")["watcher"]["roots"][0]["last_scan_us"].as_u64().expect("a number");
    assert!(took < 2_000_000, "{took} µs");
    let grown = stage.memory().saturating_sub(idle);
    assert!(grown < 30 << 20, "{grown} bytes more");
}

#[test]
fn t16_markup_is_text_in_every_answer_and_cards_stay_small() {
    let Some(stage) = Stage::provided() else { return };
    let quoted = serde_json::to_string(MARKUP).expect("text");
    let fields = ["id", "agent", "status", "priority", "title", "created_at", "batch", "blocked_reason"];
    let text = fields.map(|key| format!("{key}: {quoted}\n")).concat();
    let text = text + &format!("tags: [{quoted}]\ndependencies: [{quoted}]\nresult: {{summary: {quoted}}}\n");
    stage.write("done/x/markup.yaml", &text);
    let long = "ü\"\\<".repeat(500);
    let long = serde_json::to_string(&long).expect("text");
    stage.write("done/x/long.yaml", &fields.map(|key| format!("{key}: {long}\n")).concat());
    wait_until(SOON, "both cards", || stage.board().len() == 120);
    let board = stage.request("GET", "/api/tasks?fields=card", &[], "");
    assert_eq!(board.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(board.header("x-content-type-options"), Some("nosniff"));
    for (path, card) in stage.board() {
        let (id, size) = (card["id"].as_str().unwrap_or_default(), card.to_string().len());
        // A card, and where it is.
        assert!(size <= 1024 + 2 * path.len() + id.len() + 160, "{path}: {size}");
    }
    // Control characters make it no id; the file's name stands for it.
    let shown = stage.get("/api/tasks/markup");
    assert_eq!(shown["title"], MARKUP);
    let refused = stage.patch_priority(MARKUP, r#"{"priority":"LOW"}"#, &[]);
    assert_eq!(refused.status, 400);
    let project = stage.request("GET", &format!("/api/tasks?project={}", encoded(MARKUP)), &[], "");
    assert_eq!(project.status, 200);
    assert_eq!(project.json()["inbox"], serde_json::json!([]));
}

#[test]
fn t18_a_thousand_more_files_change_little() {
    let Some(from) = provided() else { return };
    let many = |root: &std::path::Path| {
        copy(&from, root);
        for n in 0..1_000 {
            let dir = root.join(format!("assigned/many-{}", n % 10));
            fs::create_dir_all(&dir).expect("made");
            fs::write(dir.join(format!("many-{n}.yaml")), task(&format!("many-{n}"), "assigned"))
                .expect("written");
        }
    };
    let stage = Stage::with(many, Gateway::open);
    assert_eq!(stage.board().len(), 1_118);
    // Not optimised and not alone on the machine, so the limits are wide; the bench has the figures.
    let timed = |path: &str| {
        stage.get(path);
        let best = (0..5).map(|_| {
            let began = Instant::now();
            stage.request("GET", path, &[], "");
            began.elapsed()
        });
        best.min().expect("five")
    };
    let (tasks, stats) = (timed("/api/tasks"), timed("/api/stats"));
    assert!(tasks.as_millis() < 300 && stats.as_millis() < 100, "{tasks:?} {stats:?}");
    let first = stage.request("GET", "/api/tasks", &[], "");
    let tag = first.header("etag").expect("a tag").to_owned();
    let again = stage.request("GET", "/api/tasks", &[("if-none-match", &tag)], "");
    assert_eq!((again.status, again.body().len()), (304, 0));
    let follower = stage.follow();
    for n in 0..10 {
        let name = format!("many-{n}.yaml");
        let began = Instant::now();
        stage.rename(&format!("assigned/many-{n}/{name}"), &format!("done/many-{n}/{name}"));
        assert_eq!(follower.names_of(&format!("many-{n}"), 1), ["task.completed"]);
        assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
    }
    let changed = stage.request("GET", "/api/tasks", &[("if-none-match", &tag)], "");
    assert_eq!(changed.status, 200);
}

//! Edits change the lines they mean and no other.

use proptest::prelude::*;

use super::{provided, raw};
use crate::task::{Edit, EditError, NewValue, Task, apply, reapply};
use crate::time::UnixMs;

const NOW: UnixMs = UnixMs(1_770_669_300_000);

fn edited(text: &str, edit: Edit) -> String {
    apply(text.as_bytes(), &[edit]).unwrap_or_else(|error| panic!("{text:?}: {error}")).text
}

fn refused(text: &str, edit: Edit) -> EditError {
    apply(text.as_bytes(), &[edit]).map(|a| panic!("{text:?} became {:?}", a.text)).unwrap_err()
}

/// The edit changed or added exactly one line; all others are the same bytes.
fn one_line(path: &str, old: &str, new: &str) {
    // A last line without an end gets one when a line follows it; that changes no word of it.
    let split =
        |text: &str| text.split('\n').map(|l| l.trim_end_matches('\r').to_owned()).collect::<Vec<_>>();
    let (a, b) = (split(old), split(new));
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (a.len() - head - tail, b.len() - head - tail);
    assert!(gone <= 1 && come == 1, "{path}: {gone} lines became {come}");
    assert_eq!(old.ends_with('\n'), new.ends_with('\n'), "{path}");
    if old.contains("\r\n") {
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{path} keeps CRLF");
    }
}

#[test]
fn each_provided_file_changes_in_one_line() {
    let Some(files) = provided() else { return };
    let mut done = 0;
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        if !task.is_readable() {
            assert!(matches!(apply(bytes, &[Edit::text("priority", "low")]), Err(EditError::Unreadable(_))));
            continue;
        }
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        for (key, value) in [
            ("priority", NewValue::Text("critical-x".to_owned())),
            ("status", NewValue::Text("in_progress-x".to_owned())),
            ("started_at", NewValue::Time(NOW)),
            ("note_of_ours", NewValue::Text("a: b".to_owned())),
            ("count_of_ours", NewValue::Word("3".to_owned())),
        ] {
            let applied = apply(bytes, &[Edit::set(key, value.clone())]);
            let applied = applied.unwrap_or_else(|error| panic!("{path}: {key}: {error}"));
            one_line(path, text, &applied.text);
            assert_eq!(applied.lines.len(), 1, "{path} {:?}", applied.lines);
            let again = raw(path, applied.text.as_bytes());
            assert_eq!(
                Task::new(&again).get(key).and_then(|node| node.text().map(str::to_owned)),
                value.text()
            );
        }
        done += 1;
    }
    assert_eq!(done, 117);
}

#[test]
fn each_provided_file_takes_a_result_and_an_error() {
    let Some(files) = provided() else { return };
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        if !task.is_readable() || Task::new(&task).get("result").is_some() {
            continue;
        }
        let edits = [
            Edit::set(
                "result",
                NewValue::Map(vec![
                    ("summary".to_owned(), NewValue::Text("Two\nlines: here".to_owned())),
                    ("artefacts".to_owned(), NewValue::List(vec!["a.rs".to_owned(), "b: c".to_owned()])),
                ]),
            ),
            Edit::inner("result", "extra", NewValue::Text("x".to_owned())),
            Edit::Extend {
                path: vec!["result".to_owned(), "artefacts".to_owned()],
                items: vec!["c.rs".to_owned()],
            },
            Edit::inner("error", "message", NewValue::Text("boom #1".to_owned())),
            Edit::Append { key: "notes".to_owned(), text: "- a note".to_owned() },
        ];
        // Notes that are a list or mapping are no text to add to.
        let edits = if Task::new(&task).get("notes").is_some_and(|n| n.text().is_none()) {
            &edits[..4]
        } else {
            &edits[..]
        };
        let applied = apply(bytes, edits).unwrap_or_else(|error| panic!("{path}: {error}"));
        let again = raw(path, applied.text.as_bytes());
        let view = Task::new(&again);
        assert_eq!(view.result_summary().as_deref(), Some("Two\nlines: here"), "{path}");
        assert_eq!(view.result_artefacts(), ["a.rs", "b: c", "c.rs"], "{path}");
        assert_eq!(view.error_message().as_deref(), Some("boom #1"));
    }
}

#[test]
fn lines_change_as_a_person_would_write_them() {
    for (before, edit, after) in [
        ("status: new\n", Edit::text("status", "done"), "status: done\n"),
        ("status: 'new'  # why\n", Edit::text("status", "done"), "status: 'done'  # why\n"),
        ("status: \"new\"\r\nx: 1\r\n", Edit::text("status", "done"), "status: \"done\"\r\nx: 1\r\n"),
        ("status:\nx: 1\n", Edit::text("status", "done"), "status: done\nx: 1\n"),
        ("status: ~\n", Edit::text("status", "done"), "status: done\n"),
        ("status: # none\n", Edit::text("status", "done"), "status: done # none\n"),
        ("\u{feff}status: new", Edit::text("status", "done"), "\u{feff}status: done"),
        ("{id: x, status: new}\n", Edit::text("status", "a, b"), "{id: x, status: 'a, b'}\n"),
        (
            "id: x\nagent: y\nstatus: new\n",
            Edit::text("priority", "low"),
            "id: x\nagent: y\nstatus: new\npriority: low\n",
        ),
        (
            "agent: y\n\n# text\nstatus: new\n",
            Edit::text("priority", "low"),
            "agent: y\n\n# text\nstatus: new\npriority: low\n",
        ),
        ("id: x\nstatus: new", Edit::text("priority", "low"), "id: x\nstatus: new\npriority: low"),
        ("agent: y\n\n\nend: 1\n", Edit::text("status", "new"), "agent: y\nstatus: new\n\n\nend: 1\n"),
        ("a: 1\n\n# the end\n", Edit::text("zz", "yes"), "a: 1\nzz: 'yes'\n\n# the end\n"),
        ("a: \"1\"\n", Edit::text("zz", "12"), "a: \"1\"\nzz: \"12\"\n"),
        ("a: 1\n...\n", Edit::text("zz", "b"), "a: 1\nzz: b\n...\n"),
        ("a: |+\n  x\n\n\n", Edit::text("zz", "b"), "a: |+\n  x\n\n\nzz: b\n"),
        ("---\na: 1\n---\n# Text\n", Edit::text("zz", "b"), "---\na: 1\nzz: b\n---\n# Text\n"),
        (
            "created_at: \"2026-02-09T20:35:00Z\"\n",
            Edit::time("assigned_at", NOW),
            "created_at: \"2026-02-09T20:35:00Z\"\nassigned_at: \"2026-02-09T20:35:00Z\"\n",
        ),
        (
            "created: 2026-02-09 20:35:00+00:00\n",
            Edit::time("x_at", NOW),
            "created: 2026-02-09 20:35:00+00:00\nx_at: 2026-02-09T20:35:00Z\n",
        ),
        ("a: 1\n", Edit::time("x_at", NOW), "a: 1\nx_at: '2026-02-09T20:35:00Z'\n"),
        ("h: 3\n", Edit::set("h", NewValue::Word("4.5".into())), "h: 4.5\n"),
        ("h: 3\n", Edit::text("h", "4"), "h: '4'\n"),
        (
            "r:\n    s: a\nz: 1\n",
            Edit::inner("r", "t", NewValue::Text("b".into())),
            "r:\n    s: a\n    t: b\nz: 1\n",
        ),
        (
            "l:\n- a\n- b\nz: 1\n",
            Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] },
            "l:\n- a\n- b\n- c\nz: 1\n",
        ),
        (
            "l: [a]\nz: 1\n",
            Edit::Extend { path: vec!["l".into()], items: vec!["c, d".into()] },
            "l: [a, 'c, d']\nz: 1\n",
        ),
        ("l: []\n", Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] }, "l: [c]\n"),
        ("l:\nz: 1\n", Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] }, "l:\n  - c\nz: 1\n"),
        ("x:\n- a\n", Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] }, "x:\n- a\nl:\n- c\n"),
        (
            "notes: |\n   one\n\nz: 1\n",
            Edit::Append { key: "notes".into(), text: "two".into() },
            "notes: |\n   one\n   two\n\nz: 1\n",
        ),
        (
            "notes: one\nz: 1\n",
            Edit::Append { key: "notes".into(), text: "two".into() },
            "notes: |-\n  one\n  two\nz: 1\n",
        ),
        ("z: 1\n", Edit::Append { key: "notes".into(), text: "two".into() }, "z: 1\nnotes: |-\n  two\n"),
        ("d: |\n  long\n  text\nz: 1\n", Edit::text("d", "short"), "d: short\nz: 1\n"),
    ] {
        assert_eq!(edited(before, edit), after, "{before:?}");
    }
}

#[test]
fn what_is_not_safe_is_refused() {
    for (text, edit) in [
        ("status: a\nstatus: b\n", Edit::text("status", "c")),
        ("status: &x a\ny: *x\n", Edit::text("status", "c")),
        ("y: &x a\nstatus: *x\n", Edit::text("status", "c")),
        ("status: !!str a\n", Edit::text("status", "c")),
        ("{a: 1}\n", Edit::text("status", "c")),
        ("id: a\n", Edit::text("id", "c")),
        ("r: text\n", Edit::inner("r", "s", NewValue::Text("x".into()))),
        ("l: text\n", Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] }),
        ("notes: [a]\n", Edit::Append { key: "notes".into(), text: "x".into() }),
    ] {
        let error = refused(text, edit);
        assert!(
            matches!(error, EditError::NotSafe { .. }) && error.code() == "edit_not_safe",
            "{text:?}: {error}"
        );
    }
    let merge = "id: a\n<<<<<<< HEAD\nx: 1\n=======\nx: 2\n>>>>>>> main\n";
    assert!(matches!(refused(merge, Edit::text("status", "c")), EditError::Unreadable(_)));
    assert!(matches!(refused("- a\n", Edit::text("status", "c")), EditError::Unreadable(_)));
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let text = "priority: 'high'\n";
    let applied = apply(text.as_bytes(), &[Edit::text("priority", "high")]).expect("edited");
    assert_eq!((applied.text.as_str(), applied.lines.len()), (text, 0));
}

#[test]
fn edits_meet_on_different_lines_and_conflict_on_the_same() {
    let base = "id: a\nstatus: new\npriority: low\n";
    let theirs = "id: a\nstatus: new\npriority: high\n# note\n";
    let ours = [Edit::text("status", "done"), Edit::text("batch", "b")];
    let merged = reapply(base.as_bytes(), theirs.as_bytes(), &ours).expect("merged");
    assert_eq!(merged.text, "id: a\nstatus: done\npriority: high\nbatch: b\n# note\n");
    let error =
        reapply(base.as_bytes(), theirs.as_bytes(), &[Edit::text("priority", "critical")]).unwrap_err();
    assert_eq!(
        error,
        EditError::Conflict { key: "priority".into(), theirs: "high".into(), ours: "critical".into() }
    );
    let same =
        reapply(base.as_bytes(), theirs.as_bytes(), &[Edit::text("priority", "high")]).expect("as wanted");
    assert_eq!(same.text, theirs);
    let gone = reapply(base.as_bytes(), b"id: a\n", &[Edit::text("status", "done")]).unwrap_err();
    assert!(matches!(gone, EditError::Conflict { theirs, .. } if theirs == "absent"));
    let lists = reapply(
        b"l: [a]\n",
        b"l: [a, b]\n",
        &[Edit::Extend { path: vec!["l".into()], items: vec!["c".into()] }],
    );
    assert_eq!(lists.expect("grown").text, "l: [a, b, c]\n");
}

/// Texts of all sorts as values.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,30}",
        "[a-z:#\\-&*!|>'\"%@`{}\\[\\],?\\\\ ]{0,16}",
        "[ \\n\\ta-z:#é\u{2028}-]{0,20}",
        prop_oneof![
            Just("yes"),
            Just("null"),
            Just("12:30"),
            Just("1e5"),
            Just("~"),
            Just("<<"),
            Just("---"),
            Just("")
        ]
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    /// Whatever is written is found again by a reader, or refused; nothing else changes.
    #[test]
    fn any_text_can_be_a_value(text in value(), key in "[a-z_]{1,8}", which in 0..6_usize) {
        let file = [
            "id: a\ntitle: \"T\"\nstatus: new\n",
            "id: a\nstatus: new",
            "id: a\r\nstatus: 'new' # c\r\nlist:\r\n  - x\r\n",
            "---\nid: a\nstatus: |\n  new\n---\nText\n",
            "# c\nid: a\n\nstatus: \"new\"\nr:\n   s: 1\n\n# end\n",
            "id: a\nx: {y: 1}\nstatus:\n",
        ][which];
        for edit in [Edit::text("status", text.clone()), Edit::text(&key, text.clone()), Edit::inner("r", &key, NewValue::Text(text.clone()))] {
            if key == "id" { continue; }
            match apply(file.as_bytes(), std::slice::from_ref(&edit)) {
                Ok(applied) => {
                    let task = raw("inbox/a.yaml", applied.text.as_bytes());
                    let root = task.node().expect("readable");
                    let found = edit.path().iter().try_fold(root, |node, key| node.entry(key).map(|e| &e.value)).expect("there");
                    prop_assert_eq!(found.text().unwrap_or_default(), text.as_str());
                }
                Err(error) => prop_assert_eq!(error.code(), "edit_not_safe"),
            }
        }
    }

    #[test]
    fn no_file_makes_an_edit_panic(text in "[ \\n\\ra-c:\\[\\]{}&*|>'\"#,!<~?%@é-]{0,80}") {
        for edit in [
            Edit::text("a", "x"), Edit::time("b", NOW), Edit::inner("c", "a", NewValue::List(vec!["x".into()])),
            Edit::Extend { path: vec!["a".into()], items: vec!["y".into()] }, Edit::Append { key: "b".into(), text: "z".into() },
        ] {
            let _ = apply(text.as_bytes(), &[edit]);
        }
    }
}

//! Files that editors, merges and enemies make.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::raw;
use crate::task::{Body, Card, MAX_CARD_BYTES, Origin, ProblemKind, State, Task};

const PLACE: &str = "assigned/dev/2026-01-01T0000-dev-x.yaml";

fn kinds(bytes: &[u8]) -> Vec<ProblemKind> {
    let task = raw(PLACE, bytes);
    let mut kinds: Vec<_> = Task::new(&task).problems().iter().map(|problem| problem.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// A well formed file with one line more.
fn with(line: &str) -> String {
    format!("id: 2026-01-01T0000-dev-x\ntitle: X\nagent: dev\nstatus: assigned\n{line}\n")
}

#[test]
fn what_makes_a_file_unreadable_has_a_name() {
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let _ = writeln!(text, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
        }
        text
    };
    let deep_flow = "a: ".to_owned() + &"[".repeat(10_000);
    let deep_block = "- ".repeat(10_000);
    let deep_keys: String = (0..200).map(|n| " ".repeat(n) + "k:\n").collect();
    let long = vec![b'a'; 10 * 1024 * 1024];
    let many = "a: 1\n".repeat(100_000);
    for (name, bytes, want) in [
        ("empty", &b""[..], ProblemKind::Empty),
        ("only comments", b"# nothing\n\n# here\n", ProblemKind::Empty),
        ("null", b"~\n", ProblemKind::Empty),
        ("only a mark", b"---\n", ProblemKind::Empty),
        ("only a byte order mark", b"\xef\xbb\xbf", ProblemKind::Empty),
        ("list", b"- a\n- b\n", ProblemKind::NotAMapping),
        ("text", b"hello there\n", ProblemKind::NotAMapping),
        ("two documents", b"id: a\n---\nid: b\n", ProblemKind::Syntax),
        ("tabs", b"a:\n\tb: 1\n", ProblemKind::Syntax),
        ("Latin 1", b"title: caf\xe9\n", ProblemKind::NotUtf8),
        ("UTF-16", b"\xff\xfei\0d\0", ProblemKind::NotUtf8),
        (
            "conflict",
            b"id: a\n<<<<<<< HEAD\nx: 1\n=======\nx: 2\n>>>>>>> main\n",
            ProblemKind::ConflictMarkers,
        ),
        ("text after a quote", b"a: \"x\" y\n", ProblemKind::Syntax),
        ("numbers in a mapping", b"a:\n  b: 1\n  1. first\n  2. second\n", ProblemKind::Syntax),
        ("alias of nothing", b"a: *b\n", ProblemKind::Syntax),
        ("alias of itself", b"a: &a [*a]\n", ProblemKind::Syntax),
        ("bomb", bomb.as_bytes(), ProblemKind::AliasBomb),
        ("10,000 brackets", deep_flow.as_bytes(), ProblemKind::TooDeep),
        ("10,000 dashes", deep_block.as_bytes(), ProblemKind::TooDeep),
        ("200 levels", deep_keys.as_bytes(), ProblemKind::TooDeep),
        ("10 MB", &long, ProblemKind::TooLarge),
        ("100,000 keys", many.as_bytes(), ProblemKind::TooLarge),
        ("NUL", b"id: a\0b\n", ProblemKind::Syntax),
        (
            "open front matter",
            b"---\nid: a\nstatus: new\n# Title\n\ntext: *here*\n- x\n",
            ProblemKind::Syntax,
        ),
    ] {
        let begun = Instant::now();
        let body = Body::read(bytes);
        let took = begun.elapsed();
        let Body::Unreadable { problem, .. } = &body else { panic!("{name} is read: {body:?}") };
        assert_eq!(problem.kind, want, "{name}: {problem:?}");
        assert!(problem.kind.is_fatal() && !problem.kind.remedy().is_empty());
        assert!(took < Duration::from_secs(2), "{name} took {took:?}");
    }
}

#[test]
fn a_place_is_given_where_there_is_one() {
    for (text, line, column) in [
        ("a: 1\nb: \"x\" y\n", 2, 8),
        ("a: 1\nc:\n\td: 1\n", 3, 1),
        ("id: a\n\n<<<<<<< HEAD\n=======\n>>>>>>> b\n", 3, 1),
    ] {
        let Body::Unreadable { problem, .. } = Body::read(text.as_bytes()) else { panic!("{text} is read") };
        assert_eq!(
            (problem.line, problem.column.is_some()),
            (Some(line), true),
            "{text}: {problem:?} {column}"
        );
    }
}

#[test]
fn odd_files_are_read() {
    for (name, text, want) in [
        ("well formed", with(""), &[][..]),
        ("byte order mark", format!("\u{feff}{}", with("")), &[]),
        ("CRLF", with("").replace('\n', "\r\n"), &[]),
        ("no final newline", with("").trim_end().to_owned(), &[]),
        ("leading mark", format!("---\n{}", with("")), &[]),
        ("comment, then a mark", format!("# note\n---\n{}", with("")), &[]),
        (".nan", with("n: .nan"), &[]),
        ("a date as a key", with("2026-01-01: x"), &[]),
        ("a list as a key", with("? [a, b]\n: x"), &[]),
        ("a tag", with("s: !secret x"), &[]),
        ("binary", with("b: !!binary aGVsbG8="), &[]),
        ("a long line", with(&format!("l: {}", "x".repeat(200_000))), &[]),
        ("a key twice", with("status: blocked"), &[ProblemKind::DuplicateKey]),
        ("a key twice inside", with("m:\n  a: 1\n  a: 2"), &[ProblemKind::DuplicateKey]),
        (
            "front matter",
            format!("---\n{}---\n\n# Head\n\ntext: *x*\n", with("")),
            &[ProblemKind::FrontMatter],
        ),
        ("unknown priority", with("priority: medium-high"), &[ProblemKind::UnknownPriority]),
        ("number as priority", with("priority: 3"), &[ProblemKind::UnknownPriority]),
        ("bool as priority", with("priority: true"), &[ProblemKind::UnknownPriority]),
        ("bad time", with("created_at: soon"), &[ProblemKind::BadTimestamp]),
        ("unquoted time", with("created: 2026-02-09 20:35:00+00:00"), &[]),
    ] {
        assert_eq!(kinds(text.as_bytes()), want, "{name}");
        let task = raw(PLACE, text.as_bytes());
        let view = Task::new(&task);
        assert_eq!(view.id().from, Origin::Key("id"), "{name}");
        let json = task.node().expect(name).to_json();
        assert_eq!(json["title"], "X", "{name}");
    }
}

#[test]
fn json_is_total() {
    let text = "a: .nan\nb: -.inf\n2026-01-01: d\n? [x, {y: 1}]\n: l\nt: !x {k: v}\nn: ~\ni: 18446744073709551616\n5: five\n";
    let json = raw(PLACE, text.as_bytes()).node().expect("read").to_json();
    assert_eq!(json["a"], ".nan");
    assert_eq!(json["b"], "-.inf");
    assert_eq!(json["2026-01-01"], "d");
    assert_eq!(json[r#"["x",{"y":1}]"#], "l");
    assert_eq!(json["t"]["k"], "v");
    assert!(json["n"].is_null());
    assert!(json["i"].is_number());
    assert_eq!(json["5"], "five");
}

#[test]
fn old_dialects_are_understood() {
    let task = raw(
        "done/dev/2025-01-01T0000-dev-old.yaml",
        b"task_id: old-1\nfrom_agent: a\nto_agent: dev\nstatus: COMPLETE\nPriority: x\n",
    );
    let view = Task::new(&task);
    assert_eq!((view.id().value, view.id().from), ("old-1", Origin::Key("task_id")));
    assert_eq!(view.agent().map(|agent| agent.value), Some("dev"));
    assert_eq!((view.state(), view.drift()), (State::Done, false));
    assert_eq!((view.title().value.as_str(), view.title().from), ("dev old", Origin::Name));
}

#[test]
fn hostile_ids_are_refused_and_names_stand_for_them() {
    for id in ["\"a\\nb\"", "\"\"", "' '", "[a]", &"x".repeat(201)] {
        let task = raw(PLACE, format!("id: {id}\n").as_bytes());
        assert_eq!(Task::new(&task).id().value, "2026-01-01T0000-dev-x", "{id}");
    }
    let task = raw(PLACE, b"id: ../../x\n");
    assert_eq!(Task::new(&task).id().value, "../../x", "an id is text; nobody makes a path of it");
}

#[test]
fn accessors_read_every_type_that_was_seen() {
    let text = "batch: 1.10\nestimated_hours: 1-2\ncontext: |\n  # Head\n  text\nacceptance_criteria:\n  one: first\n\
        \x20 two: second\ndependencies:\n- 2025-01-01T0000-a-b\n- 'Task 12: later'\n- type: hard\n  task_id: x-1\n  \
        description: why\nresult:\n  summary: |\n    Did it.\n  artifacts: [a, b]\n  next_agent: zoe\n\
        requirements: {a: [1, 2]}\nerror: boom\nartifacts:\n- p: q\n";
    let task = raw(PLACE, text.as_bytes());
    let view = Task::new(&task);
    assert_eq!(view.batch(), Some("1.10"));
    assert_eq!(view.estimate().map(|e| (e.text, e.minutes)), Some(("1-2".to_owned(), None)));
    assert_eq!(view.markdown("context").as_deref(), Some("# Head\ntext"));
    assert_eq!(view.acceptance_criteria(), ["one: first", "two: second"]);
    let deps = view.dependencies();
    assert_eq!(
        deps.iter().map(|d| d.id.as_deref()).collect::<Vec<_>>(),
        [Some("2025-01-01T0000-a-b"), None, Some("x-1")]
    );
    assert_eq!((deps[2].kind.as_deref(), deps[2].text.as_str()), (Some("hard"), "why"));
    assert_eq!(view.result_summary().as_deref(), Some("Did it."));
    assert_eq!(view.result_artefacts(), ["a", "b"]);
    assert_eq!(view.next_agent(), Some("zoe"));
    assert_eq!(view.markdown("requirements").as_deref(), Some("- a:\n  - 1\n  - 2"));
    assert_eq!(view.error_message().as_deref(), Some("boom"));
    assert_eq!(view.artefacts(), ["p: q"]);
    let ten = raw(PLACE, b"estimated_effort_hours: 2.5\n");
    assert_eq!(Task::new(&ten).estimate().and_then(|e| e.minutes), Some(150));
}

#[test]
fn salvage_is_what_stands_before_the_error() {
    let text = "id: 'a: b'\ntitle: \"Some, title\" # note\nagent: dev\nx: \"y\" z\nstatus: new\n";
    let Body::Unreadable { salvage, .. } = Body::read(text.as_bytes()) else { panic!("it is read") };
    assert_eq!(salvage.id.as_deref(), Some("a: b"));
    assert_eq!(salvage.title.as_deref(), Some("Some, title"));
    assert_eq!((salvage.agent.as_deref(), salvage.status), (Some("dev"), None));
}

#[test]
fn the_largest_card_is_small() {
    let wide = "\\\"é\u{1f980}<script>".repeat(400);
    let list = vec![format!("'{}'", "é".repeat(300)); 30].join(", ");
    let text = format!(
        "id: '{}'\ntitle: '{wide}'\nagent: '{wide}'\nstatus: '{wide}'\npriority: '{wide}'\nbatch: '{wide}'\n\
         tags: [{list}]\ndependencies: [{list}]\ndescription: '{wide}'\ncreated_at: x\nblocked_reason: '{wide}'\n",
        "\\".repeat(200)
    );
    for text in [text.clone(), text.replace(&format!("status: '{wide}'"), "status: blocked")] {
        let task = raw(PLACE, text.as_bytes());
        assert!(task.is_readable(), "{:?}", task.body.problems());
        let mut card = Card::of(Task::new(&task), true);
        card.cost_nano_usd = Some(i64::MAX);
        card.operations = 1;
        let json = serde_json::to_string(&card).expect("serialises");
        assert!(json.len() <= MAX_CARD_BYTES, "{}: {json}", json.len());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let task = raw(PLACE, &bytes);
        let _ = Card::of(Task::new(&task), false);
    }

    #[test]
    fn no_text_panics(text in "[ \\n\\ra-c:\\[\\]{}&*|>'\"#,!<~?%@\\té-]{0,120}") {
        let task = raw(PLACE, text.as_bytes());
        let view = Task::new(&task);
        let _ = (Card::of(view, false), view.problems(), view.dependencies(), view.preview());
        if let Some(node) = task.node() {
            let _ = (node.to_json(), node.to_markdown());
        }
    }
}

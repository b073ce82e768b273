//! Removing keys, and sections of files that are no tasks: what is added can be taken away again without a trace.

use proptest::prelude::*;

use crate::task::{Edit, EditError, NewValue, append_section, apply};

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn removed(text: &str, keys: &[&str]) -> Result<String, EditError> {
    apply(text.as_bytes(), &[Edit::Remove { path: path(keys) }]).map(|done| done.text)
}

fn server() -> NewValue {
    NewValue::Map(vec![
        ("command".to_owned(), NewValue::List(vec!["npx".to_owned(), "-y".to_owned()])),
        ("env".to_owned(), NewValue::Map(vec![("A".to_owned(), NewValue::Text("${A}".to_owned()))])),
    ])
}

const WRITTEN: &str = "  x:\n    command:\n      - npx\n      - '-y'\n    env:\n      A: ${A}\n";

#[test]
fn an_entry_goes_with_its_lines_and_its_comment() {
    for (before, keys, after) in [
        ("a: 1\nb: 2\nc: 3\n", &["b"][..], "a: 1\nc: 3\n"),
        ("a: 1\n# of b\nb: 2\n# of c\nc: 3\n", &["b"], "a: 1\n# of c\nc: 3\n"),
        ("a: 1\n\nb:\n  x: 2\n\nc: 3\n", &["b"], "a: 1\n\nc: 3\n"),
        ("s:\n  a: 1\n  # of b\n  b:\n    c: |\n      text\n", &["s", "b"], "s:\n  a: 1\n"),
        ("k: 1\ns:\n  b: 2\n", &["s", "b"], "k: 1\n"),
        ("k: 1\n\ns:\n  b: 2\n\n# end\n", &["s", "b"], "k: 1\n\n# end\n"),
        ("k: 1\ns: # mine\n  b: 2\n", &["s", "b"], "k: 1\ns: # mine\n"),
        ("k: 1\ns:\n  # others\n\n  b: 2\n", &["s", "b"], "k: 1\ns:\n  # others\n"),
        ("s:\n  b: 2\n", &["s", "b"], ""),
        ("# top\n\ns:\n  b: 2\n", &["s", "b"], "# top\n"),
        ("a: 1\r\nb: 2\r\n", &["b"], "a: 1\r\n"),
        ("a: 1\nb: 2", &["b"], "a: 1"),
        ("a: 1\r\nb: 2", &["b"], "a: 1"),
        ("a: |+\n  x\n\n\nb: 2\nc: 3\n", &["b"], "a: |+\n  x\n\n\nc: 3\n"),
    ] {
        assert_eq!(removed(before, keys).as_deref(), Ok(after), "{before:?}");
    }
}

#[test]
fn what_cannot_go_alone_stays() {
    for (text, keys) in [
        ("a: 1\n", &["b"][..]),
        ("s: {a: 1, b: 2}\n", &["s", "a"]),
        ("a: &x 1\nb: *x\n", &["a"]),
        ("a: 1\na: 2\n", &["a"]),
        ("a: 1\n", &["a", "b"]),
    ] {
        assert!(matches!(removed(text, keys), Err(EditError::NotSafe { .. })), "{text:?}");
    }
}

#[test]
fn a_mapping_that_said_nothing_is_opened() {
    for (before, after) in [
        ("s:\nb: 1\n", format!("s:\n{WRITTEN}b: 1\n")),
        ("s: {}\n", format!("s:\n{WRITTEN}")),
        ("s: {} # none\n", format!("s: # none\n{WRITTEN}")),
        ("s: ~\n", format!("s:\n{WRITTEN}")),
        ("s:\n  # y: 1\nb: 1\n", format!("s:\n{WRITTEN}  # y: 1\nb: 1\n")),
        ("s:", format!("s:\n{}", WRITTEN.trim_end())),
    ] {
        let edit = Edit::Set { path: path(&["s", "x"]), value: server() };
        let done = apply(before.as_bytes(), &[edit]).unwrap_or_else(|error| panic!("{before:?}: {error}"));
        assert_eq!(done.text, after, "{before:?}");
    }
}

#[test]
fn sections_are_appended_to_anything_that_is_no_mistake() {
    let add = |text: &str| append_section(text, &path(&["s", "x"]), &server());
    for (before, after) in [
        ("", format!("s:\n{WRITTEN}")),
        ("# c\n", format!("# c\n\ns:\n{WRITTEN}")),
        ("a: 1", format!("a: 1\n\ns:\n{}", WRITTEN.trim_end())),
        ("a: 1\n# end\n", format!("a: 1\n# end\n\ns:\n{WRITTEN}")),
        ("\u{feff}", format!("\u{feff}s:\n{WRITTEN}")),
        ("a: 1\n...\n", format!("a: 1\n\ns:\n{WRITTEN}...\n")),
    ] {
        assert_eq!(add(before).as_deref(), Ok(after.as_str()), "{before:?}");
    }
    assert!(add("# c\r\n").is_ok_and(|text| text.matches('\n').count() == text.matches("\r\n").count()));
    assert!(add("s: 1\n").is_err() && add("- a\n").is_err() && add("a: [\n").is_err());
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("# a comment".to_owned()),
        "[a-c]: [a-z0-9]{1,4}",
        Just("d:\n  e: 1\n\n  # inner\n  f: [1, 2]".to_owned()),
        Just("t: |\n  text\n\n  more".to_owned()),
        Just("u: |+\n  text\n\n".to_owned()),
        Just("v: \"quoted # text\"  # why".to_owned()),
        Just("s:\n  old:\n    command: [a]\n    # deep\n\n  # tail\n  older: {url: 'http://x'}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_added_and_removed_leaves_the_same_bytes(
        lines in prop::collection::vec(line(), 0..7),
        end in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let mut text = lines.join("\n");
        if end && !text.is_empty() {
            text.push('\n');
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let edit = Edit::Set { path: path(&["s", "x"]), value: server() };
        let added = if lines.iter().any(|line| line.starts_with("s:")) {
            apply(text.as_bytes(), &[edit]).map(|done| done.text)
        } else {
            append_section(&text, &path(&["s", "x"]), &server())
        };
        // A key that stands twice cannot be edited.
        let Ok(added) = added else { return Ok(()) };
        prop_assert!(added != text);
        let back = removed(&added, &["s", "x"]).map_err(|error| TestCaseError::fail(format!("{added:?}: {error}")))?;
        prop_assert_eq!(back, text, "{:?}", added);
    }
}

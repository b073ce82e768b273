//! How a value is written so that every reader of YAML takes it for the same text.

use crate::task::node::{Scalar, Style};

/// Writes a text on one line. `wanted` is the style its neighbours have; plain gives way where it is not safe.
pub(super) fn one_line(text: &str, wanted: Style, fallback: Style, flow: bool) -> String {
    match wanted {
        Style::Plain if is_plain_safe(text, flow) => text.to_owned(),
        Style::Plain | Style::Literal | Style::Folded => quoted(text, fallback),
        Style::Single | Style::Double => quoted(text, wanted),
    }
}

fn quoted(text: &str, style: Style) -> String {
    let printable = !text.chars().any(|c| c.is_control() || is_break(c));
    if style == Style::Double || !printable {
        double(text)
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn double(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_break(c) => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Characters that some reader takes for a line end or drops.
fn is_break(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Readers of YAML 1.1 and 1.2 take it for the same text without quotes.
pub(super) fn is_plain_safe(text: &str, flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let ends = text.ends_with([':', ' ']) || first == ' ';
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=", "---", "..."];
    let like_number = (first.is_ascii_digit() || "+-.".contains(first))
        && text.chars().all(|c| c.is_ascii_hexdigit() || "_:.,+-xXoTtZz eE".contains(c));
    !ends
        && !like_number
        && !"-?:,[]{}#&*!|>'\"%@`".contains(first)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(|c| c.is_control() || is_break(c))
        && !words.contains(&text.to_ascii_lowercase().as_str())
        && !(flow && text.contains([',', '[', ']', '{', '}', ':']))
}

/// A word that stands for itself without quotes: a number, `true` or `false`.
pub(super) fn is_literal(text: &str) -> bool {
    let node = crate::task::node::Node {
        value: crate::task::node::Value::Scalar { text: text.into(), style: Style::Plain },
        at: crate::task::node::At::default(),
        tag: None,
        shared: false,
    };
    matches!(node.scalar(), Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_)))
        && !text.starts_with(['.', '+'])
        && text.len() <= 40
}

/// Writes a text of several lines as a block below its key; nothing when a block cannot hold it exactly.
/// `indent` is the number of spaces before each line.
pub(super) fn block(text: &str, indent: usize, eol: &str) -> Option<String> {
    let odd = text.chars().any(|c| c != '\n' && (c.is_control() || is_break(c)));
    if odd || text.starts_with([' ', '\n']) || text.ends_with('\n') || text.is_empty() {
        return None;
    }
    let pad = " ".repeat(indent);
    let mut out = "|-".to_owned();
    for line in text.split('\n') {
        out.push_str(eol);
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_only_what_all_readers_agree_on() {
        for good in [
            "high",
            "in_progress",
            "dev",
            "A sentence, with a comma.",
            "2026-02-09T2035-dev-x",
            "a:b",
            "it's",
        ] {
            assert!(is_plain_safe(good, false), "{good}");
        }
        for bad in [
            "",
            "yes",
            "Off",
            "null",
            "12",
            "1e3",
            "0x1F",
            "1_000",
            "12:30",
            "2026-02-09",
            "2026-02-09T20:35:00Z",
            " a",
            "a ",
            "a: b",
            "a #b",
            "- a",
            "*a",
            "&a",
            "'a",
            "a:",
            "@a",
            "%a",
            "a\nb",
            "a\u{2028}b",
            "~",
            "<<",
            "1,000",
            ".5",
        ] {
            assert!(!is_plain_safe(bad, false), "{bad:?}");
        }
        assert!(!is_plain_safe("a, b", true));
    }

    #[test]
    fn literals_are_numbers_and_truth() {
        assert!(["3", "2.5", "-1", "true", "false"].iter().all(|text| is_literal(text)));
        assert!(!["yes", "x", "", "null", "012", ".nan"].iter().any(|text| is_literal(text)));
    }
}

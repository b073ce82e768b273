//! Displays of a configuration: values with their origins, and YAML that can be a file again.
//!
//! Values of environments and headers are never shown, except the references that they are made of.

use std::fmt::Write as _;

use super::diagnostic::{KeyPath, Layer, Origin};
use super::expand;
use super::load::Loaded;
use super::node::{Node, Value};
use super::schema::{self, Kind};

/// Keys below which values are hidden.
const HIDDEN_BELOW: [&str; 3] = ["env_vars", "env", "headers"];

/// One value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// Key path.
    pub path: String,
    /// The value in force, as it may be shown.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What earlier layers said, the latest first.
    pub overridden: Vec<Overridden>,
}

/// A value that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Overridden {
    /// The value, as it may be shown.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Loaded {
    /// Every value at or below a path; a key that nobody set shows its default. Nothing if there is no such key.
    pub fn show(&self, path: &KeyPath) -> Option<Vec<Shown>> {
        let mut shown = Vec::new();
        match self.tree.at_path(&path.0) {
            Some(node) => self.below(node, path, &mut shown),
            None => {
                let default = default_of(path)?;
                let origin =
                    Origin { layer: Layer::Catalogue, name: "default".to_owned(), line: 0, column: 0 };
                shown.push(Shown { path: path.to_string(), value: default, origin, overridden: Vec::new() });
            }
        }
        Some(shown)
    }

    fn below(&self, node: &Node, path: &KeyPath, shown: &mut Vec<Shown>) {
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                for (key, entry) in map {
                    self.below(&entry.node, &path.with(key.as_str()), shown);
                }
            }
            _ => {
                let place = |node: &Node| self.origin(node.at);
                let Some(origin) = place(node) else { return };
                let under = node.under.iter().filter_map(|hidden| {
                    Some(Overridden { value: visible(hidden, path), origin: place(hidden)? })
                });
                let value = visible(node, path);
                shown.push(Shown { path: path.to_string(), value, origin, overridden: under.collect() });
            }
        }
    }
}

fn default_of(path: &KeyPath) -> Option<String> {
    let (last, above) = path.0.split_last()?;
    let keys =
        above.iter().try_fold(Kind::Object(schema::ROOT), |kind, step| schema::step_into(kind, step))?;
    let Kind::Object(keys) = keys else { return None };
    // An entry that nobody defined has no defaults.
    if above.len() >= 2 && matches!(schema::kind_at(&above[..1]), Some(Kind::Table(_))) {
        return None;
    }
    let key = schema::find(keys, last)?;
    Some(if key.default.is_empty() { "(none)".to_owned() } else { key.default.to_owned() })
}

fn is_hidden(path: &KeyPath) -> bool {
    let steps: Vec<&str> = path.0.iter().map(String::as_str).collect();
    let [_, _, key, inside @ ..] = steps.as_slice() else { return false };
    // A file or a command that a secret comes from is none.
    let source = |steps: &[&str]| matches!(steps, ["file"] | ["command", ..]);
    match inside {
        [] => *key == "bearer",
        [_, rest @ ..] if HIDDEN_BELOW.contains(key) => !source(rest),
        rest => *key == "bearer" && !source(rest),
    }
}

/// A scalar as it may be shown.
fn shown_text(text: &str, hidden: bool) -> String {
    if hidden && !expand::only_references(text) { "(hidden)".to_owned() } else { text.to_owned() }
}

/// A value on one line.
fn visible(node: &Node, path: &KeyPath) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar { text, .. } => shown_text(text, is_hidden(path)),
        Value::Seq(items) => {
            let items: Vec<String> =
                items.iter().enumerate().map(|(at, item)| visible(item, &path.item(at))).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, entry)| format!("{key}: {}", visible(&entry.node, &path.with(key.as_str()))))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Writes a tree as YAML; `path` is where it stands, so that what is to be hidden is known.
pub fn to_yaml(node: &Node, path: &KeyPath) -> String {
    let mut text = String::new();
    match &node.value {
        Value::Map(map) if !map.is_empty() => write_node(&mut text, node, path, 0),
        Value::Seq(items) if !items.is_empty() => write_node(&mut text, node, path, 0),
        _ => {
            text.push_str(&inline(node, path));
            text.push('\n');
        }
    }
    text
}

fn write_node(text: &mut String, node: &Node, path: &KeyPath, depth: usize) {
    let indent = "  ".repeat(depth);
    // Writing to a string cannot fail.
    match &node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                let path = path.with(key.as_str());
                let _ = write!(text, "{indent}{}:", scalar(key, false));
                write_value(text, &entry.node, &path, depth);
            }
        }
        Value::Seq(items) => {
            for (at, item) in items.iter().enumerate() {
                let path = path.item(at);
                let _ = write!(text, "{indent}-");
                write_value(text, item, &path, depth);
            }
        }
        _ => {}
    }
}

fn write_value(text: &mut String, node: &Node, path: &KeyPath, depth: usize) {
    let compound = match &node.value {
        Value::Map(map) => !map.is_empty(),
        Value::Seq(items) => !items.is_empty(),
        _ => false,
    };
    if compound {
        text.push('\n');
        write_node(text, node, path, depth + 1);
    } else {
        let _ = writeln!(text, " {}", inline(node, path));
    }
}

fn inline(node: &Node, path: &KeyPath) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar { text, quoted } => scalar(&shown_text(text, is_hidden(path)), *quoted),
        Value::Seq(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A scalar that reads back as the same text.
fn scalar(text: &str, quoted: bool) -> String {
    let plain_start =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '+'));
    let negative = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ' ' | ':' | '@' | '%');
    let safe = (plain_start || negative)
        && text.chars().all(plain)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !matches!(text, "null" | "Null" | "NULL");
    if safe && !quoted {
        return text.to_owned();
    }
    // A JSON string is a YAML string.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn yaml_reads_back() {
        let text = "a:\n  b: 10.00\n  c: \"10\"\n  d: [x, {y: 1}, 'it''s: so', '']\ne: null\nf: {}\n\"g.h\": C:\\x\n";
        let strip = |text: &str| {
            let node = yaml::parse(text, 0).expect(text).expect("some");
            to_yaml(&node, &KeyPath::default())
        };
        let once = strip(text);
        assert_eq!(strip(&once), once);
        assert!(once.contains("b: 10.00") && once.contains("c: \"10\""), "{once}");
    }

    #[test]
    fn environments_show_only_references() {
        assert_eq!(shown_text("${A}:${B}", true), "(hidden)", "the colon is a literal");
        assert_eq!(shown_text("${A}", true), "${A}");
        assert_eq!(shown_text("${A:secret}", true), "(hidden)");
        assert_eq!(shown_text("plain", true), "(hidden)");
        assert_eq!(shown_text("plain", false), "plain");
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(text in "\\PC{0,30}") {
            let line = format!("k: {}\n", scalar(&text, false));
            let node = yaml::parse(&line, 0).expect("valid").expect("some");
            proptest::prop_assert_eq!(node.at_path(&["k"]).and_then(Node::text), Some(text.as_str()));
        }
    }
}

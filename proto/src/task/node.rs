//! The tree of a task file: every key and value in the order of the file, with its place in the bytes.
//!
//! Nothing is thrown away that a reader or an editor may need: keys that stand twice, keys that are no text, tags,
//! the way a scalar was quoted, the source text of numbers. Conversion to JSON always succeeds.

use serde_json::{Map as JsonMap, Value as Json};

/// Where a value stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// First byte.
    pub start: u32,
    /// Byte after the last, as the parser saw it; for blocks it may include what follows.
    pub end: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it is; an alias stands where it is used, its parts where they are written.
    pub at: At,
    /// Its tag, if it has one: `!!str`, `!secret`.
    pub tag: Option<Box<str>>,
    /// It has an anchor, or is an alias: other places depend on it.
    pub shared: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One word, number or text.
    Scalar {
        /// Its text without quotes, numbers as they are written.
        text: Box<str>,
        /// How it is written.
        style: Style,
    },
    /// A list.
    List {
        /// Its items.
        items: Vec<Node>,
        /// Written in brackets.
        flow: bool,
    },
    /// A mapping, in the order of the file, keys that stand twice included.
    Map {
        /// Its entries.
        entries: Vec<Entry>,
        /// Written in braces.
        flow: bool,
    },
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, usually text.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// What a scalar means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`; every other spelling is text.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, `.nan` and `.inf` included.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl Node {
    /// What a scalar means; none for lists and mappings.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        let Value::Scalar { text, style } = &self.value else { return None };
        Some(match self.tag.as_deref() {
            None if *style == Style::Plain => resolve(text),
            Some("!!int" | "!!float" | "!!bool" | "!!null") => resolve(text),
            _ => Scalar::Text(text),
        })
    }

    /// The source text of a scalar that is not null: what accessors show.
    pub fn text(&self) -> Option<&str> {
        match (&self.value, self.scalar()?) {
            (_, Scalar::Null) => None,
            (Value::Scalar { text, .. }, _) => Some(text),
            _ => None,
        }
    }

    /// Nothing is written here.
    pub fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(Scalar::Null))
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List { items, .. } => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, in the order of the file.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// The last entry with this key: where a key stands twice, the last one wins.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().rev().find(|entry| entry.key.text() == Some(key))
    }

    /// The value of a key; nothing if it is absent or null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    /// The tree as JSON. `.nan`, `.inf` and numbers beyond JSON become their text, keys become text, tags go, and
    /// of two equal keys the last wins.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::List { items, .. } => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map { entries, .. } => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.key_text(), entry.value.to_json()))
                    .collect::<JsonMap<_, _>>(),
            ),
            Value::Scalar { text, .. } => match self.scalar() {
                Some(Scalar::Null) => Json::Null,
                Some(Scalar::Bool(flag)) => Json::Bool(flag),
                Some(Scalar::Int(number)) => Json::from(number),
                Some(Scalar::Float(number)) => serde_json::Number::from_f64(number)
                    .map_or_else(|| Json::String(text.to_string()), Json::Number),
                Some(Scalar::Text(_)) | None => Json::String(text.to_string()),
            },
        }
    }

    /// The text a key has in JSON; a list or mapping as key becomes its own JSON text.
    pub fn key_text(&self) -> String {
        match &self.value {
            Value::Scalar { text, .. } => text.to_string(),
            _ => self.to_json().to_string(),
        }
    }

    /// Same meaning, wherever and however it is written.
    pub fn same(&self, other: &Self) -> bool {
        if self.tag != other.tag {
            return false;
        }
        match (&self.value, &other.value) {
            (Value::Scalar { text: a, style: x }, Value::Scalar { text: b, style: y }) => {
                a == b && (x == y || self.scalar() == other.scalar())
            }
            (Value::List { items: a, .. }, Value::List { items: b, .. }) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Map { entries: a, .. }, Value::Map { entries: b, .. }) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| a.key.same(&b.key) && a.value.same(&b.value))
            }
            _ => false,
        }
    }

    /// Text for people: a scalar as it is, a list as lines with `- `, a mapping as `key: value` lines.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        self.write_markdown(0, &mut out);
        out.trim_end().to_owned()
    }

    fn write_markdown(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        match &self.value {
            Value::Scalar { text, .. } => {
                for line in text.lines() {
                    out.push_str(&indent);
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Value::List { items, .. } => {
                for item in items {
                    write_item(&format!("{indent}- "), item, depth, out);
                }
            }
            Value::Map { entries, .. } => {
                for entry in entries {
                    write_item(&format!("{indent}- {}: ", entry.key.key_text()), &entry.value, depth, out);
                }
            }
        }
    }
}

fn write_item(head: &str, value: &Node, depth: usize, out: &mut String) {
    match value.text() {
        Some(text) if !text.trim_end().contains('\n') => {
            out.push_str(head);
            out.push_str(text.trim_end());
            out.push('\n');
        }
        _ => {
            out.push_str(head.trim_end());
            out.push('\n');
            value.write_markdown(depth + 1, out);
        }
    }
}

/// What a plain scalar means by the core rules of YAML 1.2, with only `true` and `false` as truth values.
fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" => return Scalar::Bool(true),
        "false" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if leading_zero || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Scalar::Text(text);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Scalar::Int(number);
    }
    let numeric = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && digits.bytes().any(|b| b.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if numeric => Scalar::Float(number),
        _ => Scalar::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_the_core_rules_say() {
        for (text, want) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("true", Scalar::Bool(true)),
            ("yes", Scalar::Text("yes")),
            ("on", Scalar::Text("on")),
            ("012", Scalar::Text("012")),
            ("1_000", Scalar::Text("1_000")),
            ("12:30:45", Scalar::Text("12:30:45")),
            ("2026-02-09", Scalar::Text("2026-02-09")),
            ("12", Scalar::Int(12)),
            ("-3", Scalar::Int(-3)),
            ("5.1", Scalar::Float(5.1)),
            ("1e3", Scalar::Float(1000.0)),
            ("0", Scalar::Int(0)),
            ("e5", Scalar::Text("e5")),
            (".", Scalar::Text(".")),
            ("1.2.3", Scalar::Text("1.2.3")),
        ] {
            assert_eq!(resolve(text), want, "{text}");
        }
        assert!(matches!(resolve(".nan"), Scalar::Float(n) if n.is_nan()));
    }
}

//! What a file of another program says: a tree in the order of the file, each value with its place.
//!
//! JSON and TOML end here, so that everything behind it knows one form. Values are never shown: a message names a
//! place and a kind, as any text may be a secret.

/// Where something is written, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct At {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A value with its place.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins.
    pub at: At,
}

/// A value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; of a key that stands twice the last is kept.
    Map(Vec<Field>),
}

/// One entry of a mapping.
#[derive(Clone, PartialEq)]
pub struct Field {
    /// Its key.
    pub key: String,
    /// Where the key is written.
    pub at: At,
    /// Its value.
    pub node: Node,
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}", line = at.line, column = at.column)]
pub struct SyntaxError {
    /// Where.
    pub at: At,
    /// What.
    pub message: String,
}

impl SyntaxError {
    /// A mistake at a place.
    pub fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl Node {
    /// The fields of a mapping.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.value {
            Value::Map(fields) => Some(fields),
            _ => None,
        }
    }

    /// The value of a key of a mapping; a null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let field = self.fields()?.iter().find(|field| field.key == key)?;
        (field.node.value != Value::Null).then_some(&field.node)
    }

    /// Its text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a value that an environment variable could have: numbers and truth values as they are written.
    pub fn word(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Places of the bytes of a text, each found quickly however long the text is.
pub(super) struct Places<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        Self { text, lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The place of a byte. Columns far out in a long line count bytes.
    pub(super) fn at(&self, byte: usize) -> At {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= byte).saturating_sub(1);
        let inside = &self.text.as_bytes()[self.lines[line]..byte];
        let column = if inside.len() > 4096 {
            inside.len()
        } else {
            inside.iter().filter(|b| !matches!(b, 0x80..0xc0)).count()
        };
        let number = |from_0: usize| u32::try_from(from_0).unwrap_or(u32::MAX).saturating_add(1);
        At { line: number(line), column: number(column) }
    }
}

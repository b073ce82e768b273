//! The text of a file with its tree: where entries begin and end, line by line.

use crate::task::body::{Body, yaml_range};
use crate::task::checks::is_time_key;
use crate::task::node::{Entry, Node, Style, Value};
use crate::task::stamp::Stamp;

/// A readable file, about to be edited.
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    pub(super) body: Body,
    /// Bytes of the YAML.
    from: usize,
    to: usize,
}

/// A mapping of the file, or the part of it that an entry takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    /// First byte of its first line.
    pub(super) start: usize,
    /// Byte after its last line, blank lines and comments of what follows included.
    pub(super) end: usize,
}

impl<'t> Source<'t> {
    /// Reads a text; nothing if it is no mapping.
    pub(super) fn new(text: &'t str) -> Option<Self> {
        let body = Body::read(text.as_bytes());
        let (from, mut to, _) = yaml_range(text);
        if let Body::Unreadable { .. } = body {
            return None;
        }
        // A document may end with `...`; keys go before it.
        let mut at = from;
        for line in text[from..to].split_inclusive('\n') {
            if line.trim_end() == "..." {
                to = at;
                break;
            }
            at += line.len();
        }
        Some(Self { text, body, from, to })
    }

    pub(super) fn root(&self) -> &Node {
        match &self.body {
            Body::Parsed(node) | Body::FrontMatter { meta: node, .. } => node,
            // `new` lets only readable bodies in; an empty mapping would be refused by every edit.
            Body::Unreadable { .. } => &EMPTY,
        }
    }

    /// The line end that the file uses.
    pub(super) fn eol(&self) -> &'static str {
        match memchr::memchr(b'\n', self.text.as_bytes()) {
            Some(at) if at > 0 && self.text.as_bytes()[at - 1] == b'\r' => "\r\n",
            _ => "\n",
        }
    }

    /// First byte of the line that holds this byte.
    pub(super) fn line_start(&self, byte: usize) -> usize {
        memchr::memrchr(b'\n', &self.text.as_bytes()[..byte]).map_or(self.from, |at| at + 1).max(self.from)
    }

    /// Byte of the end of the line that holds this byte, before its line end.
    pub(super) fn line_end(&self, byte: usize) -> usize {
        let rest = &self.text.as_bytes()[byte..self.to];
        let end = memchr::memchr(b'\n', rest).map_or(self.to, |at| byte + at);
        if self.text.as_bytes()[..end].ends_with(b"\r") && end > byte { end - 1 } else { end }
    }

    /// The whole of the YAML.
    pub(super) fn whole(&self) -> Region {
        Region { start: self.from, end: self.to }
    }

    /// The lines of the `n`th entry of a block mapping that takes `within`.
    pub(super) fn entry_region(&self, entries: &[Entry], n: usize, within: Region) -> Region {
        let start = self.line_start(entries[n].key.at.start as usize);
        let end = entries.get(n + 1).map_or(within.end, |next| self.line_start(next.key.at.start as usize));
        Region { start, end: end.max(start) }
    }

    /// The end of a region without the blank lines and the comments, not deeper than `indent`, that end it.
    pub(super) fn trimmed_end(&self, region: Region, indent: usize) -> usize {
        let mut end = region.end;
        while end > region.start {
            let before = &self.text[region.start..end];
            let body = before.strip_suffix('\n').unwrap_or(before);
            let line = &body[body.rfind('\n').map_or(0, |at| at + 1)..];
            let bare = line.trim();
            let depth = line.len() - line.trim_start().len();
            let passes = bare.is_empty() || bare.starts_with('#') && depth <= indent;
            // The first line is the key itself.
            if !passes || body.len() < line.len() + 1 {
                break;
            }
            end = region.start + body.len() - line.len();
        }
        end
    }

    /// Byte of the colon that follows a key.
    pub(super) fn colon(&self, key: &Node) -> Option<usize> {
        let Value::Scalar { text, style } = &key.value else { return None };
        let start = key.at.start as usize;
        let after = match style {
            Style::Plain => start + text.len(),
            _ => start + quoted_len(&self.text[start..])?,
        };
        let rest = self.text.get(after..)?;
        let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[gap..].starts_with(':').then_some(after + gap)
    }

    /// The bytes of a value that is written on one line; nothing for others. An empty one has none.
    pub(super) fn one_line(&self, entry: &Entry) -> Option<(usize, usize)> {
        let Value::Scalar { text, style } = &entry.value.value else { return None };
        let colon = self.colon(&entry.key)?;
        if *style == Style::Plain && text.is_empty() {
            return Some((colon + 1, colon + 1));
        }
        let start = entry.value.at.start as usize;
        if start <= colon || self.text[colon..start].contains('\n') {
            return None;
        }
        let rest = &self.text[start..self.line_end(start)];
        let len = match style {
            Style::Plain if rest.starts_with(&**text) => text.len(),
            Style::Single | Style::Double => quoted_len(rest)?,
            _ => return None,
        };
        Some((start, start + len))
    }

    /// How the file quotes its times; single quotes where it has none.
    pub(super) fn time_style(&self) -> Style {
        self.entries_of_root()
            .iter()
            .filter(|entry| entry.key.text().is_some_and(is_time_key))
            .find_map(|entry| match &entry.value.value {
                Value::Scalar { text, style: style @ (Style::Plain | Style::Single | Style::Double) }
                    if Stamp::parse(text).is_some() =>
                {
                    Some(*style)
                }
                _ => None,
            })
            .unwrap_or(Style::Single)
    }

    /// The quotes that the file uses where it needs some.
    pub(super) fn quote_style(&self) -> Style {
        self.entries_of_root()
            .iter()
            .find_map(|entry| match &entry.value.value {
                Value::Scalar { style: style @ (Style::Single | Style::Double), .. } => Some(*style),
                _ => None,
            })
            .unwrap_or(Style::Single)
    }

    /// Spaces by which a list stands further in than its key.
    pub(super) fn list_indent(&self) -> usize {
        let found = self.entries_of_root().iter().find_map(|entry| match &entry.value.value {
            Value::List { items, flow: false } => {
                self.dash_indent(items)?.checked_sub(entry.key.at.column.saturating_sub(1) as usize)
            }
            _ => None,
        });
        found.filter(|indent| *indent <= 8).unwrap_or(2)
    }

    /// Spaces before the dashes of a block list.
    pub(super) fn dash_indent(&self, items: &[Node]) -> Option<usize> {
        let line = &self.text[self.line_start(items.first()?.at.start as usize)..];
        let bare = line.trim_start_matches(' ');
        bare.starts_with('-').then_some(line.len() - bare.len())
    }

    /// Spaces by which a mapping or block stands further in than its key.
    pub(super) fn map_indent(&self) -> usize {
        let found = self.entries_of_root().iter().find_map(|entry| match &entry.value.value {
            Value::Map { entries: inner, flow: false } => {
                Some(inner.first()?.key.at.column.saturating_sub(entry.key.at.column) as usize)
            }
            _ => None,
        });
        found.filter(|indent| (1..=8).contains(indent)).unwrap_or(2)
    }

    fn entries_of_root(&self) -> &[Entry] {
        self.root().entries().unwrap_or_default()
    }
}

static EMPTY: Node = Node {
    value: Value::Map { entries: Vec::new(), flow: false },
    at: crate::task::node::At { start: 0, end: 0, line: 1, column: 1 },
    tag: None,
    shared: false,
};

/// Bytes of a quoted scalar on one line, quotes included.
fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.first().filter(|b| matches!(b, b'\'' | b'"'))?;
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => return None,
            b'\\' if quote == b'"' => at += 1,
            b if b == quote => {
                if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') {
                    at += 1;
                } else {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

//! Reads one YAML document into the tree, with places.
//!
//! What a hand-written file should not have is an error with line and column: two documents, a key twice, foreign
//! tags, too much of anything. Aliases and `<<` are read, and count as often as they are used, so that a small
//! file cannot become a large tree.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::node::{Entry, Map, Node, Place, Value};

/// Longest file.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most values in a file, aliases counted as often as they are used.
const MAX_NODES: usize = 100_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Where.
    pub(super) at: Place,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

/// Reads bytes; `None` is an empty document.
///
/// # Errors
/// Not UTF-8, too long, or not one YAML document.
pub(super) fn parse_bytes(bytes: &[u8], source: u16) -> Result<Option<Node>, SyntaxError> {
    let whole = Place { source, line: 0, column: 0 };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is longer than {} MiB", MAX_BYTES / 1024 / 1024);
        return Err(SyntaxError { at: whole, message, hint: None });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text, source),
        Err(error) => {
            let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
            let at = Place { source, line: u32::try_from(line).unwrap_or(u32::MAX - 1) + 1, column: 1 };
            let hint = Some("save the file as UTF-8".to_owned());
            Err(SyntaxError { at, message: "the file is not UTF-8 text".to_owned(), hint })
        }
    }
}

/// Reads a text; `None` is an empty document.
///
/// # Errors
/// Not one YAML document within the limits.
pub(super) fn parse(text: &str, source: u16) -> Result<Option<Node>, SyntaxError> {
    // Editors of some systems begin a file with a byte order mark; it means nothing in UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder { source, ..Builder::default() }.run(text)
}

#[derive(Default)]
struct Builder {
    source: u16,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or mapping that has not ended.
struct Open {
    at: Place,
    anchor: usize,
    first: usize,
    kind: Kind,
}

enum Kind {
    Seq(Vec<Node>),
    Map { entries: Map, key: Option<(String, Place)>, merged: Vec<Node> },
}

impl Builder {
    fn run(mut self, text: &str) -> Result<Option<Node>, SyntaxError> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| self.scan_error(&error, text))?;
            let at = self.place(span.start.line(), span.start.col());
            self.take(event, at)?;
        }
        Ok(self.root.filter(|root| root.value != Value::Null))
    }

    fn place(&self, line: usize, column: usize) -> Place {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { source: self.source, line: small(line), column: small(column).saturating_add(1) }
    }

    fn scan_error(&self, error: &ScanError, text: &str) -> SyntaxError {
        let at = self.place(error.marker().line(), error.marker().col());
        let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        let hint = if indent.contains('\t') {
            Some("YAML does not allow tabs for indentation; use spaces".to_owned())
        } else if line.contains(": ") && line.trim_start().starts_with(['{', '[', '*', '&', '@', '%', '`']) {
            Some("put quotes around the value".to_owned())
        } else {
            None
        };
        SyntaxError { at, message: error.info().to_owned(), hint }
    }

    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return wrong(at, "the file holds more than one document", Some("remove the `---`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = core_tag(tag.as_deref(), at)?;
                let quoted = style != ScalarStyle::Plain || tagged.as_deref() == Some("str");
                let null = !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                // A key is text, `null` and `~` included.
                let value = if null && !self.wants_key() {
                    Value::Null
                } else {
                    Value::Scalar { text: text.into_owned(), quoted }
                };
                self.count(1, at)?;
                self.put(Node::new(value, at), anchor, 1)?;
            }
            Event::SequenceStart(anchor, tag) => {
                core_tag(tag.as_deref(), at)?;
                self.begin(at, anchor, Kind::Seq(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                core_tag(tag.as_deref(), at)?;
                self.begin(at, anchor, Kind::Map { entries: Map::new(), key: None, merged: Vec::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return wrong(at, "an alias inside its own anchor", None);
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, at)?;
                self.put(node, 0, size)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Map { key: None, .. }, .. }))
    }

    fn count(&mut self, nodes: usize, at: Place) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return wrong(at, &format!("the file holds more than {MAX_NODES} values"), None);
        }
        Ok(())
    }

    fn begin(&mut self, at: Place, anchor: usize, kind: Kind) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return wrong(at, &format!("nested deeper than {MAX_DEPTH} levels"), None);
        }
        self.count(1, at)?;
        self.open.push(Open { at, anchor, first: self.nodes, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.kind {
            Kind::Seq(items) => Value::Seq(items),
            Kind::Map { mut entries, merged, .. } => {
                for node in merged {
                    merge_in(&mut entries, node)?;
                }
                Value::Map(entries)
            }
        };
        let size = self.nodes - open.first + 1;
        self.put(Node::new(value, open.at), open.anchor, size)
    }

    fn put(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), SyntaxError> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::Seq(items)) => items.push(node),
            Some(Kind::Map { entries, key, merged }) => match key.take() {
                None => {
                    let Value::Scalar { text, .. } = node.value else {
                        return wrong(node.at, "a key must be one word or text", None);
                    };
                    if let Some(first) = entries.get(&text) {
                        let message = format!("the key `{text}` stands here twice");
                        let hint = format!("the first is in line {}", first.key_at.line);
                        return wrong(node.at, &message, Some(&hint));
                    }
                    *key = Some((text, node.at));
                }
                Some((text, _)) if text == "<<" => merged.push(node),
                Some((text, key_at)) => {
                    entries.insert(text, Entry { key_at, node });
                }
            },
        }
        Ok(())
    }
}

/// Adds the entries of a `<<` that the mapping does not have itself.
fn merge_in(entries: &mut Map, node: Node) -> Result<(), SyntaxError> {
    match node.value {
        Value::Map(others) => {
            for (key, entry) in others {
                entries.entry(key).or_insert(entry);
            }
            Ok(())
        }
        Value::Seq(nodes) => nodes.into_iter().try_for_each(|node| merge_in(entries, node)),
        _ => wrong(node.at, "`<<` takes a mapping or a list of mappings", None),
    }
}

/// Tags that say no more than the value itself does.
const CORE_TAGS: [&str; 8] = ["str", "int", "float", "bool", "null", "seq", "map", "timestamp"];

/// The name of a tag of YAML itself.
fn core_tag(tag: Option<&Tag>, at: Place) -> Result<Option<String>, SyntaxError> {
    match tag {
        None => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() && CORE_TAGS.contains(&tag.suffix.as_str()) => {
            Ok(Some(tag.suffix.clone()))
        }
        Some(tag) => {
            wrong(at, &format!("the tag `{}{}` is not read", tag.handle, tag.suffix), Some("remove it"))
        }
    }
}

fn wrong<T>(at: Place, message: &str, hint: Option<&str>) -> Result<T, SyntaxError> {
    Err(SyntaxError { at, message: message.to_owned(), hint: hint.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn error(text: &str) -> SyntaxError {
        parse(text, 3).expect_err(text)
    }

    #[test]
    fn places_are_those_of_an_editor() {
        let node = parse("\u{feff}# note\nagents:\n  one:\n    tool: x\n", 3).expect("valid").expect("some");
        let one = &node.get("agents").expect("agents").map().expect("map")["one"];
        assert_eq!(one.key_at, Place { source: 3, line: 3, column: 3 });
        assert_eq!(one.node.get("tool").expect("tool").at, Place { source: 3, line: 4, column: 11 });
    }

    #[test]
    fn empty_documents_are_none() {
        for text in ["", "\n", "# only a note\n", "---\n", "~\n", "null"] {
            assert_eq!(parse(text, 0), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, line, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, "twice"),
            ("a: 1\n---\nb: 2\n", 2, "more than one document"),
            ("a: [1, 2\n", 2, ""),
            ("a: !!python/object:os.system x\n", 1, "tag"),
            ("a: !secret x\n", 1, "tag"),
            ("? [1]\n: 2\n", 1, "key"),
            ("a: *nowhere\n", 1, ""),
            ("a: &x [*x]\n", 1, "alias"),
        ] {
            let error = error(text);
            assert!(error.message.contains(part), "{text:?}: {error:?}");
            assert!(error.at.line >= line && error.at.line <= line + 1, "{text:?}: {error:?}");
        }
        assert!(error("a:\n\tb: 1\n").hint.is_some_and(|hint| hint.contains("tabs")));
        let latin = parse_bytes(b"a: 1\nb: \xe9\n", 0).expect_err("not UTF-8");
        assert_eq!((latin.at.line, latin.message.contains("UTF-8")), (2, true));
        assert!(parse_bytes(&vec![b' '; MAX_BYTES + 1], 0).is_err());
    }

    #[test]
    fn a_small_file_stays_a_small_tree() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            writeln!(text, "a{n}: &a{n} [{list}]").expect("written");
        }
        assert!(error(&text).message.contains("values"));
        assert!(error(&"[".repeat(100)).message.contains("nested") || parse(&"[".repeat(100), 0).is_err());
        let deep = (0..100).map(|n| " ".repeat(n) + "k:\n").collect::<String>();
        assert!(error(&deep).message.contains("nested"));
    }

    #[test]
    fn aliases_and_merge_keys_are_read() {
        let text = "base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\n";
        let node = parse(text, 0).expect("valid").expect("some");
        let one = node.get("one").expect("one");
        assert_eq!(one.get("x").and_then(Node::text), Some("1"));
        assert_eq!(one.get("y").and_then(Node::text), Some("3"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ \\na-c:\\[\\]{}&*|>'\"#,!<~?%@\\t-]{0,80}") {
            let _ = parse(&text, 0);
        }
    }
}

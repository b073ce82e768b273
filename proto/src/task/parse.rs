//! Reads the YAML of a task file into the tree, within limits.
//!
//! The pull parser gives every event its place, so problems have line and column and edits know their bytes; it is
//! left as soon as a limit is passed, so no file takes long. Knows nothing of tasks.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::node::{At, Entry, Node, Style, Value};
use super::problem::{Problem, ProblemKind};

/// Most values in a file, aliases counted as often as they are used.
const MAX_NODES: usize = 50_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Reads `text[from..to]`; places count from the beginning of `text`.
///
/// # Errors
/// Not one YAML document within the limits; the problem says where. `Ok(None)` is a document with nothing in it.
pub(super) fn parse(text: &str, from: usize, to: usize) -> Result<Option<Node>, Problem> {
    let mut builder = Builder::new(text, from);
    for event in Parser::new_from_str(&text[from..to]) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => return Err(builder.scan_error(&error)),
        }
    }
    Ok(builder.root)
}

struct Builder<'t> {
    places: Places<'t>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    aliased: usize,
}

/// A list or mapping that has not ended.
struct Open {
    at: At,
    tag: Option<Box<str>>,
    anchor: usize,
    first: usize,
    flow: bool,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Node> },
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, from: usize) -> Self {
        Self {
            places: Places::new(text, from),
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            nodes: 0,
            aliased: 0,
        }
    }

    fn scan_error(&self, error: &ScanError) -> Problem {
        let at = self.places.at(Span::empty(*error.marker()));
        // The scanner looks ahead over opening brackets and has a limit of its own.
        let deep = error.info().contains("recursion limit");
        Problem::at(if deep { ProblemKind::TooDeep } else { ProblemKind::Syntax }, at, error.info())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = self.places.at(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::at(
                        ProblemKind::Syntax,
                        at,
                        "the file holds more than one document",
                    ));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Scalar { text: text.into(), style: style_of(style) };
                self.count(1, at)?;
                self.put(Node { value, at, tag: tag_text(tag.as_deref()), shared: anchor > 0 }, anchor, 1);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(at, anchor, tag.as_deref(), '[', Kind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(at, anchor, tag.as_deref(), '{', Kind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(at);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: At) -> Result<(), Problem> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Problem::at(ProblemKind::Syntax, at, "an alias inside its own anchor"));
        };
        let size = *size;
        self.aliased = self.aliased.saturating_add(size);
        let too_many = self.nodes.saturating_add(size) > MAX_NODES;
        if too_many {
            return self.count(size, at);
        }
        let node = Node { at, shared: true, ..node.clone() };
        self.count(size, at)?;
        self.put(node, 0, size);
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        // Half of the values or more come from aliases: that is what makes it a bomb and not a long file.
        let kind =
            if self.aliased * 2 >= self.nodes { ProblemKind::AliasBomb } else { ProblemKind::TooLarge };
        Err(Problem::at(kind, at, &format!("the file holds more than {MAX_NODES} values")))
    }

    fn begin(
        &mut self,
        at: At,
        anchor: usize,
        tag: Option<&Tag>,
        bracket: char,
        kind: Kind,
    ) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Problem::at(ProblemKind::TooDeep, at, &message));
        }
        self.count(1, at)?;
        let flow = self.places.text[at.start as usize..].starts_with(bracket);
        self.open.push(Open { at, tag: tag_text(tag), anchor, first: self.nodes, flow, kind });
        Ok(())
    }

    fn end(&mut self, at: At) {
        let Some(open) = self.open.pop() else { return };
        let value = match open.kind {
            Kind::List(items) => Value::List { items, flow: open.flow },
            Kind::Map { entries, .. } => Value::Map { entries, flow: open.flow },
        };
        let size = self.nodes - open.first + 1;
        let place = At { end: at.end.max(open.at.end), ..open.at };
        self.put(Node { value, at: place, tag: open.tag, shared: open.anchor > 0 }, open.anchor, size);
    }

    fn put(&mut self, node: Node, anchor: usize, size: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map { entries, key }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push(Entry { key, value: node }),
            },
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn tag_text(tag: Option<&Tag>) -> Option<Box<str>> {
    tag.map(|tag| {
        if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix).into()
        } else {
            format!("{}{}", tag.handle, tag.suffix).into()
        }
    })
}

/// Turns the parser's counts of characters into bytes of the whole text.
struct Places<'t> {
    text: &'t str,
    from: usize,
    lines_before: u32,
    /// Byte of each character after `from`; empty when all are one byte long.
    offsets: Vec<u32>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str, from: usize) -> Self {
        let part = &text[from..];
        let small = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        let offsets = if part.is_ascii() {
            Vec::new()
        } else {
            part.char_indices().map(|(byte, _)| small(byte)).collect()
        };
        let lines_before = small(memchr::memchr_iter(b'\n', &text.as_bytes()[..from]).count());
        Self { text, from, lines_before, offsets }
    }

    fn byte(&self, marker: &Marker) -> u32 {
        let rest = self.text.len() - self.from;
        let byte = if self.offsets.is_empty() {
            marker.index()
        } else {
            self.offsets.get(marker.index()).map_or(rest, |byte| *byte as usize)
        };
        u32::try_from(self.from + byte.min(rest)).unwrap_or(u32::MAX)
    }

    fn at(&self, span: Span) -> At {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        At {
            start: self.byte(&span.start),
            end: self.byte(&span.end),
            line: small(span.start.line()).saturating_add(self.lines_before),
            column: small(span.start.col()).saturating_add(1),
        }
    }
}

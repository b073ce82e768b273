//! Makes edits on the source text, each verified by reading the result.

use super::scalar::{block, is_literal, one_line};
use super::source::{Region, Source};
use super::verify::{at_path, says, verify, without};
use super::{Edit, EditError, NewValue, section};
use crate::task::body::Body;
use crate::task::node::{Entry, Node, Style, Value};

/// An edited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The new text.
    pub text: String,
    /// Lines that changed: number in the old text (in the new one for added lines), old line, new line. An edit that
    /// found everything as it should be changed none.
    pub lines: Vec<ChangedLine>,
}

/// A line that is another, new or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLine {
    /// From 1.
    pub number: u32,
    /// As it was.
    pub old: Option<String>,
    /// As it is.
    pub new: Option<String>,
}

/// Makes edits one after another.
///
/// # Errors
/// The text is no task, or an edit cannot be made or verified; nothing of the others counts then.
pub fn apply(bytes: &[u8], edits: &[Edit]) -> Result<Applied, EditError> {
    let first =
        std::str::from_utf8(bytes).map_err(|_| EditError::Unreadable("it is not UTF-8".to_owned()))?;
    let mut text = first.to_owned();
    for edit in edits {
        if let Some(next) = step(&text, edit)? {
            text = next;
        }
    }
    let lines = changed_lines(first, &text);
    Ok(Applied { text, lines })
}

/// Makes one edit; nothing if all is as it should be.
fn step(text: &str, edit: &Edit) -> Result<Option<String>, EditError> {
    let Some(source) = Source::new(text) else {
        let why = Body::read(text.as_bytes()).problems().first().map(|problem| problem.message.clone());
        return Err(EditError::Unreadable(why.unwrap_or_default()));
    };
    let root = source.root();
    if let (Edit::Set { path, value }, Some(node)) = (edit, at_path(root, edit.path()))
        && !path.is_empty()
        && says(node, value)
    {
        return Ok(None);
    }
    if let Edit::Remove { path } = edit {
        let ways = section::removed(&source, path).map_err(|why| EditError::unsafe_at(edit.name(), why))?;
        return remove(&source, path, ways).map(Some);
    }
    let mut why = "there is no place for it".to_owned();
    for candidate in candidates(&source, edit)? {
        let Some(after) = Source::new(&candidate) else {
            "the file could not be read any more".clone_into(&mut why);
            continue;
        };
        let markdown = match (&source.body, &after.body) {
            (Body::FrontMatter { markdown: a, .. }, Body::FrontMatter { markdown: b, .. }) => a == b,
            (Body::Parsed(_), Body::Parsed(_)) => true,
            _ => false,
        };
        match verify(root, after.root(), edit) {
            Ok(()) if markdown && id_of(root) == id_of(after.root()) => return Ok(Some(candidate)),
            Ok(()) => "the id or the text behind the front matter would change".clone_into(&mut why),
            Err(reason) => why = reason,
        }
    }
    Err(EditError::unsafe_at(edit.name(), why))
}

/// The first of these texts that lacks the key and nothing else.
fn remove(source: &Source<'_>, path: &[String], ways: Vec<String>) -> Result<String, EditError> {
    let good = |way: &String| match Source::new(way) {
        Some(after) => without(source.root(), Some(after.root()), path),
        None => section::is_bare(way) && without(source.root(), None, path),
    };
    let whole = matches!(source.body, Body::Parsed(_));
    ways.into_iter()
        .find(|way| whole && good(way))
        .ok_or_else(|| EditError::unsafe_at(path.join("."), "something else would change with it"))
}

fn id_of(root: &Node) -> (Option<&str>, Option<&str>) {
    (root.get("id").and_then(Node::text), root.get("task_id").and_then(Node::text))
}

/// Texts that may be the answer, the most natural one first.
fn candidates(source: &Source<'_>, edit: &Edit) -> Result<Vec<String>, EditError> {
    let not_safe = |why: &str| EditError::unsafe_at(edit.name(), why);
    let mut node = source.root();
    let mut region = source.whole();
    let path = edit.path();
    for (depth, key) in path.iter().enumerate() {
        let Value::Map { entries, flow } = &node.value else {
            return Err(not_safe("its parent is no mapping"));
        };
        let found: Vec<usize> = (0..entries.len()).filter(|n| entries[*n].key.text() == Some(key)).collect();
        let last = depth + 1 == path.len();
        match found[..] {
            [] if section::is_empty_map(node) && depth > 0 => {
                let parent = at_parent(source.root(), &path[..depth]);
                return match (parent, edit) {
                    (Some(parent), Edit::Set { value, .. }) => {
                        Ok(section::opened(source, parent, &path[depth..], value))
                    }
                    _ => Err(not_safe("the mapping is written in braces")),
                };
            }
            [] if *flow => return Err(not_safe("the mapping is written in braces")),
            [] => return Ok(added(source, entries, region, key, &path[depth + 1..], edit)),
            [n] => {
                let entry = &entries[n];
                if entry.key.shared
                    || entry.value.shared
                    || entry.value.tag.is_some()
                    || entry.key.tag.is_some()
                {
                    return Err(not_safe("it has an anchor, an alias or a tag"));
                }
                if !flow {
                    region = source.entry_region(entries, n, region);
                }
                if last {
                    return Ok(replaced(source, entry, region, *flow, edit));
                }
                if entry.value.is_null() {
                    return match edit {
                        Edit::Set { value, .. } if !flow => {
                            Ok(section::opened(source, entry, &path[depth + 1..], value))
                        }
                        _ => Err(not_safe("its parent is empty")),
                    };
                }
                node = &entry.value;
            }
            _ => return Err(not_safe("the key stands in the file more than once")),
        }
    }
    Err(not_safe("no key is named"))
}

/// The entry at a path.
fn at_parent<'n>(root: &'n Node, path: &[String]) -> Option<&'n Entry> {
    let (last, above) = path.split_last()?;
    at_path(root, above)?.entry(last)
}

/// Places for a key that is absent.
fn added(
    source: &Source<'_>,
    entries: &[Entry],
    region: Region,
    key: &str,
    rest: &[String],
    edit: &Edit,
) -> Vec<String> {
    let Some(first) = entries.first() else { return Vec::new() };
    let indent = first.key.at.column.saturating_sub(1) as usize;
    let value = match edit {
        Edit::Set { value, .. } => value.clone(),
        Edit::Extend { items, .. } => NewValue::List(items.clone()),
        Edit::Append { text, .. } => NewValue::Text(text.clone()),
        Edit::Remove { .. } => return Vec::new(),
    };
    let value = rest.iter().rev().fold(value, |inner, key| NewValue::Map(vec![(key.clone(), inner)]));
    let lines = match edit {
        // A text that grows begins as a block, so that the next paragraph is one line more.
        Edit::Append { text, .. } => block(text, indent + source.map_indent(), source.eol())
            .map(|text| format!("{}{key}: {text}", " ".repeat(indent))),
        _ => None,
    };
    let lines = lines.unwrap_or_else(|| render_entry(source, key, &value, indent));
    let anchor = kin(key)
        .iter()
        .find_map(|name| entries.iter().rposition(|entry| entry.key.text() == Some(name)))
        .unwrap_or(entries.len() - 1);
    let mut places = Vec::new();
    let around = source.entry_region(entries, anchor, region);
    places.push(source.trimmed_end(around, indent));
    places.push(around.end);
    // After a block at the end of a file without a final newline nothing can be added without changing it.
    if let Some(n) = (0..entries.len()).rev().find(|n| source.one_line(&entries[*n]).is_some()) {
        places.push(source.trimmed_end(source.entry_region(entries, n, region), indent));
    }
    places.iter().map(|place| inserted(source, *place, &lines)).collect()
}

/// Keys that a new key stands behind, the nearest first; otherwise it goes to the end.
fn kin(key: &str) -> &'static [&'static str] {
    match key {
        "status" => &["agent", "title", "id"],
        "priority" => &["status", "agent"],
        "assigned_at" => &["created_at"],
        "started_at" => &["assigned_at"],
        "completed_at" => &["started_at", "assigned_at"],
        "blocked_at" => &["blocked_reason"],
        "freeze_reason" => &["frozen_at"],
        "cancel_reason" => &["cancelled_at"],
        _ => &[],
    }
}

fn inserted(source: &Source<'_>, place: usize, lines: &str) -> String {
    let (before, after) = source.text.split_at(place);
    let eol = source.eol();
    if before.is_empty() || before.ends_with('\n') || before == "\u{feff}" {
        format!("{before}{lines}{eol}{after}")
    } else {
        format!("{before}{eol}{lines}{after}")
    }
}

/// An entry on lines of its own, without the last line end.
pub(super) fn render_entry(source: &Source<'_>, key: &str, value: &NewValue, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let name = one_line(key, Style::Plain, source.quote_style(), false);
    format!("{pad}{name}:{}", render_value(source, value, indent))
}

/// What follows the colon of an entry.
fn render_value(source: &Source<'_>, value: &NewValue, indent: usize) -> String {
    let eol = source.eol();
    let quote = source.quote_style();
    match value {
        NewValue::Text(text) if text.contains('\n') => {
            let written = block(text, indent + source.map_indent(), eol);
            format!(" {}", written.unwrap_or_else(|| one_line(text, Style::Double, Style::Double, false)))
        }
        NewValue::Word(text) if is_literal(text) => format!(" {text}"),
        NewValue::Text(text) | NewValue::Word(text) => {
            format!(" {}", one_line(text, Style::Plain, quote, false))
        }
        NewValue::Time(_) => format!(" {}", time(source, value)),
        NewValue::List(items) if items.is_empty() => " []".to_owned(),
        NewValue::List(items) => {
            let pad = " ".repeat(indent + source.list_indent());
            items.iter().fold(String::new(), |out, item| {
                let text = one_line(item, Style::Plain, quote, false);
                out + eol + &pad + "- " + &text
            })
        }
        NewValue::Map(entries) if entries.is_empty() => " {}".to_owned(),
        NewValue::Map(entries) => entries.iter().fold(String::new(), |out, (key, value)| {
            out + eol + &render_entry(source, key, value, indent + source.map_indent())
        }),
    }
}

fn time(source: &Source<'_>, value: &NewValue) -> String {
    let text = value.text().unwrap_or_default();
    match source.time_style() {
        Style::Plain => text,
        style => one_line(&text, style, style, false),
    }
}

/// Ways to write a key that is there.
fn replaced(source: &Source<'_>, entry: &Entry, region: Region, flow: bool, edit: &Edit) -> Vec<String> {
    match edit {
        Edit::Set { value, .. } => set(source, entry, region, flow, value),
        Edit::Extend { items, .. } => extend(source, entry, region, items),
        Edit::Append { text, .. } => append(source, entry, region, text),
        Edit::Remove { .. } => Vec::new(),
    }
}

fn set(source: &Source<'_>, entry: &Entry, region: Region, flow: bool, value: &NewValue) -> Vec<String> {
    if let (Some((start, end)), Some(text)) = (source.one_line(entry), value.text())
        && (flow || !text.contains('\n'))
    {
        let style = match &entry.value.value {
            Value::Scalar { style, .. } => *style,
            _ => Style::Plain,
        };
        let written = match value {
            NewValue::Word(word) if style == Style::Plain && is_literal(word) => word.clone(),
            NewValue::Time(_) if start == end => time(source, value),
            NewValue::Time(_) if style == Style::Plain => text,
            _ => one_line(&text, style, source.quote_style(), flow),
        };
        let gap = if start == end { " " } else { "" };
        return vec![spliced(source, start, end, &format!("{gap}{written}"))];
    }
    if flow {
        return Vec::new();
    }
    // A value of several lines is written anew as a whole.
    let indent = entry.key.at.column.saturating_sub(1) as usize;
    let Some(colon) = source.colon(&entry.key) else { return Vec::new() };
    let end = source.trimmed_end(region, indent);
    let tail = if source.text[..end].ends_with('\n') { source.eol() } else { "" };
    vec![spliced(source, colon + 1, end, &format!("{}{tail}", render_value(source, value, indent)))]
}

fn extend(source: &Source<'_>, entry: &Entry, region: Region, items: &[String]) -> Vec<String> {
    let indent = entry.key.at.column.saturating_sub(1) as usize;
    let quote = source.quote_style();
    match &entry.value.value {
        Value::List { items: old, flow: false } if !old.is_empty() => {
            let Some(dash) = source.dash_indent(old) else { return Vec::new() };
            let pad = " ".repeat(dash);
            let texts: Vec<String> = items
                .iter()
                .map(|item| format!("{pad}- {}", one_line(item, Style::Plain, quote, false)))
                .collect();
            let place = source.trimmed_end(region, indent);
            vec![inserted(source, place, &texts.join(source.eol()))]
        }
        Value::List { items: old, flow: true } => {
            let texts: Vec<String> =
                items.iter().map(|item| one_line(item, Style::Plain, quote, true)).collect();
            let start = entry.value.at.start as usize;
            let Some(close) = source.text[start..region.end.max(start)].rfind(']').map(|at| start + at)
            else {
                return Vec::new();
            };
            let comma = if old.is_empty() { "" } else { ", " };
            vec![spliced(source, close, close, &format!("{comma}{}", texts.join(", ")))]
        }
        _ if entry.value.is_null() => set(source, entry, region, true, &NewValue::List(items.to_vec()))
            .into_iter()
            .chain(set(source, entry, region, false, &NewValue::List(items.to_vec())))
            .collect(),
        _ => Vec::new(),
    }
}

fn append(source: &Source<'_>, entry: &Entry, region: Region, text: &str) -> Vec<String> {
    let indent = entry.key.at.column.saturating_sub(1) as usize;
    let Value::Scalar { text: old, style } = &entry.value.value else { return Vec::new() };
    let joined = if old.trim().is_empty() { text.to_owned() } else { format!("{}\n{text}", old.trim_end()) };
    let mut ways = Vec::new();
    if *style == Style::Literal {
        // The block's own indentation is that of its first line.
        let start = source.line_start(entry.value.at.start as usize);
        let first = &source.text[start..source.line_end(start)];
        let pad = &first[..first.len() - first.trim_start().len()];
        let lines: Vec<String> = text.lines().map(|line| format!("{pad}{line}")).collect();
        let end = source.trimmed_end(region, indent);
        ways.push(inserted(source, end, &lines.join(source.eol())));
    }
    ways.extend(set(source, entry, region, false, &NewValue::Text(joined)));
    ways
}

pub(super) fn spliced(source: &Source<'_>, start: usize, end: usize, text: &str) -> String {
    format!("{}{text}{}", &source.text[..start], &source.text[end..])
}

/// Lines that differ, between the first and the last that do.
fn changed_lines(old: &str, new: &str) -> Vec<ChangedLine> {
    // The last line of a file gets an end when one follows it; its words are the same.
    let split =
        |text| -> Vec<&str> { str::split(text, '\n').map(|line| line.trim_end_matches('\r')).collect() };
    let (a, b) = (split(old), split(new));
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let room = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let owned = |line: &&str| (*line).to_owned();
    (0..a.len().max(b.len()))
        .filter(|n| a.get(*n) != b.get(*n))
        .map(|n| ChangedLine {
            number: u32::try_from(head + n + 1).unwrap_or(u32::MAX),
            old: a.get(n).map(owned),
            new: b.get(n).map(owned),
        })
        .collect()
}

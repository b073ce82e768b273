//! Edits that take away, and edits that begin something: removing a key with its lines, a mapping that was empty,
//! a section at the end of a file.

use super::apply::{render_entry, spliced};
use super::source::{Region, Source};
use super::verify;
use super::{EditError, NewValue};
use crate::task::node::{Entry, Node, Value};

/// Appends a section to a text that has no key of this name; a text of nothing but comments is fine. A blank line
/// parts it from what stands before.
///
/// # Errors
/// The text cannot be read, has the key, or could not be read as it should afterwards.
pub fn append_section(text: &str, path: &[String], value: &NewValue) -> Result<String, EditError> {
    let name = path.join(".");
    let not_safe = |why: &str| EditError::unsafe_at(name.clone(), why);
    let Some((key, rest)) = path.split_first() else { return Err(not_safe("no key is named")) };
    let old = Source::new(text);
    if old.is_none() && !is_bare(text) {
        return Err(EditError::Unreadable("it is no mapping".to_owned()));
    }
    if old.as_ref().is_some_and(|old| old.root().entry(key).is_some()) {
        return Err(not_safe("the key is there already"));
    }
    let value = rest.iter().rev().fold(value.clone(), |inner, key| NewValue::Map(vec![(key.clone(), inner)]));
    let plain = Source::new("a: 0\n");
    let Some(style) = old.as_ref().or(plain.as_ref()) else { return Err(not_safe("it cannot be written")) };
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines = render_entry(style, key, &value, 0);
    if old.is_none() {
        lines = lines.replace('\n', eol);
    }
    let end = old.as_ref().map_or(text.len(), |old| old.whole().end);
    let (before, after) = text.split_at(end);
    let gap = if before.trim_start_matches('\u{feff}').is_empty() { "" } else { eol };
    let ways = if before.is_empty() || before.ends_with(['\n', '\u{feff}']) {
        [format!("{before}{gap}{lines}{eol}{after}"), format!("{before}{lines}{eol}{after}")]
    } else {
        [format!("{before}{eol}{gap}{lines}{after}"), format!("{before}{eol}{lines}{after}")]
    };
    ways.into_iter()
        .find(|way| {
            Source::new(way).is_some_and(|new| {
                let others = old.as_ref().map(Source::root);
                verify::without(new.root(), others, std::slice::from_ref(key))
                    && verify::at_path(new.root(), path)
                        .is_some_and(|node| verify::says_map(node, path, &value))
            })
        })
        .ok_or_else(|| not_safe("it would not read as it should"))
}

/// Nothing but blanks, comments and marks of a document.
pub(super) fn is_bare(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line == "...")
}

/// One key on the way to the one that goes.
struct Step<'n> {
    entries: &'n [Entry],
    at: usize,
    /// Lines of the mapping it is in.
    within: Region,
}

/// Texts without a key and its lines; of mappings that would be empty, too.
pub(super) fn removed(source: &Source<'_>, path: &[String]) -> Result<Vec<String>, &'static str> {
    let steps = steps(source, path)?;
    let Some(named) = steps.last() else { return Err("no key is named") };
    let mut cut = lines_of(source, named, true).ok_or("it does not begin a line")?;
    for step in steps.iter().rev().skip(1) {
        // What was the only one takes its mapping along, unless somebody wrote something beside it.
        let inner = &step.entries[step.at];
        let alone = inner.value.entries().is_some_and(|entries| entries.len() == 1);
        let Some(whole) = lines_of(source, step, false).filter(|_| alone) else { break };
        if !says_nothing(source, inner, whole, cut) {
            break;
        }
        cut = whole;
    }
    let text = source.text;
    let mut ways = Vec::new();
    let blank = blank_before(text, cut.start);
    for start in blank.into_iter().chain([cut.start]) {
        // A file without a line end keeps none.
        let open = cut.end == text.len() && !text.ends_with('\n') && start < cut.end;
        let start = if open {
            text[..start].trim_end_matches('\n').len().max(start.saturating_sub(1))
        } else {
            start
        };
        let start = if open && text[..start].ends_with('\r') { start - 1 } else { start };
        ways.push(spliced(source, start, cut.end, ""));
    }
    Ok(ways)
}

fn steps<'n>(source: &'n Source<'_>, path: &[String]) -> Result<Vec<Step<'n>>, &'static str> {
    let mut node = source.root();
    let mut within = source.whole();
    let mut steps: Vec<Step<'n>> = Vec::new();
    for key in path {
        let Value::Map { entries, flow } = &node.value else { return Err("its parent is no mapping") };
        let found: Vec<usize> = (0..entries.len()).filter(|n| entries[*n].key.text() == Some(key)).collect();
        let at = match found[..] {
            [] => return Err("it is not there"),
            _ if *flow => return Err("the mapping is written in braces"),
            [at] => at,
            _ => return Err("the key stands in the file more than once"),
        };
        let entry = &entries[at];
        if entry.key.shared || entry.value.shared || entry.key.tag.is_some() || entry.value.tag.is_some() {
            return Err("it has an anchor, an alias or a tag");
        }
        steps.push(Step { entries, at, within });
        within = source.entry_region(entries, at, within);
        node = &entry.value;
    }
    Ok(steps)
}

/// The lines of an entry, with the comment right above it if that is wanted.
fn lines_of(source: &Source<'_>, step: &Step<'_>, comments: bool) -> Option<Region> {
    let entry = &step.entries[step.at];
    let indent = entry.key.at.column.saturating_sub(1) as usize;
    let mut start = source.line_start(entry.key.at.start as usize);
    if !source.text[start..entry.key.at.start as usize].bytes().all(|b| b == b' ') {
        return None;
    }
    let region = source.entry_region(step.entries, step.at, step.within);
    let end = source.trimmed_end(region, indent);
    while comments && start > source.whole().start {
        let above = source.line_start(start - 1);
        let line = &source.text[above..start];
        if !line.trim_start_matches(' ').starts_with('#')
            || line.len() - line.trim_start_matches(' ').len() != indent
        {
            break;
        }
        start = above;
    }
    Some(Region { start, end })
}

/// A mapping's lines hold nothing but its key and the part that goes.
fn says_nothing(source: &Source<'_>, entry: &Entry, whole: Region, cut: Region) -> bool {
    let Some(colon) = source.colon(&entry.key) else { return false };
    if cut.start <= colon || cut.end > whole.end {
        return false;
    }
    source.text[colon + 1..cut.start].trim().is_empty() && source.text[cut.end..whole.end].trim().is_empty()
}

/// The beginning of the blank line before this one, if there is one.
fn blank_before(text: &str, start: usize) -> Option<usize> {
    let before = text[..start].strip_suffix('\n')?;
    let before = before.strip_suffix('\r').unwrap_or(before);
    (before.is_empty() || before.ends_with('\n')).then_some(before.len())
}

/// Ways to write the first key of a mapping that says nothing yet: `key:`, `key: null` or `key: {}`.
pub(super) fn opened(source: &Source<'_>, entry: &Entry, rest: &[String], value: &NewValue) -> Vec<String> {
    let Some((key, inner)) = rest.split_first() else { return Vec::new() };
    let Some((start, end)) = empty_value(source, entry) else { return Vec::new() };
    let value =
        inner.iter().rev().fold(value.clone(), |inner, key| NewValue::Map(vec![(key.clone(), inner)]));
    let indent = entry.key.at.column.saturating_sub(1) as usize + source.map_indent();
    let lines = render_entry(source, key, &value, indent);
    let head = source.text[..start].trim_end_matches(' ');
    let line_end = source.line_end(end);
    let tail = source.text[end..line_end].trim_end();
    let (eol, after) = (source.eol(), &source.text[line_end..]);
    vec![format!("{head}{tail}{eol}{lines}{after}")]
}

/// The bytes of a value that says nothing; those behind the colon if there are none.
fn empty_value(source: &Source<'_>, entry: &Entry) -> Option<(usize, usize)> {
    if let Value::Map { entries, flow: true } = &entry.value.value {
        let start = entry.value.at.start as usize;
        let inside = source.text[start..].strip_prefix('{')?;
        let blanks = inside.len() - inside.trim_start_matches(' ').len();
        let closed = inside[blanks..].starts_with('}') && entries.is_empty();
        return closed.then_some((start, start + blanks + 2));
    }
    source.one_line(entry)
}

/// `{}`.
pub(super) fn is_empty_map(node: &Node) -> bool {
    matches!(&node.value, Value::Map { entries, flow: true } if entries.is_empty())
}

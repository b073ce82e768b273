//! An edit that was made for an older version of the file: made again where the others touched something else.

use super::apply::{Applied, apply};
use super::source::Source;
use super::verify::{at_path, says};
use super::{Edit, EditError, NewValue};
use crate::task::node::Node;

/// Makes edits on `current` that were meant for `base`.
///
/// A key that is as it was in `base`, or already says what it should, is edited; a list or a text only grows, so what
/// others added to it stays.
///
/// # Errors
/// Somebody changed the same key, with both values; or as [`apply`].
pub fn reapply(base: &[u8], current: &[u8], edits: &[Edit]) -> Result<Applied, EditError> {
    if base == current {
        return apply(current, edits);
    }
    let (Some(before), Some(now)) = (read(base), read(current)) else {
        return apply(current, edits);
    };
    for edit in edits {
        let Edit::Set { path, value } = edit else { continue };
        let (old, new) = (at_path(before.root(), path), at_path(now.root(), path));
        let same = match (old, new) {
            (Some(a), Some(b)) => a.same(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same && !new.is_some_and(|node| says(node, value)) {
            return Err(EditError::Conflict {
                key: edit.name(),
                theirs: new.map_or_else(|| "absent".to_owned(), shown),
                ours: value.text().unwrap_or_else(|| summary(value)),
            });
        }
    }
    apply(current, edits)
}

fn read(bytes: &[u8]) -> Option<Source<'_>> {
    Source::new(std::str::from_utf8(bytes).ok()?)
}

fn shown(node: &Node) -> String {
    crate::task::card::clip_chars(&node.to_markdown(), 120)
}

fn summary(value: &NewValue) -> String {
    match value {
        NewValue::List(items) => format!("a list of {}", items.len()),
        NewValue::Map(entries) => format!("a mapping of {}", entries.len()),
        _ => String::new(),
    }
}

//! Compares what a reader finds before and after an edit.

use super::{Edit, NewValue};
use crate::task::node::{Node, Scalar};

/// Only the edited key differs, and it says what it should.
pub(super) fn verify(old: &Node, new: &Node, edit: &Edit) -> Result<(), String> {
    if !same_but(old, new, edit.path()) {
        return Err("another key would change with it".to_owned());
    }
    let before = at_path(old, edit.path());
    let Some(after) = at_path(new, edit.path()) else { return Err("the key would not be there".to_owned()) };
    let right = match edit {
        Edit::Set { value, .. } => says(after, value),
        Edit::Extend { items, .. } => {
            let old_items = before.and_then(Node::items).unwrap_or_default();
            after.items().is_some_and(|found| {
                found.len() == old_items.len() + items.len()
                    && found.iter().zip(old_items).all(|(a, b)| a.same(b))
                    && found[old_items.len()..].iter().zip(items).all(|(a, b)| is_text(a, b))
            })
        }
        Edit::Append { text, .. } => {
            let start = before.and_then(Node::text).unwrap_or_default().trim_end();
            let want = if start.is_empty() { text.clone() } else { format!("{start}\n{text}") };
            after.text().is_some_and(|found| found.trim_end() == want.trim_end())
        }
        // Verified by `without`, before anything asks for a value.
        Edit::Remove { .. } => false,
    };
    if right { Ok(()) } else { Err("it would not read as it should".to_owned()) }
}

/// The value at a path; a null counts as absent.
pub(super) fn at_path<'n>(root: &'n Node, path: &[String]) -> Option<&'n Node> {
    path.iter().try_fold(root, |node, key| node.get(key))
}

/// The node says this already.
pub(super) fn says(node: &Node, value: &NewValue) -> bool {
    match value {
        NewValue::Word(text) if super::scalar::is_literal(text) => {
            node.text() == Some(text) && !matches!(node.scalar(), Some(Scalar::Text(_)))
        }
        NewValue::Text(text) | NewValue::Word(text) => is_text(node, text),
        NewValue::Time(_) => value.text().is_some_and(|text| node.text() == Some(&text)),
        NewValue::List(items) => {
            let found = node.items().unwrap_or_default();
            node.items().is_some()
                && found.len() == items.len()
                && found.iter().zip(items).all(|(a, b)| is_text(a, b))
        }
        NewValue::Map(wanted) => node.entries().is_some_and(|found| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(a, b)| a.key.text() == Some(&b.0) && says(&a.value, &b.1))
        }),
    }
}

/// As `says`, for a value that was wrapped into the mappings below the first key of a path.
pub(super) fn says_map(node: &Node, path: &[String], wrapped: &NewValue) -> bool {
    let inner = path.iter().skip(1).try_fold(wrapped, |value, key| match value {
        NewValue::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
        _ => None,
    });
    inner.is_some_and(|value| says(node, value))
}

/// `old` without the key at the path is `new`; mappings that only held it may be gone or empty. No `new` is a
/// document that says nothing.
pub(super) fn without(old: &Node, new: Option<&Node>, path: &[String]) -> bool {
    let (Some((key, rest)), Some(before)) = (path.split_first(), old.entries()) else { return false };
    let after = match new {
        Some(node) if node.is_null() => &[],
        Some(node) => match node.entries() {
            Some(entries) => entries,
            None => return false,
        },
        None => &[],
    };
    let others = |entries: &[crate::task::node::Entry]| -> Vec<(Node, Node)> {
        let kept = entries.iter().filter(|entry| entry.key.text() != Some(key));
        kept.map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    let (a, b) = (others(before), others(after));
    if a.len() != b.len() || !a.iter().zip(&b).all(|(a, b)| a.0.same(&b.0) && a.1.same(&b.1)) {
        return false;
    }
    let left = after.iter().find(|entry| entry.key.text() == Some(key)).map(|entry| &entry.value);
    if rest.is_empty() {
        return left.is_none();
    }
    old.get(key).is_some_and(|inner| without(inner, left, rest))
}

fn is_text(node: &Node, text: &str) -> bool {
    matches!(node.scalar(), Some(Scalar::Text(found)) if found == text) || text.is_empty() && node.is_null()
}

/// Everything but the value at the path is the same, in the same order.
fn same_but(old: &Node, new: &Node, path: &[String]) -> bool {
    let (Some((key, rest)), Some(before), Some(after)) = (path.split_first(), old.entries(), new.entries())
    else {
        return false;
    };
    let others = |entries: &'_ [crate::task::node::Entry]| -> Vec<(Node, Node)> {
        entries
            .iter()
            .filter(|entry| entry.key.text() != Some(key))
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    };
    let (a, b) = (others(before), others(after));
    let same = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0.same(&b.0) && a.1.same(&b.1));
    if !same || rest.is_empty() {
        return same;
    }
    match (old.get(key), new.get(key)) {
        (Some(a), Some(b)) => same_but(a, b, rest),
        (None, Some(b)) => b.entries().is_some_and(|entries| entries.len() == 1),
        _ => false,
    }
}

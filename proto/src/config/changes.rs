//! What differs between two configurations, as key paths.

use super::diagnostic::KeyPath;
use super::node::{Node, Value};

/// Most paths that are named.
const MAX_PATHS: usize = 100;

/// Key paths whose values differ, in the order of the new tree; at most a hundred. Places do not count.
pub fn changes(old: &Node, new: &Node) -> Vec<String> {
    let mut paths = Vec::new();
    compare(Some(old), Some(new), &KeyPath::default(), &mut paths);
    paths.truncate(MAX_PATHS);
    paths
}

fn compare(old: Option<&Node>, new: Option<&Node>, path: &KeyPath, paths: &mut Vec<String>) {
    if paths.len() >= MAX_PATHS {
        return;
    }
    let map = |node: Option<&Node>| node.and_then(Node::map).cloned().unwrap_or_default();
    let is_map = |node: Option<&Node>| node.is_none_or(|node| node.map().is_some());
    if is_map(old) && is_map(new) && (old.is_some() || new.is_some()) {
        let (old, new) = (map(old), map(new));
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        for key in new.keys().chain(gone) {
            let node = |map: &super::node::Map| map.get(key).map(|entry| entry.node.clone());
            compare(node(&old).as_ref(), node(&new).as_ref(), &path.with(key.as_str()), paths);
        }
    } else if !same(old, new) {
        paths.push(path.to_string());
    }
}

fn same(old: Option<&Node>, new: Option<&Node>) -> bool {
    match (old.map(|node| &node.value), new.map(|node| &node.value)) {
        (None | Some(Value::Null), None | Some(Value::Null)) => true,
        (Some(Value::Scalar { text: old, .. }), Some(Value::Scalar { text: new, .. })) => old == new,
        (Some(Value::Seq(old)), Some(Value::Seq(new))) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(Some(old), Some(new)))
        }
        (Some(Value::Map(old)), Some(Value::Map(new))) => {
            old.len() == new.len()
                && old
                    .iter()
                    .all(|(key, entry)| same(Some(&entry.node), new.get(key).map(|entry| &entry.node)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn only_values_count() {
        let tree = |text: &str| yaml::parse(text, 0).expect("valid").expect("some");
        let old = tree("daemon: {log_level: info, http: {port: 1}}\ntools: {a: {models: [x, y]}}\n");
        let new = tree("# moved\n\ntools: {a: {models: [x, z]}, b: {note: n}}\ndaemon: {http: {port: 1}}\n");
        assert_eq!(changes(&old, &new), ["tools.a.models", "tools.b.note", "daemon.log_level"]);
        assert_eq!(changes(&old, &old), [] as [&str; 0]);
    }
}

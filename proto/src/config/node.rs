//! The tree of what was written: every key and value with its place, numbers as their decimal text.
//!
//! Layers are merged here: mappings key by key, everything else replaces and keeps what it replaced, so that
//! every value can say where it came from and what it hides. Knows nothing of what keys mean.

use indexmap::IndexMap;

/// Where something is written. Line and column count from 1; line 0 is the source as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Place {
    /// Number of the source: a file, a variable or a flag.
    pub source: u16,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it is written.
    pub at: Place,
    /// What earlier layers said, the latest first.
    pub under: Vec<Node>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: takes away what earlier layers said.
    Null,
    /// One value, as written.
    Scalar {
        /// Its text, without quotes.
        text: String,
        /// It was in quotes or in a block, so it is text whatever it looks like.
        quoted: bool,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Map),
}

/// A mapping.
pub type Map = IndexMap<String, Entry>;

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where the key is written.
    pub key_at: Place,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A node that hides nothing.
    pub fn new(value: Value, at: Place) -> Self {
        Self { value, at, under: Vec::new() }
    }

    /// An empty mapping.
    pub fn empty(at: Place) -> Self {
        Self::new(Value::Map(Map::new()), at)
    }

    /// The entries, if this is a mapping.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entries, to be changed.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value of a key; nothing if it is absent or null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key).map(|entry| &entry.node).filter(|node| node.value != Value::Null)
    }

    /// The value at a path of keys; `[0]` is the first of a list.
    pub fn at_path<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| {
            let step = step.as_ref();
            match &node.value {
                Value::Seq(items) => {
                    items.get(step.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok()?)
                }
                _ => node.map()?.get(step).map(|entry| &entry.node),
            }
        })
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A truth value, in every spelling that YAML has had for it.
    pub fn bool(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// A whole number that is not negative; `200_000` is one, and so is `30.0`.
    pub fn integer(&self) -> Option<u64> {
        let text = self.decimal()?;
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        if rest.bytes().any(|b| b != b'0') {
            return None;
        }
        whole.strip_prefix('+').unwrap_or(whole).parse().ok()
    }

    /// Decimal text of a number, underscores left out.
    pub fn decimal(&self) -> Option<String> {
        let text = self.text()?.trim();
        let number = text.bytes().all(|b| b.is_ascii_digit() || b"+-._eE".contains(&b))
            && text.bytes().any(|b| b.is_ascii_digit())
            && !text.starts_with(['e', 'E', '_']);
        number.then(|| text.replace('_', ""))
    }

    /// The items, if this is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// Texts of a list of scalars; other items are left out.
    pub fn texts(&self) -> Vec<String> {
        let items = self.items().unwrap_or_default();
        items.iter().filter_map(Node::text).map(str::to_owned).collect()
    }

    /// Lays a later layer over this one.
    pub fn overlay(&mut self, later: Node) {
        match (&mut self.value, later.value) {
            (Value::Map(mine), Value::Map(theirs)) => {
                for (key, entry) in theirs {
                    match mine.get_mut(&key) {
                        Some(own) => own.node.overlay(entry.node),
                        None => {
                            mine.insert(key, entry);
                        }
                    }
                }
            }
            (_, value) => {
                let mut hidden = std::mem::replace(self, Node::new(value, later.at));
                let mut older = std::mem::take(&mut hidden.under);
                self.under.push(hidden);
                self.under.append(&mut older);
            }
        }
    }

    /// Sets a value at a path, making the mappings on the way.
    pub fn insert<S: AsRef<str>>(&mut self, path: &[S], node: Node) {
        let Some((first, rest)) = path.split_first() else {
            self.overlay(node);
            return;
        };
        if self.map().is_none() {
            self.overlay(Node::empty(node.at));
        }
        let at = node.at;
        if let Some(map) = self.map_mut() {
            let entry = map.entry(first.as_ref().to_owned());
            match (entry, rest.is_empty()) {
                (indexmap::map::Entry::Occupied(mut own), _) => own.get_mut().node.insert(rest, node),
                (indexmap::map::Entry::Vacant(free), true) => {
                    free.insert(Entry { key_at: at, node });
                }
                (indexmap::map::Entry::Vacant(free), false) => {
                    free.insert(Entry { key_at: at, node: Node::empty(at) }).node.insert(rest, node);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    fn tree(text: &str, source: u16) -> Node {
        yaml::parse(text, source).expect("valid").expect("not empty")
    }

    #[test]
    fn mappings_merge_and_the_rest_replaces() {
        let mut low = tree("a: {x: 1, y: [1, 2]}\nb: 5\nc: {z: 1}\n", 0);
        low.overlay(tree("a: {y: [3], w: 4}\nb: {q: 1}\nc: null\n", 1));
        let at = |path: &[&str]| low.at_path(path).and_then(Node::text).map(str::to_owned);
        assert_eq!(at(&["a", "x"]).as_deref(), Some("1"));
        assert_eq!(at(&["a", "y", "[0]"]).as_deref(), Some("3"));
        assert_eq!(at(&["a", "w"]).as_deref(), Some("4"));
        assert_eq!(at(&["b", "q"]).as_deref(), Some("1"));
        assert!(low.get("c").is_none(), "null deletes");
        let list = low.at_path(&["a", "y"]).expect("there");
        assert_eq!((list.at.source, list.under[0].at.source), (1, 0));
    }

    #[test]
    fn numbers_keep_their_text() {
        let node = tree("[10.00, 200_000, 30.0, -1, '5', x, 1e3, 0.5]", 0);
        let items = node.items().expect("list");
        let whole: Vec<_> = items.iter().map(Node::integer).collect();
        assert_eq!(whole, [Some(10), Some(200_000), Some(30), None, Some(5), None, None, None]);
        assert_eq!(items[0].decimal().as_deref(), Some("10.00"));
        assert_eq!(items[6].decimal().as_deref(), Some("1e3"));
    }
}

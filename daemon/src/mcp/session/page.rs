//! Reads one page of a list without taking in more of it than is wanted.
//!
//! Pure. A page of millions of small items is passed over item by item: only those within the limit are kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    /// Its items, at most as many as were asked for.
    pub(super) items: Vec<&'a RawValue>,
    /// Whether it holds more.
    pub(super) more: bool,
    /// The cursor of the next page. An empty one is one too.
    pub(super) next: Option<String>,
    /// How long it may be kept, in milliseconds.
    pub(super) ttl_ms: Option<u64>,
}

/// Reads the page in `text`, whose items are under `key`; none without such a list.
pub(super) fn read<'a>(text: &'a str, key: &'static str, limit: usize) -> Option<Page<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Whole { key, limit }).ok()?
}

struct Whole {
    key: &'static str,
    limit: usize,
}

impl<'de> Visitor<'de> for Whole {
    type Value = Option<Page<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut page = Page::default();
        let mut found = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.key {
                found = true;
                (page.items, page.more) = map.next_value_seed(Items { limit: self.limit })?;
            } else if key == "nextCursor" {
                page.next = map.next_value::<serde_json::Value>()?.as_str().map(str::to_owned);
            } else if key == "ttlMs" {
                let ttl = map.next_value::<serde_json::Value>()?;
                page.ttl_ms = ttl.as_f64().map(|ms| ms as u64);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found.then_some(page))
    }
}

struct Items {
    limit: usize,
}

impl<'de> DeserializeSeed<'de> for Items {
    type Value = (Vec<&'de RawValue>, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = (Vec<&'de RawValue>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.limit {
            match seq.next_element::<&RawValue>()? {
                Some(item) => items.push(item),
                None => return Ok((items, false)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((items, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_within_its_limit() {
        let text = r#"{"ttlMs":1000,"tools":[{"a":1},{"b":2},{"c":3}],"nextCursor":"","other":[[]]}"#;
        let page = read(text, "tools", 2).expect("a page");
        let items: Vec<&str> = page.items.iter().map(|item| item.get()).collect();
        assert_eq!(items, [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!((page.more, page.next.as_deref(), page.ttl_ms), (true, Some(""), Some(1_000)));
        let page = read(text, "tools", 3).expect("a page");
        assert_eq!((page.items.len(), page.more), (3, false));
    }

    #[test]
    fn what_is_no_page() {
        for text in ["{}", "[]", "null", r#"{"tools":{}}"#, r#"{"tools":null}"#] {
            assert!(read(text, "tools", 9).is_none(), "{text}");
        }
        let page = read(r#"{"tools":[],"nextCursor":null,"ttlMs":-5}"#, "tools", 9).expect("a page");
        assert_eq!((page.next, page.ttl_ms), (None, Some(0)));
    }
}

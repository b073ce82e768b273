//! Reads JSON as editors write it: with comments, trailing commas and a byte order mark.
//!
//! A reader of its own rather than a pass before another, since every value keeps its place and the order of keys
//! counts. Everything else is strict JSON. Bounded: depth and number of values.

use std::collections::HashMap;

use super::tree::{At, Field, Node, SyntaxError, Value};

/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values in a file. Claude Code keeps its history beside its servers.
const MAX_NODES: usize = 1_000_000;

/// Reads a text.
///
/// # Errors
/// It is no JSON within the limits; says where.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, at: At { line: 1, column: 1 }, nodes: 0 };
    reader.gap()?;
    let node = reader.value(0)?;
    reader.gap()?;
    if reader.rest.is_empty() { Ok(node) } else { Err(reader.wrong("something follows the end of the JSON")) }
}

struct Reader<'t> {
    rest: &'t str,
    at: At,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn wrong(&self, message: &str) -> SyntaxError {
        SyntaxError::new(self.at, message)
    }

    /// Goes on by so many bytes.
    fn skip(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for c in taken.chars() {
            if c == '\n' {
                self.at = At { line: self.at.line.saturating_add(1), column: 1 };
            } else {
                self.at.column = self.at.column.saturating_add(1);
            }
        }
        taken
    }

    /// Passes over blanks and comments.
    fn gap(&mut self) -> Result<(), SyntaxError> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.skip(blanks);
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(end);
            } else if self.rest.starts_with("/*") {
                let end = self.rest[2..].find("*/").ok_or_else(|| self.wrong("a comment without its end"))?;
                self.skip(end + 4);
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(self.wrong("it is nested too deeply"));
        }
        if self.nodes > MAX_NODES {
            return Err(self.wrong("it holds too many values"));
        }
        let at = self.at;
        let value = match self.rest.chars().next() {
            Some('{') => Value::Map(self.map(depth)?),
            Some('[') => Value::List(self.list(depth)?),
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => Value::Number(self.number()?),
            Some(_) => self.word()?,
            None => return Err(self.wrong("the file ends where a value must stand")),
        };
        Ok(Node { value, at })
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            let after = self.rest.strip_prefix(word);
            if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
                self.skip(word.len());
                return Ok(value);
            }
        }
        Err(self.wrong("a value must stand here"))
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        self.skip(1);
        loop {
            self.gap()?;
            if self.rest.starts_with(']') {
                self.skip(1);
                return Ok(items);
            }
            items.push(self.value(depth + 1)?);
            self.comma(']')?;
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Field>, SyntaxError> {
        let mut fields: Vec<Field> = Vec::new();
        // Of a key that stands twice the last counts, as most readers have it.
        let mut seen: HashMap<String, usize> = HashMap::new();
        self.skip(1);
        loop {
            self.gap()?;
            if self.rest.starts_with('}') {
                self.skip(1);
                return Ok(fields);
            }
            if !self.rest.starts_with('"') {
                return Err(self.wrong("a key in double quotes must stand here"));
            }
            let at = self.at;
            let key = self.string()?;
            self.gap()?;
            if !self.rest.starts_with(':') {
                return Err(self.wrong("a colon must follow the key"));
            }
            self.skip(1);
            self.gap()?;
            let node = self.value(depth + 1)?;
            let field = Field { key, at, node };
            match seen.get(&field.key) {
                Some(old) => fields[*old] = field,
                None => {
                    seen.insert(field.key.clone(), fields.len());
                    fields.push(field);
                }
            }
            self.comma('}')?;
        }
    }

    /// What follows an item: a comma, or the end that the caller takes.
    fn comma(&mut self, end: char) -> Result<(), SyntaxError> {
        self.gap()?;
        if self.rest.starts_with(',') {
            self.skip(1);
            return Ok(());
        }
        if self.rest.starts_with(end) {
            return Ok(());
        }
        Err(self.wrong(&format!("a comma or `{end}` must stand here")))
    }

    fn number(&mut self) -> Result<String, SyntaxError> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let text = &self.rest[..end.unwrap_or(self.rest.len())];
        if !is_number(text) {
            return Err(self.wrong("this is no number"));
        }
        Ok(self.skip(text.len()).to_owned())
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let mut out = String::new();
        self.skip(1);
        loop {
            let end = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let Some(end) = end else { return Err(self.wrong("a text without its closing quote")) };
            out.push_str(self.skip(end));
            match self.rest.as_bytes()[0] {
                b'"' => {
                    self.skip(1);
                    return Ok(out);
                }
                b'\\' => out.push(self.escape()?),
                _ => return Err(self.wrong("a line break or control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let c = match self.rest.as_bytes().get(1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong("there is no such escape")),
        };
        self.skip(2);
        Ok(c)
    }

    /// `\u0041`, or two of them for a character beyond the first plane.
    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let first = self.hex(0)?;
        if let Some(c) = char::from_u32(first) {
            self.skip(6);
            return Ok(c);
        }
        let second = if first < 0xdc00 { self.hex(6)? } else { 0 };
        let both = (0x1_0000 + ((first - 0xd800) << 10)).checked_add(second.wrapping_sub(0xdc00));
        match both.filter(|_| (0xdc00..0xe000).contains(&second)).and_then(char::from_u32) {
            Some(c) => {
                self.skip(12);
                Ok(c)
            }
            None => Err(self.wrong("half of a character")),
        }
    }

    fn hex(&self, from: usize) -> Result<u32, SyntaxError> {
        let digits = self.rest.get(from..from + 6).and_then(|text| text.strip_prefix("\\u"));
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.wrong("four hexadecimal digits must follow `\\u`"))
    }
}

/// A number as JSON has them.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (base, exponent) = match text.split_once(['e', 'E']) {
        Some((base, exponent)) => (base, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match base.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (base, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn to_json(node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::from(*flag),
            Value::Number(text) => serde_json::from_str(text).expect("a number"),
            Value::Text(text) => Json::from(text.as_str()),
            Value::List(items) => items.iter().map(to_json).collect(),
            Value::Map(fields) => fields.iter().map(|f| (f.key.clone(), to_json(&f.node))).collect(),
        }
    }

    #[test]
    fn comments_and_trailing_commas_are_passed_over_and_places_kept() {
        let text = "\u{feff}// first\n{\n  /* a , } */ \"a\": [1, 2,], // \"x\": 1\n  \"ü\": { \"b\": \"// no comment\", },\n}\n";
        let node = parse(text).expect("JSONC");
        assert_eq!(to_json(&node), serde_json::json!({"a": [1, 2], "ü": {"b": "// no comment"}}));
        let inner = node.get("ü").and_then(|n| n.get("b")).expect("there");
        assert_eq!(inner.at, At { line: 4, column: 15 });
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{\"a\": 1 \"b\": 2}", 1, 9),
            ("{\"a\":\n  tru}", 2, 3),
            ("{a: 1}", 1, 2),
            ("[1,, 2]", 1, 4),
            ("[,]", 1, 2),
            ("{\"a\": 01}", 1, 7),
            ("\"a\nb\"", 1, 3),
            ("\"\\ud800x\"", 1, 2),
            ("\"\\x\"", 1, 2),
            ("/* no end", 1, 1),
            ("1 2", 1, 3),
            ("nullx", 1, 1),
            ("'a'", 1, 1),
        ] {
            let error = parse(text).map(|_| ()).expect_err(text);
            assert_eq!(error.at, At { line, column }, "{text}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err_and(|error| error.message.contains("deeply")));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts() {
        let node = parse(r#"{"a": 1, "b": 2, "a": 3}"#).expect("JSON");
        assert_eq!(to_json(&node), serde_json::json!({"a": 3, "b": 2}));
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn all_json_reads_as_others_read_it(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let node = parse(&text.expect("serialises")).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(to_json(&node), value);
        }

        #[test]
        fn nothing_panics_and_what_others_take_is_taken(text in "[\\[\\]{}:,\"\\\\/*a-fu0-9 \nü.-]{0,40}") {
            let ours = parse(&text);
            if let Ok(theirs) = serde_json::from_str::<Json>(&text) {
                prop_assert_eq!(ours.map(|node| to_json(&node)).map_err(|e| TestCaseError::fail(e.to_string()))?, theirs);
            }
        }
    }
}

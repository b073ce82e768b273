//! One entry of a file, read field by field: what is taken, and for everything else why not.
//!
//! A field that nobody asked for is reported at the end, so that none is lost without a word.

use llmctl_proto::config::schema::{self, Kind};

use super::reference::{Dialect, Surroundings, is_name, rewrite};
use super::secret;
use super::server::Text;
use super::tree::{At, Field, Node, Value};

/// Most characters of a text that is only shown.
const MAX_NOTE: usize = 500;

/// Something that a person should know of an imported server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The field, as `env.NAME`.
    pub field: String,
    /// The field was not taken, or only in part.
    pub lost: bool,
    /// Why, or what to do.
    pub text: String,
    /// Where it is written.
    pub at: At,
}

/// Why a server is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: String,
    /// Where it is written.
    pub at: At,
}

/// A server's entry.
pub(super) struct Entry<'a> {
    name: &'a str,
    node: &'a Node,
    dialect: Dialect,
    around: &'a Surroundings<'a>,
    asked: Vec<&'a str>,
    /// What was found on the way.
    pub(super) notes: Vec<Note>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(
        name: &'a str,
        node: &'a Node,
        dialect: Dialect,
        around: &'a Surroundings<'a>,
    ) -> Result<Self, Refused> {
        if node.fields().is_none() {
            return Err(Refused { why: format!("it is {}, not a mapping", node.kind()), at: node.at });
        }
        Ok(Self { name, node, dialect, around, asked: Vec::new(), notes: Vec::new() })
    }

    /// Refuses the whole server because of a field.
    pub(super) fn refuse<T>(&self, key: &str, why: impl Into<String>) -> Result<T, Refused> {
        let at = self.node.get(key).map_or(self.node.at, |node| node.at);
        Err(Refused { why: why.into(), at })
    }

    fn note(&mut self, lost: bool, field: &str, at: At, text: impl Into<String>) {
        self.notes.push(Note { field: field.to_owned(), lost, text: text.into(), at });
    }

    /// The value of a field; from here on it is not unknown.
    pub(super) fn take(&mut self, key: &'a str) -> Option<&'a Node> {
        self.asked.push(key);
        self.node.get(key)
    }

    /// It has this field.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    /// Says that a field is not taken, if it is there.
    pub(super) fn not_mapped(&mut self, key: &'a str, why: &str) {
        if let Some(node) = self.take(key) {
            self.note(true, key, node.at, why);
        }
    }

    /// A hint on a field.
    pub(super) fn hint(&mut self, key: &str, text: impl Into<String>) {
        let at = self.node.get(key).map_or(self.node.at, |node| node.at);
        self.note(false, key, at, text);
    }

    fn wrong_kind(&mut self, field: &str, node: &Node, wanted: &str) {
        self.note(true, field, node.at, format!("it is {}, not {wanted}", node.kind()));
    }

    /// Says that a part of a field is not taken.
    pub(super) fn lose(&mut self, key: &str, text: impl Into<String>) {
        let at = self.node.get(key).map_or(self.node.at, |node| node.at);
        self.note(true, key, at, text);
    }

    /// A text without references.
    pub(super) fn word(&mut self, key: &'a str) -> Option<&'a str> {
        let node = self.take(key)?;
        if node.text().is_none() {
            self.wrong_kind(key, node, "a text");
        }
        node.text()
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'a str) -> Option<bool> {
        let node = self.take(key)?;
        match node.value {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.wrong_kind(key, node, "true or false");
                None
            }
        }
    }

    /// A time in seconds, rounded up, of a number of these units; within the limits of the key it is written to.
    pub(super) fn seconds(&mut self, key: &'a str, units_per_second: f64, ours: &str) -> Option<u64> {
        let node = self.take(key)?;
        let number = match &node.value {
            Value::Number(text) => {
                text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0)
            }
            _ => None,
        };
        let Some(number) = number else {
            self.note(true, key, node.at, "it is no number above zero");
            return None;
        };
        // Floats beyond the range of integers become its ends.
        let wanted = (number / units_per_second).ceil() as u64;
        let path = ["mcp_servers", "x", ours].map(str::to_owned);
        let seconds = match schema::kind_at(&path) {
            Some(Kind::Integer(least, most)) => wanted.clamp(least, most),
            _ => wanted,
        };
        if seconds != wanted {
            self.note(
                false,
                key,
                node.at,
                format!("{wanted} s are beyond the limit here; taken as {seconds} s"),
            );
        }
        Some(seconds)
    }

    /// A list of texts, as they are.
    pub(super) fn words(&mut self, key: &'a str) -> Option<Vec<String>> {
        let node = self.take(key)?;
        let Value::List(items) = &node.value else {
            self.wrong_kind(key, node, "a list");
            return None;
        };
        let texts: Option<Vec<String>> = items.iter().map(|item| item.text().map(str::to_owned)).collect();
        if texts.is_none() {
            self.note(true, key, node.at, "not all of its items are texts");
        }
        texts
    }

    /// A text for people: one line, shortened, and none that looks like a secret.
    pub(super) fn description(&mut self, key: &'a str) -> Option<String> {
        let text = self.word(key)?;
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_NOTE).collect();
        if secret::is_secret("note", &line) {
            let at = self.node.get(key).map_or(self.node.at, |node| node.at);
            self.note(true, key, at, "it looks like a secret");
            return None;
        }
        (!line.is_empty()).then_some(line)
    }

    /// Program and arguments.
    pub(super) fn command(&mut self) -> Result<Vec<String>, Refused> {
        let Some(program) = self.take("command") else { return self.refuse("command", "it has no command") };
        let mut nodes: Vec<&Node> = Vec::new();
        match &program.value {
            Value::Text(text) if !text.trim().is_empty() => nodes.push(program),
            Value::List(items) if items.first().and_then(Node::text).is_some_and(|text| !text.is_empty()) => {
                nodes.extend(items);
            }
            _ => return self.refuse("command", "`command` must be a text"),
        }
        if let Some(args) = self.take("args") {
            let Value::List(items) = &args.value else { return self.refuse("args", "`args` must be a list") };
            nodes.extend(items);
        }
        let mut words = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(word) = node.word() else {
                return Err(Refused { why: format!("an argument is {}", node.kind()), at: node.at });
            };
            if word.contains('\0') {
                return Err(Refused { why: "an argument holds a NUL".to_owned(), at: node.at });
            }
            let word = rewrite(&word, self.dialect, self.around);
            words.push(word.map_err(|why| Refused { why: format!("an argument: {why}"), at: node.at })?);
        }
        let (words, notes) = secret::command(self.name, words);
        for text in notes {
            self.hint("args", text);
        }
        Ok(words)
    }

    /// A directory.
    pub(super) fn directory(&mut self, key: &'a str) -> Result<Option<String>, Refused> {
        let Some(text) = self.word(key) else { return Ok(None) };
        match rewrite(text, self.dialect, self.around) {
            Ok(done) => {
                for note in &done.notes {
                    self.hint(key, note.clone());
                }
                Ok(Some(done.text()))
            }
            Err(why) => self.refuse(key, format!("`{key}`: {why}")),
        }
    }

    /// An address.
    pub(super) fn address(&mut self, key: &'a str) -> Result<Text, Refused> {
        let Some(text) = self.word(key) else { return self.refuse(key, format!("`{key}` must be a text")) };
        let done = rewrite(text.trim(), self.dialect, self.around);
        let done = done.and_then(|done| {
            let literal = done.literal().to_ascii_lowercase();
            let begins = ["http://", "https://"].iter().any(|scheme| literal.starts_with(scheme));
            let refers = text.trim_start().starts_with('$');
            if begins || refers {
                Ok(done)
            } else {
                Err("only http:// and https:// are supported".to_owned())
            }
        });
        match done.and_then(|done| secret::judged("url", done)) {
            Ok((text, notes)) => {
                for note in notes {
                    self.hint(key, note);
                }
                Ok(text)
            }
            Err(why) => self.refuse(key, format!("`{key}`: {why}")),
        }
    }

    /// Variables or headers.
    pub(super) fn pairs(&mut self, key: &'a str, header: bool) -> Vec<(String, Text)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Some(fields) = node.fields() else {
            self.wrong_kind(key, node, "a mapping");
            return Vec::new();
        };
        fields.iter().filter_map(|field| self.pair(key, field, header)).collect()
    }

    fn pair(&mut self, key: &str, field: &Field, header: bool) -> Option<(String, Text)> {
        let path = format!("{key}.{}", shown(&field.key));
        let good = if header { is_header(&field.key) } else { is_name(&field.key) };
        if !good {
            let what = if header { "header" } else { "variable" };
            self.note(true, &path, field.at, format!("this is no name of a {what}"));
            return None;
        }
        let Some(word) = field.node.word().filter(|word| !word.contains('\0')) else {
            self.wrong_kind(&path, &field.node, "a text");
            return None;
        };
        let done =
            rewrite(&word, self.dialect, self.around).and_then(|done| secret::judged(&field.key, done));
        match done {
            Ok((text, notes)) => {
                for note in notes {
                    self.note(false, &path, field.node.at, note);
                }
                Some((field.key.clone(), text))
            }
            Err(why) => {
                self.note(true, &path, field.node.at, why);
                None
            }
        }
    }

    /// Reports every field that was not asked for, and gives all notes.
    pub(super) fn finish(mut self) -> Vec<Note> {
        let unknown: Vec<&Field> = self
            .node
            .fields()
            .unwrap_or_default()
            .iter()
            .filter(|field| !self.asked.contains(&field.key.as_str()))
            .collect();
        for field in unknown {
            self.note(true, &shown(&field.key), field.at, "llmctl does not know this field");
        }
        self.notes
    }
}

/// A key as a message repeats it.
pub(super) fn shown(key: &str) -> String {
    let mut short: String = key.chars().filter(|c| !c.is_control()).take(60).collect();
    if key.chars().count() > 60 {
        short.push('…');
    }
    short
}

/// A name that a header can have.
pub fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

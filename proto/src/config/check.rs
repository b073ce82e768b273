//! Checks the tree against the schema: unknown and missing keys, kinds, limits.
//!
//! Every mistake is a finding with its place; nothing is changed and nothing is read here.

use super::diagnostic::{Code, Diagnostic, KeyPath, nearest};
use super::expand;
use super::node::{Map, Node, Place, Value};
use super::schema::{Key, Kind, SECRET_SOURCE, find};
use super::words;
use crate::money::{MoneyError, PicoUsd};
use crate::redact::Redactor;

/// Decimals of an amount of money.
const MONEY_DECIMALS: u32 = 9;

/// Checks the whole tree; findings are appended.
pub(super) fn root(node: &Node, findings: &mut Vec<Diagnostic>) {
    let mut check = Check { path: KeyPath::default(), at: node.at, findings };
    check.object(node, super::schema::ROOT);
}

/// Checks one value against a kind.
#[cfg(test)]
pub(super) fn value(node: &Node, kind: Kind, findings: &mut Vec<Diagnostic>) {
    Check { path: KeyPath::of(["x"]), at: node.at, findings }.value(node, kind);
}

struct Check<'a> {
    path: KeyPath,
    /// Where the last key of the path is written.
    at: Place,
    findings: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, code: Code, node: &Node, message: String) {
        self.findings.push(Diagnostic::new(code, &self.path, node.at, message));
    }

    fn within(&mut self, step: &str, at: Place, check: impl FnOnce(&mut Self)) {
        self.path.0.push(step.to_owned());
        let outer = std::mem::replace(&mut self.at, at);
        check(self);
        self.at = outer;
        self.path.0.pop();
    }

    fn wrong_type(&mut self, node: &Node, kind: Kind) {
        let found = match &node.value {
            Value::Null => "nothing".to_owned(),
            // A value that might be a secret is not repeated.
            Value::Scalar { .. } if kind.is_secret() => "something else".to_owned(),
            Value::Scalar { text, .. } => format!("`{}`", shortened(text)),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        };
        let message = format!("{} must be {}, not {found}", self.path, kind.words());
        self.report(Code::WrongType, node, message);
    }

    fn value(&mut self, node: &Node, kind: Kind) {
        if node.value == Value::Null {
            return;
        }
        match kind {
            Kind::Any => {}
            Kind::Object(keys) => self.object(node, keys),
            Kind::Table(keys) => self.entries(node, kind, |check, node| check.object(node, keys)),
            Kind::MapOf(inner) => self.entries(node, kind, |check, node| check.value(node, *inner)),
            Kind::List(inner) => self.list(node, kind, *inner),
            Kind::Words if node.items().is_some() => {
                self.list(node, kind, Kind::Text);
                self.program(node, node.items().and_then(<[Node]>::first).and_then(Node::text));
            }
            Kind::Secret if node.map().is_some() => self.secret_source(node),
            _ if node.text().is_none() => self.wrong_type(node, kind),
            _ => self.scalar(node, kind),
        }
    }

    fn entries(&mut self, node: &Node, kind: Kind, check: impl Fn(&mut Self, &Node)) {
        let Some(map) = node.map() else { return self.wrong_type(node, kind) };
        for (name, entry) in map {
            if entry.node.value != Value::Null {
                self.within(name, entry.key_at, |inner| check(inner, &entry.node));
            }
        }
    }

    fn list(&mut self, node: &Node, kind: Kind, inner: Kind) {
        let Some(items) = node.items() else { return self.wrong_type(node, kind) };
        for (at, item) in items.iter().enumerate() {
            self.within(&format!("[{at}]"), item.at, |check| {
                if item.value == Value::Null {
                    check.wrong_type(item, inner);
                } else {
                    check.value(item, inner);
                }
            });
        }
    }

    fn object(&mut self, node: &Node, keys: &'static [Key]) {
        let Some(map) = node.map() else {
            if node.value != Value::Null {
                self.wrong_type(node, Kind::Object(keys));
            }
            return;
        };
        // A misspelt key is one mistake, not also the lack of the right one.
        let mut meant = Vec::new();
        for (name, entry) in map {
            match find(keys, name) {
                Some(key) => self.within(name, entry.key_at, |check| check.value(&entry.node, key.kind)),
                None => meant.extend(self.unknown(name, entry.key_at, keys)),
            }
        }
        self.required(map, keys, &meant);
    }

    /// Reports a key that does not exist and gives the one that was probably meant.
    fn unknown(&mut self, name: &str, at: Place, keys: &'static [Key]) -> Option<&'static str> {
        let known = keys.iter().map(|key| key.name);
        let root = self.path.0.is_empty();
        let message = if root {
            format!("there is no section `{}`", shortened(name))
        } else {
            format!("{} has no key `{}`", self.path, shortened(name))
        };
        let meant = nearest(name, known.clone());
        let hint = match meant {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
        };
        // At the root the section itself is what the finding belongs to.
        let path = if root { KeyPath::of([name]) } else { self.path.clone() };
        self.findings.push(Diagnostic::new(Code::UnknownKey, &path, at, message).hint(hint));
        meant
    }

    /// Entries of tools and models are completed by the catalogue, so what they need is checked with it.
    fn required(&mut self, map: &Map, keys: &'static [Key], meant: &[&str]) {
        if matches!(self.path.0.first().map(String::as_str), Some("tools" | "models"))
            && self.path.0.len() == 2
        {
            return;
        }
        for key in keys.iter().filter(|key| key.required && !meant.contains(&key.name)) {
            if map.get(key.name).is_none_or(|entry| entry.node.value == Value::Null) {
                let message = format!("{} has no `{}`", self.path, key.name);
                let finding = Diagnostic::new(Code::MissingKey, &self.path, self.at, message);
                self.findings.push(finding.hint(format!("`{}`: {}", key.name, key.doc)));
            }
        }
    }

    fn scalar(&mut self, node: &Node, kind: Kind) {
        let text = node.text().unwrap_or_default();
        match kind {
            Kind::Bool if node.bool().is_none() => self.wrong_type(node, kind),
            Kind::Choice(words) if !words.contains(&text) => {
                let hint = nearest(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                self.wrong_type(node, kind);
                if let Some(last) = self.findings.last_mut() {
                    last.hint = hint;
                }
            }
            Kind::Integer(least, most) => self.integer(node, kind, least, most),
            Kind::Money => self.amount(node, kind, MONEY_DECIMALS),
            Kind::Price(decimals) => self.amount(node, kind, decimals),
            Kind::Factor => self.amount(node, kind, 6),
            Kind::Moment if crate::config::read::moment(text).is_none() => self.wrong_type(node, kind),
            Kind::Zone if !super::zone_exists(text) => {
                let message = format!("{}: there is no time zone `{}`", self.path, shortened(text));
                self.report(Code::OutOfRange, node, message);
            }
            Kind::EnvName => self.env_name(node, text),
            Kind::EnvText | Kind::Secret => self.env_text(node, text),
            Kind::Words => match words::split(text) {
                Ok(words) => self.program(node, words.first().map(String::as_str)),
                Err(why) => self.report(Code::BadTemplate, node, format!("{}: {why}", self.path)),
            },
            _ => {}
        }
    }

    /// A command's first word is a program. What is no text at all was told before.
    fn program(&mut self, node: &Node, word: Option<&str>) {
        let told = node.items().is_some_and(|items| items.first().is_some_and(|item| item.text().is_none()));
        if !told && word.is_none_or(|word| word.trim().is_empty()) {
            self.report(Code::BadTemplate, node, format!("{} names no program", self.path));
        }
    }

    /// `{file: …}` or `{command: …}`.
    fn secret_source(&mut self, node: &Node) {
        let found = self.findings.len();
        self.object(node, SECRET_SOURCE);
        let sources = SECRET_SOURCE.iter().filter(|key| node.get(key.name).is_some()).count();
        if sources != 1 && self.findings.len() == found {
            let message = format!("{} must have either `file` or `command`", self.path);
            self.report(Code::WrongType, node, message);
        }
    }

    fn integer(&mut self, node: &Node, kind: Kind, least: u64, most: u64) {
        match node.integer() {
            Some(number) if (least..=most).contains(&number) => {}
            None if node
                .decimal()
                .is_none_or(|text| text.contains(['.', 'e', 'E']) && !text.starts_with('-')) =>
            {
                self.wrong_type(node, kind);
            }
            _ => {
                let limits = match (least, most) {
                    (_, 4_294_967_295 | 1_000_000_000_000) => format!("at least {least}"),
                    _ => format!("from {least} to {most}"),
                };
                let text = shortened(node.text().unwrap_or_default());
                let message = format!("{} must be {limits}, not {text}", self.path);
                self.report(Code::OutOfRange, node, message);
            }
        }
    }

    fn amount(&mut self, node: &Node, kind: Kind, decimals: u32) {
        let text = shortened(node.text().unwrap_or_default());
        let bad = if matches!(kind, Kind::Price(_)) { Code::BadPrice } else { Code::OutOfRange };
        match node.decimal().map(|text| exact(&text, decimals)) {
            None | Some(Err(MoneyError::NotANumber)) => self.wrong_type(node, kind),
            Some(Ok(amount)) if amount.0 >= 0 => {}
            Some(Ok(_)) => {
                self.report(bad, node, format!("{} must not be negative, and is {text}", self.path));
            }
            Some(Err(MoneyError::TooFine(_))) => {
                let message = format!("{} has more than {decimals} decimals: {text}", self.path);
                self.report(bad, node, message);
            }
            Some(Err(MoneyError::OutOfRange)) => {
                self.report(bad, node, format!("{} is too large: {text}", self.path));
            }
        }
    }

    fn env_name(&mut self, node: &Node, text: &str) {
        if expand::is_name(text) {
            return;
        }
        if looks_secret(self.path.0.last().map_or("", String::as_str), text) {
            return self.secret(node);
        }
        // Not repeated: whoever writes something else here has probably pasted the key itself.
        let message = format!("{} must be the name of an environment variable", self.path);
        let hint = "such as ANTHROPIC_API_KEY; the key itself does not belong into a file";
        self.findings.push(Diagnostic::new(Code::BadEnvReference, &self.path, node.at, message).hint(hint));
    }

    fn env_text(&mut self, node: &Node, text: &str) {
        if let Err(error) = expand::references(text) {
            let message = format!("{}: {error}", self.path);
            self.report(Code::BadEnvReference, node, message);
        } else if looks_secret(self.path.0.last().map_or("", String::as_str), text) {
            self.secret(node);
        }
    }

    fn secret(&mut self, node: &Node) {
        let message = format!("{} holds what looks like a key or password", self.path);
        let hint = "put it into an environment variable and write ${NAME} here";
        self.findings.push(Diagnostic::new(Code::SecretInConfig, &self.path, node.at, message).hint(hint));
    }
}

/// Reads an amount that has at most so many decimals.
pub(super) fn exact(text: &str, decimals: u32) -> Result<PicoUsd, MoneyError> {
    let amount = PicoUsd::parse(text)?;
    let unit = 10_i64.pow(12_u32.saturating_sub(decimals));
    if amount.0 % unit == 0 { Ok(amount) } else { Err(MoneyError::TooFine(decimals)) }
}

/// Whether a literal looks like a secret, by its shape or by the name it is given.
fn looks_secret(name: &str, text: &str) -> bool {
    // References are no literals: only what stands beside them is looked at.
    let literal = expand::literals(text);
    if literal.trim().len() < 8 {
        return false;
    }
    let redactor = Redactor::new([]);
    let named = format!("{name}={}", literal.trim());
    redactor.redact_str(&literal) != literal || redactor.redact_str(&named) != named
}

/// A value as it is repeated in a message: at most 60 characters.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().count() > 60 {
        short.push('…');
    }
    short
}

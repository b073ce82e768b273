//! Removes secrets from text before it is stored, sent or shown.
//!
//! Known values go by exact match in all their printed forms; other secrets by the form of the key or by what
//! stands before it. Every secret becomes `[redacted:rule]`, never a part of itself. One search for keywords is all
//! that clean text costs. Whole texts, streams and command lines share one scanner, so they agree. Nothing here
//! logs, stores or compares a secret anywhere but in memory.

mod ahead;
mod args;
mod judge;
mod known;
mod pem;
mod scan;
mod shapes;
mod stream;
mod structure;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use known::known_from_env;
pub use stream::RedactStream;

use known::Known;
use scan::{Found, Rest, Scanner};

/// Finds and replaces secrets. A clone is a handle on the same scanner.
#[derive(Clone)]
pub struct Redactor(Arc<Scanner>);

impl Redactor {
    /// Knows these values, as far as they have 8 bytes or more (at most 1,024 of them), besides all shapes of keys.
    pub fn new(known: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Scanner::new(Known::new(known))))
    }

    /// The text with its secrets replaced; the same bytes, not copied, when there is none.
    pub fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.0.is_clean(text) {
            return Cow::Borrowed(text);
        }
        let mut out: Option<Vec<u8>> = None;
        let mut pos = 0;
        let mut rest: Option<Rest> = None;
        loop {
            if let Some(mut rest) = rest.take() {
                pos = rest.swallow(text, pos).0;
            }
            match self.0.next(text, pos, true) {
                Found::Secret(secret) => {
                    let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
                    out.extend_from_slice(&text[pos..secret.start]);
                    write_tag(secret.rule, out);
                    pos = secret.end;
                    rest = secret.rest;
                }
                Found::Clean(_) => break,
            }
        }
        match out {
            None => Cow::Borrowed(text),
            Some(mut out) => {
                out.extend_from_slice(&text[pos..]);
                Cow::Owned(out)
            }
        }
    }

    /// `redact` for text.
    pub fn redact_str<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.redact(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
            ),
        }
    }

    /// A redactor for one stream of bytes.
    pub fn stream(&self) -> RedactStream {
        RedactStream::new(self.clone())
    }

    fn scanner(&self) -> &Scanner {
        &self.0
    }
}

impl Default for Redactor {
    /// Knows no values, only shapes.
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} known values)", self.0.known().len())
    }
}

/// Writes what stands for a secret.
fn write_tag(rule: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[redacted:");
    out.extend_from_slice(rule.as_bytes());
    out.push(b']');
}

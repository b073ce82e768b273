//! Operation ids and cursors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Alphabet of the short form: Crockford's base 32, lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Prefix of every operation id.
pub const OPERATION_PREFIX: &str = "exec-";

/// `exec-` and sixteen characters: the 48 bits of time and 32 random bits of a version 7 UUID, so ids sort by
/// the time they were drawn and fit a line. A collision within a millisecond is caught when the operation's
/// directory is created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId(String);

/// Text that is not an operation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an operation id: {0:?}")]
pub struct BadOperationId(String);

impl OperationId {
    /// Draws a new id.
    pub fn new() -> Self {
        let bytes = uuid::Uuid::now_v7().into_bytes();
        let mut value: u128 = 0;
        for byte in bytes[..6].iter().chain(&bytes[12..16]) {
            value = value << 8 | u128::from(*byte);
        }
        let mut text = String::with_capacity(21);
        text.push_str(OPERATION_PREFIX);
        for group in (0..16).rev() {
            text.push(char::from(ALPHABET[(value >> (group * 5) & 31) as usize]));
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for OperationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for OperationId {
    type Err = BadOperationId;

    fn from_str(text: &str) -> Result<Self, BadOperationId> {
        let rest = text.strip_prefix(OPERATION_PREFIX).ok_or_else(|| BadOperationId(text.to_owned()))?;
        // Other writers of this format may draw other lengths; what matters is that it is safe as a file name.
        let safe =
            (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if safe { Ok(Self(text.to_owned())) } else { Err(BadOperationId(text.to_owned())) }
    }
}

impl TryFrom<String> for OperationId {
    type Error = BadOperationId;

    fn try_from(text: String) -> Result<Self, BadOperationId> {
        text.parse()
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.0
    }
}

/// Why a prefix names no single operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing starts with it.
    #[error("no operation matches {0:?}")]
    NotFound(String),
    /// Several do; the list is cut at eight.
    #[error("{prefix:?} matches {count} operations: {}", examples.join(", "))]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// How many match.
        count: usize,
        /// Some of them.
        examples: Vec<String>,
    },
}

/// Finds the one id that starts with `prefix`, with or without `exec-`; an exact match always wins.
///
/// # Errors
/// None or several match.
pub fn resolve<'a>(
    prefix: &str,
    ids: impl Iterator<Item = &'a OperationId>,
) -> Result<OperationId, ResolveError> {
    let bare = prefix.strip_prefix(OPERATION_PREFIX).unwrap_or(prefix).to_ascii_lowercase();
    if bare.is_empty() {
        return Err(ResolveError::NotFound(prefix.to_owned()));
    }
    let mut matches = Vec::new();
    for id in ids {
        let rest = &id.0[OPERATION_PREFIX.len()..];
        if rest == bare {
            return Ok(id.clone());
        }
        if rest.starts_with(&bare) {
            matches.push(id.clone());
        }
    }
    match matches.len() {
        0 => Err(ResolveError::NotFound(prefix.to_owned())),
        1 => Ok(matches.swap_remove(0)),
        count => Err(ResolveError::Ambiguous {
            prefix: prefix.to_owned(),
            count,
            examples: matches.iter().take(8).map(ToString::to_string).collect(),
        }),
    }
}

/// A daemon's life, drawn at its start; eight hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 8 {
            return Err(format!("epoch {text:?} is not eight hex digits"));
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| format!("epoch {text:?} is not eight hex digits"))
    }
}

/// A place in the daemon's order of events: `9f3a1c2e-10293`.
///
/// Sequence numbers grow over all epochs; the epoch tells whether the tail that a follower saw was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The daemon's life.
    pub epoch: Epoch,
    /// Grows by one for each event.
    pub seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("cursor {text:?} is not of the form 9f3a1c2e-10293");
        let (epoch, seq) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| bad())?, seq: seq.parse().map_err(|_| bad())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_ordered_and_round_trip() {
        let first = OperationId::new();
        assert_eq!(first.as_str().len(), 21);
        assert_eq!(first.as_str().parse::<OperationId>().as_ref(), Ok(&first));
        let later: Vec<_> = (0..50).map(|_| OperationId::new()).collect();
        assert!(later.iter().all(|id| id.as_str()[..14] >= first.as_str()[..14]));
    }

    #[test]
    fn ids_from_outside_are_safe_file_names() {
        for bad in ["exec-", "exec-../x", "exec-a/b", "run-1", "exec-é", "exec-a b"] {
            assert!(bad.parse::<OperationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_resolve() {
        let ids: Vec<OperationId> =
            ["exec-abc1", "exec-abd2", "exec-ab"].iter().map(|s| s.parse().expect("valid")).collect();
        assert_eq!(resolve("abc", ids.iter()).expect("one").as_str(), "exec-abc1");
        assert_eq!(resolve("exec-abd", ids.iter()).expect("one").as_str(), "exec-abd2");
        assert_eq!(resolve("ab", ids.iter()).expect("exact wins").as_str(), "exec-ab");
        assert!(matches!(resolve("a", ids.iter()), Err(ResolveError::Ambiguous { count: 3, .. })));
        assert!(matches!(resolve("x", ids.iter()), Err(ResolveError::NotFound(_))));
        assert!(matches!(resolve("", ids.iter()), Err(ResolveError::NotFound(_))));
    }

    #[test]
    fn cursors_round_trip() {
        let cursor: Cursor = "9f3a1c2e-10293".parse().expect("valid");
        assert_eq!(cursor.to_string(), "9f3a1c2e-10293");
        for bad in ["", "9f3a1c2e", "9f3a-1", "9f3a1c2e-", "zzzzzzzz-1", "9f3a1c2e--1"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}

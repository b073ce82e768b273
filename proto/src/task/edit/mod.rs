//! Edits that change the lines they mean and no other: byte ranges of the source text, never a dump of the tree.
//!
//! Every result is read again and compared before anybody may write it; what cannot be verified is refused. Pure:
//! text in, text out.

mod apply;
mod merge;
mod scalar;
mod section;
mod source;
mod verify;

use crate::task::stamp::write_stamp;
use crate::time::UnixMs;

pub use apply::{Applied, ChangedLine, apply};
pub use merge::reapply;
pub use section::append_section;

/// One intended change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Gives a key a value, and adds the key where it is absent. The path is one key, or a key inside the mapping
    /// of another.
    Set {
        /// Keys from the top.
        path: Vec<String>,
        /// The value.
        value: NewValue,
    },
    /// Adds items to a list, and the list where it is absent.
    Extend {
        /// Keys from the top.
        path: Vec<String>,
        /// Texts.
        items: Vec<String>,
    },
    /// Adds a paragraph to a text, and the text where it is absent.
    Append {
        /// Top-level key.
        key: String,
        /// One or more lines.
        text: String,
    },
    /// Takes a key away, with its lines and the comment right above it, and mappings that only held it.
    Remove {
        /// Keys from the top.
        path: Vec<String>,
    },
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    /// Text, whatever it looks like; in quotes where some reader would take it for something else.
    Text(String),
    /// A word as it is: numbers, `true` and `false` stand without quotes, everything else is text.
    Word(String),
    /// A time, quoted as the file quotes its others.
    Time(UnixMs),
    /// A list of texts.
    List(Vec<String>),
    /// A mapping; only for keys that are absent.
    Map(Vec<(String, NewValue)>),
}

impl Edit {
    /// Sets a top-level key.
    pub fn set(key: &str, value: NewValue) -> Self {
        Self::Set { path: vec![key.to_owned()], value }
    }

    /// Sets a top-level key to a text.
    pub fn text(key: &str, text: impl Into<String>) -> Self {
        Self::set(key, NewValue::Text(text.into()))
    }

    /// Sets a top-level key to a time.
    pub fn time(key: &str, at: UnixMs) -> Self {
        Self::set(key, NewValue::Time(at))
    }

    /// Sets a key inside a mapping.
    pub fn inner(outer: &str, key: &str, value: NewValue) -> Self {
        Self::Set { path: vec![outer.to_owned(), key.to_owned()], value }
    }

    /// Keys from the top.
    pub fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Extend { path, .. } | Self::Remove { path } => path,
            Self::Append { key, .. } => std::slice::from_ref(key),
        }
    }

    /// The path for people: `result.summary`.
    pub fn name(&self) -> String {
        self.path().join(".")
    }
}

impl NewValue {
    /// The text a reader should find; nothing for lists and mappings.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Word(text) => Some(text.clone()),
            Self::Time(at) => Some(write_stamp(*at)),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// Why an edit was not made. The file is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read as a task.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// The change cannot be made, or not be verified.
    #[error("`{key}` cannot be edited safely: {why}")]
    NotSafe {
        /// Path of the key.
        key: String,
        /// Why.
        why: String,
    },
    /// Somebody else changed the same key.
    #[error("`{key}` was changed meanwhile: it is {theirs}, you wanted {ours}")]
    Conflict {
        /// Path of the key.
        key: String,
        /// What is there now.
        theirs: String,
        /// What was to be written.
        ours: String,
    },
}

impl EditError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::NotSafe { .. } => "edit_not_safe",
            Self::Conflict { .. } => "conflict",
        }
    }

    fn unsafe_at(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self::NotSafe { key: key.into(), why: why.into() }
    }
}

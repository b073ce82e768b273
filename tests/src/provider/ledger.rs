//! What the provider served, request by request, for comparison with what llmctl recorded.
//!
//! Owns at most [`MAX_ENTRIES`] entries with at most [`MAX_TEXT`] bytes of text each. Usage is kept in the
//! canonical disjoint classes, whatever convention the wire format has. It never forgets an entry silently:
//! [`Ledger::dropped`] counts those beyond the limit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use llmctl_proto::usage::Usage;
use serde::{Deserialize, Serialize};

use super::request::Api;

/// Requests kept.
pub const MAX_ENTRIES: usize = 10_000;
/// Bytes of text kept of one answer; `text_bytes` counts all.
pub const MAX_TEXT: usize = 4 << 20;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It is still being sent, or stalls.
    Open,
    /// All of it was sent.
    Complete,
    /// The scenario broke the connection.
    Cut,
    /// An error event was sent in the middle, under status 200.
    MidError,
    /// The request was refused with an HTTP error.
    Refused,
    /// The client went away before the end.
    ClientGone,
}

/// A tool call that was asked of the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedCall {
    /// The provider's id of the call.
    pub id: String,
    /// The tool, by the name the client offered.
    pub name: String,
    /// Its arguments.
    pub arguments: serde_json::Value,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// From 1, in the order of arrival.
    pub number: u64,
    /// Wire format.
    pub api: Api,
    /// `POST` and the like.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Model asked for; empty where a request has none.
    pub model: String,
    /// The prompt's last user text, at most 16 KiB.
    pub prompt: String,
    /// Bytes of that text, blanks at its ends left out.
    pub prompt_bytes: u64,
    /// The request brought the result of a tool call.
    pub after_tool: bool,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// HTTP status.
    pub status: u16,
    /// Usage that was put on the wire as the last word; none when none was.
    pub usage: Option<Usage>,
    /// Usage that was put on the wire before the end (Anthropic's `message_start`); none when none was.
    pub early_usage: Option<Usage>,
    /// Answer text sent, at most [`MAX_TEXT`] bytes of it.
    pub text: String,
    /// Bytes of answer text sent.
    pub text_bytes: u64,
    /// Tool calls sent.
    pub calls: Vec<ServedCall>,
    /// How it ended.
    pub end: End,
}

/// The list of everything served.
#[derive(Debug, Default)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Served>,
    requests: u64,
    failures: Vec<(String, u32)>,
}

impl Ledger {
    /// All entries, oldest first.
    pub fn all(&self) -> Vec<Served> {
        self.lock().entries.clone()
    }

    /// Requests beyond [`MAX_ENTRIES`], of which only the number is known.
    pub fn dropped(&self) -> u64 {
        let inner = self.lock();
        inner.requests - inner.entries.len() as u64
    }

    /// Adds an entry and gives it its number.
    pub(super) fn open(&self, mut entry: Served) -> u64 {
        let mut inner = self.lock();
        inner.requests += 1;
        entry.number = inner.requests;
        if inner.entries.len() < MAX_ENTRIES {
            inner.entries.push(entry);
        }
        inner.requests
    }

    /// Changes an entry; one beyond the limit is passed over.
    pub(super) fn change(&self, number: u64, change: impl FnOnce(&mut Served)) {
        let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
        if let Some(entry) = self.lock().entries.get_mut(index) {
            change(entry);
        }
    }

    /// Counts a failure the scenario may inject only `limit` times for this key; true: inject it now.
    pub(super) fn may_fail(&self, key: &str, limit: Option<u32>) -> bool {
        let Some(limit) = limit else { return true };
        let mut inner = self.lock();
        let place = inner.failures.iter().position(|(k, _)| k == key);
        let place = place.unwrap_or_else(|| {
            inner.failures.truncate(MAX_ENTRIES);
            inner.failures.insert(0, (key.to_owned(), 0));
            0
        });
        let done = &mut inner.failures[place].1;
        *done += 1;
        *done <= limit
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Entries are whole after every statement, so a panic elsewhere does not make them wrong.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    /// Adds a piece of answer text.
    pub(super) fn add_text(&mut self, piece: &str) {
        self.text_bytes += piece.len() as u64;
        if self.text.len() + piece.len() <= MAX_TEXT {
            self.text.push_str(piece);
        }
    }
}

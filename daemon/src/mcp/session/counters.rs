//! Counts what passes between a session and its server.
//!
//! Owns numbers and a few samples of noise. Decides nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bounded;
use super::setup::WireLimits;

/// Longest sample of noise, in bytes.
const MAX_SAMPLE: usize = 512;

/// What has passed, as it is now. Bytes are those of messages and noise, without headers of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CountersNow {
    /// Messages from the server.
    pub rx_messages: u64,
    /// Bytes from the server.
    pub rx_bytes: u64,
    /// Messages to the server.
    pub tx_messages: u64,
    /// Bytes to the server.
    pub tx_bytes: u64,
    /// Lines (or bodies) that were no message.
    pub noise_lines: u64,
    /// The first of them, without secrets, each at most 512 bytes.
    pub noise_samples: Vec<String>,
    /// Messages that were too long and dropped.
    pub too_long: u64,
    /// Requests of the server, all declined.
    pub declined: u64,
    /// Requests that wait for an answer.
    pub in_flight: usize,
    /// Time since the last answer to anything.
    pub since_last_answer: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Counters {
    begun: Instant,
    rx_messages: AtomicU64,
    rx_bytes: AtomicU64,
    tx_messages: AtomicU64,
    tx_bytes: AtomicU64,
    noise_lines: AtomicU64,
    samples: Mutex<Vec<String>>,
    too_long: AtomicU64,
    declined: AtomicU64,
    in_flight: AtomicUsize,
    /// Milliseconds from `begun` to the last answer, plus one; 0 for none.
    last_answer: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            rx_messages: AtomicU64::new(0),
            rx_bytes: AtomicU64::new(0),
            tx_messages: AtomicU64::new(0),
            tx_bytes: AtomicU64::new(0),
            noise_lines: AtomicU64::new(0),
            samples: Mutex::new(Vec::new()),
            too_long: AtomicU64::new(0),
            declined: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            last_answer: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> CountersNow {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let since = |ms: u64| self.begun.elapsed().saturating_sub(Duration::from_millis(ms));
        CountersNow {
            rx_messages: get(&self.rx_messages),
            rx_bytes: get(&self.rx_bytes),
            tx_messages: get(&self.tx_messages),
            tx_bytes: get(&self.tx_bytes),
            noise_lines: get(&self.noise_lines),
            noise_samples: self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            too_long: get(&self.too_long),
            declined: get(&self.declined),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            since_last_answer: get(&self.last_answer).checked_sub(1).map(since),
        }
    }

    pub(super) fn received_bytes(&self, bytes: u64) {
        self.rx_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.rx_messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.tx_messages.fetch_add(1, Ordering::Relaxed);
        self.tx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.last_answer.store(self.begun.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    pub(super) fn too_long(&self) {
        self.too_long.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn declined(&self) {
        self.declined.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line that is no message, and keeps the first ones.
    pub(super) fn noise(&self, line: &[u8], limits: &WireLimits) {
        let before = self.noise_lines.fetch_add(1, Ordering::Relaxed);
        if before >= limits.noise_samples as u64 {
            return;
        }
        // Cut after the cleaning: half a secret is no longer known as one.
        let head = &line[..line.len().min(8 * MAX_SAMPLE)];
        let text = String::from_utf8_lossy(&limits.redactor.redact(head)).into_owned();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(bounded::text(text, MAX_SAMPLE));
    }

    /// Counts a request for as long as what it gives lives; none when `limit` are under way.
    pub(super) fn begin(&self, limit: usize) -> Option<InFlight<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let guard = InFlight(&self.in_flight);
        (before < limit).then_some(guard)
    }
}

/// A request that is counted.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

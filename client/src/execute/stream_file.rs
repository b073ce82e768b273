//! A recorded stream: redacted, appended to its file, cut into events for whoever watches.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use llmctl_proto::event::{ExecutionOutput, Stream};
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::redact::{RedactStream, Redactor};

/// Largest piece of one event.
const PIECE: usize = 16 * 1024;
/// Pieces that follow each other closely wait for each other this long.
pub(super) const BATCH: Duration = Duration::from_millis(50);
/// Bytes kept in memory while the disk is full; beyond it the oldest go and a marker says so.
const HELD: usize = 4 * 1024 * 1024;
/// Bytes that wait to be shown; beyond it they are shown at once.
const PENDING: usize = 64 * 1024;

/// One stream of one operation.
#[derive(Debug)]
pub(super) struct StreamFile {
    stream: Stream,
    redact: RedactStream,
    file: File,
    limit: u64,
    /// Bytes that the file has, or will have once the disk takes what is held.
    recorded: u64,
    held: VecDeque<u8>,
    lost: u64,
    cut: bool,
    pending: Vec<u8>,
    pending_offset: u64,
    last_event: Option<Instant>,
    scratch: Vec<u8>,
}

impl StreamFile {
    /// Opens the file of a stream; at most `limit` bytes are recorded.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path, stream: Stream, redactor: &Redactor, limit: u64) -> io::Result<Self> {
        Ok(Self {
            stream,
            redact: redactor.stream(),
            file: OperationDir::append(path)?,
            limit,
            recorded: 0,
            held: VecDeque::new(),
            lost: 0,
            cut: false,
            pending: Vec::new(),
            pending_offset: 0,
            last_event: None,
            scratch: Vec::new(),
        })
    }

    /// Bytes recorded so far.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Whether the disk refuses bytes, or has cost some.
    pub(super) fn refused(&self) -> bool {
        !self.held.is_empty() || self.lost > 0
    }

    /// Takes bytes as the tool delivered them.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut clean = std::mem::take(&mut self.scratch);
        clean.clear();
        self.redact.push(bytes, &mut clean);
        self.record(&clean);
        self.scratch = clean;
    }

    /// Ends the stream: what redaction still held is recorded.
    pub(super) fn finish(&mut self) {
        let mut clean = Vec::new();
        self.redact.finish(&mut clean);
        self.record(&clean);
        self.flush_held();
        self.lost += self.held.len() as u64;
        self.recorded -= self.held.len() as u64;
        self.held.clear();
        if self.lost > 0 {
            self.write(format!("\n[llmctl: {} bytes lost, the disk was full]\n", self.lost).as_bytes());
        }
    }

    fn record(&mut self, clean: &[u8]) {
        if clean.is_empty() || self.cut {
            return;
        }
        let room = usize::try_from(self.limit - self.recorded).unwrap_or(usize::MAX);
        if clean.len() > room {
            self.cut = true;
            let (kept, _) = clean.split_at(room);
            self.write(kept);
            self.write(format!("\n[llmctl: cut at {} bytes]\n", self.limit).as_bytes());
        } else {
            self.write(clean);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.pending.is_empty() {
            self.pending_offset = self.recorded;
        }
        self.pending.extend_from_slice(bytes);
        self.recorded += bytes.len() as u64;
        self.flush_held();
        if !self.held.is_empty() {
            self.hold(bytes);
            return;
        }
        let mut left = bytes;
        while !left.is_empty() {
            match self.file.write(left) {
                Ok(0) | Err(_) => return self.hold(left),
                Ok(count) => left = &left[count..],
            }
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend(bytes);
        let over = self.held.len().saturating_sub(HELD);
        self.held.drain(..over);
        self.lost += over as u64;
        self.recorded -= over as u64;
    }

    fn flush_held(&mut self) {
        while !self.held.is_empty() {
            match self.file.write(self.held.as_slices().0) {
                Ok(0) | Err(_) => return,
                Ok(count) => drop(self.held.drain(..count)),
            }
        }
    }

    /// When the waiting bytes are due to be shown; none when nothing waits.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.pending.is_empty() {
            return None;
        }
        if self.pending.len() >= PENDING {
            return Some(now);
        }
        // The first bytes after a silence go at once.
        Some(self.last_event.map_or(now, |at| at + BATCH))
    }

    /// Takes the next event if one is due. `end`: everything goes, half characters too.
    pub(super) fn next_event(
        &mut self,
        id: &OperationId,
        now: Instant,
        end: bool,
    ) -> Option<ExecutionOutput> {
        if !end && self.due(now).is_none_or(|due| due > now) {
            return None;
        }
        let take = piece_length(&self.pending, end)?;
        let bytes: Vec<u8> = self.pending.drain(..take).collect();
        let offset = self.pending_offset;
        self.pending_offset += take as u64;
        if self.pending.len() < PIECE {
            self.last_event = Some(now);
        }
        Some(ExecutionOutput {
            operation_id: id.clone(),
            stream: self.stream,
            offset,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes: take as u64,
        })
    }

    /// Makes what was recorded survive a power failure.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// How many bytes make the next piece: at most 16 KiB, at most what stays short as JSON, no half character.
fn piece_length(pending: &[u8], end: bool) -> Option<usize> {
    // A control character takes six bytes as JSON; an event has to stay within its limit.
    const ESCAPED: usize = 24 * 1024;
    let mut length = 0;
    let mut escaped = 0;
    for byte in pending.iter().take(PIECE) {
        escaped += if *byte < 0x20 { 6 } else { 1 + usize::from(matches!(byte, b'"' | b'\\')) };
        if escaped > ESCAPED {
            break;
        }
        length += 1;
    }
    if length == 0 {
        return None;
    }
    if length == pending.len() && end {
        return Some(length);
    }
    // Bytes that cannot begin a character are shown as such rather than waited for.
    let tail = pending[..length].iter().rev().take(3).position(|byte| byte & 0xc0 != 0x80);
    let half = tail.map_or(0, |back| {
        let first = pending[length - 1 - back];
        let needed = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        if needed > back + 1 { back + 1 } else { 0 }
    });
    match length - half {
        0 if end => Some(length),
        0 => None,
        whole => Some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(dir: &Path, limit: u64) -> StreamFile {
        let redactor = Redactor::new(["correct-horse-battery".to_owned()]);
        StreamFile::open(&dir.join("output.txt"), Stream::Stdout, &redactor, limit).expect("opened")
    }

    fn drain(file: &mut StreamFile, id: &OperationId) -> Vec<ExecutionOutput> {
        std::iter::from_fn(|| file.next_event(id, Instant::now(), true)).collect()
    }

    proptest! {
        /// The events together are the file, byte for byte, whatever the pieces.
        #[test]
        fn events_are_the_file(pieces in proptest::collection::vec("[a-zé€😀\u{1} \n\"]{0,40}", 0..40)) {
            let dir = tempfile::tempdir().expect("tempdir");
            let (mut file, id) = (open(dir.path(), 1 << 20), OperationId::new());
            let mut events = Vec::new();
            for piece in &pieces {
                for part in piece.as_bytes().chunks(3) {
                    file.push(part);
                    events.extend(file.next_event(&id, Instant::now(), false));
                }
            }
            file.finish();
            events.extend(drain(&mut file, &id));
            let text: String = events.iter().map(|e| e.text.as_str()).collect();
            prop_assert_eq!(&text, &pieces.concat());
            let stored = std::fs::read_to_string(dir.path().join("output.txt")).expect("UTF-8");
            prop_assert_eq!(&text, &stored);
            let mut offset = 0;
            for event in &events {
                prop_assert_eq!(event.offset, offset);
                offset += event.bytes;
            }
            prop_assert_eq!(offset, file.recorded());
        }
    }

    #[test]
    fn secrets_do_not_reach_the_file() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (mut file, id) = (open(dir.path(), 1 << 20), OperationId::new());
        for piece in [&b"the key is correct-hor"[..], b"se-battery, keep it"] {
            file.push(piece);
        }
        file.finish();
        let text: String = drain(&mut file, &id).iter().map(|e| e.text.clone()).collect();
        assert!(text.starts_with("the key is [redacted:") && text.ends_with("], keep it"), "{text}");
        assert_eq!(std::fs::read_to_string(dir.path().join("output.txt")).expect("read"), text);
    }

    #[test]
    fn a_limit_is_said() {
        let dir = tempfile::tempdir().expect("tempdir");
        let mut file = open(dir.path(), 10);
        file.push(b"0123456789 and more");
        file.push(b" and more");
        file.finish();
        let text = std::fs::read_to_string(dir.path().join("output.txt")).expect("read");
        assert_eq!(text, "0123456789\n[llmctl: cut at 10 bytes]\n");
    }

    #[test]
    fn pieces_stay_short_as_json() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (mut file, id) = (open(dir.path(), 1 << 20), OperationId::new());
        file.push(&vec![1u8; 100_000]);
        file.finish();
        let events = drain(&mut file, &id);
        assert_eq!(events.iter().map(|e| e.bytes).sum::<u64>(), 100_000);
        for event in events {
            let json = serde_json::to_string(&event).expect("serialises");
            assert!(json.len() <= llmctl_proto::event::MAX_EVENT_BYTES, "{}", json.len());
        }
    }
}

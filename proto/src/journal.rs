//! An operation's journal: what happened, one JSON line an event, written before it is sent anywhere.
//!
//! Facts are numbered from 1 without a gap; lines numbered 0 are checkpoints of progress. A journal may end in
//! the middle of a line when its writer was killed: every prefix of a journal can be read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{Event, EventError};
use crate::opdir::OperationDir;
use crate::time::UnixMs;

/// Bytes kept in memory while the journal's disk is full; beyond it, the oldest checkpoints and then facts go.
const HELD_BYTES: usize = 4 * 1024 * 1024;

/// Longest line that is read; a longer one is damage.
const MAX_LINE: u64 = 256 * 1024;

#[derive(Serialize)]
struct LineOut<'a> {
    n: u64,
    at: UnixMs,
    #[serde(rename = "type")]
    type_name: &'a str,
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct LineIn<'a> {
    n: u64,
    at: UnixMs,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// One event as it stands in a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// From 1 for facts, 0 for checkpoints.
    pub client_seq: u64,
    /// When it happened.
    pub at: UnixMs,
    /// Dotted name.
    pub type_name: String,
    /// Payload as JSON text.
    pub data: String,
}

impl Entry {
    /// The typed reading.
    ///
    /// # Errors
    /// The payload does not fit its type.
    pub fn event(&self) -> Result<Event, EventError> {
        Event::parse(&self.type_name, &self.data)
    }

    fn to_line(&self) -> io::Result<Vec<u8>> {
        let data: &RawValue = serde_json::from_str(&self.data).map_err(io::Error::other)?;
        let mut line = serde_json::to_vec(&LineOut {
            n: self.client_seq,
            at: self.at,
            type_name: &self.type_name,
            data,
        })
        .map_err(io::Error::other)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Whether the last write reached the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It did.
    Stored,
    /// The disk refused it; it is held in memory and written with the next that succeeds.
    Held,
}

/// Appends to a journal.
#[derive(Debug)]
pub struct Writer {
    file: File,
    length: u64,
    next_seq: u64,
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    dropped: u64,
}

impl Writer {
    /// Opens a new journal.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::from_file(OperationDir::append(path)?, 1)
    }

    /// Opens the journal of a dead runner to add what is known of its end. A torn last line is closed.
    ///
    /// # Errors
    /// It cannot be read or opened.
    pub fn after_crash(path: &Path) -> io::Result<Self> {
        let last = Reader::open(path)?.filter_map(|read| Some(read.entry()?.client_seq)).max().unwrap_or(0);
        let mut file = OperationDir::append(path)?;
        if ends_mid_line(path)? {
            file.write_all(b"\n")?;
        }
        Self::from_file(file, last + 1)
    }

    fn from_file(file: File, next_seq: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, next_seq, held: VecDeque::new(), held_bytes: 0, dropped: 0 })
    }

    /// Number of the last fact.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Lines that had to be dropped because the disk stayed full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends an event; a fact gets the next number. A full disk is no error: the line is held in memory.
    pub fn append(&mut self, at: UnixMs, event: &Event) -> (Entry, Written) {
        let client_seq = if event.is_fact() {
            self.next_seq += 1;
            self.next_seq - 1
        } else {
            0
        };
        let entry =
            Entry { client_seq, at, type_name: event.type_name().to_owned(), data: event.data_json() };
        if let Ok(line) = entry.to_line() {
            self.hold(line);
        }
        let written = if self.flush_held().is_ok() { Written::Stored } else { Written::Held };
        (entry, written)
    }

    fn hold(&mut self, line: Vec<u8>) {
        self.held_bytes += line.len();
        self.held.push_back(line);
        while self.held_bytes > HELD_BYTES {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len();
            self.dropped += 1;
        }
    }

    fn flush_held(&mut self) -> io::Result<()> {
        while let Some(line) = self.held.front() {
            if let Err(error) = self.file.write_all(line) {
                // Part of the line may have reached the disk; without it the next one starts clean.
                let _ = self.file.set_len(self.length);
                return Err(error);
            }
            self.length += line.len() as u64;
            self.held_bytes -= line.len();
            self.held.pop_front();
        }
        Ok(())
    }

    /// Makes everything written so far survive a power failure.
    ///
    /// # Errors
    /// Something is still held, or the disk refuses.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush_held()?;
        self.file.sync_data()
    }
}

fn ends_mid_line(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

/// What one line of a journal is.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// An event.
    Entry(Entry),
    /// The last line, without its end: its writer was killed, or is about to finish it.
    Torn,
    /// Bytes that are no event; the number of the line, from 1.
    Damaged(u64),
}

impl Read {
    /// The entry, if it is one.
    pub fn entry(self) -> Option<Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Torn | Self::Damaged(_) => None,
        }
    }
}

/// Reads a journal from its beginning, or from where it was left.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    offset: u64,
    line: u64,
    failed: bool,
}

impl Reader {
    /// Opens a journal.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), offset: 0, line: 0, failed: false })
    }

    /// All entries of a journal that can be read; none when there is no journal.
    pub fn entries(path: &Path) -> Vec<Entry> {
        Self::open(path).map(|reader| reader.filter_map(Read::entry).collect()).unwrap_or_default()
    }

    fn read_line(&mut self) -> io::Result<Option<Read>> {
        let mut bytes = Vec::new();
        let count = self.file.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? as u64;
        if count == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            if count == MAX_LINE {
                self.skip_line()?;
                self.line += 1;
                return Ok(Some(Read::Damaged(self.line)));
            }
            // Go back, so that a reader that follows a live journal gets the whole line next time.
            self.file.seek(SeekFrom::Start(self.offset))?;
            return Ok(Some(Read::Torn));
        }
        self.offset += count;
        self.line += 1;
        let parsed = serde_json::from_slice::<LineIn<'_>>(&bytes);
        Ok(Some(match parsed {
            Ok(line) => Read::Entry(Entry {
                client_seq: line.n,
                at: line.at,
                type_name: line.type_name,
                data: line.data.get().to_owned(),
            }),
            Err(_) => Read::Damaged(self.line),
        }))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', buffer);
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.file.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.offset = self.file.stream_position()?;
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Read;

    /// Ends at the end of the file; can be asked again after the file has grown. A torn last line is given once
    /// at each end.
    fn next(&mut self) -> Option<Read> {
        if self.failed {
            self.failed = false;
            return None;
        }
        let read = self.read_line().ok().flatten();
        self.failed = matches!(read, Some(Read::Torn));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ExecutionDetached;
    use crate::ids::OperationId;

    fn event(reason: &str) -> Event {
        ExecutionDetached { operation_id: OperationId::new(), reason: reason.into() }.into()
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).expect("created");
        for reason in ["a", "b\n\u{2028}", "c"] {
            assert_eq!(writer.append(UnixMs(5), &event(reason)).1, Written::Stored);
        }
        writer.sync().expect("synced");
        let entries = Reader::entries(&path);
        assert_eq!(entries.iter().map(|e| e.client_seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(matches!(entries[1].event(), Ok(Event::ExecutionDetached(e)) if e.reason == "b\n\u{2028}"));
    }

    #[test]
    fn every_prefix_can_be_read_and_a_torn_end_is_healed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).expect("created");
        for reason in ["one", "two", "three"] {
            writer.append(UnixMs(5), &event(reason));
        }
        let whole = std::fs::read(&path).expect("read");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let lines = memchr::memchr_iter(b'\n', &whole[..cut]).count();
            let read: Vec<Read> = Reader::open(&path).expect("open").collect();
            let entries = read.iter().filter(|r| matches!(r, Read::Entry(_))).count();
            assert_eq!(entries, lines, "cut at {cut}");
            let mut healed = Writer::after_crash(&path).expect("opened again");
            healed.append(UnixMs(6), &event("after"));
            let last = Reader::entries(&path).pop().expect("the new line");
            assert_eq!(last.client_seq, lines as u64 + 1, "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_costs_its_own_line_only() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).expect("created");
        writer.append(UnixMs(5), &event("one"));
        let mut text = std::fs::read(&path).expect("read");
        text.extend_from_slice(b"\x00\xff garbage\n");
        text.extend(std::iter::repeat_n(b'x', 300_000));
        text.push(b'\n');
        std::fs::write(&path, &text).expect("damaged");
        let mut writer = Writer::after_crash(&path).expect("opened");
        writer.append(UnixMs(5), &event("two"));
        let read: Vec<Read> = Reader::open(&path).expect("open").collect();
        assert_eq!(read.len(), 4);
        assert_eq!(read[1], Read::Damaged(2));
        assert_eq!(read[2], Read::Damaged(3));
        assert!(matches!(&read[3], Read::Entry(e) if e.client_seq == 2));
    }

    #[test]
    fn a_growing_journal_can_be_followed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).expect("created");
        writer.append(UnixMs(5), &event("one"));
        let mut reader = Reader::open(&path).expect("open");
        assert!(matches!(reader.next(), Some(Read::Entry(_))));
        assert_eq!(reader.next(), None);
        writer.append(UnixMs(5), &event("two"));
        assert!(matches!(reader.next(), Some(Read::Entry(e)) if e.client_seq == 2));
        assert_eq!(reader.next(), None);
    }
}

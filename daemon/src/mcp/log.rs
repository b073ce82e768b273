//! What a server writes to its error stream: read always and at any speed, kept in bounds and without secrets.
//!
//! The last 1,000 lines (256 KiB) are in memory, more of them in a file with one predecessor, both together at most
//! `daemon.retention.server_log_mb`. Of a flood only so much is kept as can be cleaned without cost; how much was
//! dropped is written in its place.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use llmctl_proto::paths::private_file;
use llmctl_proto::redact::Redactor;
use llmctl_proto::time::UnixMs;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Lines in memory.
const LINES: usize = 1_000;
/// Bytes in memory.
const BYTES: usize = 256 * 1024;
/// Longest line; the rest of a longer one is further lines.
const LINE: usize = 8 * 1024;
/// Lines a follower may be behind.
const FOLLOW: usize = 1_024;
/// Bytes a second that are kept for long.
const RATE: f64 = 128.0 * 1024.0;
/// Bytes that are kept at once.
const BURST: f64 = 1024.0 * 1024.0;
/// How lines of the supervisor's own begin.
const OURS: &str = "[llmctl] ";
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// The log of one server, over all its lives.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// Bytes of the file before it becomes the predecessor.
    half: u64,
    ring: Mutex<Ring>,
    lines: broadcast::Sender<String>,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines so far, dropped ones included.
    count: u64,
}

impl Log {
    /// The log in this file, which is not read yet.
    pub(super) fn open(path: PathBuf, max_bytes: u64) -> Self {
        let (lines, _) = broadcast::channel(FOLLOW);
        Self {
            half: (max_bytes / 2).max(64 * 1024),
            ring: Mutex::default(),
            lines,
            bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            path,
        }
    }

    /// Reads the last lines of a former daemon, before there are any of this one. Blocks.
    pub(super) fn recall(&self) {
        for line in former(&self.path) {
            self.keep(line);
        }
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read in all lives, and those of them that were dropped.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }

    /// Number of the next line, to be given to `tail_since`.
    pub(super) fn mark(&self) -> u64 {
        self.ring().count
    }

    /// The last lines, oldest first.
    pub(super) fn tail(&self, most: usize) -> Vec<String> {
        let ring = self.ring();
        ring.lines.iter().skip(ring.lines.len().saturating_sub(most)).cloned().collect()
    }

    /// The last lines since a mark as one text of at most `limit` bytes, without their times.
    pub(super) fn tail_since(&self, mark: u64, limit: usize) -> String {
        let ring = self.ring();
        let fresh = usize::try_from(ring.count.saturating_sub(mark)).unwrap_or(usize::MAX);
        let mut chosen = Vec::new();
        let mut bytes = 0;
        let said = ring.lines.iter().rev().take(fresh).map(|line| without_time(line));
        // What the supervisor noted itself is no word of the server's.
        for line in said.filter(|line| !line.starts_with(OURS)) {
            if bytes + line.len() + 1 > limit {
                if chosen.is_empty() {
                    chosen.push(&line[..line.floor_char_boundary(limit)]);
                }
                break;
            }
            bytes += line.len() + 1;
            chosen.push(line);
        }
        chosen.reverse();
        chosen.join("\n")
    }

    /// Lines from here on.
    pub(super) fn follow(&self) -> broadcast::Receiver<String> {
        self.lines.subscribe()
    }

    /// Adds a line of the supervisor's own, such as a start.
    pub(super) fn note(&self, text: &str) {
        let line = format!("{} {OURS}{text}", UnixMs::now());
        self.keep(line.clone());
        let path = self.path.clone();
        // Not waited for: what it says is in the events too.
        drop(tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let file = private_file().append(true).create(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        }));
    }

    fn keep(&self, line: String) {
        let mut ring = self.ring();
        ring.count += 1;
        ring.bytes += line.len();
        let _ = self.lines.send(line.clone());
        ring.lines.push_back(line);
        while ring.lines.len() > LINES || ring.bytes > BYTES {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.len();
        }
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a stream to its end, whatever comes. Secrets are taken out by `redactor`.
pub(super) async fn drain(mut stream: impl AsyncRead + Unpin, log: Arc<Log>, redactor: Redactor) {
    let mut chunk = vec![0; CHUNK];
    let mut splitter = Splitter::default();
    let mut allowance = Allowance::new();
    let mut file = File::open(&log).await;
    loop {
        let count = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        log.bytes.fetch_add(count as u64, Ordering::Relaxed);
        if !allowance.take(count) {
            log.dropped.fetch_add(count as u64, Ordering::Relaxed);
            splitter.lost += count as u64;
            continue;
        }
        let lines = splitter.push(&chunk[..count], &redactor);
        take(lines, &log, &mut file).await;
    }
    let lines = splitter.finish(&redactor);
    take(lines, &log, &mut file).await;
}

async fn take(lines: Vec<String>, log: &Log, file: &mut Option<File>) {
    if lines.is_empty() {
        return;
    }
    let mut text = String::new();
    for line in lines {
        let line = format!("{} {line}", UnixMs::now());
        text.push_str(&line);
        text.push('\n');
        log.keep(line);
    }
    if let Some(open) = file
        && let Err(error) = open.write(&text, log).await
    {
        tracing::warn!(%error, path = %log.path.display(), "a server's log is not kept on disk");
        *file = None;
    }
}

/// Makes lines of pieces, each at most `LINE` bytes, without secrets.
#[derive(Debug, Default)]
struct Splitter {
    open: Vec<u8>,
    /// Bytes that were dropped since the last line.
    lost: u64,
}

impl Splitter {
    fn push(&mut self, mut bytes: &[u8], redactor: &Redactor) -> Vec<String> {
        let mut lines = Vec::new();
        if self.lost > 0 {
            lines.push(format!("{OURS}{} bytes were dropped: they came too fast", self.lost));
            self.lost = 0;
            self.open.clear();
            // The rest of a line whose beginning is gone says nothing.
            bytes = memchr::memchr(b'\n', bytes).map_or(&[], |at| &bytes[at + 1..]);
        }
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            self.extend(&bytes[..at], redactor, &mut lines);
            self.close(redactor, &mut lines);
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes, redactor, &mut lines);
        lines
    }

    fn extend(&mut self, mut bytes: &[u8], redactor: &Redactor, lines: &mut Vec<String>) {
        while self.open.len() + bytes.len() > LINE {
            let room = LINE - self.open.len();
            self.open.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            self.close(redactor, lines);
        }
        self.open.extend_from_slice(bytes);
    }

    fn close(&mut self, redactor: &Redactor, lines: &mut Vec<String>) {
        let bytes = std::mem::take(&mut self.open);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        // Of a line that was written over and over, a progress bar, the last state counts.
        let bytes = memchr::memrchr(b'\r', bytes).map_or(bytes, |at| &bytes[at + 1..]);
        let text = String::from_utf8_lossy(bytes);
        if !text.trim().is_empty() {
            lines.push(redactor.redact_str(&text).into_owned());
        }
    }

    fn finish(&mut self, redactor: &Redactor) -> Vec<String> {
        let mut lines = self.push(b"", redactor);
        self.close(redactor, &mut lines);
        lines
    }
}

/// How many bytes may be kept.
struct Allowance {
    bytes: f64,
    at: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self { bytes: BURST, at: Instant::now() }
    }

    fn take(&mut self, count: usize) -> bool {
        let now = Instant::now();
        self.bytes = (self.bytes + RATE * (now - self.at).as_secs_f64()).min(BURST);
        self.at = now;
        let enough = self.bytes >= count as f64;
        if enough {
            self.bytes -= count as f64;
        }
        enough
    }
}

struct File {
    file: tokio::fs::File,
    size: u64,
}

impl File {
    async fn open(log: &Log) -> Option<Self> {
        match Self::begin(log.path.clone()).await {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, path = %log.path.display(), "a server's log is not kept on disk");
                None
            }
        }
    }

    async fn begin(path: PathBuf) -> io::Result<Self> {
        let open = move || {
            let file = private_file().append(true).create(true).open(path)?;
            let size = file.metadata()?.len();
            Ok::<_, io::Error>((file, size))
        };
        let (file, size) = tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;
        Ok(Self { file: tokio::fs::File::from_std(file), size })
    }

    async fn write(&mut self, text: &str, log: &Log) -> io::Result<()> {
        if self.size >= log.half {
            self.file.flush().await?;
            tokio::fs::rename(&log.path, predecessor(&log.path)).await?;
            *self = Self::begin(log.path.clone()).await?;
        }
        self.file.write_all(text.as_bytes()).await?;
        // A file of tokio's holds the last write back until the next one.
        self.file.flush().await?;
        self.size += text.len() as u64;
        Ok(())
    }
}

fn predecessor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// The last lines of a file that a former daemon wrote.
fn former(path: &Path) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(BYTES as u64)))?;
        let mut bytes = Vec::new();
        file.take(BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// A line without the time it was read at.
fn without_time(line: &str) -> &str {
    let time = |text: &str| text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    line.split_once(' ').filter(|(first, _)| time(first)).map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> Vec<String> {
        let (mut splitter, redactor) = (Splitter::default(), Redactor::new(["hunter2hunter2".to_owned()]));
        let mut lines: Vec<String> =
            pieces.iter().flat_map(|piece| splitter.push(piece.as_bytes(), &redactor)).collect();
        lines.extend(splitter.finish(&redactor));
        lines
    }

    #[test]
    fn lines_are_whole_clean_and_bounded() {
        assert_eq!(split(&["one\ntw", "o\r\n10%\r20%\r30%\n", "\nlast"]), ["one", "two", "30%", "last"]);
        assert!(!split(&["key is hunter2", "hunter2 \n"])[0].contains("hunter2hunter2"));
        let long = "x".repeat(3 * LINE + 5);
        assert_eq!(split(&[&long]).iter().map(String::len).collect::<Vec<_>>(), [LINE, LINE, LINE, 5]);
    }

    #[tokio::test]
    async fn a_flood_is_read_to_its_end_and_kept_in_bounds() {
        let dir = tempfile::tempdir().expect("tempdir");
        let log = Arc::new(Log::open(dir.path().join("s.log"), 256 * 1024));
        let flood = "a line of a flood that is far too long\n".repeat(400_000);
        drain(flood.as_bytes(), Arc::clone(&log), Redactor::default()).await;
        let (bytes, dropped) = log.bytes();
        assert_eq!(bytes, flood.len() as u64);
        assert!(dropped > bytes / 2);
        assert!(log.tail(usize::MAX).len() <= LINES);
        assert!(log.tail(usize::MAX).iter().any(|line| line.contains("were dropped")));
        let on_disk: u64 = std::fs::read_dir(dir.path())
            .expect("dir")
            .map(|entry| entry.and_then(|entry| entry.metadata()).expect("meta").len())
            .sum();
        assert!(on_disk <= 256 * 1024 + 2 * CHUNK as u64 * 2, "{on_disk}");
        let again = Log::open(dir.path().join("s.log"), 256 * 1024);
        again.recall();
        assert!(!again.tail(10).is_empty());
    }

    #[test]
    fn a_tail_is_the_end_since_a_mark() {
        let log = Log::open(PathBuf::from("/nonexistent/log"), 0);
        log.keep("2026-11-23T00:31:59.133Z before".to_owned());
        let mark = log.mark();
        for n in 0..5 {
            log.keep(format!("2026-11-23T00:31:59.133Z line {n}"));
        }
        assert_eq!(log.tail_since(mark, 2_000), "line 0\nline 1\nline 2\nline 3\nline 4");
        assert_eq!(log.tail_since(mark, 14), "line 3\nline 4");
        assert_eq!(log.tail_since(mark, 3), "lin");
        assert_eq!(log.tail_since(log.mark(), 2_000), "");
    }
}

//! Cuts a server's standard output into lines.
//!
//! Holds at most one line of the limit (and 16 KiB); a longer line is read over, and only its two ends are looked
//! at for the request it would have answered. Keeps its place when a read is dropped. Knows nothing of messages.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes asked for with one read, and kept allocated between lines.
const CHUNK: usize = 16 * 1024;
/// Bytes looked at on each end of a line that is too long.
const ENDS: usize = 128;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line without its end, to be had from `bytes`.
    Line(Range<usize>),
    /// The end of a line that was too long.
    TooLong {
        /// The request it seems to answer.
        id: Option<u64>,
    },
    /// Nothing any more.
    End,
}

/// A line that is being read over.
#[derive(Debug)]
struct Skipped {
    id: Option<u64>,
    tail: Vec<u8>,
}

/// Reads lines of at most `limit` bytes.
#[derive(Debug)]
pub(super) struct Lines<R> {
    read: R,
    limit: usize,
    buffer: Vec<u8>,
    /// Where the current line starts.
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    skipped: Option<Skipped>,
    total: u64,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(read: R, limit: usize) -> Self {
        Self { read, limit, buffer: Vec::new(), start: 0, searched: 0, skipped: None, total: 0 }
    }

    /// The next line. Dropping the future loses nothing; `bytes` of a line are good until the next call.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(next) = self.cut() {
                return Ok(next);
            }
            self.make_room();
            let read = self.read.read_buf(&mut self.buffer).await?;
            self.total += read as u64;
            if read == 0 {
                return Ok(self.last());
            }
        }
    }

    /// The bytes of a line, without a byte order mark and a carriage return.
    pub(super) fn bytes(&self, line: Range<usize>) -> &[u8] {
        let line = self.buffer.get(line).unwrap_or_default();
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// All bytes that were read.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn cut(&mut self) -> Option<Next> {
        let end = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
        let Some(end) = end else {
            self.searched = self.buffer.len();
            if self.skipped.is_some() || self.buffer.len() - self.start > self.limit {
                self.skip(self.buffer.len());
            }
            return None;
        };
        if self.skipped.is_some() || end - self.start > self.limit {
            self.skip(end);
            self.start = end + 1;
            self.searched = self.start;
            return Some(self.end_skipped());
        }
        let line = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        Some(Next::Line(line))
    }

    /// Reads over what there is of the current line, up to `end`.
    fn skip(&mut self, end: usize) {
        let part = &self.buffer[self.start..end];
        let skipped = self.skipped.get_or_insert_with(|| Skipped { id: id_at_start(part), tail: Vec::new() });
        skipped.tail.extend_from_slice(&part[part.len().saturating_sub(ENDS)..]);
        skipped.tail.drain(..skipped.tail.len().saturating_sub(ENDS));
        self.start = end;
    }

    fn end_skipped(&mut self) -> Next {
        let skipped = self.skipped.take();
        Next::TooLong { id: skipped.and_then(|skipped| skipped.id.or_else(|| id_at_end(&skipped.tail))) }
    }

    fn last(&mut self) -> Next {
        if self.skipped.is_some() {
            return self.end_skipped();
        }
        let line = self.start..self.buffer.len();
        self.start = line.end;
        self.searched = line.end;
        if line.is_empty() { Next::End } else { Next::Line(line) }
    }

    /// Moves the current line to the front and grows by doubling, never beyond the limit and a chunk.
    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > 2 * CHUNK {
            self.buffer = Vec::new();
        }
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
            let most = (self.limit + CHUNK).saturating_sub(self.buffer.len());
            self.buffer.reserve_exact(self.buffer.len().max(CHUNK).min(most.max(CHUNK / 4)));
        }
    }
}

/// The number in `{"jsonrpc":"2.0","id":7,"result":`, as most servers begin.
fn id_at_start(line: &[u8]) -> Option<u64> {
    let text = compact(&line[..line.len().min(ENDS)]);
    let text = text.strip_prefix('{')?;
    let text = text.strip_prefix("\"jsonrpc\":\"2.0\",").unwrap_or(text).strip_prefix("\"id\":")?;
    let (id, rest) = text.split_once(',')?;
    (rest.starts_with("\"result\"") || rest.starts_with("\"error\"")).then(|| number(id))?
}

/// The number in `,"jsonrpc":"2.0","id":7}`, as the others end.
fn id_at_end(line: &[u8]) -> Option<u64> {
    let text = compact(line);
    let text = text.strip_suffix('}')?;
    let text = text.strip_suffix(",\"jsonrpc\":\"2.0\"").unwrap_or(text);
    number(text.rsplit_once(",\"id\":")?.1)
}

fn compact(bytes: &[u8]) -> String {
    bytes.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect()
}

fn number(text: &str) -> Option<u64> {
    text.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], limit: usize) -> Vec<Result<String, Option<u64>>> {
        let mut lines = Lines::new(text, limit);
        let mut out = Vec::new();
        loop {
            match lines.next().await.expect("a slice never fails") {
                Next::Line(range) => out.push(Ok(String::from_utf8_lossy(lines.bytes(range)).into_owned())),
                Next::TooLong { id } => out.push(Err(id)),
                Next::End => return out,
            }
        }
    }

    #[tokio::test]
    async fn lines_are_cut_and_cleaned() {
        let lines = all(b"\xEF\xBB\xBFa\r\n\nbb\n\xEF\xBB\xBFccc", 100).await;
        assert_eq!(lines, ["a", "", "bb", "ccc"].map(|line| Ok(line.to_owned())));
        assert_eq!(all(b"", 100).await, []);
    }

    #[tokio::test]
    async fn a_line_one_byte_beyond_the_limit_is_read_over() {
        let lines = all(b"12345\n123456\nend\n", 5).await;
        assert_eq!(lines, [Ok("12345".to_owned()), Err(None), Ok("end".to_owned())]);
        assert_eq!(all(b"123456", 5).await, [Err(None)]);
    }

    #[tokio::test]
    async fn a_huge_line_is_not_held() {
        let (mut from, to) = tokio::io::duplex(CHUNK);
        let writer = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            from.write_all(b"{\"jsonrpc\": \"2.0\", \"id\": 17, \"result\": \"").await.expect("read");
            for _ in 0..1_600 {
                from.write_all(&vec![b'x'; 64 * 1024]).await.expect("read");
            }
            from.write_all(b"\"}\nnext\n").await.expect("read");
        });
        let mut lines = Lines::new(to, 1 << 20);
        assert_eq!(lines.next().await.expect("open"), Next::TooLong { id: Some(17) });
        assert!(lines.buffer.capacity() <= (1 << 20) + CHUNK, "{}", lines.buffer.capacity());
        let Next::Line(range) = lines.next().await.expect("open") else { panic!("no line") };
        assert_eq!(lines.bytes(range), b"next");
        assert!(lines.total() > 100 << 20);
        writer.await.expect("all written");
    }

    #[test]
    fn the_request_of_a_long_line_is_found_at_either_end() {
        assert_eq!(id_at_start(br#"{"jsonrpc":"2.0","id":5,"result":{"#), Some(5));
        assert_eq!(id_at_start(br#"{ "id" : "5", "error" : {"#), Some(5));
        assert_eq!(id_at_start(br#"{"jsonrpc":"2.0","id":5,"method":"x""#), None);
        assert_eq!(id_at_start(br#"{"result":{"id":5,"#), None);
        assert_eq!(id_at_end(br#"xx"}]},"jsonrpc":"2.0","id":5}"#), Some(5));
        assert_eq!(id_at_end(br#"xx"}]}, "id": "5", "jsonrpc": "2.0"} "#), Some(5));
        assert_eq!(id_at_end(br#"xx","id":5}}"#), None);
    }
}

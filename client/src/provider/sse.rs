//! Cuts a provider's byte stream into frames: server-sent events, or one JSON object a line.
//!
//! Pure and incremental: the same bytes cut at any places give the same frames. A line is held until its end,
//! so a character split between two reads is whole when it is read. Never looks into a frame's data.

use memchr::memchr2;

/// Longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// An event of several `data` lines may be this many times as long as one line.
const EVENT_LINES: usize = 4;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The `event:` field; none in NDJSON.
    pub name: Option<String>,
    /// The `data` lines joined by line feeds, or the line itself in NDJSON. Invalid UTF-8 is replaced.
    pub data: String,
}

/// A line or event beyond the limit; nothing after it can be trusted to be aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the answer is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// How a stream is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `text/event-stream`.
    Sse,
    /// One JSON object a line.
    Ndjson,
}

/// Splits a stream as it arrives; holds at most one line and one event.
#[derive(Debug)]
pub struct Splitter {
    framing: Framing,
    limit: usize,
    line: Vec<u8>,
    first_line: bool,
    skip_lf: bool,
    failed: bool,
    name: Option<String>,
    data: Option<String>,
}

impl Splitter {
    /// An empty splitter with the usual limit of 1 MiB a line.
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, MAX_LINE_BYTES)
    }

    /// An empty splitter with a limit of `limit` bytes a line.
    pub fn with_limit(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            line: Vec::new(),
            first_line: true,
            skip_lf: false,
            failed: false,
            name: None,
            data: None,
        }
    }

    /// Takes the next bytes and appends the frames they complete.
    ///
    /// # Errors
    /// When a line or an event is too long; every later call fails as well.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Frame>) -> Result<(), TooLong> {
        if self.failed {
            return Err(self.too_long());
        }
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.skip_lf) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr2(b'\r', b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.limit {
                return Err(self.too_long());
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.skip_lf = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_line(out)?;
        }
        Ok(())
    }

    /// Ends the stream: an unfinished last line and an event without its blank line count as whole.
    ///
    /// # Errors
    /// As `push`.
    pub fn finish(&mut self, out: &mut Vec<Frame>) -> Result<(), TooLong> {
        if self.failed {
            return Err(self.too_long());
        }
        if !self.line.is_empty() {
            self.end_line(out)?;
        }
        self.dispatch(out);
        Ok(())
    }

    fn too_long(&mut self) -> TooLong {
        self.failed = true;
        self.line = Vec::new();
        self.data = None;
        TooLong { limit: self.limit }
    }

    fn end_line(&mut self, out: &mut Vec<Frame>) -> Result<(), TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let mut line: &[u8] = &bytes;
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        match self.framing {
            Framing::Ndjson if line.iter().all(u8::is_ascii_whitespace) => {}
            Framing::Ndjson => {
                out.push(Frame { name: None, data: String::from_utf8_lossy(line).into_owned() });
            }
            Framing::Sse if line.is_empty() => self.dispatch(out),
            Framing::Sse => self.field(line)?,
        }
        // The allocation is kept for the next line unless one long line made it large.
        if bytes.capacity() <= 64 * 1024 {
            self.line = bytes;
            self.line.clear();
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let colon = memchr::memchr(b':', line);
        let (field, value) = match colon {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"event" => self.name = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => {
                let value = String::from_utf8_lossy(value);
                match &mut self.data {
                    Some(data) if data.len() + value.len() >= self.limit.saturating_mul(EVENT_LINES) => {
                        return Err(self.too_long());
                    }
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&value);
                    }
                    none => *none = Some(value.into_owned()),
                }
            }
            // A comment has an empty field name; `id`, `retry` and unknown fields say nothing to us.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<Frame>) {
        let name = self.name.take().filter(|name| !name.is_empty());
        if let Some(data) = self.data.take() {
            out.push(Frame { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(framing: Framing, parts: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut splitter = Splitter::new(framing);
        let mut out = Vec::new();
        for part in parts {
            splitter.push(part, &mut out).expect("short lines");
        }
        splitter.finish(&mut out).expect("short lines");
        out.into_iter().map(|frame| (frame.name, frame.data)).collect()
    }

    fn data(text: &str) -> (Option<String>, String) {
        (None, text.to_owned())
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        let want = vec![data("a"), data("b")];
        assert_eq!(frames(Framing::Sse, &[b"data: a\n\ndata: b\n\n"]), want);
        assert_eq!(frames(Framing::Sse, &[b"data: a\r\rdata: b\r\r"]), want);
        assert_eq!(frames(Framing::Sse, &[b"data: a\r\n\r\ndata: b\r\n\r\n"]), want);
        assert_eq!(frames(Framing::Sse, &[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r", b"\n"]), want);
        assert_eq!(frames(Framing::Sse, &[b"data: a\n\r\ndata: b\r\r\n"]), want);
    }

    #[test]
    fn fields_follow_the_standard() {
        let text =
            b"\xEF\xBB\xBF: comment\nid: 7\nretry: 10\nevent: delta\ndata:no space\ndata:  two\ndata\n\n";
        assert_eq!(frames(Framing::Sse, &[text]), vec![(Some("delta".into()), "no space\n two\n".into())]);
        assert_eq!(frames(Framing::Sse, &[b"event: only a name\n\ndata: next\n\n"]), vec![data("next")]);
        assert_eq!(frames(Framing::Sse, &[b"data: a:b: c\n\n"]), vec![data("a:b: c")]);
        assert_eq!(frames(Framing::Sse, &[b"data:\n\n"]), vec![data("")]);
        assert_eq!(frames(Framing::Sse, &[b": OPENROUTER PROCESSING\n\n"]), vec![]);
    }

    #[test]
    fn a_byte_order_mark_counts_only_at_the_start() {
        let parts: &[&[u8]] = &[b"\xEF", b"\xBB", b"\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"];
        assert_eq!(frames(Framing::Sse, parts), vec![data("a")]);
    }

    #[test]
    fn a_stream_without_its_last_blank_line_is_whole() {
        assert_eq!(frames(Framing::Sse, &[b"data: a\n\ndata: [DONE]"]), vec![data("a"), data("[DONE]")]);
        assert_eq!(frames(Framing::Sse, &[b"data: a\n"]), vec![data("a")]);
        assert_eq!(frames(Framing::Sse, &[b""]), vec![]);
    }

    #[test]
    fn a_character_split_between_reads_is_whole() {
        let text = "data: 🌟é\n\n".as_bytes();
        for cut in 0..text.len() {
            assert_eq!(frames(Framing::Sse, &[&text[..cut], &text[cut..]]), vec![data("🌟é")]);
        }
        assert_eq!(frames(Framing::Sse, &[b"data: \xFF\n\n"]), vec![data("\u{FFFD}")]);
    }

    #[test]
    fn ndjson_skips_blank_lines() {
        let text = b"{\"a\":1}\r\n\n  \n{\"b\":2}";
        assert_eq!(frames(Framing::Ndjson, &[text]), vec![data("{\"a\":1}"), data("{\"b\":2}")]);
    }

    #[test]
    fn a_line_one_byte_beyond_the_limit_fails_for_good() {
        let mut out = Vec::new();
        let mut splitter = Splitter::with_limit(Framing::Sse, 10);
        splitter.push(b"data: 1234\n\n", &mut out).expect("ten bytes");
        assert_eq!(out.len(), 1);
        splitter.push(b"data: 12345", &mut out).expect_err("eleven bytes");
        splitter.push(b"\n\n", &mut out).expect_err("stays failed");
        splitter.finish(&mut out).expect_err("stays failed");
        assert_eq!(out.len(), 1);
        let mut many = Splitter::with_limit(Framing::Sse, 10);
        let error = (0..100).find_map(|_| many.push(b"data: 1234\n", &mut out).err());
        assert_eq!(error, Some(TooLong { limit: 10 }));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("data: é🌟x".to_owned()), Just("data:".to_owned()), Just(String::new()),
                    Just(": c".to_owned()), Just("event: e".to_owned()), Just("\u{FEFF}data: b".to_owned()),
                    "[a-z: ]{0,12}",
                ],
                0..12,
            ),
            ends in proptest::collection::vec(0_usize..3, 12),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
            ndjson in any::<bool>(),
        ) {
            let framing = if ndjson { Framing::Ndjson } else { Framing::Sse };
            let mut text = String::new();
            for (line, end) in lines.iter().zip(&ends) {
                text.push_str(line);
                text.push_str(["\n", "\r", "\r\n"][*end]);
            }
            let bytes = text.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.push(0);
            places.push(bytes.len());
            places.sort_unstable();
            let parts: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frames(framing, &parts), frames(framing, &[bytes]));
        }
    }
}

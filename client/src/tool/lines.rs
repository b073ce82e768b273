//! Cuts a stream of bytes into lines.
//!
//! Works on bytes, so a character split between two reads is of no concern. LF and CRLF end a line, blank lines are
//! skipped, and the end of the stream ends the last line. A line holds at most 16 MiB: the rest of a longer one is
//! dropped and the line says so. The same bytes in pieces of any size give the same lines.

use memchr::memchr;

/// Longest line; what follows is dropped.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// What is put behind the kept part of a line that was too long.
pub const CUT_MARKER: &[u8] = b" [line cut]";

/// Memory kept for the next line after a long one.
const KEPT_CAPACITY: usize = 256 * 1024;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes; of a line that was too long, the first part and [`CUT_MARKER`].
    pub bytes: &'a [u8],
    /// It was too long.
    pub cut: bool,
}

/// Splits bytes that arrive in pieces. Holds at most one line.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    limit: usize,
    /// The line under way was handed on already; the rest of it is dropped.
    dropping: bool,
    cuts: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_limit(MAX_LINE_BYTES)
    }
}

impl Lines {
    /// Makes a splitter with another limit than 16 MiB.
    pub fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), limit, dropping: false, cuts: 0 }
    }

    /// How many lines were cut so far.
    pub fn cut_lines(&self) -> u64 {
        self.cuts
    }

    /// Takes the next piece and hands on every line that it completes.
    pub fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr(b'\n', piece) {
            let (head, rest) = (&piece[..end], &piece[end + 1..]);
            piece = rest;
            if self.dropping {
                self.dropping = false;
            } else if self.held.is_empty() && head.len() <= self.limit {
                // The usual case: the whole line is in this piece, nothing is copied.
                hand_on(head, &mut each);
            } else {
                self.hold(head, &mut each);
                self.end_line(&mut each);
            }
        }
        if !self.dropping {
            self.hold(piece, &mut each);
        }
    }

    /// Ends the stream; a line without its end is handed on.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        self.end_line(&mut each);
    }

    fn hold(&mut self, bytes: &[u8], each: &mut impl FnMut(Line<'_>)) {
        let room = self.limit - self.held.len();
        if bytes.len() <= room {
            self.held.extend_from_slice(bytes);
            return;
        }
        self.held.extend_from_slice(&bytes[..room]);
        self.held.extend_from_slice(CUT_MARKER);
        self.cuts += 1;
        self.dropping = true;
        each(Line { bytes: &self.held, cut: true });
        self.reset();
    }

    fn end_line(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if !self.dropping {
            hand_on(&self.held, each);
        }
        self.dropping = false;
        self.reset();
    }

    fn reset(&mut self) {
        self.held.clear();
        self.held.shrink_to(KEPT_CAPACITY);
    }
}

fn hand_on(line: &[u8], each: &mut impl FnMut(Line<'_>)) {
    let bytes = line.strip_suffix(b"\r").unwrap_or(line);
    if !bytes.trim_ascii().is_empty() {
        each(Line { bytes, cut: false });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]], limit: usize) -> (Vec<(String, bool)>, u64) {
        let mut lines = Lines::with_limit(limit);
        let mut out = Vec::new();
        let mut each =
            |line: Line<'_>| out.push((String::from_utf8_lossy(line.bytes).into_owned(), line.cut));
        for piece in pieces {
            lines.push(piece, &mut each);
        }
        lines.finish(&mut each);
        (out, lines.cut_lines())
    }

    fn whole(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn lf_crlf_blank_lines_and_a_missing_end() {
        let (lines, cut) = split(&[b"a\r\n\n \r\nb\nc"], 100);
        assert_eq!(lines, [whole("a"), whole("b"), whole("c")]);
        assert_eq!(cut, 0);
    }

    #[test]
    fn a_character_split_between_reads_stays_whole() {
        let bytes = "grüße\n".as_bytes();
        assert_eq!(split(&[&bytes[..3], &bytes[3..]], 100).0, [whole("grüße")]);
        assert_eq!(split(&[b"x\r", b"\ny"], 100).0, [whole("x"), whole("y")]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let (lines, cut) = split(&[b"123456789\nab\n12345\n"], 5);
        assert_eq!(lines, [("12345 [line cut]".to_owned(), true), whole("ab"), whole("12345")]);
        assert_eq!(cut, 1);
    }

    #[test]
    fn a_line_of_17_mib_takes_no_more_than_the_limit() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1024 * 1024];
        let mut seen = Vec::new();
        for _ in 0..17 {
            lines.push(&piece, |line| seen.push((line.bytes.len(), line.cut)));
            assert!(lines.held.len() <= MAX_LINE_BYTES);
        }
        assert_eq!(seen, [(MAX_LINE_BYTES + CUT_MARKER.len(), true)]);
        assert!(lines.held.capacity() <= KEPT_CAPACITY);
        lines.push(b"rest\nnext\n", |line| seen.push((line.bytes.len(), line.cut)));
        assert_eq!(seen[1..], [(4, false)]);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..200, 0..20),
            limit in 1_usize..40,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(split(&pieces, limit), split(&[&bytes], limit));
        }
    }
}

//! Redaction of text that arrives in pieces.
//!
//! Everything goes out at once but the end of what has arrived, as far as it may still become a secret. However
//! the text is cut, the pieces together are what `Redactor::redact` makes of the whole.

use super::judge::LEFT_CONTEXT;
use super::scan::{Found, Rest};
use super::{Redactor, write_tag};

/// Input is worked through in pieces of this size, so that the buffer stays below this and 4 KiB more.
const PIECE: usize = 64 * 1024;

/// Redacts one stream of bytes; made by `Redactor::stream`.
#[derive(Debug)]
pub struct RedactStream {
    redactor: Redactor,
    /// Released bytes that matchers may look back at, then the bytes that are held.
    buf: Vec<u8>,
    released: usize,
    rest: Option<Rest>,
}

impl RedactStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, buf: Vec::new(), released: 0, rest: None }
    }

    /// Takes the next piece and appends to `out` what can be released: all but the tail that may be the beginning
    /// of a secret. At most 4 KiB are held.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.chunks(PIECE) {
            self.buf.extend_from_slice(piece);
            self.drain(false, out);
        }
    }

    /// Decides what is held as the end of the stream and appends it to `out`. The next `push` begins a new stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.drain(true, out);
        self.buf.clear();
        self.released = 0;
        self.rest = None;
    }

    /// Bytes that were taken and not yet released or dropped.
    pub fn held(&self) -> usize {
        self.buf.len() - self.released
    }

    fn drain(&mut self, last: bool, out: &mut Vec<u8>) {
        let mut pos = self.released;
        loop {
            if let Some(rest) = &mut self.rest {
                let (to, over) = rest.swallow(&self.buf, pos);
                pos = to;
                if !over {
                    break;
                }
                self.rest = None;
            }
            match self.redactor.scanner().next(&self.buf, pos, last) {
                Found::Secret(secret) => {
                    out.extend_from_slice(&self.buf[pos..secret.start]);
                    write_tag(secret.rule, out);
                    pos = secret.end;
                    self.rest = secret.rest;
                }
                Found::Clean(to) => {
                    out.extend_from_slice(&self.buf[pos..to]);
                    pos = to;
                    break;
                }
            }
        }
        let forgotten = pos.saturating_sub(LEFT_CONTEXT);
        self.buf.drain(..forgotten);
        self.released = pos - forgotten;
    }
}

//! Reading ahead in text that may still grow.
//!
//! Every matcher reads through `Ahead`. Reaching the end of what has arrived is an error (`More`), so no matcher
//! can decide on a byte it has not seen: that is why cutting a text differently never changes what is redacted.

/// The matcher needs bytes that have not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct More;

/// A set of bytes.
#[derive(Debug)]
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters and digits, and `extra`.
    pub(super) const fn alnum(extra: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut b = 0;
        while b < 128 {
            set[b] = (b as u8).is_ascii_alphanumeric();
            b += 1;
        }
        Self(set).and(extra)
    }

    /// Everything but white space, control bytes and `barred`; bytes beyond ASCII belong to it.
    pub(super) const fn printable_but(barred: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut b = 33;
        while b < 256 {
            set[b] = b != 127;
            b += 1;
        }
        let mut i = 0;
        while i < barred.len() {
            set[barred[i] as usize] = false;
            i += 1;
        }
        Self(set)
    }

    const fn and(mut self, extra: &[u8]) -> Self {
        let mut i = 0;
        while i < extra.len() {
            self.0[extra[i] as usize] = true;
            i += 1;
        }
        self
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// A place in the text, from which a matcher reads forward.
#[derive(Debug, Clone)]
pub(super) struct Ahead<'a> {
    buf: &'a [u8],
    pos: usize,
    limit: usize,
    last: bool,
}

impl<'a> Ahead<'a> {
    /// Reads `buf` from `pos`, at most `cap` bytes; `last` says that nothing follows `buf`.
    pub(super) fn new(buf: &'a [u8], pos: usize, cap: usize, last: bool) -> Self {
        Self { buf, pos, limit: pos.saturating_add(cap), last }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// Whether the limit, not the text, ended the reading.
    pub(super) fn capped(&self) -> bool {
        self.pos >= self.limit
    }

    /// The next byte; none at the end of the text or at the limit.
    pub(super) fn peek(&self) -> Result<Option<u8>, More> {
        if self.capped() {
            return Ok(None);
        }
        match self.buf.get(self.pos) {
            Some(&byte) => Ok(Some(byte)),
            None if self.last => Ok(None),
            None => Err(More),
        }
    }

    /// Takes the next byte.
    pub(super) fn next(&mut self) -> Result<Option<u8>, More> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.pos += 1;
        }
        Ok(byte)
    }

    /// Takes the next byte if `wanted` says so.
    pub(super) fn take_if(&mut self, wanted: impl Fn(u8) -> bool) -> Result<Option<u8>, More> {
        match self.peek()? {
            Some(byte) if wanted(byte) => {
                self.pos += 1;
                Ok(Some(byte))
            }
            _ => Ok(None),
        }
    }

    /// Takes the longest run of bytes of `set`.
    pub(super) fn run(&mut self, set: &ByteSet) -> Result<&'a [u8], More> {
        let start = self.pos;
        while self.take_if(|b| set.has(b))?.is_some() {}
        Ok(&self.buf[start..self.pos])
    }
}

//! Private keys in PEM form, of any length.
//!
//! A begin line alone is prose; with key material behind it everything goes up to the end line. A key that was cut
//! off has no end line, so the machine also stops when no key material was seen for a while.

use super::ahead::{Ahead, ByteSet, More};
use super::scan::{Rest, Secret};

/// A Base64 run this long is key material.
const MATERIAL: u32 = 32;
/// Bytes without key material after which the block is over.
const SILENCE: u32 = 512;
/// Bytes after which a block is over in any case.
const LONGEST: u32 = 64 * 1024;
/// Bytes of the begin line after `-----BEGIN`.
const LABEL: usize = 64;

const FOOTER: &[u8] = b"-----END";
static LABEL_SET: ByteSet = ByteSet::alnum(b" ");
static BASE64: ByteSet = ByteSet::alnum(b"+/=");

/// How far a block has been read; fed byte by byte, so it does not matter how the bytes arrive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pem {
    total: u32,
    silence: u32,
    run: u32,
    material: bool,
    footer: usize,
    closing: Option<u32>,
    dashes: u32,
}

/// What one byte did to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The byte belongs to it.
    Inside,
    /// The byte is its last.
    Last,
    /// The byte is no longer part of it.
    Outside,
}

impl Pem {
    /// Takes what belongs to the block from `buf` at `pos`; returns where it stopped and whether the block is over.
    pub(super) fn swallow(&mut self, buf: &[u8], mut pos: usize) -> (usize, bool) {
        while let Some(&byte) = buf.get(pos) {
            match self.step(byte) {
                Step::Inside => pos += 1,
                Step::Last => return (pos + 1, true),
                Step::Outside => return (pos, true),
            }
        }
        (pos, false)
    }

    fn step(&mut self, byte: u8) -> Step {
        let continues_char = byte & 0xC0 == 0x80;
        if (self.silence >= SILENCE || self.total >= LONGEST) && !continues_char {
            return Step::Outside;
        }
        self.total += 1;
        self.silence += 1;
        if let Some(after) = self.closing {
            self.closing = Some(after + 1);
            self.dashes = if byte == b'-' { self.dashes + 1 } else { 0 };
            return if self.dashes == 5 || after as usize >= LABEL { Step::Last } else { Step::Inside };
        }
        self.run = if BASE64.has(byte) { self.run + 1 } else { 0 };
        if self.run >= MATERIAL {
            self.material = true;
            self.silence = 0;
        }
        // A dash too many still ends in five dashes; one after `E` or `EN` begins anew.
        self.footer = match byte {
            b if FOOTER[self.footer] == b => self.footer + 1,
            b'-' if self.footer == 5 => 5,
            b'-' => 1,
            _ => 0,
        };
        if self.footer == FOOTER.len() {
            self.closing = Some(0);
        }
        Step::Inside
    }
}

/// Decides what follows `-----BEGIN` at `start`; the keyword is `keyword_len` bytes long.
pub(super) fn read(buf: &[u8], start: usize, keyword_len: usize, last: bool) -> Result<Option<Secret>, More> {
    let mut label = Ahead::new(buf, start + keyword_len, LABEL, last);
    let name = label.run(&LABEL_SET)?;
    if !(name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK")) {
        return Ok(None);
    }
    for _ in 0..5 {
        if label.take_if(|b| b == b'-')?.is_none() {
            return Ok(None);
        }
    }
    let mut ahead = Ahead::new(buf, label.pos(), SILENCE as usize, last);
    let mut block = Pem::default();
    while let Some(byte) = ahead.next()? {
        if block.step(byte) != Step::Inside || block.closing.is_some() {
            return Ok(None);
        }
        if block.material {
            return Ok(Some(Secret {
                start,
                end: ahead.pos(),
                rule: "private-key",
                rest: Some(Rest::Pem(block)),
            }));
        }
    }
    Ok(None)
}

//! Text from models, tools and files on its way to a terminal: nothing in it may drive the terminal.

/// Replaces control characters in a stream of bytes; newline and tab stay. Works on any cut of the stream.
#[derive(Debug, Default)]
pub struct Safe {
    /// The last byte was the first half of a two-byte character that may be a C1 control.
    half: bool,
}

impl Safe {
    /// Appends the harmless form of `bytes` to `out`. Escape is shown as `␛`, other controls as `�`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.half {
                self.half = false;
                if (0x80..0xa0).contains(&byte) {
                    out.extend_from_slice("\u{fffd}".as_bytes());
                    continue;
                }
                out.push(0xc2);
            }
            match byte {
                0xc2 => self.half = true,
                b'\n' | b'\t' => out.push(byte),
                0x1b => out.extend_from_slice("␛".as_bytes()),
                // A lone return would overwrite the line; before a newline it is not missed.
                b'\r' => {}
                0..0x20 | 0x7f => out.extend_from_slice("\u{fffd}".as_bytes()),
                _ => out.push(byte),
            }
        }
    }

    /// Ends the stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.half) {
            out.push(0xc2);
        }
    }
}

/// A harmless single line of at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                ' '
            } else {
                c
            }
        })
        .take(max + 1)
        .collect();
    if line.chars().count() > max {
        line = line.chars().take(max.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut filter, mut out) = (Safe::default(), Vec::new());
        for piece in pieces {
            filter.push(piece, &mut out);
        }
        filter.finish(&mut out);
        out
    }

    #[test]
    fn nothing_drives_the_terminal() {
        let hostile = "a\x1b]52;c;aGk=\x07b\u{9b}31mc\rd\r\ne\té".as_bytes();
        let text = String::from_utf8(safe(&[hostile])).expect("still UTF-8");
        assert_eq!(text, "a␛]52;c;aGk=\u{fffd}b\u{fffd}31mcd\ne\té");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let cut = cut.min(bytes.len());
            let whole = safe(&[&bytes]);
            prop_assert_eq!(&whole, &safe(&[&bytes[..cut], &bytes[cut..]]));
            prop_assert!(!whole.contains(&0x1b));
        }
    }

    #[test]
    fn lines_are_cut_and_flat() {
        assert_eq!(one_line("a\nb\u{202e}c", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}

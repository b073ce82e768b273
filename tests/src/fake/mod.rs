//! The fake agent CLI: the wire formats of real tools with any fault a test wants.
//!
//! Owns what `fake-tool` does. Its output is numbered, so that a test knows every byte in advance and sees what
//! is missing or doubled. It never talks to a network and never reads a configuration.

mod claude;
mod frames;
pub mod grandchild;
mod options;
mod play;

use llmctl_proto::usage::Usage;

pub use options::{Fail, GrandchildKind, Kind, Options, StdinMode};
pub use play::main;

/// Bytes of a delta unless told otherwise.
pub const DELTA_BYTES: usize = 32;
/// The shortest delta, which still holds its number.
pub const MIN_DELTA_BYTES: usize = 16;
/// The model of a fake tool that was not told one.
pub const DEFAULT_MODEL: &str = "claude-opus-5-5";

/// Text of a delta, counted from 1: `delta 0000001 ....` and a line end, exactly `bytes` long.
pub fn delta_text(number: u64, bytes: usize) -> String {
    let mut text = format!("delta {number:07} ");
    while text.len() + 1 < bytes {
        text.push('.');
    }
    text.push('\n');
    text
}

/// Text of the first `count` deltas.
pub fn text(count: u64, bytes: usize) -> String {
    (1..=count).map(|number| delta_text(number, bytes)).collect()
}

/// Usage the fake tool reports for a text of so many bytes.
pub fn usage(text_bytes: usize) -> Usage {
    Usage {
        input: 12,
        cache_read: 12_532,
        cache_write_5m: 300,
        output: text_bytes.div_ceil(4) as u64,
        ..Usage::default()
    }
}

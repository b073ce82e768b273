//! A fake MCP server with any fault a test wants, on the wire format that real servers were seen to speak.
//!
//! Owns what `fake-mcp` does: one thread that reads a line and answers it, and further threads only for faults
//! that need them, so that fifty of them cost nothing while they wait. It never talks to a network.

mod answers;
mod faults;
mod options;
mod server;
mod tools;

use std::fs::OpenOptions;
use std::io::{self, Write as _};

pub use options::{Era, Options};

use crate::fake::grandchild::{self, Grandchildren};

/// The modern revision it speaks.
pub const MODERN: &str = "2026-07-28";
/// The legacy revision it speaks.
pub const LEGACY: &str = "2025-11-25";

/// Plays a server to its end and gives its exit code; `begun` is when its first instruction ran.
///
/// # Errors
/// A file of the options cannot be written, or the client went away while it was answered.
pub fn main(options: Options, begun: u64) -> io::Result<u8> {
    let start = note_start(&options, begun)?;
    if let Some(file) = &options.env_dump {
        let environment: serde_json::Map<_, _> =
            std::env::vars().map(|(name, value)| (name, value.into())).collect();
        std::fs::write(file, serde_json::Value::from(environment).to_string())?;
    }
    faults::signals(&options)?;
    for line in &options.stderr {
        writeln!(io::stderr(), "{line}")?;
    }
    grandchild::start(&Grandchildren {
        kinds: &options.grandchild,
        stubborn: options.grandchild_stubborn,
        pids: options.grandchild_pids.as_deref(),
        holds_stdout: options.grandchild_holds_stdout,
    })?;
    if let Some(code) = options.crash_at_start
        && start <= options.crash_times
    {
        return Ok(code);
    }
    faults::start(&options);
    let (ignore_eof, exit_code) = (options.ignore_eof, options.exit_code);
    if let Some(code) = server::Server::new(options, start).run()? {
        return Ok(code);
    }
    if ignore_eof {
        faults::hang();
    }
    Ok(exit_code)
}

/// Notes this start, and gives its number counted from 1.
fn note_start(options: &Options, begun: u64) -> io::Result<u64> {
    let Some(path) = &options.starts else { return Ok(1) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // One write, since fifty of them may share the file.
    file.write_all(format!("{begun} {}\n", std::process::id()).as_bytes())?;
    Ok(std::fs::read_to_string(path)?.lines().count() as u64)
}

/// The clock that all processes share and nobody sets, in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

//! Options of `fake-mcp`: which protocol it speaks, what it offers, and what goes wrong.
//!
//! Owns the words of the command line alone.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::fake::GrandchildKind;

/// Which revisions of the protocol are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Era {
    /// `initialize`, up to 2025-11-25
    Legacy,
    /// `server/discover` and `_meta` in each request, 2026-07-28
    Modern,
    /// Either, as the first request has it
    Dual,
}

/// A fake MCP server over standard input and output for fault tests.
#[derive(Debug, Clone, Parser)]
#[command(name = "fake-mcp")]
pub struct Options {
    /// What it calls itself
    #[arg(long, default_value = "fake-mcp")]
    pub name: String,
    /// Revisions it speaks
    #[arg(long, value_enum, default_value_t = Era::Dual)]
    pub era: Era,
    /// Milliseconds before it reads anything
    #[arg(long, default_value_t = 0)]
    pub slow: u64,
    /// Milliseconds before each answer
    #[arg(long, default_value_t = 0)]
    pub slow_answers: u64,
    /// Does not answer `server/discover` at all; legacy only
    #[arg(long)]
    pub silent_discover: bool,
    /// Exits with 3 when anything but `initialize` comes first
    #[arg(long)]
    pub exit_on_unknown: bool,
    /// Answers `ping` with "method not found" in the legacy protocol too
    #[arg(long)]
    pub no_ping: bool,
    /// Answers `subscriptions/listen` with "method not found"
    #[arg(long)]
    pub no_listen: bool,
    /// Exits with this code before it reads anything
    #[arg(long)]
    pub crash_at_start: Option<u8>,
    /// Only in so many first starts, counted in `--starts`
    #[arg(long, default_value_t = u64::MAX)]
    pub crash_times: u64,
    /// Exits with 4 when the handshake is over, before any list
    #[arg(long)]
    pub exit_after_handshake: bool,
    /// Reads everything and never answers
    #[arg(long)]
    pub never_answer: bool,
    /// Neither reads nor answers after so many requests
    #[arg(long)]
    pub hang_after: Option<u64>,
    /// The hang is over with the second start, counted in `--starts`
    #[arg(long, requires = "starts")]
    pub hang_once: bool,
    /// Megabytes a second on the error stream; 0: as fast as it is read
    #[arg(long)]
    pub flood_stderr: Option<u64>,
    /// Megabytes a second of lines on standard output that are no JSON; 0: as fast as they are read
    #[arg(long)]
    pub noise_stdout: Option<u64>,
    /// Writes one notification of so many bytes before the first list is answered
    #[arg(long, default_value_t = 0)]
    pub huge_line: usize,
    /// Start a process that sleeps; may be given several times
    #[arg(long, value_enum)]
    pub grandchild: Vec<GrandchildKind>,
    /// Grandchildren write their process ids to this file, one a line
    #[arg(long)]
    pub grandchild_pids: Option<PathBuf>,
    /// Grandchildren ignore SIGINT, SIGTERM and SIGHUP
    #[arg(long)]
    pub grandchild_stubborn: bool,
    /// Grandchildren keep standard output open
    #[arg(long)]
    pub grandchild_holds_stdout: bool,
    /// Does nothing on SIGTERM
    #[arg(long)]
    pub ignore_term: bool,
    /// Goes on when standard input ends
    #[arg(long)]
    pub ignore_eof: bool,
    /// Tools it offers beside those that act: `tool-0001` and so on
    #[arg(long, default_value_t = 0)]
    pub tools: usize,
    /// Tools on one page; 0: all
    #[arg(long, default_value_t = 0)]
    pub page: usize,
    /// Each page names a next one, and its cursors repeat
    #[arg(long)]
    pub endless_cursor: bool,
    /// Each page names a next one by a cursor that was never seen
    #[arg(long)]
    pub endless_pages: bool,
    /// So many notices of changed tools right after the first list
    #[arg(long, default_value_t = 0)]
    pub storm: u64,
    /// Milliseconds after which it offers one tool more and says so
    #[arg(long)]
    pub change_after: Option<u64>,
    /// How long a modern list may be kept, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub ttl: u64,
    /// Resources and prompts it offers, so many of each
    #[arg(long, default_value_t = 0)]
    pub extras: usize,
    /// Megabytes of memory it touches and keeps
    #[arg(long, default_value_t = 0)]
    pub memory: usize,
    /// Keeps a processor busy
    #[arg(long)]
    pub burn: bool,
    /// A line for the error stream at the start; may be given several times
    #[arg(long)]
    pub stderr: Vec<String>,
    /// Exit code when standard input ends
    #[arg(long, default_value_t = 0)]
    pub exit_code: u8,
    /// Writes its environment to this file as JSON
    #[arg(long)]
    pub env_dump: Option<PathBuf>,
    /// Appends each line it reads to this file
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Appends a line at each start: nanoseconds of the monotonic clock, process id
    #[arg(long)]
    pub starts: Option<PathBuf>,
}

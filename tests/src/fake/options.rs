//! Options of `fake-tool`: what it plays, and what goes wrong.
//!
//! Owns the words of the command line alone. The real tool's own arguments come after `--`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{DEFAULT_MODEL, DELTA_BYTES};

/// Whose wire format and manners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Claude Code `stream-json`.
    Claude,
    /// Codex `exec --json`.
    Codex,
    /// Gemini CLI `stream-json`.
    Gemini,
    /// Plain text.
    Plain,
}

/// What happens to standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StdinMode {
    /// Read to its end before anything is written
    Read,
    /// Read 1 KiB every `--delay-ms` (at least 10) to its end
    Slow,
    /// Never read
    Never,
}

/// Where a grandchild stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GrandchildKind {
    /// In the tool's process group
    Plain,
    /// In a session of its own
    Setsid,
    /// In a session of its own, and its parent has ended
    Double,
}

/// A failure of the provider as the tool reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fail {
    /// Not allowed
    #[value(name = "401")]
    Unauthorised,
    /// Too many requests
    #[value(name = "429")]
    RateLimit,
    /// Overloaded
    #[value(name = "529")]
    Overloaded,
}

/// A fake agent CLI for fault tests; the tool's own arguments follow after `--`.
#[derive(Debug, Clone, Parser)]
#[command(name = "fake-tool")]
pub struct Options {
    /// Tool to behave like: claude, codex, gemini; any other name writes plain text
    #[arg(long = "as", default_value = "claude")]
    pub name: String,
    /// Play this capture line by line instead of generating a stream
    #[arg(long)]
    pub replay: Option<PathBuf>,
    /// Text deltas to generate
    #[arg(long, default_value_t = 3)]
    pub deltas: u64,
    /// Bytes of each delta (at least 16)
    #[arg(long, default_value_t = DELTA_BYTES)]
    pub delta_bytes: usize,
    /// Pause before each delta or replayed line
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
    /// Pause before the first byte
    #[arg(long, default_value_t = 0)]
    pub startup_ms: u64,
    /// Completed tool calls after the text
    #[arg(long, default_value_t = 0)]
    pub tool_calls: u32,
    /// Hang after the deltas until a signal comes
    #[arg(long)]
    pub hang: bool,
    /// Hang inside a tool call after the deltas until a signal comes
    #[arg(long)]
    pub hang_in_tool: bool,
    /// Do nothing on SIGINT
    #[arg(long)]
    pub ignore_int: bool,
    /// Do nothing on SIGTERM
    #[arg(long)]
    pub ignore_term: bool,
    /// Time between SIGINT and the closing frames
    #[arg(long, default_value_t = 0)]
    pub slow_int_ms: u64,
    /// Lines that are no JSON, before the stream
    #[arg(long, default_value_t = 0)]
    pub garbage: u32,
    /// One JSON line of so many megabytes, of a type nobody knows, before the text
    #[arg(long, default_value_t = 0)]
    pub big_line_mb: usize,
    /// Write in pieces of so many bytes, each its own write
    #[arg(long)]
    pub write_bytes: Option<usize>,
    /// End lines in CR LF
    #[arg(long)]
    pub crlf: bool,
    /// Write a blank line after each line
    #[arg(long)]
    pub blank_lines: bool,
    /// Exit with this code before anything is written
    #[arg(long)]
    pub exit_before: Option<u8>,
    /// Exit after so many deltas or replayed lines, without a terminal frame
    #[arg(long)]
    pub exit_after: Option<u64>,
    /// Die by this signal after so many deltas (`--exit-after`) or at the end
    #[arg(long)]
    pub die_by: Option<i32>,
    /// Exit code at the end or after `--exit-after`
    #[arg(long)]
    pub exit_code: Option<u8>,
    /// Leave out the terminal frame
    #[arg(long)]
    pub no_terminal: bool,
    /// Write half of the last frame, without a line end, and exit
    #[arg(long)]
    pub end_mid_line: bool,
    /// Report this failure of the provider instead of an answer
    #[arg(long)]
    pub fail: Option<Fail>,
    /// Fail only in the first so many runs, counted in `--count-file`
    #[arg(long, requires = "count_file")]
    pub fail_times: Option<u32>,
    /// Gets one line for each run
    #[arg(long)]
    pub count_file: Option<PathBuf>,
    /// Megabytes of numbered lines on the error stream, before the text
    #[arg(long, default_value_t = 0)]
    pub stderr_mb: usize,
    /// What to do with standard input
    #[arg(long, value_enum, default_value_t = StdinMode::Read)]
    pub stdin: StdinMode,
    /// Write arguments, environment and standard input as JSON to this file
    #[arg(long)]
    pub echo: Option<PathBuf>,
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
    /// Version text for `--version`; default: that of the tool it behaves like
    #[arg(long)]
    pub version_text: Option<String>,
    /// Hang when asked for the version
    #[arg(long)]
    pub hang_version: bool,
    /// The tool's own arguments
    #[arg(last = true)]
    pub arguments: Vec<OsString>,
}

impl Options {
    /// Whose manners.
    pub fn kind(&self) -> Kind {
        match self.name.as_str() {
            "claude" => Kind::Claude,
            "codex" => Kind::Codex,
            "gemini" => Kind::Gemini,
            _ => Kind::Plain,
        }
    }

    /// The value after one of these words in the tool's own arguments.
    fn argument(&self, names: &[&str]) -> Option<String> {
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let at = words.iter().position(|word| names.contains(&word.as_ref()))?;
        words.get(at + 1).map(ToString::to_string)
    }

    /// The model the tool was told to use, or its default.
    pub fn model(&self) -> String {
        self.argument(&["--model", "-m"]).unwrap_or_else(|| DEFAULT_MODEL.to_owned())
    }

    /// The session id the tool was told to use, or one of its own.
    pub fn session_id(&self) -> String {
        self.argument(&["--session-id"]).unwrap_or_else(|| "00000000-0000-4000-8000-000000000001".to_owned())
    }

    /// Whether the tool was asked for its version only.
    pub fn asks_version(&self) -> bool {
        self.arguments.iter().any(|word| word == "--version" || word == "-V")
    }

    /// What it then says.
    pub fn version(&self) -> String {
        self.version_text.clone().unwrap_or_else(|| {
            let text = match self.kind() {
                Kind::Claude => "2.1.330 (Claude Code)",
                Kind::Codex => "codex-cli 0.169.0",
                Kind::Gemini => "0.61.0",
                Kind::Plain => "fake-tool 1.0.0",
            };
            text.to_owned()
        })
    }
}

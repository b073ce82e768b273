//! One adapter per tool: how it is started, how its stream is read, how it is stopped.
//!
//! Parsing is pure: the same bytes cut at any places give the same events. Nothing here spawns, reads or writes.

mod classify;
mod claude;
mod codex;
mod event;
mod frame;
mod gemini;
mod lines;
mod opencode;
mod spec;
mod template;
mod text;

pub use claude::ClaudeStream;
pub use codex::CodexStream;
pub use event::{AdapterEvent, ErrorClass, Final, ModelTotal, Outcome, ToolCall, ToolKind, ToolResult};
pub use gemini::GeminiStream;
pub use lines::{CUT_MARKER, Line, Lines, MAX_LINE_BYTES};
pub use opencode::OpencodeStream;
pub use spec::{Capabilities, Launch, LaunchRequest, OPERATION_ENV, PromptVia, ToolSpec};
pub use template::{Placeholder, Template, TemplateError, TemplateValues};
pub use text::TextStream;

use frame::Base;
pub(crate) use frame::short;

/// How a tool's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToolEnd {
    /// Its exit code; none when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// We asked it to stop.
    pub stop_requested: bool,
}

/// Reads one run of a tool, line by line or as raw bytes.
#[derive(Debug)]
pub enum Parser {
    /// Claude Code.
    Claude(Box<ClaudeStream>),
    /// Codex.
    Codex(Box<CodexStream>),
    /// Gemini CLI.
    Gemini(Box<GeminiStream>),
    /// opencode.
    Opencode(Box<OpencodeStream>),
    /// A program whose output is the answer.
    Text(Box<TextStream>),
}

impl Parser {
    /// Makes the parser of a program whose output is the answer; see [`TextStream::new`].
    pub fn text(answer_in_file: bool) -> Self {
        Self::Text(Box::new(TextStream::new(answer_in_file)))
    }

    /// Whether it reads lines (`line`) rather than bytes as they come (`chunk`).
    pub fn wants_lines(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// Reads a line of the standard output, without its end.
    pub fn line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        match self {
            Self::Claude(stream) => stream.line(line, out),
            Self::Codex(stream) => stream.line(line, out),
            Self::Gemini(stream) => stream.line(line, out),
            Self::Opencode(stream) => stream.line(line, out),
            Self::Text(stream) => {
                stream.chunk(line, out);
                stream.chunk(b"\n", out);
            }
        }
    }

    /// Reads bytes of the standard output as they came. Only for a parser that does not want lines; the others
    /// take the bytes as one line.
    pub fn chunk(&mut self, bytes: &[u8], out: &mut Vec<AdapterEvent>) {
        match self {
            Self::Text(stream) => stream.chunk(bytes, out),
            _ => self.line(bytes, out),
        }
    }

    /// Reads a line of the error stream. It is never an error by itself, but some tools tell their retries or
    /// tokens there, and its last words explain an end without a frame.
    pub fn stderr_line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        match self {
            Self::Gemini(stream) => stream.stderr_line(line, out),
            Self::Text(stream) => stream.stderr_line(line, out),
            Self::Claude(_) | Self::Codex(_) | Self::Opencode(_) => self.base_mut().stderr_line(line),
        }
    }

    /// Closes the run, once both streams have ended. What it returns is how the run ended; when that differs from
    /// the stream's own closing frame, or there was none, it is also the last event.
    pub fn finish(&mut self, end: &ToolEnd, out: &mut Vec<AdapterEvent>) -> Final {
        match self {
            Self::Gemini(stream) => stream.finish(end, out),
            Self::Text(stream) => stream.finish(end, out),
            Self::Codex(stream) => {
                stream.flush_pending(out);
                stream.base.finish(end, out)
            }
            Self::Claude(_) | Self::Opencode(_) => self.base_mut().finish(end, out),
        }
    }

    /// Whether the stream had its own closing frame (a text tool: it left with 0), so that what was reported is
    /// final. Asked after `finish`; this is what [`crate::meter::Meter::close`] wants to know.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Text(stream) => stream.is_closed(),
            _ => self.base().is_closed(),
        }
    }

    /// Whether a message of the stream is a turn of several requests, whose sizes the tool does not tell.
    pub fn reports_turns(&self) -> bool {
        matches!(self, Self::Codex(_))
    }

    /// The tool's session, once it was named.
    pub fn session_id(&self) -> Option<&str> {
        self.base().session_id.as_deref()
    }

    /// The model, once the tool named it.
    pub fn model(&self) -> Option<&str> {
        self.base().model.as_deref()
    }

    fn base(&self) -> &Base {
        match self {
            Self::Claude(stream) => &stream.base,
            Self::Codex(stream) => &stream.base,
            Self::Gemini(stream) => &stream.base,
            Self::Opencode(stream) => &stream.base,
            Self::Text(stream) => &stream.base,
        }
    }

    fn base_mut(&mut self) -> &mut Base {
        match self {
            Self::Claude(stream) => &mut stream.base,
            Self::Codex(stream) => &mut stream.base,
            Self::Gemini(stream) => &mut stream.base,
            Self::Opencode(stream) => &mut stream.base,
            Self::Text(stream) => &mut stream.base,
        }
    }
}

/// A parser with the splitters before it: takes both streams of a tool as bytes in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    parser: Parser,
    stdout: Lines,
    stderr: Lines,
}

impl Reader {
    /// Longest line of the error stream that is read; the rest of a longer one is dropped.
    const MAX_STDERR_LINE_BYTES: usize = 64 * 1024;

    /// Puts the splitters before a parser.
    pub fn new(parser: Parser) -> Self {
        Self { parser, stdout: Lines::default(), stderr: Lines::with_limit(Self::MAX_STDERR_LINE_BYTES) }
    }

    /// Takes bytes of the standard output.
    pub fn stdout(&mut self, bytes: &[u8], out: &mut Vec<AdapterEvent>) {
        if self.parser.wants_lines() {
            self.stdout.push(bytes, |line| read_line(&mut self.parser, line, out));
        } else {
            self.parser.chunk(bytes, out);
        }
    }

    /// Takes bytes of the error stream.
    pub fn stderr(&mut self, bytes: &[u8], out: &mut Vec<AdapterEvent>) {
        self.stderr.push(bytes, |line| self.parser.stderr_line(line.bytes, out));
    }

    /// Ends both streams and closes the run; see [`Parser::finish`].
    pub fn finish(&mut self, end: &ToolEnd, out: &mut Vec<AdapterEvent>) -> Final {
        self.stdout.finish(|line| read_line(&mut self.parser, line, out));
        self.stderr.finish(|line| self.parser.stderr_line(line.bytes, out));
        self.parser.finish(end, out)
    }

    /// The parser, for its session and model.
    pub fn parser(&self) -> &Parser {
        &self.parser
    }
}

fn read_line(parser: &mut Parser, line: Line<'_>, out: &mut Vec<AdapterEvent>) {
    if line.cut {
        let text = format!("a line of the tool's output is longer than {MAX_LINE_BYTES} bytes and was cut");
        parser.base_mut().warn(text, out);
    } else {
        parser.line(line.bytes, out);
    }
}

#[cfg(test)]
mod tests;

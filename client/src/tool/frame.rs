//! What the stream parsers share: reading one JSON frame tolerantly, bounded warnings, and how a run is closed.
//!
//! Fields are looked up by name in untyped JSON: a missing field, a `null` or a wrong type is the same as nothing
//! said. Nothing here knows a particular tool.

use serde_json::Value;

use super::event::{AdapterEvent, ErrorClass, Final, Outcome, ToolCall, ToolKind, ToolResult};
use super::{ToolEnd, classify};

/// Most warnings of one run; further ones are counted.
const MAX_WARNINGS: u32 = 20;
/// Longest sentence taken from a tool.
const MAX_MESSAGE_BYTES: usize = 2 * 1024;
/// Longest id or name taken from a tool.
const MAX_NAME_BYTES: usize = 256;
/// Longest summary of a tool call.
const MAX_SUMMARY_BYTES: usize = 512;

/// State that every parser has.
#[derive(Debug, Default)]
pub(super) struct Base {
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    frames: u64,
    text_bytes: u64,
    calls: u64,
    warnings: u32,
    unsaid: u64,
    last: Option<Final>,
    /// The stream's own closing frame was seen.
    closed: bool,
    stderr: String,
    stderr_names_error: bool,
}

impl Base {
    /// Reads a line as a JSON object; anything else is a warning and `None`.
    pub(super) fn frame(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) -> Option<Value> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            return None;
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(frame) if frame.is_object() => {
                self.frames += 1;
                Some(frame)
            }
            _ => {
                let shown = short(&String::from_utf8_lossy(&line[..line.len().min(200)]), 120);
                self.warn(format!("a line of the tool's output is no frame: {shown}"), out);
                None
            }
        }
    }

    pub(super) fn warn(&mut self, text: impl Into<String>, out: &mut Vec<AdapterEvent>) {
        if self.warnings < MAX_WARNINGS {
            self.warnings += 1;
            out.push(AdapterEvent::Warning(short(&text.into(), MAX_MESSAGE_BYTES)));
        } else {
            self.unsaid += 1;
        }
    }

    /// Notes a model or session that the tool named, and tells it when it is news.
    pub(super) fn init(&mut self, model: Option<&str>, session: Option<&str>, out: &mut Vec<AdapterEvent>) {
        let news = |old: &mut Option<String>, new: Option<&str>| {
            let new = new.filter(|text| !text.is_empty()).map(|text| short(text, MAX_NAME_BYTES));
            let changed = new.is_some() && *old != new;
            if changed {
                *old = new;
            }
            changed
        };
        let (model, session) = (news(&mut self.model, model), news(&mut self.session_id, session));
        if model || session {
            out.push(AdapterEvent::Init { model: self.model.clone(), session_id: self.session_id.clone() });
        }
    }

    pub(super) fn text(&mut self, bytes: &[u8], out: &mut Vec<AdapterEvent>) {
        if !bytes.is_empty() {
            self.text_bytes += bytes.len() as u64;
            out.push(AdapterEvent::Text(bytes.to_vec()));
        }
    }

    pub(super) fn call_starts(&mut self, id: &str, name: &str, input: &Value, out: &mut Vec<AdapterEvent>) {
        self.calls += 1;
        let (kind, server_name) = kind_of(name);
        out.push(AdapterEvent::ToolStart(ToolCall {
            call_id: short(id, MAX_NAME_BYTES),
            name: short(name, MAX_NAME_BYTES),
            kind,
            server_name,
            summary: summary_of(input),
            input_bytes: size_of(input),
        }));
    }

    pub(super) fn call_ends(
        id: &str,
        ok: bool,
        output_bytes: u64,
        exit_code: Option<i32>,
        out: &mut Vec<AdapterEvent>,
    ) {
        let call_id = short(id, MAX_NAME_BYTES);
        out.push(AdapterEvent::ToolEnd(ToolResult { call_id, ok, output_bytes, exit_code }));
    }

    /// The stream's own closing frame. An answer that was never streamed is handed on as text first.
    pub(super) fn close(&mut self, mut end: Final, out: &mut Vec<AdapterEvent>) {
        if let Outcome::Failed { message, .. } = &mut end.outcome {
            *message = short(message, MAX_MESSAGE_BYTES);
        }
        if self.text_bytes == 0
            && let Some(answer) = end.answer.clone()
        {
            self.text(answer.as_bytes(), out);
        }
        self.last = Some(end.clone());
        self.closed = true;
        out.push(AdapterEvent::Final(end));
    }

    /// Whether the stream's own closing frame was seen, so that nothing reported is missing.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Closes with a failure; class and status are read from the sentence where they are not known.
    pub(super) fn fail(&mut self, status: Option<u16>, message: &str, out: &mut Vec<AdapterEvent>) {
        let http_status = status.or_else(|| classify::status_in(message));
        let class = classify::class_of(http_status, message).unwrap_or(ErrorClass::ExitCode);
        let outcome = Outcome::Failed { class, message: message.to_owned() };
        self.close(Final { http_status, ..Final::of(outcome) }, out);
    }

    /// A new turn began behind a closing frame: that frame did not close the run.
    pub(super) fn reopen(&mut self) {
        self.last = None;
        self.closed = false;
    }

    /// Remembers the line of the error stream that says most, for a run that ends without a frame.
    pub(super) fn stderr_line(&mut self, line: &[u8]) {
        let text =
            short(&String::from_utf8_lossy(&line[..line.len().min(MAX_MESSAGE_BYTES)]), MAX_MESSAGE_BYTES);
        let names_error = text.to_ascii_lowercase().contains("error");
        if !text.trim().is_empty() && (names_error || !self.stderr_names_error) {
            self.stderr = text;
            self.stderr_names_error = names_error;
        }
    }

    pub(super) fn stderr(&self) -> &str {
        self.stderr.trim()
    }

    /// Whether nothing at all came on the standard output.
    pub(super) fn is_silent(&self) -> bool {
        self.frames == 0 && self.text_bytes == 0
    }

    pub(super) fn has_text(&self) -> bool {
        self.text_bytes > 0
    }

    /// Closes a stream of frames. The closing frame decides, never the exit code; a tool that left with an error
    /// before its stream began has failed, any other end without a closing frame is lost.
    pub(super) fn finish(&mut self, end: &ToolEnd, out: &mut Vec<AdapterEvent>) -> Final {
        self.flush_unsaid(out);
        let seen = self.last.clone();
        let decided = match seen.clone() {
            Some(last) => self.refuse_empty(last),
            None if end.stop_requested => Final::of(Outcome::Stopped),
            None if self.frames == 0 && end.exit_code.is_some_and(|code| code != 0) => {
                let class = classify::class_of(classify::status_in(self.stderr()), self.stderr());
                self.failed_exit(end, class.unwrap_or(ErrorClass::ExitCode))
            }
            None => Final::of(Outcome::Lost),
        };
        if seen.as_ref() != Some(&decided) {
            self.last = Some(decided.clone());
            out.push(AdapterEvent::Final(decided.clone()));
        }
        decided
    }

    /// A failure told only by exit code and error stream.
    pub(super) fn failed_exit(&self, end: &ToolEnd, class: ErrorClass) -> Final {
        let code =
            end.exit_code.map_or_else(|| "without a code".to_owned(), |code| format!("with code {code}"));
        let said = self.stderr();
        let message = if said.is_empty() {
            format!("the tool left {code}")
        } else {
            format!("the tool left {code}: {said}")
        };
        Final::of(Outcome::Failed { class, message: short(&message, MAX_MESSAGE_BYTES) })
    }

    fn flush_unsaid(&mut self, out: &mut Vec<AdapterEvent>) {
        if self.unsaid > 0 {
            out.push(AdapterEvent::Warning(format!("{} more warnings were left out", self.unsaid)));
            self.unsaid = 0;
        }
    }

    fn refuse_empty(&self, last: Final) -> Final {
        let empty =
            self.text_bytes == 0 && self.calls == 0 && last.answer.as_deref().is_none_or(str::is_empty);
        if last.outcome == Outcome::Success && empty {
            let message = "the tool ended well but gave no answer".to_owned();
            return Final::of(Outcome::Failed { class: ErrorClass::InvalidOutput, message });
        }
        last
    }
}

/// A count in JSON: a number, or a string with one, as some exporters write them.
pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            ((0.0..=9e15).contains(&float) && float.fract() == 0.0).then_some(float as u64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// An HTTP status in JSON.
pub(super) fn status(value: &Value) -> Option<u16> {
    count(value).and_then(|n| u16::try_from(n).ok()).filter(|n| (100..1000).contains(n))
}

/// Cuts at a character boundary and makes control characters blanks, so that a sentence stays one line.
pub(crate) fn short(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The size of a value as the tool sent it: bytes of a string, else of its JSON.
pub(super) fn size_of(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(text) => text.len() as u64,
        other => other.to_string().len() as u64,
    }
}

/// Tells what a tool's own tool does from its name; `mcp__SERVER__TOOL` names its server.
fn kind_of(name: &str) -> (ToolKind, Option<String>) {
    if let Some(rest) = name.strip_prefix("mcp__") {
        let server = rest.split("__").next().filter(|s| !s.is_empty());
        return (ToolKind::Mcp, server.map(|s| short(s, MAX_NAME_BYTES)));
    }
    let kind = match name.to_ascii_lowercase().as_str() {
        "bash" | "shell" | "run_shell_command" | "command_execution" | "local_shell" => ToolKind::Shell,
        "edit" | "write" | "multiedit" | "notebookedit" | "replace" | "write_file" | "apply_patch"
        | "patch" | "file_change" => ToolKind::Edit,
        "read" | "read_file" | "read_many_files" | "list" | "ls" | "list_directory" => ToolKind::Read,
        "grep" | "glob" | "search_file_content" | "grep_search" | "toolsearch" => ToolKind::Search,
        "webfetch" | "websearch" | "web_fetch" | "web_search" | "google_web_search" => ToolKind::Web,
        "task" | "agent" => ToolKind::Agent,
        "mcp_tool_call" => ToolKind::Mcp,
        _ => ToolKind::Other,
    };
    (kind, None)
}

/// The argument that says most about a call.
fn summary_of(input: &Value) -> String {
    const KEYS: [&str; 12] = [
        "command",
        "cmd",
        "file_path",
        "filePath",
        "path",
        "notebook_path",
        "pattern",
        "query",
        "url",
        "tool",
        "description",
        "prompt",
    ];
    let text = KEYS.iter().find_map(|key| match &input[*key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(words) if !words.is_empty() => {
            Some(words.iter().filter_map(Value::as_str).take(64).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    });
    short(&text.unwrap_or_default(), MAX_SUMMARY_BYTES)
}

//! Reads a program whose standard output is the answer itself.
//!
//! Bytes are text as they come, so text without a line end streams at once. There is no closing frame: the exit
//! code decides. One line of the error stream is known, the token report of `llm -u`.

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::ToolEnd;
use super::event::{AdapterEvent, ErrorClass, Final, Outcome};
use super::frame::{Base, count};

/// Parser of one run.
#[derive(Debug, Default)]
pub struct TextStream {
    pub(super) base: Base,
    answer_in_file: bool,
    left_well: bool,
}

impl TextStream {
    /// Makes a parser; with `answer_in_file` the program writes its answer to a file, so that nothing on its
    /// standard output is no failure.
    pub fn new(answer_in_file: bool) -> Self {
        Self { answer_in_file, ..Self::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.left_well
    }

    pub(super) fn chunk(&mut self, bytes: &[u8], out: &mut Vec<AdapterEvent>) {
        self.base.text(bytes, out);
    }

    pub(super) fn stderr_line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        let report = line.strip_prefix(b"Token usage: ").and_then(|rest| std::str::from_utf8(rest).ok());
        match report.and_then(read_report) {
            Some(usage) => {
                let message_id = "run".to_owned();
                out.push(AdapterEvent::Usage { model: None, message_id, usage, complete: true });
            }
            None => self.base.stderr_line(line),
        }
    }

    pub(super) fn finish(&mut self, end: &ToolEnd, out: &mut Vec<AdapterEvent>) -> Final {
        self.left_well = end.exit_code == Some(0);
        let closing = if self.left_well {
            if self.base.has_text() || self.answer_in_file {
                Final::of(Outcome::Success)
            } else {
                let message = "the tool ended well but gave no answer".to_owned();
                Final::of(Outcome::Failed { class: ErrorClass::InvalidOutput, message })
            }
        } else if end.stop_requested {
            Final::of(Outcome::Stopped)
        } else if end.exit_code.is_some() {
            self.base.failed_exit(end, ErrorClass::ExitCode)
        } else {
            Final::of(Outcome::Lost)
        };
        out.push(AdapterEvent::Final(closing.clone()));
        closing
    }
}

/// `33 input, 26 output, {"prompt_tokens_details": {"cached_tokens": 16}}`; input includes cached tokens.
fn read_report(text: &str) -> Option<Usage> {
    let (input, rest) = text.split_once(" input")?;
    let input: u64 = input.trim().replace(',', "").parse().ok()?;
    let rest = rest.strip_prefix(", ").unwrap_or(rest);
    let (output, details) = rest.split_once(" output").unwrap_or(("0", rest));
    let output: u64 = output.trim().replace(',', "").parse().ok()?;
    let details: Value = serde_json::from_str(details.trim_start_matches(',').trim()).unwrap_or_default();
    let cached = count(&details["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0).min(input);
    let reasoning = count(&details["completion_tokens_details"]["reasoning_tokens"]).unwrap_or(0).min(output);
    Some(Usage { input: input - cached, cache_read: cached, output, reasoning, ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_llm_is_read() {
        let usage = Usage { input: 17, cache_read: 16, output: 26, ..Usage::default() };
        let text = r#"33 input, 26 output, {"prompt_tokens_details": {"cached_tokens": 16}}"#;
        assert_eq!(read_report(text), Some(usage));
        assert_eq!(read_report("33 input, 26 output"), Some(Usage { input: 33, cache_read: 0, ..usage }));
        assert_eq!(read_report("1,033 input, 26 output").map(|u| u.input), Some(1_033));
        assert_eq!(read_report("many input, 26 output"), None);
        assert_eq!(read_report(""), None);
    }
}

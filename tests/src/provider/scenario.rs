//! What the provider answers, chosen by upper-case words in the prompt.
//!
//! | word | answer |
//! |---|---|
//! | none | a short sentence, word by word |
//! | `SLOWLY` | 300 words, one every 100 ms |
//! | `WORDS:n`, `PACE:ms` | n numbered words; a pause between pieces |
//! | `LONG:n` | n KiB of numbered lines, 1 KiB a piece (at most 16,384) |
//! | `UNICODE` | characters of two to four bytes, each split between two writes |
//! | `CRLF` | event lines end in CR LF |
//! | `THINK` | reasoning text comes first, where the API has it |
//! | `NOUSAGE` | no usage is reported |
//! | `TOOLCALL` | text and a call of the client's shell tool, `echo hello-from-tool`; the next answer is text |
//! | `HANGTOOL` | the same with a command that hangs for 300 s; `HANGTOOL:setsid`, `:double`, `:stubborn` |
//! | `RATELIMIT`, `OVERLOAD`, `UNAUTH`, `BROKEN` | HTTP 429 with `retry-after`, 529 (503), 401, 500 |
//! | `CUT`, `STALL`, `MIDERROR` | after a third of the text: connection broken, silence, error event |
//!
//! A failing word with a number (`RATELIMIT:2`) fails so many times for the same prompt and then answers.
//! Figures depend on the text and the turn alone. This module never does any I/O.

use std::time::Duration;

use llmctl_proto::usage::Usage;

/// What the tool call of `TOOLCALL` runs.
pub const TOOL_COMMAND: &str = "echo hello-from-tool";
/// The sentence of a plain answer.
pub const PLAIN_TEXT: &str =
    "Offline answer: the daemon meters tokens, streams output and stops on request. ";
/// The sentence after a tool call.
pub const AFTER_TOOL_TEXT: &str = "The tool has answered, so this is the end of it. ";
/// The answer of `UNICODE`: two, three and four bytes a character.
pub const UNICODE_TEXT: &str = "Zürich – naïve façade, 東京の天気は晴れ, Ελλάδα, שלום, 🦀🚀 👩‍💻 déjà vu. ";
/// Reasoning text of `THINK` and of every answer in the Responses format.
pub const REASONING_TEXT: &str = "**Planning** the answer";

const HANG: &str = "timeout --foreground 300 tail -f /dev/null";

/// What goes wrong, and how often for the same prompt (none: always).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 429.
    RateLimit,
    /// HTTP 529 or 503.
    Overload,
    /// HTTP 401.
    Unauthorised,
    /// HTTP 500.
    Broken,
    /// The connection breaks in the middle.
    Cut,
    /// Nothing more comes after the middle.
    Stall,
    /// An error event comes in the middle.
    MidError,
}

/// One answer to be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The text in the pieces it is sent in.
    pub pieces: Vec<String>,
    /// Pause before each piece but the first.
    pub pace: Duration,
    /// Command of a shell tool call to ask for.
    pub command: Option<String>,
    /// What goes wrong.
    pub fault: Option<(Fault, Option<u32>)>,
    /// Writes are split inside characters.
    pub split_characters: bool,
    /// Lines end in CR LF.
    pub crlf: bool,
    /// Reasoning is shown.
    pub think: bool,
    /// Usage is reported.
    pub with_usage: bool,
}

impl Scenario {
    /// Reads the words of a prompt; `after_tool` says that the request brings a tool's result.
    pub fn of(prompt: &str, after_tool: bool) -> Self {
        let mut scenario = Self {
            pieces: words(if after_tool { AFTER_TOOL_TEXT } else { PLAIN_TEXT }),
            pace: Duration::ZERO,
            command: None,
            fault: None,
            split_characters: false,
            crlf: false,
            think: false,
            with_usage: true,
        };
        for word in prompt.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')) {
            scenario.apply(word, after_tool);
        }
        scenario
    }

    fn apply(&mut self, word: &str, after_tool: bool) {
        let (name, argument) = word.split_once(':').map_or((word, None), |(name, rest)| (name, Some(rest)));
        let number = argument.and_then(|text| text.parse::<u32>().ok());
        let fault = |fault| Some((fault, number));
        match name {
            "SLOWLY" if !after_tool => {
                self.pieces = numbered_words(300);
                self.pace = Duration::from_millis(100);
            }
            "WORDS" if !after_tool => self.pieces = numbered_words(number.unwrap_or(10).min(100_000)),
            "PACE" => self.pace = Duration::from_millis(u64::from(number.unwrap_or(10))),
            "LONG" if !after_tool => self.pieces = long_pieces(number.unwrap_or(64)),
            "UNICODE" => {
                self.pieces = words(UNICODE_TEXT);
                self.split_characters = true;
            }
            "CRLF" => self.crlf = true,
            "THINK" => self.think = true,
            "NOUSAGE" => self.with_usage = false,
            "TOOLCALL" if !after_tool => self.command = Some(TOOL_COMMAND.to_owned()),
            "HANGTOOL" if !after_tool => self.command = Some(hang_command(argument)),
            "RATELIMIT" => self.fault = fault(Fault::RateLimit),
            "OVERLOAD" => self.fault = fault(Fault::Overload),
            "UNAUTH" => self.fault = fault(Fault::Unauthorised),
            "BROKEN" => self.fault = fault(Fault::Broken),
            "CUT" => self.fault = fault(Fault::Cut),
            "STALL" => self.fault = fault(Fault::Stall),
            "MIDERROR" => self.fault = fault(Fault::MidError),
            _ => {}
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.pieces.concat()
    }

    /// Pieces that are sent before a fault in the middle.
    pub fn pieces_before_fault(&self) -> usize {
        self.pieces.len().div_ceil(3)
    }

    /// Usage of the answer in its `turn` (0 at first, 1 after a tool): all classes differ, so that a mix-up
    /// shows, and cached input is by far the largest, so that counting it twice shows.
    pub fn usage(&self, turn: u64) -> Usage {
        let bytes: usize = self.pieces.iter().map(String::len).sum();
        let call = if self.command.is_some() { 9 } else { 0 };
        let reasoning = 10;
        Usage {
            input: 12 + 5 * turn,
            cache_read: 12_532 + 107 * turn,
            cache_write_5m: 300 + turn,
            cache_write_1h: 40 + turn,
            output: reasoning + call + bytes.div_ceil(4) as u64,
            reasoning,
            ..Usage::default()
        }
    }
}

/// The text of `LONG:kib`: numbered lines of 64 bytes, so that a gap or a repetition has a place.
pub fn long_text(kib: u32) -> String {
    long_pieces(kib).concat()
}

fn long_pieces(kib: u32) -> Vec<String> {
    let line = |number: u32| format!("line {number:08} {:.<49}\n", "");
    (0..kib.min(16_384)).map(|piece| (0..16).map(|i| line(piece * 16 + i + 1)).collect()).collect()
}

fn numbered_words(count: u32) -> Vec<String> {
    (1..=count).map(|n| format!("word{n} ")).collect()
}

/// Pieces that end after each blank.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// A command that hangs: in the foreground alone, or with a second process that leaves the group (`setsid`),
/// that is nobody's child any more (`double`), or that ignores polite signals (`stubborn`).
fn hang_command(variant: Option<&str>) -> String {
    match variant {
        Some("setsid") => format!("setsid {HANG} & {HANG}"),
        Some("double") => format!("(setsid {HANG} >/dev/null 2>&1 </dev/null &); {HANG}"),
        Some("stubborn") => format!("trap '' TERM INT HUP; {HANG}; {HANG}"),
        _ => HANG.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_the_answer() {
        assert_eq!(Scenario::of("Say hi", false).text(), PLAIN_TEXT);
        assert_eq!(Scenario::of("please SLOWLY.", false).pieces.len(), 300);
        assert_eq!(Scenario::of("x LONG:3, y", false).text().len(), 3 * 1024);
        assert_eq!(Scenario::of("RATELIMIT:2", false).fault, Some((Fault::RateLimit, Some(2))));
        assert_eq!(Scenario::of("TOOLCALL", false).command.as_deref(), Some(TOOL_COMMAND));
        assert_eq!(Scenario::of("TOOLCALL", true).command, None);
        assert!(Scenario::of("HANGTOOL:setsid", false).command.is_some_and(|c| c.starts_with("setsid")));
        assert_eq!(Scenario::of("SHORTCUT, cut", false).fault, None);
    }

    #[test]
    fn long_text_is_numbered_without_a_gap() {
        let text = long_text(2);
        for (index, line) in text.lines().enumerate() {
            assert!(line.starts_with(&format!("line {:08} ", index + 1)), "{line}");
            assert_eq!(line.len(), 63);
        }
        assert_eq!(text.lines().count(), 32);
    }

    #[test]
    fn usage_is_the_same_each_time_and_differs_by_turn() {
        let scenario = Scenario::of("TOOLCALL", false);
        assert_eq!(scenario.usage(0), scenario.usage(0));
        assert_ne!(scenario.usage(0), scenario.usage(1));
        assert!(scenario.usage(0).reasoning < scenario.usage(0).output);
    }
}

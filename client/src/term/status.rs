//! One line on standard error that is rewritten while an operation runs.

use std::io::{IsTerminal as _, Write as _};

/// The status line. Does nothing unless standard error is a terminal.
#[derive(Debug)]
pub struct StatusLine {
    enabled: bool,
    drawn: bool,
}

impl StatusLine {
    /// A line that is shown when standard error is a terminal and `wanted`.
    pub fn new(wanted: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { enabled: wanted && !dumb && std::io::stderr().is_terminal(), drawn: false }
    }

    /// Whether anybody sees it.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Shows a text, cut to the terminal's width.
    pub fn draw(&mut self, text: &str) {
        if !self.enabled {
            return;
        }
        let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| size.ws_col.max(20));
        let line = super::one_line(text, usize::from(width) - 1);
        // A terminal that has gone is noticed elsewhere.
        let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        self.drawn = true;
    }

    /// Takes the line away, so that other text can be written.
    pub fn clear(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            self.drawn = false;
        }
    }
}

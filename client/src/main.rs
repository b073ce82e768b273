//! `llmctl`: runs LLM tools and shows what they do.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use llmctl::cli::Cli;
use llmctl::cmd;
use llmctl::error::Exit;

fn main() -> ExitCode {
    let exit = match cmd::run(Cli::parse()) {
        Ok(exit) => exit,
        Err(error) => {
            if !error.message.is_empty() {
                // Nothing can be done when standard error is gone.
                let _ = writeln!(std::io::stderr(), "{error}");
            }
            error.exit
        }
    };
    if let Exit::Signal(number) = exit {
        // The calling shell has to see that a signal ended us, else its loop goes on after Ctrl-C.
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(exit.code())
}

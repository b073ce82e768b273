//! A fake agent CLI for fault tests; `fake-tool --help` lists what can go wrong.
//!
//! Used through a script called `claude`, `codex` and so on, which calls it with its options and passes the
//! tool's own arguments after `--`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use llmctl_tests::fake::{self, Options, grandchild};

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if arguments.get(1).is_some_and(|word| word == grandchild::WORD) {
        return match grandchild::main(&arguments[2..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "fake-tool: grandchild: {error}");
                ExitCode::FAILURE
            }
        };
    }
    ExitCode::from(fake::main(&Options::parse()))
}

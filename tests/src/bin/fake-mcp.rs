//! A fake MCP server over standard input and output for fault tests; `fake-mcp --help` lists what can go wrong.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use llmctl_tests::fake::grandchild;
use llmctl_tests::mcp::{self, Options};

fn main() -> ExitCode {
    // Taken before anything else: a restart is measured up to here.
    let begun = mcp::monotonic_ns();
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let done = if words.nth(1).is_some_and(|word| word == grandchild::WORD) {
        grandchild::main(&words.collect::<Vec<_>>()).map(|()| 0)
    } else {
        mcp::main(Options::parse(), begun)
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fake-mcp: {error}");
            ExitCode::FAILURE
        }
    }
}

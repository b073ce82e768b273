//! The fixture provider as a program, for trying things by hand and for tests that are not in Rust.
//!
//! Prints `listening 127.0.0.1:PORT` and serves until SIGINT or SIGTERM.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use llmctl_tests::provider::Provider;

/// Serves Anthropic, OpenAI, Gemini and Ollama wire formats with known figures on the loopback interface.
#[derive(Debug, Parser)]
#[command(
    after_help = "Words in the prompt choose the answer: SLOWLY, WORDS:n, PACE:ms, LONG:n, UNICODE, CRLF, \
THINK, NOUSAGE, TOOLCALL, HANGTOOL[:setsid|:double|:stubborn], RATELIMIT[:n], OVERLOAD, UNAUTH, BROKEN, CUT, \
STALL, MIDERROR. GET /__ledger shows what was served."
)]
struct Options {
    /// Port; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let provider = Provider::spawn_on(options.port)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening {}", provider.addr())?;
    stdout.flush()?;
    signals.forever().next();
    drop(provider);
    Ok(())
}

//! Benchmarks of the real binaries, each figure beside an anchor that was measured in the same minute.
//!
//! Rounds are interleaved (anchor, product, anchor, product, …), reported are medians of rounds with their spread,
//! and a figure whose anchor swung by more than two is void. Prints one table and writes nothing unless told to.

mod browser;
mod daemon;
mod durable;
mod first_byte;
mod idle;
mod ledger;
mod mcp;
mod probe;
mod ps;
mod route;
mod runner;
mod samples;
mod size;
mod start;
mod supervisors;
mod table;
mod tasks;
mod wire;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;

use table::Row;

/// Measures llmctl and llmctld.
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = names_help())]
struct Options {
    /// Fewer rounds and smaller inputs: under two minutes, less exact
    #[arg(long)]
    quick: bool,
    /// Also writes the table, with the machine it was made on, as Markdown
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Only these figures
    names: Vec<String>,
}

/// What every figure works with.
pub(crate) struct Bench {
    /// Fewer rounds and smaller inputs.
    pub(crate) quick: bool,
    /// For everything that talks gRPC or WebSocket.
    pub(crate) runtime: Runtime,
}

impl Bench {
    /// The long or the quick form of a number.
    pub(crate) fn pick<T>(&self, long: T, quick: T) -> T {
        if self.quick { quick } else { long }
    }
}

type Figure = (&'static str, &'static str, fn(&Bench) -> Vec<Row>);

const FIGURES: [Figure; 12] = [
    ("size", "size of the binaries", size::measure),
    ("idle", "memory and processor time of a daemon that has nothing to do", idle::measure),
    ("start", "start of the daemon to its first answer", start::measure),
    ("ps", "a short verb as a whole process", ps::measure),
    ("route", "a routing decision among fifty candidates", route::measure),
    ("ledger", "the report over a long history of costs", ledger::measure),
    ("first-byte", "what `execute` adds before the first byte of a tool's answer", first_byte::measure),
    ("browser", "an event from a runner to a browser", browser::measure),
    ("durable", "an event that is acknowledged when it is on disk", durable::measure),
    ("tasks", "task files: a cold scan, a rename to a browser's frame, lists", tasks::measure),
    ("mcp", "fifty supervised servers, beside other supervisors", mcp::measure),
    ("runner", "a tool's output through the runner", runner::measure),
];

fn names_help() -> String {
    let lines = FIGURES.iter().map(|(name, what, _)| format!("  {name:<11} {what}\n"));
    format!("Figures:\n{}", lines.collect::<String>())
}

fn main() -> ExitCode {
    if let Some(code) = probe::main() {
        return code;
    }
    let options = Options::parse();
    if let Some(unknown) = options.names.iter().find(|n| FIGURES.iter().all(|(name, ..)| name != n)) {
        say(&format!("error: no figure {unknown:?}\n{}", names_help()));
        return ExitCode::from(2);
    }
    if cfg!(debug_assertions) {
        say("warning: a debug build is measured; use `cargo run --release -p llmctl-tests --bin bench`");
    }
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = built else {
        say("error: the runtime cannot be started");
        return ExitCode::FAILURE;
    };
    let bench = Bench { quick: options.quick, runtime };
    let mut rows = Vec::new();
    for (name, what, measure) in FIGURES {
        if options.names.is_empty() || options.names.iter().any(|wanted| wanted == name) {
            say(&format!("{name}: {what} …"));
            rows.extend(measure(&bench));
        }
    }
    bench.runtime.shutdown_timeout(Duration::from_secs(1));
    let _ = std::io::stdout().write_all(table::text(&rows).as_bytes());
    if let Some(path) = options.write
        && let Err(error) = std::fs::write(&path, table::markdown(&rows, options.quick))
    {
        say(&format!("error: cannot write {}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Progress, apart from the table.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

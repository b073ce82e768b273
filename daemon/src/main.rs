//! `llmctld`: the llmctl daemon. Foreground by default; `--daemonize` tells the shell the truth about the start.

use std::io::{BufReader, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;
use daemonize::{Daemonize, Outcome};
use llmctl_proto::paths::Paths;
use llmctld::settings::Settings;
use llmctld::{log, mcp, run};
use rustix::process::{Resource, Rlimit, setrlimit};

/// The llmctl daemon: event bus, history, control socket and dashboard of one user.
#[derive(Debug, Parser)]
#[command(name = "llmctld", version)]
struct Args {
    /// Goes to the background; returns once the daemon answers, or with the reason why it does not.
    #[arg(long)]
    daemonize: bool,
    /// Plays a scenario of the public MCP conformance suite against this address, and ends.
    #[arg(long, hide = true, value_name = "URL")]
    mcp_conformance_client: Option<String>,
}

fn main() -> ExitCode {
    if let Some(code) = mcp::become_server(std::env::args_os().skip(1)) {
        return code;
    }
    let begun = Instant::now();
    let args = Args::parse();
    if let Some(url) = &args.mcp_conformance_client {
        return conformance(url);
    }
    match start(&args, begun) {
        Ok(code) => code,
        Err(message) => {
            report(&message);
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr)]
fn report(message: &str) {
    eprintln!("error: {message}");
}

/// A client for the conformance suite, which drives it by these variables.
fn conformance(url: &str) -> ExitCode {
    let var = |name: &str| std::env::var(name).ok();
    let (version, context) = (var("MCP_CONFORMANCE_PROTOCOL_VERSION"), var("MCP_CONFORMANCE_CONTEXT"));
    let played = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            let client =
                mcp::session::conformance::conformance_client(url, version.as_deref(), context.as_deref());
            runtime.block_on(client).map_err(|error| chain(&error))
        });
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            report(&message);
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args, begun: Instant) -> Result<ExitCode, String> {
    let paths = Paths::from_env().map_err(|e| e.to_string())?;
    let settings = Settings::read(&paths).map_err(|e| e.to_string())?;
    if args.daemonize {
        return daemonize(paths, settings, begun);
    }
    log::to_stderr();
    serve(paths, settings, begun, || {}).map(|()| ExitCode::SUCCESS)
}

/// A crash must not write memory, and with it secrets, to a disk. One byte and not none: where the system hands
/// dumps to a program, only this limit keeps it from being called. What the daemon starts inherits it.
fn no_core_dumps() {
    let one = Rlimit { current: Some(1), maximum: Some(1) };
    if let Err(error) = setrlimit(Resource::Core, one) {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
}

fn serve(paths: Paths, settings: Settings, begun: Instant, ready: impl FnOnce()) -> Result<(), String> {
    no_core_dumps();
    // The second signal ends the process even if the runtime is stuck.
    let second = Arc::new(AtomicBool::new(false));
    for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let armed =
            signal_hook::flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&second))
                .and_then(|_| signal_hook::flag::register(number, Arc::clone(&second)));
        armed.map_err(|e| format!("cannot receive signals: {e}"))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))?;
    let result = runtime.block_on(run::run(paths, settings, begun, ready)).map_err(|error| chain(&error));
    // Blocking work that is still under way must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    result
}

/// An error and what it was caused by, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Forks before any thread exists; the parent waits on a pipe for `ready PID` or a message.
fn daemonize(paths: Paths, settings: Settings, begun: Instant) -> Result<ExitCode, String> {
    paths.ensure_runtime().and_then(|()| paths.ensure_state()).map_err(|e| chain(&e))?;
    let (reader, mut writer) = std::io::pipe().map_err(|e| format!("cannot make a pipe: {e}"))?;
    match Daemonize::new().working_directory("/").umask(0o077).execute() {
        Outcome::Parent(Err(error)) => Err(format!("cannot go to the background: {error}")),
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            answer(BufReader::new(reader))
        }
        Outcome::Child(Err(error)) => {
            let _ = writeln!(writer, "cannot go to the background: {error}");
            Ok(ExitCode::FAILURE)
        }
        Outcome::Child(Ok(_)) => {
            drop(reader);
            let told = std::cell::Cell::new(false);
            let result = log::to_file(&paths.daemon_log())
                .map_err(|e| format!("cannot write {}: {e}", paths.daemon_log().display()))
                .and_then(|()| {
                    let mut writer = writer.try_clone().map_err(|e| e.to_string())?;
                    let told = &told;
                    serve(paths, settings, begun, move || {
                        let _ = writeln!(writer, "ready {}", std::process::id());
                        told.set(true);
                    })
                });
            if let (Err(message), false) = (&result, told.get()) {
                let _ = writeln!(writer, "{message}");
            }
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}

#[allow(clippy::print_stdout)]
fn answer(mut pipe: impl std::io::BufRead) -> Result<ExitCode, String> {
    let mut line = String::new();
    // One line, not the end of the pipe: the child keeps a writer open for its own messages.
    pipe.read_line(&mut line).map_err(|e| format!("cannot hear from the daemon: {e}"))?;
    match line.trim() {
        "" => Err("the daemon ended before it was ready; see its log (`llmctl daemon logs`)".into()),
        text => match text.strip_prefix("ready ") {
            Some(pid) => {
                println!("llmctld is running, pid {pid}");
                Ok(ExitCode::SUCCESS)
            }
            None => Err(text.to_owned()),
        },
    }
}

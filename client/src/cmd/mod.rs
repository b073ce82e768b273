//! One file a verb.

mod agents;
mod attach;
mod budget;
mod config;
mod cost;
mod daemon;
mod dashboard;
mod emit;
mod events;
mod execute;
mod find;
mod logs;
mod mcp;
mod models;
mod ps;
mod queue;
mod retry;
mod route;
mod show;
mod stats;
mod stop;
mod suspend;
mod task;
mod tools;

use clap::CommandFactory as _;
use llmctl_proto::paths::Paths;

use crate::cli::{Cli, Verb};
use crate::error::{CliError, Exit, Outcome};

/// Carries a verb out.
///
/// # Errors
/// It could not be done; the error says why and what to do.
pub fn run(cli: Cli) -> Outcome {
    if let Verb::Completions { shell } = cli.verb {
        clap_complete::generate(shell, &mut Cli::command(), "llmctl", &mut std::io::stdout());
        return Ok(Exit::Ok);
    }
    let paths = Paths::from_env().map_err(|e| CliError::usage(e.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(|e| CliError::failed("cannot start the runtime").caused_by(e))?;
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Execute(args) => execute::run(&paths, &cli.config, *args).await,
            Verb::Ps(args) => ps::run(&paths, args).await,
            Verb::Show(args) => show::run(&paths, &args).await,
            Verb::Logs(args) => logs::run(&paths, &args).await,
            Verb::Attach(args) => attach::run(&paths, &args).await,
            Verb::Stop(args) => stop::run(&paths, args).await,
            Verb::Pause(args) => suspend::run(&paths, &args.id, true).await,
            Verb::Resume(args) => suspend::run(&paths, &args.id, false).await,
            Verb::Retry(args) => retry::run(&paths, args).await,
            Verb::Queue(args) => queue::run(&paths, args).await,
            Verb::Budget(args) => budget::run(&paths, &cli.config, args).await,
            Verb::Cost(args) => cost::run(&paths, &cli.config, args).await,
            Verb::Stats(args) => stats::run(&paths, args).await,
            Verb::Events(args) => events::run(&paths, args).await,
            Verb::Emit(args) => emit::run(&paths, args).await,
            Verb::Config(args) => config::run(&paths, &cli.config, args.verb).await,
            Verb::Tools(args) => tools::run(&paths, &cli.config, &args).await,
            Verb::Models(args) => models::run(&paths, &cli.config, &args).await,
            Verb::Agents(args) => agents::run(&paths, &cli.config, &args).await,
            Verb::Route(args) => route::run(&paths, &cli.config, *args).await,
            Verb::Task(args) => task::run(&paths, &cli.config, *args).await,
            Verb::Mcp(args) => mcp::run(&paths, args.verb).await,
            Verb::Daemon(args) => daemon::run(&paths, args.verb).await,
            Verb::Dashboard(args) => dashboard::run(&paths, args.verb).await,
            Verb::RunDetached => execute::run_detached(&paths).await,
            Verb::Completions { .. } => Ok(Exit::Ok),
        }
    });
    // A thread that is stuck in a write must not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// Prints to standard output; a reader that has gone ends the program quietly.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Signal(signal_hook::consts::SIGPIPE), String::new()))
        }
        Err(error) => Err(CliError::failed("cannot write to standard output").caused_by(error)),
    }
}

/// Prints a line to standard output.
pub(crate) fn println(text: &str) -> Result<(), CliError> {
    print(&format!("{text}\n"))
}

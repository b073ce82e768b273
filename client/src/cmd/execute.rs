//! `llmctl execute`: a prompt on a tool or model, in the foreground or detached.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use llmctl_proto::config::Overrides;
use llmctl_proto::ids::OperationId;
use llmctl_proto::paths::Paths;
use llmctl_proto::process::{DETACHED_VARIABLE, TAG_VARIABLE};
use serde::{Deserialize, Serialize};

use super::println;
use super::task::CardRun;
use crate::cli;
use crate::cli::config::ConfigFlags;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::prompt::{Prompt, Source};
use crate::execute::request::ExecuteRequest;
use crate::execute::{self, Hooks, Mode, Options, Show, millis};
use crate::route::preview;

/// Bytes of a runner's error stream that are passed on when it does not start.
const MAX_SAID: u64 = 64 * 1024;

/// What a detached runner gets on its standard input, before the prompt.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handover {
    pub(super) operation_id: OperationId,
    pub(super) request: ExecuteRequest,
    pub(super) no_daemon: bool,
    /// The card that it works off; its text is the prompt then.
    #[serde(default)]
    pub(super) card: Option<CardRun>,
}

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: cli::Execute) -> Outcome {
    let source = match (&args.prompt, &args.prompt_text) {
        (_, Some(text)) => Source::Text(text.clone()),
        (Some(value), None) => Source::parse(value)?,
        (None, None) => return Err(CliError::usage("no prompt given").hint("use --prompt FILE")),
    };
    let prompt = source.read()?;
    let request = ExecuteRequest {
        model: Some(args.model),
        tool: args.tool,
        agent: args.agent,
        task_type: args.task_type,
        max_cost_nano_usd: args.max_cost,
        timeout_ms: args.timeout.map(millis),
        cwd: working_directory(args.cwd)?,
        extra_args: args.extra_args,
        retry_of: None,
        prompt_file: prompt.file.clone(),
        prompt_sha256: prompt.info().sha256,
        policy: args.policy,
        require: args.require,
        project: None,
        task_id: None,
        fallback: args.fallback,
        retry_after_output: args.retry_after_output,
        reason: args.reason,
        force: args.force,
        yes: args.yes,
        wait: args.wait,
        priority: args.priority,
        hold: args.hold,
        overrides: Overrides::from(flags),
    };
    if args.dry_run {
        return dry_run(paths, &request, prompt.text.len() as u64, args.json).await;
    }
    let run = Run {
        detach: args.detach,
        json: args.json,
        quiet: args.quiet,
        raw: args.raw,
        no_daemon: args.no_daemon,
    };
    start(paths, request, prompt, run).await
}

/// How a new operation is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) detach: bool,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) raw: bool,
    pub(super) no_daemon: bool,
}

pub(super) async fn start(paths: &Paths, request: ExecuteRequest, prompt: Prompt, run: Run) -> Outcome {
    let id = OperationId::new();
    if run.detach {
        let handover = Handover { operation_id: id, request, no_daemon: run.no_daemon, card: None };
        return detach(&handover, &prompt.text, run.json);
    }
    let options = Options {
        mode: Mode::Foreground,
        show: if run.json { Show::Events } else { Show::Answer },
        quiet: run.quiet || run.json,
        raw: run.raw,
        no_daemon: run.no_daemon,
    };
    execute::run(paths, id, request, prompt, options, Hooks::started(|_| {})).await
}

fn working_directory(given: Option<PathBuf>) -> Result<PathBuf, CliError> {
    let path = given.unwrap_or_else(|| PathBuf::from("."));
    let absolute = path.canonicalize().map_err(|e| {
        CliError::usage(format!("cannot use the working directory {}", path.display())).caused_by(e)
    })?;
    if absolute.is_dir() {
        Ok(absolute)
    } else {
        Err(CliError::usage(format!("{} is not a directory", absolute.display())))
    }
}

async fn dry_run(paths: &Paths, request: &ExecuteRequest, prompt_bytes: u64, json: bool) -> Outcome {
    let (decision, _, decided_us) = execute::decide(paths, request, prompt_bytes).await?;
    preview::print(&decision, decided_us, json)
}

/// Starts a runner of its own session, waits until the operation has begun, and prints its id.
pub(super) fn detach(handover: &Handover, prompt: &str, json: bool) -> Outcome {
    let failed = |e: std::io::Error| CliError::failed("cannot start the detached runner").caused_by(e);
    let exe = std::env::current_exe().map_err(failed)?;
    let mut child = std::process::Command::new(exe)
        .arg("run-detached")
        // Started from within another operation, it does not end with that one.
        .env_remove(TAG_VARIABLE)
        .env(DETACHED_VARIABLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let head = serde_json::to_string(handover).map_err(|e| CliError::failed(e.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        let sent = stdin
            .write_all(head.as_bytes())
            .and_then(|()| stdin.write_all(b"\n"))
            .and_then(|()| stdin.write_all(prompt.as_bytes()));
        // A runner that refuses says why on its error stream, which is read below.
        drop(sent);
    }
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.trim() == "started" {
        if json {
            println(&serde_json::json!({"operation_id": handover.operation_id}).to_string())?;
        } else {
            println(handover.operation_id.as_str())?;
        }
        return Ok(Exit::Ok);
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.by_ref().take(MAX_SAID).read_to_string(&mut said);
    }
    // Its end of the pipe is closed by then, so one that says more than that is not waited for in vain.
    Err(not_started(child.wait().ok().and_then(|status| status.code()), &said))
}

/// What a runner said before it ended, as an error of its own kind: its notices first, its error last.
fn not_started(code: Option<i32>, said: &str) -> CliError {
    let exit = code.and_then(Exit::from_code).unwrap_or(Exit::Failed);
    let lines: Vec<&str> = said.trim().lines().collect();
    let Some(at) = lines.iter().rposition(|line| line.starts_with("error: ")) else {
        let text =
            if lines.is_empty() { "the detached runner did not start".to_owned() } else { lines.join("\n") };
        return CliError::new(exit, text);
    };
    let (notices, error) = lines.split_at(at);
    if !notices.is_empty() {
        // Nothing can be done when standard error is gone.
        let _ = std::io::stderr().write_all(format!("{}\n", notices.join("\n")).as_bytes());
    }
    let error = error.join("\n");
    CliError::new(exit, error.trim_start_matches("error: "))
}

/// The detached runner itself.
pub(super) async fn run_detached(paths: &Paths) -> Outcome {
    // A session of its own: the terminal's end is not ours.
    let _ = rustix::process::setsid();
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut head = String::new();
    let mut text = String::new();
    input
        .read_line(&mut head)
        .and_then(|_| input.read_to_string(&mut text))
        .map_err(|e| CliError::failed("cannot read what to run").caused_by(e))?;
    drop(input);
    let handover: Handover = serde_json::from_str(&head)
        .map_err(|e| CliError::usage("run-detached is started by `llmctl execute --detach`").caused_by(e))?;
    let options = Options {
        mode: Mode::Detached,
        show: Show::Nothing,
        quiet: true,
        raw: false,
        no_daemon: handover.no_daemon,
    };
    let Handover { operation_id, request, card, .. } = handover;
    if let Some(card) = card {
        // One that does not begin says why on standard error, and whoever started it passes that on.
        let begun = |begun: bool| {
            if begun {
                say_started();
            }
        };
        return super::task::run_card(paths, operation_id, request, &card, options, begun).await;
    }
    let prompt = Prompt { text, file: request.prompt_file.clone() };
    execute::run(paths, operation_id, request, prompt, options, Hooks::started(|_| say_started())).await
}

/// Tells whoever started us that the operation has begun.
fn say_started() {
    let mut out = std::io::stdout();
    let _ = out.write_all(b"started\n").and_then(|()| out.flush());
    let_go();
}

/// Nobody reads standard output and error any more: they lead nowhere from now on, so that whoever started us
/// with a pipe sees its end.
fn let_go() {
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

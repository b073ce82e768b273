//! The beginning of an operation: route, make its directory, tell the daemon, start the tool.

use std::time::{Duration, Instant};

use llmctl_proto::VERSION;
use llmctl_proto::config::Overrides;
use llmctl_proto::event::{self, ExecutionFailed};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::{FORMAT, OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use llmctl_proto::redact::{Redactor, known_from_env};
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;

use super::attempt::{Attempt, Failure};
use super::child::ChildRun;
use super::conclude;
use super::front::{Front, Show};
use super::prompt::Prompt;
use super::record::Recorder;
use super::request::ExecuteRequest;
use super::runner::{Limits, Run, millis};
use super::signals::Signals;
use crate::error::{CliError, Outcome};
use crate::link;
use crate::link::attach::{self, Order};
use crate::practice;
use crate::route::{Decision, Known, Request, ask, load, preview};

/// Who stands in front of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A terminal or a pipe.
    Foreground,
    /// Nobody: the id was handed on, the rest is for the journal.
    Detached,
}

/// How an operation is run, beside what it does.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Who stands in front.
    pub mode: Mode,
    /// What goes to standard output.
    pub show: Show,
    /// Nothing on standard error but errors.
    pub quiet: bool,
    /// Control characters reach a terminal.
    pub raw: bool,
    /// No daemon.
    pub no_daemon: bool,
}

/// Decides what would run; gives what stands behind each candidate too.
///
/// # Errors
/// An unknown name, or a configuration that cannot be used.
pub async fn decide(
    paths: &Paths,
    request: &ExecuteRequest,
    prompt_bytes: u64,
) -> Result<(Decision, Vec<Known>, u64), CliError> {
    let config = load::load(paths, &request.cwd, &Overrides::default())?.config;
    let request = Request {
        model: request.model.clone(),
        tool: request.tool.clone(),
        agent: request.agent.clone(),
        task_type: request.task_type.clone(),
        max_cost: request.max_cost_nano_usd.and_then(|nano| PicoUsd::from_nano(nano).ok()),
        prompt_bytes,
        ..Request::default()
    };
    let decided = ask::decide(&config, &request, None).await?;
    Ok((decided.decision, decided.known, decided.decided_us))
}

/// Runs an operation to its end. `started` is called once it has begun or failed to.
///
/// # Errors
/// It could not be begun; nothing ran.
pub async fn run(
    paths: &Paths,
    id: OperationId,
    request: ExecuteRequest,
    prompt: Prompt,
    options: Options,
    started: impl FnOnce(),
) -> Outcome {
    let mut signals =
        Signals::register().map_err(|e| CliError::failed("cannot receive signals").caused_by(e))?;
    let (decision, known, decided_us) = decide(paths, &request, prompt.text.len() as u64).await?;
    paths.ensure_state().map_err(|e| CliError::failed(e.to_string()).caused_by(source_text(&e)))?;
    let mut file = operation_file(&id, &request)?;
    let dir = OperationDir::of(paths, &id);
    dir.create(&file).map_err(|e| {
        CliError::failed(format!("cannot write the operation's directory {}", dir.root().display()))
            .caused_by(e)
            .hint("free some space, or set LLMCTL_STATE_DIR to another directory")
    })?;
    let redactor = Redactor::new(known_from_env(env_pairs()));
    let mut record = Recorder::open(dir.clone(), redactor)
        .map_err(|e| CliError::failed(format!("cannot write in {}", dir.root().display())).caused_by(e))?;
    let mut front = Front::open(options.show, options.quiet, options.raw);
    let mut orders = connect(paths, &mut record, &mut front, options).await;
    if options.show == Show::Events {
        record.keep_lines();
    }
    let trouble = record.fact(decision.event(&id, 1, "submit", decided_us));
    if let Some(text) = trouble {
        front.say(&format!("warning: {text}"));
    }
    let Some(chosen) = decision.fact() else {
        started();
        return nobody_left(record, front, &decision).await;
    };
    let chosen = &known[chosen];
    if let Some(selected) = decision.model_selected(&id, 1) {
        record.fact(selected);
    }
    for warning in &decision.warnings {
        front.note(&format!("warning: {warning}"));
    }
    if let Some(selected) = &decision.choice {
        say_choice(&mut front, selected, decision.notice.as_deref());
    }
    let begun = Instant::now();
    let tag = file.tag.clone();
    let attempt = Attempt { id: &id, request: &request, decision: &decision, chosen, tag: &tag };
    let info = prompt.info();
    match attempt.start(prompt, &dir) {
        Ok(begin) => {
            file.tool = begin.source.child().and_then(ChildRun::identity);
            if file.tool.is_some() {
                // The tag finds the tool's processes too; this only makes it surer.
                let _ = dir.write(&file);
            }
            let event = attempt.started_event(&begin, info, &record.redactor);
            for warning in &begin.warnings {
                front.note(&format!("warning: {warning}"));
            }
            record.fact(event);
            record.sync();
            started();
            let limits = Limits {
                timeout: request.timeout_ms.map(Duration::from_millis),
                max_cost_nano_usd: request.max_cost_nano_usd,
            };
            let mut run = Run::new(begin.source, record, front, begin.meter, limits, begin.plan, begun);
            run.model = decision.selected().and_then(|s| s.model.clone());
            run.until_end(&mut signals, &mut orders).await;
            conclude::conclude(run, begin.end, &mut signals).await
        }
        Err(failure) => {
            started();
            not_started(record, front, &id, failure, begun).await
        }
    }
}

/// The chain of causes below an error, on one line.
fn source_text(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        text = if text.is_empty() { cause.to_string() } else { format!("{text}: {cause}") };
        source = cause.source();
    }
    text
}

fn env_pairs() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn operation_file(id: &OperationId, request: &ExecuteRequest) -> Result<OperationFile, CliError> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random)
        .map_err(|e| CliError::failed("no random numbers").caused_by(e.to_string()))?;
    Ok(OperationFile {
        format: FORMAT,
        operation_id: id.clone(),
        version: VERSION.to_owned(),
        created_at: UnixMs::now(),
        runner: Identity::current(),
        tag: format!("{id}-{:016x}", u64::from_ne_bytes(random)),
        tool: None,
        request: serde_json::to_value(request).map_err(|e| CliError::failed(e.to_string()))?,
    })
}

/// Links the operation to the daemon, starting it if need be. Without one it runs all the same.
async fn connect(
    paths: &Paths,
    record: &mut Recorder,
    front: &mut Front,
    options: Options,
) -> mpsc::Receiver<Order> {
    if options.no_daemon {
        return mpsc::channel(1).1;
    }
    let client = match link::ensure_running(paths).await {
        Ok(client) => Some(client),
        Err(error) => {
            front.say(&format!("warning: {error}; going on without the daemon"));
            None
        }
    };
    let (link, orders) = attach::spawn(paths, record.id.clone(), record.dir.journal(), client);
    record.set_link(link);
    orders
}

fn say_choice(front: &mut Front, selected: &event::Selected, notice: Option<&str>) {
    let model = selected.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    if let Some(notice) = notice {
        front.note(notice);
    } else if selected.tool == practice::MODEL {
        front.note("no LLM was found: answering with the built-in practice model, which is not one");
    } else {
        front.note(&format!("using {}{model}: {}", selected.tool, selected.reason));
    }
}

async fn nobody_left(mut record: Recorder, mut front: Front, decision: &Decision) -> Outcome {
    let failed = failed(&record.id, "no_candidate", "no candidate can take this operation".into(), None, 0);
    record.fact(failed);
    conclude::leave(&mut record, &mut front).await;
    Err(preview::no_candidate(decision))
}

async fn not_started(
    mut record: Recorder,
    mut front: Front,
    id: &OperationId,
    failure: Failure,
    begun: Instant,
) -> Outcome {
    let event =
        failed(id, failure.class, failure.message.clone(), failure.hint.clone(), millis(begun.elapsed()));
    record.fact(event);
    conclude::leave(&mut record, &mut front).await;
    let mut error = CliError::failed(failure.message);
    error.hints.extend(failure.hint);
    Err(error)
}

fn failed(
    id: &OperationId,
    class: &str,
    message: String,
    hint: Option<String>,
    duration_ms: u64,
) -> ExecutionFailed {
    ExecutionFailed {
        operation_id: id.clone(),
        attempt: 1,
        class: class.to_owned(),
        message,
        hint,
        exit_code: None,
        signal: None,
        http_status: None,
        retryable: false,
        retry_after_ms: None,
        is_final: true,
        next: None,
        model: None,
        duration_ms,
        spend: event::Spend { cost_nano_usd: Some(0), ..event::Spend::default() },
        stdout_bytes: 0,
        stderr_bytes: 0,
        partial: None,
        session_id: None,
        resume_command: None,
    }
}

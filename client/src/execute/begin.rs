//! The beginning of an operation: route, make its directory, tell the daemon, start the tool.

use std::time::{Duration, Instant};

use llmctl_proto::VERSION;
use llmctl_proto::config::Policy;
use llmctl_proto::event::Requested;
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::{FORMAT, OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use llmctl_proto::redact::{Redactor, known_from_env};
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;

use super::choices::Choices;
use super::front::{Front, Show};
use super::operation::Operation;
use super::prompt::Prompt;
use super::record::Recorder;
use super::request::ExecuteRequest;
use super::runner::{Limits, Run};
use super::signals::Signals;
use crate::error::{CliError, Outcome};
use crate::link;
use crate::link::attach::{self, Order};
use crate::route::facts::{Known, facts, gather};
use crate::route::{Decision, RouteError, route};

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
) -> Result<(Decision, Vec<Known>, u64), CliError> {
    let requested = Requested {
        model: request.model.clone(),
        tool: request.tool.clone(),
        agent: request.agent.clone(),
        task_type: request.task_type.clone(),
        require: Vec::new(),
    };
    let known = gather(paths, &requested).await?;
    let begun = Instant::now();
    let decision = route(requested, &facts(&known)).map_err(|error| refuse(&error))?;
    let decided_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok((decision, known, decided_us))
}

fn refuse(error: &RouteError) -> CliError {
    let nearest = match error {
        RouteError::UnknownTool { nearest, .. } | RouteError::UnknownModel { nearest, .. } => nearest.clone(),
    };
    let known = match error {
        RouteError::UnknownModel { known, .. } if !known.is_empty() => Some(format!(
            "models known here: {}; any other goes with --tool NAME --model MODEL",
            known.join(", ")
        )),
        _ => None,
    };
    let mut cli = CliError::usage(error.to_string());
    cli.hints.extend(nearest.map(|nearest| format!("did you mean {nearest:?}?")));
    cli.hints.extend(known);
    cli
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
    started: impl FnOnce() + Send,
) -> Outcome {
    let signals = Signals::register().map_err(|e| CliError::failed("cannot receive signals").caused_by(e))?;
    let (decision, known, decided_us) = decide(paths, &request).await?;
    paths.ensure_state().map_err(|e| CliError::failed(e.to_string()).caused_by(source_text(&e)))?;
    let file = operation_file(&id, &request)?;
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
    let orders = connect(paths, &mut record, &mut front, options).await;
    if options.show == Show::Events {
        record.keep_lines();
    }
    let limits = Limits {
        timeout: request.timeout_ms.map(Duration::from_millis),
        max_cost_nano_usd: request.max_cost_nano_usd,
        stall: None,
    };
    let operation = Operation {
        paths,
        dir,
        file,
        prompt,
        choices: Choices::new(decision, known, decided_us),
        policy_name: "default".to_owned(),
        policy: Policy::default(),
        rates: Vec::new(),
        budgets: Vec::new(),
        attempt: 0,
        run: Run::new(record, front, limits),
        signals,
        orders,
        interactive: options.mode == Mode::Foreground,
        request,
    };
    let mut started = Some(started);
    let mut tell = || {
        if let Some(started) = started.take() {
            started();
        }
    };
    // Large, since it holds everything an operation has; it stands on the heap once.
    Box::pin(operation.run(&mut tell)).await
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

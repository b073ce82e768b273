//! The beginning of an operation: route, make its directory, tell the daemon, start the tool.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::VERSION;
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
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
use super::setup::Setup;
use super::signals::Signals;
use crate::error::{CliError, Outcome};
use crate::link;
use crate::link::attach;
use crate::route::{Decision, Known, ask};

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

/// What has to be done directly before the first tool is started. An error ends the operation, and nothing ran.
pub type Take<'a> = Box<dyn FnOnce() -> Result<(), CliError> + Send + 'a>;

/// Who is told of an operation's beginning.
pub struct Hooks<'a> {
    /// Called once: with true when it is queued or its tool is started, with false when it ends without that.
    pub started: Box<dyn FnOnce(bool) + Send + 'a>,
    /// Called once its place is given, before anything is started.
    pub take: Option<Take<'a>>,
}

impl std::fmt::Debug for Hooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("take", &self.take.is_some()).finish_non_exhaustive()
    }
}

impl<'a> Hooks<'a> {
    /// Only the beginning is told.
    pub fn started(started: impl FnOnce(bool) + Send + 'a) -> Self {
        Self { started: Box::new(started), take: None }
    }
}

/// Decides what would run, without starting anything, a daemon neither.
///
/// # Errors
/// An unknown name, or a configuration that cannot be used.
pub async fn decide(
    paths: &Paths,
    request: &ExecuteRequest,
    prompt_bytes: u64,
) -> Result<(Decision, Vec<Known>, u64), CliError> {
    let setup = Setup::of(paths, request, prompt_bytes).await?;
    let mut client = link::connect(paths).await.ok();
    let (decision, decided_us) = setup.decide(client.as_mut()).await?;
    Ok((decision, setup.into_known(), decided_us))
}

/// Runs an operation to its end.
///
/// # Errors
/// It could not be begun; nothing ran.
pub async fn run(
    paths: &Paths,
    id: OperationId,
    request: ExecuteRequest,
    prompt: Prompt,
    options: Options,
    hooks: Hooks<'_>,
) -> Outcome {
    let signals = Signals::register().map_err(|e| CliError::failed("cannot receive signals").caused_by(e))?;
    let mut request = request;
    let setup = Setup::of(paths, &request, prompt.text.len() as u64).await?;
    request.project.get_or_insert_with(|| project_of(&request.cwd).display().to_string());
    let mut client = None;
    let mut trouble = None;
    if !options.no_daemon {
        match link::ensure_running(paths).await {
            Ok(connected) => client = Some(connected),
            Err(error) => trouble = Some(format!("warning: {error}; going on without the daemon")),
        }
    }
    let (decision, decided_us) = setup.decide(client.as_mut()).await?;
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
    for notice in setup.notices.iter().chain(&trouble) {
        front.say(notice);
    }
    let orders = if options.no_daemon {
        mpsc::channel(1).1
    } else {
        let (link, orders) = attach::spawn(paths, record.id.clone(), record.dir.journal(), client);
        record.set_link(link);
        orders
    };
    if options.show == Show::Events {
        record.keep_lines();
    }
    let limits = Limits {
        timeout: None,
        max_cost_nano_usd: setup.max_cost().map(PicoUsd::nano),
        stall: stall(&setup, &decision),
    };
    let timeout = timeout(&setup, &request, &decision);
    let limits = Limits { timeout, ..limits };
    let operation = Operation {
        paths,
        dir,
        file,
        prompt,
        agent_env: request
            .agent
            .as_ref()
            .and_then(|agent| setup.config.agents.get(agent))
            .map(|agent| agent.env_vars.clone())
            .unwrap_or_default(),
        prices: Arc::clone(&setup.prices),
        rates: ask::rates(&setup.config),
        policy_name: setup.policy_name.clone(),
        policy: setup.policy.clone(),
        budgets: decision.budgets.clone(),
        choices: Choices::new(decision, setup.into_known(), decided_us),
        attempt: 0,
        run: Run::new(record, front, limits),
        signals,
        orders,
        interactive: options.mode == Mode::Foreground,
        take: hooks.take,
        request,
    };
    let mut started = Some(hooks.started);
    let mut tell = |begun| {
        if let Some(started) = started.take() {
            started(begun);
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

/// The time limit: the request's, else the agent's, else the chosen tool's.
fn timeout(setup: &Setup, request: &ExecuteRequest, decision: &Decision) -> Option<Duration> {
    let agent = request.agent.as_ref().and_then(|name| setup.config.agents.get(name));
    let tool = decision.choice.as_ref().and_then(|choice| setup.config.tools.get(&choice.tool));
    let seconds = agent.and_then(|agent| agent.timeout_s).or_else(|| tool.and_then(|tool| tool.timeout_s));
    request.timeout_ms.map(Duration::from_millis).or_else(|| seconds.map(Duration::from_secs))
}

/// How long the chosen tool may give no sign of life.
fn stall(setup: &Setup, decision: &Decision) -> Option<Duration> {
    let tool = setup.config.tools.get(&decision.choice.as_ref()?.tool)?;
    (tool.stall_s > 0).then(|| Duration::from_secs(tool.stall_s))
}

/// The directory whose work it is: the nearest with a project's marks, else the working directory itself.
fn project_of(cwd: &Path) -> &Path {
    cwd.ancestors().find(|dir| dir.join(".llmctl").is_dir() || dir.join(".git").exists()).unwrap_or(cwd)
}

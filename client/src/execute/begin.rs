//! The beginning of an operation: route, make its directory, tell the daemon, start the tool.

use std::time::{Duration, Instant};

use llmctl_proto::VERSION;
use llmctl_proto::event::{
    self, ExecutionFailed, ExecutionStarted, ModelSelected, Requested, RoutingDecision,
};
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::{FORMAT, OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::{Identity, StopPlan};
use llmctl_proto::redact::{Redactor, known_from_env};
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;

use super::child::{ChildRun, Spawn, Stdin};
use super::conclude;
use super::front::{Front, Show};
use super::prompt::Prompt;
use super::record::Recorder;
use super::request::ExecuteRequest;
use super::runner::{Limits, Run, millis};
use super::signals::Signals;
use super::source::{ChildSource, HttpSource, PracticeSource, Source};
use crate::error::{CliError, Exit, Outcome};
use crate::link;
use crate::link::attach::{self, Order};
use crate::meter::Meter;
use crate::practice;
use crate::provider::{ChatRequest, ProviderSpec};
use crate::route::facts::{Known, Target, facts, gather};
use crate::route::{Decision, RouteError, route};
use crate::tool::{Launch, LaunchRequest, Parser, PromptVia, Reader, Template, TemplateValues, ToolSpec};

/// Between two tokens of the practice model, unless `LLMCTL_PRACTICE_TOKEN_MS` says otherwise.
const PRACTICE_PACE: Duration = Duration::from_millis(12);

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
    started: impl FnOnce(),
) -> Outcome {
    let mut signals =
        Signals::register().map_err(|e| CliError::failed("cannot receive signals").caused_by(e))?;
    let (decision, known, decided_us) = decide(paths, &request).await?;
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
    let trouble = record.fact(decision_event(&id, &decision, decided_us));
    if let Some(text) = trouble {
        front.say(&format!("warning: {text}"));
    }
    let Some(chosen) = decision.chosen else {
        started();
        return nobody_left(record, front, &decision).await;
    };
    let chosen = &known[chosen];
    if let Some(selected) = &decision.selected {
        record.fact(ModelSelected {
            operation_id: id.clone(),
            attempt: 1,
            tool: selected.tool.clone(),
            model: selected.model.clone(),
            provider: selected.provider.clone(),
            reason_code: selected.reason_code.clone(),
            reason: selected.reason.clone(),
            standby: decision.standby,
        });
        say_choice(&mut front, selected);
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
            run.model = decision.selected.as_ref().and_then(|s| s.model.clone());
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

fn decision_event(id: &OperationId, decision: &Decision, decided_us: u64) -> RoutingDecision {
    RoutingDecision {
        operation_id: id.clone(),
        attempt: 1,
        trigger: "submit".into(),
        requested: decision.requested.clone(),
        selected: decision.selected.clone(),
        fallback_used: decision
            .candidates
            .first()
            .is_some_and(|first| first.verdict != event::Verdict::Selected),
        candidates: decision.candidates.clone(),
        omitted: decision.omitted,
        decided_us,
    }
}

fn say_choice(front: &mut Front, selected: &event::Selected) {
    let model = selected.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    if selected.tool == practice::MODEL {
        front.note("no LLM was found: answering with the built-in practice model, which is not one");
    } else {
        front.note(&format!("using {}{model}: {}", selected.tool, selected.reason));
    }
}

/// One attempt: what was chosen and for what.
struct Attempt<'a> {
    id: &'a OperationId,
    request: &'a ExecuteRequest,
    decision: &'a Decision,
    chosen: &'a Known,
    tag: &'a str,
}

/// A started source and what belongs to it.
struct Begin {
    source: Source,
    meter: Meter,
    plan: StopPlan,
    command: Vec<String>,
    mode: event::Mode,
    warnings: Vec<String>,
    end: conclude::End,
}

/// Why nothing was started.
struct Failure {
    class: &'static str,
    message: String,
    hint: Option<String>,
}

impl Attempt<'_> {
    fn model(&self) -> Option<String> {
        self.decision.selected.as_ref().and_then(|selected| selected.model.clone())
    }

    fn meter(&self) -> Meter {
        let model = self.model();
        Meter::new(model.as_deref(), self.chosen.fact.provider.as_deref(), UnixMs::now())
    }

    fn start(&self, prompt: Prompt, dir: &OperationDir) -> Result<Begin, Failure> {
        match &self.chosen.target {
            Target::Tool { spec, binary: Some(binary) } => {
                let launch = spec.command(&LaunchRequest {
                    binary: binary.clone(),
                    model: self.model(),
                    operation_id: self.id.to_string(),
                    session_uuid: session_uuid(),
                    cwd: self.request.cwd.clone(),
                    extra_args: self.request.extra_args.clone(),
                });
                let end = conclude::End { tool: Some(*spec), answer_file: None, temporary: Vec::new() };
                self.spawn(launch, Reader::new(spec.parser()), spec.stop, prompt, end)
            }
            Target::Template { tool, binary: Some(binary) } => {
                self.start_template(tool, binary.clone(), prompt, dir)
            }
            Target::Http { spec: Some(spec), local } => Ok(self.start_http(spec, *local, prompt)),
            Target::Practice => Ok(self.start_practice(&prompt)),
            Target::Tool { .. } | Target::Template { .. } | Target::Http { .. } | Target::Nothing => {
                Err(Failure {
                    class: "no_candidate",
                    message: "the chosen candidate cannot be run".into(),
                    hint: None,
                })
            }
        }
    }

    fn start_template(
        &self,
        tool: &crate::route::templates::TemplateTool,
        binary: std::path::PathBuf,
        prompt: Prompt,
        dir: &OperationDir,
    ) -> Result<Begin, Failure> {
        let bad = |message: String| Failure { class: "invalid", message, hint: None };
        let template = Template::parse(&tool.command_template).map_err(|e| bad(e.to_string()))?;
        let mut temporary = Vec::new();
        let mut values = TemplateValues {
            binary: Some(binary),
            model: self.model(),
            work_dir: self.request.cwd.clone(),
            operation_id: self.id.to_string(),
            ..TemplateValues::default()
        };
        use crate::tool::Placeholder;
        if template.uses(Placeholder::PromptFile) {
            let path = match &prompt.file {
                Some(path) => path.clone(),
                None => {
                    let path = dir.root().join("prompt.txt");
                    llmctl_proto::paths::replace_file_unsynced(&path, prompt.text.as_bytes())
                        .map_err(|e| bad(format!("cannot write {}: {e}", path.display())))?;
                    temporary.push(path.clone());
                    path
                }
            };
            values.prompt_file = Some(path);
        }
        if template.uses(Placeholder::OutputFile) {
            values.output_file = Some(dir.root().join("answer.txt"));
        }
        if template.uses(Placeholder::Prompt) {
            values.prompt = Some(prompt.text.clone());
        }
        let mut launch = template.expand(&values).map_err(|e| bad(e.to_string()))?;
        launch.argv.extend(self.request.extra_args.iter().map(Into::into));
        launch.env.extend(tool.env_vars.iter().map(|(name, value)| (name.clone(), expand_env(value))));
        let answer_file = launch.answer_file.clone();
        let end = conclude::End { tool: None, answer_file: answer_file.clone(), temporary };
        let reader = Reader::new(Parser::text(answer_file.is_some()));
        self.spawn(launch, reader, ToolSpec::template_stop(), prompt, end)
    }

    fn spawn(
        &self,
        launch: Launch,
        reader: Reader,
        plan: StopPlan,
        prompt: Prompt,
        end: conclude::End,
    ) -> Result<Begin, Failure> {
        let command: Vec<String> = launch
            .argv
            .iter()
            .map(|word| hide_prompt(word.to_string_lossy().into_owned(), &prompt.text))
            .collect();
        let stdin = match &launch.prompt {
            PromptVia::Stdin => Stdin::Text(prompt.text),
            PromptVia::StdinFile(path) => Stdin::File(std::fs::File::open(path).map_err(|e| Failure {
                class: "invalid",
                message: format!("cannot open {}: {e}", path.display()),
                hint: None,
            })?),
            PromptVia::Arguments => Stdin::Empty,
        };
        let program = command.first().cloned().unwrap_or_default();
        let child = ChildRun::spawn(Spawn {
            argv: &launch.argv,
            env: &launch.env,
            cwd: &self.request.cwd,
            tag: self.tag,
            stdin,
        })
        .map_err(|error| spawn_failure(&program, &self.request.cwd, &error))?;
        Ok(Begin {
            source: Source::Child(ChildSource::new(child, reader)),
            meter: self.meter(),
            plan,
            command,
            mode: event::Mode::Cli,
            warnings: launch.warnings,
            end,
        })
    }

    fn start_http(&self, spec: &ProviderSpec, local: bool, prompt: Prompt) -> Begin {
        let mut meter = self.meter();
        if local {
            meter.set_free();
        } else {
            // A cost inside a provider's own answer is what it charges.
            meter.set_charged_by_provider();
        }
        let ask = ChatRequest {
            model: self.model().unwrap_or_default(),
            prompt: prompt.text,
            max_output_tokens: None,
        };
        Begin {
            source: Source::Http(HttpSource::open(spec.clone(), ask)),
            meter,
            plan: StopPlan { interrupt_grace: Duration::ZERO, terminate_grace: Duration::ZERO },
            command: vec!["POST".into(), spec.base_url.clone()],
            mode: event::Mode::Http,
            warnings: Vec::new(),
            end: conclude::End::default(),
        }
    }

    fn start_practice(&self, prompt: &Prompt) -> Begin {
        let mut meter = self.meter();
        meter.set_free();
        let pace = std::env::var("LLMCTL_PRACTICE_TOKEN_MS").ok().and_then(|ms| ms.parse().ok());
        let pace = pace.map_or(PRACTICE_PACE, |ms: u64| Duration::from_millis(ms.min(10_000)));
        Begin {
            source: Source::Practice(PracticeSource::new(&prompt.text, pace)),
            meter,
            plan: StopPlan { interrupt_grace: Duration::ZERO, terminate_grace: Duration::ZERO },
            command: vec!["(built-in practice model)".into()],
            mode: event::Mode::Practice,
            warnings: Vec::new(),
            end: conclude::End::default(),
        }
    }

    fn started_event(
        &self,
        begin: &Begin,
        prompt: event::PromptInfo,
        redactor: &Redactor,
    ) -> ExecutionStarted {
        ExecutionStarted {
            operation_id: self.id.clone(),
            attempt: 1,
            tool: self.chosen.fact.tool.clone(),
            model: self.model(),
            provider: self.chosen.fact.provider.clone(),
            mode: begin.mode,
            agent: self.request.agent.clone(),
            task_type: self.request.task_type.clone(),
            cwd: self.request.cwd.display().to_string(),
            pid: begin.source.child().map(ChildRun::pid),
            prompt,
            command: cut_words(redactor.redact_args(&begin.command)),
            max_cost_nano_usd: self.request.max_cost_nano_usd,
            retry_of: self.request.retry_of.clone(),
            started_at: UnixMs::now(),
        }
    }
}

/// Prompts are not kept, in a command line neither. A very short one inside a longer word is no more than chance.
fn hide_prompt(word: String, prompt: &str) -> String {
    if word == prompt || (prompt.len() >= 4 && word.contains(prompt)) {
        word.replace(prompt, "{prompt}")
    } else {
        word
    }
}

/// At most 64 words of at most 256 characters: an event has a limit, a command line hardly any.
fn cut_words(words: Vec<String>) -> Vec<String> {
    let more = words.len().saturating_sub(64);
    let mut words: Vec<String> =
        words.into_iter().take(64).map(|word| crate::term::one_line(&word, 256)).collect();
    if more > 0 {
        words.push(format!("… {more} more"));
    }
    words
}

fn session_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// `${NAME}` of a configured value, from the environment of this process.
fn expand_env(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (name, default) = name.split_once(':').unwrap_or((name, ""));
        out.push_str(&std::env::var(name).unwrap_or_else(|_| default.to_owned()));
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn spawn_failure(program: &str, cwd: &std::path::Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    if !cwd.is_dir() {
        return Failure {
            class: "invalid",
            message: format!("the working directory {} does not exist", cwd.display()),
            hint: Some("name another with --cwd".into()),
        };
    }
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => Some(format!("run `chmod +x {program}`")),
        ErrorKind::NotFound => {
            Some(format!("{program}, or the interpreter its first line names, is not there"))
        }
        _ if error.raw_os_error() == Some(8) => Some(format!("{program} is no program of this system")),
        _ => None,
    };
    Failure { class: "binary_missing", message: format!("cannot start {program}: {error}"), hint }
}

async fn nobody_left(mut record: Recorder, mut front: Front, decision: &Decision) -> Outcome {
    let reasons: Vec<String> = decision
        .candidates
        .iter()
        .map(|c| {
            format!(
                "{}: {}",
                c.tool,
                c.reasons.iter().map(|r| r.text.as_str()).collect::<Vec<_>>().join("; ")
            )
        })
        .collect();
    let failed = failed(&record.id, "no_candidate", "no candidate can take this operation".into(), None, 0);
    record.fact(failed);
    conclude::leave(&mut record, &mut front).await;
    let mut error = CliError::new(Exit::Refused, "no candidate can take this operation");
    error.hints = reasons;
    error.hints.push("with `--model auto` the first that can is taken".into());
    Err(error)
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

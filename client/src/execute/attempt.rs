//! One attempt: the chosen candidate started, as a program, a request or the practice model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::{Tool, expand};
use llmctl_proto::event::{self, ExecutionStarted, Selected};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::price::PriceTable;
use llmctl_proto::process::StopPlan;
use llmctl_proto::redact::Redactor;
use llmctl_proto::time::UnixMs;

use super::child::{ChildRun, Spawn, Stdin};
use super::conclude;
use super::prompt::Prompt;
use super::request::ExecuteRequest;
use super::source::{ChildSource, HttpSource, PracticeSource, Source};
use crate::meter::Meter;
use crate::provider::{ChatRequest, ProviderSpec};
use crate::route::facts::{Known, Target};
use crate::tool::{
    ErrorClass, Launch, LaunchRequest, Parser, Placeholder, PromptVia, Reader, Template, TemplateValues,
    ToolSpec,
};

/// Between two tokens of the practice model, unless `LLMCTL_PRACTICE_TOKEN_MS` says otherwise.
const PRACTICE_PACE: Duration = Duration::from_millis(12);

/// One attempt: what was chosen and for what.
pub(super) struct Attempt<'a> {
    pub(super) id: &'a OperationId,
    pub(super) request: &'a ExecuteRequest,
    pub(super) selected: &'a Selected,
    pub(super) chosen: &'a Known,
    pub(super) tag: &'a str,
    /// From 1.
    pub(super) number: u32,
    /// Policy, by name.
    pub(super) policy: &'a str,
    /// What the budgets set aside.
    pub(super) reservation: Option<PicoUsd>,
    /// The operation's own limit.
    pub(super) max_cost_nano_usd: Option<i64>,
    /// Prices in force.
    pub(super) prices: &'a Arc<PriceTable>,
    /// The agent's variables for the tool.
    pub(super) agent_env: &'a BTreeMap<String, String>,
}

/// A started source and what belongs to it.
pub(super) struct Begin {
    pub(super) source: Source,
    pub(super) meter: Meter,
    pub(super) plan: StopPlan,
    pub(super) command: Vec<String>,
    pub(super) mode: event::Mode,
    pub(super) warnings: Vec<String>,
    pub(super) end: conclude::End,
}

/// Why nothing was started.
pub(super) struct Failure {
    pub(super) class: ErrorClass,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Attempt<'_> {
    fn model(&self) -> Option<String> {
        self.selected.model.clone()
    }

    fn meter(&self) -> Meter {
        let model = self.model();
        let provider = self.selected.provider.as_deref().or(self.chosen.fact.provider.as_deref());
        let mut meter = Meter::new(model.as_deref(), provider, UnixMs::now());
        meter.set_prices(Arc::clone(self.prices));
        meter
    }

    /// The agent's variables and the tool's, with what they refer to.
    fn expanded<'v>(
        &'v self,
        tool: impl IntoIterator<Item = (&'v String, &'v String)>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        self.agent_env
            .iter()
            .chain(tool)
            .map(|(name, value)| match expand(value, &env) {
                Ok(value) => Ok((name.clone(), value)),
                Err(missing) => Err(Failure {
                    class: ErrorClass::Invalid,
                    message: format!("{name} refers to the variable {}, which is not set", missing.0),
                    hint: Some(format!("set it, or write ${{{}:default}}", missing.0)),
                }),
            })
            .collect()
    }

    pub(super) fn start(&self, prompt: Prompt, dir: &OperationDir) -> Result<Begin, Failure> {
        match &self.chosen.target {
            Target::Tool { spec, binary: Some(binary), config } => {
                let mut extra_args = config.as_ref().map(|tool| tool.args.clone()).unwrap_or_default();
                extra_args.extend(self.request.extra_args.iter().cloned());
                let mut launch = spec.command(&LaunchRequest {
                    binary: binary.clone(),
                    model: self.model(),
                    operation_id: self.id.to_string(),
                    session_uuid: session_uuid(),
                    cwd: self.request.cwd.clone(),
                    extra_args,
                });
                let own = config.iter().flat_map(|tool| &tool.env_vars);
                launch.env.extend(self.expanded(own)?);
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
                    class: ErrorClass::Invalid,
                    message: "the chosen candidate cannot be run".into(),
                    hint: None,
                })
            }
        }
    }

    fn start_template(
        &self,
        tool: &Tool,
        binary: PathBuf,
        prompt: Prompt,
        dir: &OperationDir,
    ) -> Result<Begin, Failure> {
        let bad = |message: String| Failure { class: ErrorClass::Invalid, message, hint: None };
        let template = Template::parse(tool.command_template.as_deref().unwrap_or_default())
            .map_err(|e| bad(e.to_string()))?;
        let mut temporary = Vec::new();
        let mut values = TemplateValues {
            binary: Some(binary),
            model: self.model(),
            work_dir: self.request.cwd.clone(),
            operation_id: self.id.to_string(),
            ..TemplateValues::default()
        };
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
        launch.argv.extend(tool.args.iter().map(Into::into));
        launch.env.extend(self.expanded(&tool.env_vars)?);
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
                class: ErrorClass::Invalid,
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
            meter.set_prompt_bytes(prompt.text.len() as u64);
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

    pub(super) fn started_event(
        &self,
        begin: &Begin,
        prompt: event::PromptInfo,
        redactor: &Redactor,
    ) -> ExecutionStarted {
        ExecutionStarted {
            operation_id: self.id.clone(),
            attempt: self.number,
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
            max_cost_nano_usd: self.max_cost_nano_usd,
            reservation_nano_usd: self.reservation.map(PicoUsd::nano),
            project: self.request.project.clone(),
            policy: Some(self.policy.to_owned()),
            task_id: self.request.task_id.clone(),
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

fn spawn_failure(program: &str, cwd: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    if !cwd.is_dir() {
        return Failure {
            class: ErrorClass::Invalid,
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
    Failure { class: ErrorClass::BinaryMissing, message: format!("cannot start {program}: {error}"), hint }
}

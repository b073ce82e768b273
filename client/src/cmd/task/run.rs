//! Running a card: the task goes to its agent through the router, and the file says what came of it.
//!
//! The card is in progress before anything runs. Whatever the end is, it is written where the file then is: agents
//! move their own cards, and what somebody else has decided meanwhile stays.

use llmctl_proto::config::Overrides;
use llmctl_proto::event::Stream;
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::task::{Edit, Lane, NewValue, State, Task, Verb, brief};

use super::change::carry_out_with;
use super::place::{Place, failed};
use super::print_safe;
use crate::cli::config::ConfigFlags;
use crate::cli::task::{How, RunHow, RunTask, WorkTasks};
use crate::cmd::find;
use crate::config;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::prompt::Source;
use crate::execute::request::ExecuteRequest;
use crate::execute::{self, Mode, Options, Show, millis};
use crate::practice;
use crate::route::preview;
use crate::term::one_line;

/// Bytes of an answer that a result's summary keeps: its end, where agents sum up.
const SUMMARY_BYTES: usize = 2_000;
/// Failures in a row after which `work` gives up.
const MAX_FAILURES: u32 = 3;

/// `llmctl task run`.
pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, place: &mut Place, args: RunTask) -> Outcome {
    if args.dry_run {
        let base = place.load(&args.id)?;
        print_safe(&brief(Task::new(&base.raw)))?;
        return Ok(Exit::Ok);
    }
    one(paths, flags, place, &args.id, args.agent.as_deref(), &args.how).await
}

/// `llmctl task work`.
pub(super) async fn work(paths: &Paths, flags: &ConfigFlags, place: &mut Place, args: WorkTasks) -> Outcome {
    let (mut done, mut failures, mut last) = (0, 0, Exit::Ok);
    while args.max.is_none_or(|max| done < max) {
        let scan = place.scan()?;
        let Some(next) = scan.board.ready(Some(&args.agent)).first().map(|raw| raw.path.clone()) else {
            break;
        };
        last = match one(paths, flags, place, &next, Some(&args.agent), &args.how).await {
            Ok(exit) => exit,
            // Somebody else took it; that is no failure of ours.
            Err(error) if error.exit == Exit::Failed && !still_there(place, &next) => continue,
            Err(error) => return Err(error),
        };
        done += 1;
        match last {
            Exit::Ok => failures = 0,
            Exit::Failed => failures += 1,
            // A stop, a budget, a limit of time: the person or the money says no more.
            _ => break,
        }
        if failures == MAX_FAILURES {
            return Err(CliError::failed(format!("{MAX_FAILURES} tasks in a row failed"))
                .hint("`llmctl task list --status error` lists them"));
        }
    }
    if done == 0 {
        print_safe(&format!("nothing is ready for {}\n", one_line(&args.agent, 80)))?;
    }
    Ok(last)
}

fn still_there(place: &Place, path: &str) -> bool {
    place.tree.load(path).is_ok()
}

async fn one(
    paths: &Paths,
    flags: &ConfigFlags,
    place: &mut Place,
    named: &str,
    agent: Option<&str>,
    how: &RunHow,
) -> Outcome {
    let request = request(paths, flags, place, named, agent, how).await?;
    let begun = begin(paths, place, named, agent)?;
    let prompt = Source::Text(begun.brief).read()?;
    let id = OperationId::new();
    let request =
        ExecuteRequest { prompt_sha256: prompt.info().sha256, task_id: Some(begun.id.clone()), ..request };
    let options = Options {
        mode: Mode::Foreground,
        show: Show::Answer,
        quiet: how.quiet,
        raw: false,
        no_daemon: how.no_daemon,
    };
    let outcome = execute::run(paths, id.clone(), request, prompt, options, || {}).await;
    let dir = OperationDir::of(paths, &id);
    let operation = find::fold(&dir);
    let told = conclude(place, &begun.id, &dir, operation.as_ref(), outcome.as_ref().err());
    match (outcome, told) {
        (Ok(exit), Ok(())) => Ok(exit),
        (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
        (Err(error), Err(told)) => {
            let mut error = error;
            error.hints.push(format!("and the task could not be updated: {}", told.message));
            Err(error)
        }
    }
}

/// What is asked of the router; an error before the card is touched when nobody can take it.
async fn request(
    paths: &Paths,
    flags: &ConfigFlags,
    place: &mut Place,
    named: &str,
    agent: Option<&str>,
    how: &RunHow,
) -> Result<ExecuteRequest, CliError> {
    let base = place.load(named)?;
    let task = Task::new(&base.raw);
    let agent = task.agent().map(|agent| agent.value).or(agent);
    let loaded = config::load(paths, flags)?;
    let request = ExecuteRequest {
        model: Some(how.model.clone()),
        tool: how.tool.clone(),
        // An agent of the board need not be one of the configuration.
        agent: agent.filter(|agent| loaded.config.agents.contains_key(*agent)).map(str::to_owned),
        max_cost_nano_usd: how.max_cost,
        timeout_ms: how.timeout.map(millis),
        cwd: config::working_dir()?,
        policy: how.policy.clone(),
        reason: how.reason.clone(),
        yes: how.yes,
        overrides: Overrides::from(flags),
        ..ExecuteRequest::default()
    };
    let (decision, ..) = execute::decide(paths, &request, brief(task).len() as u64).await?;
    match &decision.choice {
        // The practice model does nobody's work; whoever wants to try the way a card goes names it.
        Some(choice) if choice.tool == practice::MODEL && how.model == "auto" && how.tool.is_none() => {
            Err(CliError::new(Exit::Refused, "there is no model that could do this task").hint(
                "install a tool or set a provider's key; `llmctl tools` lists them; --model practice only pretends",
            ))
        }
        Some(_) => Ok(request),
        None => Err(preview::no_candidate(&decision)),
    }
}

/// A task that is in progress now.
struct Begun {
    id: String,
    brief: String,
}

/// Takes the task and marks it as in progress.
fn begin(paths: &Paths, place: &mut Place, named: &str, agent: Option<&str>) -> Result<Begun, CliError> {
    let _held = place.lock()?;
    let mut base = place.load(named)?;
    let task = Task::new(&base.raw);
    let id = task.id().value.to_owned();
    let how = How { rev: None, force: false, reason: None, json: false };
    if let Some(running) = running(paths, &id) {
        let message = format!("{} works on {} already", running.operation_id, one_line(&id, 120));
        return Err(CliError::failed(message).hint(format!("llmctl attach {}", running.operation_id)));
    }
    if base.raw.lane == Lane::Inbox {
        let Some(agent) = task.agent().map(|agent| agent.value).or(agent).map(str::to_owned) else {
            let message = format!("{} names no agent", one_line(&id, 120));
            return Err(CliError::usage(message).hint("--agent NAME takes it"));
        };
        let done = carry_out_with(place, &base, &Verb::Claim { agent }, &how, Vec::new())?;
        base = place.tree.load(&done.path).map_err(failed)?;
    }
    check_limits(place, &base.raw)?;
    // One that is in progress without anybody who works on it goes on.
    if Task::new(&base.raw).state() != State::InProgress {
        let done = carry_out_with(place, &base, &Verb::Start, &how, Vec::new())?;
        base = place.tree.load(&done.path).map_err(failed)?;
    }
    let task = Task::new(&base.raw);
    Ok(Begun { id, brief: brief(task) })
}

/// Limits of work in progress, where they bind.
fn check_limits(place: &mut Place, raw: &llmctl_proto::task::RawTask) -> Result<(), CliError> {
    let settings = place.settings.clone();
    if !settings.wip_enforce || Task::new(raw).state() == State::InProgress {
        return Ok(());
    }
    let scan = place.scan()?;
    let at_work =
        scan.board.iter().map(|(_, raw)| raw).filter(|raw| Task::new(raw).state() == State::InProgress);
    let (mut all, mut his) = (0_u32, 0_u32);
    for other in at_work {
        all += 1;
        his += u32::from(other.agent_dir == raw.agent_dir);
    }
    let limits = [(settings.wip_in_progress, all, "in all"), (settings.wip_per_agent, his, "of this agent")];
    for (limit, count, whose) in limits {
        if limit > 0 && count >= limit {
            let message = format!("{count} tasks {whose} are in progress, and {limit} is the limit");
            return Err(CliError::failed(message).hint("finish or pause one; tasks.wip in the configuration"));
        }
    }
    Ok(())
}

/// The operation that works on a task now.
fn running(paths: &Paths, task: &str) -> Option<Operation> {
    opdir::pending(paths)
        .iter()
        .filter_map(|id| find::fold(&OperationDir::of(paths, id)))
        .find(|operation| operation.task_id.as_deref() == Some(task) && !operation.state.is_final())
}

/// Writes the end into the file, wherever it is now.
fn conclude(
    place: &mut Place,
    id: &str,
    dir: &OperationDir,
    operation: Option<&Operation>,
    error: Option<&CliError>,
) -> Result<(), CliError> {
    let _held = place.lock()?;
    let base = place.load(id)?;
    let state = Task::new(&base.raw).state();
    let how = How { rev: None, force: false, reason: None, json: false };
    let name = dir.id.to_string();
    if state != State::InProgress {
        // Whoever changed it meanwhile knew why: most often the agent itself, who has finished it.
        let note = format!("operation {name} ended: {}", end_text(operation, error));
        let verb = Verb::Note { text: note };
        carry_out_with(place, &base, &verb, &how, Vec::new())?;
        return Ok(());
    }
    let (verb, more) = match operation.map(|operation| operation.state) {
        Some(OperationState::Complete) => {
            let summary = summary(dir).unwrap_or_else(|| format!("operation {name} ended without a text"));
            let verb = Verb::Complete { summary: Some(summary), artefacts: Vec::new(), force: false };
            (verb, record(&name, operation))
        }
        Some(OperationState::Error | OperationState::Lost) => {
            let verb = Verb::Fail { message: end_text(operation, error) };
            (verb, vec![Edit::inner("error", "operation_id", NewValue::Text(name.clone()))])
        }
        // Stopped, refused, or never begun: nothing is wrong with the task, it waits for its agent again.
        _ => {
            let note = format!("operation {name}: {}", end_text(operation, error));
            carry_out_with(place, &base, &Verb::PutDown, &how, Vec::new())?;
            let base = place.load(id)?;
            carry_out_with(place, &base, &Verb::Note { text: note }, &how, Vec::new())?;
            return Ok(());
        }
    };
    carry_out_with(place, &base, &verb, &how, more)?;
    Ok(())
}

/// What a result says of the operation behind it.
fn record(name: &str, operation: Option<&Operation>) -> Vec<Edit> {
    let mut edits = vec![Edit::Extend {
        path: vec!["result".to_owned(), "operation_ids".to_owned()],
        items: vec![name.to_owned()],
    }];
    let cost = operation
        .and_then(|operation| operation.spend.cost_nano_usd)
        .and_then(|nano| PicoUsd::from_nano(nano).ok());
    if let Some(cost) = cost {
        edits.push(Edit::inner("result", "cost_usd", NewValue::Word(cost.exact())));
    }
    edits
}

fn end_text(operation: Option<&Operation>, error: Option<&CliError>) -> String {
    let Some(operation) = operation else {
        return error.map_or_else(|| "nothing was run".to_owned(), |error| error.message.clone());
    };
    let state = operation.state.as_str().to_owned();
    if let Some(error) = &operation.error {
        return format!("{state}: {}", error.message);
    }
    match operation.stopped.as_ref().and_then(|stopped| stopped.reason.as_deref()) {
        Some(reason) => format!("{state}: {reason}"),
        None => state,
    }
}

/// The end of the answer, from the beginning of a line.
fn summary(dir: &OperationDir) -> Option<String> {
    let bytes = std::fs::read(dir.stream(Stream::Stdout)).ok()?;
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4 * SUMMARY_BYTES)..]).into_owned();
    let clean: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let clean = clean.trim();
    if clean.len() <= SUMMARY_BYTES {
        return (!clean.is_empty()).then(|| clean.to_owned());
    }
    let mut from = clean.len() - SUMMARY_BYTES;
    while !clean.is_char_boundary(from) {
        from += 1;
    }
    let tail = &clean[from..];
    let tail = tail.split_once('\n').map_or(tail, |(_, rest)| if rest.is_empty() { tail } else { rest });
    Some(format!("…\n{}", tail.trim()))
}

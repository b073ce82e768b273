//! Running a card: the task goes to its agent through the router, and the file says what came of it.
//!
//! The card is in progress before anything runs, and not before it is sure that something will. Whatever the end is,
//! it is written by the runner, with or without somebody in front of it. What is done to the file is `card`'s.

use llmctl_proto::config::Overrides;
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::paths::Paths;
use llmctl_proto::task::{Task, brief};

use super::card::{CardRun, Reserved};
use super::place::Place;
use super::print_safe;
use crate::cli::config::ConfigFlags;
use crate::cli::task::{RunHow, RunTask, WorkTasks};
use crate::cmd::execute::{Handover, detach as execute_detached};
use crate::cmd::find;
use crate::config;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::prompt::Source;
use crate::execute::request::ExecuteRequest;
use crate::execute::{self, Hooks, Mode, Options, Show, Take, millis};
use crate::practice;
use crate::route::preview;
use crate::term::one_line;

/// Failures in a row after which `work` gives up.
const MAX_FAILURES: u32 = 3;

/// `llmctl task run`.
pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, place: &mut Place, args: RunTask) -> Outcome {
    if args.dry_run {
        let base = place.load(&args.id)?;
        print_safe(&brief(Task::new(&base.raw)))?;
        return Ok(Exit::Ok);
    }
    if args.detach {
        return detach(paths, flags, place, &args).await;
    }
    one(paths, flags, place, &args.id, args.agent.as_deref(), &args.how, args.rev.as_deref()).await
}

/// Hands the card to a runner of its own and waits until the operation has begun, or has said why it does not.
async fn detach(paths: &Paths, flags: &ConfigFlags, place: &mut Place, args: &RunTask) -> Outcome {
    let agent = args.agent.as_deref();
    let request = request(paths, flags, place, &args.id, agent, &args.how).await?;
    let handover = Handover {
        operation_id: OperationId::new(),
        request,
        no_daemon: args.how.no_daemon,
        card: Some(CardRun::new(place, &args.id, agent, args.rev.as_deref())),
    };
    // The runner makes the prompt of the card as it finds it when it reserves it.
    execute_detached(&handover, "", args.json)
}

/// `llmctl task work`.
pub(super) async fn work(paths: &Paths, flags: &ConfigFlags, place: &mut Place, args: WorkTasks) -> Outcome {
    let (mut done, mut failures, mut last) = (0, 0, Exit::Ok);
    while args.max.is_none_or(|max| done < max) {
        let scan = place.scan()?;
        let ready = scan.board.ready(Some(&args.agent));
        // One that somebody else runs may still wait for its turn, and look as if nobody had it.
        let free = ready.iter().find(|raw| place.run_of(Task::new(raw).id().value).is_none());
        let Some(next) = free.map(|raw| raw.path.clone()) else { break };
        last = match one(paths, flags, place, &next, Some(&args.agent), &args.how, None).await {
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
    rev: Option<&str>,
) -> Outcome {
    let request = request(paths, flags, place, named, agent, how).await?;
    let card = CardRun::new(place, named, agent, rev);
    let options = Options {
        mode: Mode::Foreground,
        show: Show::Answer,
        quiet: how.quiet,
        raw: false,
        no_daemon: how.no_daemon,
    };
    carry(paths, place, OperationId::new(), request, &card, options, |_| {}).await
}

/// Works a card off in a process that nobody stands in front of: the same as in the foreground.
///
/// # Errors
/// It could not be begun, and the card is as it was; or its end could not be written into it.
pub(in crate::cmd) async fn run_card(
    paths: &Paths,
    id: OperationId,
    request: ExecuteRequest,
    card: &CardRun,
    options: Options,
    started: impl FnOnce(bool) + Send,
) -> Outcome {
    let mut place = Place::of(paths, &request.cwd, &request.overrides, Some(card.root.clone()))?;
    carry(paths, &mut place, id, request, card, options, started).await
}

/// Reserves the card, runs the operation, and writes its end into the card if it was taken.
async fn carry(
    paths: &Paths,
    place: &mut Place,
    id: OperationId,
    request: ExecuteRequest,
    card: &CardRun,
    options: Options,
    started: impl FnOnce(bool) + Send,
) -> Outcome {
    let mut reserved = Reserved::of(paths, place, card, &id)?;
    let prompt = match Source::Text(reserved.brief().to_owned()).read() {
        Ok(prompt) => prompt,
        Err(error) => {
            reserved.give_up(place);
            return Err(error);
        }
    };
    let (prompt_sha256, task_id) = (prompt.info().sha256, Some(reserved.task().to_owned()));
    let request = ExecuteRequest { prompt_sha256, task_id, ..request };
    let agent = card.agent.as_deref();
    let take: Take<'_> = Box::new(|| reserved.take(place, agent));
    let hooks = Hooks { started: Box::new(started), take: Some(take) };
    let outcome = execute::run(paths, id.clone(), request, prompt, options, hooks).await;
    if !reserved.is_taken() {
        reserved.give_up(place);
        return outcome;
    }
    let dir = OperationDir::of(paths, &id);
    let operation = find::fold(&dir);
    let told = reserved.conclude(place, &dir, operation.as_ref(), outcome.as_ref().err());
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

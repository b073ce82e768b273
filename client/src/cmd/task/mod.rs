//! `llmctl task`: the board on the command line, with or without a daemon.

mod card;
mod change;
mod graph;
mod history;
mod lint;
mod list;
mod new;
mod place;
mod run;
mod show;

use llmctl_proto::paths::Paths;
use llmctl_proto::task::Verb;
use serde::Serialize;

use super::{print, println};
use crate::cli::config::ConfigFlags;
use crate::cli::task::{How, Reasoned, TaskArgs, TaskVerb};
use crate::config::safe;
use crate::error::{CliError, Outcome};
use place::Place;

pub(super) use card::CardRun;
pub(super) use run::run_card;

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: TaskArgs) -> Outcome {
    let mut place = Place::find(paths, flags, args.root)?;
    let mut one = |id: &str, verb: Verb, how: &How| change::run(&mut place, id, &verb, how);
    match args.verb {
        TaskVerb::Assign { id, agent, how } => one(&id, Verb::Assign { agent }, &how),
        TaskVerb::Start(args) => one(&args.id, Verb::Start, &args.how),
        TaskVerb::Unblock(args) => one(&args.id, Verb::Unblock, &args.how),
        TaskVerb::Pause(args) => one(&args.id, Verb::PutDown, &args.how),
        TaskVerb::Release(args) => one(&args.id, Verb::GiveBack, &args.how),
        TaskVerb::Thaw(args) => one(&args.id, Verb::Thaw, &args.how),
        TaskVerb::Block(args) => one(&args.id, Verb::Block { reason: args.reason.clone() }, &how(&args)),
        TaskVerb::Cancel(args) => one(&args.id, Verb::Cancel { reason: args.reason.clone() }, &how(&args)),
        TaskVerb::Freeze(args) => one(&args.id, Verb::Freeze { reason: args.reason.clone() }, &how(&args)),
        TaskVerb::Complete { id, summary, artefacts, how } => {
            let force = how.force;
            // Alone it only means that no result is needed; against the table it wants its reason.
            let how = How { force: force && how.reason.is_some(), ..how };
            one(&id, Verb::Complete { summary, artefacts, force }, &how)
        }
        TaskVerb::Fail { id, message, how } => one(&id, Verb::Fail { message }, &how),
        TaskVerb::Reopen { id, inbox, how } => one(&id, Verb::Reopen { to_inbox: inbox }, &how),
        TaskVerb::Priority { id, priority, how } => one(&id, Verb::Priority { priority }, &how),
        TaskVerb::Note { id, text, how } => one(&id, Verb::Note { text }, &how),
        TaskVerb::Set { id, pair, how } => {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(CliError::usage(format!("{pair:?} is not KEY=VALUE")));
            };
            one(&id, Verb::Set { key: key.trim().to_owned(), value: value.trim().to_owned() }, &how)
        }
        TaskVerb::Claim { id, agent, any, how } => {
            change::claim(&mut place, id.as_deref(), &agent, any, &how)
        }
        TaskVerb::Run(args) => run::run(paths, flags, &mut place, *args).await,
        TaskVerb::Work(args) => run::work(paths, flags, &mut place, *args).await,
        TaskVerb::Archive { id, older_than, how } => {
            change::archive(&mut place, id.as_deref(), older_than, &how)
        }
        TaskVerb::New(args) => new::run(&mut place, args),
        TaskVerb::List(args) => list::run(&mut place, &args),
        TaskVerb::Next { agent, count, json } => list::next(&mut place, agent.as_deref(), count, json),
        TaskVerb::Show { id, raw, json } => show::run(&mut place, &id, raw, json),
        TaskVerb::Lint { kind, id, json } => lint::run(&mut place, &kind, id.as_deref(), json),
        TaskVerb::History { id, json } => history::run(&mut place, &id, json),
        TaskVerb::Graph { id, format, all } => graph::run(&mut place, id.as_deref(), format, all),
    }
}

/// The reason of the verb is also the reason for the force.
fn how(args: &Reasoned) -> How {
    let reason = args.force.then(|| args.reason.clone());
    How { rev: args.rev.clone(), force: args.force, reason, json: args.json }
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::failed(e.to_string()))?;
    println(&text)
}

/// Prints text with words of files in it.
fn print_safe(text: &str) -> Result<(), CliError> {
    print(&String::from_utf8_lossy(&safe(text)))
}

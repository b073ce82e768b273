//! The card of a run: reserved first, taken when its operation really starts, concluded at the end.
//!
//! A run that does not start leaves the file as it was, to the byte. The end is written where the file then is:
//! agents move their own cards, and what somebody else has decided meanwhile stays.

use std::path::PathBuf;

use llmctl_proto::event::Stream;
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::task::files::{Loaded, Run};
use llmctl_proto::task::{Asked, Edit, Lane, NewValue, RawTask, State, Task, Verb, brief, plan};
use llmctl_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::change::{carry_out_with, check_rev, refused};
use super::place::{Place, failed};
use crate::cli::task::How;
use crate::cmd::find;
use crate::error::CliError;
use crate::term::one_line;

/// Bytes of an answer that a result's summary keeps: its end, where agents sum up.
const SUMMARY_BYTES: usize = 2_000;

/// Which card is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cmd) struct CardRun {
    /// Directory of the tree.
    pub(super) root: PathBuf,
    /// The card, as it was named.
    task: String,
    /// Who takes it, when it is in the inbox and names nobody.
    pub(super) agent: Option<String>,
    /// Version that it has to have.
    rev: Option<String>,
}

impl CardRun {
    pub(super) fn new(place: &Place, task: &str, agent: Option<&str>, rev: Option<&str>) -> Self {
        let root = std::path::absolute(place.tree.root()).unwrap_or_else(|_| place.tree.root().to_owned());
        Self { root, task: task.to_owned(), agent: agent.map(str::to_owned), rev: rev.map(str::to_owned) }
    }
}

/// A card that nobody else runs as long as this process lives.
#[derive(Debug)]
pub(super) struct Reserved {
    run: Run,
    /// Where the file is, as far as is known.
    path: String,
    /// What it was when it was reserved.
    state: State,
    brief: String,
    taken: bool,
}

impl Reserved {
    /// Reserves a card for an operation. The file is not touched.
    ///
    /// # Errors
    /// It cannot be begun: its state, a limit, or somebody runs it.
    pub(super) fn of(
        paths: &Paths,
        place: &mut Place,
        card: &CardRun,
        operation: &OperationId,
    ) -> Result<Self, CliError> {
        let held = place.lock()?;
        let base = place.load(&card.task)?;
        check_rev(&base.raw, card.rev.as_deref())?;
        let id = Task::new(&base.raw).id().value.to_owned();
        if let Some(running) = running(paths, place, &id) {
            let message = format!("{running} works on {} already", one_line(&id, 120));
            return Err(CliError::failed(message).hint(format!("llmctl attach {running}")));
        }
        let brief = brief(Task::new(&taken(place, &base.raw, card.agent.as_deref())?));
        check_limits(place, &base.raw)?;
        let run = Run::new(&place.tree, &id, operation.clone());
        run.keep(place.state(), &held).map_err(failed)?;
        let state = Task::new(&base.raw).state();
        Ok(Self { run, path: base.raw.path.clone(), state, brief, taken: false })
    }

    /// What its agent is told.
    pub(super) fn brief(&self) -> &str {
        &self.brief
    }

    /// Its id.
    pub(super) fn task(&self) -> &str {
        &self.run.task
    }

    /// The file says that it is in progress.
    pub(super) fn is_taken(&self) -> bool {
        self.taken
    }

    /// Claims it where that is needed, and marks it as in progress.
    ///
    /// # Errors
    /// It is no longer what was reserved; then it is left alone.
    pub(super) fn take(&mut self, place: &mut Place, agent: Option<&str>) -> Result<(), CliError> {
        let held = place.lock()?;
        let mut base = self.load(place)?;
        let id = one_line(&self.run.task, 120);
        let state = Task::new(&base.raw).state();
        if state == State::InProgress && self.state != state {
            return Err(CliError::failed(format!("somebody else has begun {id} meanwhile")));
        }
        if brief(Task::new(&taken(place, &base.raw, agent)?)) != self.brief {
            let message = format!("{id} has changed since its agent was to be told of it");
            return Err(CliError::failed(message).hint("run it again"));
        }
        check_limits(place, &base.raw)?;
        let how = How::default();
        if base.raw.lane == Lane::Inbox {
            let agent = agent_of(&base.raw, agent)?;
            let done = carry_out_with(place, &base, &Verb::Claim { agent }, &how, Vec::new())?;
            (self.taken, self.path) = (true, done.path);
            base = place.tree.load(&self.path).map_err(failed)?;
        }
        self.taken = true;
        // One that is in progress without anybody who works on it goes on.
        if Task::new(&base.raw).state() != State::InProgress {
            let done = carry_out_with(place, &base, &Verb::Start, &how, Vec::new())?;
            base = place.tree.load(&done.path).map_err(failed)?;
        }
        self.run.rev = Some(base.raw.rev());
        self.run.keep(place.state(), &held).map_err(failed)
    }

    /// Lets go of a card that was not taken.
    pub(super) fn give_up(&self, place: &Place) {
        if let Ok(held) = place.lock() {
            self.run.forget(place.state(), &held);
        }
    }

    /// The file as it is now, wherever it is.
    fn load(&self, place: &mut Place) -> Result<Loaded, CliError> {
        match place.tree.load(&self.path) {
            Ok(loaded) if Task::new(&loaded.raw).id().value == self.run.task => Ok(loaded),
            _ => place.load(&self.run.task),
        }
    }

    /// Writes the end into the file, and lets go of it.
    ///
    /// # Errors
    /// The file could not be written; the daemon finds that nobody has said what came of it.
    pub(super) fn conclude(
        &self,
        place: &mut Place,
        dir: &OperationDir,
        operation: Option<&Operation>,
        error: Option<&CliError>,
    ) -> Result<(), CliError> {
        let held = place.lock()?;
        let base = self.load(place)?;
        let (name, how) = (dir.id.to_string(), How::default());
        let ended = end_text(operation, error);
        let (verb, more) = if Task::new(&base.raw).state() == State::InProgress {
            end_verb(place, &base, dir, operation, ended)?
        } else {
            // Whoever changed it meanwhile knew why: most often the agent itself, who has finished it.
            (Verb::Note { text: format!("operation {name} ended: {ended}") }, Vec::new())
        };
        carry_out_with(place, &base, &verb, &how, more)?;
        self.run.forget(place.state(), &held);
        Ok(())
    }
}

/// What an end makes of a card in progress.
fn end_verb(
    place: &Place,
    base: &Loaded,
    dir: &OperationDir,
    operation: Option<&Operation>,
    ended: String,
) -> Result<(Verb, Vec<Edit>), CliError> {
    let name = dir.id.as_str();
    Ok(match operation.map(|operation| operation.state) {
        Some(OperationState::Complete) => {
            let summary = summary(dir).unwrap_or_else(|| format!("operation {name} ended without a text"));
            let verb = Verb::Complete { summary: Some(summary), artefacts: Vec::new(), force: false };
            (verb, record(name, operation))
        }
        Some(OperationState::Error | OperationState::Lost) => {
            let id = Edit::inner("error", "operation_id", NewValue::Text(name.to_owned()));
            (Verb::Fail { message: ended }, vec![id])
        }
        // Stopped, refused, or never begun: nothing is wrong with the task, it waits for its agent again.
        _ => {
            let note = Verb::Note { text: format!("operation {name}: {ended}") };
            let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: false };
            let note = plan(Task::new(&base.raw), &note, asked).map_err(|refusal| refused(&refusal))?;
            // Its time of change is written once, with the verb.
            let edits = note.edits.into_iter().filter(|edit| edit.path() != ["last_modified"]);
            (Verb::PutDown, edits.collect())
        }
    })
}

fn agent_of(raw: &RawTask, given: Option<&str>) -> Result<String, CliError> {
    let task = Task::new(raw);
    task.agent().map(|agent| agent.value).or(given).map(str::to_owned).ok_or_else(|| {
        let message = format!("{} names no agent", one_line(task.id().value, 120));
        CliError::usage(message).hint("--agent NAME takes it")
    })
}

/// The card as it will be once it is taken, without what is written into it.
fn taken(place: &Place, raw: &RawTask, agent: Option<&str>) -> Result<RawTask, CliError> {
    let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: false };
    let mut taken = raw.clone();
    if raw.lane == Lane::Inbox {
        let agent = agent_of(raw, agent)?;
        let todo = plan(Task::new(raw), &Verb::Claim { agent: agent.clone() }, asked);
        if let Some(goes) = todo.map_err(|refusal| refused(&refusal))?.goes {
            taken.path = format!("{}/{}", goes.dir, raw.name());
        }
        (taken.lane, taken.agent_dir) = (Lane::Assigned, Some(agent));
    } else if Task::new(raw).state() != State::InProgress {
        plan(Task::new(raw), &Verb::Start, asked).map_err(|refusal| refused(&refusal))?;
    }
    Ok(taken)
}

/// Limits of work in progress, where they bind.
fn check_limits(place: &mut Place, raw: &RawTask) -> Result<(), CliError> {
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

/// The operation that works on a task now, or is about to.
fn running(paths: &Paths, place: &Place, task: &str) -> Option<OperationId> {
    if let Some(run) = place.run_of(task) {
        return Some(run.operation_id);
    }
    let known =
        |operation: &Operation| operation.task_id.as_deref() == Some(task) && !operation.state.is_final();
    opdir::pending(paths).into_iter().find(|id| {
        // One whose runner has ended is lost, whatever its journal says.
        find::fold(&OperationDir::of(paths, id)).is_some_and(|operation| known(&operation))
    })
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

//! The projection: what all events so far add up to.
//!
//! `State::apply` is pure: no clock, no I/O. The daemon's hub keeps one live, the CLI folds journals through it
//! when no daemon runs, and the page has the same rules in `static/js/state.js`; shared fixtures hold them together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::admission::Place;
use crate::event::{
    BudgetAction, Envelope, Event, Mode, Partial, Phase, PromptInfo, RunState, Spend, StopBy, StopStep,
    StopVia,
};
use crate::ids::OperationId;
use crate::time::UnixMs;

/// Ended operations a projection keeps; older ones are in the store.
pub const ENDED_KEPT: usize = 500;

/// Ended operations a snapshot for a browser carries.
pub const ENDED_IN_SNAPSHOT: usize = 200;

/// Attempts an operation lists; further ones are only counted.
pub const ATTEMPTS_KEPT: usize = 16;

/// Where an operation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Routed, not yet started.
    Submitted,
    /// Waits for a place.
    Queued,
    /// Runs.
    Running,
    /// Its process group is suspended.
    Paused,
    /// The stop ladder is under way.
    Stopping,
    /// Runs without a link to the daemon.
    Detached,
    /// Ended with a whole answer.
    Complete,
    /// Failed.
    Error,
    /// Stopped, partial result kept.
    Stopped,
    /// A budget did not let it start.
    Refused,
    /// Ended without a word from its runner.
    Lost,
}

impl OperationState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 11] = [
        Self::Submitted,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Stopping,
        Self::Detached,
        Self::Complete,
        Self::Error,
        Self::Stopped,
        Self::Refused,
        Self::Lost,
    ];

    /// Nothing more will happen to it (`Lost` may still be corrected by a journal found later).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Stopped | Self::Refused | Self::Lost)
    }

    /// The name in JSON, tables and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Detached => "detached",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// Stable class.
    pub class: String,
    /// Sentence, redacted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The same request may succeed later.
    pub retryable: bool,
}

/// How an operation was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedInfo {
    /// Who.
    pub by: StopBy,
    /// Through what.
    pub via: StopVia,
    /// Why.
    pub reason: Option<String>,
    /// The rung that ended it.
    pub step: StopStep,
    /// Processes that had to be killed.
    pub killed_processes: u32,
}

/// One attempt of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptInfo {
    /// From 1.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Model; none when the tool's own default was used.
    pub model: Option<String>,
    /// When its tool was started.
    pub started_at: UnixMs,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Why it failed.
    pub error_class: Option<String>,
    /// What it cost.
    pub cost_nano_usd: Option<i64>,
}

/// One operation as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Id.
    pub operation_id: OperationId,
    /// Where it is in its life.
    pub state: OperationState,
    /// Tool of the current attempt.
    pub tool: Option<String>,
    /// Model of the current attempt.
    pub model: Option<String>,
    /// Provider of the current attempt.
    pub provider: Option<String>,
    /// How it runs.
    pub mode: Option<Mode>,
    /// Agent the user named.
    pub agent: Option<String>,
    /// Task type the user named.
    pub task_type: Option<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Words of the command, prompt and secrets hidden.
    pub command: Vec<String>,
    /// Why this model.
    pub reason: Option<String>,
    /// From 1; 0 before the first.
    pub attempt: u32,
    /// What it is doing, while it runs.
    pub phase: Option<Phase>,
    /// When it was routed.
    pub submitted_at: UnixMs,
    /// When its tool was started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Duration at the last word from its runner.
    pub elapsed_ms: u64,
    /// Silence at the last word from its runner.
    pub idle_ms: u64,
    /// To the first byte of the answer.
    pub first_output_ms: Option<u64>,
    /// Tokens and money.
    #[serde(flatten)]
    pub spend: Spend,
    /// The user's limit for this operation.
    pub max_cost_nano_usd: Option<i64>,
    /// Prompt, without its text.
    pub prompt: Option<PromptInfo>,
    /// Recorded answer bytes.
    pub stdout_bytes: u64,
    /// Recorded error-stream bytes.
    pub stderr_bytes: u64,
    /// Tool calls seen.
    pub calls: u32,
    /// The newest tool call that has not ended: its name.
    pub open_call: Option<String>,
    /// The tool's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the tool.
    pub signal: Option<i32>,
    /// Why it failed.
    pub error: Option<OperationError>,
    /// How it was stopped.
    pub stopped: Option<StoppedInfo>,
    /// What is kept at an end that is not a whole answer.
    pub partial: Option<Partial>,
    /// The tool's session.
    pub session_id: Option<String>,
    /// Command that continues the session.
    pub resume_command: Option<String>,
    /// Operation this one repeats.
    pub retry_of: Option<OperationId>,
    /// Operation that repeats this one.
    pub retried_by: Option<OperationId>,
    /// Project: the directory whose work it is.
    #[serde(default)]
    pub project: Option<String>,
    /// Policy it runs under.
    #[serde(default)]
    pub policy: Option<String>,
    /// Task file it works for.
    #[serde(default)]
    pub task_id: Option<String>,
    /// Code of the reason for its model.
    #[serde(default)]
    pub reason_code: Option<String>,
    /// What the budgets set aside for it.
    #[serde(default)]
    pub reservation_nano_usd: Option<i64>,
    /// Its place, while it is queued.
    #[serde(default)]
    pub queue: Option<Place>,
    /// Its attempts, at most `ATTEMPTS_KEPT`.
    #[serde(default)]
    pub attempts: Vec<AttemptInfo>,
    /// Our cost and the tool's own disagree.
    #[serde(default)]
    pub drift: bool,
}

impl Operation {
    /// A new one, of which only the name is known.
    pub fn new(operation_id: OperationId, at: UnixMs) -> Self {
        Self {
            operation_id,
            state: OperationState::Submitted,
            tool: None,
            model: None,
            provider: None,
            mode: None,
            agent: None,
            task_type: None,
            cwd: None,
            command: Vec::new(),
            reason: None,
            attempt: 0,
            phase: None,
            submitted_at: at,
            started_at: None,
            ended_at: None,
            elapsed_ms: 0,
            idle_ms: 0,
            first_output_ms: None,
            spend: Spend::default(),
            max_cost_nano_usd: None,
            prompt: None,
            stdout_bytes: 0,
            stderr_bytes: 0,
            calls: 0,
            open_call: None,
            exit_code: None,
            signal: None,
            error: None,
            stopped: None,
            partial: None,
            session_id: None,
            resume_command: None,
            retry_of: None,
            retried_by: None,
            project: None,
            policy: None,
            task_id: None,
            reason_code: None,
            reservation_nano_usd: None,
            queue: None,
            attempts: Vec::new(),
            drift: false,
        }
    }

    fn end(&mut self, state: OperationState, at: UnixMs) {
        self.state = state;
        self.phase = None;
        self.open_call = None;
        self.queue = None;
        self.ended_at = Some(at);
        self.end_attempt(at, None);
    }

    fn end_attempt(&mut self, at: UnixMs, class: Option<&str>) {
        if let Some(open) = self.attempts.last_mut().filter(|attempt| attempt.ended_at.is_none()) {
            open.ended_at = Some(at);
            open.error_class = class.map(str::to_owned);
        }
    }

    fn begin_attempt(&mut self, attempt: AttemptInfo) {
        if self.attempts.len() < ATTEMPTS_KEPT {
            self.attempts.push(attempt);
        }
    }

    /// Folds one event of this operation in. `at` is the envelope's time.
    pub fn apply(&mut self, at: UnixMs, event: &Event) {
        // Nothing follows an end; only a journal that was found later corrects `lost`, by its own end.
        let corrects = self.state == OperationState::Lost && event.ends_operation();
        if self.state.is_final() && !corrects {
            return;
        }
        match event {
            Event::RoutingDecision(e) => {
                self.attempt = e.attempt;
                self.agent.clone_from(&e.requested.agent);
                self.task_type.clone_from(&e.requested.task_type);
                self.policy.clone_from(&e.policy);
            }
            Event::ModelSelected(e) => {
                self.attempt = e.attempt;
                self.tool = Some(e.tool.clone());
                self.model.clone_from(&e.model);
                self.provider.clone_from(&e.provider);
                self.reason = Some(e.reason.clone());
                self.reason_code = Some(e.reason_code.clone());
            }
            Event::ExecutionQueued(e) => {
                self.state = OperationState::Queued;
                self.phase = None;
                self.queue = Some(Place {
                    position: e.position,
                    reason: e.reason.clone(),
                    limit: e.limit.clone(),
                    wait_until: e.wait_until,
                    held: e.held,
                    priority: e.priority,
                });
            }
            Event::ExecutionStarted(e) => {
                self.begin_attempt(AttemptInfo {
                    attempt: e.attempt,
                    tool: e.tool.clone(),
                    model: e.model.clone(),
                    started_at: e.started_at,
                    ended_at: None,
                    error_class: None,
                    cost_nano_usd: None,
                });
                self.queue = None;
                self.error = None;
                self.project.clone_from(&e.project);
                self.policy.clone_from(&e.policy);
                self.task_id.clone_from(&e.task_id);
                self.reservation_nano_usd = e.reservation_nano_usd;
                self.state = OperationState::Running;
                self.phase = Some(Phase::Starting);
                self.attempt = e.attempt;
                self.tool = Some(e.tool.clone());
                self.model.clone_from(&e.model);
                self.provider.clone_from(&e.provider);
                self.mode = Some(e.mode);
                self.agent.clone_from(&e.agent);
                self.task_type.clone_from(&e.task_type);
                self.cwd = Some(e.cwd.clone());
                self.command.clone_from(&e.command);
                self.prompt = Some(e.prompt.clone());
                self.max_cost_nano_usd = e.max_cost_nano_usd;
                self.retry_of.clone_from(&e.retry_of);
                self.started_at = Some(e.started_at);
            }
            Event::ExecutionProgress(e) => {
                self.state = match e.state {
                    RunState::Running => OperationState::Running,
                    RunState::Paused => OperationState::Paused,
                    RunState::Stopping => OperationState::Stopping,
                };
                self.phase = Some(e.phase);
                if e.model.is_some() {
                    self.model.clone_from(&e.model);
                }
                self.spend = e.spend;
                self.elapsed_ms = e.elapsed_ms;
                self.idle_ms = e.idle_ms;
                self.stdout_bytes = e.stdout_bytes;
                self.stderr_bytes = e.stderr_bytes;
            }
            Event::ToolInvoked(e) => {
                self.calls = self.calls.saturating_add(1);
                self.open_call = Some(e.name.clone());
            }
            Event::ToolResponded(_) => self.open_call = None,
            Event::ExecutionCompleted(e) => {
                self.spend = e.spend;
                self.keep_model(e.model.as_ref());
                self.elapsed_ms = e.duration_ms;
                self.first_output_ms = e.first_output_ms;
                self.stdout_bytes = e.stdout_bytes;
                self.stderr_bytes = e.stderr_bytes;
                self.calls = e.calls;
                self.exit_code = e.exit_code;
                self.session_id.clone_from(&e.session_id);
                self.resume_command.clone_from(&e.resume_command);
                self.end(OperationState::Complete, at);
            }
            Event::ExecutionFailed(e) => {
                self.spend = e.spend;
                self.keep_model(e.model.as_ref());
                self.elapsed_ms = e.duration_ms;
                self.stdout_bytes = e.stdout_bytes;
                self.stderr_bytes = e.stderr_bytes;
                self.exit_code = e.exit_code;
                self.signal = e.signal;
                self.error = Some(OperationError {
                    class: e.class.clone(),
                    message: e.message.clone(),
                    hint: e.hint.clone(),
                    retryable: e.retryable,
                });
                self.partial.clone_from(&e.partial);
                self.session_id.clone_from(&e.session_id);
                self.resume_command.clone_from(&e.resume_command);
                self.end_attempt(at, Some(&e.class));
                if e.is_final {
                    self.end(OperationState::Error, at);
                } else {
                    self.phase = Some(Phase::Retrying);
                    self.open_call = None;
                }
            }
            Event::CostRecorded(e) => {
                self.drift |= e.drift.is_some();
                if let Some(known) = self.attempts.iter_mut().find(|known| known.attempt == e.attempt) {
                    known.cost_nano_usd = e.cost_nano_usd;
                }
            }
            Event::BudgetRefused(e) if e.action == BudgetAction::Refuse => {
                self.error = Some(OperationError {
                    class: "budget_refused".to_owned(),
                    message: e.message.clone(),
                    hint: e.hints.first().cloned(),
                    retryable: false,
                });
                if self.spend.cost_nano_usd.is_none() && self.attempts.is_empty() {
                    self.spend.cost_nano_usd = Some(0);
                }
                self.end(OperationState::Refused, at);
            }
            Event::ExecutionStopped(e) => {
                self.spend = e.spend;
                self.keep_model(e.model.as_ref());
                self.elapsed_ms = e.duration_ms;
                self.stdout_bytes = e.stdout_bytes;
                self.stderr_bytes = e.stderr_bytes;
                self.exit_code = e.exit_code;
                self.signal = e.signal;
                self.stopped = Some(StoppedInfo {
                    by: e.by,
                    via: e.via,
                    reason: e.reason.clone(),
                    step: e.step,
                    killed_processes: e.killed_processes,
                });
                self.partial = Some(e.partial.clone());
                self.session_id.clone_from(&e.session_id);
                self.resume_command.clone_from(&e.resume_command);
                self.end(OperationState::Stopped, at);
            }
            Event::ExecutionDetached(_) => self.state = OperationState::Detached,
            Event::ExecutionLost(e) => {
                self.spend = e.spend;
                self.stdout_bytes = e.stdout_bytes;
                self.stderr_bytes = e.stderr_bytes;
                self.partial.clone_from(&e.partial);
                self.end(OperationState::Lost, at);
            }
            Event::BudgetChanged(e) => self.max_cost_nano_usd = e.max_cost_nano_usd,
            Event::ExecutionOutput(_)
            | Event::BudgetRefused(_)
            | Event::TaskCreated(_)
            | Event::TaskAssigned(_)
            | Event::TaskStarted(_)
            | Event::TaskCompleted(_)
            | Event::TaskFailed(_)
            | Event::TaskUpdated(_)
            | Event::TaskInvalid(_)
            | Event::TaskRemoved(_)
            | Event::CostUpdate(_)
            | Event::CostWarning(_)
            | Event::ConfigReloaded(_)
            | Event::DaemonStarted(_)
            | Event::DaemonStopping(_)
            | Event::WatcherStarted(_)
            | Event::WatcherStopped(_)
            | Event::McpServerStarting(_)
            | Event::McpServerStarted(_)
            | Event::McpServerStopped(_)
            | Event::McpServerHealthCheck(_)
            | Event::McpServerRestarting(_)
            | Event::McpServerFailed(_)
            | Event::McpToolsDiscovered(_)
            | Event::McpServerUsage(_)
            | Event::WatcherDegraded(_)
            | Event::Other(_) => {}
        }
    }

    fn keep_model(&mut self, model: Option<&String>) {
        if let Some(model) = model {
            self.model = Some(model.clone());
        }
    }
}

/// Sums over all operations that have ended, in every epoch; they never shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Operations that ended.
    pub ended: u64,
    /// Of which with a whole answer.
    pub complete: u64,
    /// Of which failed.
    pub error: u64,
    /// Of which stopped.
    pub stopped: u64,
    /// Of which a budget did not let start.
    pub refused: u64,
    /// Of which lost.
    pub lost: u64,
    /// Tokens of ended operations, the five disjoint classes.
    pub tokens: u64,
    /// Known costs of ended operations.
    pub cost_nano_usd: i64,
    /// Ended operations whose cost nobody knows.
    pub cost_unknown: u64,
}

/// What all events so far add up to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Operations by id: all that are not final, and the newest that are.
    pub operations: BTreeMap<OperationId, Operation>,
    /// Sums over the ended ones.
    pub totals: Totals,
    /// Ended operations in the order of their ids, for pruning.
    #[serde(skip)]
    ended: BTreeSet<OperationId>,
}

impl State {
    /// Rebuilds a projection from stored operations and totals.
    pub fn restore(operations: impl IntoIterator<Item = Operation>, totals: Totals) -> Self {
        let mut state = Self { totals, ..Self::default() };
        for operation in operations {
            if operation.state.is_final() {
                state.ended.insert(operation.operation_id.clone());
            }
            state.operations.insert(operation.operation_id.clone(), operation);
        }
        // Rows of the store do not know who came later; what is known already, as in a snapshot, stays.
        let repeats: Vec<(OperationId, OperationId)> = state
            .operations
            .values()
            .filter_map(|o| Some((o.retry_of.clone()?, o.operation_id.clone())))
            .filter(|(first, _)| state.operations.get(first).is_some_and(|first| first.retried_by.is_none()))
            .collect();
        for (first, by) in repeats {
            if let Some(first) = state.operations.get_mut(&first) {
                first.retried_by = Some(by);
            }
        }
        state.prune();
        state
    }

    /// Folds one event in and prunes. An event of an operation that has left the projection brings it back.
    pub fn apply(&mut self, envelope: &Envelope) {
        self.fold(envelope.at, &envelope.event);
        self.prune();
    }

    /// Folds one event in without pruning, so that the operation can still be looked at afterwards.
    pub fn fold(&mut self, at: UnixMs, event: &Event) {
        let Some(id) = event.operation_id() else { return };
        if matches!(event, Event::ExecutionOutput(_)) {
            return;
        }
        let operation = self.operations.entry(id.clone()).or_insert_with(|| Operation::new(id.clone(), at));
        let before = operation.state;
        let counted = operation.state.is_final().then_some(operation.spend);
        operation.apply(at, event);
        let after = operation.state;
        if let (Event::ExecutionStarted(e), Some(first)) = (event, event.retry_of()) {
            let by = e.operation_id.clone();
            if let Some(first) = self.operations.get_mut(&first) {
                first.retried_by = Some(by);
            }
        }
        if after.is_final() && (before != after) {
            self.count_end(id, counted);
        }
    }

    /// `counted` is what was counted for it when it was `lost`: a journal found later corrects that.
    fn count_end(&mut self, id: &OperationId, counted: Option<Spend>) {
        let Some(operation) = self.operations.get(id) else { return };
        let (spend, totals) = (operation.spend, &mut self.totals);
        match counted {
            Some(before) => {
                totals.lost = totals.lost.saturating_sub(1);
                totals.tokens = totals.tokens.saturating_sub(before.tokens.total());
                match before.cost_nano_usd {
                    Some(cost) => totals.cost_nano_usd = totals.cost_nano_usd.saturating_sub(cost),
                    None => totals.cost_unknown = totals.cost_unknown.saturating_sub(1),
                }
            }
            None => totals.ended += 1,
        }
        totals.tokens = totals.tokens.saturating_add(spend.tokens.total());
        match spend.cost_nano_usd {
            Some(cost) => totals.cost_nano_usd = totals.cost_nano_usd.saturating_add(cost),
            None => totals.cost_unknown += 1,
        }
        match operation.state {
            OperationState::Complete => totals.complete += 1,
            OperationState::Error => totals.error += 1,
            OperationState::Stopped => totals.stopped += 1,
            OperationState::Refused => totals.refused += 1,
            _ => totals.lost += 1,
        }
        self.ended.insert(id.clone());
    }

    /// Lets the oldest ended operations go, beyond `ENDED_KEPT`.
    pub fn prune(&mut self) {
        while self.ended.len() > ENDED_KEPT {
            let Some(oldest) = self.ended.pop_first() else { break };
            self.operations.remove(&oldest);
        }
    }

    /// Operations newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values().rev()
    }

    /// All operations that are not final, and the newest `ended` that are, newest first.
    pub fn snapshot(&self, ended: usize) -> Vec<&Operation> {
        let mut left = ended;
        self.newest_first()
            .filter(|operation| {
                if !operation.state.is_final() {
                    return true;
                }
                let keep = left > 0;
                left = left.saturating_sub(1);
                keep
            })
            .collect()
    }
}

impl Event {
    /// Whether it is the closing event of an operation, as a runner writes it.
    pub fn ends_operation(&self) -> bool {
        match self {
            Self::ExecutionCompleted(_) | Self::ExecutionStopped(_) => true,
            Self::ExecutionFailed(e) => e.is_final,
            Self::BudgetRefused(e) => e.action == BudgetAction::Refuse,
            _ => false,
        }
    }

    fn retry_of(&self) -> Option<OperationId> {
        match self {
            Self::ExecutionStarted(e) => e.retry_of.clone(),
            _ => None,
        }
    }
}

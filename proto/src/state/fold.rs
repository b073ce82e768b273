//! What each event changes in its operation.

use crate::admission::Place;
use crate::event::{BudgetAction, Event, Phase, RunState};
use crate::time::UnixMs;

use super::{ATTEMPTS_KEPT, AttemptInfo, Operation, OperationError, OperationState, StoppedInfo};

impl Operation {
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

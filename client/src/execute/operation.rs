//! One operation from its decision to its end: for each attempt a decision, a place, the tool; after a failure the
//! next candidate, as long as the rules allow it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::admission::{RateLimit, Refusal};
use llmctl_proto::config::Policy;
use llmctl_proto::event::{BudgetStatus, CostRecorded, ExecutionFailed, NextAttempt, Selected, Spend};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::{OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::price::PriceTable;
use llmctl_proto::process::StopPlan;
use llmctl_proto::time::UnixMs;
use tokio::sync::mpsc;

use super::attempt::Attempt;
use super::begin::Take;
use super::child::ChildRun;
use super::choices::Choices;
use super::conclude::{self, End, Ended};
use super::fallback::{self, Next, Tried};
use super::prompt::Prompt;
use super::request::ExecuteRequest;
use super::runner::Run;
use super::signals::Signals;
use super::stop::{Cause, Stop};
use crate::error::{CliError, Exit, Outcome};
use crate::link::attach::Order;
use crate::practice;
use crate::route::preview;
use crate::term::duration;
use crate::tool::ErrorClass;

/// An operation that has its directory and its link.
pub(super) struct Operation<'a> {
    pub(super) paths: &'a Paths,
    pub(super) dir: OperationDir,
    pub(super) file: OperationFile,
    pub(super) request: ExecuteRequest,
    pub(super) prompt: Prompt,
    pub(super) choices: Choices,
    /// Policy it runs under, by name.
    pub(super) policy_name: String,
    pub(super) policy: Policy,
    /// Rate limits that apply.
    pub(super) rates: Vec<RateLimit>,
    /// What the daemon said of the budgets that apply; empty when it was not asked.
    pub(super) budgets: Vec<BudgetStatus>,
    pub(super) run: Run,
    pub(super) signals: Signals,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Prices in force.
    pub(super) prices: Arc<PriceTable>,
    /// The agent's variables for its tools.
    pub(super) agent_env: BTreeMap<String, String>,
    /// There is somebody in front who may be asked.
    pub(super) interactive: bool,
    /// What has to be done before the first tool is started.
    pub(super) take: Option<Take<'a>>,
    /// Attempts that were made or tried, from 0.
    pub(super) attempt: u32,
}

/// Nothing runs, so nothing gets time to end.
const NO_GRACE: StopPlan = StopPlan { interrupt_grace: Duration::ZERO, terminate_grace: Duration::ZERO };

/// Who is told that the operation has begun (true), or failed to.
pub(super) type Started<'s> = &'s mut (dyn FnMut(bool) + Send);

/// What a turn of an operation came to.
pub(super) enum Turn {
    /// Another attempt follows.
    Again,
    /// It ends after this, unless a fallback follows.
    End(End, Ended),
    /// It was stopped while nothing ran.
    Stopped(Cause),
    /// A budget or a missing reason does not let it start.
    Refused(Refused),
    /// What has to be done before it starts could not be done.
    NotTaken(CliError),
    /// No candidate can take it.
    NobodyLeft,
}

/// Why it does not start.
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) hints: Vec<String>,
    pub(super) refusal: Option<Box<Refusal>>,
}

impl Operation<'_> {
    /// Runs it to its end.
    pub(super) async fn run(mut self, started: Started<'_>) -> Outcome {
        let mut tried = Tried { retry_after_output: self.request.retry_after_output, ..Tried::default() };
        let mut decide = true;
        loop {
            if decide {
                self.attempt += 1;
                self.record_decision();
                tried.candidates += 1;
                tried.repeats = 0;
            }
            let (end, ended) = match self.attempt_once(started).await {
                Turn::End(end, ended) => (end, ended),
                Turn::Again => {
                    decide = true;
                    continue;
                }
                other => {
                    started(false);
                    return self.end_unstarted(other).await;
                }
            };
            let Some((class, message)) = ended.failed.clone() else {
                return conclude::conclude(self.run, end, ended, &mut self.signals).await;
            };
            tried.had_effect = self.run.had_effect();
            tried.standby = self.choices.has_standby(class);
            let jitter = u32::from(random_u16() % 1_000);
            match fallback::next(class, ended.retry_after(), tried, &self.policy, jitter) {
                Next::End => {
                    started(false);
                    return conclude::conclude(self.run, end, ended, &mut self.signals).await;
                }
                Next::Same(wait) => {
                    self.attempt += 1;
                    tried.repeats += 1;
                    decide = false;
                    let next = self.choices.next_attempt();
                    conclude::failed_attempt(&mut self.run, &end, &ended, next);
                    let text = format!("{message}; trying again in {}", duration(super::millis(wait)));
                    self.run.front.note(&text);
                    if let Some(cause) = self.waiting(&mut |_| {}).pause(wait).await {
                        return self.end_unstarted(Turn::Stopped(cause)).await;
                    }
                }
                Next::Candidate => {
                    decide = true;
                    let gone = self.choices.name();
                    self.choices.advance(class, &message);
                    let next = self.choices.next_attempt();
                    conclude::failed_attempt(&mut self.run, &end, &ended, next);
                    self.run.front.note(&format!("{gone} failed: {message}"));
                }
            }
        }
    }

    /// Journals which candidate is next, and why.
    fn record_decision(&mut self) {
        let id = self.run.record.id.clone();
        let decision = self.choices.event(&id, self.attempt);
        self.run.fact(decision);
        if let Some(selected) = self.choices.selected_event(&id, self.attempt) {
            self.run.fact(selected);
        }
        if self.attempt == 1 {
            for warning in &self.choices.decision().warnings {
                self.run.front.note(&format!("warning: {warning}"));
            }
        }
        let text = match (&self.choices.decision().notice, self.choices.current()) {
            (Some(notice), Some(_)) => Some(notice.clone()),
            (None, Some((selected, _))) => Some(choice_text(selected)),
            (_, None) => None,
        };
        if let Some(text) = text {
            self.run.front.note(&text);
        }
    }

    async fn attempt_once(&mut self, started: Started<'_>) -> Turn {
        if self.choices.current().is_none() {
            return Turn::NobodyLeft;
        }
        if self.attempt == 1
            && let Some(turn) = self.ask_first().await
        {
            return turn;
        }
        let reservation = match self.take_place(started).await {
            Ok(reservation) => reservation,
            Err(turn) => return *turn,
        };
        self.start(reservation, started).await
    }

    async fn start(&mut self, reservation: Option<PicoUsd>, started: Started<'_>) -> Turn {
        if let Some(take) = self.take.take()
            && let Err(error) = take()
        {
            return Turn::NotTaken(error);
        }
        let Some((selected, chosen)) = self.choices.current() else {
            return Turn::NobodyLeft;
        };
        let attempt = Attempt {
            id: &self.run.record.id,
            request: &self.request,
            selected,
            chosen,
            tag: &self.file.tag,
            number: self.attempt,
            policy: &self.policy_name,
            reservation,
            max_cost_nano_usd: self.run.limits.max_cost_nano_usd,
            prices: &self.prices,
            agent_env: &self.agent_env,
        };
        let begin = match attempt.start(self.prompt.clone(), &self.dir) {
            Ok(begin) => begin,
            Err(failure) => {
                let ended = Ended::not_started(failure.class, failure.message, failure.hint);
                return Turn::End(End::default(), ended);
            }
        };
        self.file.tool = begin.source.child().and_then(ChildRun::identity);
        if self.file.tool.is_some() {
            // The tag finds the tool's processes too; this only makes it surer.
            let _ = self.dir.write(&self.file);
        }
        let event = attempt.started_event(&begin, self.prompt.info(), &self.run.record.redactor);
        self.run.model.clone_from(&selected.model);
        for warning in &begin.warnings {
            self.run.front.note(&format!("warning: {warning}"));
        }
        let started_at = event.started_at;
        self.run.fact(event);
        self.run.record.sync();
        self.run.record.amend(|submission| submission.running = true);
        started(true);
        self.run.begin(begin.source, begin.meter, begin.plan, self.attempt);
        self.run.until_end(&mut self.signals, &mut self.orders).await;
        let ended = conclude::end_attempt(&mut self.run, &begin.end).await;
        self.record_cost(started_at);
        Turn::End(begin.end, ended)
    }

    /// Ends an operation of which nothing runs.
    async fn end_unstarted(mut self, turn: Turn) -> Outcome {
        let error = match turn {
            Turn::Stopped(cause) => {
                self.run.stop = Some(Stop::begin(cause, NO_GRACE, false));
                return conclude::conclude(self.run, End::default(), Ended::never(), &mut self.signals).await;
            }
            Turn::Refused(Refused { message, hints, refusal }) => {
                let event = self.budget_event(message.clone(), hints.clone(), refusal.as_deref());
                self.run.fact(event);
                CliError { hints, ..CliError::new(Exit::Budget, message) }
            }
            Turn::NotTaken(error) => {
                self.run.fact(never_began(&self.run, ErrorClass::Invalid.as_str(), error.message.clone()));
                error
            }
            Turn::NobodyLeft | Turn::Again | Turn::End(..) => {
                let error = preview::no_candidate(self.choices.decision());
                let sentence = error.message.lines().next().unwrap_or_default().to_owned();
                self.run.fact(never_began(&self.run, "no_candidate", sentence));
                error
            }
        };
        conclude::leave(&mut self.run.record, &mut self.run.front).await;
        Err(error)
    }

    /// Journals what the attempt used and cost.
    fn record_cost(&mut self, started_at: UnixMs) {
        let (rows, drift) = self.run.meter.ledger();
        let costs: Option<Vec<PicoUsd>> = rows.iter().map(|row| row.cost_pico_usd).collect();
        let cost = costs.and_then(|costs| PicoUsd::sum(costs).ok());
        if let Some(drift) = drift {
            self.run.front.note(&format!(
                "warning: the tool says it cost {}, we compute {}",
                drift.theirs_pico_usd, drift.ours_pico_usd
            ));
        }
        let selected = self.choices.current().map(|(selected, _)| selected.clone());
        let (tool, provider) = selected.map_or_else(Default::default, |s| (s.tool, s.provider));
        let event = CostRecorded {
            operation_id: self.run.record.id.clone(),
            attempt: self.attempt,
            tool,
            provider,
            agent: self.request.agent.clone(),
            project: self.request.project.clone(),
            task_type: self.request.task_type.clone(),
            task_id: self.request.task_id.clone(),
            policy: Some(self.policy_name.clone()),
            started_at,
            recorded_at: UnixMs::now(),
            rows,
            cost_nano_usd: cost.map(PicoUsd::nano),
            drift,
        };
        self.run.fact(event);
    }
}

fn choice_text(selected: &Selected) -> String {
    let model = selected.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    if selected.tool == practice::MODEL {
        "no LLM was found: answering with the built-in practice model, which is not one".to_owned()
    } else {
        format!("using {}{model}: {}", selected.tool, selected.reason)
    }
}

fn never_began(run: &Run, class: &str, message: String) -> ExecutionFailed {
    ExecutionFailed {
        operation_id: run.record.id.clone(),
        attempt: run.attempt.max(1),
        class: class.to_owned(),
        message,
        hint: None,
        exit_code: None,
        signal: None,
        http_status: None,
        retryable: false,
        retry_after_ms: None,
        is_final: true,
        next: None::<NextAttempt>,
        model: None,
        duration_ms: 0,
        spend: Spend { cost_nano_usd: Some(0), ..Spend::default() },
        stdout_bytes: 0,
        stderr_bytes: 0,
        partial: None,
        session_id: None,
        resume_command: None,
    }
}

fn random_u16() -> u16 {
    let mut bytes = [0; 2];
    // Without random numbers waits are only not spread.
    let _ = getrandom::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

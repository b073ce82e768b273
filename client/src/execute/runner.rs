//! Runs one operation to its end: reads the source, meters, records, shows, listens to orders, stops.
//!
//! One task, one `select!`. Whatever happens, it ends with one closing event, a complete directory and no process.

use std::time::{Duration, Instant};

use llmctl_proto::event::{
    CostBasis, ExecutionProgress, Phase, RunState, Spend, StopBy, StopVia, ToolInvoked, ToolResponded,
};
use llmctl_proto::process::{Rung, StopPlan};
use llmctl_proto::usage::{Usage, UsageSource};
use tokio::sync::mpsc;

use super::front::{Front, Show};
use super::record::Recorder;
use super::signals::Signals;
use super::source::{Delivery, Source};
use super::stop::{Cause, Stop};
use crate::link::attach::Order;
use crate::meter::Meter;
use crate::term::{cost, duration, tokens};
use crate::tool::{AdapterEvent, ToolCall, ToolResult};

/// Between two progress events.
const PROGRESS: Duration = Duration::from_millis(250);
/// Bytes that wait for a reader who does not read while the tool is asked to end; then it waits too.
const STOP_BACKLOG: usize = 16 * 1024 * 1024;
/// Open tool calls that are timed; more are answered with no duration.
const MAX_OPEN_CALLS: usize = 256;

/// What an operation has used before its first attempt.
const NOTHING: Spend = Spend {
    tokens: Usage::ZERO,
    usage_source: UsageSource::None,
    cost_nano_usd: Some(0),
    cost_basis: CostBasis::Unknown,
    reported_cost_nano_usd: None,
};

/// Limits of one operation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Ends it with reason `timeout`.
    pub timeout: Option<Duration>,
    /// Ends it with reason `budget`.
    pub max_cost_nano_usd: Option<i64>,
    /// Ends it when its tool gives no sign of life for so long: no output, no processor time.
    pub stall: Option<Duration>,
}

/// What is known at the end of the run, before anybody says how it ended.
pub(super) struct Run {
    /// The source, at its end.
    pub source: Source,
    /// Files, journal and link.
    pub record: Recorder,
    /// What the person sees.
    pub front: Front,
    /// Tokens and money.
    pub meter: Meter,
    /// The stop, if there was one.
    pub stop: Option<Stop>,
    /// When the tool was started.
    pub started: Instant,
    /// To the first byte of the answer.
    pub first_output: Option<Duration>,
    /// Tool calls seen.
    pub calls: u32,
    /// Model, once named.
    pub model: Option<String>,
    /// Session, once named.
    pub session_id: Option<String>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Tokens and money of the attempts before.
    before: Spend,
    /// Limits; the cost limit may be changed while it runs.
    pub limits: Limits,
    /// When the tool's silence was last looked into, and its processor time then.
    pub(super) silence: Option<(Instant, u64)>,
    pub(super) plan: StopPlan,
    phase: Phase,
    pub(super) paused: bool,
    pub(super) last_life: Instant,
    last_progress: Option<Instant>,
    dirty: bool,
    open_calls: Vec<(String, Instant)>,
    warnings: u32,
    pub(super) signalled: bool,
}

impl Run {
    /// A run of which nothing was started yet.
    pub(super) fn new(record: Recorder, front: Front, limits: Limits) -> Self {
        let started = Instant::now();
        Self {
            source: Source::Idle,
            record,
            front,
            meter: Meter::new(None, None, llmctl_proto::time::UnixMs::now()),
            stop: None,
            started,
            first_output: None,
            calls: 0,
            model: None,
            session_id: None,
            attempt: 0,
            before: NOTHING,
            limits,
            silence: None,
            plan: StopPlan { interrupt_grace: Duration::ZERO, terminate_grace: Duration::ZERO },
            phase: Phase::Starting,
            paused: false,
            last_life: started,
            last_progress: None,
            dirty: true,
            open_calls: Vec::new(),
            warnings: 0,
            signalled: false,
        }
    }

    /// Takes over a source that was just started: the first, or that of another attempt.
    pub(super) fn begin(&mut self, source: Source, meter: Meter, plan: StopPlan, attempt: u32) {
        if self.attempt == 0 {
            self.started = Instant::now();
        } else {
            self.before = self.spend();
        }
        self.phase = if source.child().is_some() { Phase::Starting } else { Phase::WaitingNetwork };
        self.source = source;
        self.meter = meter;
        self.plan = plan;
        self.attempt = attempt;
        self.paused = false;
        self.last_life = Instant::now();
        self.dirty = true;
        self.open_calls.clear();
        self.session_id = None;
    }

    /// Tokens and money of all attempts.
    pub(super) fn spend(&self) -> Spend {
        if self.attempt == 0 { NOTHING } else { self.before.plus(&self.meter.spend()) }
    }

    /// Whether a repeat would do something twice.
    pub(super) fn had_effect(&self) -> bool {
        self.calls > 0 || self.first_output.is_some()
    }

    /// Runs until the source has ended, by itself or because it was stopped.
    pub(super) async fn until_end(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) {
        self.progress(true);
        let mut orders_open = true;
        let broken = self.front.broken();
        tokio::pin!(broken);
        loop {
            let wake = self.next_wake();
            tokio::select! {
                delivery = self.source.next(), if self.may_read() => match delivery {
                    Some(delivery) => self.on_delivery(delivery),
                    None => return,
                },
                heard = signals.next() => self.on_signal(heard),
                order = orders.recv(), if orders_open => match order {
                    Some(order) => self.on_order(order),
                    None => orders_open = false,
                },
                () = self.front.room(), if !self.front.has_room() => {}
                () = &mut broken, if !self.front.is_broken() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if self.on_turn() {
                return;
            }
        }
    }

    /// A source without processes ends as soon as it is stopped.
    fn on_turn(&mut self) -> bool {
        if self.front.is_broken() && self.stop.is_none() {
            let reason = Some("whoever read the answer has gone".to_owned());
            let cause = Cause { by: StopBy::User, via: StopVia::Terminal, reason, signal: None };
            self.request_stop(cause, false, None);
        }
        self.check_limits();
        let has_process = self.source.child().is_some();
        if has_process && let Some(rung) = self.stop.as_mut().and_then(Stop::on_time) {
            self.act(rung);
        }
        self.record.flush_output(false);
        if let Some(trouble) = self.record.output_trouble() {
            self.front.say(&format!("warning: {trouble}"));
        }
        self.progress(false);
        self.show_lines();
        self.stop.is_some() && !has_process
    }

    fn may_read(&self) -> bool {
        let held = self.paused && self.source.child().is_none();
        // A tool that is being stopped has to be able to close, and its end to be seen, whatever its reader does.
        let room = match &self.stop {
            None => self.front.has_room(),
            Some(stop) => stop.rung() == Rung::Kill || self.front.backlog() < STOP_BACKLOG,
        };
        room && !held
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let next_progress = self.last_progress.map_or(now, |at| at + PROGRESS);
        // Someone who watches a silent tool still wants to see the seconds pass.
        let ticking = if self.front.wants_status() { Duration::ZERO } else { Duration::from_millis(750) };
        let progress = if self.dirty { next_progress } else { next_progress + ticking };
        let timeout = self.limits.timeout.filter(|_| self.stop.is_none()).map(|limit| self.started + limit);
        let stop = self.stop.as_ref().and_then(Stop::due);
        [Some(progress), timeout, stop, self.record.output_due()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(progress)
            .max(now)
    }

    fn on_delivery(&mut self, delivery: Delivery) {
        self.last_life = Instant::now();
        self.dirty = true;
        if !delivery.raw.is_empty() {
            self.record.raw(&delivery.raw);
        }
        if !delivery.stderr.is_empty() {
            self.record.stderr.push(&delivery.stderr);
        }
        for event in delivery.events {
            self.on_event(event);
        }
    }

    /// Takes one thing learnt of the tool.
    pub(super) fn on_event(&mut self, event: AdapterEvent) {
        self.meter.observe(&event);
        match event {
            AdapterEvent::Init { model, session_id } => {
                self.model = model.or(self.model.take());
                self.session_id = session_id.or(self.session_id.take());
                self.set_phase(Phase::WaitingNetwork);
            }
            AdapterEvent::Text(bytes) => {
                self.first_output.get_or_insert_with(|| self.started.elapsed());
                self.front.answer(&bytes);
                self.record.stdout.push(&bytes);
                self.set_phase(Phase::Streaming);
            }
            AdapterEvent::Thinking => self.set_phase(Phase::Thinking),
            AdapterEvent::ToolStart(call) => self.on_call(call),
            AdapterEvent::ToolEnd(result) => self.on_result(&result),
            AdapterEvent::Retry { attempt, max, delay_ms, status } => {
                self.set_phase(Phase::Retrying);
                let of = max.map(|max| format!(" of {max}")).unwrap_or_default();
                let wait = delay_ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
                let why = status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
                self.front.note(&format!("the tool tries again, attempt {attempt}{of}{wait}{why}"));
            }
            AdapterEvent::Warning(text) => self.warn(&text),
            AdapterEvent::Usage { .. }
            | AdapterEvent::ServiceTier(_)
            | AdapterEvent::ModelTotals(_)
            | AdapterEvent::CostReported { .. }
            | AdapterEvent::Unknown(_)
            | AdapterEvent::Final(_) => {}
        }
    }

    /// Says a warning of the tool, at most twenty times.
    fn warn(&mut self, text: &str) {
        self.warnings += 1;
        if self.warnings <= 20 {
            let clean = self.record.redactor.redact_str(text).into_owned();
            self.front.note(&format!("warning: {}", crate::term::one_line(&clean, 500)));
        }
    }

    fn on_call(&mut self, call: ToolCall) {
        self.calls += 1;
        if self.open_calls.len() < MAX_OPEN_CALLS {
            self.open_calls.push((call.call_id.clone(), Instant::now()));
        }
        let kind = serde_json::to_value(call.kind).ok().and_then(|k| k.as_str().map(str::to_owned));
        let event = ToolInvoked {
            operation_id: self.record.id.clone(),
            call_id: call.call_id,
            name: call.name,
            kind: kind.unwrap_or_else(|| "other".into()),
            server_name: call.server_name,
            summary: self.record.redactor.redact_str(&call.summary).into_owned(),
            input_bytes: call.input_bytes,
        };
        self.fact(event);
        self.set_phase(Phase::Tool);
    }

    fn on_result(&mut self, result: &ToolResult) {
        let open = self.open_calls.iter().position(|(id, _)| *id == result.call_id);
        let since = open.map(|at| self.open_calls.swap_remove(at).1);
        let event = ToolResponded {
            operation_id: self.record.id.clone(),
            call_id: result.call_id.clone(),
            ok: result.ok,
            duration_ms: since.map_or(0, |at| millis(at.elapsed())),
            output_bytes: result.output_bytes,
            exit_code: result.exit_code,
        };
        self.fact(event);
        self.set_phase(if self.open_calls.is_empty() { Phase::WaitingNetwork } else { Phase::Tool });
    }

    /// Records a fact; a disk that refuses is said once.
    pub(super) fn fact(&mut self, event: impl Into<llmctl_proto::event::Event>) {
        if let Some(trouble) = self.record.fact(event) {
            self.front.say(&format!("warning: {trouble}"));
        }
        self.show_lines();
    }

    fn show_lines(&mut self) {
        if self.front.show() == Show::Events {
            let lines = self.record.take_lines();
            if !lines.is_empty() {
                self.front.write(&lines);
            }
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.dirty = true;
        }
    }

    /// Says how far it is: when something changed, and now and then. `now`: whatever the time.
    pub(super) fn progress(&mut self, now: bool) {
        let at = Instant::now();
        let since = self.last_progress.map(|last| at.duration_since(last));
        let due = since.is_none_or(|since| since >= PROGRESS && (self.dirty || since >= 4 * PROGRESS));
        let ticking = self.front.wants_status() && since.is_some_and(|since| since >= PROGRESS);
        if !(now || due || ticking) {
            return;
        }
        self.last_progress = Some(at);
        self.dirty = false;
        let state = match (&self.stop, self.paused) {
            (Some(_), _) => RunState::Stopping,
            (None, true) => RunState::Paused,
            (None, false) => RunState::Running,
        };
        let event = ExecutionProgress {
            operation_id: self.record.id.clone(),
            state,
            phase: self.phase,
            model: self.model.clone(),
            spend: self.spend(),
            elapsed_ms: millis(self.started.elapsed()),
            idle_ms: millis(self.last_life.elapsed()),
            stdout_bytes: self.record.stdout.recorded(),
            stderr_bytes: self.record.stderr.recorded(),
        };
        if self.front.wants_status() {
            self.front.status(&status_text(&event, self.paused));
        }
        self.record.progress(event);
    }
}

fn status_text(event: &ExecutionProgress, paused: bool) -> String {
    let what = match (event.state, event.phase) {
        (RunState::Stopping, _) => "stopping",
        (_, _) if paused => "paused",
        (_, Phase::Starting) => "starting",
        (_, Phase::Thinking) => "thinking",
        (_, Phase::Streaming) => "answering",
        (_, Phase::Tool) => "using a tool",
        (_, Phase::WaitingNetwork) => "waiting",
        (_, Phase::Retrying) => "retrying",
    };
    let about =
        if event.spend.usage_source == llmctl_proto::usage::UsageSource::Estimated { "≈" } else { "" };
    let rate = event.spend.tokens.output.saturating_mul(1000).checked_div(event.elapsed_ms).unwrap_or(0);
    format!(
        "{what}  {about}{} tokens  {}  {}  {rate} tok/s",
        tokens(event.spend.tokens.total()),
        cost(event.spend.cost_nano_usd),
        duration(event.elapsed_ms)
    )
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

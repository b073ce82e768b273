//! A long sequence of events as a daemon with a history could send it, the same for the same seed.
//!
//! Many operations at once, every type, types nobody knows, events after the end, lost operations that turn out
//! to have gone on, and so many ends that the oldest leave the projection.

use llmctl_proto::event::*;
use llmctl_proto::ids::{Cursor, Epoch, OperationId};
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use crate::random::Random;

/// Operations that are open at once.
const OPEN: usize = 40;
/// Where the clock of a sequence begins.
pub(crate) const BEGIN_MS: i64 = 1_795_393_919_133;

/// A sequence under construction.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) random: Random,
    pub(crate) now_ms: i64,
    drawn: u64,
    open: Vec<OperationId>,
    pub(crate) all: Vec<OperationId>,
    lost: Vec<OperationId>,
    lines: Vec<String>,
}

/// A sequence of `count` envelopes, one JSON object each.
pub(crate) fn sequence(seed: u64, count: usize) -> Vec<String> {
    let mut events = Events {
        random: Random::new(seed),
        now_ms: BEGIN_MS,
        drawn: 0,
        open: Vec::new(),
        all: Vec::new(),
        lost: Vec::new(),
        lines: Vec::with_capacity(count),
    };
    while events.lines.len() < count {
        events.step();
    }
    events.lines
}

impl Events {
    fn step(&mut self) {
        match self.random.below(100) {
            0..=9 => self.begin(),
            10..=84 => self.advance(),
            85..=89 => self.after_the_end(),
            90..=93 => self.correct(),
            94..=96 => self.unknown(),
            _ => self.of_the_daemon(),
        }
    }

    /// A new operation; most begin with their routing, some only show up when they already run.
    fn begin(&mut self) {
        if self.open.len() >= OPEN {
            return self.end();
        }
        let id = self.draw_id();
        self.open.push(id.clone());
        self.all.push(id.clone());
        if self.random.percent(80) {
            let decision = self.decision(&id);
            self.push(decision);
            let selected = self.selected(&id);
            self.push(selected);
        }
        if self.random.percent(20) {
            let reason = self.word();
            let queued = ExecutionQueued {
                operation_id: id.clone(),
                position: 3,
                reason,
                limit: self.word_or_none(),
                wait_until: self.random.maybe(|_| UnixMs(1_790_000_000_123)),
                held: self.random.percent(30),
                priority: self.random.below(200) as i32 - 100,
            };
            self.push(queued);
        }
        if self.random.percent(90) {
            let started = self.started(&id);
            self.push(started);
        }
    }

    fn advance(&mut self) {
        if self.open.is_empty() {
            return self.begin();
        }
        let id = self.random.pick(&self.open);
        match self.random.below(100) {
            0..=39 => {
                let progress = self.progress(&id);
                self.push(progress);
            }
            40..=54 => self.call(&id),
            55..=64 => {
                let (offset, bytes) = (self.random.below(1 << 40), self.random.below(16_384));
                let stream = self.random.pick(&[Stream::Stdout, Stream::Stderr]);
                self.push(ExecutionOutput { operation_id: id, stream, offset, text: "é\n".into(), bytes });
            }
            65..=66 if self.random.percent(50) => {
                let event = self.cost_recorded(&id);
                self.push(event);
            }
            67..=68 if self.random.percent(50) => {
                let event = self.budget_refused(&id, false);
                self.push(event);
                let max_cost_nano_usd = self.random.maybe(|r| r.below(1 << 50) as i64);
                self.push(BudgetChanged { operation_id: id, max_cost_nano_usd });
            }
            65..=68 => {
                let reason = self.word();
                self.push(ExecutionDetached { operation_id: id, reason });
            }
            69..=72 => {
                // Another attempt of the same operation.
                let selected = self.selected(&id);
                self.push(selected);
                let started = self.started(&id);
                self.push(started);
            }
            73..=84 => {
                // A second event of the same kind, as a link that comes back may send it.
                if let Some(line) = self.lines.last().cloned() {
                    self.lines.push(line);
                }
            }
            _ => self.end(),
        }
    }

    fn call(&mut self, id: &OperationId) {
        let call_id = self.word();
        if self.random.percent(60) {
            let (name, summary) = (self.word(), self.word());
            let server_name = self.random.maybe(|_| "files".to_owned());
            self.push(ToolInvoked {
                operation_id: id.clone(),
                call_id,
                name,
                kind: "shell".into(),
                server_name,
                summary,
                input_bytes: 17,
            });
        } else {
            let exit_code = self.random.maybe(|r| r.below(3) as i32);
            self.push(ToolResponded {
                operation_id: id.clone(),
                call_id,
                ok: true,
                duration_ms: 12,
                output_bytes: 3,
                exit_code,
            });
        }
    }

    fn end(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let at = self.random.below(self.open.len() as u64) as usize;
        let id = self.open.swap_remove(at);
        let event = self.closing(&id);
        if matches!(event, Event::ExecutionLost(_)) {
            self.lost.push(id);
        }
        self.push(event);
    }

    /// What comes late for an operation that has ended, or has long left the projection.
    fn after_the_end(&mut self) {
        if self.all.is_empty() {
            return;
        }
        let id = self.random.pick(&self.all);
        let event: Event = match self.random.below(4) {
            0 => self.progress(&id).into(),
            1 => self.started(&id).into(),
            2 => self.closing(&id),
            _ => ExecutionDetached { operation_id: id, reason: "link_lost".into() }.into(),
        };
        self.push(event);
    }

    /// A journal found later tells how a lost operation really went on, or ended.
    fn correct(&mut self) {
        if self.lost.is_empty() {
            return;
        }
        let at = self.random.below(self.lost.len() as u64) as usize;
        let id = self.lost[at].clone();
        if self.random.percent(50) {
            let progress = self.progress(&id);
            self.push(progress);
        }
        let closing = self.closing(&id);
        if !matches!(closing, Event::ExecutionLost(_)) {
            self.lost.swap_remove(at);
        }
        self.push(closing);
    }

    fn unknown(&mut self) {
        let id = if self.all.is_empty() { self.draw_id() } else { self.random.pick(&self.all) };
        let type_name =
            self.random.pick(&["deploy.finished", "execution.dreaming", "toString", "cost.forecast"]);
        let data = match self.random.below(3) {
            0 => json!({"operation_id": id, "ok": true}),
            1 => json!([1, 2, {"operation_id": id}]),
            _ => json!(null),
        };
        self.push(Event::Other(OtherEvent { type_name: type_name.into(), data }));
    }

    fn of_the_daemon(&mut self) {
        match self.random.below(5) {
            0 | 1 => {
                let event = self.of_money();
                self.push(event);
            }
            2 => {
                let event = self.of_a_task();
                self.push(event);
            }
            3 => {
                let event = if self.random.percent(60) { self.of_a_server() } else { self.of_a_watcher() };
                self.push(event);
            }
            _ if self.random.percent(50) => {
                let (version, previous_end) = (self.word(), self.word());
                self.push(DaemonStarted { version, protocol: 1, pid: 7, startup_ms: 9, previous_end });
            }
            _ => self.push(DaemonStopping { reason: "signal".into(), operations_running: 2 }),
        }
    }

    /// Ids sort by their time, but operations do not end in that order, and other writers draw other ids.
    fn draw_id(&mut self) -> OperationId {
        self.drawn += 1;
        let (order, noise) = (self.drawn + self.random.below(30), self.random.next());
        let text = match self.random.below(20) {
            0 => format!("exec-Other-{noise:x}"),
            1 => format!("exec-{order}"),
            _ => format!("exec-{order:08}{:08x}", noise as u32),
        };
        text.parse().expect("drawn from the permitted characters")
    }

    fn push(&mut self, event: impl Into<Event>) {
        let event = event.into();
        self.now_ms += self.random.below(900) as i64;
        // Now and then a clock that went back.
        let at = UnixMs(if self.random.percent(3) { self.now_ms - 60_000 } else { self.now_ms });
        let cursor = Cursor { epoch: Epoch(0x9f3a_1c2e), seq: self.lines.len() as u64 + 1 };
        let mut line = Envelope { cursor, at, event }.to_json();
        if self.random.percent(10) {
            line = as_of_another_version(&line);
        }
        self.lines.push(line);
    }
}

/// The same event as a version before or after this one would write it: what is absent is left out instead of
/// being null, and there is a field that nobody here knows.
fn as_of_another_version(line: &str) -> String {
    let mut envelope: Value = serde_json::from_str(line).expect("just written");
    envelope["hint_of_the_future"] = json!({"deep": [true]});
    if let Some(data) = envelope["data"].as_object_mut() {
        data.retain(|_, value| !value.is_null());
        data.insert("unheard_of".into(), json!(1.5));
    }
    envelope.to_string()
}

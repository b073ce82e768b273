//! What halts or ends a run from outside of its source: signals, orders, limits, silence.

use std::time::{Duration, Instant};

use llmctl_proto::event::{BudgetChanged, StopBy, StopVia};
use llmctl_proto::opdir::Wish;
use llmctl_proto::process::{Rung, StopPlan, cpu_ticks};

use super::runner::{Run, millis};
use super::signals::Heard;
use super::source::Source;
use super::stop::{Cause, Stop};
use crate::link::attach::Order;
use crate::term::duration;

impl Run {
    pub(super) fn on_signal(&mut self, heard: Heard) {
        match heard {
            Heard::Stop(number) => {
                let again = std::mem::replace(&mut self.signalled, true);
                self.request_stop(Cause::signal(number), again, None);
            }
            Heard::Look => match self.record.dir.take_wish() {
                Some(Wish::Stop { by, via, reason, force, grace_ms }) => {
                    self.request_stop(Cause { by, via, reason, signal: None }, force, grace_ms);
                }
                Some(Wish::Pause) => self.suspend(true),
                Some(Wish::Resume) => self.suspend(false),
                None => {}
            },
        }
    }

    pub(super) fn on_order(&mut self, order: Order) {
        match order {
            Order::Stop { by, via, reason, force, grace_ms } => {
                self.request_stop(Cause::ordered(&by, &via, reason), force, grace_ms);
            }
            Order::Suspend(suspend) => self.suspend(suspend),
            Order::Budget(limit) => {
                self.limits.max_cost_nano_usd = limit;
                self.fact(BudgetChanged { operation_id: self.record.id.clone(), max_cost_nano_usd: limit });
            }
            // Its place was given before it was started.
            Order::Admission(_) => {}
        }
    }

    fn suspend(&mut self, suspend: bool) {
        if self.paused == suspend || (suspend && self.stop.is_some()) {
            return;
        }
        if matches!(self.source, Source::Http(_)) {
            // Nothing of a provider's answer can be suspended; the verb says so.
            return;
        }
        if let Some(child) = self.source.child() {
            child.suspend(suspend);
        }
        self.paused = suspend;
        self.progress(true);
    }

    pub(super) fn check_limits(&mut self) {
        if self.stop.is_some() {
            return;
        }
        let spent = self.spend().cost_nano_usd.unwrap_or(0);
        if let Some(limit) = self.limits.max_cost_nano_usd.filter(|limit| spent >= *limit) {
            let show = llmctl_proto::money::show_nano;
            let reason = Some(format!("{} spent of at most {}", show(spent), show(limit)));
            let cause = Cause { by: StopBy::Budget, via: StopVia::Runner, reason, signal: None };
            self.request_stop(cause, false, None);
        } else if let Some(limit) = self.limits.timeout.filter(|limit| self.started.elapsed() >= *limit) {
            let reason = Some(format!("longer than {}", duration(millis(limit))));
            let cause = Cause { by: StopBy::Timeout, via: StopVia::Runner, reason, signal: None };
            self.request_stop(cause, false, None);
        } else if let Some(limit) = self.limits.stall.filter(|_| !self.paused) {
            self.check_silence(limit);
        }
    }

    /// A tool that works in silence uses the processor. Its time is only looked at once half of the limit is over,
    /// since that means to look at every process.
    fn check_silence(&mut self, limit: Duration) {
        let Some(child) = self.source.child() else { return };
        let (silent, look) = (self.last_life.elapsed(), limit / 2);
        if silent < look {
            self.silence = None;
            return;
        }
        match self.silence {
            Some((since, _)) if since.elapsed() < look => {}
            Some((_, before)) if silent >= limit => {
                let ticks = cpu_ticks(child.pid());
                if ticks == before {
                    let reason = Some(format!("no sign of life for {}", duration(millis(silent))));
                    let cause = Cause { by: StopBy::Stall, via: StopVia::Runner, reason, signal: None };
                    self.request_stop(cause, false, None);
                } else {
                    self.silence = Some((Instant::now(), ticks));
                }
            }
            _ => self.silence = Some((Instant::now(), cpu_ticks(child.pid()))),
        }
    }

    /// Begins the stop ladder, or pushes one that has begun.
    pub(super) fn request_stop(&mut self, cause: Cause, force: bool, grace_ms: Option<u64>) {
        if let Some(stop) = &mut self.stop {
            if let Some(rung) = force.then(|| stop.force()).flatten() {
                self.act(rung);
            }
            return;
        }
        let grace = grace_ms.map(Duration::from_millis);
        let plan = StopPlan { interrupt_grace: grace.unwrap_or(self.plan.interrupt_grace), ..self.plan };
        let stop = Stop::begin(cause, plan, force);
        let rung = stop.rung();
        self.front.note(match rung {
            Rung::Kill => "stopping at once",
            _ => "stopping; the partial result is kept (again to kill)",
        });
        self.stop = Some(stop);
        self.paused = false;
        self.act(rung);
        self.progress(true);
    }

    pub(super) fn act(&mut self, rung: Rung) {
        if let Source::Child(child) = &mut self.source {
            child.run.act(rung);
        }
    }
}

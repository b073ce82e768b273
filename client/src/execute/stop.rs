//! A stop of one operation: who wanted it, how far it is.

use std::time::{Duration, Instant};

use llmctl_proto::event::{StopBy, StopVia};
use llmctl_proto::process::{Ladder, Rung, StopPlan};

use crate::error::Exit;

/// Who wanted an operation to end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// Who.
    pub by: StopBy,
    /// Through what.
    pub via: StopVia,
    /// Why.
    pub reason: Option<String>,
    /// The signal, when one was the cause.
    pub signal: Option<i32>,
}

impl Cause {
    /// A stop that came over the link.
    pub(super) fn ordered(by: &str, via: &str, reason: Option<String>) -> Self {
        let by = if by == "budget" { StopBy::Budget } else { StopBy::User };
        let via = match (by, via) {
            (StopBy::Budget, _) => StopVia::Runner,
            (_, "page") => StopVia::Page,
            (_, "api") => StopVia::Api,
            _ => StopVia::Cli,
        };
        Self { by, via, reason, signal: None }
    }

    /// How the program ends after such a stop.
    pub(super) fn exit(&self) -> Exit {
        match (self.by, self.signal) {
            (_, Some(signal)) => Exit::Signal(signal),
            (StopBy::Budget, None) => Exit::Budget,
            (StopBy::Timeout, None) => Exit::Timeout,
            (StopBy::Stall, None) => Exit::Failed,
            (StopBy::User | StopBy::Signal, None) => Exit::StoppedByUser,
        }
    }
}

/// A stop under way.
#[derive(Debug)]
pub(super) struct Stop {
    /// The first who wanted it; later ones only push.
    pub cause: Cause,
    ladder: Ladder,
    begun: Instant,
}

impl Stop {
    /// Begins; the first rung has to be acted on.
    pub(super) fn begin(cause: Cause, plan: StopPlan, force: bool) -> Self {
        Self { cause, ladder: Ladder::begin(Duration::ZERO, plan, force), begun: Instant::now() }
    }

    /// The rung reached.
    pub(super) fn rung(&self) -> Rung {
        self.ladder.rung()
    }

    /// When the next rung is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ladder.next_at().map(|at| self.begun + at)
    }

    /// Climbs when it is time.
    pub(super) fn on_time(&mut self) -> Option<Rung> {
        self.ladder.on_time(self.begun.elapsed())
    }

    /// Skips to the kill.
    pub(super) fn force(&mut self) -> Option<Rung> {
        self.ladder.force()
    }
}

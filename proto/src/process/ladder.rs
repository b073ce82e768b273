//! The stop ladder as pure decisions: what to do now, and when to look again.

use std::time::Duration;

use crate::event::StopStep;

/// How long a tool gets on each rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopPlan {
    /// Between interrupt and terminate.
    pub interrupt_grace: Duration,
    /// Between terminate and kill.
    pub terminate_grace: Duration,
}

/// What has to be done when a rung is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// SIGINT to the group, then SIGCONT: a suspended process hears nothing else.
    Interrupt,
    /// SIGTERM to the group, then SIGCONT.
    Terminate,
    /// SIGKILL to the group and to everything below the tool, until nothing is left.
    Kill,
}

impl Rung {
    /// The name in events.
    pub fn step(self) -> StopStep {
        match self {
            Self::Interrupt => StopStep::Interrupt,
            Self::Terminate => StopStep::Terminate,
            Self::Kill => StopStep::Kill,
        }
    }
}

/// A stop under way. Times are durations since a fixed start, chosen by the caller.
#[derive(Debug, Clone)]
pub struct Ladder {
    plan: StopPlan,
    rung: Rung,
    next_at: Option<Duration>,
}

impl Ladder {
    /// Begins: interrupt, or kill at once when forced.
    pub fn begin(now: Duration, plan: StopPlan, force: bool) -> Self {
        if force {
            Self { plan, rung: Rung::Kill, next_at: None }
        } else {
            Self { plan, rung: Rung::Interrupt, next_at: Some(now.saturating_add(plan.interrupt_grace)) }
        }
    }

    /// The rung reached so far.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// When `on_time` has something to do; none on the last rung.
    pub fn next_at(&self) -> Option<Duration> {
        self.next_at
    }

    /// Climbs when the time has come; the new rung has to be acted on.
    pub fn on_time(&mut self, now: Duration) -> Option<Rung> {
        if self.next_at.is_none_or(|at| now < at) {
            return None;
        }
        self.climb(now)
    }

    /// Skips to the kill; none when it is already there.
    pub fn force(&mut self) -> Option<Rung> {
        if self.rung == Rung::Kill {
            return None;
        }
        self.rung = Rung::Kill;
        self.next_at = None;
        Some(Rung::Kill)
    }

    fn climb(&mut self, now: Duration) -> Option<Rung> {
        match self.rung {
            Rung::Interrupt => {
                self.rung = Rung::Terminate;
                self.next_at = Some(now.saturating_add(self.plan.terminate_grace));
            }
            Rung::Terminate => {
                self.rung = Rung::Kill;
                self.next_at = None;
            }
            Rung::Kill => return None,
        }
        Some(self.rung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn plan() -> StopPlan {
        StopPlan { interrupt_grace: S(10), terminate_grace: S(5) }
    }

    #[test]
    fn it_climbs_one_rung_at_a_time() {
        let mut ladder = Ladder::begin(S(0), plan(), false);
        assert_eq!(ladder.rung(), Rung::Interrupt);
        assert_eq!(ladder.on_time(S(9)), None);
        assert_eq!(ladder.on_time(S(10)), Some(Rung::Terminate));
        assert_eq!(ladder.on_time(S(14)), None);
        assert_eq!(ladder.on_time(S(15)), Some(Rung::Kill));
        assert_eq!(ladder.next_at(), None);
        assert_eq!(ladder.on_time(S(99)), None);
    }

    #[test]
    fn force_skips_to_the_kill_once() {
        let mut ladder = Ladder::begin(S(0), plan(), false);
        assert_eq!(ladder.force(), Some(Rung::Kill));
        assert_eq!(ladder.force(), None);
        assert_eq!(Ladder::begin(S(0), plan(), true).rung(), Rung::Kill);
    }

    proptest! {
        /// Whatever the moments it is asked at, it ends within the sum of the graces after the last one it waited for.
        #[test]
        fn it_always_ends(steps in proptest::collection::vec(0u64..4_000, 1..200)) {
            let mut ladder = Ladder::begin(S(0), plan(), false);
            let mut now = Duration::ZERO;
            for step in steps {
                now += Duration::from_millis(step);
                let _ = ladder.on_time(now);
            }
            while let Some(at) = ladder.next_at() {
                prop_assert!(ladder.on_time(at).is_some());
            }
            prop_assert_eq!(ladder.rung(), Rung::Kill);
        }
    }
}

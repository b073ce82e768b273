//! When a server that ended is started again, and when it is given up. Pure: no clock, no I/O.
//!
//! The first restart after a server had been ready comes at once (the starts of all servers wait for their turn
//! anyway), the next ones after 0.5 s, 1 s, 2 s and so on up to 60 s, each shortened by up to half so that servers that
//! died together do not start together. A server that stays ready for 60 s begins at once again. Attempts are counted within a window of their own.

use std::collections::VecDeque;
use std::time::Duration;

/// Wait before a first restart.
const AT_ONCE: Duration = Duration::ZERO;
/// Second wait.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait.
const MOST: Duration = Duration::from_secs(60);
/// A server that was ready this long counts as stable.
pub(super) const STABLE: Duration = Duration::from_secs(60);

/// What is to be done about a server that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is started again after this wait.
    Again {
        /// The wait.
        wait: Duration,
        /// Restarts within the window, this one included.
        attempt: u32,
    },
    /// It ended too often.
    GiveUp {
        /// Restarts within the window.
        attempts: u32,
    },
}

/// Restarts of one server. Times are durations since a fixed moment of the caller's.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    /// Restarts within the window, oldest first; at most as many as are allowed.
    recent: VecDeque<Duration>,
    /// Restarts since it was stable last.
    in_a_row: u32,
}

impl Backoff {
    /// Decides on an end at `now`, after a life that was ready for `ready` (none if it never was). `chance` is
    /// between 0 and 1. Without a `limit` it is never given up.
    pub(super) fn ended(
        &mut self,
        now: Duration,
        ready: Option<Duration>,
        limit: Option<u32>,
        window: Duration,
        chance: f64,
    ) -> Verdict {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= window) {
            self.recent.pop_front();
        }
        if ready.is_some_and(|ready| ready >= STABLE) {
            self.in_a_row = 0;
        }
        let attempts = self.recent.len() as u32;
        if limit.is_some_and(|limit| attempts >= limit) {
            return Verdict::GiveUp { attempts };
        }
        let full = match (self.in_a_row, ready) {
            (0, Some(_)) => AT_ONCE,
            (row, _) => FIRST.saturating_mul(1 << row.saturating_sub(1).min(16)).min(MOST),
        };
        let wait = full.mul_f64(0.5 + chance / 2.0);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.recent.push_back(now);
        if limit.is_none() {
            self.recent.truncate(1);
        }
        Verdict::Again { wait, attempt: attempts + 1 }
    }

    /// Somebody wants it to run: what was before does not count any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const WINDOW: Duration = Duration::from_secs(600);

    fn wait(verdict: Verdict) -> Duration {
        match verdict {
            Verdict::Again { wait, .. } => wait,
            Verdict::GiveUp { .. } => panic!("given up"),
        }
    }

    #[test]
    fn waits_double_and_a_stable_life_shortens_them() {
        let mut backoff = Backoff::default();
        let mut end = |ready| wait(backoff.ended(S(0), ready, None, WINDOW, 1.0));
        assert_eq!(end(Some(S(5))), AT_ONCE);
        let grown: Vec<Duration> = (0..9).map(|_| end(Some(S(1)))).collect();
        assert_eq!(grown[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(grown[8], MOST);
        assert_eq!(end(Some(STABLE)), AT_ONCE);
    }

    #[test]
    fn one_that_never_was_ready_waits_from_the_first_time() {
        assert_eq!(wait(Backoff::default().ended(S(0), None, Some(3), WINDOW, 1.0)), FIRST);
    }

    #[test]
    fn it_is_given_up_within_the_window_only() {
        let mut backoff = Backoff::default();
        let mut end = |at| backoff.ended(S(at), None, Some(2), WINDOW, 0.5);
        assert!(matches!(end(0), Verdict::Again { attempt: 1, .. }));
        assert!(matches!(end(10), Verdict::Again { attempt: 2, .. }));
        assert_eq!(end(20), Verdict::GiveUp { attempts: 2 });
        assert!(matches!(end(600), Verdict::Again { attempt: 2, .. }), "the first one has left the window");
        backoff.forget();
        assert!(matches!(
            backoff.ended(S(601), None, Some(2), WINDOW, 0.5),
            Verdict::Again { attempt: 1, .. }
        ));
    }

    proptest! {
        /// Never more restarts within a window than allowed, never a wait beyond the longest, bounded memory.
        #[test]
        fn limits_hold(steps in proptest::collection::vec((0u64..200, 0u64..100, 0.0f64..1.0), 1..300), limit in 1u32..10) {
            let (mut backoff, mut now, mut given) = (Backoff::default(), Duration::ZERO, Vec::<Duration>::new());
            for (step, ready, chance) in steps {
                now += S(step);
                let ready = (ready > 10).then_some(S(ready));
                if let Verdict::Again { wait, .. } = backoff.ended(now, ready, Some(limit), WINDOW, chance) {
                    prop_assert!(wait <= MOST);
                    given.push(now);
                }
                let inside = given.iter().filter(|at| now.saturating_sub(**at) < WINDOW).count();
                prop_assert!(inside <= limit as usize);
                prop_assert!(backoff.recent.len() <= limit as usize);
            }
        }
    }
}

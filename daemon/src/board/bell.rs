//! When to look: a pure clockwork over rings, pauses between scans and the slow periodic look.
//!
//! Time comes in; nothing here waits or reads a clock.

use std::time::{Duration, Instant};

/// Renames and closed writes come in groups; one look serves them.
const URGENT: Duration = Duration::from_millis(5);
/// Anything else is probably a writer half way through.
const QUIET: Duration = Duration::from_millis(75);
/// A writer that never rests is looked at all the same.
const LATEST: Duration = Duration::from_millis(500);
/// From the start of one look to the next, in times of what the last one took: a quarter of a core at most.
const SPACING: u32 = 4;

/// The bell of one root.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// When the first ring since the last look came.
    first: Option<Instant>,
    urgent: bool,
    due: Option<Instant>,
    not_before: Option<Instant>,
}

impl Bell {
    /// Somebody rang. `urgent`: what happened is over and done.
    pub(super) fn ring(&mut self, now: Instant, urgent: bool) {
        let first = *self.first.get_or_insert(now);
        let at = if urgent { now + URGENT } else { (now + QUIET).min(first + LATEST) };
        self.due = Some(match self.due {
            // An urgent look is not put off by what comes after it.
            Some(due) if urgent || self.urgent => due.min(at),
            _ => at,
        });
        self.urgent |= urgent;
    }

    /// When to look next, if somebody rang.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|due| self.spaced(due))
    }

    /// A moment for a look, put off until the pause after the last one is over.
    pub(super) fn spaced(&self, at: Instant) -> Instant {
        self.not_before.map_or(at, |not_before| at.max(not_before))
    }

    /// A look begins: what rings from now on is for the next one.
    pub(super) fn begin(&mut self) {
        (self.first, self.urgent, self.due) = (None, false, None);
    }

    /// A look is over.
    pub(super) fn ended(&mut self, began: Instant, took: Duration) {
        self.not_before = Some(began + took * SPACING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn renames_are_looked_at_soon_and_half_writes_later() {
        let start = Instant::now();
        let mut bell = Bell::default();
        assert_eq!(bell.due(), None);
        bell.ring(start, false);
        assert_eq!(bell.due(), Some(start + ms(75)));
        bell.ring(start + ms(50), false);
        assert_eq!(bell.due(), Some(start + ms(125)));
        bell.ring(start + ms(60), true);
        assert_eq!(bell.due(), Some(start + ms(65)));
        bell.ring(start + ms(61), true);
        assert_eq!(bell.due(), Some(start + ms(65)), "a second ring does not put the look off");
        bell.begin();
        assert_eq!(bell.due(), None);
    }

    #[test]
    fn a_writer_that_never_rests_is_seen() {
        let start = Instant::now();
        let mut bell = Bell::default();
        for n in 0..60 {
            bell.ring(start + ms(n * 10), false);
        }
        assert_eq!(bell.due(), Some(start + ms(500)));
    }

    #[test]
    fn an_urgent_ring_holds_against_quiet_ones() {
        let start = Instant::now();
        let mut bell = Bell::default();
        bell.ring(start, true);
        bell.ring(start + ms(1), false);
        assert_eq!(bell.due(), Some(start + ms(5)));
        bell.begin();
        bell.ring(start + ms(10), false);
        bell.ring(start + ms(70), true);
        bell.ring(start + ms(71), false);
        assert_eq!(bell.due(), Some(start + ms(75)));
    }

    #[test]
    fn looks_keep_their_distance() {
        let start = Instant::now();
        let mut bell = Bell::default();
        bell.begin();
        bell.ended(start, ms(20));
        bell.ring(start + ms(21), true);
        assert_eq!(bell.due(), Some(start + ms(80)));
        assert_eq!(bell.spaced(start + ms(30)), start + ms(80));
        assert_eq!(bell.spaced(start + ms(90)), start + ms(90));
    }
}

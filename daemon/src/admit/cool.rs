//! Pairs of tool and model that are not used for a while, because a provider asked for it or kept refusing.
//!
//! Three failures within a minute, or one with a stated delay, cool a pair down; a success ends it. At most
//! `MAX_PAIRS` are remembered; beyond it the one whose last failure is oldest goes.

use std::collections::HashMap;

use llmctl_proto::admission::CoolDown;
use llmctl_proto::time::UnixMs;

/// Pairs remembered.
pub(super) const MAX_PAIRS: usize = 256;
/// Failures that cool a pair down without a stated delay.
const FAILURES: usize = 3;
/// Milliseconds in which they must fall.
const WITHIN_MS: u64 = 60_000;
/// Milliseconds of a cool-down without a stated delay.
const COOL_MS: i64 = 30_000;
/// Longest stated delay that is believed, in milliseconds: a day.
const MAX_DELAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Debug, Default)]
struct Pair {
    /// The newest failures, at most three.
    failures: Vec<UnixMs>,
    class: String,
    until: Option<UnixMs>,
}

/// Failures and cool-downs by tool and model.
#[derive(Debug, Default)]
pub(super) struct Cooling {
    pairs: HashMap<(String, Option<String>), Pair>,
}

impl Cooling {
    /// Notes a failure; only `rate_limit` and `overloaded` count.
    pub(super) fn fail(
        &mut self,
        tool: &str,
        model: Option<&str>,
        class: &str,
        delay_ms: Option<u64>,
        now: UnixMs,
    ) {
        if !matches!(class, "rate_limit" | "overloaded") {
            return;
        }
        let key = (tool.to_owned(), model.map(str::to_owned));
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            self.make_room(now);
        }
        let pair = self.pairs.entry(key).or_default();
        pair.failures.retain(|at| now.since(*at) < WITHIN_MS);
        if pair.failures.len() >= FAILURES {
            pair.failures.remove(0);
        }
        pair.failures.push(now);
        let delay = match delay_ms {
            Some(delay) => Some(delay.min(MAX_DELAY_MS) as i64),
            None => (pair.failures.len() >= FAILURES).then_some(COOL_MS),
        };
        let until = delay.map(|delay| UnixMs(now.0.saturating_add(delay)));
        if until > pair.until {
            pair.until = until;
            class.clone_into(&mut pair.class);
        }
    }

    /// A success ends a cool-down and forgets the failures.
    pub(super) fn succeed(&mut self, tool: &str, model: Option<&str>) {
        self.pairs.remove(&(tool.to_owned(), model.map(str::to_owned)));
    }

    /// Pairs that cool down now, by name.
    pub(super) fn now(&self, now: UnixMs) -> Vec<CoolDown> {
        let mut cooling: Vec<CoolDown> = self
            .pairs
            .iter()
            .filter_map(|((tool, model), pair)| {
                let until = pair.until.filter(|until| *until > now)?;
                Some(CoolDown { tool: tool.clone(), model: model.clone(), class: pair.class.clone(), until })
            })
            .collect();
        cooling.sort_by(|a, b| (&a.tool, &a.model).cmp(&(&b.tool, &b.model)));
        cooling
    }

    fn make_room(&mut self, now: UnixMs) {
        self.pairs.retain(|_, pair| {
            pair.until.is_some_and(|until| until > now)
                || pair.failures.last().is_some_and(|at| now.since(*at) < WITHIN_MS)
        });
        if self.pairs.len() >= MAX_PAIRS {
            let oldest = self.pairs.iter().min_by_key(|(_, pair)| pair.failures.last().copied());
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.pairs.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(cooling: &Cooling, now: i64) -> Option<i64> {
        cooling.now(UnixMs(now)).first().map(|cool| cool.until.0)
    }

    #[test]
    fn three_failures_in_a_minute_or_one_stated_delay_cool_down() {
        let mut cooling = Cooling::default();
        cooling.fail("t", Some("m"), "overloaded", None, UnixMs(0));
        cooling.fail("t", Some("m"), "rate_limit", None, UnixMs(30_000));
        cooling.fail("t", Some("m"), "exit_code", None, UnixMs(31_000));
        // The first is a minute old.
        cooling.fail("t", Some("m"), "rate_limit", None, UnixMs(60_000));
        assert_eq!(until(&cooling, 60_000), None);
        cooling.fail("t", Some("m"), "rate_limit", None, UnixMs(61_000));
        assert_eq!(until(&cooling, 61_000), Some(91_000));
        assert_eq!(until(&cooling, 91_000), None);
        cooling.fail("t", Some("m"), "rate_limit", Some(120_000), UnixMs(62_000));
        assert_eq!(until(&cooling, 91_000), Some(182_000));
        // A shorter word does not cut a longer one short.
        cooling.fail("t", Some("m"), "rate_limit", Some(5), UnixMs(63_000));
        assert_eq!(until(&cooling, 91_000), Some(182_000));
        cooling.succeed("t", None);
        assert_eq!(until(&cooling, 91_000), Some(182_000));
        cooling.succeed("t", Some("m"));
        assert_eq!(until(&cooling, 91_000), None);
        cooling.fail("t", None, "rate_limit", Some(u64::MAX), UnixMs(0));
        assert_eq!(until(&cooling, 0), Some(86_400_000));
    }

    #[test]
    fn memory_has_an_end() {
        let mut cooling = Cooling::default();
        for n in 0..1_000 {
            cooling.fail(&format!("t{n}"), None, "rate_limit", Some(50_000), UnixMs(n));
        }
        assert_eq!(cooling.pairs.len(), MAX_PAIRS);
        assert_eq!(cooling.now(UnixMs(1_000)).len(), MAX_PAIRS);
    }
}

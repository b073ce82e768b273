//! Starts in sliding windows of a minute and an hour, and tokens in one of a minute.
//!
//! Every start counts for its tool, provider and model, whether a limit is known or not, so that a limit that
//! comes with a later submission sees what went before. Limits: `MAX_KEYS` keys (beyond it the one idle longest
//! goes), `MAX_STARTS` starts of each (a higher limit counts as this many), one hour back.

use std::collections::{HashMap, VecDeque};

use llmctl_proto::admission::{FullWindow, RateLimit, Submission};
use llmctl_proto::time::UnixMs;

/// Tools, providers and models whose starts are counted.
pub(super) const MAX_KEYS: usize = 256;
/// Starts of each that are remembered.
pub(super) const MAX_STARTS: usize = 8_192;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// When a window of zero opens.
const NEVER: UnixMs = UnixMs(i64::MAX);

/// One window of a limit.
#[derive(Debug, Clone, Copy)]
struct Window {
    name: &'static str,
    length_ms: i64,
    limit: usize,
}

/// Starts of the last hour by key.
#[derive(Debug, Default)]
pub(super) struct Rates {
    starts: HashMap<String, VecDeque<UnixMs>>,
    tokens: HashMap<String, VecDeque<(UnixMs, u64)>>,
}

/// Starts that are foreseen for operations further ahead in the queue.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    starts: HashMap<String, Vec<UnixMs>>,
}

/// A window that does not let an operation start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) key: String,
    /// None for a limit of zero, which never opens.
    pub(super) until: Option<UnixMs>,
}

/// The keys an operation's start counts for.
pub(super) fn keys(tool: &str, provider: Option<&str>, model: Option<&str>) -> impl Iterator<Item = String> {
    let provider = provider.map(|name| format!("provider:{name}"));
    let model = model.map(|name| format!("model:{name}"));
    std::iter::once(tool.to_owned()).chain(provider).chain(model)
}

/// Whether a limit speaks of this operation.
fn applies(rate: &RateLimit, submission: &Submission) -> bool {
    match rate.key.split_once(':') {
        Some(("provider", name)) => submission.provider.as_deref() == Some(name),
        Some(("model", name)) => submission.model.as_deref() == Some(name),
        _ => submission.tool == rate.key,
    }
}

fn windows(rate: &RateLimit) -> impl Iterator<Item = Window> {
    let window = |name, length_ms, limit: Option<u32>| {
        limit.map(|limit| Window { name, length_ms, limit: (limit as usize).min(MAX_STARTS) })
    };
    window("minute", MINUTE_MS, rate.per_minute).into_iter().chain(window("hour", HOUR_MS, rate.per_hour))
}

impl Rates {
    /// Counts a start.
    pub(super) fn note(&mut self, key: String, at: UnixMs, now: UnixMs) {
        if now.since(at) >= HOUR_MS as u64 {
            return;
        }
        if self.starts.len() >= MAX_KEYS && !self.starts.contains_key(&key) {
            self.make_room(now);
        }
        let starts = self.starts.entry(key).or_default();
        while starts.front().is_some_and(|first| now.since(*first) >= HOUR_MS as u64) {
            starts.pop_front();
        }
        if starts.len() >= MAX_STARTS {
            starts.pop_front();
        }
        let place = starts.partition_point(|start| *start <= at);
        starts.insert(place, at);
    }

    /// Counts the tokens of an attempt that has ended.
    pub(super) fn note_tokens(&mut self, key: String, tokens: u64, at: UnixMs, now: UnixMs) {
        let inside = |at: &UnixMs| now.since(*at) < MINUTE_MS as u64;
        if tokens == 0 || !inside(&at) {
            return;
        }
        if self.tokens.len() >= MAX_KEYS && !self.tokens.contains_key(&key) {
            self.tokens.retain(|_, used| used.back().is_some_and(|(at, _)| inside(at)));
            if self.tokens.len() >= MAX_KEYS {
                return;
            }
        }
        let used = self.tokens.entry(key).or_default();
        while used.front().is_some_and(|(at, _)| !inside(at)) {
            used.pop_front();
        }
        let full = used.len() >= MAX_STARTS;
        match used.back_mut() {
            // Beyond the limit on memory the newest carries the rest, which can only hold back longer.
            Some((last, sum)) if full => {
                (*last, *sum) = (at, sum.saturating_add(tokens));
            }
            _ => used.push_back((at, tokens)),
        }
    }

    /// Tokens of the last minute, and when they are below the limit again; none while they are.
    fn spent_tokens(&self, key: &str, limit: u64, now: UnixMs) -> Option<(u64, UnixMs)> {
        let used = self.tokens.get(key).map(VecDeque::iter).into_iter().flatten();
        let inside: Vec<_> = used.filter(|(at, _)| now.since(*at) < MINUTE_MS as u64).collect();
        let sum = inside.iter().fold(0_u64, |sum, (_, tokens)| sum.saturating_add(*tokens));
        let mut left = sum;
        if limit == 0 {
            return Some((sum, NEVER));
        }
        let gone = inside.iter().find(|(_, tokens)| {
            left = left.saturating_sub(*tokens);
            left < limit
        });
        gone.filter(|_| sum >= limit).map(|(at, _)| (sum, UnixMs(at.0.saturating_add(MINUTE_MS))))
    }

    /// The window that holds an operation back longest, were it to start now behind those foreseen.
    pub(super) fn blocks(
        &self,
        submission: &Submission,
        foreseen: &Foreseen,
        now: UnixMs,
    ) -> Option<Blocked> {
        let mut worst: Option<(&String, UnixMs)> = None;
        for rate in submission.rates.iter().filter(|rate| applies(rate, submission)) {
            let ahead = foreseen.starts.get(&rate.key).map_or(&[][..], Vec::as_slice);
            let tokens = rate.tokens_per_minute.and_then(|limit| self.spent_tokens(&rate.key, limit, now));
            let starts = windows(rate).filter_map(|window| self.opens(&rate.key, window, ahead, now));
            for until in starts.chain(tokens.map(|(_, until)| until)) {
                if worst.is_none_or(|(_, known)| until > known) {
                    worst = Some((&rate.key, until));
                }
            }
        }
        worst.map(|(key, until)| Blocked { key: key.clone(), until: Some(until).filter(|at| *at != NEVER) })
    }

    /// Windows that are full now.
    pub(super) fn full(&self, rates: &[RateLimit], now: UnixMs) -> Vec<FullWindow> {
        let mut full = Vec::new();
        for rate in rates {
            for window in windows(rate) {
                if let Some(until) = self.opens(&rate.key, window, &[], now) {
                    let length = UnixMs(now.0.saturating_add(window.length_ms));
                    full.push(FullWindow {
                        key: rate.key.clone(),
                        count: self.count(&rate.key, window, now) as u64,
                        window: window.name.to_owned(),
                        limit: window.limit as u64,
                        until: if until == NEVER { length } else { until },
                    });
                }
            }
            let limit = rate.tokens_per_minute;
            if let Some((limit, (count, until))) =
                limit.and_then(|limit| Some((limit, self.spent_tokens(&rate.key, limit, now)?)))
            {
                let until = if until == NEVER { UnixMs(now.0.saturating_add(MINUTE_MS)) } else { until };
                let window = "minute_tokens".to_owned();
                full.push(FullWindow { key: rate.key.clone(), count, window, limit, until });
            }
        }
        full
    }

    fn count(&self, key: &str, window: Window, now: UnixMs) -> usize {
        let inside = |starts: &VecDeque<UnixMs>| {
            starts.len() - starts.partition_point(|at| now.since(*at) >= window.length_ms as u64)
        };
        self.starts.get(key).map_or(0, inside)
    }

    /// None when there is room; else when there will be, with `NEVER` for a limit of zero.
    fn opens(&self, key: &str, window: Window, ahead: &[UnixMs], now: UnixMs) -> Option<UnixMs> {
        if window.limit == 0 {
            return Some(NEVER);
        }
        let count = self.count(key, window, now);
        // The start that must leave the window before one more fits in.
        let leaving = (count + ahead.len()).checked_sub(window.limit)?;
        let at = if leaving < count {
            self.starts.get(key).and_then(|starts| starts.get(starts.len() - count + leaving)).copied()
        } else {
            ahead.get(leaving - count).copied()
        };
        let until = UnixMs(at?.0.saturating_add(window.length_ms));
        (until > now).then_some(until)
    }

    /// Forgets keys without a start in the last hour, else the one idle longest.
    fn make_room(&mut self, now: UnixMs) {
        let last = |starts: &VecDeque<UnixMs>| starts.back().copied().unwrap_or(UnixMs(i64::MIN));
        self.starts.retain(|_, starts| now.since(last(starts)) < HOUR_MS as u64);
        if self.starts.len() >= MAX_KEYS {
            let idle = self.starts.iter().min_by_key(|(_, starts)| last(starts)).map(|(key, _)| key.clone());
            if let Some(key) = idle {
                self.starts.remove(&key);
            }
        }
    }
}

impl Foreseen {
    /// Notes that an operation further ahead will start at `at`.
    pub(super) fn note(&mut self, submission: &Submission, at: UnixMs) {
        for rate in submission.rates.iter().filter(|rate| applies(rate, submission)) {
            self.starts.entry(rate.key.clone()).or_default().push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_minute: Option<u32>, per_hour: Option<u32>) -> [RateLimit; 1] {
        [RateLimit { key: "cursor".into(), per_minute, per_hour, tokens_per_minute: None }]
    }

    #[test]
    fn windows_slide() {
        let mut rates = Rates::default();
        for n in 0..20 {
            rates.note("cursor".into(), UnixMs(n * 1_000), UnixMs(n * 1_000));
        }
        let full = rates.full(&limit(Some(20), Some(20)), UnixMs(20_000));
        assert_eq!((full[0].count, full[0].limit, full[0].until), (20, 20, UnixMs(60_000)));
        assert_eq!((full[1].window.as_str(), full[1].until), ("hour", UnixMs(3_600_000)));
        assert!(rates.full(&limit(Some(20), None), UnixMs(60_000)).is_empty());
        assert_eq!(rates.full(&limit(Some(19), None), UnixMs(60_000))[0].until, UnixMs(61_000));
        assert!(rates.full(&limit(Some(21), Some(21)), UnixMs(20_000)).is_empty());
        assert_eq!(rates.full(&limit(Some(0), None), UnixMs(5_000_000))[0].until, UnixMs(5_060_000));
    }

    #[test]
    fn tokens_of_a_minute_hold_the_next_back() {
        let mut rates = Rates::default();
        for (at, tokens) in [(0, 600), (10_000, 300), (20_000, 200)] {
            rates.note_tokens("cursor".into(), tokens, UnixMs(at), UnixMs(at));
        }
        let limit = |tokens| {
            let tokens_per_minute = Some(tokens);
            [RateLimit { key: "cursor".into(), per_minute: None, per_hour: None, tokens_per_minute }]
        };
        let until =
            |tokens, now| rates.full(&limit(tokens), UnixMs(now)).first().map(|w| (w.count, w.until.0));
        assert_eq!(until(1_101, 20_000), None);
        assert_eq!(until(1_100, 20_000), Some((1_100, 60_000)));
        assert_eq!(until(500, 20_000), Some((1_100, 70_000)));
        assert_eq!(until(200, 20_000), Some((1_100, 80_000)));
        assert_eq!(until(600, 60_000), None);
        assert_eq!(until(0, 20_000), Some((1_100, 80_000)));
    }

    #[test]
    fn memory_has_an_end() {
        let mut rates = Rates::default();
        for n in 0..1_000 {
            rates.note(format!("k{n}"), UnixMs(n), UnixMs(n));
        }
        assert_eq!(rates.starts.len(), MAX_KEYS);
        for n in 0..10_000 {
            rates.note("k999".into(), UnixMs(1_000 + n), UnixMs(1_000 + n));
        }
        assert_eq!(rates.starts["k999"].len(), MAX_STARTS);
        let full = rates.full(
            &[RateLimit {
                key: "k999".into(),
                per_minute: Some(9_000),
                per_hour: None,
                tokens_per_minute: None,
            }],
            UnixMs(11_000),
        );
        assert_eq!(full[0].limit, MAX_STARTS as u64);
    }
}

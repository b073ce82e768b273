//! Whether a server uses more than it may. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use llmctl_proto::config::McpLimits;

/// Time over which the processor's use is averaged.
const OVER: Duration = Duration::from_secs(10);
/// Samples that are kept.
const SAMPLES: usize = 64;

/// The newest samples of one life.
#[derive(Debug, Default)]
pub(super) struct LimitWatch {
    /// End of the sample, per cent of one processor since the sample before.
    cpu: VecDeque<(Duration, f64)>,
}

impl LimitWatch {
    /// Adds a sample, `at` since any fixed moment; tells what is exceeded, for people.
    pub(super) fn sample(&mut self, at: Duration, rss: u64, cpu: f32, limits: &McpLimits) -> Option<String> {
        self.cpu.push_back((at, f64::from(cpu)));
        while self.cpu.len() > SAMPLES
            || self.cpu.get(1).is_some_and(|(second, _)| at.saturating_sub(*second) >= OVER)
        {
            self.cpu.pop_front();
        }
        if let Some(limit) = limits.memory_bytes
            && rss > limit
        {
            return Some(format!("it uses {} MiB of memory, its limit is {} MiB", rss >> 20, limit >> 20));
        }
        let average = self.average(at)?;
        let limit = limits.cpu_percent?;
        (average > f64::from(limit))
            .then(|| format!("it used {average:.0} % of a processor over 10 s, its limit is {limit} %"))
    }

    /// The mean over at least ten seconds; none as long as less is known.
    fn average(&self, now: Duration) -> Option<f64> {
        let (first, _) = *self.cpu.front()?;
        let whole = now.saturating_sub(first);
        if whole < OVER {
            return None;
        }
        let parts = self.cpu.iter().zip(self.cpu.iter().skip(1));
        let sum: f64 = parts.map(|((from, _), (to, cpu))| cpu * to.saturating_sub(*from).as_secs_f64()).sum();
        Some(sum / whole.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmctl_proto::config::OnExceed;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn limits(memory: Option<u64>, cpu: Option<u32>) -> McpLimits {
        McpLimits { memory_bytes: memory, cpu_percent: cpu, on_exceed: OnExceed::Warn }
    }

    #[test]
    fn memory_counts_at_once_and_the_processor_over_ten_seconds() {
        let both = limits(Some(100 << 20), Some(50));
        let mut watch = LimitWatch::default();
        assert!(watch.sample(S(0), 101 << 20, 0.0, &both).is_some_and(|text| text.contains("100 MiB")));
        let mut watch = LimitWatch::default();
        for second in 0..10 {
            assert_eq!(watch.sample(S(second), 1, 100.0, &both), None, "{second}");
        }
        assert!(watch.sample(S(10), 1, 100.0, &both).is_some_and(|text| text.contains("100 %")));
        for second in 11..15 {
            assert!(watch.sample(S(second), 1, 0.0, &both).is_some(), "{second}");
        }
        assert_eq!(watch.sample(S(15), 1, 0.0, &both), None, "half of the time is no more than the limit");
        assert_eq!(LimitWatch::default().sample(S(0), u64::MAX, 1e6, &limits(None, None)), None);
    }

    #[test]
    fn rare_samples_do_as_well() {
        let mut watch = LimitWatch::default();
        let cpu = limits(None, Some(50));
        assert_eq!(watch.sample(S(0), 1, 0.0, &cpu), None);
        assert!(watch.sample(S(30), 1, 80.0, &cpu).is_some());
    }
}

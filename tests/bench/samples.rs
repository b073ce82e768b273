//! Measured values in rounds: medians of rounds, percentiles over all, the spread between rounds.
//!
//! Owns the arithmetic alone. A mean is never computed.

/// Values of one contender, round by round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    rounds: Vec<Vec<f64>>,
}

impl Samples {
    /// Opens the next round.
    pub(crate) fn begin_round(&mut self) {
        self.rounds.push(Vec::new());
    }

    /// Adds a value to the open round.
    pub(crate) fn push(&mut self, value: f64) {
        if self.rounds.is_empty() {
            self.begin_round();
        }
        if let Some(round) = self.rounds.last_mut() {
            round.push(value);
        }
    }

    /// Adds a whole round.
    pub(crate) fn round(&mut self, values: Vec<f64>) {
        self.rounds.push(values);
    }

    /// Median of the rounds' medians.
    pub(crate) fn median(&self) -> f64 {
        percentile(&self.of_rounds(50.0), 50.0)
    }

    /// Percentile over all values of all rounds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.rounds.concat(), percent)
    }

    /// Median of the rounds' own percentiles: one bad moment spoils one round.
    pub(crate) fn typical(&self, percent: f64) -> f64 {
        percentile(&self.of_rounds(percent), 50.0)
    }

    /// Lowest and highest median of a round.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let medians = self.of_rounds(50.0);
        (percentile(&medians, 0.0), percentile(&medians, 100.0))
    }

    /// How far the rounds are apart: highest over lowest.
    pub(crate) fn swing(&self) -> f64 {
        let (low, high) = self.spread();
        if low > 0.0 { high / low } else { 1.0 }
    }

    fn of_rounds(&self, percent: f64) -> Vec<f64> {
        self.rounds.iter().filter(|r| !r.is_empty()).map(|r| percentile(r, percent)).collect()
    }
}

/// The value below which so many percent lie, by the nearest rank; 0 for no values.
fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
// Every figure here is a whole number that floats hold exactly.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let ranks = [0.0, 50.0, 99.0, 100.0].map(|percent| percentile(&values, percent) as u32);
        assert_eq!(ranks, [1, 50, 99, 100]);
        assert_eq!(percentile(&[], 50.0) as u32, 0);
    }

    #[test]
    fn rounds_are_medians_of_medians() {
        let mut samples = Samples::default();
        samples.round(vec![1.0, 2.0, 90.0]);
        samples.round(vec![4.0, 4.0, 4.0]);
        samples.round(vec![3.0]);
        let (low, high) = samples.spread();
        assert_eq!([samples.median(), low, high, samples.swing()].map(|v| v as u32), [3, 2, 4, 2]);
    }
}

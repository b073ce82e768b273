//! What an answer costs, computed a second time and apart from the product.
//!
//! Owns a handful of list prices of November 2026, copied by hand, in pico-dollars a token. It never reads the
//! product's price table: the point is that two computations agree.

use llmctl_proto::usage::Usage;

/// Pico-dollars a token, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// Uncached input.
    pub input: i128,
    /// Input from a cache.
    pub cache_read: i128,
    /// Input written to a cache for five minutes.
    pub cache_write_5m: i128,
    /// Input written to a cache for an hour.
    pub cache_write_1h: i128,
    /// Output.
    pub output: i128,
}

/// The list price of a model; none for one that has none here.
pub fn of(model: &str) -> Option<Prices> {
    let (input, cache_read, cache_write_5m, cache_write_1h, output) = match model {
        "claude-opus-5-5" => (4_000_000, 200_000, 5_000_000, 8_000_000, 20_000_000),
        "claude-haiku-4-5" => (1_000_000, 100_000, 1_250_000, 2_000_000, 5_000_000),
        "claude-sonnet-4-5" => (3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000),
        "gpt-5" | "gpt-5-codex" => (1_250_000, 125_000, 0, 0, 10_000_000),
        "gemini-2.5-flash" => (300_000, 30_000, 0, 0, 2_500_000),
        _ => return None,
    };
    Some(Prices { input, cache_read, cache_write_5m, cache_write_1h, output })
}

impl Prices {
    /// Pico-dollars of a usage.
    pub fn pico_usd(&self, usage: &Usage) -> i128 {
        i128::from(usage.input) * self.input
            + i128::from(usage.cache_read) * self.cache_read
            + i128::from(usage.cache_write_5m) * self.cache_write_5m
            + i128::from(usage.cache_write_1h) * self.cache_write_1h
            + i128::from(usage.output) * self.output
    }

    /// Nano-dollars of a usage, rounded half to even.
    pub fn nano_usd(&self, usage: &Usage) -> i64 {
        nano(self.pico_usd(usage))
    }
}

/// Rounds pico-dollars to nano-dollars, half to even.
pub fn nano(pico_usd: i128) -> i64 {
    let (whole, rest) = (pico_usd.div_euclid(1000), pico_usd.rem_euclid(1000));
    let up = rest > 500 || (rest == 500 && whole % 2 != 0);
    i64::try_from(whole + i128::from(up)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_with_four_classes() {
        let usage =
            Usage { input: 12, cache_read: 12_532, cache_write_5m: 300, output: 26, ..Usage::default() };
        assert_eq!(of("claude-opus-5-5").map(|p| p.nano_usd(&usage)), Some(4_574_400));
        assert_eq!(of("nosuchmodel"), None);
    }

    #[test]
    fn halves_go_to_the_even_side() {
        assert_eq!([500, 501, 1500, 2500, 1600].map(nano), [0, 1, 2, 2, 2]);
    }
}

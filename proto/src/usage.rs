//! Token counts in disjoint classes, as every adapter delivers them.
//!
//! The classes never overlap: `input` excludes what a cache served or stored, `output` includes reasoning.
//! Bringing a tool's own convention into this form is the adapter's work, not the reader's.

use serde::{Deserialize, Serialize};

/// Tokens by class. All counts are absolute for what they describe (a message, an attempt, an operation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that no cache served or stored.
    pub input: u64,
    /// Input served from a provider's cache.
    pub cache_read: u64,
    /// Input written to a cache that lives five minutes (or whose life is not named).
    pub cache_write_5m: u64,
    /// Input written to a cache that lives an hour.
    pub cache_write_1h: u64,
    /// Everything generated, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning; never added to it.
    pub reasoning: u64,
    /// Web searches by the provider's own tool: calls that are paid for, no tokens.
    pub web_searches: u64,
}

impl Usage {
    /// Nothing.
    pub const ZERO: Self = Self {
        input: 0,
        cache_read: 0,
        cache_write_5m: 0,
        cache_write_1h: 0,
        output: 0,
        reasoning: 0,
        web_searches: 0,
    };

    /// The sum of the five disjoint classes, saturating.
    pub fn total(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.output)
    }

    /// Whether no class has a token and nothing was called.
    pub fn is_zero(&self) -> bool {
        self.total() == 0 && self.web_searches == 0
    }

    /// Class by class difference, saturating.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_sub(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_sub(other.cache_write_1h),
            output: self.output.saturating_sub(other.output),
            reasoning: self.reasoning.saturating_sub(other.reasoning),
            web_searches: self.web_searches.saturating_sub(other.web_searches),
        }
    }

    /// Class by class sum, saturating.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            web_searches: self.web_searches.saturating_add(other.web_searches),
        }
    }
}

/// How far a usage figure can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// Nobody said anything: the count is unknown, which is not zero.
    #[default]
    None,
    /// Our own estimate from bytes, while nothing better is known.
    Estimated,
    /// The last absolute value before a stream was cut.
    Partial,
    /// The tool's or provider's closing figure.
    Reported,
}

impl UsageSource {
    /// The source that promises less.
    #[must_use]
    pub fn weaker(self, other: Self) -> Self {
        let rank = |source| match source {
            Self::Reported => 0,
            Self::Partial => 1,
            Self::Estimated => 2,
            Self::None => 3,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

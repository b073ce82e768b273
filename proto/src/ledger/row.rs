//! One row of the ledger: the tokens of one model in one attempt, priced, with the arithmetic.

use serde::{Deserialize, Serialize};

use crate::event::CostBasis;
use crate::money::PicoUsd;
use crate::time::UnixMs;
use crate::usage::{Usage, UsageSource};

/// Most rows of one attempt; the tokens of further models are summed in the last, without a price.
pub const MAX_ROWS: usize = 16;

/// The tokens of one model in one attempt and what they cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerRow {
    /// Model; empty when nobody named it.
    pub model: String,
    /// Provider the price was looked up for.
    pub provider: Option<String>,
    /// Disjoint classes.
    pub tokens: Usage,
    /// How far the tokens can be trusted.
    pub usage_source: UsageSource,
    /// What counts; none when unknown, which is not zero.
    pub cost_pico_usd: Option<PicoUsd>,
    /// How it was found.
    pub basis: CostBasis,
    /// Whose figure it is: `override`, `imported`, `catalogue`, `free`, `provider`, `tool` or `none`.
    pub source: String,
    /// What we computed, where `cost_pico_usd` is somebody else's figure.
    pub computed_pico_usd: Option<PicoUsd>,
    /// What the tool or provider said.
    pub reported_pico_usd: Option<PicoUsd>,
    /// Id of the price row.
    pub price_row: Option<String>,
    /// First moment of the price row.
    pub price_valid_from: Option<UnixMs>,
    /// The arithmetic: its amounts add up to what we computed.
    pub lines: Vec<CostLine>,
}

/// One line of the arithmetic: tokens × price = amount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CostLine {
    /// `input`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `output`, `reasoning` or `web_search`.
    pub class: String,
    /// Tokens, or calls.
    pub count: u64,
    /// Pico-dollars for each, after tier and factor.
    pub price_pico_usd: i64,
    /// Tier that applied: input tokens of the request above this.
    pub tier_above: Option<u64>,
    /// Factor that was applied, such as `batch 0.5`.
    pub factor: Option<String>,
    /// Count × price.
    pub amount_pico_usd: i64,
    /// The price was derived from another class.
    pub derived: bool,
}

/// Our figure and the tool's differ by more than 1 % or 1,000 nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What we computed.
    pub ours_pico_usd: PicoUsd,
    /// What the tool or provider says.
    pub theirs_pico_usd: PicoUsd,
}

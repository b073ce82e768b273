//! One row of prices: whose, when, and what each class costs.
//!
//! Owns the shape that every layer of the table shares (configuration, imported file, embedded catalogue) and the
//! checks on rows that people write. It computes no cost and finds no row.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::arithmetic::Class;
use super::dates;
use crate::money::{MoneyError, PicoUsd};
use crate::time::UnixMs;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Digits of a content hash in a row's id.
const HASH_BYTES: usize = 6;

/// Which layer a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RowSource {
    /// The user's configuration.
    #[default]
    Override,
    /// A file the user imported.
    Imported,
    /// The table that comes with the program.
    Catalogue,
}

impl RowSource {
    /// The name in row ids and on the cost line: `override`, `imported`, `catalogue`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Imported => "imported",
            Self::Catalogue => "catalogue",
        }
    }
}

impl fmt::Display for RowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Prices by class, in pico-dollars per token; none: the class has no price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Rates {
    /// Uncached input.
    pub input: Option<PicoUsd>,
    /// Output; reasoning included, unless that has a price of its own.
    pub output: Option<PicoUsd>,
    /// Input served from a cache.
    pub cache_read: Option<PicoUsd>,
    /// Input written to a cache for five minutes, or for a time nobody names.
    pub cache_write_5m: Option<PicoUsd>,
    /// Input written to a cache for an hour.
    pub cache_write_1h: Option<PicoUsd>,
    /// The reasoning part of output, where it is priced apart.
    pub reasoning: Option<PicoUsd>,
}

impl Rates {
    /// The price of a class; none for the classes that are counted per use.
    pub fn get(&self, class: Class) -> Option<PicoUsd> {
        match class {
            Class::Input => self.input,
            Class::Output => self.output,
            Class::CacheRead => self.cache_read,
            Class::CacheWrite5m => self.cache_write_5m,
            Class::CacheWrite1h => self.cache_write_1h,
            Class::Reasoning => self.reasoning,
            Class::WebSearch | Class::Request => None,
        }
    }

    /// Sets the price of a token class; the classes that are counted per use are left alone.
    pub fn set(&mut self, class: Class, price: Option<PicoUsd>) {
        match class {
            Class::Input => self.input = price,
            Class::Output => self.output = price,
            Class::CacheRead => self.cache_read = price,
            Class::CacheWrite5m => self.cache_write_5m = price,
            Class::CacheWrite1h => self.cache_write_1h = price,
            Class::Reasoning => self.reasoning = price,
            Class::WebSearch | Class::Request => {}
        }
    }

    /// Whether no class has a price.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which tokens a tier prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AppliesTo {
    /// The whole request that passes it, output too.
    #[default]
    Request,
    /// Only the input beyond the threshold; output stays at the price below it.
    Excess,
}

/// Other prices above a number of input tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tier {
    /// Input tokens, cached or not; the tier holds strictly above.
    pub above_input_tokens: u64,
    /// Which tokens it prices.
    pub applies_to: AppliesTo,
    /// Prices of the classes it names; the others are the row's.
    pub rates: Rates,
}

/// Prices per call, in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PerUse {
    /// One web search by the provider's own tool.
    pub web_search: Option<PicoUsd>,
    /// One request, whatever it holds.
    pub request: Option<PicoUsd>,
}

/// Prices that replace the row's own for requests served in one way (`batch`, `priority`, `flex`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Mode {
    /// Name of the service tier as a provider reports it, or `batch`; lower case.
    pub name: String,
    /// Prices of the classes it names; the others are the row's.
    pub rates: Rates,
    /// Tiers of the classes it names.
    pub tiers: Vec<Tier>,
    /// Prices per call it names.
    pub per_use: PerUse,
}

/// An exact decimal factor with up to six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor {
    /// Millionths: 500,000 is a half.
    pub millionths: u64,
}

impl Factor {
    /// Denominator of `millionths`.
    pub const ONE: u64 = 1_000_000;

    /// Reads decimal text: `0.5`, `2`.
    ///
    /// # Errors
    /// Not a number, negative, more than six decimals, or above a million.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let read = PicoUsd::parse(text)?.0;
        // A pico-dollar has twelve decimals; six of them are more than a factor holds.
        if read < 0 {
            return Err(MoneyError::OutOfRange);
        }
        if read % 1_000_000 != 0 {
            return Err(MoneyError::TooFine(6));
        }
        Ok(Self { millionths: read.unsigned_abs() / 1_000_000 })
    }
}

/// Hours of each day in UTC; may wrap midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DailyHours {
    /// First millisecond of the day it holds for, from midnight.
    pub start_ms: i64,
    /// First millisecond it no longer holds for; before `start_ms` when it wraps.
    pub end_ms: i64,
}

impl DailyHours {
    /// Whether the time of day of `at` lies in them.
    pub fn holds_at(self, at: UnixMs) -> bool {
        let time = at.0.rem_euclid(DAY_MS);
        if self.end_ms < self.start_ms {
            time >= self.start_ms || time < self.end_ms
        } else {
            time >= self.start_ms && time < self.end_ms
        }
    }

    fn overlaps(self, other: Self) -> bool {
        let any = self.start_ms != self.end_ms && other.start_ms != other.end_ms;
        any && (self.holds_at(UnixMs(other.start_ms)) || other.holds_at(UnixMs(self.start_ms)))
    }
}

/// What each class costs for one model of one provider in a span of time.
///
/// `..PriceRow::default()` fills what a configuration does not say; `check_rows` says whether rows fit together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceRow {
    /// The layer it comes from.
    pub source: RowSource,
    /// Who is paid; none: whoever serves the model.
    pub provider: Option<String>,
    /// Model, as its seller names it.
    pub model: String,
    /// Other names of the model.
    pub aliases: Vec<String>,
    /// First moment it holds for; none: since ever.
    pub valid_from: Option<UnixMs>,
    /// First moment it no longer holds for; none: until further notice.
    pub valid_to: Option<UnixMs>,
    /// Hours of the day it holds for; none: all. In its hours it goes before a row for the whole day.
    pub daily: Option<DailyHours>,
    /// Prices below the first tier.
    pub rates: Rates,
    /// Prices above numbers of input tokens, ascending.
    pub tiers: Vec<Tier>,
    /// Explicit prices by service tier, in order of precedence.
    pub modes: Vec<Mode>,
    /// Multipliers of all token prices by service tier (lower case), for tiers without a mode.
    pub factors: BTreeMap<String, Factor>,
    /// Prices per call.
    pub per_use: PerUse,
    /// Where the figures are from, in the words of whoever wrote the row.
    pub note: Option<String>,
}

impl PriceRow {
    /// Makes a row of the configuration with two flat prices.
    pub fn flat(model: &str, input: PicoUsd, output: PicoUsd) -> Self {
        let rates = Rates { input: Some(input), output: Some(output), ..Rates::default() };
        Self { model: model.to_owned(), rates, ..Self::default() }
    }

    /// Whether the row holds at `at`.
    pub fn holds_at(&self, at: UnixMs) -> bool {
        self.valid_from.is_none_or(|from| from <= at)
            && self.valid_to.is_none_or(|to| at < to)
            && self.daily.is_none_or(|hours| hours.holds_at(at))
    }

    /// The stable name of the row, as it is stored beside what it priced: layer, provider, model, first day and a
    /// hash of the prices. A row that is closed later keeps its id; one with another price has another.
    pub fn id(&self) -> String {
        let provider = self.provider.as_deref().unwrap_or("*");
        let from = self.valid_from.map_or_else(|| "always".to_owned(), dates::show);
        let digest = Sha256::digest(self.content().as_bytes());
        let mut id = format!("{}:{provider}:{}:{from}:", self.source, self.model);
        for byte in &digest[..HASH_BYTES] {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }

    /// Everything that changes an amount, as text that only grows by new parts.
    fn content(&self) -> String {
        let mut text = String::new();
        write_rates(&mut text, &self.rates, &self.tiers, self.per_use);
        if let Some(hours) = self.daily {
            let _ = write!(text, " daily {}-{}", hours.start_ms, hours.end_ms);
        }
        for mode in &self.modes {
            let _ = write!(text, " mode {:?}", mode.name);
            write_rates(&mut text, &mode.rates, &mode.tiers, mode.per_use);
        }
        for (name, factor) in &self.factors {
            let _ = write!(text, " factor {name:?} {}", factor.millionths);
        }
        text
    }
}

fn write_rates(text: &mut String, rates: &Rates, tiers: &[Tier], per_use: PerUse) {
    // Writing to a string cannot fail.
    let all = |text: &mut String, rates: &Rates| {
        for class in Class::TOKENS {
            if let Some(price) = rates.get(class) {
                let _ = write!(text, " {}={}", class.as_str(), price.0);
            }
        }
    };
    all(text, rates);
    for tier in tiers {
        let whole = tier.applies_to == AppliesTo::Request;
        let _ =
            write!(text, " above {} {}", tier.above_input_tokens, if whole { "request" } else { "excess" });
        all(text, &tier.rates);
    }
    for (class, price) in [(Class::WebSearch, per_use.web_search), (Class::Request, per_use.request)] {
        if let Some(price) = price {
            let _ = write!(text, " {}={}", class.as_str(), price.0);
        }
    }
}

/// Why rows cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Two rows of a model hold at the same time.
    #[error("price rows of {model} overlap from {from}")]
    Overlap {
        /// Model of both.
        model: String,
        /// First day on which both hold.
        from: String,
    },
    /// A row ends before it begins.
    #[error("a price row of {model} ends before it begins")]
    Backwards {
        /// Model of the row.
        model: String,
    },
    /// A price is negative.
    #[error("{class} price of {model} is negative")]
    Negative {
        /// Model of the row.
        model: String,
        /// Name of the class.
        class: &'static str,
    },
    /// Tiers are not ascending, or two have the same threshold.
    #[error("price tiers of {model} are not in ascending order")]
    Tiers {
        /// Model of the row.
        model: String,
    },
}

/// Checks that rows of one layer fit together.
///
/// # Errors
/// Rows of one model and provider overlap in time, or a row contradicts itself.
pub fn check_rows(rows: &[PriceRow]) -> Result<(), RowsError> {
    for (n, row) in rows.iter().enumerate() {
        check_row(row)?;
        if let Some(other) = rows[..n].iter().find(|other| overlap(row, other)) {
            let from = row.valid_from.max(other.valid_from);
            let from = from.map_or_else(|| "the beginning".to_owned(), dates::show);
            return Err(RowsError::Overlap { model: row.model.clone(), from });
        }
    }
    Ok(())
}

fn check_row(row: &PriceRow) -> Result<(), RowsError> {
    let model = || row.model.clone();
    if row.valid_from.zip(row.valid_to).is_some_and(|(from, to)| from >= to) {
        return Err(RowsError::Backwards { model: model() });
    }
    let sheets = || {
        let modes = row.modes.iter().map(|mode| (&mode.rates, &mode.tiers, mode.per_use));
        std::iter::once((&row.rates, &row.tiers, row.per_use)).chain(modes)
    };
    for (rates, tiers, per_use) in sheets() {
        if !tiers.is_sorted_by(|a, b| a.above_input_tokens < b.above_input_tokens) {
            return Err(RowsError::Tiers { model: model() });
        }
        let negative = |price: Option<PicoUsd>| price.is_some_and(|price| price.0 < 0);
        let all = std::iter::once(rates).chain(tiers.iter().map(|tier| &tier.rates));
        let class = all
            .flat_map(|rates| Class::TOKENS.map(|class| (class, rates.get(class))))
            .chain([(Class::WebSearch, per_use.web_search), (Class::Request, per_use.request)])
            .find(|(_, price)| negative(*price));
        if let Some((class, _)) = class {
            return Err(RowsError::Negative { model: model(), class: class.as_str() });
        }
    }
    Ok(())
}

fn overlap(a: &PriceRow, b: &PriceRow) -> bool {
    let same = a.model.eq_ignore_ascii_case(&b.model) && a.provider == b.provider;
    let before = |end: Option<UnixMs>, start: Option<UnixMs>| end.zip(start).is_some_and(|(e, s)| e <= s);
    let dates = !before(a.valid_to, b.valid_from) && !before(b.valid_to, a.valid_from);
    let hours = match (a.daily, b.daily) {
        (None, None) => true,
        (Some(a), Some(b)) => a.overlaps(b),
        // The row with hours goes first in them, so both may hold.
        _ => false,
    };
    same && dates && hours
}

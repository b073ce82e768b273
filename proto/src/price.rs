//! Dated prices and the arithmetic on them.
//!
//! A table is read from JSON with decimal text, so no price ever passes through a binary fraction. A model that
//! is not in the table, a date without a row, or a request above a tier that the table does not hold has no
//! price: the cost is unknown, never zero and never another model's. Nothing here downloads anything.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::event::CostBasis;
use crate::money::{MoneyError, PicoUsd};
use crate::time::UnixMs;
use crate::usage::Usage;

/// The table that comes with the program.
const EMBEDDED: &str = include_str!("../data/prices.json");

/// What one token of each class costs in a span of time. Prices are pico-dollars per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// Model, as its maker names it.
    pub model: String,
    /// Who is paid; none: whoever serves the model.
    pub provider: Option<String>,
    /// Other names of the model.
    pub aliases: Vec<String>,
    /// First moment it holds for; none: since ever.
    pub valid_from: Option<UnixMs>,
    /// First moment it no longer holds for; none: until further notice.
    pub valid_to: Option<UnixMs>,
    /// Uncached input.
    pub input: PicoUsd,
    /// Output, reasoning included.
    pub output: PicoUsd,
    /// Input served from a cache.
    pub cache_read: Option<PicoUsd>,
    /// Input written to a cache for five minutes.
    pub cache_write_5m: Option<PicoUsd>,
    /// Input written to a cache for an hour.
    pub cache_write_1h: Option<PicoUsd>,
    /// Most input tokens of one request, cached or not, that these prices hold for.
    pub max_request_input: Option<u64>,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not the JSON of a price table.
    #[error("cannot read the price table")]
    Json(#[from] serde_json::Error),
    /// A row with a number or a date that is none.
    #[error("price of {model}: {field} is not valid")]
    Row {
        /// Model of the row.
        model: String,
        /// Name of the field.
        field: &'static str,
    },
}

/// Why usage cannot be priced by a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The amount does not fit.
    #[error("the cost is out of range")]
    Overflow,
    /// Another price applies above this many input tokens, and the row does not hold it.
    #[error("no price above {0} input tokens")]
    AboveTier(u64),
}

/// Prices of many models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceTable {
    rows: Vec<PriceRow>,
}

impl PriceRow {
    /// Whether the row holds at `at`.
    pub fn holds_at(&self, at: UnixMs) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_to.is_none_or(|to| at < to)
    }

    fn is_for(&self, model: &str, provider: Option<&str>) -> bool {
        let named = self.model == model || self.aliases.iter().any(|alias| alias == model);
        named
            && provider.is_none_or(|asked| self.provider.as_deref().is_none_or(|own| canonical(own) == asked))
    }
}

impl PriceTable {
    /// Makes a table from rows; of two that fit, the first is used.
    pub fn new(rows: Vec<PriceRow>) -> Self {
        Self { rows }
    }

    /// Reads a table from JSON of the embedded file's shape.
    ///
    /// # Errors
    /// The JSON, a number or a date is not valid; nothing of such a table is used.
    pub fn from_json(text: &str) -> Result<Self, TableError> {
        let file: FileTable = serde_json::from_str(text)?;
        Ok(Self { rows: file.rows.into_iter().map(FileRow::read).collect::<Result<_, _>>()? })
    }

    /// The table that comes with the program, read once.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<PriceTable> = OnceLock::new();
        // A test reads the same bytes, so the empty table is never used; unknown costs are its honest meaning.
        TABLE.get_or_init(|| Self::from_json(EMBEDDED).unwrap_or_default())
    }

    /// The rows, in order of precedence.
    pub fn rows(&self) -> &[PriceRow] {
        &self.rows
    }

    /// Finds the row in force at `at`.
    ///
    /// Tried in this order: the exact name or an alias, the name without `provider/` in front, the name without a
    /// date at its end. A name before the slash counts as the provider, unless one is given; a provider without a
    /// row of its own has no price, since a reseller's price is not the maker's.
    pub fn lookup(&self, model: &str, provider: Option<&str>, at: UnixMs) -> Option<&PriceRow> {
        let provider = provider.filter(|name| !name.is_empty()).map(canonical);
        self.named(model, provider, at).or_else(|| {
            let (prefix, rest) = model.split_once('/')?;
            // Gemini's own API writes `models/gemini-…`; that is a path, not a seller.
            let seller = if prefix == "models" { None } else { Some(canonical(prefix)) };
            if provider.is_some() && seller.is_some() && seller != provider {
                return None;
            }
            self.named(rest, provider.or(seller), at)
        })
    }

    fn named(&self, model: &str, provider: Option<&str>, at: UnixMs) -> Option<&PriceRow> {
        let exact =
            |name: &str| self.rows.iter().filter(|row| row.is_for(name, provider)).collect::<Vec<_>>();
        let mut rows = exact(model);
        if rows.is_empty() {
            rows = exact(without_date(model)?);
        }
        rows.into_iter().find(|row| row.holds_at(at))
    }
}

/// Finds a row in the embedded table; see [`PriceTable::lookup`].
pub fn lookup(model: &str, provider: Option<&str>, at: UnixMs) -> Option<&'static PriceRow> {
    PriceTable::embedded().lookup(model, provider, at)
}

/// Prices the usage of one request.
///
/// A class without a price of its own is derived from the input price by the provider's multipliers and makes the
/// whole cost `Derived`; otherwise it is `Computed`.
///
/// # Errors
/// `Overflow` when the amount does not fit; `AboveTier` when another price applies to so large a request.
pub fn cost(row: &PriceRow, usage: &Usage) -> Result<(PicoUsd, CostBasis), PriceError> {
    let input = [usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h];
    let request = input.iter().map(|tokens| u128::from(*tokens)).sum::<u128>();
    if let Some(limit) = row.max_request_input.filter(|limit| request > u128::from(*limit)) {
        return Err(PriceError::AboveTier(limit));
    }
    let share = Multipliers::of(row.provider.as_deref());
    let classes = [
        (usage.input, Some(row.input), (1, 1)),
        (usage.cache_read, row.cache_read, share.read),
        (usage.cache_write_5m, row.cache_write_5m, share.write_5m),
        (usage.cache_write_1h, row.cache_write_1h, share.write_1h),
        (usage.output, Some(row.output), (1, 1)),
    ];
    let (mut total, mut basis) = (0_i128, CostBasis::Computed);
    for (tokens, price, (times, over)) in classes {
        if tokens == 0 {
            continue;
        }
        let amount = if let Some(price) = price {
            i128::from(tokens).checked_mul(i128::from(price.0))
        } else {
            basis = CostBasis::Derived;
            let product = i128::from(tokens).checked_mul(i128::from(row.input.0));
            product.and_then(|p| p.checked_mul(times)).map(|p| p / over)
        };
        total = amount.and_then(|a| total.checked_add(a)).ok_or(PriceError::Overflow)?;
    }
    PicoUsd::from_sum(total).map(|amount| (amount, basis)).map_err(|_| PriceError::Overflow)
}

/// What a class costs as a fraction of input, where a row does not say.
struct Multipliers {
    read: (i128, i128),
    write_5m: (i128, i128),
    write_1h: (i128, i128),
}

impl Multipliers {
    fn of(provider: Option<&str>) -> Self {
        if provider.map(canonical) == Some("anthropic") {
            Self { read: (1, 10), write_5m: (5, 4), write_1h: (2, 1) }
        } else {
            // Discounts differ from model to model elsewhere; without a listed price none is assumed.
            Self { read: (1, 1), write_5m: (1, 1), write_1h: (1, 1) }
        }
    }
}

/// One name for a provider that tools call by several.
fn canonical(provider: &str) -> &str {
    match provider {
        "firstParty" | "claude" => "anthropic",
        "gemini" | "googleai" | "google-ai" | "google-genai" | "gcp.gemini" => "google",
        other => other,
    }
}

/// The name without `-20251001` or `-2025-10-01` at its end.
fn without_date(model: &str) -> Option<&str> {
    const SHAPES: [&str; 2] = ["-dddd-dd-dd", "-dddddddd"];
    SHAPES.iter().find_map(|shape| {
        let start = model.len().checked_sub(shape.len()).filter(|start| *start > 0)?;
        let tail = &model.as_bytes()[start..];
        let fits = tail.iter().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            dash => *byte == dash,
        });
        // The tail is ASCII, so `start` is a character boundary.
        fits.then(|| &model[..start])
    })
}

#[derive(Deserialize)]
struct FileTable {
    rows: Vec<FileRow>,
}

#[derive(Deserialize)]
struct FileRow {
    model: String,
    provider: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    valid_from: Option<String>,
    valid_to: Option<String>,
    input: String,
    output: String,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
    max_request_input: Option<u64>,
}

impl FileRow {
    fn read(self) -> Result<PriceRow, TableError> {
        let wrong = |field| TableError::Row { model: self.model.clone(), field };
        let price = |text: &str, field| match PicoUsd::parse_per_million(text) {
            Ok(price) if price.0 >= 0 => Ok(price),
            Ok(_) | Err(MoneyError::NotANumber | MoneyError::TooFine(_) | MoneyError::OutOfRange) => {
                Err(wrong(field))
            }
        };
        let class = |text: &Option<String>, field| text.as_deref().map(|t| price(t, field)).transpose();
        let moment = |text: &Option<String>, field| {
            text.as_deref().map(|t| read_moment(t).ok_or_else(|| wrong(field))).transpose()
        };
        Ok(PriceRow {
            valid_from: moment(&self.valid_from, "valid_from")?,
            valid_to: moment(&self.valid_to, "valid_to")?,
            input: price(&self.input, "input")?,
            output: price(&self.output, "output")?,
            cache_read: class(&self.cache_read, "cache_read")?,
            cache_write_5m: class(&self.cache_write_5m, "cache_write_5m")?,
            cache_write_1h: class(&self.cache_write_1h, "cache_write_1h")?,
            max_request_input: self.max_request_input,
            model: self.model,
            provider: self.provider,
            aliases: self.aliases,
        })
    }
}

/// A date (its first moment in UTC) or an RFC 3339 time.
fn read_moment(text: &str) -> Option<UnixMs> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(UnixMs(stamp.as_millisecond()));
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixMs(start.timestamp().as_millisecond()))
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;

//! What usage costs by one row.
//!
//! Products and sums are taken in 128 bits and an amount that does not fit is an error, never a wrap. Each line is
//! exact, or rounded half to even once where a factor does not divide; the amount is the sum of the lines.

use super::row::{AppliesTo, Factor, Mode, PriceRow, Tier};
use crate::event::CostBasis;
use crate::money::PicoUsd;
use crate::time::UnixMs;
use crate::usage::Usage;

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Uncached input tokens.
    Input,
    /// Input tokens served from a cache.
    CacheRead,
    /// Input tokens written to a cache for five minutes.
    CacheWrite5m,
    /// Input tokens written to a cache for an hour.
    CacheWrite1h,
    /// Output tokens.
    Output,
    /// Reasoning tokens, where they are priced apart from output.
    Reasoning,
    /// Web searches.
    WebSearch,
    /// The request itself.
    Request,
}

impl Class {
    /// The classes that count tokens.
    pub const TOKENS: [Self; 6] =
        [Self::Input, Self::CacheRead, Self::CacheWrite5m, Self::CacheWrite1h, Self::Output, Self::Reasoning];

    /// The name in configuration and JSON: `cache_write_5m`, `web_search`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::WebSearch => "web_search",
            Self::Request => "request",
        }
    }
}

/// What is known of the request besides its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstance<'a> {
    /// When it was made.
    pub at: UnixMs,
    /// The service tier that the provider says it served, not the one that was asked for.
    pub service_tier: Option<&'a str>,
    /// It was handed in as part of a batch; a reported tier `batch` says the same.
    pub batch: bool,
    /// The usage is of one request; false: a total of several, whose sizes nobody knows.
    pub per_request: bool,
}

impl Circumstance<'_> {
    /// One request at `at`, served as usual.
    pub fn request(at: UnixMs) -> Self {
        Self { at, service_tier: None, batch: false, per_request: true }
    }

    /// A total of an unknown number of requests, made at `at` and served as usual.
    pub fn total(at: UnixMs) -> Self {
        Self { per_request: false, ..Self::request(at) }
    }
}

/// One product of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What is paid for.
    pub class: Class,
    /// How many of it: tokens, or calls.
    pub tokens: u64,
    /// Pico-dollars for each, before the factor.
    pub price_pico: i64,
    /// Threshold of the tier the price is from; none: below all tiers.
    pub tier_above: Option<u64>,
    /// Numerator of what the product is multiplied by: a service tier's factor, a class derived from input.
    pub factor_numerator: u64,
    /// Denominator of it, at least 1.
    pub factor_denominator: u64,
    /// The product, half to even.
    pub amount_pico: PicoUsd,
    /// The price is not listed for this class or circumstance, but taken from a neighbouring one.
    pub derived: bool,
}

/// A cost and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The sum of the lines.
    pub amount: PicoUsd,
    /// `Computed`, or `Derived` when a line is.
    pub basis: CostBasis,
    /// The products, one a class and tier; at most eight and one for each tier.
    pub lines: Vec<Line>,
}

/// Why usage cannot be priced by a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The amount does not fit.
    #[error("the cost is out of range")]
    Overflow,
    /// Something was used that the row has no price for, and none can be derived.
    #[error("no price for {}", .0.as_str())]
    NoPrice(Class),
    /// The row does not hold at the request's time.
    #[error("the price does not hold at that time")]
    NotInForce,
}

/// Prices usage by the row in force.
///
/// A class without a price of its own takes the provider's usual share of the input price (Anthropic), else the
/// price of a write for a cache write, else the input price; a tier of a total over several requests, and a service
/// tier that the row does not list, are taken at the standard price. All these make the basis `Derived`.
///
/// # Errors
/// `Overflow` when the amount does not fit, `NoPrice` for a class without any, `NotInForce` at another time.
pub fn price(row: &PriceRow, usage: &Usage, of: &Circumstance<'_>) -> Result<Priced, PriceError> {
    if !row.holds_at(of.at) {
        return Err(PriceError::NotInForce);
    }
    Pricing::new(row, usage, of)?.run(usage)
}

/// Prices the usage of one request that was served as usual; see [`price`], but at any time.
///
/// # Errors
/// `Overflow`, `NoPrice`.
pub fn cost(row: &PriceRow, usage: &Usage) -> Result<(PicoUsd, CostBasis), PriceError> {
    let of = Circumstance::request(UnixMs(0));
    Pricing::new(row, usage, &of)?.run(usage).map(|priced| (priced.amount, priced.basis))
}

/// Names of service tiers that mean the standard price. `auto` is a wish and names no price.
const STANDARD: [&str; 5] = ["", "default", "standard", "on_demand", "auto"];

/// One computation: the row, what was asked of it, and the lines so far.
struct Pricing<'a> {
    row: &'a PriceRow,
    modes: Vec<&'a Mode>,
    /// Product of the factors, as numerator and denominator.
    factor: (u64, u64),
    /// A service tier was reported that the row does not list.
    unlisted: bool,
    /// Input of the request, cached or not.
    input: u128,
    per_request: bool,
    lines: Vec<Line>,
    /// What the lines add up to.
    sum: i128,
}

/// A price found for a class.
#[derive(Clone, Copy)]
struct Price {
    pico: PicoUsd,
    share: (u64, u64),
    tier: Option<u64>,
    derived: bool,
}

impl<'a> Pricing<'a> {
    fn new(row: &'a PriceRow, usage: &Usage, of: &Circumstance<'_>) -> Result<Self, PriceError> {
        let tier = of.service_tier.map(|name| name.trim().to_ascii_lowercase()).unwrap_or_default();
        let batch = of.batch || tier == "batch";
        let tier = Some(tier.as_str()).filter(|name| !STANDARD.contains(name) && *name != "batch");
        let wanted: Vec<&str> = batch.then_some("batch").into_iter().chain(tier).collect();
        let modes: Vec<_> = row.modes.iter().filter(|mode| wanted.contains(&mode.name.as_str())).collect();
        let mut pricing = Self {
            row,
            factor: (1, 1),
            unlisted: false,
            input: [usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h]
                .into_iter()
                .map(u128::from)
                .sum(),
            per_request: of.per_request,
            lines: Vec::new(),
            sum: 0,
            modes,
        };
        for name in wanted {
            if pricing.modes.iter().any(|mode| mode.name == name) {
                continue;
            }
            match row.factors.get(name) {
                Some(factor) => pricing.factor = product(pricing.factor, (factor.millionths, Factor::ONE))?,
                None => pricing.unlisted = true,
            }
        }
        Ok(pricing)
    }

    fn run(mut self, usage: &Usage) -> Result<Priced, PriceError> {
        // A prompt begins with what the cache holds, so the input beyond a threshold is the uncached part first.
        let mut from = 0_u128;
        for (class, tokens) in [
            (Class::CacheRead, usage.cache_read),
            (Class::CacheWrite5m, usage.cache_write_5m),
            (Class::CacheWrite1h, usage.cache_write_1h),
            (Class::Input, usage.input),
        ] {
            self.input_class(class, from, tokens)?;
            from += u128::from(tokens);
        }
        let apart = if self.has_reasoning() { usage.reasoning.min(usage.output) } else { 0 };
        for (class, tokens) in [(Class::Output, usage.output - apart), (Class::Reasoning, apart)] {
            if tokens > 0 {
                let tier = self.whole_tier(class);
                let price = self.find(class, tier).ok_or(PriceError::NoPrice(class))?;
                self.push(class, tokens, price, self.factor)?;
            }
        }
        self.per_use(usage)?;
        let derived = self.lines.iter().any(|line| line.derived);
        Ok(Priced {
            amount: PicoUsd::from_sum(self.sum).map_err(|_| PriceError::Overflow)?,
            basis: if derived { CostBasis::Derived } else { CostBasis::Computed },
            lines: self.lines,
        })
    }

    /// Splits the tokens of an input class, which lie at `from` in the prompt, by the tiers they fall into.
    fn input_class(&mut self, class: Class, from: u128, tokens: u64) -> Result<(), PriceError> {
        if tokens == 0 {
            return Ok(());
        }
        let mut top = from + u128::from(tokens);
        for tier in self.passed(class).into_iter().rev().map(Some).chain([None]) {
            let floor = match tier {
                Some(tier) if tier.applies_to == AppliesTo::Excess => u128::from(tier.above_input_tokens),
                _ => 0,
            };
            let bottom = floor.max(from);
            if top > bottom {
                let price = self.find(class, tier).ok_or(PriceError::NoPrice(class))?;
                // Part of a 64-bit count.
                let part = u64::try_from(top - bottom).map_err(|_| PriceError::Overflow)?;
                self.push(class, part, price, self.factor)?;
                top = bottom;
            }
            if floor == 0 {
                break;
            }
        }
        Ok(())
    }

    fn per_use(&mut self, usage: &Usage) -> Result<(), PriceError> {
        let own = |pick: fn(&super::row::PerUse) -> Option<PicoUsd>, pricing: &Self| {
            let listed = pricing.modes.iter().find_map(|mode| pick(&mode.per_use));
            listed.or_else(|| pick(&pricing.row.per_use))
        };
        let plain = |pico| Price { pico, share: (1, 1), tier: None, derived: false };
        if usage.web_searches > 0 {
            let pico = own(|p| p.web_search, self).ok_or(PriceError::NoPrice(Class::WebSearch))?;
            self.push(Class::WebSearch, usage.web_searches, plain(pico), (1, 1))?;
        }
        if let Some(pico) = own(|p| p.request, self).filter(|_| !usage.is_zero()) {
            // A total may be of many requests; at least one was made.
            let price = Price { derived: !self.per_request, ..plain(pico) };
            self.push(Class::Request, 1, price, (1, 1))?;
        }
        Ok(())
    }

    fn has_reasoning(&self) -> bool {
        self.row.rates.reasoning.is_some() || self.modes.iter().any(|mode| mode.rates.reasoning.is_some())
    }

    /// Base prices and tiers that a class is priced by: the first mode that names it, else the row.
    fn sheet(&self, class: Class) -> (&'a super::row::Rates, &'a [Tier]) {
        let row = self.row;
        let mode = self.modes.iter().find(|mode| mode.rates.get(class).is_some());
        mode.map_or((&row.rates, row.tiers.as_slice()), |mode| (&mode.rates, mode.tiers.as_slice()))
    }

    /// Where a class takes its price from: itself, or the class its price is derived from.
    fn priced_as(&self, class: Class) -> Option<(Class, (u64, u64))> {
        let has = |class| self.sheet(class).0.get(class).is_some();
        if has(class) {
            return Some((class, (1, 1)));
        }
        let shares = has(Class::Input).then(|| Shares::of(self.row.provider.as_deref())).flatten();
        match class {
            Class::CacheRead => Some((Class::Input, shares.map_or((1, 1), |s| s.read))),
            Class::CacheWrite5m => Some((Class::Input, shares.map_or((1, 1), |s| s.write_5m))),
            Class::CacheWrite1h => match shares {
                Some(shares) => Some((Class::Input, shares.write_1h)),
                // Listed writes whose life is not named are never dearer than one of an hour.
                None if has(Class::CacheWrite5m) => Some((Class::CacheWrite5m, (1, 1))),
                None => Some((Class::Input, (1, 1))),
            },
            _ => None,
        }
    }

    /// The tiers of a class that the request passes, ascending.
    fn passed(&self, class: Class) -> Vec<&'a Tier> {
        if !self.per_request {
            return Vec::new();
        }
        let class = self.priced_as(class).map_or(class, |(from, _)| from);
        let tiers = self.sheet(class).1.iter();
        tiers.filter(|tier| self.input > u128::from(tier.above_input_tokens)).collect()
    }

    /// The tier that prices output: the highest passed one that is for the whole request.
    fn whole_tier(&self, class: Class) -> Option<&'a Tier> {
        self.passed(class).into_iter().rev().find(|tier| tier.applies_to == AppliesTo::Request)
    }

    fn find(&self, class: Class, tier: Option<&Tier>) -> Option<Price> {
        let (from, share) = self.priced_as(class)?;
        let (rates, tiers) = self.sheet(from);
        let base = rates.get(from)?;
        let tiered = tier.and_then(|tier| tier.rates.get(from).map(|pico| (pico, tier.above_input_tokens)));
        // A total that is larger than a threshold may hold a request that is.
        let unsure = !self.per_request
            && tiers.iter().any(|tier| {
                tier.rates.get(from).is_some() && self.input > u128::from(tier.above_input_tokens)
            });
        let derived = from != class || unsure || self.unlisted;
        let (pico, tier) = tiered.map_or((base, None), |(pico, above)| (pico, Some(above)));
        Some(Price { pico, share, tier, derived })
    }

    fn push(&mut self, class: Class, tokens: u64, price: Price, by: (u64, u64)) -> Result<(), PriceError> {
        let (times, divisor) = product(price.share, by)?;
        let amount = i128::from(tokens)
            .checked_mul(i128::from(price.pico.0))
            .and_then(|product| product.checked_mul(i128::from(times)))
            .ok_or(PriceError::Overflow)?;
        let amount = half_even(amount, i128::from(divisor));
        self.sum = self.sum.checked_add(amount).ok_or(PriceError::Overflow)?;
        self.lines.push(Line {
            class,
            tokens,
            price_pico: price.pico.0,
            tier_above: price.tier,
            factor_numerator: times,
            factor_denominator: divisor,
            amount_pico: PicoUsd::from_sum(amount).map_err(|_| PriceError::Overflow)?,
            derived: price.derived,
        });
        Ok(())
    }
}

/// What a class costs as a fraction of input, where a row does not say.
struct Shares {
    read: (u64, u64),
    write_5m: (u64, u64),
    write_1h: (u64, u64),
}

impl Shares {
    /// Discounts differ from model to model elsewhere; without a listed price none is assumed.
    fn of(provider: Option<&str>) -> Option<Self> {
        let anthropic = provider.map(super::names::provider).as_deref() == Some("anthropic");
        anthropic.then_some(Self { read: (1, 10), write_5m: (5, 4), write_1h: (2, 1) })
    }
}

/// The product of two fractions in lowest terms.
fn product(a: (u64, u64), b: (u64, u64)) -> Result<(u64, u64), PriceError> {
    let (a, b) = (lowest(a), lowest(b));
    let over = |a: u64, b: u64| a.checked_mul(b).ok_or(PriceError::Overflow);
    Ok(lowest((over(a.0, b.0)?, over(a.1, b.1)?)))
}

/// The fraction without common divisors; the denominator is not zero.
fn lowest((numerator, denominator): (u64, u64)) -> (u64, u64) {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let common = a.max(1);
    (numerator / common, (denominator / common).max(1))
}

/// Divides and rounds to the nearest, ties to the even neighbour. `divisor` is positive.
fn half_even(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let other = divisor - rest;
    quotient + i128::from(rest > other || (rest == other && quotient % 2 != 0))
}

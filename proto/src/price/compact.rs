//! The compact text of a catalogue and the rows made of it.
//!
//! A first line names format and origin; then come the providers, each a paragraph. Its first line holds id, name,
//! rule of the models it makes and rule of its own other names; each further line is a model: id, name, context
//! window, rule (none: the id alone), prices, flags, separated by tabs. Prices are spans separated by `;`.
//! A span may begin with its condition: `@2026-03-13` from a day on, `#1800000-59400000` in hours of the day (ms),
//! `!batch@2026-10-14` for a service tier; the last span that holds wins. Then `i1.25>200000:2.5` is input at 1.25
//! dollars a million and 2.5 above 200,000 tokens; `o` is output, `r`, `w`, `h` cache read and writes (5 min, 1 h),
//! `t` reasoning, `s` and `q` dollars for a search and a request.

use std::fmt::Write as _;

use super::arithmetic::Class;
use super::dates;
use super::row::{AppliesTo, DailyHours, Mode, PerUse, PriceRow, Rates, RowSource, Tier};
use super::rule::{escape, unescape};
use crate::money::PicoUsd;
use crate::time::UnixMs;

/// First words of every compact text.
pub(super) const FORMAT: &str = "llmctl-prices 1";

/// Prices by class with their tiers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sheet {
    pub(super) rates: Rates,
    pub(super) tiers: Vec<Tier>,
    pub(super) per_use: PerUse,
}

/// When a span of prices holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Always,
    From(UnixMs),
    Hours(DailyHours),
    Served { tier: String, from: Option<UnixMs> },
}

/// A model's prices under one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) when: When,
    pub(super) sheet: Sheet,
}

/// One line of a model, split and not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelLine<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) context_window: &'a str,
    pub(super) rule: &'a str,
    pub(super) prices: &'a str,
    pub(super) deprecated: bool,
}

impl<'a> ModelLine<'a> {
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Self {
            id: next()?,
            name: next()?,
            context_window: next()?,
            rule: next()?,
            prices: next()?,
            deprecated: next().is_some_and(|flags| flags.contains('d')),
        })
    }
}

const LETTERS: [(char, Class); 6] = [
    ('i', Class::Input),
    ('o', Class::Output),
    ('r', Class::CacheRead),
    ('w', Class::CacheWrite5m),
    ('h', Class::CacheWrite1h),
    ('t', Class::Reasoning),
];

impl Sheet {
    /// Zero for every class but reasoning, which is part of output.
    pub(super) fn free() -> Self {
        let mut sheet = Self::default();
        for class in Class::TOKENS.into_iter().filter(|class| *class != Class::Reasoning) {
            sheet.rates.set(class, Some(PicoUsd::ZERO));
        }
        sheet
    }

    /// Whether nothing has a price.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a price of a class above a number of input tokens.
    pub(super) fn add_tier(&mut self, class: Class, above: u64, price: PicoUsd) {
        let at = self.tiers.partition_point(|tier| tier.above_input_tokens < above);
        if self.tiers.get(at).is_none_or(|tier| tier.above_input_tokens != above) {
            let tier =
                Tier { above_input_tokens: above, applies_to: AppliesTo::Request, rates: Rates::default() };
            self.tiers.insert(at, tier);
        }
        self.tiers[at].rates.set(class, Some(price));
    }

    /// Where classes have different thresholds, lets each tier name what holds since a lower one.
    pub(super) fn fill_tiers(&mut self) {
        for n in 1..self.tiers.len() {
            for class in Class::TOKENS {
                if self.tiers[n].rates.get(class).is_none() {
                    let below = self.tiers[n - 1].rates.get(class);
                    self.tiers[n].rates.set(class, below);
                }
            }
        }
    }

    fn write(&self, out: &mut String) {
        for (letter, class) in LETTERS {
            let Some(price) = self.rates.get(class) else { continue };
            // Writing to a string cannot fail.
            let _ = write!(out, " {letter}{}", per_million(price));
            for tier in &self.tiers {
                if let Some(price) = tier.rates.get(class) {
                    let _ = write!(out, ">{}:{}", tier.above_input_tokens, per_million(price));
                }
            }
        }
        for (letter, price) in [('s', self.per_use.web_search), ('q', self.per_use.request)] {
            if let Some(price) = price {
                let _ = write!(out, " {letter}{}", price.exact());
            }
        }
    }

    fn read<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut sheet = Self::default();
        for part in parts {
            let (letter, rest) = (part.chars().next()?, part.get(1..)?);
            match letter {
                's' => sheet.per_use.web_search = Some(PicoUsd::parse(rest).ok()?),
                'q' => sheet.per_use.request = Some(PicoUsd::parse(rest).ok()?),
                _ => {
                    let (_, class) = LETTERS.iter().find(|(known, _)| *known == letter)?;
                    let mut steps = rest.split('>');
                    sheet.rates.set(*class, Some(PicoUsd::parse_per_million(steps.next()?).ok()?));
                    for step in steps {
                        let (above, price) = step.split_once(':')?;
                        let price = PicoUsd::parse_per_million(price).ok()?;
                        sheet.add_tier(*class, above.parse().ok()?, price);
                    }
                }
            }
        }
        Some(sheet)
    }
}

impl Span {
    fn write(&self, out: &mut String) {
        let _ = match &self.when {
            When::Always => Ok(()),
            When::From(from) => write!(out, "@{}", dates::show(*from)),
            When::Hours(hours) => write!(out, "#{}-{}", hours.start_ms, hours.end_ms),
            When::Served { tier, from } => {
                out.push('!');
                escape(tier, out);
                from.map_or(Ok(()), |from| write!(out, "@{}", dates::show(from)))
            }
        };
        self.sheet.write(out);
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let head = parts.next()?;
        let when = match head.as_bytes().first() {
            None => When::Always,
            Some(b'@') => When::From(dates::read(&head[1..])?),
            Some(b'#') => {
                let (start, end) = head[1..].split_once('-')?;
                When::Hours(DailyHours { start_ms: start.parse().ok()?, end_ms: end.parse().ok()? })
            }
            Some(b'!') => {
                let (tier, from) = match head[1..].split_once('@') {
                    Some((tier, from)) => (tier, Some(dates::read(from)?)),
                    None => (&head[1..], None),
                };
                When::Served { tier: unescape(tier)?, from }
            }
            Some(_) => return None,
        };
        Some(Self { when, sheet: Sheet::read(parts)? })
    }
}

/// Writes spans as the prices of a model line.
pub(super) fn write_spans(spans: &[Span], out: &mut String) {
    for (n, span) in spans.iter().enumerate() {
        if n > 0 {
            out.push(';');
        }
        span.write(out);
    }
}

/// Reads the prices of a model line; none when they are not valid.
pub(super) fn read_spans(text: &str) -> Option<Vec<Span>> {
    text.split(';').map(Span::read).collect()
}

/// The rows of a model, one for each stretch of time between two changes and for each span of hours in it.
///
/// Where a row for hours and one for the whole day hold, the one for hours is listed first.
pub(super) fn rows(spans: &[Span], provider: &str, model: &str, source: RowSource) -> Vec<PriceRow> {
    let mut starts: Vec<UnixMs> = spans.iter().filter_map(|span| span.when.from()).collect();
    starts.sort_unstable();
    starts.dedup();
    let firsts = std::iter::once(None).chain(starts.iter().copied().map(Some));
    let ends = starts.iter().copied().map(Some).chain([None]);
    let mut rows = Vec::new();
    for (valid_from, valid_to) in firsts.zip(ends) {
        let begun = |from: UnixMs| valid_from.is_some_and(|start| from <= start);
        let modes: Vec<Mode> = spans.iter().filter_map(|span| span.mode(begun)).collect();
        for span in spans.iter().rev() {
            let daily = match span.when {
                When::Hours(hours) => Some(hours),
                When::Always => None,
                When::From(from) if begun(from) => None,
                When::From(_) | When::Served { .. } => continue,
            };
            if !span.sheet.is_empty() {
                rows.push(PriceRow {
                    source,
                    provider: Some(provider.to_owned()),
                    model: model.to_owned(),
                    valid_from,
                    valid_to,
                    daily,
                    rates: span.sheet.rates,
                    tiers: span.sheet.tiers.clone(),
                    modes: modes.clone(),
                    per_use: span.sheet.per_use,
                    ..PriceRow::default()
                });
            }
            if daily.is_none() {
                break;
            }
        }
    }
    rows
}

impl When {
    fn from(&self) -> Option<UnixMs> {
        match self {
            Self::From(from) => Some(*from),
            Self::Served { from, .. } => *from,
            Self::Always | Self::Hours(_) => None,
        }
    }
}

impl Span {
    fn mode(&self, begun: impl Fn(UnixMs) -> bool) -> Option<Mode> {
        let When::Served { tier, from } = &self.when else { return None };
        let Sheet { rates, tiers, per_use } = self.sheet.clone();
        from.is_none_or(begun).then(|| Mode { name: tier.clone(), rates, tiers, per_use })
    }
}

/// Dollars per million tokens without zeros at either end: `1.25`, `.075`, `0`.
fn per_million(price: PicoUsd) -> String {
    let (whole, rest) = (price.0 / 1_000_000, price.0 % 1_000_000);
    let rest = format!(".{rest:06}");
    let rest = rest.trim_end_matches('0').trim_end_matches('.');
    if whole == 0 && !rest.is_empty() { rest.to_owned() } else { format!("{whole}{rest}") }
}

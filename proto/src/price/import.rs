//! Reads a price table in the format of genai-prices.
//!
//! The file is validated whole: a number, date or rule that is not valid refuses it, and the error names provider,
//! model and field. Kept are the token classes of text, prices per web search and per request, tiers, dates, hours
//! and service tiers; prices of what is not metered (audio, images, pages, characters, citations, searches in a
//! store) and of circumstances that no tool reports (route, kind of search) are left out. Reads no file itself.

use serde_json::{Map, Value};

use super::arithmetic::Class;
use super::catalogue::Catalogue;
use super::compact::{FORMAT, Sheet, Span, When, write_spans};
use super::dates;
use super::names;
use super::row::{DailyHours, RowSource};
use super::rule::{Rule, escape_field};
use crate::money::PicoUsd;

/// Largest file that is read.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most rules inside each other.
const MAX_DEPTH: u32 = 16;
/// Most spans of prices of one model; each pair of dates makes a row.
const MAX_SPANS: usize = 256;

/// End of the id of a model that its seller gives away; the table lists no prices for it. An empty list of prices
/// alone does not say so: it also stands for prices that nobody published.
const FREE: &str = ":free";

/// Why a file is no price table.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not JSON.
    #[error("the price table is not valid JSON")]
    Json(#[from] serde_json::Error),
    /// Larger than 32 MiB.
    #[error("the price table is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A field is missing or not valid.
    #[error("{place}: {field} {problem}")]
    Field {
        /// Provider and model, as far as they are known: `provider openai, model gpt-5`.
        place: String,
        /// Name of the field.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads a table for use as imported prices.
///
/// # Errors
/// The file is too large, not JSON, or any part of it is not valid; nothing of such a file is used.
pub fn parse(bytes: &[u8]) -> Result<Catalogue, ImportError> {
    let text = convert(bytes, "imported")?;
    Catalogue::read(text, RowSource::Imported).ok_or_else(|| Place::default().wrong("file", "is not valid"))
}

/// Writes a table in the compact form that the program embeds; `origin` says in the first line where it is from.
///
/// # Errors
/// As [`parse`].
pub fn convert(bytes: &[u8], origin: &str) -> Result<String, ImportError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImportError::TooLarge);
    }
    let file: Value = serde_json::from_slice(bytes)?;
    let place = Place::default();
    let providers = file.as_array().ok_or_else(|| place.wrong("file", "is not a list of providers"))?;
    let mut out = format!("{FORMAT}\t");
    escape_field(origin, &mut out);
    out.push('\n');
    let mut known = std::collections::HashSet::new();
    for provider in providers {
        let (fields, id) = place.object_with_id(provider, "provider")?;
        let place = Place { provider: Some(id), model: None };
        if !known.insert(id) {
            return Err(place.wrong("id", "appears twice"));
        }
        write_provider(&place, id, fields, &mut out)?;
    }
    Ok(out)
}

fn write_provider(
    place: &Place<'_>,
    id: &str,
    fields: &Map<String, Value>,
    out: &mut String,
) -> Result<(), ImportError> {
    out.push('\n');
    escape_field(&id.to_lowercase(), out);
    out.push('\t');
    escape_field(place.text(fields, "name")?.unwrap_or_default(), out);
    for field in ["model_match", "provider_match"] {
        out.push('\t');
        if let Some(rule) = present(fields, field) {
            place.rule(rule, field, 0)?.write(out);
        }
    }
    out.push('\n');
    let models = fields.get("models").and_then(Value::as_array);
    let models = models.ok_or_else(|| place.wrong("models", "is not a list"))?;
    let mut known = std::collections::HashSet::new();
    for model in models {
        let (fields, model) = place.object_with_id(model, "model")?;
        let place = Place { model: Some(model), ..*place };
        if !known.insert(model) {
            return Err(place.wrong("id", "appears twice"));
        }
        write_model(&place, model, fields, out)?;
    }
    Ok(())
}

fn write_model(
    place: &Place<'_>,
    id: &str,
    fields: &Map<String, Value>,
    out: &mut String,
) -> Result<(), ImportError> {
    escape_field(id, out);
    out.push('\t');
    escape_field(place.text(fields, "name")?.filter(|name| *name != id).unwrap_or_default(), out);
    out.push('\t');
    if let Some(window) = present(fields, "context_window") {
        let window = window.as_u64().ok_or_else(|| place.wrong("context_window", "is not a whole number"))?;
        out.push_str(&window.to_string());
    }
    out.push('\t');
    let rule = present(fields, "match").ok_or_else(|| place.wrong("match", "is missing"))?;
    match place.rule(rule, "match", 0)? {
        Rule::Equals(name) if name == names::fold(id) => {}
        rule => rule.write(out),
    }
    out.push('\t');
    let mut spans = place.prices(fields)?;
    if id.ends_with(FREE) {
        spans.iter_mut().filter(|span| span.sheet.is_empty()).for_each(|span| span.sheet = Sheet::free());
    }
    spans.extend(place.variants(fields)?);
    if spans.len() > MAX_SPANS {
        return Err(place.wrong("prices", "has too many parts"));
    }
    write_spans(&spans, out);
    if fields.get("deprecated").and_then(Value::as_bool) == Some(true) {
        out.push_str("\td");
    }
    out.push('\n');
    Ok(())
}

fn present<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    fields.get(field).filter(|value| !value.is_null())
}

/// Where in the file a value stands, for errors.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'a> {
    provider: Option<&'a str>,
    model: Option<&'a str>,
}

impl Place<'_> {
    fn wrong(&self, field: &str, problem: &'static str) -> ImportError {
        let place = match (self.provider, self.model) {
            (None, _) => "price table".to_owned(),
            (Some(provider), None) => format!("provider {provider}"),
            (Some(provider), Some(model)) => format!("provider {provider}, model {model}"),
        };
        ImportError::Field { place, field: field.to_owned(), problem }
    }

    fn object<'v>(&self, value: &'v Value, field: &str) -> Result<&'v Map<String, Value>, ImportError> {
        value.as_object().ok_or_else(|| self.wrong(field, "is not an object"))
    }

    fn object_with_id<'v>(
        &self,
        value: &'v Value,
        field: &str,
    ) -> Result<(&'v Map<String, Value>, &'v str), ImportError> {
        let fields = self.object(value, field)?;
        let id = self.text(fields, "id")?.filter(|id| !id.trim().is_empty());
        Ok((fields, id.ok_or_else(|| self.wrong(field, "has no id"))?))
    }

    fn text<'v>(&self, fields: &'v Map<String, Value>, field: &str) -> Result<Option<&'v str>, ImportError> {
        let text = present(fields, field).map(|value| value.as_str().ok_or(()));
        text.transpose().map_err(|()| self.wrong(field, "is not text"))
    }

    fn rule(&self, value: &Value, field: &str, depth: u32) -> Result<Rule, ImportError> {
        let fields = self.object(value, field)?;
        let (Some((kind, argument)), 1) = (fields.iter().next(), fields.len()) else {
            return Err(self.wrong(field, "does not hold exactly one rule"));
        };
        if depth >= MAX_DEPTH {
            return Err(self.wrong(field, "is nested too deeply"));
        }
        if let "and" | "or" = kind.as_str() {
            let list = argument.as_array().ok_or_else(|| self.wrong(field, "joins what is not a list"))?;
            let rules =
                list.iter().map(|rule| self.rule(rule, field, depth + 1)).collect::<Result<_, _>>()?;
            return Ok(if kind == "and" { Rule::All(rules) } else { Rule::Any(rules) });
        }
        let text = argument.as_str().ok_or_else(|| self.wrong(field, "compares with what is not text"))?;
        let lower = text.to_lowercase();
        match kind.as_str() {
            "equals" => Ok(Rule::Equals(lower)),
            "starts_with" => Ok(Rule::StartsWith(lower)),
            "ends_with" => Ok(Rule::EndsWith(lower)),
            "contains" => Ok(Rule::Contains(lower)),
            "regex" => Rule::regex(text)
                .ok_or_else(|| self.wrong(field, "holds a regular expression that is not understood")),
            _ => Err(self.wrong(field, "holds a rule that is not known")),
        }
    }

    fn prices(&self, fields: &Map<String, Value>) -> Result<Vec<Span>, ImportError> {
        let Some(prices) = present(fields, "prices") else {
            return Ok(vec![Span { when: When::Always, sheet: Sheet::default() }]);
        };
        let Some(list) = prices.as_array() else {
            return Ok(vec![Span { when: When::Always, sheet: self.sheet(prices)? }]);
        };
        let spans: Vec<Span> = list.iter().map(|part| self.span(part)).collect::<Result<_, _>>()?;
        if spans.iter().filter(|span| span.when == When::Always).count() != 1 {
            return Err(self.wrong("prices", "do not hold exactly one part without a constraint"));
        }
        Ok(spans)
    }

    fn span(&self, part: &Value) -> Result<Span, ImportError> {
        let fields = self.object(part, "prices")?;
        let when = fields.get("constraint").map(|value| self.constraint(value)).transpose()?;
        let prices =
            present(fields, "prices").ok_or_else(|| self.wrong("prices", "are missing in a part"))?;
        Ok(Span { when: when.unwrap_or(When::Always), sheet: self.sheet(prices)? })
    }

    fn constraint(&self, value: &Value) -> Result<When, ImportError> {
        let fields = self.object(value, "constraint")?;
        let known = ["start_date", "start_time", "end_time", "type"];
        if fields.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(self.wrong("constraint", "holds a field that is not known"));
        }
        let date = self.text(fields, "start_date")?;
        let times = (self.text(fields, "start_time")?, self.text(fields, "end_time")?);
        match (date, times) {
            (Some(date), (None, None)) => {
                let from = dates::read(date).filter(|_| date.len() == 10);
                Ok(When::From(from.ok_or_else(|| self.wrong("start_date", "is not a date"))?))
            }
            (None, (Some(start), Some(end))) => {
                let time = |text: &str, field| {
                    dates::read_time(text).ok_or_else(|| self.wrong(field, "is not a time with its zone"))
                };
                let (start_ms, end_ms) = (time(start, "start_time")?, time(end, "end_time")?);
                Ok(When::Hours(DailyHours { start_ms, end_ms }))
            }
            _ => Err(self.wrong("constraint", "is neither a start date nor hours of the day")),
        }
    }

    /// Prices for service tiers; those for other circumstances are left out, since no tool reports them.
    fn variants(&self, fields: &Map<String, Value>) -> Result<Vec<Span>, ImportError> {
        let Some(list) = present(fields, "price_variants") else {
            return Ok(Vec::new());
        };
        let list = list.as_array().ok_or_else(|| self.wrong("price_variants", "is not a list"))?;
        let mut spans = Vec::new();
        for part in list {
            let fields = self.object(part, "price_variants")?;
            let when = fields.get("when").ok_or_else(|| self.wrong("when", "is missing"))?;
            let prices = fields.get("prices").ok_or_else(|| self.wrong("prices", "are missing"))?;
            let sheet = self.sheet(prices)?;
            let from = match present(fields, "constraint").map(|value| self.constraint(value)).transpose()? {
                None => None,
                Some(When::From(from)) => Some(from),
                Some(_) => return Err(self.wrong("constraint", "of a variant is not a start date")),
            };
            let when = self.object(when, "when")?;
            let tier = match when.iter().next().filter(|_| when.len() == 1) {
                Some((key, Value::String(value))) if key == "service_tier" => value.to_lowercase(),
                Some((key, Value::String(value))) if key == "processing" && value == "batch" => value.clone(),
                Some((_, Value::String(_))) => continue,
                _ => return Err(self.wrong("when", "does not hold exactly one circumstance")),
            };
            if !sheet.is_empty() {
                spans.push(Span { when: When::Served { tier, from }, sheet });
            }
        }
        Ok(spans)
    }

    fn sheet(&self, prices: &Value) -> Result<Sheet, ImportError> {
        let mut sheet = Sheet::default();
        for (key, value) in self.object(prices, "prices")? {
            let class = match key.as_str() {
                "input_mtok" => Class::Input,
                "output_mtok" => Class::Output,
                "cache_read_mtok" => Class::CacheRead,
                "cache_write_mtok" => Class::CacheWrite5m,
                "cache_write_1h_mtok" => Class::CacheWrite1h,
                "output_reasoning_mtok" => Class::Reasoning,
                "web_searches_kcount" => {
                    sheet.per_use.web_search = self.per_thousand(value, key)?;
                    continue;
                }
                "requests_kcount" => {
                    sheet.per_use.request = self.per_thousand(value, key)?;
                    continue;
                }
                _ => continue,
            };
            if value.is_null() {
                continue;
            }
            let Some(tiered) = value.as_object() else {
                sheet.rates.set(class, Some(self.per_million(value, key)?));
                continue;
            };
            let base = tiered.get("base").ok_or_else(|| self.wrong(key, "has tiers without a base"))?;
            sheet.rates.set(class, Some(self.per_million(base, key)?));
            let tiers = tiered.get("tiers").and_then(Value::as_array);
            for tier in tiers.ok_or_else(|| self.wrong(key, "has tiers that are no list"))? {
                let above = tier.get("start").and_then(Value::as_u64);
                let above = above.ok_or_else(|| self.wrong(key, "has a tier without a whole start"))?;
                let price = tier.get("price").unwrap_or(&Value::Null);
                sheet.add_tier(class, above, self.per_million(price, key)?);
            }
        }
        sheet.fill_tiers();
        Ok(sheet)
    }

    fn per_million(&self, value: &Value, key: &str) -> Result<PicoUsd, ImportError> {
        // The shortest decimal of the number, so that no price passes through a binary fraction.
        let text = value.as_number().map(ToString::to_string);
        let price = text.and_then(|text| PicoUsd::parse_per_million(&text).ok());
        price.filter(|price| price.0 >= 0).ok_or_else(|| self.wrong(key, "is not a price"))
    }

    /// Dollars for a thousand calls as pico-dollars a call: a thousand times what the same figure is a token.
    fn per_thousand(&self, value: &Value, key: &str) -> Result<Option<PicoUsd>, ImportError> {
        if value.is_null() {
            return Ok(None);
        }
        let price = self.per_million(value, key)?.0.checked_mul(1_000);
        price.map(|pico| Some(PicoUsd(pico))).ok_or_else(|| self.wrong(key, "is not a price"))
    }
}

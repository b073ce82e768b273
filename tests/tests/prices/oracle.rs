//! Every model of the table, at random times and around its borders, against the crate that publishes the table.
//!
//! The crate computes dollars in binary floats. Usage is kept so small that a request costs less than 400 dollars;
//! there the error of its few products is less than half a pico-dollar, so the nearest pico-dollar to its figure is what the
//! crate means, and ours has to be that very integer. What differs is listed below with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use genai_prices::{Calculator, PriceRequest, Usage as Theirs, UsageKey};
use llmctl_proto::price::{
    Catalogue, CatalogueModel, Circumstance, Class, PriceError, PriceRow, Priced, price,
};
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::names::{Names, all_names, theirs};
use super::random::Random;
use super::source::crate_source;

/// Random records of each model.
const RECORDS: usize = 12;
/// Dearest request that a float still tells to the pico-dollar.
const MOST_DOLLARS: f64 = 400.0;
/// 2023-01-01 and 2028-01-01, between which the random times lie.
const YEARS: (i64, i64) = (1_672_531_200_000, 1_830_297_600_000);

/// Why ours and theirs differ; each is a choice of theirs that we do not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// Theirs counts a search as free where none is listed; ours is then unknown.
    SearchIsFree,
    /// Theirs counts output as free where none is listed (embeddings); ours is then unknown.
    OutputIsFree,
    /// Theirs says 0 for a model without any price that we meter (audio, pages, or none at all); ours is unknown.
    ModelIsFree,
    /// The listed price has more than six decimals per million (a repeating fraction or float noise); ours is
    /// rounded to the pico-dollar per token when it is read, theirs never.
    FinerThanPico,
    /// Claude without listed cache prices: theirs bills cached input as input, ours by Anthropic's own multipliers.
    CacheShareOfInput,
}

/// How many models differ for each reason; a new table that changes a figure has to be looked at.
const MODELS: [(Why, usize); 5] = [
    (Why::SearchIsFree, 2_130),
    (Why::OutputIsFree, 80),
    (Why::ModelIsFree, 43),
    (Why::FinerThanPico, 20),
    (Why::CacheShareOfInput, 2),
];

/// What was compared.
#[derive(Default)]
struct Tally {
    equal: usize,
    lines: usize,
    why: BTreeMap<Why, BTreeSet<String>>,
}

impl Tally {
    fn differs(&mut self, why: Why, model: &CatalogueModel<'_>) {
        self.why.entry(why).or_default().insert(format!("{}/{}", model.provider(), model.id()));
    }
}

/// One record to be priced by both.
struct Record<'a> {
    name: &'a str,
    usage: Usage,
    at: UnixMs,
    tier: Option<&'a str>,
    batch: bool,
}

impl Record<'_> {
    fn theirs(&self, provider: &str) -> (f64, String) {
        let u = self.usage;
        let written = u.cache_write_5m + u.cache_write_1h;
        let figures = [
            (UsageKey::INPUT_TOKENS, u.input + u.cache_read + written),
            (UsageKey::CACHE_READ_TOKENS, u.cache_read),
            (UsageKey::CACHE_WRITE_TOKENS, written),
            (UsageKey::CACHE_WRITE_1H_TOKENS, u.cache_write_1h),
            (UsageKey::OUTPUT_TOKENS, u.output),
            (UsageKey::OUTPUT_REASONING_TOKENS, u.reasoning),
            (UsageKey::WEB_SEARCHES, u.web_searches),
        ];
        let usage: Theirs = figures.into_iter().map(|(key, n)| (key, n as f64)).collect();
        let at = UNIX_EPOCH + Duration::from_millis(self.at.0.unsigned_abs());
        let mut request = PriceRequest::new(self.name, &usage).with_provider_id(provider).with_timestamp(at);
        if let Some(tier) = self.tier {
            request = request.with_price_context("service_tier", tier);
        }
        if self.batch {
            request = request.with_price_context("processing", "batch");
        }
        let priced = Calculator::bundled().calculate(&request).expect("the table has the model");
        (priced.total_price, priced.model_id)
    }

    fn ours(&self, row: &PriceRow) -> Result<Priced, PriceError> {
        let of = Circumstance { at: self.at, service_tier: self.tier, batch: self.batch, per_request: true };
        price(row, &self.usage, &of)
    }
}

/// Times at which a model's prices may change, each with the moment before and after.
fn borders(model: &CatalogueModel<'_>) -> Vec<i64> {
    let mut at = Vec::new();
    for row in model.rows() {
        at.extend(row.valid_from.map(|from| from.0));
        if let Some(hours) = row.daily {
            at.extend([hours.start_ms, hours.end_ms].map(|ms| 20_780 * 86_400_000 + ms));
        }
    }
    at.into_iter().flat_map(|at| [at - 1, at, at + 1]).collect()
}

/// Thresholds of a model's tiers.
fn thresholds(model: &CatalogueModel<'_>) -> Vec<u64> {
    let tiers = model.rows().iter().flat_map(|row| {
        row.tiers.iter().chain(row.modes.iter().flat_map(|mode| &mode.tiers)).map(|t| t.above_input_tokens)
    });
    tiers.collect::<BTreeSet<_>>().into_iter().collect()
}

fn record<'a>(random: &mut Random, name: &'a str, borders: &[i64], thresholds: &[u64]) -> Record<'a> {
    let output = random.tokens().min(20_000);
    let mut usage = Usage {
        input: 1 + random.tokens(),
        cache_read: random.tokens(),
        cache_write_5m: random.tokens() / 4,
        cache_write_1h: random.tokens() / 8,
        output,
        reasoning: random.below(output + 1),
        web_searches: random.pick(&[0, 0, 0, 1, 7]),
    };
    if !thresholds.is_empty() && random.below(2) == 0 {
        // Just below, at, or above a border, whatever part of the input is cached.
        let whole = random.pick(thresholds) + random.below(3) - 1;
        usage.cache_read = random.below(whole);
        usage.cache_write_5m = random.below(whole - usage.cache_read);
        usage.cache_write_1h = 0;
        usage.input = whole - usage.cache_read - usage.cache_write_5m;
    }
    let span = (YEARS.1 - YEARS.0).unsigned_abs();
    let at = if borders.is_empty() || random.below(2) == 0 {
        YEARS.0 + random.below(span) as i64
    } else {
        random.pick(borders)
    };
    let tier = random.pick(&[
        None,
        None,
        None,
        Some("default"),
        Some("priority"),
        Some("flex"),
        Some("fast"),
        Some("other"),
    ]);
    Record { name, usage, at: UnixMs(at), tier, batch: random.below(4) == 0 }
}

/// Compares one record; the row is the one in force.
fn compare(tally: &mut Tally, model: &CatalogueModel<'_>, mut record: Record<'_>, fine: bool) {
    let place = || format!("{}/{}", model.provider(), model.id());
    let Some(row) = model.row_at(record.at) else {
        assert!(model.rows().is_empty(), "{}: a time without a row", place());
        let (total, _) = record.theirs(model.provider());
        assert!(total == 0.0, "{}: {total} of theirs without a row of ours", place());
        tally.differs(Why::ModelIsFree, model);
        return;
    };
    let ours = loop {
        match record.ours(row) {
            Ok(ours) => break ours,
            Err(PriceError::NoPrice(class)) => {
                // Theirs takes nothing for it: without it both have to agree.
                let before = record.theirs(model.provider()).0;
                let why = match class {
                    Class::Output | Class::Reasoning => {
                        (record.usage.output, record.usage.reasoning) = (0, 0);
                        Why::OutputIsFree
                    }
                    Class::WebSearch => {
                        record.usage.web_searches = 0;
                        Why::SearchIsFree
                    }
                    other => panic!("{}: no price for {}", place(), other.as_str()),
                };
                let after = record.theirs(model.provider()).0;
                assert!((before - after).abs() < 1e-13, "{}: {} is not free", place(), class.as_str());
                tally.differs(why, model);
            }
            Err(other) => panic!("{}: {other}", place()),
        }
    };
    let (total, _) = record.theirs(model.provider());
    assert!(total < MOST_DOLLARS, "{}: {total} is too dear to compare", place());
    let theirs = (total * 1e12).round() as i128;
    let off = (i128::from(ours.amount.0) - theirs).abs();
    tally.lines += ours.lines.len();
    let tokens: u64 = ours.lines.iter().map(|line| line.tokens).sum();
    let shared = ours
        .lines
        .iter()
        .any(|line| line.derived && (line.factor_numerator, line.factor_denominator) != (1, 1));
    if off == 0 {
        tally.equal += 1;
    } else if fine && off * 2 <= i128::from(tokens) + 1 {
        tally.differs(Why::FinerThanPico, model);
    } else if shared {
        let as_input: i128 =
            ours.lines.iter().map(|line| i128::from(line.tokens) * i128::from(line.price_pico)).sum();
        assert_eq!(as_input, theirs, "{}: {:?} {:?}", place(), record.usage, record.at);
        tally.differs(Why::CacheShareOfInput, model);
    } else {
        panic!(
            "{}: ours {} theirs {theirs} for {:?} at {} tier {:?} batch {}\n{:#?}",
            place(),
            ours.amount.0,
            record.usage,
            record.at,
            record.tier,
            record.batch,
            ours.lines
        );
    }
}

/// A name by which theirs finds the model: its id, or another that its own rule accepts.
fn name_of<'a>(model: &CatalogueModel<'_>, names: &'a Names) -> &'a str {
    let wanted = (model.provider().to_owned(), model.id().into_owned());
    let found = names[&wanted].iter().find(|name| theirs(name, &wanted.0).as_ref() == Some(&wanted));
    found.unwrap_or_else(|| panic!("theirs knows no name of {wanted:?}"))
}

/// Models one of whose prices has more than six decimals per million.
fn finer_than_pico() -> BTreeSet<String> {
    let bytes = std::fs::read(crate_source().0.join("data/prices.json")).expect("the crate has its data");
    let file: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let mut found = BTreeSet::new();
    for provider in file.as_array().expect("providers") {
        for model in provider["models"].as_array().expect("models") {
            if [&model["prices"], &model["price_variants"]].into_iter().any(has_fine_number) {
                let text = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
                found.insert(format!("{}/{}", text(provider), text(model)));
            }
        }
    }
    found
}

fn has_fine_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            let decimals = text.split_once('.').map_or(0, |(_, rest)| rest.len());
            decimals > 6 || text.contains('e')
        }
        Value::Array(list) => list.iter().any(has_fine_number),
        Value::Object(fields) => fields.values().any(has_fine_number),
        _ => false,
    }
}

#[test]
fn every_model_costs_what_the_published_implementation_says() {
    let (fine, names) = (finer_than_pico(), all_names());
    let (mut random, mut tally, mut models) = (Random(7), Tally::default(), 0);
    for model in Catalogue::embedded().models() {
        models += 1;
        let name = name_of(&model, &names);
        let found = Catalogue::embedded().find(name, Some(model.provider())).map(|found| found.id());
        assert_eq!(found, Some(model.id()));
        let (borders, thresholds) = (borders(&model), thresholds(&model));
        let fine = fine.contains(&format!("{}/{}", model.provider(), model.id()));
        for _ in 0..RECORDS {
            let record = record(&mut random, name, &borders, &thresholds);
            compare(&mut tally, &model, record, fine);
        }
    }
    let listed: usize = Calculator::bundled().providers().map(|provider| provider.models().count()).sum();
    assert_eq!(models, listed);
    println!("{models} models, {} equal records of {} products", tally.equal, tally.lines);
    for (why, models) in &tally.why {
        println!("{why:?}: {}", models.len());
    }
    assert!(tally.equal >= 20_000, "{}", tally.equal);
    let found: Vec<(Why, usize)> = tally.why.iter().map(|(why, models)| (*why, models.len())).collect();
    assert_eq!(found, MODELS, "{:#?}", tally.why);
}

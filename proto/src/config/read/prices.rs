//! Price rows of `models.*`: exact decimals, dates that follow one another, notes on what is doubtful.

use super::{Reading, amount, entries_of, moment, text, texts};
use crate::config::diagnostic::{Code, Diagnostic, KeyPath};
use crate::config::node::{Node, Place, Value};
use crate::money::PicoUsd;
use crate::price::{PriceRow, PriceTable};
use crate::time::UnixMs;

/// A price per 1,000 tokens above which it was probably meant per million: one dollar.
const SCALE_LIMIT: PicoUsd = PicoUsd(1_000_000_000_000);

/// Prices by class of tokens, in pico-dollars per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rates {
    input: Option<PicoUsd>,
    output: Option<PicoUsd>,
    cache_read: Option<PicoUsd>,
    cache_write_5m: Option<PicoUsd>,
    cache_write_1h: Option<PicoUsd>,
}

/// A row with the place it is written at.
struct Dated {
    at: Place,
    path: KeyPath,
    from: Option<UnixMs>,
    to: Option<UnixMs>,
    rates: Rates,
    lowest_tier: Option<u64>,
}

/// Reads the rows of all models, in the order of the files; a model with a mistake in its prices has none.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Vec<Diagnostic>) -> Vec<PriceRow> {
    let mut rows = Vec::new();
    let mut derived: Vec<(String, Place)> = Vec::new();
    for (name, node) in entries_of(&reading.layered.tree, "models") {
        if node.value == Value::Null {
            continue;
        }
        let mut model = Model { name, node, path: KeyPath::of(["models", name]), reading, findings };
        let Some(dated) = model.rows() else { continue };
        let flat = dated.iter().find(|row| row.rates.cache_read.is_none()).map(|row| row.at);
        derived.extend(flat.map(|at| (name.clone(), at)));
        model.compare(&dated);
        rows.extend(dated.into_iter().filter_map(|row| row_of(name, node, &row)));
    }
    note_derived(&derived, findings);
    rows
}

fn row_of(name: &str, node: &Node, row: &Dated) -> Option<PriceRow> {
    Some(PriceRow {
        model: name.to_owned(),
        provider: text(node, "provider"),
        aliases: texts(node, "aliases"),
        valid_from: row.from,
        valid_to: row.to,
        input: row.rates.input?,
        output: row.rates.output?,
        cache_read: row.rates.cache_read,
        cache_write_5m: row.rates.cache_write_5m,
        cache_write_1h: row.rates.cache_write_1h,
        max_request_input: row.lowest_tier,
    })
}

/// One note a file for all its models, since nearly every model of an old file has two classes only.
fn note_derived(derived: &[(String, Place)], findings: &mut Vec<Diagnostic>) {
    let mut files: Vec<u16> = derived.iter().map(|(_, at)| at.source).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let models: Vec<_> = derived.iter().filter(|(_, at)| at.source == file).collect();
        let names: Vec<&str> = models.iter().take(3).map(|(name, _)| name.as_str()).collect();
        let more = models.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let verb = if models.len() == 1 { "has" } else { "have" };
        let message = format!(
            "{}{more} {verb} no price for cached tokens; it is derived from the input price and marked so",
            names.join(", ")
        );
        findings.push(Diagnostic::new(Code::PriceDerived, &KeyPath::of(["models"]), models[0].1, message));
    }
}

struct Model<'a> {
    name: &'a str,
    node: &'a Node,
    path: KeyPath,
    reading: &'a Reading<'a>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Model<'_> {
    fn report(&mut self, code: Code, path: &KeyPath, at: Place, message: String) {
        self.findings.push(Diagnostic::new(code, path, at, message));
    }

    fn rows(&mut self) -> Option<Vec<Dated>> {
        let dated =
            self.node.get("prices").filter(|node| node.items().is_some_and(|items| !items.is_empty()));
        let per_1k = self.node.get("cost_per_1k_tokens");
        match (dated, per_1k) {
            (Some(list), old) => {
                if let Some(old) = old {
                    let message = format!("{} has `prices` too; `cost_per_1k_tokens` is not used", self.path);
                    self.report(Code::NotUsed, &self.path.with("cost_per_1k_tokens"), old.at, message);
                }
                self.dated(list)
            }
            (None, Some(node)) => self.per_1k(node).map(|row| vec![row]),
            (None, None) => None,
        }
    }

    fn per_1k(&mut self, node: &Node) -> Option<Dated> {
        let path = self.path.with("cost_per_1k_tokens");
        let mut read = |key: &str| {
            let value = node.get(key)?;
            let dollars = amount(value, 9)?;
            if dollars > SCALE_LIMIT {
                let text = value.decimal().unwrap_or_default();
                let message = format!(
                    "{} is {text} US dollars per 1,000 tokens, which is {text} thousand per million; is it meant per \
                     million?",
                    path.with(key)
                );
                let finding = Diagnostic::new(Code::PriceScale, &path.with(key), value.at, message);
                self.findings.push(finding.hint("write it under `prices`, as `per_million`"));
            }
            // Nine decimals of a dollar by a thousand tokens are whole pico-dollars.
            Some(PicoUsd(dollars.0 / 1_000))
        };
        let rates = Rates { input: Some(read("input")?), output: Some(read("output")?), ..Rates::default() };
        Some(Dated { at: node.at, path, from: None, to: None, rates, lowest_tier: None })
    }

    fn dated(&mut self, list: &Node) -> Option<Vec<Dated>> {
        let mut rows = Vec::new();
        for (at, item) in list.items().unwrap_or_default().iter().enumerate() {
            rows.push(self.row(at, item)?);
        }
        rows.sort_by_key(|row| row.from);
        self.close(&mut rows).then_some(rows)
    }

    fn row(&mut self, at: usize, item: &Node) -> Option<Dated> {
        let path = self.path.with("prices").item(at);
        let sheet = item.get("per_million")?;
        let price = |key: &str| match sheet.get(key) {
            Some(node) => amount(node, 6).map(|dollars| Some(PicoUsd(dollars.0 / 1_000_000))),
            None => Some(None),
        };
        let rates = Rates {
            input: price("input")?,
            output: price("output")?,
            cache_read: price("cache_read")?,
            cache_write_5m: price("cache_write_5m")?,
            cache_write_1h: price("cache_write_1h")?,
        };
        for (key, missing) in [("input", rates.input.is_none()), ("output", rates.output.is_none())] {
            if missing {
                let message = format!("{path}.per_million has no `{key}`");
                self.report(Code::MissingKey, &path, sheet.at, message);
                return None;
            }
        }
        let tiers = item.get("tiers").and_then(Node::items).unwrap_or_default();
        let lowest_tier = tiers.iter().filter_map(|tier| tier.get("above_input_tokens")?.integer()).min();
        let date = |key: &str| item.get(key).and_then(Node::text).map(|text| moment(text).ok_or(()));
        let (from, to) = (date("valid_from").transpose().ok()?, date("valid_to").transpose().ok()?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            self.report(Code::BadPrice, &path, item.at, format!("{path} ends before it begins"));
            return None;
        }
        Some(Dated { at: item.at, path, from, to, rates, lowest_tier })
    }

    /// Ends each row where the next begins, unless it says when it ends.
    fn close(&mut self, rows: &mut [Dated]) -> bool {
        for at in 1..rows.len() {
            let (from, place, path) = (rows[at].from, rows[at].at, rows[at].path.clone());
            let before = &mut rows[at - 1];
            let overlaps =
                before.from == from || before.to.is_some_and(|end| from.is_none_or(|from| end > from));
            let gap = before.to.is_some_and(|end| from.is_some_and(|from| end < from));
            before.to = before.to.or(from);
            let first = before.path.clone();
            if overlaps {
                self.report(
                    Code::OverlappingPrices,
                    &path,
                    place,
                    format!("{path} and {first} hold at the same time"),
                );
                return false;
            }
            if gap {
                let message = format!("between {first} and {path} there is a time without a price");
                self.report(Code::PriceGap, &path, place, message);
            }
        }
        let now = self.reading.now;
        if let Some(last) = rows.last().filter(|row| row.to.is_some_and(|end| end <= now)) {
            let (path, at) = (last.path.clone(), last.at);
            let message = format!("{path} has ended, and no later price is given; the cost is unknown now");
            self.report(Code::PriceGap, &path, at, message);
        }
        true
    }

    /// Says where a price in force now is not the catalogue's.
    fn compare(&mut self, rows: &[Dated]) {
        let now = self.reading.now;
        let holds =
            |row: &&Dated| row.from.is_none_or(|from| from <= now) && row.to.is_none_or(|end| now < end);
        let Some(own) = rows.iter().find(holds) else { return };
        let provider = text(self.node, "provider");
        let Some(listed) = PriceTable::embedded().lookup(self.name, provider.as_deref(), now) else { return };
        let (Some(input), Some(output)) = (own.rates.input, own.rates.output) else { return };
        if (input, output) != (listed.input, listed.output) {
            let message = format!(
                "{} costs {} / {} per million tokens here, {} / {} in the catalogue; the file is used",
                self.path,
                per_million(input),
                per_million(output),
                per_million(listed.input),
                per_million(listed.output)
            );
            let (path, at) = (own.path.clone(), own.at);
            self.report(Code::PriceDiffers, &path, at, message);
        }
    }
}

/// Pico-dollars a token as dollars per million tokens.
fn per_million(price: PicoUsd) -> String {
    PicoUsd(price.0.saturating_mul(1_000_000)).to_string()
}

//! Price rows of `models.*`: exact decimals, dates that follow one another, notes on what is doubtful.

use super::{Reading, amount, entries_of, moment, text, texts};
use crate::config::diagnostic::{Code, Diagnostic, KeyPath};
use crate::config::node::{Node, Place, Value};
use crate::money::PicoUsd;
use crate::price::{AppliesTo, Factor, PerUse, PriceRow, PriceTable, Rates, RowsError, Tier, check_rows};

/// A price per 1,000 tokens above which it was probably meant per million: one dollar.
const SCALE_LIMIT: PicoUsd = PicoUsd(1_000_000_000_000);

/// A row with the place it is written at.
struct Dated {
    at: Place,
    path: KeyPath,
    row: PriceRow,
}

/// Reads the rows of all models, in the order of the files; a model with a mistake in its prices has none.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Vec<Diagnostic>) -> PriceTable {
    let mut rows: Vec<PriceRow> = Vec::new();
    let mut derived: Vec<(String, Place)> = Vec::new();
    for (name, node) in entries_of(&reading.layered.tree, "models") {
        if node.value == Value::Null {
            continue;
        }
        let mut model = Model { name, node, path: KeyPath::of(["models", name]), reading, findings };
        let Some(dated) = model.rows() else { continue };
        // Names of models are the same in any case, so this one would hold twice.
        if rows
            .iter()
            .any(|row| row.model.eq_ignore_ascii_case(name) && row.provider == text(node, "provider"))
        {
            let message = format!("{} has the prices of a model whose name differs in case only", model.path);
            let (path, at) = (model.path.clone(), node.at);
            model.report(Code::OverlappingPrices, &path, at, message);
            continue;
        }
        if !model.fit(&dated) {
            continue;
        }
        let flat = dated.iter().find(|dated| dated.row.rates.cache_read.is_none()).map(|row| row.at);
        derived.extend(flat.map(|at| (name.clone(), at)));
        model.compare(&dated);
        rows.extend(dated.into_iter().map(|dated| dated.row));
    }
    note_derived(&derived, findings);
    // Each model's rows were checked, and no model is there twice.
    PriceTable::new(rows, reading.imported.clone()).unwrap_or_default()
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
        Some(Dated { at: node.at, path, row: PriceRow { rates, ..self.blank() } })
    }

    fn blank(&self) -> PriceRow {
        PriceRow {
            model: self.name.to_owned(),
            provider: text(self.node, "provider"),
            aliases: texts(self.node, "aliases"),
            ..PriceRow::default()
        }
    }

    fn dated(&mut self, list: &Node) -> Option<Vec<Dated>> {
        let mut rows = Vec::new();
        for (at, item) in list.items().unwrap_or_default().iter().enumerate() {
            rows.push(self.row(at, item)?);
        }
        rows.sort_by_key(|dated| dated.row.valid_from);
        self.close(&mut rows).then_some(rows)
    }

    fn row(&mut self, at: usize, item: &Node) -> Option<Dated> {
        let path = self.path.with("prices").item(at);
        let sheet = item.get("per_million")?;
        let rates = rates(sheet)?;
        for (key, missing) in [("input", rates.input.is_none()), ("output", rates.output.is_none())] {
            if missing {
                let message = format!("{path}.per_million has no `{key}`");
                self.report(Code::MissingKey, &path, sheet.at, message);
                return None;
            }
        }
        let mut tiers: Vec<Tier> = items(item, "tiers").iter().map(tier).collect::<Option<_>>()?;
        tiers.sort_by_key(|tier| tier.above_input_tokens);
        let factor = |(name, node): (&String, &Node)| {
            Some((name.to_ascii_lowercase(), Factor::parse(&node.decimal()?).ok()?))
        };
        let date = |key: &str| item.get(key).and_then(Node::text).map(|text| moment(text).ok_or(()));
        let per_use = item.get("per_use");
        let each = |key: &str| per_use.and_then(|uses| amount(uses.get(key)?, 9));
        let row = PriceRow {
            valid_from: date("valid_from").transpose().ok()?,
            valid_to: date("valid_to").transpose().ok()?,
            rates,
            tiers,
            factors: entries_of(item, "factors").map(factor).collect::<Option<_>>()?,
            per_use: PerUse { web_search: each("web_search"), request: each("request") },
            note: text(item, "source"),
            ..self.blank()
        };
        Some(Dated { at: item.at, path, row })
    }

    /// Whether the rows hold together; what is wrong with them is a finding.
    fn fit(&mut self, dated: &[Dated]) -> bool {
        let rows: Vec<PriceRow> = dated.iter().map(|dated| dated.row.clone()).collect();
        let Err(error) = check_rows(&rows) else { return true };
        let code =
            if matches!(error, RowsError::Overlap { .. }) { Code::OverlappingPrices } else { Code::BadPrice };
        let (path, at) = (self.path.with("prices"), dated.first().map_or(self.node.at, |row| row.at));
        self.report(code, &path, at, format!("{path}: {error}"));
        false
    }

    /// Ends each row where the next begins, unless it says when it ends.
    fn close(&mut self, rows: &mut [Dated]) -> bool {
        for at in 1..rows.len() {
            let (from, place, path) = (rows[at].row.valid_from, rows[at].at, rows[at].path.clone());
            let first = rows[at - 1].path.clone();
            let before = &mut rows[at - 1].row;
            let overlaps = before.valid_from == from
                || before.valid_to.is_some_and(|end| from.is_none_or(|from| end > from));
            let gap = before.valid_to.is_some_and(|end| from.is_some_and(|from| end < from));
            before.valid_to = before.valid_to.or(from);
            if overlaps {
                let message = format!("{path} and {first} hold at the same time");
                self.report(Code::OverlappingPrices, &path, place, message);
                return false;
            }
            if gap {
                let message = format!("between {first} and {path} there is a time without a price");
                self.report(Code::PriceGap, &path, place, message);
            }
        }
        let now = self.reading.now;
        if let Some(last) = rows.last().filter(|dated| dated.row.valid_to.is_some_and(|end| end <= now)) {
            let (path, at) = (last.path.clone(), last.at);
            let message = format!("{path} has ended, and no later price is given; the cost is unknown now");
            self.report(Code::PriceGap, &path, at, message);
        }
        true
    }

    /// Says where a price in force now is not the catalogue's.
    fn compare(&mut self, rows: &[Dated]) {
        let now = self.reading.now;
        let Some(own) = rows.iter().find(|dated| dated.row.holds_at(now)) else { return };
        let provider = text(self.node, "provider");
        let Some(listed) = PriceTable::embedded().lookup(self.name, provider.as_deref(), now) else { return };
        let pair = |row: &PriceRow| row.rates.input.zip(row.rates.output);
        let (Some((input, output)), Some(theirs)) = (pair(&own.row), pair(listed)) else { return };
        if (input, output) != theirs {
            let message = format!(
                "{} costs {} / {} per million tokens here, {} / {} in the catalogue; the file is used",
                self.path,
                per_million(input),
                per_million(output),
                per_million(theirs.0),
                per_million(theirs.1)
            );
            let (path, at) = (own.path.clone(), own.at);
            self.report(Code::PriceDiffers, &path, at, message);
        }
    }
}

fn items<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).and_then(Node::items).unwrap_or_default()
}

/// Prices per million of a sheet; nothing if one of them cannot be read.
fn rates(sheet: &Node) -> Option<Rates> {
    let price = |key: &str| match sheet.get(key) {
        Some(node) => amount(node, 6).map(|dollars| Some(PicoUsd(dollars.0 / 1_000_000))),
        None => Some(None),
    };
    Some(Rates {
        input: price("input")?,
        output: price("output")?,
        cache_read: price("cache_read")?,
        cache_write_5m: price("cache_write_5m")?,
        cache_write_1h: price("cache_write_1h")?,
        reasoning: price("reasoning")?,
    })
}

fn tier(node: &Node) -> Option<Tier> {
    let excess = node.get("applies_to").and_then(Node::text) == Some("excess");
    Some(Tier {
        above_input_tokens: node.get("above_input_tokens")?.integer()?,
        applies_to: if excess { AppliesTo::Excess } else { AppliesTo::Request },
        rates: rates(node.get("per_million")?)?,
    })
}

/// Pico-dollars a token as dollars per million tokens.
fn per_million(price: PicoUsd) -> String {
    PicoUsd(price.0.saturating_mul(1_000_000)).to_string()
}

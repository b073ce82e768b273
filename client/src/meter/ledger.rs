//! The ledger rows of one attempt: each model's tokens, the price row, the arithmetic and both amounts.

use llmctl_proto::event::CostBasis;
use llmctl_proto::ledger::{CostLine, Drift, LedgerRow, MAX_ROWS};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{Line, PriceRow, Priced};
use llmctl_proto::usage::UsageSource;

use super::Meter;
use super::cost::Part;

impl Meter {
    /// What the attempt used and cost, for `cost.recorded`: at least one row, at most `MAX_ROWS`.
    pub fn ledger(&self) -> (Vec<LedgerRow>, Option<Drift>) {
        let source = self.tokens().1;
        let mut rows: Vec<LedgerRow> = Vec::new();
        for part in self.parts(self.estimate()) {
            self.add(&mut rows, &part, source);
        }
        if rows.is_empty() {
            rows.push(LedgerRow {
                model: self.model.clone().unwrap_or_default(),
                provider: self.provider.clone(),
                usage_source: source,
                source: "none".to_owned(),
                ..LedgerRow::default()
            });
        }
        self.settle(&mut rows, source);
        let drift =
            self.drift().map(|drift| Drift { ours_pico_usd: drift.ours, theirs_pico_usd: drift.theirs });
        (rows, drift)
    }

    /// Adds a part to the row of its model.
    fn add(&self, rows: &mut Vec<LedgerRow>, part: &Part<'_>, source: UsageSource) {
        let model = part.model.unwrap_or_default();
        let provider = self.seller(part).map(str::to_owned);
        let at = rows.iter().position(|row| row.model == model && row.provider == provider);
        let at = at.unwrap_or_else(|| {
            if rows.len() < MAX_ROWS {
                rows.push(LedgerRow {
                    model: model.to_owned(),
                    provider,
                    usage_source: source,
                    cost_pico_usd: Some(PicoUsd::ZERO),
                    basis: CostBasis::Computed,
                    reported_pico_usd: self.reported_of(model),
                    ..LedgerRow::default()
                });
            }
            rows.len() - 1
        });
        let priced = self.priced(part);
        let row = &mut rows[at];
        row.tokens = row.tokens.plus(&part.usage);
        match priced.filter(|_| row.model == model) {
            Some((priced, by)) => take(row, &priced, by),
            None => unknown(row),
        }
    }

    /// Says whose figure counts, in the same order as `cost`.
    fn settle(&self, rows: &mut [LedgerRow], source: UsageSource) {
        for row in rows.iter_mut() {
            row.computed_pico_usd = row.cost_pico_usd.filter(|_| !row.lines.is_empty());
        }
        let (total, basis) = self.cost(source);
        if self.free {
            for row in rows.iter_mut() {
                row.cost_pico_usd = Some(PicoUsd::ZERO);
                row.basis = CostBasis::Computed;
                "free".clone_into(&mut row.source);
                row.lines.clear();
            }
            return;
        }
        let by_model = rows.iter().all(|row| row.reported_pico_usd.is_some());
        if basis == CostBasis::Reported && !by_model {
            // One figure for everything stands on the first row, so that the rows still add up to it.
            for (place, row) in rows.iter_mut().enumerate() {
                row.cost_pico_usd = if place == 0 { total } else { Some(PicoUsd::ZERO) };
                row.reported_pico_usd = row.cost_pico_usd;
                row.basis = basis;
            }
        } else if basis == CostBasis::Reported {
            for row in rows.iter_mut() {
                row.cost_pico_usd = row.reported_pico_usd;
                row.basis = basis;
            }
        } else if let (Some(report), [row]) = (self.reported_amount(), &mut *rows) {
            row.reported_pico_usd = Some(report);
        }
        if basis == CostBasis::Reported {
            let whose = if self.charged { "provider" } else { "tool" };
            for row in rows.iter_mut() {
                whose.clone_into(&mut row.source);
            }
        } else if total == Some(PicoUsd::ZERO) {
            // A refusal costs nothing, whatever the price.
            for row in rows.iter_mut().filter(|row| row.tokens.is_zero()) {
                row.cost_pico_usd = Some(PicoUsd::ZERO);
                row.basis = CostBasis::Computed;
            }
        }
    }

    /// The tool's own figure for a model, where its closing account has one.
    fn reported_of(&self, model: &str) -> Option<PicoUsd> {
        self.totals.iter().find(|total| total.model == model)?.reported_pico_usd.map(PicoUsd)
    }
}

fn take(row: &mut LedgerRow, priced: &Priced, by: &PriceRow) {
    let sum = row.cost_pico_usd.and_then(|sum| PicoUsd::sum([sum, priced.amount]).ok());
    row.cost_pico_usd = sum;
    row.basis = if sum.is_some() { row.basis.weaker(priced.basis) } else { CostBasis::Unknown };
    by.source.as_str().clone_into(&mut row.source);
    row.price_row = Some(by.id());
    row.price_valid_from = by.valid_from;
    for line in &priced.lines {
        add_line(&mut row.lines, line);
    }
}

/// A part without a price makes the whole row's cost unknown.
fn unknown(row: &mut LedgerRow) {
    row.cost_pico_usd = None;
    row.basis = CostBasis::Unknown;
    row.lines.clear();
    "none".clone_into(&mut row.source);
}

/// Adds a line to the one of the same class, price, tier and factor.
fn add_line(lines: &mut Vec<CostLine>, line: &Line) {
    let factor = (line.factor_numerator != line.factor_denominator)
        .then(|| format!("{}/{}", line.factor_numerator, line.factor_denominator));
    let same = lines.iter_mut().find(|known| {
        known.class == line.class.as_str()
            && known.price_pico_usd == line.price_pico
            && known.tier_above == line.tier_above
            && known.factor == factor
            && known.derived == line.derived
    });
    match same {
        Some(known) => {
            known.count = known.count.saturating_add(line.tokens);
            known.amount_pico_usd = known.amount_pico_usd.saturating_add(line.amount_pico.0);
        }
        None => lines.push(CostLine {
            class: line.class.as_str().to_owned(),
            count: line.tokens,
            price_pico_usd: line.price_pico,
            tier_above: line.tier_above,
            factor,
            amount_pico_usd: line.amount_pico.0,
            derived: line.derived,
        }),
    }
}

#[cfg(test)]
mod tests {
    use llmctl_proto::time::UnixMs;
    use llmctl_proto::usage::Usage;

    use super::*;
    use crate::tool::{AdapterEvent, ModelTotal};

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    fn message(id: &str, usage: Usage) -> AdapterEvent {
        AdapterEvent::Usage { model: None, message_id: id.into(), usage, complete: true }
    }

    fn meter() -> Meter {
        Meter::new(Some("claude-opus-5-5"), Some("anthropic"), UnixMs(1_795_000_000_000))
    }

    /// Lines add up to what was computed, rows to what is shown.
    fn check(meter: &Meter, rows: &[LedgerRow]) {
        for row in rows {
            let lines: i64 = row.lines.iter().map(|line| line.amount_pico_usd).sum();
            if let Some(computed) = row.computed_pico_usd {
                assert_eq!(lines, computed.0, "{row:?}");
            }
        }
        let sum: Option<i64> = rows.iter().map(|row| row.cost_pico_usd.map(|cost| cost.0)).sum();
        assert_eq!(sum, meter.cost_pico().map(|cost| cost.0));
        let tokens = rows.iter().fold(Usage::default(), |sum, row| sum.plus(&row.tokens));
        assert_eq!(tokens, meter.spend().tokens);
    }

    #[test]
    fn requests_of_one_model_are_one_row_with_its_arithmetic() {
        let mut meter = meter();
        meter.observe(&message("a", usage(100, 10)));
        meter.observe(&message("b", usage(50, 5)));
        meter.close(true);
        let (rows, drift) = meter.ledger();
        check(&meter, &rows);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].lines.len(), 2, "{:?}", rows[0].lines);
        assert_eq!(rows[0].lines.iter().map(|line| line.count).sum::<u64>(), 165);
        assert_eq!(rows[0].source, "catalogue");
        assert!(rows[0].price_row.as_deref().is_some_and(|id| id.contains("claude-opus-5-5")));
        assert_eq!(drift, None);
    }

    #[test]
    fn models_of_a_closing_account_are_rows_with_both_amounts() {
        let total = |model: &str, pico| ModelTotal {
            model: model.into(),
            provider: None,
            usage: usage(1_000, 100),
            reported_pico_usd: Some(pico),
            known_basis: true,
            estimated: false,
        };
        let mut meter = meter();
        meter.observe(&AdapterEvent::ModelTotals(vec![
            total("claude-opus-5-5", 9_000_000_000),
            total("claude-haiku-4-5", 1_500_000_000),
        ]));
        meter.close(true);
        let (rows, drift) = meter.ledger();
        check(&meter, &rows);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].reported_pico_usd, Some(PicoUsd(1_500_000_000)));
        assert!(drift.is_some(), "9.0 against our own figure");
    }

    #[test]
    fn an_unknown_model_is_unknown_and_a_free_one_costs_nothing() {
        let mut meter = Meter::new(Some("nosuchmodel"), None, UnixMs(0));
        meter.observe(&message("a", usage(100, 10)));
        meter.close(true);
        let (rows, _) = meter.ledger();
        check(&meter, &rows);
        assert_eq!((rows[0].cost_pico_usd, rows[0].basis), (None, CostBasis::Unknown));
        meter.set_free();
        let (rows, _) = meter.ledger();
        check(&meter, &rows);
        assert_eq!(rows[0].source, "free");
    }

    #[test]
    fn nothing_reported_is_one_row_without_a_cost() {
        let mut meter = meter();
        meter.observe(&AdapterEvent::Text(b"hello".to_vec()));
        meter.close(true);
        let (rows, _) = meter.ledger();
        check(&meter, &rows);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].cost_pico_usd, None);
    }
}

//! What counted tokens cost: whose figure is used, and how each model is priced.
//!
//! Order: what a provider charged, then what we compute, then what a tool says on a known basis, then unknown.

use llmctl_proto::event::CostBasis;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{Circumstance, PriceRow, PriceTable, Priced, price};
use llmctl_proto::usage::{Usage, UsageSource};

use super::Meter;

/// Difference to the tool's own figure that is worth a warning, in pico-dollars.
const DRIFT_PICO: u64 = 1_000_000;

/// Tokens of one model and what they cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterRow {
    /// The model; empty when nobody named it.
    pub model: String,
    /// Disjoint classes.
    pub usage: Usage,
    /// Computed cost; none without a price.
    pub cost: Option<PicoUsd>,
    /// How it was found.
    pub basis: CostBasis,
}

/// Our figure and the tool's differ by more than 1 % or 1,000 nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// What we computed.
    pub ours: PicoUsd,
    /// What the tool or provider says.
    pub theirs: PicoUsd,
}

impl Meter {
    /// The cost in pico-dollars, as `spend` rounds it.
    pub fn cost_pico(&self) -> Option<PicoUsd> {
        self.cost(self.tokens().1).0
    }

    /// Tokens and computed cost of each model, without estimates.
    pub fn rows(&self) -> Vec<MeterRow> {
        let mut rows: Vec<MeterRow> = Vec::new();
        for part in self.parts(0) {
            let (cost, basis) = self.price(&part);
            let model = part.model.unwrap_or_default();
            if let Some(row) = rows.iter_mut().find(|row| row.model == model) {
                row.usage = row.usage.plus(&part.usage);
                row.cost = row.cost.zip(cost).and_then(|(a, b)| PicoUsd::sum([a, b]).ok());
                row.basis = weaker(row.basis, basis);
            } else {
                rows.push(MeterRow { model: model.to_owned(), usage: part.usage, cost, basis });
            }
        }
        for row in rows.iter_mut().filter(|row| row.cost.is_none()) {
            row.basis = CostBasis::Unknown;
        }
        rows
    }

    /// The difference to the tool's own figure, when it is worth a warning.
    pub fn drift(&self) -> Option<Drift> {
        let known =
            self.charged || self.reported.map_or_else(|| self.totals_known(), |report| report.known_basis);
        let theirs = self.reported_amount().filter(|_| known)?;
        let (ours, _) = self.computed(0)?;
        let apart = ours.0.abs_diff(theirs.0);
        let large = apart > DRIFT_PICO || u128::from(apart) * 100 > u128::from(ours.0.unsigned_abs());
        large.then_some(Drift { ours, theirs })
    }

    pub(super) fn cost(&self, source: UsageSource) -> (Option<PicoUsd>, CostBasis) {
        if self.free {
            return (Some(PicoUsd::ZERO), CostBasis::Computed);
        }
        let report = self.reported.filter(|report| report.known_basis || self.charged);
        if let Some(report) = report.filter(|_| self.charged) {
            return (Some(report.amount), CostBasis::Reported);
        }
        let nothing_used = self.refused && !self.worked;
        if source == UsageSource::None && nothing_used && self.closed.is_some() {
            return (Some(PicoUsd::ZERO), CostBasis::Computed);
        }
        if source != UsageSource::None
            && let Some((amount, basis)) = self.computed(self.estimate())
        {
            return (Some(amount), basis);
        }
        // A figure of zero beside an answer is as good as none.
        let told = report
            .map(|report| report.amount)
            .or_else(|| self.reported_amount().filter(|_| self.totals_known()));
        match told.filter(|amount| *amount != PicoUsd::ZERO) {
            Some(amount) => (Some(amount), CostBasis::Reported),
            None => (None, CostBasis::Unknown),
        }
    }

    /// Our own sum; none when there is nothing to price, a model has no price, or the sum does not fit.
    fn computed(&self, guess: u64) -> Option<(PicoUsd, CostBasis)> {
        let parts = self.parts(guess);
        // An estimate of output alone would be a price without its input.
        if parts.is_empty() || (!self.has_reports() && self.prompt_bytes.is_none()) {
            return None;
        }
        let mut basis = CostBasis::Computed;
        let mut sum = 0_i128;
        for part in &parts {
            let (amount, part_basis) = self.price(part);
            sum += i128::from(amount?.0);
            basis = weaker(basis, part_basis);
        }
        PicoUsd::from_sum(sum).ok().map(|sum| (sum, basis))
    }

    pub(super) fn parts(&self, guess: u64) -> Vec<Part<'_>> {
        let own = self.model.as_deref();
        let totals = self.totals.iter().map(|row| Part {
            model: Some(row.model.as_str()).filter(|m| !m.is_empty()).or(own),
            provider: row.provider.as_deref(),
            usage: row.usage,
            per_request: false,
        });
        let settled = self.settled.iter().map(|(model, usage)| Part {
            model: Some(model.as_str()).filter(|m| !m.is_empty()).or(own),
            provider: None,
            usage: *usage,
            per_request: false,
        });
        let messages = self.messages.iter().map(|message| Part {
            model: message.model.as_deref().or(own),
            provider: None,
            usage: message.usage,
            per_request: !self.messages_are_totals,
        });
        let guess = (guess > 0).then(|| Part {
            model: self.messages.last().and_then(|message| message.model.as_deref()).or(own),
            provider: None,
            usage: Usage { input: self.assumed_input(), output: guess, ..Usage::default() },
            per_request: true,
        });
        totals.chain(settled).chain(messages).chain(guess).filter(|part| !part.usage.is_zero()).collect()
    }

    fn price(&self, part: &Part<'_>) -> (Option<PicoUsd>, CostBasis) {
        match self.priced(part) {
            Some((priced, _)) => (Some(priced.amount), priced.basis),
            None => (None, CostBasis::Unknown),
        }
    }

    /// The part priced by the row in force when the attempt began.
    pub(super) fn priced(&self, part: &Part<'_>) -> Option<(Priced, &PriceRow)> {
        let row = self.row(part.model?, self.seller(part))?;
        let of = Circumstance {
            per_request: part.per_request,
            service_tier: self.service_tier.as_deref(),
            ..Circumstance::request(self.started)
        };
        price(row, &part.usage, &of).ok().map(|priced| (priced, row))
    }

    /// Who is paid for a part.
    pub(super) fn seller<'a>(&'a self, part: &Part<'a>) -> Option<&'a str> {
        // Claude Code says `firstParty` of any address it was given, so the request knows better.
        let served = part.provider.filter(|name| *name != "firstParty");
        served.or(self.provider.as_deref()).or(part.provider)
    }

    fn row(&self, model: &str, provider: Option<&str>) -> Option<&PriceRow> {
        let table = self.prices.as_deref().unwrap_or(PriceTable::embedded());
        table.lookup(model, provider, self.started)
    }

    pub(super) fn totals_known(&self) -> bool {
        !self.totals.is_empty() && self.totals.iter().all(|row| row.known_basis)
    }

    /// What the tool said of the whole run, or of each model.
    pub(super) fn reported_amount(&self) -> Option<PicoUsd> {
        self.reported.map(|report| report.amount).or_else(|| {
            let amounts: Option<Vec<_>> =
                self.totals.iter().map(|row| row.reported_pico_usd.map(PicoUsd)).collect();
            PicoUsd::sum(amounts.filter(|amounts| !amounts.is_empty())?).ok()
        })
    }
}

/// Tokens that one price applies to.
pub(super) struct Part<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) usage: Usage,
    /// Of one request; false: a total of several.
    pub(super) per_request: bool,
}

/// The basis that promises less.
fn weaker(a: CostBasis, b: CostBasis) -> CostBasis {
    let rank = |basis| match basis {
        CostBasis::Computed => 0,
        CostBasis::Derived => 1,
        CostBasis::Reported => 2,
        CostBasis::Unknown => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

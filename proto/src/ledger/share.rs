//! What a record counts for: everything, and its project, agent, tool, models and providers.

use crate::config::BudgetScope;
use crate::event::CostRecorded;
use crate::money::PicoUsd;

/// A part of a record's cost and one thing it counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<'a> {
    /// Kind of thing.
    pub scope: BudgetScope,
    /// Which one; empty for everything.
    pub value: &'a str,
    /// Pico-dollars, never negative.
    pub pico: i64,
}

/// What was recorded in a quarter of an hour for one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Number of the quarter since 1970.
    pub bucket: i64,
    /// Kind of thing.
    pub scope: BudgetScope,
    /// Which one; empty for everything.
    pub value: String,
    /// Pico-dollars.
    pub pico: i64,
}

/// What a record's known rows come to; the rounded figure where it has no rows.
pub fn cost_of(record: &CostRecorded) -> PicoUsd {
    if record.rows.is_empty() {
        let nano = record.cost_nano_usd.unwrap_or(0).max(0);
        return PicoUsd::from_nano(nano).unwrap_or(PicoUsd(i64::MAX));
    }
    let sum: i128 =
        record.rows.iter().filter_map(|row| row.cost_pico_usd).map(|c| i128::from(c.0.max(0))).sum();
    PicoUsd(i64::try_from(sum).unwrap_or(i64::MAX))
}

/// Everything a record counts for; each row for its own model and provider. Nameless things are left out.
pub fn shares(record: &CostRecorded) -> Vec<Share<'_>> {
    let pico = cost_of(record).0;
    let whole = [
        (BudgetScope::Project, record.project.as_deref()),
        (BudgetScope::Agent, record.agent.as_deref()),
        (BudgetScope::Tool, Some(record.tool.as_str())),
        (BudgetScope::Provider, record.provider.as_deref().filter(|_| record.rows.is_empty())),
    ];
    let whole = whole.into_iter().map(|(scope, value)| (scope, value, pico));
    let rows = record.rows.iter().filter_map(|row| Some((row, row.cost_pico_usd?.0.max(0))));
    let rows = rows.flat_map(|(row, pico)| {
        let provider = row.provider.as_deref().or(record.provider.as_deref());
        [(BudgetScope::Model, Some(row.model.as_str()), pico), (BudgetScope::Provider, provider, pico)]
    });
    let named = whole.chain(rows).filter_map(|(scope, value, pico)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(Share { scope, value, pico })
    });
    std::iter::once(Share { scope: BudgetScope::All, value: "", pico }).chain(named).collect()
}

//! What records of the ledger add up to: sums by whatever they are looked at by. Pure, and exact: sums are taken in
//! pico-dollars, and the rounded rows of a report add up to its rounded total.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::table::{Bucket, Line, Table};
use crate::event::{CostBasis, CostRecorded};
use crate::ledger::LedgerRow;
use crate::money::PicoUsd;
use crate::time::UnixMs;
use crate::usage::{Usage, UsageSource};

/// What a report is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Model of the row.
    Model,
    /// Tool of the attempt.
    Tool,
    /// Provider.
    Provider,
    /// Agent.
    Agent,
    /// Project.
    Project,
    /// Task file.
    Task,
    /// Task type.
    TaskType,
    /// Policy.
    Policy,
    /// Day of the zone.
    Day,
    /// Month of the zone.
    Month,
}

impl By {
    /// All of them, in the order of the help text.
    pub const ALL: [Self; 10] = [
        Self::Model,
        Self::Tool,
        Self::Provider,
        Self::Agent,
        Self::Project,
        Self::Task,
        Self::TaskType,
        Self::Policy,
        Self::Day,
        Self::Month,
    ];

    /// The name in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::Project => "project",
            Self::Task => "task",
            Self::TaskType => "task_type",
            Self::Policy => "policy",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The grouping of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == name)
    }

    /// The group of a row; none for what has no value to be grouped by.
    pub(super) fn key(self, record: &CostRecorded, row: &LedgerRow, zone: &TimeZone) -> Option<String> {
        let day = |length: usize| local(record.recorded_at, zone)?.get(..length).map(str::to_owned);
        match self {
            Self::Model => Some(row.model.clone()).filter(|model| !model.is_empty()),
            Self::Tool => Some(record.tool.clone()).filter(|tool| !tool.is_empty()),
            Self::Provider => row.provider.clone().or_else(|| record.provider.clone()),
            Self::Agent => record.agent.clone(),
            Self::Project => record.project.clone(),
            Self::Task => record.task_id.clone(),
            Self::TaskType => record.task_type.clone(),
            Self::Policy => record.policy.clone(),
            Self::Day => day(10),
            Self::Month => day(7),
        }
    }
}

/// A moment on the clocks of a zone, to the minute: `2026-11-23T09:30`.
pub(super) fn local(at: UnixMs, zone: &TimeZone) -> Option<String> {
    let here = Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone());
    Some(here.strftime("%Y-%m-%dT%H:%M").to_string())
}

/// A sum over rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    operations: BTreeSet<String>,
    /// Rows that were added.
    pub rows: u64,
    /// Tokens by class.
    pub tokens: Usage,
    /// Known costs, in pico-dollars.
    pub cost_pico: i128,
    /// What tools and providers said, in pico-dollars.
    pub reported_pico: i128,
    /// Rows whose cost nobody knows; they are not in `cost_pico`.
    pub unknown: u64,
    /// Rows with a derived price.
    pub derived: u64,
    /// Rows whose tokens are partial or estimated.
    pub inexact: u64,
    /// Attempts where our cost and the tool's own disagree.
    pub drifted: u64,
}

impl Sum {
    /// Operations behind it.
    pub fn operations(&self) -> u64 {
        self.operations.len() as u64
    }

    /// The known costs.
    pub fn cost(&self) -> PicoUsd {
        PicoUsd::from_sum(self.cost_pico).unwrap_or(PicoUsd(i64::MAX))
    }

    /// The sum as displays and scripts get it; amounts in nano-dollars, and the cost as a decimal text besides.
    pub fn to_json(&self) -> Value {
        json!({
            "operations": self.operations(),
            "tokens": self.tokens,
            "tokens_total": self.tokens.total(),
            "cost_nano_usd": self.cost().nano(),
            "cost_usd": self.cost().exact(),
            "reported_cost_nano_usd": PicoUsd::from_sum(self.reported_pico).map_or(i64::MAX, PicoUsd::nano),
            "rows": self.rows,
            "unknown": self.unknown,
            "derived": self.derived,
            "inexact": self.inexact,
            "drifted": self.drifted,
        })
    }

    /// Adds all rows of an attempt.
    pub fn add_record(&mut self, record: &CostRecorded) {
        for row in &record.rows {
            self.add(record, row);
        }
        self.drifted += u64::from(record.drift.is_some());
    }

    pub(super) fn add(&mut self, record: &CostRecorded, row: &LedgerRow) {
        if !self.operations.contains(record.operation_id.as_str()) {
            self.operations.insert(record.operation_id.to_string());
        }
        self.rows += 1;
        self.tokens = self.tokens.plus(&row.tokens);
        match row.cost_pico_usd {
            Some(cost) => self.cost_pico += i128::from(cost.0),
            None => self.unknown += 1,
        }
        self.reported_pico += row.reported_pico_usd.map_or(0, |reported| i128::from(reported.0));
        self.derived += u64::from(row.basis == CostBasis::Derived);
        self.inexact += u64::from(matches!(row.usage_source, UsageSource::Partial | UsageSource::Estimated));
    }
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is grouped by; none for what has no value, such as operations without an agent.
    pub key: Option<String>,
    /// Its sum.
    pub sum: Sum,
    /// Its cost in nano-dollars, rounded so that all lines add up to the rounded total.
    pub cost_nano_usd: i64,
}

/// Which records a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Recorded at or after.
    pub from: Option<UnixMs>,
    /// Recorded before.
    pub to: Option<UnixMs>,
}

impl Span {
    /// Whether a record lies in it.
    pub fn holds(&self, record: &CostRecorded) -> bool {
        self.from.is_none_or(|from| from <= record.recorded_at)
            && self.to.is_none_or(|to| record.recorded_at < to)
    }
}

/// The sum over all rows of records.
pub fn total<'a>(records: impl IntoIterator<Item = &'a CostRecorded>) -> Sum {
    let mut sum = Sum::default();
    for record in records {
        sum.add_record(record);
    }
    sum
}

/// Sums by what they are looked at by: days and months in their order, all else the dearest first.
pub fn group<'a>(records: impl IntoIterator<Item = &'a CostRecorded>, by: By, zone: &TimeZone) -> Vec<Group> {
    let mut table = Table::new(Bucket::All, by, zone.clone());
    for record in records {
        table.add(record);
    }
    let group = |line: Line| Group { key: line.key, sum: line.sum, cost_nano_usd: line.cost_nano_usd };
    table.into_lines().into_iter().map(group).collect()
}

/// The first moment of the day, week (from Monday) and month that `now` lies in.
pub fn period_starts(zone: &TimeZone, now: UnixMs) -> Option<[UnixMs; 3]> {
    let here = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
    let today = here.date();
    let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
    let begin = |date: jiff::civil::Date| {
        let start = date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
        Some(UnixMs(start.timestamp().as_millisecond()))
    };
    Some([begin(today)?, begin(monday)?, begin(today.first_of_month())?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(id: u32, at: i64, rows: Vec<LedgerRow>) -> CostRecorded {
        CostRecorded {
            operation_id: format!("exec-{id}").parse().expect("an id"),
            attempt: 1,
            tool: format!("tool-{}", id % 3),
            provider: None,
            agent: id.is_multiple_of(2).then(|| "dev".to_owned()),
            project: None,
            task_type: None,
            task_id: None,
            policy: None,
            started_at: UnixMs(at),
            recorded_at: UnixMs(at),
            rows,
            cost_nano_usd: None,
            drift: None,
        }
    }

    fn row(model: &str, pico: Option<i64>) -> LedgerRow {
        LedgerRow { model: model.into(), cost_pico_usd: pico.map(PicoUsd), ..LedgerRow::default() }
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    #[test]
    fn unknown_is_counted_and_never_zero() {
        let records = [record(1, 5, vec![row("a", Some(7)), row("b", None)])];
        let sum = total(&records);
        assert_eq!((sum.cost_pico, sum.unknown, sum.operations(), sum.rows), (7, 1, 1, 2));
        let groups = group(&records, By::Agent, &TimeZone::UTC);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].key, None);
    }

    #[test]
    fn days_are_those_of_the_zone_through_a_change_of_clocks() {
        // 29 March 2026 has 23 hours in Berlin: 23:30 UTC of the 28th is its first hour.
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_millisecond();
        let records = [
            record(1, at("2026-03-28T22:59:59Z"), vec![row("a", Some(1))]),
            record(2, at("2026-03-28T23:30:00Z"), vec![row("a", Some(2))]),
            record(3, at("2026-03-29T21:59:59Z"), vec![row("a", Some(4))]),
            record(4, at("2026-03-29T22:00:00Z"), vec![row("a", Some(8))]),
        ];
        let days: Vec<(Option<String>, i128)> = group(&records, By::Day, &zone("Europe/Berlin"))
            .into_iter()
            .map(|group| (group.key, group.sum.cost_pico))
            .collect();
        let day = |text: &str| Some(text.to_owned());
        assert_eq!(days, [(day("2026-03-28"), 1), (day("2026-03-29"), 6), (day("2026-03-30"), 8)]);
    }

    #[test]
    fn weeks_begin_on_monday() {
        let now = UnixMs("2026-11-22T10:00:00Z".parse::<Timestamp>().expect("a time").as_millisecond());
        let starts = period_starts(&TimeZone::UTC, now).expect("a date").map(|start| start.to_string());
        assert_eq!(
            starts,
            ["2026-11-22T00:00:00.000Z", "2026-11-16T00:00:00.000Z", "2026-11-01T00:00:00.000Z"]
        );
    }

    proptest! {
        #[test]
        fn every_grouping_adds_up_to_the_total(
            costs in proptest::collection::vec((0_u32..40, 0_i64..4_000_000_000_000, 0_i64..5_000_000), 0..60),
            by in 0_usize..10,
            name in prop_oneof![Just("UTC"), Just("Asia/Kathmandu"), Just("America/New_York")],
        ) {
            let models = ["a", "b", ""];
            let records: Vec<CostRecorded> = costs
                .iter()
                .map(|(id, at, pico)| {
                    record(*id, *at, vec![row(models[*id as usize % 3], Some(*pico)), row("x", Some(pico / 3))])
                })
                .collect();
            let sum = total(&records);
            let groups = group(&records, By::ALL[by], &zone(name));
            prop_assert_eq!(groups.iter().map(|g| g.sum.cost_pico).sum::<i128>(), sum.cost_pico);
            prop_assert_eq!(groups.iter().map(|g| g.cost_nano_usd).sum::<i64>(), sum.cost().nano());
            let tokens = groups.iter().fold(Usage::default(), |t, g| t.plus(&g.sum.tokens));
            prop_assert_eq!(tokens, sum.tokens);
            let mut turned = records.clone();
            turned.reverse();
            prop_assert_eq!(total(&turned), sum);
        }
    }
}

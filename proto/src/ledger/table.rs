//! Sums of the ledger in two directions: by time and by something else. They grow record by record, so that a long
//! ledger is never in memory as a whole.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::report::{By, Sum, local};
use crate::event::CostRecorded;
use crate::money::PicoUsd;
use crate::time::UnixMs;

/// Spans of time that sums are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// All of it.
    All,
    /// Hours of the zone; where clocks are set back, two of them are one.
    Hour,
    /// Days of the zone.
    Day,
    /// Months of the zone.
    Month,
}

impl Bucket {
    /// The span of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "month" => Self::Month,
            _ => return None,
        })
    }

    fn key(self, at: UnixMs, zone: &TimeZone) -> Option<String> {
        let length = match self {
            Self::All => return None,
            Self::Hour => 13,
            Self::Day => 10,
            Self::Month => 7,
        };
        local(at, zone)?.get(..length).map(str::to_owned)
    }
}

/// One sum of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Span of time, as `2026-11`, `2026-11-23` or `2026-11-23T09`; none for all time.
    pub bucket: Option<String>,
    /// What it is grouped by; none for what has no value, such as operations without an agent.
    pub key: Option<String>,
    /// The sum.
    pub sum: Sum,
    /// Its cost in nano-dollars, rounded so that all lines add up to the rounded total.
    pub cost_nano_usd: i64,
}

/// Sums that grow.
#[derive(Debug)]
pub struct Table {
    bucket: Bucket,
    by: By,
    zone: TimeZone,
    sums: BTreeMap<(Option<String>, Option<String>), Sum>,
}

impl Table {
    /// An empty table.
    pub fn new(bucket: Bucket, by: By, zone: TimeZone) -> Self {
        Self { bucket, by, zone, sums: BTreeMap::new() }
    }

    /// Adds an attempt.
    pub fn add(&mut self, record: &CostRecorded) {
        let bucket = self.bucket.key(record.recorded_at, &self.zone);
        let mut drifted = record.drift.is_some();
        for row in &record.rows {
            let sum = self.sums.entry((bucket.clone(), self.by.key(record, row, &self.zone))).or_default();
            sum.add(record, row);
            sum.drifted += u64::from(std::mem::take(&mut drifted));
        }
    }

    /// Sums so far.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// The lines: by time, and within a span of time the dearest first, but days and months in their order.
    pub fn into_lines(self) -> Vec<Line> {
        let line = |((bucket, key), sum)| Line { bucket, key, sum, cost_nano_usd: 0 };
        let mut lines: Vec<Line> = self.sums.into_iter().map(line).collect();
        if !matches!(self.by, By::Day | By::Month) {
            lines.sort_by(|a, b| {
                a.bucket.cmp(&b.bucket).then((b.sum.cost_pico, &a.key).cmp(&(a.sum.cost_pico, &b.key)))
            });
        }
        // Differences of a rounded running sum: each is off by less than one nano-dollar, and together by nothing.
        let (mut running, mut shown) = (0_i128, 0_i64);
        for line in &mut lines {
            running += line.sum.cost_pico;
            let now = PicoUsd::from_sum(running).unwrap_or(PicoUsd(i64::MAX)).nano();
            line.cost_nano_usd = now.saturating_sub(shown);
            shown = now;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerRow;

    fn record(at: &str, model: &str, pico: i64) -> CostRecorded {
        let at = UnixMs(at.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
        CostRecorded {
            operation_id: "exec-a".parse().expect("an id"),
            attempt: 1,
            tool: "t".into(),
            provider: None,
            agent: None,
            project: None,
            task_type: None,
            task_id: None,
            policy: None,
            started_at: at,
            recorded_at: at,
            rows: vec![LedgerRow {
                model: model.into(),
                cost_pico_usd: Some(PicoUsd(pico)),
                ..LedgerRow::default()
            }],
            cost_nano_usd: None,
            drift: None,
        }
    }

    #[test]
    fn spans_of_time_and_groups_add_up() {
        let records = [
            record("2026-11-22T23:30:00Z", "a", 1_500),
            record("2026-11-22T22:30:00Z", "a", 700),
            record("2026-11-22T22:59:00Z", "b", 800),
            record("2026-12-01T00:00:00Z", "b", 499),
        ];
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        let lines = |bucket| {
            let mut table = Table::new(bucket, By::Model, zone.clone());
            assert!(table.is_empty());
            for record in &records {
                table.add(record);
            }
            assert!(table.len() >= 2);
            table.into_lines()
        };
        let text = |line: &Line| {
            let key = line.key.clone().unwrap_or_default();
            format!("{} {key} {}", line.bucket.as_deref().unwrap_or("-"), line.sum.cost_pico)
        };
        let all = |bucket| lines(bucket).iter().map(text).collect::<Vec<_>>();
        assert_eq!(all(Bucket::All), ["- a 2200", "- b 1299"]);
        assert_eq!(all(Bucket::Month), ["2026-11 a 2200", "2026-11 b 800", "2026-12 b 499"]);
        assert_eq!(
            all(Bucket::Day),
            ["2026-11-22 b 800", "2026-11-22 a 700", "2026-11-23 a 1500", "2026-12-01 b 499"]
        );
        assert_eq!(
            all(Bucket::Hour),
            ["2026-11-22T23 b 800", "2026-11-22T23 a 700", "2026-11-23T00 a 1500", "2026-12-01T01 b 499"]
        );
        for bucket in [Bucket::All, Bucket::Hour, Bucket::Day, Bucket::Month] {
            assert_eq!(lines(bucket).iter().map(|line| line.cost_nano_usd).sum::<i64>(), 3);
        }
    }
}

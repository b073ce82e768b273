//! The report: sums of periods, and by whatever they are looked at by.
//!
//! It depends on the ledger and on one moment alone, so the report of a moment is the same bytes whenever it is
//! asked for.

use jiff::tz::TimeZone;
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::report::{By, Group, Span, Sum, group, total};
use llmctl_proto::money::show_nano;
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use std::fmt::Write as _;

use super::{as_of, print, println, records, span, within, zone};
use crate::cli::config::ConfigFlags;
use crate::cli::{self, CostBy, Period};
use crate::error::{CliError, Exit, Outcome};
use crate::term::{Table, one_line, tokens};

/// Lines of a report by something; the rest is summed up in one.
const LINES: usize = 40;

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: cli::Cost) -> Outcome {
    let zone = zone(paths, flags, args.span.timezone.as_deref())?;
    let now = as_of(args.as_of.as_deref(), &zone)?;
    let whole = span(&args.span, &zone, now)?;
    let asked = match args.period {
        Some(period) => within(whole, period, &zone, now),
        None => whole,
    };
    let mut found: Vec<CostRecorded> = Vec::new();
    records::each(paths, asked, |mut record| {
        // The arithmetic is for `explain`; a long history is only summed here.
        for row in &mut record.rows {
            row.lines = Vec::new();
        }
        found.push(record);
        Ok(())
    })
    .await?;
    let report = Report { zone: &zone, now, records: &found, whole: asked, args: &args };
    if args.json {
        let text =
            serde_json::to_string_pretty(&report.json()).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
    } else {
        print(&report.text())?;
    }
    Ok(Exit::Ok)
}

struct Report<'a> {
    zone: &'a TimeZone,
    now: UnixMs,
    records: &'a [CostRecorded],
    whole: Span,
    args: &'a cli::Cost,
}

impl Report<'_> {
    fn periods(&self) -> Vec<(&'static str, Sum)> {
        let named = [
            (Period::Today, "today"),
            (Period::Week, "this week"),
            (Period::Month, "this month"),
            (Period::Total, "total"),
        ];
        let wanted = |period: Period| self.args.period.is_none_or(|asked| asked == period);
        named
            .into_iter()
            .filter(|(period, _)| wanted(*period))
            .map(|(period, name)| {
                let span = within(self.whole, period, self.zone, self.now);
                (name, total(self.records.iter().filter(|record| span.holds(record))))
            })
            .collect()
    }

    /// What is grouped: everything asked for, or this month by model when nothing was said.
    fn groups(&self) -> (By, &'static str, Vec<Group>) {
        let by = self.args.by.map_or(By::Model, by_of);
        let bare = self.args.by.is_none() && self.args.period.is_none();
        let period = if bare { Period::Month } else { self.args.period.unwrap_or(Period::Total) };
        let span = within(self.whole, period, self.zone, self.now);
        let name = match period {
            Period::Today => "today",
            Period::Week => "this week",
            Period::Month => "this month",
            Period::Total => "in all",
        };
        (by, name, group(self.records.iter().filter(|record| span.holds(record)), by, self.zone))
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut table = Table::new(&["", "OPERATIONS", "TOKENS", "COST"]);
        let periods = self.periods();
        for (name, sum) in &periods {
            let cells = [*name, &sum.operations().to_string(), &tokens(sum.tokens.total()), &shown(sum)];
            table.row(cells.map(str::to_owned).to_vec());
        }
        out.push_str(&table.render());
        let (by, name, groups) = self.groups();
        if !groups.is_empty() {
            let _ = write!(out, "\nby {}, {name}\n", by.as_str().replace('_', " "));
            out.push_str(&lines(by, &groups));
        }
        if let Some((_, all)) = periods.last() {
            out.push_str(&notes(all));
        }
        let zone = self.zone.iana_name().unwrap_or("local time");
        let _ = write!(out, "\nas of {}, days of {zone}\n", self.now);
        out
    }

    fn json(&self) -> Value {
        let (by, _, groups) = self.groups();
        json!({
            "as_of": self.now,
            "timezone": self.zone.iana_name(),
            "periods": self.periods().iter().map(|(name, sum)| {
                let mut value = sum.to_json();
                value["period"] = json!(name.replace(' ', "_"));
                value
            }).collect::<Vec<_>>(),
            "by": by.as_str(),
            "rows": groups.iter().map(|group| {
                let mut value = group.sum.to_json();
                value["key"] = json!(group.key);
                value["cost_nano_usd"] = json!(group.cost_nano_usd);
                value
            }).collect::<Vec<_>>(),
        })
    }
}

fn by_of(by: CostBy) -> By {
    match by {
        CostBy::Model => By::Model,
        CostBy::Tool => By::Tool,
        CostBy::Provider => By::Provider,
        CostBy::Agent => By::Agent,
        CostBy::Project => By::Project,
        CostBy::Task => By::Task,
        CostBy::TaskType => By::TaskType,
        CostBy::Policy => By::Policy,
        CostBy::Day => By::Day,
        CostBy::Month => By::Month,
    }
}

/// The known cost; a sum of which nothing is known is not zero.
fn shown(sum: &Sum) -> String {
    if sum.rows > 0 && sum.unknown == sum.rows {
        return "unknown".to_owned();
    }
    let about = if sum.inexact > 0 { "≈" } else { "" };
    let more = if sum.unknown > 0 { "+" } else { "" };
    format!("{about}{}{more}", sum.cost())
}

fn lines(by: By, groups: &[Group]) -> String {
    let mut table = Table::new(&["", "OPERATIONS", "INPUT", "CACHED", "OUTPUT", "COST", "SHARE"]);
    let all: i128 = groups.iter().map(|group| group.sum.cost_pico).sum();
    for group in groups.iter().take(LINES) {
        let sum = &group.sum;
        let name =
            group.key.as_deref().map_or_else(|| format!("(no {})", by.as_str()), |key| one_line(key, 60));
        let cached = sum.tokens.cache_read + sum.tokens.cache_write_5m + sum.tokens.cache_write_1h;
        let share = (sum.cost_pico * 1_000).checked_div(all).unwrap_or(0);
        table.row(vec![
            name,
            sum.operations().to_string(),
            tokens(sum.tokens.input),
            tokens(cached),
            tokens(sum.tokens.output),
            shown(sum),
            format!("{}.{} %", share / 10, share % 10),
        ]);
    }
    let mut text = table.render();
    if groups.len() > LINES {
        let rest: i64 = groups[LINES..].iter().map(|group| group.cost_nano_usd).sum();
        let _ = writeln!(text, "and {} more, {}", groups.len() - LINES, show_nano(rest));
    }
    text
}

/// What the figures do not say by themselves.
fn notes(sum: &Sum) -> String {
    let mut notes = Vec::new();
    if sum.unknown > 0 {
        notes.push(format!("+ {} without a known cost, not in the sums", sum.unknown));
    }
    if sum.inexact > 0 {
        notes.push(format!("≈ {} cut off, counted from what was reported or estimated", sum.inexact));
    }
    if sum.derived > 0 {
        notes.push(format!("{} with a price derived from another class", sum.derived));
    }
    if sum.drifted > 0 {
        notes.push(format!(
            "{} where the tool's own figure differs from ours; see `llmctl cost explain ID`",
            sum.drifted
        ));
    }
    if notes.is_empty() { String::new() } else { format!("\n{}\n", notes.join("\n")) }
}

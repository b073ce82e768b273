//! `llmctl cost`: what was spent, as the ledger has it, with a daemon or from the journals.

mod explain;
mod export;
mod records;
mod report;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use llmctl_proto::ledger::report::{Span, period_starts};
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;

use super::{print, println};
use crate::cli;
use crate::cli::config::ConfigFlags;
use crate::config;
use crate::error::{CliError, Outcome};

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: cli::Cost) -> Outcome {
    match args.verb {
        Some(cli::CostVerb::Explain { id, json }) => explain::run(paths, &id, json).await,
        Some(cli::CostVerb::Export { csv, span, .. }) => export::run(paths, flags, &span, csv).await,
        None => report::run(paths, flags, args).await,
    }
}

/// The zone in which days begin: asked for, configured, or the system's.
fn zone(paths: &Paths, flags: &ConfigFlags, asked: Option<&str>) -> Result<TimeZone, CliError> {
    if let Some(name) = asked {
        return TimeZone::get(name).map_err(|_| {
            CliError::usage(format!("unknown time zone {name:?}")).hint("an IANA name, such as Europe/Zurich")
        });
    }
    let loaded = config::load(paths, flags)?;
    let policies = loaded.tree.get("policies");
    let policy = policies.and_then(|policies| policies.get(&loaded.config.default_policy));
    if policy.and_then(|policy| policy.get("timezone")).is_none() {
        return Ok(TimeZone::system());
    }
    let (_, policy) = loaded.config.policy(None, None).unwrap_or_default();
    Ok(TimeZone::get(&policy.timezone).unwrap_or_else(|_| TimeZone::system()))
}

/// A date or a time; a date is its first moment in the zone.
fn moment(text: &str, zone: &TimeZone) -> Result<UnixMs, CliError> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(UnixMs(stamp.as_millisecond()));
    }
    let date: Option<Date> = text.parse().ok();
    let start = date.and_then(|date| date.to_zoned(zone.clone()).ok()?.start_of_day().ok());
    start.map(|start| UnixMs(start.timestamp().as_millisecond())).ok_or_else(|| {
        CliError::usage(format!("{text:?} is no time")).hint("write a date (2026-11-23) or RFC 3339")
    })
}

/// The moment of a report: now, the time given, or the last moment of the date given.
fn as_of(text: Option<&str>, zone: &TimeZone) -> Result<UnixMs, CliError> {
    let Some(text) = text else { return Ok(UnixMs::now()) };
    let Ok(date) = text.parse::<Date>() else { return moment(text, zone) };
    if text.contains(['T', ' ']) {
        return moment(text, zone);
    }
    let next = date.tomorrow().map_err(|e| CliError::usage(e.to_string()))?;
    moment(&next.to_string(), zone).map(|next| UnixMs(next.0 - 1))
}

/// What a call asks for, up to a moment.
fn span(asked: &cli::Span, zone: &TimeZone, now: UnixMs) -> Result<Span, CliError> {
    let since = asked.since.map(|since| UnixMs(now.0 - i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
    let from = asked.from.as_deref().map(|text| moment(text, zone)).transpose()?.or(since);
    let to = asked.to.as_deref().map(|text| moment(text, zone)).transpose()?;
    let end = UnixMs(now.0.saturating_add(1));
    Ok(Span { from, to: Some(to.map_or(end, |to| UnixMs(to.0.min(end.0)))) })
}

/// The part of a span that lies in a period.
fn within(span: Span, period: cli::Period, zone: &TimeZone, now: UnixMs) -> Span {
    let starts = period_starts(zone, now);
    let start = match (period, starts) {
        (cli::Period::Today, Some([day, _, _])) => Some(day),
        (cli::Period::Week, Some([_, week, _])) => Some(week),
        (cli::Period::Month, Some([_, _, month])) => Some(month),
        (cli::Period::Total, _) | (_, None) => None,
    };
    Span { from: span.from.max(start), ..span }
}

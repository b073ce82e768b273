//! Where days and months begin in a zone.
//!
//! Pure: the moment is passed in, and rules come from the system's zone data or, where a machine has none, from
//! the copy inside the program. Nothing here keeps a sum. Offsets of all zones are whole quarters of an hour, so
//! every border found here falls between two buckets of `BUCKET_MS`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::BudgetPeriod;
use crate::time::UnixMs;

/// Milliseconds of the smallest span whose sums still add up to every zone's days: a quarter of an hour.
pub const BUCKET_MS: i64 = 15 * 60 * 1_000;

/// A moment before everything, where an operation's period begins.
const EVER: UnixMs = UnixMs(i64::MIN);
/// A moment after everything, where an operation's period ends.
const NEVER: UnixMs = UnixMs(i64::MAX);

/// Whether `zone` is an IANA name that is known here.
pub fn is_zone(zone: &str) -> bool {
    TimeZone::get(zone).is_ok()
}

/// The first moment of the period that `now` lies in. An unknown zone counts as UTC; an operation's period is
/// all time.
pub fn period_start(zone: &str, period: BudgetPeriod, now: UnixMs) -> UnixMs {
    period_bounds(zone, period, now).0
}

/// The first moment after the period that `now` lies in.
pub fn period_end(zone: &str, period: BudgetPeriod, now: UnixMs) -> UnixMs {
    period_bounds(zone, period, now).1
}

/// Both borders: the first moment of the period that `now` lies in, and the first after it.
pub fn period_bounds(zone: &str, period: BudgetPeriod, now: UnixMs) -> (UnixMs, UnixMs) {
    if period == BudgetPeriod::Operation {
        return (EVER, NEVER);
    }
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    bounds(&zone, period, now).unwrap_or((EVER, NEVER))
}

/// None beyond the years that a calendar holds.
fn bounds(zone: &TimeZone, period: BudgetPeriod, now: UnixMs) -> Option<(UnixMs, UnixMs)> {
    let here: Zoned = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
    let (first, next) = match period {
        BudgetPeriod::Month => (here.date().first_of_month(), here.date().last_of_month().tomorrow().ok()?),
        _ => (here.date(), here.date().tomorrow().ok()?),
    };
    Some((begin(first, zone)?, begin(next, zone)?))
}

/// The first moment of a day, which is not midnight where the clocks skip it.
fn begin(day: Date, zone: &TimeZone) -> Option<UnixMs> {
    let start = day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    Some(UnixMs(start.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "America/Havana",
        "Africa/Cairo",
        "Pacific/Apia",
    ];

    fn at(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn days_and_months_begin_where_the_zone_says() {
        for (zone, period, now, start, end) in [
            (
                "UTC",
                BudgetPeriod::Day,
                "2026-11-23T07:00:00Z",
                "2026-11-23T00:00:00Z",
                "2026-11-24T00:00:00Z",
            ),
            (
                "UTC",
                BudgetPeriod::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
            // 25 and 23 hours.
            (
                "Europe/Berlin",
                BudgetPeriod::Day,
                "2026-10-25T12:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                "Europe/Berlin",
                BudgetPeriod::Day,
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                BudgetPeriod::Month,
                "2026-03-31T22:00:00Z",
                "2026-03-31T22:00:00Z",
                "2026-04-30T22:00:00Z",
            ),
            (
                "Asia/Kathmandu",
                BudgetPeriod::Day,
                "2026-11-22T18:15:00Z",
                "2026-11-22T18:15:00Z",
                "2026-11-23T18:15:00Z",
            ),
            // Clocks skip midnight: the day begins at one o'clock.
            (
                "Africa/Cairo",
                BudgetPeriod::Day,
                "2026-04-24T10:00:00Z",
                "2026-04-23T22:00:00Z",
                "2026-04-24T21:00:00Z",
            ),
            (
                "No/Such",
                BudgetPeriod::Day,
                "2026-11-23T07:00:00Z",
                "2026-11-23T00:00:00Z",
                "2026-11-24T00:00:00Z",
            ),
        ] {
            assert_eq!(period_bounds(zone, period, at(now)), (at(start), at(end)), "{zone} {now}");
        }
        assert!(is_zone("Europe/Berlin") && !is_zone("No/Such"));
        assert_eq!(period_start("UTC", BudgetPeriod::Operation, UnixMs(5)), EVER);
        assert_eq!(period_end("UTC", BudgetPeriod::Day, UnixMs(i64::MAX)), NEVER);
    }

    proptest! {
        #[test]
        fn periods_meet_without_gap_at_borders_of_buckets(
            zone in 0..ZONES.len(),
            now in 1_600_000_000_000_i64..2_200_000_000_000,
            month: bool,
        ) {
            let period = if month { BudgetPeriod::Month } else { BudgetPeriod::Day };
            let (start, end) = period_bounds(ZONES[zone], period, UnixMs(now));
            prop_assert!(start.0 <= now && now < end.0);
            prop_assert_eq!((start.0 % BUCKET_MS, end.0 % BUCKET_MS), (0, 0));
            prop_assert_eq!(period_end(ZONES[zone], period, start), end);
            prop_assert_eq!(period_start(ZONES[zone], period, UnixMs(end.0 - 1)), start);
            prop_assert_eq!(period_start(ZONES[zone], period, end), end);
        }
    }
}

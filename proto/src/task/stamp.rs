//! Times and durations as people and programs write them into task files.

use crate::time::UnixMs;

/// A time that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub at: UnixMs,
    /// No zone was written, so UTC is assumed.
    pub zone_assumed: bool,
}

impl Stamp {
    /// Reads RFC 3339 with a space for `T`, without seconds, without a zone, a bare date, and whole numbers as Unix
    /// seconds or milliseconds by their size.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() || text.len() > 40 {
            return None;
        }
        if text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit()) {
            let number: i64 = text.parse().ok()?;
            // 10^11 seconds is the year 5138, 10^11 milliseconds is 1973.
            let ms = if number < 100_000_000_000 { number.checked_mul(1000)? } else { number };
            jiff::Timestamp::from_millisecond(ms).ok()?;
            return Some(Self { at: UnixMs(ms), zone_assumed: false });
        }
        let (date, rest) = text.split_at_checked(10)?;
        let date = parse_date(date)?;
        if rest.is_empty() {
            return stamp(date.at(0, 0, 0, 0), None);
        }
        let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
        let clock_len = rest.bytes().take_while(|b| b.is_ascii_digit() || b":.".contains(b)).count();
        let (clock, zone) = rest.split_at(clock_len);
        let (hour, minute, second, nanosecond) = parse_clock(clock)?;
        let time = jiff::civil::Time::new(hour, minute, second, nanosecond).ok()?;
        match zone.trim_start() {
            "" => stamp(date.to_datetime(time), None),
            zone => stamp(date.to_datetime(time), Some(parse_zone(zone)?)),
        }
    }
}

/// The form we write: `2026-02-09T20:35:00Z`.
pub fn write_stamp(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| "1970-01-01T00:00:00Z".to_owned(),
        |stamp| stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// The stamp at the beginning of a new file's name: `2026-02-09T2035`.
pub fn name_stamp(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "1970-01-01T0000".to_owned(), |stamp| stamp.strftime("%Y-%m-%dT%H%M").to_string())
}

/// Minutes of a text that is one number of hours; `1-2` is none.
pub fn hours_to_minutes(text: &str) -> Option<u32> {
    let hours: f64 = text.trim().parse().ok()?;
    (hours.is_finite() && (0.0..=100_000.0).contains(&hours)).then(|| (hours * 60.0).round() as u32)
}

fn stamp(civil: jiff::civil::DateTime, offset_seconds: Option<i32>) -> Option<Stamp> {
    let offset = jiff::tz::Offset::from_seconds(offset_seconds.unwrap_or(0)).ok()?;
    let at = offset.to_timestamp(civil).ok()?;
    Some(Stamp { at: UnixMs(at.as_millisecond()), zone_assumed: offset_seconds.is_none() })
}

fn digits<T: std::str::FromStr>(text: &str, len: usize) -> Option<T> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn parse_date(text: &str) -> Option<jiff::civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    jiff::civil::Date::new(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?).ok()
}

fn parse_clock(text: &str) -> Option<(i8, i8, i8, i32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second: i8 = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    if parts.next().is_some() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanosecond = format!("{fraction:0<9}").parse().ok()?;
    // A leap second is the last second before it to everyone but astronomers.
    Some((hour, minute, second.min(if second == 60 { 59 } else { i8::MAX }), nanosecond))
}

fn parse_zone(text: &str) -> Option<i32> {
    if matches!(text, "Z" | "z" | "UTC") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let plain = text[1..].replace(':', "");
    let (hours, minutes): (i32, i32) = match plain.len() {
        2 => (digits(&plain, 2)?, 0),
        4 => (digits(&plain[..2], 2)?, digits(&plain[2..], 2)?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_kinds_are_read() {
        for (text, want, assumed) in [
            ("2026-02-09T20:35:00Z", "2026-02-09T20:35:00.000Z", false),
            ("2026-02-09T21:14:03.391906Z", "2026-02-09T21:14:03.391Z", false),
            ("2026-02-09 20:35:00+00:00", "2026-02-09T20:35:00.000Z", false),
            ("2026-02-09 20:35:00 +0130", "2026-02-09T19:05:00.000Z", false),
            ("2026-02-09T20:35", "2026-02-09T20:35:00.000Z", true),
            ("2026-02-09T20:35Z", "2026-02-09T20:35:00.000Z", false),
            ("2026-02-09", "2026-02-09T00:00:00.000Z", true),
            ("1770669300", "2026-02-09T20:35:00.000Z", false),
            ("1770669300123", "2026-02-09T20:35:00.123Z", false),
            ("2026-02-09t20:35:00-02", "2026-02-09T22:35:00.000Z", false),
        ] {
            let stamp = Stamp::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((stamp.at.to_string().as_str(), stamp.zone_assumed), (want, assumed), "{text}");
        }
        for bad in [
            "",
            "soon",
            "2026-13-01",
            "2026-02-30",
            "2026-02-09T25:00",
            "2026-02-09X",
            "12",
            "2026-02-09T20:35:00+99",
        ] {
            assert_eq!(Stamp::parse(bad), None, "{bad}");
        }
        assert_eq!(write_stamp(UnixMs(1_770_669_300_123)), "2026-02-09T20:35:00Z");
        assert_eq!(name_stamp(UnixMs(1_770_669_300_123)), "2026-02-09T2035");
    }

    #[test]
    fn hours_are_minutes_when_they_are_one_number() {
        assert_eq!(
            ["3", "3.0", "0.5", "1-2", "-1", "x", "1e300"].map(hours_to_minutes),
            [Some(180), Some(180), Some(30), None, None, None, None]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:. +é-]{0,30}") {
            let _ = Stamp::parse(&text);
        }
    }
}

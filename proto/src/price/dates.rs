//! Dates and times of day in price tables: read from text and written, always UTC.

use crate::time::UnixMs;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Reads a date (its first moment in UTC) or an RFC 3339 time.
pub(super) fn read(text: &str) -> Option<UnixMs> {
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(UnixMs(start.timestamp().as_millisecond()));
    }
    text.parse::<jiff::Timestamp>().ok().map(|stamp| UnixMs(stamp.as_millisecond()))
}

/// Writes a date where the moment is one's first, else RFC 3339.
pub(super) fn show(at: UnixMs) -> String {
    let text = at.to_string();
    match text.strip_suffix("T00:00:00.000Z") {
        Some(date) => date.to_owned(),
        None => text,
    }
}

/// Reads `00:30:00Z` or `08:30:00+08:00` as milliseconds from midnight UTC.
pub(super) fn read_time(text: &str) -> Option<i64> {
    let sign = text.rfind(['Z', '+', '-'])?;
    let (clock, zone) = text.split_at(sign);
    let time: jiff::civil::Time = clock.parse().ok()?;
    let local = i64::from(time.hour()) * 3_600_000
        + i64::from(time.minute()) * 60_000
        + i64::from(time.second()) * 1_000
        + i64::from(time.millisecond());
    let ahead = match zone.split_at(1) {
        ("Z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let two = |part: &str, below: i64| {
                let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
                part.parse::<i64>().ok().filter(|n| digits && *n < below)
            };
            let size = two(hours, 24)? * 3_600_000 + two(minutes, 60)? * 60_000;
            if sign == "-" { -size } else { size }
        }
    };
    Some((local - ahead).rem_euclid(DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_utc() {
        assert_eq!(read("2027-01-01"), Some(UnixMs(1_798_761_600_000)));
        assert_eq!(read("2027-01-01T00:00:00Z"), read("2027-01-01"));
        assert_eq!(show(UnixMs(1_798_761_600_000)), "2027-01-01");
        assert_eq!(show(UnixMs(1_798_761_600_001)), "2027-01-01T00:00:00.001Z");
        assert_eq!(read_time("00:30:00Z"), Some(1_800_000));
        assert_eq!(read_time("08:30:00+08:00"), Some(1_800_000));
        assert_eq!(read_time("22:30:00-02:00"), Some(1_800_000));
        for text in ["", "Z", "1:30:00Z", "24:00:00Z", "10:00:00", "10:00:00+8", "10:00:00+24:00"] {
            assert_eq!(read_time(text), None, "{text}");
        }
        for text in ["", "soon", "2027-13-01", "2027-02-30"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! Values of the command line: amounts and times.

use std::time::Duration;

use super::admission::Limit;

pub(super) fn parse_usd(text: &str) -> Result<i64, String> {
    let amount = llmctl_proto::money::PicoUsd::parse(text.trim().trim_start_matches('$'))
        .map_err(|e| e.to_string())?;
    if amount.0 <= 0 {
        return Err("a limit must be more than zero".into());
    }
    Ok(amount.nano())
}

pub(super) fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { parse_usd(text).map(|nano| Limit(Some(nano))) }
}

/// Reads `90`, `90s`, `10m`, `2h`, `7d`, `500ms`, and sums such as `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration; write it as 90s, 10m, 2h or 7d");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let ms = match unit[..end].trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        total = number
            .checked_mul(ms)
            .and_then(|ms| total.checked_add(Duration::from_millis(ms)))
            .ok_or_else(bad)?;
        rest = &unit[end..];
    }
    if total.is_zero() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0", "soon", "5x", "-5s", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_positive_money() {
        assert_eq!(parse_usd("0.50"), Ok(500_000_000));
        assert_eq!(parse_usd("$2"), Ok(2_000_000_000));
        for bad in ["0", "-1", "much"] {
            assert!(parse_usd(bad).is_err(), "{bad}");
        }
    }
}

//! Reads an amount of dollars from its decimal text into pico-dollars, exactly.
//!
//! Never goes through a binary float. Private: it serves the one provider that says what it charged.

/// Digits behind the point of a dollar that a pico-dollar can hold.
const PICO_DIGITS: i64 = 12;

/// Pico-dollars of a decimal such as `0.0012` or `1.2e-05`, rounded half to even beyond the twelfth digit.
/// None when it is negative, not a number, or beyond an `i64` ($9.2 million).
pub(super) fn pico_usd(text: &str) -> Option<i64> {
    let text = text.trim().trim_matches('"');
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || digits.len() > 400 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // The place of the last pico digit among `digits`; it may lie beyond either end.
    let keep = whole.len() as i64 + i64::from(exponent) + PICO_DIGITS;
    let digit =
        |place: i64| usize::try_from(place).ok().and_then(|at| digits.get(at)).map_or(0, |d| d - b'0');
    if digits.iter().all(|digit| *digit == b'0') {
        return Some(0);
    }
    let first = digits.iter().position(|digit| *digit != b'0')? as i64;
    if keep - first > 19 {
        return None;
    }
    let mut pico: i64 = 0;
    for place in first..keep.max(first) {
        pico = pico.checked_mul(10)?.checked_add(i64::from(digit(place)))?;
    }
    let next = digit(keep);
    let beyond = (keep.max(-1) + 1..digits.len() as i64).any(|place| digit(place) != 0);
    let up = match next {
        0..=4 => false,
        5 => beyond || pico % 2 == 1,
        _ => true,
    };
    if up { pico.checked_add(1) } else { Some(pico) }
}

#[cfg(test)]
mod tests {
    use super::pico_usd;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        for (text, pico) in [
            ("0", 0),
            ("0.0012", 1_200_000_000),
            ("0.95", 950_000_000_000),
            ("19", 19_000_000_000_000),
            ("1.2e-05", 12_000_000),
            ("1.2E+1", 12_000_000_000_000),
            ("\"0.5\"", 500_000_000_000),
            ("0.009168599999999999", 9_168_600_000),
            ("0.0000000000005", 0),
            ("0.0000000000015", 2),
            ("0.0000000000025", 2),
            ("0.00000000000250001", 3),
            ("0.00000000000004", 0),
            ("0.0000000000009", 1),
            ("1e-400", 0),
            ("1e-2147483648", 0),
            ("9223372.036854775807", i64::MAX),
        ] {
            assert_eq!(pico_usd(text), Some(pico), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for text in [
            "",
            "-1",
            "null",
            "true",
            ".",
            "1.2.3",
            "1e",
            "0x10",
            "9223372.036854775808",
            "1e30",
            "1e2147483647",
            "1e9999999999",
        ] {
            assert_eq!(pico_usd(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_pico_amount_survives(pico in 0_i64..i64::MAX) {
            let text = format!("{}.{:012}", pico / 1_000_000_000_000, pico % 1_000_000_000_000);
            prop_assert_eq!(pico_usd(&text), Some(pico));
        }

        #[test]
        fn nothing_panics(text in "[-+0-9.eE\"]{0,24}") {
            let _ = pico_usd(&text);
        }
    }
}

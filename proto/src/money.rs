//! Money as integers: pico-dollars in the ledger, nano-dollars at the edge.
//!
//! A pico-dollar (10⁻¹² USD) per token is a micro-dollar per million tokens, so the cheapest listed price is
//! still an integer. Sums are taken in pico-dollars and rounded half to even once, for display and for JSON.
//! Nothing here uses floating point: a number is read from its decimal text, digit by digit.

use std::fmt;

use serde_json::Value;

/// Pico-dollars in one nano-dollar.
const PICO_PER_NANO: i64 = 1_000;
/// Decimals of a dollar that a pico-dollar counts.
const PICO_DECIMALS: u32 = 12;
/// Decimals of a dollar that a nano-dollar counts.
const NANO_DECIMALS: u32 = 9;
/// Decimals of "dollars per million tokens" that a pico-dollar per token counts.
const PRICE_DECIMALS: u32 = 6;
/// Longest number that is read; a longer one is no amount of money.
const MAX_NUMBER_BYTES: usize = 64;

/// An amount in pico-dollars (10⁻¹² USD), or a price in pico-dollars per token.
///
/// Holds up to 9.2 million dollars either way; arithmetic that leaves this range is an error, never a wrap.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct PicoUsd(pub i64);

/// Why a number is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// More decimals than the unit holds, where none may be lost.
    #[error("more than {0} decimals")]
    TooFine(u32),
    /// Beyond 9.2 million dollars.
    #[error("amount is out of range")]
    OutOfRange,
}

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Makes an amount from nano-dollars.
    ///
    /// # Errors
    /// `OutOfRange` beyond 9.2 million dollars.
    pub fn from_nano(nano: i64) -> Result<Self, MoneyError> {
        nano.checked_mul(PICO_PER_NANO).map(Self).ok_or(MoneyError::OutOfRange)
    }

    /// Narrows a sum that was taken in 128 bits.
    ///
    /// # Errors
    /// `OutOfRange` beyond 9.2 million dollars.
    pub fn from_sum(pico: i128) -> Result<Self, MoneyError> {
        i64::try_from(pico).map(Self).map_err(|_| MoneyError::OutOfRange)
    }

    /// Adds amounts in 128 bits.
    ///
    /// # Errors
    /// `OutOfRange` when the sum does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        Self::from_sum(amounts.into_iter().map(|a| i128::from(a.0)).sum())
    }

    /// Rounds half to even to nano-dollars, the unit of every interface.
    pub fn nano(self) -> i64 {
        // A thousandth of an i64 fits an i64.
        i64::try_from(half_even(i128::from(self.0), i128::from(PICO_PER_NANO))).unwrap_or(i64::MAX)
    }

    /// Reads dollars from decimal text, losing no digit: `0.05` or `1e-3`.
    ///
    /// # Errors
    /// `TooFine` beyond twelve decimals, `NotANumber`, `OutOfRange`.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (value, exact) = scaled(text, PICO_DECIMALS)?;
        if exact { Self::from_sum(value) } else { Err(MoneyError::TooFine(PICO_DECIMALS)) }
    }

    /// Reads dollars as a tool reports them: a binary float's shortest decimal, rounded half to even to whole
    /// nano-dollars. `0.009168599999999999` is 9,168,600 nano-dollars.
    ///
    /// # Errors
    /// `NotANumber`, `OutOfRange`.
    pub fn parse_reported(text: &str) -> Result<Self, MoneyError> {
        let (nano, _) = scaled(text, NANO_DECIMALS)?;
        Self::from_sum(nano.checked_mul(i128::from(PICO_PER_NANO)).ok_or(MoneyError::OutOfRange)?)
    }

    /// Reads a tool's amount from a JSON number or a string with one; negative amounts are no charge and `None`.
    pub fn from_json(value: &Value) -> Option<Self> {
        let amount = match value {
            // Serde prints the shortest decimal that reads back as the same float.
            Value::Number(number) => Self::parse_reported(&number.to_string()).ok()?,
            Value::String(text) => Self::parse_reported(text.trim()).ok()?,
            _ => return None,
        };
        (amount.0 >= 0).then_some(amount)
    }

    /// Reads a price in dollars per million tokens as pico-dollars per token, rounded half to even to the sixth
    /// decimal: listed prices with more are float noise (`0.18000000000000002`) or repeating fractions.
    ///
    /// # Errors
    /// `NotANumber`, `OutOfRange`.
    pub fn parse_per_million(text: &str) -> Result<Self, MoneyError> {
        Self::from_sum(scaled(text, PRICE_DECIMALS)?.0)
    }

    /// Writes all digits, without trailing zeros: `0.0045744`.
    pub fn exact(self) -> String {
        let text = fixed(i128::from(self.0), PICO_DECIMALS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show(i128::from(self.0), PICO_DECIMALS))
    }
}

/// Writes nano-dollars for people: `$12.34`, `$0.0046`, `$0.000012`; an amount that is not zero never looks so.
pub fn show_nano(nano: i64) -> String {
    show(i128::from(nano), NANO_DECIMALS)
}

fn show(amount: i128, decimals: u32) -> String {
    if amount == 0 {
        return "$0.00".to_owned();
    }
    let one = 10_i128.pow(decimals);
    let size = amount.abs();
    let keep = |places: u32| half_even(size, 10_i128.pow(decimals - places));
    let (digits, places) = if keep(4) >= 10_000 {
        (keep(2), 2)
    } else if size >= one / 10_000 {
        (keep(4), 4)
    } else {
        // Two digits that count, from the first that is not zero.
        let places = (5..=decimals).find(|places| keep(*places) >= 10).unwrap_or(decimals);
        (keep(places), places)
    };
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}${}", fixed(digits, places))
}

/// Writes `amount / 10^decimals` with all its decimals.
fn fixed(amount: i128, decimals: u32) -> String {
    let one = 10_i128.pow(decimals);
    let sign = if amount < 0 { "-" } else { "" };
    let size = amount.abs();
    format!("{sign}{}.{:0width$}", size / one, size % one, width = decimals as usize)
}

/// Divides and rounds to the nearest, ties to the even neighbour. `divisor` is positive.
fn half_even(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    let twice = value.rem_euclid(divisor) * 2;
    let up = twice > divisor || (twice == divisor && quotient % 2 != 0);
    quotient + i128::from(up)
}

/// Reads decimal text as an integer of `10^-decimals`, half to even; the flag says that nothing was rounded away.
fn scaled(text: &str, decimals: u32) -> Result<(i128, bool), MoneyError> {
    let number = Decimal::read(text)?;
    // Digits after `shift` are beyond the unit; a negative shift appends zeros.
    let shift = number.scale - i64::from(decimals);
    if number.digits == 0 {
        return Ok((0, true));
    }
    let (value, exact) = if shift <= 0 {
        let factor = u32::try_from(-shift).ok().and_then(|s| 10_i128.checked_pow(s));
        (factor.and_then(|f| number.digits.checked_mul(f)).ok_or(MoneyError::OutOfRange)?, true)
    } else {
        match u32::try_from(shift).ok().and_then(|s| 10_i128.checked_pow(s)) {
            Some(divisor) => (half_even(number.digits, divisor), !number.cut && number.digits % divisor == 0),
            // More than 38 places below the unit: smaller than a half of it.
            None => (0, false),
        }
    };
    Ok((if number.negative { -value } else { value }, exact && !number.cut))
}

/// A decimal number as `digits × 10^-scale`.
struct Decimal {
    negative: bool,
    digits: i128,
    scale: i64,
    /// Digits beyond the thirtieth were left away.
    cut: bool,
}

impl Decimal {
    /// Thirty digits hold any amount in pico-dollars, and twice ten of them fit 128 bits.
    const MAX_DIGITS: u32 = 30;

    fn read(text: &str) -> Result<Self, MoneyError> {
        if text.len() > MAX_NUMBER_BYTES {
            return Err(MoneyError::NotANumber);
        }
        let negative = text.starts_with('-');
        let rest = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
        let split = rest.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, exponent) = match split {
            Some(at) => (&rest[..at], Self::exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let mut number = Self { negative, digits: 0, scale: 0, cut: false };
        number.mantissa(mantissa)?;
        number.scale -= exponent;
        Ok(number)
    }

    fn mantissa(&mut self, bytes: &[u8]) -> Result<(), MoneyError> {
        let (mut point, mut seen, mut kept) = (false, false, 0_u32);
        for byte in bytes {
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' => {
                    seen = true;
                    if kept < Self::MAX_DIGITS {
                        self.digits = self.digits * 10 + i128::from(byte - b'0');
                        kept += u32::from(self.digits != 0);
                        self.scale += i64::from(point);
                    } else {
                        self.cut |= *byte != b'0';
                        self.scale -= i64::from(!point);
                    }
                }
                _ => return Err(MoneyError::NotANumber),
            }
        }
        if seen { Ok(()) } else { Err(MoneyError::NotANumber) }
    }

    fn exponent(bytes: &[u8]) -> Result<i64, MoneyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| MoneyError::NotANumber)?;
        let value: i64 = text.parse().map_err(|_| MoneyError::NotANumber)?;
        if value.abs() > 1_000 { Err(MoneyError::OutOfRange) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn float_dollars() {
        for (text, nano) in [
            ("0.009168599999999999", 9_168_600),
            ("0.009169400000000001", 9_169_400),
            ("0.0045744", 4_574_400),
            ("0.004575399999999999", 4_575_400),
            ("1e-7", 100),
            ("1.5E3", 1_500_000_000_000),
            ("0", 0),
            ("0e999", 0),
            ("1e-999", 0),
        ] {
            assert_eq!(PicoUsd::parse_reported(text).map(PicoUsd::nano), Ok(nano), "{text}");
        }
        let json: Value = serde_json::from_str("[0.009168599999999999, \"0.0012\", -1, null, 3]").unwrap();
        let read: Vec<_> = json.as_array().unwrap().iter().map(PicoUsd::from_json).collect();
        let nano = |n: i64| Some(PicoUsd::from_nano(n).unwrap());
        assert_eq!(read, [nano(9_168_600), nano(1_200_000), None, None, nano(3_000_000_000)]);
    }

    #[test]
    fn float_noise_price() {
        for (text, pico) in [
            ("0.18000000000000002", 180_000),
            ("0.0833333333333333", 83_333),
            ("0.0016", 1_600),
            ("4", 4_000_000),
        ] {
            assert_eq!(PicoUsd::parse_per_million(text), Ok(PicoUsd(pico)), "{text}");
        }
    }

    #[test]
    fn one_cheap_token() {
        let token = PicoUsd::parse_per_million("0.0016").unwrap();
        assert_eq!(token.nano(), 2);
        assert_eq!(PicoUsd::sum([token; 3]).unwrap().nano(), 5);
    }

    #[test]
    fn rounding_is_half_even() {
        for (pico, nano) in [(500, 0), (1_500, 2), (2_500, 2), (-500, 0), (-1_500, -2), (501, 1), (999, 1)] {
            assert_eq!(PicoUsd(pico).nano(), nano, "{pico}");
        }
    }

    #[test]
    fn an_exact_amount_loses_no_digit() {
        assert_eq!(PicoUsd::parse("0.05"), Ok(PicoUsd(50_000_000_000)));
        assert_eq!(PicoUsd::parse("0.000000000001"), Ok(PicoUsd(1)));
        assert_eq!(PicoUsd::parse("-2.50"), Ok(PicoUsd(-2_500_000_000_000)));
        assert_eq!(PicoUsd::parse("0.0000000000001"), Err(MoneyError::TooFine(12)));
        assert_eq!(PicoUsd::parse("1e-999"), Err(MoneyError::TooFine(12)));
        assert_eq!(PicoUsd::parse("10000000"), Err(MoneyError::OutOfRange));
        assert_eq!(PicoUsd::parse("1e900"), Err(MoneyError::OutOfRange));
        for text in ["", ".", "-", "1.2.3", "1,5", "NaN", "inf", "0x10", "1e", "e5", " 1", "1_000"] {
            assert_eq!(PicoUsd::parse(text), Err(MoneyError::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn overflow_is_an_error() {
        assert_eq!(PicoUsd::sum([PicoUsd(i64::MAX), PicoUsd(1)]), Err(MoneyError::OutOfRange));
        assert_eq!(PicoUsd::from_nano(i64::MAX), Err(MoneyError::OutOfRange));
        assert_eq!(PicoUsd(i64::MIN).nano(), -9_223_372_036_854_776);
    }

    #[test]
    fn an_amount_that_is_not_zero_never_looks_like_zero() {
        for (nano, text) in [
            (0, "$0.00"),
            (4_574_400, "$0.0046"),
            (1, "$0.000000001"),
            (12_345, "$0.000012"),
            (99_999, "$0.00010"),
            (100_000, "$0.0001"),
            (250_000_000, "$0.2500"),
            (999_960_000, "$1.00"),
            (12_344_000_000, "$12.34"),
            (-4_574_400, "-$0.0046"),
        ] {
            assert_eq!(show_nano(nano), text);
        }
        assert_eq!(PicoUsd(1).to_string(), "$0.000000000001");
        assert_eq!(PicoUsd(4_574_400_000).exact(), "0.0045744");
        assert_eq!(PicoUsd(2_000_000_000_000).exact(), "2");
    }

    proptest! {
        #[test]
        fn exact_text_reads_back(pico: i64) {
            let amount = PicoUsd(pico);
            prop_assert_eq!(PicoUsd::parse(&amount.exact()), Ok(amount));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (PicoUsd::parse(&text), PicoUsd::parse_reported(&text), PicoUsd::parse_per_million(&text));
        }

        #[test]
        fn deltas_sum_to_total(parts in proptest::collection::vec(0_i64..9_000_000, 1..50)) {
            let (mut total, mut shown, mut deltas) = (0_i64, 0_i64, 0_i64);
            for part in parts {
                total += part;
                let now = PicoUsd(total).nano();
                deltas += now - shown;
                shown = now;
            }
            prop_assert_eq!(deltas, PicoUsd(total).nano());
        }

        #[test]
        fn what_is_shown_is_never_zero(nano in prop_oneof![1_i64..1_000_000, 1_i64..i64::MAX]) {
            prop_assert!(show_nano(nano).chars().any(|c| ('1'..='9').contains(&c)));
        }
    }
}

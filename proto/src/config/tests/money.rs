//! Money is exact: no price or limit differs from rational arithmetic.

use proptest::prelude::*;

use super::*;
use crate::price::cost;
use crate::usage::Usage;

fn model(input: &str, output: &str) -> Loaded {
    one(
        "models.yaml",
        &format!(
            "models:\n  m:\n    provider: p\n    context_window: 9\n    cost_per_1k_tokens: {{input: {input}, output: {output}}}\n"
        ),
    )
}

fn priced(loaded: &Loaded, input: u64, output: u64) -> i64 {
    let row = loaded.config.prices.lookup("m", None, NOW).expect("a row");
    let usage = Usage { input, output, ..Usage::default() };
    cost(row, &usage).expect("a cost").0.nano()
}

#[test]
fn known_amounts() {
    assert_eq!(priced(&model("0.0025", "0.01"), 1_500, 800), 11_750_000);
    assert_eq!(priced(&model("0.01", "0.03"), 1_500, 800), 39_000_000);
    let row = model("0.00015", "0.0006").config.prices.lookup("m", None, NOW).cloned().expect("a row");
    assert_eq!(row.rates.input.expect("a price").0, 150_000);
    let dated = one(
        "models.yaml",
        "models:\n  m:\n    provider: p\n    context_window: 9\n    prices:\n    - per_million: {input: 3.00, output: 15.00}\n    - valid_from: 2026-09-01\n      per_million: {input: 0.000001, output: 10}\n",
    );
    let row = |text: &str| {
        let at = UnixMs(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
        dated.config.prices.lookup("m", None, at).expect("a row").rates.input.expect("a price").0
    };
    assert_eq!(row("2026-08-31T23:59:59.999Z"), 3_000_000);
    assert_eq!(row("2026-09-01T00:00:00Z"), 1);
}

proptest! {
    /// A price of `digits / 10^places` dollars per 1,000 tokens, with up to nine places, by so many tokens.
    #[test]
    fn prices_are_rational_arithmetic(digits in 0_u64..2_000_000_000, places in 0_u32..=9, tokens in 0_u64..2_000_000) {
        let one = 10_u64.pow(places);
        prop_assume!(digits / one < 1_000);
        let text = format!("{}.{:0width$}", digits / one, digits % one, width = places.max(1) as usize);
        let text = if places == 0 { format!("{digits}") } else { text };
        let loaded = model(&text, "0");
        let row = loaded.config.prices.lookup("m", None, NOW).expect("a row");
        // Pico-dollars a token: digits / 10^places / 1,000 × 10^12.
        let exact = u128::from(digits) * 10_u128.pow(9) / u128::from(one);
        prop_assert_eq!(u128::try_from(row.rates.input.expect("a price").0).expect("positive"), exact);
        let usage = Usage { input: tokens, ..Usage::default() };
        let pico = exact * u128::from(tokens);
        match cost(row, &usage) {
            Ok((amount, _)) => prop_assert_eq!(u128::try_from(amount.0).expect("positive"), pico),
            Err(_) => prop_assert!(pico > i64::MAX as u128),
        }
    }

    #[test]
    fn limits_are_exact(digits in 0_u64..9_000_000_000_000, places in 0_u32..=9) {
        let one = 10_u64.pow(places);
        prop_assume!(digits / one < 9_000_000);
        let text = if places == 0 { format!("{digits}") } else {
            format!("{}.{:0width$}", digits / one, digits % one, width = places as usize)
        };
        let loaded = super::one("p.yaml", &format!("policies:\n  p: {{daily_budget_usd: {text}}}\n"));
        let limit = loaded.config.policies["p"].budgets[0].limit.0;
        let exact = u128::from(digits) * 10_u128.pow(12) / u128::from(one);
        prop_assert_eq!(u128::try_from(limit).expect("positive"), exact);
    }
}

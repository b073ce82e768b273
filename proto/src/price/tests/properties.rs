//! Properties of the arithmetic over random rows and usage.

use proptest::prelude::*;

use super::*;

/// A small table with a bit of everything.
const FILE: &[u8] = br#"[{"id": "p", "name": "P", "model_match": {"regex": "^(?!x/)m"}, "models": [
{"id": "m", "name": "M", "match": {"or": [{"equals": "n"}, {"and": [{"contains": "o"}, {"ends_with": "p"}]}]},
"context_window": 1000, "prices": [{"prices": {"input_mtok": {"base": 1.5, "tiers": [{"start": 10, "price": 2e1}]},
"output_mtok": 3}}, {"constraint": {"start_date": "2026-01-02"}, "prices": {"input_mtok": 0.25}},
{"constraint": {"start_time": "01:00:00Z", "end_time": "02:00:00+01:00"}, "prices": {"cache_read_mtok": 9}}],
"price_variants": [{"when": {"service_tier": "flex"}, "prices": {"input_mtok": 0.5}}], "deprecated": true}]}]"#;

fn a_price() -> impl Strategy<Value = Option<PicoUsd>> {
    prop_oneof![
        1 => Just(None),
        6 => (0_i64..1_000_000_000).prop_map(|pico| Some(PicoUsd(pico))),
    ]
}

prop_compose! {
    fn rates()(input in a_price(), output in a_price(), cache_read in a_price(), cache_write_5m in a_price(),
               cache_write_1h in a_price(), reasoning in a_price()) -> Rates {
        Rates { input, output, cache_read, cache_write_5m, cache_write_1h, reasoning }
    }
}

prop_compose! {
    fn tier()(above in 0_u64..2_000_000, whole: bool, rates in rates()) -> Tier {
        let applies_to = if whole { AppliesTo::Request } else { AppliesTo::Excess };
        Tier { above_input_tokens: above, applies_to, rates }
    }
}

prop_compose! {
    fn any_row()(rates in rates(), mut tiers in prop::collection::vec(tier(), 0..4),
                 mode in prop::option::of(rates_and_tiers()), factor in 0_u64..3_000_000,
                 anthropic: bool, search in a_price()) -> PriceRow {
        tiers.sort_by_key(|tier| tier.above_input_tokens);
        tiers.dedup_by_key(|tier| tier.above_input_tokens);
        let modes = mode.map(|(rates, tiers)| Mode { name: "fast".into(), rates, tiers, ..Mode::default() });
        PriceRow {
            provider: anthropic.then(|| "anthropic".to_owned()),
            model: "m".to_owned(),
            rates,
            tiers,
            modes: modes.into_iter().collect(),
            factors: [("batch".to_owned(), Factor { millionths: factor })].into(),
            per_use: PerUse { web_search: search, request: None },
            ..PriceRow::default()
        }
    }
}

fn rates_and_tiers() -> impl Strategy<Value = (Rates, Vec<Tier>)> {
    (rates(), prop::collection::vec(tier(), 0..1))
}

prop_compose! {
    fn any_usage()(input in 0_u64..1_500_000, cache_read in 0_u64..1_500_000, write_5m in 0_u64..500_000,
                   write_1h in 0_u64..500_000, output in 0_u64..500_000, reasoning in 0_u64..600_000,
                   web_searches in 0_u64..4) -> Usage {
        Usage { input, cache_read, cache_write_5m: write_5m, cache_write_1h: write_1h, output, reasoning, web_searches }
    }
}

fn of(tier: u8, per_request: bool) -> Circumstance<'static> {
    let service_tier = [None, Some("fast"), Some("batch"), Some("other")][usize::from(tier % 4)];
    Circumstance { service_tier, per_request, ..Circumstance::request(NOW) }
}

/// A row that lists every class, without tiers.
fn flat(prices: [u32; 5]) -> PriceRow {
    let [input, output, cache_read, write_5m, write_1h] = prices.map(|pico| Some(PicoUsd(i64::from(pico))));
    let rates = Rates {
        input,
        output,
        cache_read,
        cache_write_5m: write_5m,
        cache_write_1h: write_1h,
        reasoning: None,
    };
    PriceRow { rates, per_use: PerUse { web_search: Some(PicoUsd(7)), request: None }, ..PriceRow::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_amount_is_the_sum_of_the_lines_and_every_token_is_priced_once(
        row in any_row(), usage in any_usage(), tier: u8, per_request: bool,
    ) {
        let Ok(priced) = price(&row, &usage, &of(tier, per_request)) else { return Ok(()) };
        let sum: i128 = priced.lines.iter().map(|line| i128::from(line.amount_pico.0)).sum();
        prop_assert_eq!(i128::from(priced.amount.0), sum);
        let tokens = |classes: &[Class]| -> u64 {
            priced.lines.iter().filter(|line| classes.contains(&line.class)).map(|line| line.tokens).sum()
        };
        prop_assert_eq!(tokens(&[Class::Input]), usage.input);
        prop_assert_eq!(tokens(&[Class::CacheRead]), usage.cache_read);
        prop_assert_eq!(tokens(&[Class::CacheWrite5m]), usage.cache_write_5m);
        prop_assert_eq!(tokens(&[Class::CacheWrite1h]), usage.cache_write_1h);
        prop_assert_eq!(tokens(&[Class::Output, Class::Reasoning]), usage.output);
        prop_assert_eq!(tokens(&[Class::WebSearch]), usage.web_searches);
        prop_assert!(priced.lines.len() <= 9 + row.tiers.len());
        let derived = priced.lines.iter().any(|line| line.derived);
        prop_assert_eq!(priced.basis == CostBasis::Derived, derived);
    }

    #[test]
    fn each_line_is_the_nearest_integer_to_its_exact_product(
        row in any_row(), usage in any_usage(), tier: u8,
    ) {
        let Ok(priced) = price(&row, &usage, &of(tier, true)) else { return Ok(()) };
        for line in priced.lines {
            let times = i128::from(line.factor_numerator);
            let over = i128::from(line.factor_denominator);
            let exact = i128::from(line.tokens) * i128::from(line.price_pico) * times;
            let off = (i128::from(line.amount_pico.0) * over - exact).abs() * 2;
            prop_assert!(off < over || (off == over && line.amount_pico.0 % 2 == 0));
            prop_assert!(over == 1 || line.derived || row.factors.contains_key("batch"));
        }
    }

    #[test]
    fn flat_costs_add_up(prices: [u32; 5], a in any_usage(), b in any_usage()) {
        let row = flat(prices);
        let cost = |usage: &Usage| cost(&row, usage).unwrap().0.0;
        prop_assert_eq!(cost(&a) + cost(&b), cost(&a.plus(&b)));
    }

    #[test]
    fn more_tokens_never_cost_less(prices: [u32; 5], usage in any_usage(), class in 0_usize..5, more in 1_u64..9_999) {
        let row = flat(prices);
        let mut larger = usage;
        let count = [&mut larger.input, &mut larger.output, &mut larger.cache_read, &mut larger.cache_write_5m,
                     &mut larger.cache_write_1h].into_iter().nth(class).unwrap();
        *count += more;
        let (less, most) = (cost(&row, &usage).unwrap().0, cost(&row, &larger).unwrap().0);
        prop_assert_eq!(most.0 - less.0, i64::try_from(more).unwrap() * i64::from(prices[class]));
    }

    #[test]
    fn no_usage_panics_or_wraps(
        row in any_row(), input: u64, cache_read: u64, write: u64, output: u64, reasoning: u64, tier: u8,
        per_request: bool,
    ) {
        let usage = Usage { input, cache_read, cache_write_5m: write, cache_write_1h: write, output, reasoning,
                            web_searches: input };
        if let Ok(priced) = price(&row, &usage, &of(tier, per_request)) {
            prop_assert!(priced.amount.0 >= 0);
            prop_assert!(priced.lines.iter().all(|line| line.amount_pico.0 >= 0));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_read_whole(at in 0_usize..700, byte: u8, cut in 0_usize..700) {
        let mut bytes = FILE.to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(if cut % 3 == 0 { cut % FILE.len() } else { FILE.len() });
        if let Ok(table) = import::parse(&bytes) {
            for model in table.models() {
                prop_assert!(table.find(&model.id(), Some(model.provider())).is_some() || model.id().trim() != model.id());
                for row in model.rows() {
                    let _ = price(row, &usage(1, 2, 3, 4), &Circumstance::request(row.valid_from.unwrap_or(NOW)));
                }
            }
        }
    }

    #[test]
    fn two_factors_multiply_or_overflow(a: u64, b: u64, tokens in 0_u64..1_000_000) {
        let mut row = PriceRow::flat("m", PicoUsd(1_000_000), PicoUsd(1));
        row.factors.insert("batch".to_owned(), Factor { millionths: a });
        row.factors.insert("fast".to_owned(), Factor { millionths: b });
        let of = Circumstance { service_tier: Some("fast"), batch: true, ..Circumstance::request(NOW) };
        let exact = u128::from(a).checked_mul(u128::from(b)).and_then(|f| f.checked_mul(u128::from(tokens)));
        if let Ok(priced) = price(&row, &usage(tokens, 0, 0, 0), &of) {
            let off = exact.unwrap().abs_diff(u128::from(priced.amount.0.unsigned_abs()) * 1_000_000);
            prop_assert!(off * 2 <= 1_000_000);
        }
    }

    #[test]
    fn extreme_prices_and_factors_never_panic(pico: i64, factor: u64, tokens: u64) {
        let mut row = PriceRow::flat("m", PicoUsd(pico), PicoUsd(pico));
        row.factors.insert("fast".to_owned(), Factor { millionths: factor });
        let of = Circumstance { service_tier: Some("fast"), ..Circumstance::request(NOW) };
        let _ = price(&row, &Usage { input: tokens, cache_read: tokens, ..Usage::default() }, &of);
    }
}

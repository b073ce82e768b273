//! Named cases of the price arithmetic.

use proptest::prelude::*;

use super::*;

/// 2026-11-23.
const NOW: UnixMs = UnixMs(1_795_392_000_000);

fn at(text: &str) -> UnixMs {
    read_moment(text).unwrap()
}

fn usage(input: u64, cache_read: u64, write_5m: u64, output: u64) -> Usage {
    Usage { input, cache_read, cache_write_5m: write_5m, output, ..Usage::default() }
}

fn pico(model: &str, usage: &Usage) -> i64 {
    cost(lookup(model, None, NOW).unwrap(), usage).unwrap().0.0
}

#[test]
fn the_embedded_table_is_valid() {
    let table = PriceTable::from_json(EMBEDDED).unwrap();
    assert!(table.rows().len() > 50);
    for row in table.rows() {
        assert!(row.input.0 > 0 && row.output.0 > 0, "{}", row.model);
        let last = row.valid_from.unwrap_or(NOW);
        let found = table.lookup(&row.model, row.provider.as_deref(), last);
        assert_eq!(found.map(|r| &r.model), Some(&row.model));
        if let (Some(from), Some(to)) = (row.valid_from, row.valid_to) {
            assert!(from < to, "{}", row.model);
        }
    }
    assert_eq!(PriceTable::embedded(), &table);
}

#[test]
fn opus_5_5_four_classes() {
    assert_eq!(pico("claude-opus-5-5", &usage(12, 12_532, 300, 26)), 4_574_400_000);
}

#[test]
fn cache_read_not_a_tenth() {
    assert_eq!(pico("claude-opus-5-5", &usage(0, 1_000_000, 0, 0)), 200_000_000_000);
    assert_eq!(pico("claude-opus-5-5", &usage(1_000_000, 0, 0, 0)), 4_000_000_000_000);
}

#[test]
fn cache_write_1h_is_not_5m() {
    let hour = Usage { cache_write_1h: 1, ..Usage::default() };
    assert_eq!(pico("claude-opus-5-5", &hour), 8_000_000);
    assert_eq!(pico("claude-opus-5-5", &usage(0, 0, 1, 0)), 5_000_000);
}

#[test]
fn cached_inside_input() {
    assert_eq!(PicoUsd(pico("gpt-5", &usage(5_042, 5_042, 0, 36))).nano(), 7_292_750);
    assert!(pico("gpt-5", &usage(10_084, 5_042, 0, 36)) > 7_292_750_000);
}

#[test]
fn reasoning_is_subset() {
    let with = Usage { reasoning: 10, ..usage(0, 0, 0, 36) };
    assert_eq!(pico("gpt-5", &with), pico("gpt-5", &usage(0, 0, 0, 36)));
}

#[test]
fn a_tier_that_the_table_does_not_hold_has_no_price() {
    let row = lookup("gemini-2.5-pro", None, NOW).unwrap();
    let at_limit = usage(100_000, 100_000, 0, 1);
    assert_eq!(
        cost(row, &at_limit),
        Ok((PicoUsd(125_000_000_000 + 12_500_000_000 + 10_000_000), CostBasis::Computed))
    );
    // Cached input counts towards the tier.
    assert_eq!(cost(row, &usage(100_000, 100_001, 0, 1)), Err(PriceError::AboveTier(200_000)));
    assert_eq!(cost(row, &usage(0, 0, 0, 300_000)).map(|c| c.0.0), Ok(3_000_000_000_000));
}

#[test]
fn dated_row() {
    let price = |when: &str| lookup("gemini-3.8-flash", None, at(when)).unwrap().input.0;
    assert_eq!(price("2026-12-31T23:59:59.999Z"), 750_000);
    assert_eq!(price("2027-01-01"), 1_500_000);
    assert_eq!(lookup("claude-opus-4-6", None, at("2026-03-12")).unwrap().max_request_input, Some(200_000));
    assert_eq!(lookup("claude-opus-4-6", None, at("2026-03-13")).unwrap().max_request_input, None);
}

#[test]
fn unknown_model_null() {
    for model in ["nosuchmodel", "smollm2", "", "/", "claude-opus-5-5/x", "claude-opus-5-5[1m]", "é-20251001"]
    {
        assert_eq!(lookup(model, None, NOW), None, "{model}");
    }
}

#[test]
fn names_match_by_alias_prefix_and_date() {
    for (model, found) in [
        ("gpt-5-codex", "gpt-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
    ] {
        assert_eq!(lookup(model, None, NOW).map(|row| row.model.as_str()), Some(found), "{model}");
    }
}

#[test]
fn reseller_price() {
    assert!(lookup("claude-opus-5-5", Some("anthropic"), NOW).is_some());
    assert!(lookup("claude-opus-5-5", Some("firstParty"), NOW).is_some());
    assert!(lookup("gemini-2.5-flash", Some("gemini"), NOW).is_some());
    assert_eq!(lookup("claude-opus-5-5", Some("openrouter"), NOW), None);
    assert_eq!(lookup("openrouter/anthropic/claude-opus-5-5", None, NOW), None);
    assert_eq!(lookup("bedrock/claude-opus-5-5", None, NOW), None);
    assert_eq!(lookup("anthropic/claude-opus-5-5", Some("openrouter"), NOW), None);
    let own = r#"{"rows": [{"model": "claude-opus-5-5", "provider": "openrouter", "input": "4.2", "output": "21"}]}"#;
    let table = PriceTable::from_json(own).unwrap();
    assert_eq!(table.lookup("claude-opus-5-5", Some("openrouter"), NOW).unwrap().input, PicoUsd(4_200_000));
    assert_eq!(table.lookup("claude-opus-5-5", Some("anthropic"), NOW), None);
}

#[test]
fn missing_class_derived() {
    let table = PriceTable::from_json(
        r#"{"rows": [{"model": "m", "provider": "anthropic", "input": "10", "output": "50"},
                     {"model": "n", "input": "10", "output": "50"}]}"#,
    )
    .unwrap();
    let all = Usage { cache_write_1h: 100, ..usage(100, 100, 100, 0) };
    let ours = cost(table.lookup("m", None, NOW).unwrap(), &all).unwrap();
    assert_eq!(
        ours,
        (PicoUsd(1_000_000_000 + 100_000_000 + 1_250_000_000 + 2_000_000_000), CostBasis::Derived)
    );
    // Nothing of the missing class was used, so nothing is derived.
    let plain = cost(table.lookup("m", None, NOW).unwrap(), &usage(100, 0, 0, 1)).unwrap();
    assert_eq!(plain, (PicoUsd(1_050_000_000), CostBasis::Computed));
    let any = cost(table.lookup("n", Some("whoever"), NOW).unwrap(), &all).unwrap();
    assert_eq!(any, (PicoUsd(4_000_000_000), CostBasis::Derived));
}

#[test]
fn overflow() {
    let row = lookup("gpt-5", None, NOW).unwrap();
    assert_eq!(cost(row, &usage(1 << 63, 0, 0, 0)), Err(PriceError::Overflow));
    let most = Usage { cache_write_1h: u64::MAX, ..usage(u64::MAX, u64::MAX, u64::MAX, u64::MAX) };
    assert_eq!(cost(row, &most), Err(PriceError::Overflow));
    let dear = PriceRow { input: PicoUsd(i64::MAX), cache_read: None, ..row.clone() };
    assert_eq!(cost(&dear, &most), Err(PriceError::Overflow));
}

#[test]
fn a_table_with_a_wrong_row_is_refused_whole() {
    for row in [
        r#"{"model": "m", "input": "x", "output": "1"}"#,
        r#"{"model": "m", "input": "1", "output": "-1"}"#,
        r#"{"model": "m", "input": "1", "output": "1", "valid_from": "soon"}"#,
        r#"{"model": "m", "input": "1"}"#,
        r#"{"model": "m", "input": 1.5, "output": "1"}"#,
    ] {
        assert!(PriceTable::from_json(&format!("{{\"rows\": [{row}]}}")).is_err(), "{row}");
    }
}

#[test]
fn embedded_figures_are_those_of_the_recordings() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/streams/expected.json");
    let expected: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (model, classes) in expected["prices_pico_usd_per_token"].as_object().unwrap() {
        if model == "mock-model" {
            continue;
        }
        let row = lookup(model, None, NOW).unwrap();
        let price = |class: &str| classes[class].as_i64().map(PicoUsd);
        assert_eq!(Some(row.input), price("input"), "{model}");
        assert_eq!(Some(row.output), price("output"), "{model}");
        assert_eq!(row.cache_read, price("cache_read"), "{model}");
        assert_eq!(row.cache_write_5m, price("cache_write_5m"), "{model}");
        assert_eq!(row.cache_write_1h, price("cache_write_1h"), "{model}");
    }
}

proptest! {
    #[test]
    fn no_name_panics(model in ".{0,40}", provider in proptest::option::of(".{0,10}")) {
        let _ = lookup(&model, provider.as_deref(), NOW);
    }

    #[test]
    fn more_tokens_never_cost_less(a: u32, b: u32, c: u32) {
        let row = lookup("claude-opus-5-5", None, NOW).unwrap();
        let less = cost(row, &usage(u64::from(a), u64::from(b), 0, u64::from(c))).unwrap().0;
        let more = cost(row, &usage(u64::from(a) + 1, u64::from(b), 1, u64::from(c))).unwrap().0;
        prop_assert!(less < more);
    }
}

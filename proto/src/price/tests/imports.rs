//! Files of prices that people bring: what is read of them and how errors say where.

use super::*;

fn file(model: &str) -> String {
    format!(r#"[{{"id": "p", "name": "P", "models": [{{"id": "m", "match": {{"equals": "m"}}, {model}}}]}}]"#)
}

fn error(text: &str) -> String {
    import::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn errors_name_provider_model_and_field() {
    for (model, said) in [
        (r#""prices": {"input_mtok": "x"}"#, "input_mtok is not a price"),
        (r#""prices": {"input_mtok": -1}"#, "input_mtok is not a price"),
        (r#""prices": {"input_mtok": 1e300}"#, "input_mtok is not a price"),
        (r#""prices": {"input_mtok": {"base": 1}}"#, "input_mtok has tiers that are no list"),
        (
            r#""prices": {"input_mtok": {"base": 1, "tiers": [{"start": 1.5, "price": 1}]}}"#,
            "input_mtok has a tier without a whole start",
        ),
        (r#""prices": []"#, "prices do not hold exactly one part without a constraint"),
        (
            r#""prices": [{"prices": {}}, {"prices": {}}]"#,
            "prices do not hold exactly one part without a constraint",
        ),
        (
            r#""prices": [{"prices": {}}, {"constraint": {"start_date": "2026-02-30"}, "prices": {}}]"#,
            "start_date is not a date",
        ),
        (
            r#""prices": [{"prices": {}}, {"constraint": {"end_date": "2026-02-01"}, "prices": {}}]"#,
            "constraint holds a field that is not known",
        ),
        (
            r#""prices": [{"prices": {}}, {"constraint": {"start_time": "1", "end_time": "2"}, "prices": {}}]"#,
            "start_time is not a time with its zone",
        ),
        (r#""context_window": 1.5"#, "context_window is not a whole number"),
        (r#""price_variants": [{"when": {}, "prices": {}}]"#, "when does not hold exactly one circumstance"),
    ] {
        assert_eq!(error(&file(model)), format!("provider p, model m: {said}"), "{model}");
    }
    assert_eq!(error(r#"{"id": "p"}"#), "price table: file is not a list of providers");
    assert_eq!(error("[{}]"), "price table: provider has no id");
    assert_eq!(error(r#"[{"id": "p"}]"#), "provider p: models is not a list");
    let twice = r#"[{"id": "p", "models": []}, {"id": "p", "models": []}]"#;
    assert_eq!(error(twice), "provider p: id appears twice");
    let rule = |rule: &str| format!(r#"[{{"id": "p", "models": [{{"id": "m", "match": {rule}}}]}}]"#);
    assert_eq!(error(&rule("{}")), "provider p, model m: match does not hold exactly one rule");
    assert_eq!(error(&rule(r#"{"like": "x"}"#)), "provider p, model m: match holds a rule that is not known");
    assert_eq!(
        error(&rule(r#"{"regex": "("}"#)),
        "provider p, model m: match holds a regular expression that is not understood"
    );
    let deep = (0..40).fold(r#"{"equals": "x"}"#.to_owned(), |inner, _| format!(r#"{{"or": [{inner}]}}"#));
    assert_eq!(error(&rule(&deep)), "provider p, model m: match is nested too deeply");
    assert_eq!(error("["), "the price table is not valid JSON");
}

#[test]
fn prices_are_read_from_decimal_text() {
    let text = file(
        r#""prices": {"input_mtok": 0.18000000000000002, "output_mtok": 0.0833333333333333,
           "cache_read_mtok": null, "web_searches_kcount": 10, "requests_kcount": 2.5, "input_audio_mtok": 7}"#,
    );
    let table = import::parse(text.as_bytes()).unwrap();
    let row = table.find("m", Some("p")).unwrap().row_at(NOW).unwrap();
    let rates = Rates { input: Some(PicoUsd(180_000)), output: Some(PicoUsd(83_333)), ..Rates::default() };
    assert_eq!(row.rates, rates);
    let per_use = PerUse { web_search: Some(PicoUsd(10_000_000_000)), request: Some(PicoUsd(2_500_000_000)) };
    assert_eq!(row.per_use, per_use);
    let of = Circumstance::request(NOW);
    assert_eq!(price(row, &usage(1, 0, 0, 0), &of).unwrap().amount, PicoUsd(2_500_000_000 + 180_000));
    assert_eq!(price(row, &Usage::default(), &of).unwrap().amount, PicoUsd::ZERO);
    assert_eq!(price(row, &usage(1, 0, 0, 0), &Circumstance::total(NOW)).unwrap().basis, CostBasis::Derived);
}

#[test]
fn a_model_with_no_price_that_we_meter_has_no_row() {
    let table = import::parse(file(r#""prices": {"audio_hours": 0.1}"#).as_bytes()).unwrap();
    assert_eq!(table.find("m", Some("p")).unwrap().row_at(NOW), None);
}

#[test]
fn a_model_given_away_costs_nothing_only_if_its_name_says_so() {
    let table = PriceTable::embedded();
    let free = "qwen/qwen3-coder:free";
    let row = table.lookup(free, Some("openrouter"), NOW).unwrap();
    assert_eq!(cost(row, &usage(1, 2, 3, 4)), Ok((PicoUsd::ZERO, CostBasis::Computed)));
    // No prices at all may also mean that nobody published them.
    assert_eq!(table.find("qwen-3-coder-480b", Some("cerebras"), NOW), Found::Gap);
}

#[test]
fn names_with_separators_in_them_survive() {
    let text = r#"[{"id": "p", "name": "a\tb", "models": [
        {"id": "x y;z@%\tw", "name": "N\u00e4me %", "match": {"or": [{"equals": "q r"}, {"starts_with": "s t"}]},
         "prices": {"input_mtok": 1}}]}]"#;
    let table = import::parse(text.as_bytes()).unwrap();
    for name in ["x y;z@%\tw", "q r", "s tu"] {
        assert_eq!(
            table.find(name, Some("p")).map(|m| m.name().into_owned()).as_deref(),
            Some("Näme %"),
            "{name:?}"
        );
    }
}

#[test]
fn classes_with_different_thresholds_keep_their_prices() {
    let text = file(
        r#""prices": {"input_mtok": {"base": 1, "tiers": [{"start": 10, "price": 2}]},
                      "output_mtok": {"base": 5, "tiers": [{"start": 20, "price": 6}]}}"#,
    );
    let table = import::parse(text.as_bytes()).unwrap();
    let row = table.find("m", Some("p")).unwrap().row_at(NOW).unwrap();
    let of = |input| cost(row, &usage(input, 0, 0, 1)).unwrap().0.0;
    assert_eq!((of(10), of(11), of(21)), (15_000_000, 27_000_000, 48_000_000));
}

#[test]
fn spans_of_time_follow_the_last_that_holds() {
    let text = file(
        r#""prices": [{"prices": {"input_mtok": 1}},
                      {"constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": 2}},
                      {"constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 3}}],
           "price_variants": [
             {"when": {"processing": "batch"}, "constraint": {"start_date": "2026-09-01"}, "prices": {"input_mtok": 0.5}},
             {"when": {"service_tier": "Flex"}, "prices": {"input_mtok": 0.25}},
             {"when": {"route": "eu"}, "prices": {"input_mtok": 9}}]"#,
    );
    let table = import::parse(text.as_bytes()).unwrap();
    let model = table.find("m", Some("p")).unwrap();
    let cost = |when: &str, tier: Option<&str>| {
        let row = model.row_at(at(when)).unwrap();
        let of = Circumstance { service_tier: tier, ..Circumstance::request(at(when)) };
        let priced = price(row, &usage(4, 0, 0, 0), &of).unwrap();
        (priced.amount.0 / 1_000_000, priced.basis)
    };
    let (computed, derived) = (CostBasis::Computed, CostBasis::Derived);
    assert_eq!(cost("2026-05-31T12:00:00Z", None), (4, computed));
    assert_eq!(cost("2026-06-01T12:00:00Z", None), (8, computed));
    assert_eq!(cost("2026-01-01T01:00:00Z", None), (12, computed));
    assert_eq!(cost("2026-07-01T12:00:00Z", Some("flex")), (1, computed));
    assert_eq!(cost("2026-07-01T12:00:00Z", Some("batch")), (8, derived));
    assert_eq!(cost("2026-09-01T12:00:00Z", Some("batch")), (2, computed));
    assert_eq!(cost("2026-09-01T12:00:00Z", Some("eu")), (8, derived));
    assert_eq!(model.rows().len(), 6);
}

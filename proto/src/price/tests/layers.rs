//! The user's rows before an imported table before the embedded one.

use std::sync::Arc;

use super::*;

fn table(rows: Vec<PriceRow>) -> PriceTable {
    PriceTable::new(rows, None).unwrap()
}

fn dated(model: &str, input: i64, from: Option<&str>, to: Option<&str>) -> PriceRow {
    PriceRow { valid_from: from.map(at), valid_to: to.map(at), ..row(model, input, input) }
}

fn input_of(table: &PriceTable, model: &str, provider: Option<&str>) -> Option<i64> {
    table.lookup(model, provider, NOW)?.rates.input.map(|price| price.0)
}

#[test]
fn the_users_row_goes_first_and_other_models_are_as_before() {
    let mut own = row("gpt-5", 7, 8);
    own.aliases.push("Large".to_owned());
    let table = table(vec![own]);
    for name in ["gpt-5", "openai/gpt-5", "GPT-5", "large", "gpt-5-2025-08-07", "models/gpt-5"] {
        assert_eq!(input_of(&table, name, None), Some(7), "{name}");
    }
    // A row without a provider is for any.
    assert_eq!(input_of(&table, "gpt-5", Some("azure")), Some(7));
    assert_eq!(input_of(&table, "gpt-5-mini", None), Some(250_000));
    assert_eq!(table.lookup("gpt-5", None, NOW).unwrap().id().split(':').next(), Some("override"));
}

#[test]
fn a_row_for_one_seller_is_not_for_another() {
    let own = PriceRow { provider: Some("openrouter".to_owned()), ..row("claude-opus-5-5", 9, 9) };
    let table = table(vec![own]);
    assert_eq!(input_of(&table, "claude-opus-5-5", Some("openrouter")), Some(9));
    assert_eq!(input_of(&table, "openrouter/claude-opus-5-5", None), Some(9));
    assert_eq!(input_of(&table, "claude-opus-5-5", Some("anthropic")), Some(4_000_000));
    assert_eq!(input_of(&table, "anthropic/claude-opus-5-5", Some("anthropic")), Some(4_000_000));
}

#[test]
fn a_gap_between_rows_is_unknown() {
    let rows = vec![dated("gpt-5", 1, None, Some("2026-11-01")), dated("gpt-5", 2, Some("2026-12-01"), None)];
    let table = table(rows);
    assert_eq!(table.find("gpt-5", None, NOW), Found::Gap);
    assert_eq!(
        table.lookup("gpt-5", None, at("2026-10-31T23:59:59.999Z")).unwrap().rates.input,
        Some(PicoUsd(1))
    );
    assert_eq!(table.find("gpt-5", None, at("2026-11-01")), Found::Gap);
    assert_eq!(table.lookup("gpt-5", None, at("2026-12-01")).unwrap().rates.input, Some(PicoUsd(2)));
}

#[test]
fn rows_that_overlap_or_contradict_themselves_are_refused() {
    let overlap = vec![dated("m", 1, None, None), dated("M", 2, Some("2026-01-01"), None)];
    assert_eq!(
        check_rows(&overlap),
        Err(RowsError::Overlap { model: "M".to_owned(), from: "2026-01-01".to_owned() })
    );
    assert!(PriceTable::new(overlap, None).is_err());
    let touching = [dated("m", 1, None, Some("2026-01-01")), dated("m", 2, Some("2026-01-01"), None)];
    assert_eq!(check_rows(&touching), Ok(()));
    let sellers = [
        PriceRow { provider: Some("a".to_owned()), ..row("m", 1, 1) },
        PriceRow { provider: Some("b".to_owned()), ..row("m", 1, 1) },
    ];
    assert_eq!(check_rows(&sellers), Ok(()));
    let backwards = dated("m", 1, Some("2026-02-01"), Some("2026-01-01"));
    assert_eq!(check_rows(&[backwards]), Err(RowsError::Backwards { model: "m".to_owned() }));
    assert_eq!(
        check_rows(&[row("m", 1, -1)]),
        Err(RowsError::Negative { model: "m".to_owned(), class: "output" })
    );
    let mut tiers = row("m", 1, 1);
    let tier = Tier { above_input_tokens: 5, applies_to: AppliesTo::Request, rates: Rates::default() };
    tiers.tiers = vec![tier, tier];
    assert_eq!(check_rows(&[tiers]), Err(RowsError::Tiers { model: "m".to_owned() }));
}

#[test]
fn rows_for_hours_go_before_those_for_the_day() {
    let hours = |from: i64, to: i64| Some(DailyHours { start_ms: from * 3_600_000, end_ms: to * 3_600_000 });
    let night = PriceRow { daily: hours(22, 2), ..row("m", 1, 1) };
    let rows = vec![row("m", 2, 2), night.clone()];
    let table = table(rows);
    assert_eq!(table.lookup("m", None, at("2026-11-23T23:00:00Z")).unwrap().rates.input, Some(PicoUsd(1)));
    assert_eq!(table.lookup("m", None, at("2026-11-23T12:00:00Z")).unwrap().rates.input, Some(PicoUsd(2)));
    let morning = PriceRow { daily: hours(1, 5), ..row("m", 3, 3) };
    assert!(check_rows(&[night.clone(), morning]).is_err());
    let noon = PriceRow { daily: hours(11, 13), ..row("m", 3, 3) };
    assert_eq!(check_rows(&[night, noon]), Ok(()));
}

#[test]
fn local_model_is_free_only_by_a_row_of_zeros() {
    let tokens = usage(1_000, 2_000, 0, 3_000);
    let of = Circumstance::request(NOW);
    assert!(PriceTable::embedded().price("smollm2", None, &tokens, &of).is_none());
    let table = table(vec![row("smollm2", 0, 0)]);
    let (priced, row) = table.price("smollm2", None, &tokens, &of).unwrap().unwrap();
    assert_eq!((priced.amount, row.source), (PicoUsd::ZERO, RowSource::Override));
}

#[test]
fn price_import_keeps_history() {
    let tokens = usage(1_000, 0, 0, 0);
    let before = PriceTable::embedded();
    let of = Circumstance::request(NOW);
    let (recorded, old) = before.price("gpt-5", None, &tokens, &of).unwrap().unwrap();
    let recorded = (old.id(), recorded.amount);
    let file = br#"[{"id": "openai", "name": "OpenAI", "model_match": {"starts_with": "gpt-"}, "models": [
        {"id": "gpt-5", "match": {"equals": "gpt-5"}, "prices": {"input_mtok": 99, "output_mtok": 1}}]}]"#;
    let after = PriceTable::new(Vec::new(), Some(Arc::new(import::parse(file).unwrap()))).unwrap();
    let (repriced, new) = after.price("gpt-5", None, &tokens, &of).unwrap().unwrap();
    assert_eq!(repriced.amount, PicoUsd(99_000_000_000));
    // What was recorded names the old row, which still gives the old amount; the new one has another id.
    assert_ne!(new.id(), recorded.0);
    assert_eq!((old.id(), cost(old, &tokens).unwrap().0), recorded);
    assert_eq!(new.source, RowSource::Imported);
    // Models that the file does not know are as before.
    assert_eq!(input_of(&after, "gpt-5-mini", None), Some(250_000));
    assert_eq!(
        after.models().filter(|model| &*model.id() == "gpt-5" && model.provider() == "openai").count(),
        1
    );
    assert_eq!(after.context_window("gpt-5", None), before.context_window("gpt-5", None));
}

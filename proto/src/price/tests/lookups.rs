//! Whose row is found: names, providers, dates, and the embedded table as a whole.

use proptest::prelude::*;

use super::*;

#[test]
fn the_embedded_table_is_valid() {
    let table =
        Catalogue::read(include_str!("../../../data/genai-prices.txt"), RowSource::Catalogue).unwrap();
    assert_eq!(table.origin(), "genai-prices 0.2.1");
    assert_eq!((table.providers().count(), table.models().count()), (47, 2_267));
    assert_eq!(Catalogue::embedded().models().count(), 2_267);
    let mut ids = std::collections::HashSet::new();
    for model in table.models() {
        let rows = model.rows();
        for row in rows {
            assert!(ids.insert(row.id()), "{}", row.id());
            assert_eq!(row.provider.as_deref(), Some(model.provider()));
            assert!(row.valid_from.is_none_or(|from| row.valid_to.is_none_or(|to| from < to)));
            check_rows(std::slice::from_ref(row)).unwrap();
        }
        let found = table.find(&model.id(), Some(model.provider())).unwrap();
        assert_eq!(found.id(), model.id());
        check_rows(rows).unwrap();
    }
}

#[test]
fn row_ids_are_stable() {
    let row = lookup("claude-opus-5-5", None, NOW).unwrap();
    // Stored beside what was priced: a change here orphans recorded ids.
    assert_eq!(row.id(), "catalogue:anthropic:claude-opus-5-5:2026-10-14:6c294bb8679d");
    let mut closed = row.clone();
    closed.valid_to = Some(NOW);
    closed.note = Some("why".to_owned());
    assert_eq!(closed.id(), row.id());
    closed.rates.output = Some(PicoUsd(1));
    assert_ne!(closed.id(), row.id());
}

#[test]
fn unknown_model_null() {
    for model in
        ["nosuchmodel", "smollm2", "", "/", "claude-opus-5-5/x", "é-20251001", "models/", "-20251001"]
    {
        assert_eq!(lookup(model, None, NOW), None, "{model}");
    }
    assert_eq!(PriceTable::embedded().find("nosuchmodel", Some("anthropic"), NOW), Found::Unknown);
}

#[test]
fn names_match_by_alias_prefix_date_and_rule() {
    for (model, found) in [
        ("gpt-5", "gpt-5"),
        ("GPT-5", "gpt-5"),
        ("gpt-5-codex", "gpt-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-5-5@20261001", "claude-opus-5-5"),
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash", "gemini-2.5-flash"),
        ("openrouter/anthropic/claude-opus-5.5", "anthropic/claude-opus-5.5"),
    ] {
        let row = lookup(model, None, NOW);
        assert_eq!(row.map(|row| row.model.as_str()), Some(found), "{model}");
    }
}

#[test]
fn reseller_price() {
    let input = |model, provider| {
        let row = lookup(model, provider, NOW)?;
        Some((row.provider.clone().unwrap(), row.rates.input.unwrap().0))
    };
    let own = |provider: &str, pico| Some((provider.to_owned(), pico));
    assert_eq!(input("claude-opus-5-5", Some("anthropic")), own("anthropic", 4_000_000));
    assert_eq!(input("claude-opus-5-5", Some("firstParty")), own("anthropic", 4_000_000));
    assert_eq!(input("gemini-2.5-flash", Some("gemini")), own("google", 300_000));
    assert_eq!(input("claude-opus-5-5", Some("vertex")), own("google", 4_000_000));
    // A cloud has a list of its own.
    assert_eq!(input("claude-opus-5-5", Some("bedrock")), own("aws", 4_400_000));
    // No list of this seller is known: never the maker's.
    for (model, provider) in [
        ("claude-opus-5-5", Some("my-gateway")),
        ("claude-opus-5-5", Some("my-anthropic-proxy")),
        ("my-gateway/claude-opus-5-5", None),
        ("claude-opus-5-5", Some("groq")),
        ("anthropic/claude-opus-5-5", Some("groq")),
    ] {
        assert_eq!(input(model, provider), None, "{model} of {provider:?}");
    }
}

#[test]
fn models_say_what_routing_needs() {
    let table = PriceTable::embedded();
    let model = table.model("claude-opus-5-5", None).unwrap();
    assert_eq!(
        (model.provider(), &*model.id(), &*model.name()),
        ("anthropic", "claude-opus-5-5", "Claude Opus 5.5")
    );
    assert_eq!(table.context_window("anthropic/claude-opus-5-5", None), Some(1_000_000));
    assert_eq!(table.context_window("nosuchmodel", None), None);
    assert!(table.models().any(|model| model.deprecated()));
    assert!(!model.deprecated());
    assert_eq!(model.row_at(NOW), lookup("claude-opus-5-5", None, NOW));
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
        for class in Class::TOKENS {
            let price = classes[class.as_str()].as_i64().map(PicoUsd);
            assert_eq!(row.rates.get(class), price, "{model} {}", class.as_str());
        }
    }
}

proptest! {
    #[test]
    fn no_name_panics(model in ".{0,40}", provider in proptest::option::of(".{0,10}")) {
        let _ = lookup(&model, provider.as_deref(), NOW);
    }

    #[test]
    fn no_name_of_a_known_provider_panics(model in "[-a-z0-9./@é]{0,30}", n in 0_usize..47) {
        let provider = Catalogue::embedded().providers().nth(n);
        let _ = lookup(&model, provider, NOW);
    }

    #[test]
    fn at_most_one_row_of_a_model_holds_for_whole_days(n in 0_usize..2_267, day in 18_000_i64..22_000) {
        let model = Catalogue::embedded().models().nth(n).unwrap();
        let at = UnixMs(day * 86_400_000);
        let holding = model.rows().iter().filter(|row| row.daily.is_none() && row.holds_at(at)).count();
        prop_assert!(holding <= 1);
        prop_assert_eq!(holding == 1 || model.rows().is_empty(), true);
    }
}

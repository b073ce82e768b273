//! The flat prices of the models that both tables know against the table of another project, LiteLLM.
//!
//! `tests/tools/install.sh litellm` fetches it; without it the test says so and passes. It is never shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{Catalogue, Class};
use llmctl_proto::time::UnixMs;
use serde_json::Value;

/// 2026-11-23, when the compared version was the newest.
const AT: UnixMs = UnixMs(1_795_392_000_000);

/// Their names of providers and ours. Makers, and sellers whose names of models are the same in both tables.
const PROVIDERS: [(&str, &str); 14] = [
    ("anthropic", "anthropic"),
    ("openai", "openai"),
    ("gemini", "google"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
    ("xai", "x-ai"),
    ("moonshot", "moonshotai"),
    ("zai", "zai"),
    ("cohere_chat", "cohere"),
    ("groq", "groq"),
    ("cerebras", "cerebras"),
    ("perplexity", "perplexity"),
    ("minimax", "minimax"),
    ("voyage", "voyageai"),
];

/// Their names of prices and our classes.
const CLASSES: [(&str, Class); 5] = [
    ("input_cost_per_token", Class::Input),
    ("output_cost_per_token", Class::Output),
    ("cache_read_input_token_cost", Class::CacheRead),
    ("cache_creation_input_token_cost", Class::CacheWrite5m),
    ("cache_creation_input_token_cost_above_1hr", Class::CacheWrite1h),
];

fn file() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/tools");
    let cache = std::env::var_os("LLMCTL_TEST_TOOLS").map_or_else(default, PathBuf::from);
    cache.join("litellm/model_prices_and_context_window_backup.json")
}

/// Models whose prices differ, and why as far as the two tables tell. Midnight UTC is outside DeepSeek's dear hours.
const DIFFERENT: [(&str, &str); 9] = [
    ("deepseek/deepseek-chat", "theirs has one price for the whole day, and another list than ours"),
    ("deepseek/deepseek-reasoner", "theirs has one price for the whole day, and another list than ours"),
    ("deepseek/deepseek-flash", "theirs has the price of the dear hours all day: twice ours at midnight"),
    ("deepseek/deepseek-v4-flash", "theirs has the price of the dear hours all day: twice ours at midnight"),
    ("deepseek/deepseek-v4-pro", "theirs has the price of the dear hours all day: twice ours at midnight"),
    ("deepseek/deepseek-v3.2", "the tables disagree, and neither says since when"),
    ("groq/openai/gpt-oss-safeguard-20b", "theirs rounds 0.0375 to 0.037"),
    ("openai/gpt-4o-mini-tts", "its output is audio: theirs lists 12 for that beside 10 for text, ours 12"),
    ("x-ai/grok-code-fast-1", "the tables disagree on a model that theirs calls deprecated since 2026-05-15"),
];

/// Dollars per token as pico-dollars, from the shortest decimal of the number.
fn pico(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    // Six more places turn a price per token into one per million.
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse::<i32>().ok()? + 6;
    PicoUsd::parse_per_million(&format!("{mantissa}e{exponent}")).ok().map(|price| price.0)
}

#[test]
fn flat_prices_are_those_of_another_table() {
    let Ok(text) = std::fs::read_to_string(file()) else {
        println!("skipped: run tests/tools/install.sh litellm for the table to compare with");
        return;
    };
    let theirs: BTreeMap<String, Value> = serde_json::from_str(&text).expect("it is JSON");
    let (mut equal, mut different) = (0, BTreeMap::<String, Vec<String>>::new());
    for (name, entry) in &theirs {
        let seller = entry["litellm_provider"].as_str().unwrap_or_default();
        let Some((_, provider)) = PROVIDERS.iter().find(|(theirs, _)| *theirs == seller) else { continue };
        let bare = name.strip_prefix(&format!("{seller}/")).unwrap_or(name);
        let Some(model) = Catalogue::embedded().find(bare, Some(provider)) else { continue };
        // Only the same name is surely the same model.
        if *model.id() != *bare {
            continue;
        }
        let Some(row) = model.row_at(AT) else { continue };
        for (key, class) in CLASSES {
            let (Some(ours), Some(theirs)) = (row.rates.get(class), pico(&entry[key])) else { continue };
            if ours.0 == theirs {
                equal += 1;
            } else {
                let model = format!("{provider}/{bare}");
                let line = format!("{} {}: ours {}, theirs {theirs}", model, class.as_str(), ours.0);
                different.entry(model).or_default().push(line);
            }
        }
    }
    println!("{equal} equal prices");
    for (model, why) in DIFFERENT {
        println!("{model}: {why}");
    }
    let found: BTreeSet<&str> = different.keys().map(String::as_str).collect();
    assert_eq!(found, DIFFERENT.iter().map(|(model, _)| *model).collect(), "{different:#?}");
    assert!(equal > 400, "{equal}");
}

//! How long a price takes to be found: `cargo test -p llmctl-tests --test prices -- --ignored --nocapture speed`.

use std::time::Instant;

use llmctl_proto::price::{Circumstance, PriceTable, import, price};
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::Usage;

use super::source::crate_source;

/// 2026-11-23.
const AT: UnixMs = UnixMs(1_795_392_000_000);

#[test]
#[ignore = "prints times, decides nothing"]
fn lookups() {
    let table = PriceTable::embedded();
    let timed = |what: &str, model: &str, provider: Option<&str>| {
        let start = Instant::now();
        let found = table.lookup(model, provider, AT).is_some();
        println!("{what}: {:?} (found: {found})", start.elapsed());
    };
    timed("first lookup", "claude-opus-5-5", Some("anthropic"));
    timed("first of the largest provider", "anthropic/claude-opus-5.5", Some("openrouter"));
    timed("first by rule", "claude-3-haiku-x", Some("anthropic"));
    timed("first unknown", "nosuchmodel", None);
    timed("second unknown", "nosuchmodel", None);
    let row = table.lookup("claude-opus-5-5", None, AT).expect("it is in the table");
    let usage = Usage { input: 12, cache_read: 12_532, cache_write_5m: 300, output: 26, ..Usage::default() };
    let rounds = 10_000_u32;
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(table.lookup(std::hint::black_box("claude-opus-5-5"), Some("anthropic"), AT));
    }
    println!("later lookup: {:?}", start.elapsed() / rounds);
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(price(row, std::hint::black_box(&usage), &Circumstance::request(AT)).is_ok());
    }
    println!("price: {:?}", start.elapsed() / rounds);
    let bytes = std::fs::read(crate_source().0.join("data/prices.json")).expect("the crate has its data");
    let start = Instant::now();
    import::parse(&bytes).expect("the crate's data is valid");
    println!("import of the whole table: {:?}", start.elapsed());
}

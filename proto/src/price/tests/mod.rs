//! Named cases of the price table, by what they are about, and the properties of its arithmetic.

mod imports;
mod layers;
mod lookups;
mod named;
mod properties;

use super::*;
use crate::event::CostBasis;
use crate::money::PicoUsd;
use crate::time::UnixMs;
use crate::usage::Usage;

/// 2026-11-23.
const NOW: UnixMs = UnixMs(1_795_392_000_000);

fn at(text: &str) -> UnixMs {
    dates::read(text).unwrap()
}

fn usage(input: u64, cache_read: u64, write_5m: u64, output: u64) -> Usage {
    Usage { input, cache_read, cache_write_5m: write_5m, output, ..Usage::default() }
}

fn pico(model: &str, usage: &Usage) -> i64 {
    cost(lookup(model, None, NOW).unwrap(), usage).unwrap().0.0
}

fn row(model: &str, input: i64, output: i64) -> PriceRow {
    PriceRow::flat(model, PicoUsd(input), PicoUsd(output))
}

//! Dated prices, who has which, and the arithmetic on them.
//!
//! Prices are integers of pico-dollars per token, read from decimal text, so none ever passes through a binary
//! fraction. A model that no layer of the table knows, or a date without a row, has no price: the cost is unknown,
//! never zero and never another seller's. Everything here is pure: no clock, no file, no network.

mod arithmetic;
mod catalogue;
mod compact;
mod dates;
pub mod import;
mod names;
mod row;
mod rule;
mod table;

pub use arithmetic::{Circumstance, Class, Line, PriceError, Priced, cost, price};
pub use catalogue::{Catalogue, CatalogueModel};
pub use row::{
    AppliesTo, DailyHours, Factor, Mode, PerUse, PriceRow, Rates, RowSource, RowsError, Tier, check_rows,
};
pub use table::{Found, PriceTable, lookup};

#[cfg(test)]
mod tests;

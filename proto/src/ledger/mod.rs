//! The ledger: what was used, at which price, and what it came to. Rows never change once they are recorded.
//!
//! Everything here is pure. Rows travel in `cost.recorded`; the daemon stores them for ever, and without a daemon
//! they are read from the journals.

mod days;
mod row;

pub use days::*;
pub use row::*;

//! The ledger: what was used, at which price, and what it came to. Rows never change once they are recorded.
//!
//! Everything here is pure. Rows travel in `cost.recorded`; the daemon stores them for ever, and without a daemon
//! they are read from the journals.

mod days;
mod last_seen;
pub mod report;
mod row;
mod share;
mod table;

pub use days::*;
pub use last_seen::{LAST_SEEN, last_seen};
pub use row::*;
pub use share::{Cell, Share, cost_of, shares};
pub use table::{Bucket, Line, Table};

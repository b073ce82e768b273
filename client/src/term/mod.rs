//! Writing to people: text from models made harmless, numbers made short, tables and one status line.

pub(crate) mod editor;
mod format;
mod safe;
mod status;
mod table;

pub use format::{ago, bytes, cost, duration, tokens};
pub use safe::{Safe, one_line};
pub use status::StatusLine;
pub use table::Table;

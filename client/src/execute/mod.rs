//! Running one operation: from the request to the closing event.

mod attempt;
mod begin;
mod child;
mod choices;
mod conclude;
mod fallback;
mod front;
mod gate;
mod halt;
mod operation;
mod permission;
mod place;
pub mod prompt;
mod record;
pub mod request;
mod runner;
pub(crate) mod setup;
mod signals;
mod source;
mod stop;
mod stream_file;

pub use begin::{Hooks, Mode, Options, Take, decide, run};
pub use front::Show;
pub use runner::millis;

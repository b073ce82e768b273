//! The library behind `llmctld`.

pub mod hub;
pub mod store;

//! The library behind `llmctl`: tools, providers, routing, the runner and the verbs.

pub mod meter;
pub mod practice;
pub mod provider;
pub mod tool;

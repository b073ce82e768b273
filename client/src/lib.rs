//! The library behind `llmctl`: tools, providers, routing, the runner and the verbs.

pub mod cli;
pub mod cmd;
pub mod config;
pub mod error;
pub mod execute;
pub mod link;
pub mod mcp;
pub mod meter;
pub mod practice;
pub mod provider;
pub mod route;
pub mod term;
pub mod tool;

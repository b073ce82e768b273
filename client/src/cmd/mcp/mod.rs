//! `llmctl mcp`: servers.

mod add;
mod change;
mod config;
mod edit;
mod files;
mod found;
mod import;
mod kept;
mod remove;
mod report;

pub(crate) use config::run as run_config;

//! The library behind `llmctld`: hub and store in the middle, control, gateway and adopter around them.

pub mod admit;
pub mod adopt;
pub mod board;
pub mod control;
pub mod health;
pub mod hub;
mod keep;
pub mod log;
pub mod mcp;
pub mod operations;
pub mod retain;
pub mod run;
pub mod settings;
pub mod store;
pub mod web;

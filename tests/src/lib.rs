//! What the end-to-end tests of llmctl stand on.
//!
//! Owns the fixture provider, the fake agent CLI, the fake MCP server, the isolated environment the real binaries
//! run in, and the reading of `/proc` by which a test proves that nothing is left. Never links the product: the
//! binaries are driven from outside, and expected figures are computed here a second time.

pub mod fake;
pub mod gateway;
pub mod http;
pub mod local_model;
pub mod mcp;
pub mod paid;
pub mod price;
pub mod proc;
pub mod provider;
pub mod rack;
pub mod run;
pub mod sandbox;
pub mod stage;
pub mod tools;
pub mod wait;

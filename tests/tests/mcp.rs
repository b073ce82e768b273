//! Supervised MCP servers on the real programs: what goes wrong in them, what is noticed and when, and that no
//! process is ever left. Measured figures are said on the error stream as `figure: …`.
//!
//! The tests on real servers and the conformance suite need `tests/tools/install.sh mcp conformance`.

#[path = "mcp/api.rs"]
mod api;
#[path = "mcp/conformance.rs"]
mod conformance;
#[path = "mcp/crash.rs"]
mod crash;
#[path = "mcp/daemon.rs"]
mod daemon;
#[path = "mcp/flood.rs"]
mod flood;
#[path = "mcp/handshake.rs"]
mod handshake;
#[path = "mcp/health.rs"]
mod health;
#[path = "mcp/keys.rs"]
mod keys;
#[path = "mcp/real.rs"]
mod real;
#[path = "mcp/tools.rs"]
mod tools;
#[path = "mcp/tree.rs"]
mod tree;

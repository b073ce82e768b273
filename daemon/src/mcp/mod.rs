//! MCP servers: the conversation with one, and the supervisor of all.
//!
//! Each server has one actor (`actor`, `launch`, `open`) that owns its process and its conversation and is the only
//! one to change its state; `servers` is the handle to all of them. Pure decisions are apart: `backoff`, `limits`.

mod actor;
mod backoff;
mod deps;
mod desired;
mod ends;
mod environment;
mod error;
mod failing;
mod health;
mod known;
mod launch;
mod leftovers;
mod limits;
mod log;
mod offer;
mod open;
mod process;
mod servers;
pub mod session;
mod trampoline;
mod usage;
mod verbs;

pub use error::McpError;
pub use servers::{LogTail, McpDeps, Servers};
pub use trampoline::become_server;

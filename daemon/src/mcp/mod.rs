//! MCP servers: the conversation with one, and the supervisor of all.

mod error;
mod servers;
pub mod session;

pub use error::McpError;
pub use servers::{LogTail, Servers};

//! MCP servers: their conversations, one session each.

pub mod session;

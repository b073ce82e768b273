//! MCP servers as the client sees them: what other programs have configured, in our terms.

pub mod import;

//! What `llmctl`, `llmctld` and every other reader of their data must agree on.
//!
//! Typed events and the projection they fold into, ids and cursors, money and usage arithmetic, the operation's
//! directory, process identity, paths and endpoints, and the gRPC wire (`pb`). Nothing here owns state or talks
//! to a network.

pub mod admission;
pub mod config;
pub mod event;
pub mod ids;
pub mod journal;
pub mod ledger;
pub mod mcp;
pub mod money;
pub mod opdir;
pub mod paths;
pub mod price;
pub mod process;
pub mod redact;
pub mod state;
pub mod stats;
pub mod task;
pub mod time;
pub mod tokens;
pub mod usage;

/// Generated messages and the client and server of `llmctl.v1.Control`.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod pb {
    tonic::include_proto!("llmctl.v1");
}

/// Version of the protocol between `llmctl` and `llmctld`; raised when a meaning changes.
pub const PROTOCOL: u32 = 1;

/// Version of this build, as both programs print it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

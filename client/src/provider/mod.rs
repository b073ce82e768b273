//! Providers that are spoken to over HTTP, without a CLI in between.
//!
//! Three layers: pure splitting and decoding of streams (`sse`, `decode` and one file per API), pure building of
//! requests and reading of errors (`request`, `error`, `known`), and the only two files that touch the network
//! (`stream`, `local`, both through `wire`). Nothing here reads the environment or executes what a model asks for.

pub mod anthropic;
pub mod chat;
pub mod decode;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod gemini;
pub mod known;
pub mod local;
pub mod ollama;
pub mod request;
pub mod responses;
pub mod sse;
pub mod stream;
mod wire;

pub use decode::Decoder;
pub use error::ProviderError;
pub use request::{Api, ChatRequest, ProviderSpec, Secret};
pub use stream::{Chunk, Limits, Streaming};

#[cfg(test)]
mod captures;

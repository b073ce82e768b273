//! Configuration: what people write in YAML, in layers, as typed values with the place each came from.
//!
//! Everything here is pure but the reading of the files themselves. The daemon and the client read the same
//! schema, so both live by one description of every key.

mod model;

pub use model::*;

//! The price table against two other computations, and the embedded file against its source.
//!
//! Never reads a price from our own file but through the product; the other side is the crate the table is from,
//! which computes for itself, and the table of another project.

#[path = "prices/litellm.rs"]
mod litellm;
#[path = "prices/names.rs"]
mod names;
#[path = "prices/oracle.rs"]
mod oracle;
#[path = "prices/random.rs"]
mod random;
#[path = "prices/source.rs"]
mod source;

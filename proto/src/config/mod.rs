//! Configuration: what people write in YAML, in layers, as typed values with the place each came from.
//!
//! `discover` reads files and variables; everything after it is pure: `load` lays the layers over one another,
//! checks them against one description of every key, and gives typed values with all that is wrong, at once. The
//! daemon and the client use the same.

mod budget_guard;
mod changes;
mod check;
mod cross;
mod daemon;
mod diagnostic;
pub mod discover;
mod expand;
mod layers;
mod load;
mod mcp;
mod model;
mod node;
mod policy;
mod programs;
mod read;
pub mod schema;
mod servers;
mod show;
mod sources;
pub mod trust;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

pub use changes::changes;
pub use daemon::*;
pub use diagnostic::{Code, Diagnostic, KeyPath, Layer, Origin, Severity, nearest};
pub use discover::{Overrides, ProjectUse};
pub use expand::{BadReference, MissingVar, expand, references};
pub use layers::split_setting;
pub use load::{LoadError, Loaded, load};
pub use mcp::*;
pub use model::*;
pub use node::{Entry, Map, Node, Place, Value};
pub use policy::*;
pub use show::{Shown, to_yaml};
pub use sources::{Catalogue, Project, SourceFile, Sources, Trust};

/// Whether there is a time zone of this IANA name, on this system or among those that come with the program.
pub fn zone_exists(name: &str) -> bool {
    name == "UTC" || jiff::tz::TimeZone::get(name).is_ok()
}

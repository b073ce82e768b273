//! Reads the MCP servers of other programs' files into our form. Pure: text in, servers and notes out.
//!
//! Nothing is executed, expanded or fetched. Every field is taken or reported; a literal secret is kept apart from
//! the first moment and never part of a message.

pub mod diff;
mod fields;
mod formats;
pub mod jsonc;
mod map;
mod merge;
pub mod reference;
pub mod secret;
pub mod server;
pub mod toml;
pub mod tree;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use fields::{Note, Refused, is_header};
pub use formats::{Candidate, Format, Surveyed, candidates, recognise};
pub use merge::{Choice, Chosen, choose, safe_name};
pub use server::{Secret, Server, Text, Transport};
pub use tree::{At, Node, SyntaxError};

/// Longest file that is read, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A server of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name there.
    pub name: String,
    /// Where it is written.
    pub at: At,
    /// The part of the file, if it has several: `user` or `local`.
    pub scope: Option<&'static str>,
    /// It in our form, or why it has none.
    pub server: Result<Server, Refused>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// What a file belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Belongs<'a> {
    /// The project it lies in; none for a user's own file.
    pub workspace: Option<&'a Path>,
    /// The working directory, for files that hold several projects.
    pub cwd: Option<&'a Path>,
}

/// Reads a file's text as a tree: TOML for Codex, else JSON. Without a format the first character decides.
///
/// # Errors
/// It is neither; says where.
pub fn parse(text: &str, format: Option<Format>, path: &Path) -> Result<Node, SyntaxError> {
    let toml = match format {
        Some(format) => format == Format::Codex,
        None => {
            let first = text.trim_start_matches('\u{feff}').trim_start().chars().next();
            path.extension().is_some_and(|end| end == "toml") || !matches!(first, Some('{' | '/') | None)
        }
    };
    if toml { toml::parse(text) } else { jsonc::parse(text) }
}

/// The servers of a tree.
///
/// # Errors
/// It has no servers where this format keeps them.
pub fn servers(root: &Node, format: Format, belongs: Belongs<'_>) -> Result<Vec<Found>, SyntaxError> {
    map::servers(root, format, belongs)
}

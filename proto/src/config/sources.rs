//! What a configuration is made of, before anything is understood: bytes of files, variables, flags.

use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Layer};
use crate::price;
use crate::time::UnixMs;

/// Everything that loading reads; given by [`super::discover`], or by a test.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files of the user's and of the project's directory, in the order of their names.
    pub files: Vec<SourceFile>,
    /// Variables that begin with `LLMCTL_`.
    pub env: Vec<(String, String)>,
    /// `KEY=VALUE` of `--set`, in their order.
    pub set: Vec<String>,
    /// The project's directory, if there is one.
    pub project: Option<Project>,
    /// What comes with the program and is not known here.
    pub catalogue: Catalogue,
    /// The user's home directory, at which paths of MCP servers begin.
    pub home: Option<PathBuf>,
    /// For prices.
    pub now: UnixMs,
    /// Prices that the user imported with `llmctl models update`.
    pub imported: Option<Arc<price::Catalogue>>,
    /// What was seen while looking for files.
    pub seen: Vec<Diagnostic>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its layer.
    pub layer: Layer,
    /// Where it is.
    pub path: PathBuf,
    /// How it is shown: relative to the project, `~/…`, or whole.
    pub shown: String,
    /// What it holds, at most a byte more than is allowed; or why it cannot be read.
    pub content: Result<Vec<u8>, String>,
}

/// A project's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The directory with the files.
    pub dir: PathBuf,
    /// The project itself: the directory that holds it.
    pub root: PathBuf,
    /// Whether it is in force.
    pub trust: Trust,
}

/// Whether a project's files are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The user trusts exactly these bytes.
    Trusted,
    /// The user said so for this run.
    ThisRun,
    /// Read to be looked at, whatever the user trusts.
    Shown,
    /// The user was never asked.
    New,
    /// They are not what the user trusted.
    Changed,
    /// Somebody else could have written them.
    NotOurs(String),
}

impl Trust {
    /// Whether the files are read.
    pub fn in_force(&self) -> bool {
        matches!(self, Self::Trusted | Self::ThisRun | Self::Shown)
    }
}

/// What comes with the program that reads.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Tools with an adapter.
    pub adapters: Vec<&'static str>,
    /// Other names that may stand for a tool: providers, local servers.
    pub providers: Vec<&'static str>,
    /// Says why a command template cannot be used.
    pub template_error: Option<fn(&str) -> Option<String>>,
    /// References to tools and models are checked. The daemon, which runs none, leaves that out.
    pub references: bool,
}

impl Catalogue {
    /// Whether a tool of this name is known without configuration.
    pub fn knows_tool(&self, name: &str) -> bool {
        self.adapters.contains(&name) || self.providers.contains(&name)
    }
}

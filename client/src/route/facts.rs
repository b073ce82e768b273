//! The facts that a decision rests on: what this machine has, which variables are set, what the daemon knows.
//!
//! Plain data, gathered elsewhere ([`super::gather`]); nothing here looks anywhere.

use std::collections::BTreeSet;
use std::path::PathBuf;

use llmctl_proto::admission::SharedFacts;
use llmctl_proto::config::Tool;
use llmctl_proto::event::Reason;
use llmctl_proto::time::UnixMs;

use crate::provider::ProviderSpec;
use crate::tool::ToolSpec;

/// Everything a decision may rest on besides the request and the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The time of the decision.
    pub now: UnixMs,
    /// What there is to run, in the order of preference of `auto`.
    pub machine: Vec<Fact>,
    /// Names of variables that are set and not empty, among those a tool requires.
    pub variables: BTreeSet<String>,
    /// What the daemon knows of budgets, windows, cool-downs and history.
    pub shared: SharedFacts,
    /// Whether a daemon answered; without one `shared` is empty and means nothing.
    pub daemon: bool,
}

/// What kind of thing a candidate runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A tool of the configuration.
    Configured,
    /// A tool with an adapter that the configuration does not name.
    Installed,
    /// A provider, reached with a key.
    Credentials,
    /// A server on this machine.
    LocalServer,
    /// The practice model.
    Practice,
}

impl Kind {
    /// The source of a candidate without any configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Installed => "installed",
            Self::Credentials => "credentials",
            Self::LocalServer => "local_server",
            Self::Practice => "practice",
        }
    }

    /// Whether it costs nothing.
    pub fn is_free(self) -> bool {
        matches!(self, Self::LocalServer | Self::Practice)
    }
}

/// What could be run, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Tool, provider or server by name.
    pub tool: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// The provider behind it, when there is only one.
    pub provider: Option<String>,
    /// Models it offers by name; empty when it takes any of its provider's.
    pub models: Vec<String>,
    /// Model used when none is named; none leaves it to the tool.
    pub default_model: Option<String>,
    /// Why it cannot be used at all.
    pub missing: Option<Reason>,
    /// Why `auto` passes it by, though it could be tried by name.
    pub doubtful: Option<Reason>,
}

impl Fact {
    /// A fact without models, provider or trouble.
    pub fn new(tool: impl Into<String>, kind: Kind) -> Self {
        Self {
            tool: tool.into(),
            kind,
            provider: None,
            models: Vec::new(),
            default_model: None,
            missing: None,
            doubtful: None,
        }
    }

    /// Whether it would take a model of this name.
    pub fn offers(&self, model: &str) -> bool {
        if !self.models.is_empty() {
            return self.models.iter().any(|known| known == model);
        }
        match (&self.provider, super::family(model)) {
            (Some(provider), Some(family)) => provider == family,
            // A tool for every provider takes `provider/model`.
            (None, _) => model.contains('/'),
            (Some(_), None) => self.default_model.as_deref() == Some(model),
        }
    }
}

/// What stands behind a fact: what to run when it is chosen.
#[derive(Debug, Clone)]
pub enum Target {
    /// A tool with an adapter.
    Tool {
        /// Which.
        spec: &'static ToolSpec,
        /// Its program, when it was found.
        binary: Option<PathBuf>,
        /// What the configuration adds: arguments, environment, limits.
        config: Option<Box<Tool>>,
    },
    /// A program run by a template.
    Template {
        /// As configured.
        tool: Box<Tool>,
        /// Its program, when it was found.
        binary: Option<PathBuf>,
    },
    /// A provider or local server.
    Http {
        /// How it is reached, when it can be.
        spec: Option<ProviderSpec>,
        /// On this machine and free of charge.
        local: bool,
    },
    /// The practice model.
    Practice,
    /// Only listed: nothing can be run.
    Nothing,
}

/// A fact and what stands behind it.
#[derive(Debug, Clone)]
pub struct Known {
    /// For the decision.
    pub fact: Fact,
    /// For the run.
    pub target: Target,
}

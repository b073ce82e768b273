//! What the router is asked: names as the user gave them, the size of the prompt, limits and flags.
//!
//! Owns no decision and reads nothing; an execution, a preview and a test all fill the same struct.

use llmctl_proto::event::Requested;
use llmctl_proto::money::PicoUsd;

/// A request for a tool and a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `auto`, a model, an alias, or `tool:model`.
    pub model: Option<String>,
    /// A tool, provider or local server by name.
    pub tool: Option<String>,
    /// An agent by name.
    pub agent: Option<String>,
    /// A task type.
    pub task_type: Option<String>,
    /// Capabilities that the tool must have.
    pub require: Vec<String>,
    /// Size of the prompt, files beside it included.
    pub prompt_bytes: u64,
    /// Input tokens, when somebody has counted them; else they are estimated from the bytes.
    pub input_tokens: Option<u64>,
    /// A policy by name.
    pub policy: Option<String>,
    /// Limit of this operation.
    pub max_cost: Option<PicoUsd>,
    /// Project, for budgets that count each by itself.
    pub project: Option<String>,
    /// An explicit choice may be replaced when it cannot run.
    pub fallback: bool,
    /// A full rate window is waited for, however long it takes.
    pub wait: bool,
    /// Hard budgets do not refuse.
    pub force: bool,
}

impl Request {
    /// The part of the request that events carry.
    pub fn requested(&self) -> Requested {
        Requested {
            model: self.model.clone(),
            tool: self.tool.clone(),
            agent: self.agent.clone(),
            task_type: self.task_type.clone(),
            require: self.require.clone(),
        }
    }
}

impl From<&Requested> for Request {
    fn from(requested: &Requested) -> Self {
        Self {
            model: requested.model.clone(),
            tool: requested.tool.clone(),
            agent: requested.agent.clone(),
            task_type: requested.task_type.clone(),
            require: requested.require.clone(),
            ..Self::default()
        }
    }
}
